//! One generation, as JavaScript holds it.

use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;
use wick_engine::Session;
use wick_engine::spec::Fed;

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

    /// Ends the work between two layers; `next` resolves with `cancelled`.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}
