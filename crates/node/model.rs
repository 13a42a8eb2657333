//! A loaded model, as JavaScript holds it.

use napi::bindgen_prelude::{Env, Float32Array, Object, Uint32Array};
use napi_derive::napi;
use wick_engine::spec::Stop;
use wick_engine::{Control, Model};

use crate::event::NativeUsage;
use crate::info::NativeModelInfo;
use crate::outcome::{Outcome, promise};
use crate::request::{NativePrompt, NativeRequest};
use crate::restored::NativeRestored;
use crate::session::{NativeSession, NativeSnapshot};
use crate::stats::NativeStats;

/// A loaded model. Letting it be collected frees it when its last session ends.
#[napi]
pub struct NativeModel(pub(crate) Model);

#[napi]
impl NativeModel {
    /// Facts of the file and of the load.
    #[napi(catch_unwind)]
    pub fn info(&self) -> NativeModelInfo {
        self.0.info().into()
    }

    /// Token ids of a text. `parseControl`: control tokens written out in it become those tokens. `addSpecial`: with the tokens
    /// the file puts around a text.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<Uint32Array>")]
    pub fn tokenize(&self, text: String, parse_control: bool, add_special: bool) -> Outcome<Uint32Array> {
        let control = if parse_control { Control::Parse } else { Control::AsText };
        Outcome(self.0.tokenizer().encode(&text, control, add_special).map(Uint32Array::new))
    }

    /// The text of token ids; control tokens appear by name with `showControl`.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<string>")]
    pub fn detokenize(&self, tokens: &[u32], show_control: bool) -> Outcome<String> {
        Outcome(self.0.tokenizer().decode(tokens, show_control))
    }

    /// What the template makes of a conversation; any other prompt as text, control tokens by name.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<string>")]
    pub fn render(&self, prompt: NativePrompt) -> Outcome<String> {
        Outcome(self.0.show(&prompt.into()))
    }

    /// How many tokens a prompt is.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<number>")]
    pub fn count_tokens(&self, prompt: NativePrompt) -> Outcome<u32> {
        Outcome(self.0.count_tokens(&prompt.into()).map(|n| n as u32))
    }

    /// Starts a generation; the work begins on the model's thread at once. With a `snapshot` it goes on from there: text and tokens
    /// follow its end, a conversation repeats its messages.
    #[napi(catch_unwind, ts_return_type = "NativeOutcome<NativeSession>")]
    pub fn generate(&self, request: NativeRequest, snapshot: Option<&NativeSnapshot>) -> Outcome<NativeSession> {
        let past = snapshot.map(|snapshot| snapshot.0.clone());
        Outcome(request.into_request().and_then(|request| self.0.generate_after(past, request)).map(NativeSession))
    }

    /// What the model does at the moment.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> NativeStats {
        self.0.stats().into()
    }

    /// Computes a prompt's keys and values and keeps them for the next generation that begins with it.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<NativeUsage>>")]
    pub fn prepare<'env>(
        &self,
        env: &'env Env,
        prompt: NativePrompt,
        cancel: Option<&NativeCancel>,
    ) -> napi::Result<Object<'env>> {
        promise(env, |answer| {
            self.0.prepare(prompt.into(), stop_of(cancel), |usage| answer(usage.map(NativeUsage::from)));
        })
    }

    /// Writes a session to a file, with its keys and values: resolves when the file is durable. `text` comes back when it is restored.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<null>>")]
    pub fn save<'env>(
        &self,
        env: &'env Env,
        snapshot: &NativeSnapshot,
        text: String,
        path: String,
        cancel: Option<&NativeCancel>,
    ) -> napi::Result<Object<'env>> {
        promise(env, |answer| self.0.save(&snapshot.0, text, path.into(), stop_of(cancel), answer))
    }

    /// Reads a session that `save` wrote; its keys and values are kept for whoever continues it.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<NativeRestored>>")]
    pub fn restore<'env>(&self, env: &'env Env, path: String, cancel: Option<&NativeCancel>) -> napi::Result<Object<'env>> {
        promise(env, |answer| {
            self.0.restore(path.into(), stop_of(cancel), |found| {
                answer(found.map(|(snapshot, text)| NativeRestored { snapshot: NativeSnapshot(snapshot), text }))
            });
        })
    }

    /// Logits (positions, vocab) at ascending positions of `tokens`, row by row. Nothing is kept.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<Float32Array>>")]
    pub fn evaluate<'env>(
        &self,
        env: &'env Env,
        tokens: &[u32],
        positions: &[u32],
        cancel: Option<&NativeCancel>,
    ) -> napi::Result<Object<'env>> {
        promise(env, |answer| {
            self.0.evaluate(tokens.to_vec(), positions.to_vec(), stop_of(cancel), |logits| {
                answer(logits.map(Float32Array::new))
            });
        })
    }

    /// Ends all sessions with `closed`; resolves when the memory is free. May be called more than once.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<null>>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, |answer| self.0.close(|| answer(Ok(()))))
    }
}

/// Ends a call that has no session: the call resolves with `cancelled`.
#[napi]
#[derive(Default)]
pub struct NativeCancel(Stop);

#[napi]
impl NativeCancel {
    /// Not cancelled yet.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the call between two layers.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.0.set();
    }
}

fn stop_of(cancel: Option<&NativeCancel>) -> Stop {
    cancel.map(|cancel| cancel.0.clone()).unwrap_or_default()
}
