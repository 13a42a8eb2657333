//! One generation, as JavaScript holds it.

use napi::bindgen_prelude::{Env, Object, Uint32Array};
use napi_derive::napi;
use wick_engine::spec::Fed;
use wick_engine::{Session, Snapshot};

use crate::event::NativeEvent;
use crate::outcome::{Outcome, promise};
use crate::request::NativePrompt;

/// A running generation. Letting it be collected cancels it.
#[napi]
pub struct NativeSession(pub(crate) Session);

#[napi]
impl NativeSession {
    /// All events that are ready, never an empty array; `null` after the finish event. One call at a time.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<Array<NativeEvent> | null>>")]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, |answer| {
            self.0.next(Box::new(move |events| {
                answer(
                    events.map(|events| events.map(|events| events.into_iter().map(NativeEvent::from).collect::<Vec<_>>())),
                );
            }));
        })
    }

    /// Answers an `Overflow` event with a shorter prompt; what was generated so far is kept.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<null>")]
    pub fn resume(&self, prompt: NativePrompt) -> Outcome<()> {
        Outcome(self.0.resume(prompt.into()))
    }

    /// Answers a `Token` event: the token is taken, or `replacement` stands in its place.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<null>")]
    pub fn feed(&self, replacement: Option<Vec<u32>>) -> Outcome<()> {
        Outcome(self.0.feed(replacement.map_or(Fed::Keep, Fed::Replace)))
    }

    /// Answers a `Token` event: the answer ends before the token.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<null>")]
    pub fn finish(&self) -> Outcome<()> {
        Outcome(self.0.feed(Fed::End))
    }

    /// Where the answer can be continued; `null` before it has finished.
    #[napi(catch_unwind)]
    pub fn snapshot(&self) -> Option<NativeSnapshot> {
        self.0.snapshot().map(NativeSnapshot)
    }

    /// Answers a `Predict` event: the tokens that are expected next, none where nothing is.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<null>")]
    pub fn predicted(&self, tokens: Vec<u32>) -> Outcome<()> {
        Outcome(self.0.predicted(tokens))
    }

    /// Ends the work between two layers; `next` resolves with `cancelled`.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// A point of a session that it can go on from, as often as one likes. It pins no keys and values.
#[napi]
pub struct NativeSnapshot(pub(crate) Snapshot);

#[napi]
impl NativeSnapshot {
    /// How many tokens it is.
    #[napi(catch_unwind)]
    pub fn tokens(&self) -> u32 {
        self.0.tokens() as u32
    }

    /// Prompt and answer, without the token that ended it.
    #[napi(catch_unwind)]
    pub fn ids(&self) -> Uint32Array {
        self.0.ids().to_vec().into()
    }
}
