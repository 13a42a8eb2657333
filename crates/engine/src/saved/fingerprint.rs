//! Which model a session belongs to: what decides the model's arithmetic, in 128 bits.
//!
//! All bytes of all tensors count, because a model that differs in one of them computes other keys and values. They are hashed
//! where they are mapped, when a session is saved or restored for the first time; with files that were read into memory, or locked
//! there, when they are loaded, so that nothing is held for it afterwards.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use twox_hash::xxhash3_128::Hasher;
use wick_compute::Plan;
use wick_models::LongFrom;
use wick_spec::{Code, Result, Stop};
use wick_text::Tokenizer;
use wick_weights::Tensors;

use crate::describe::Source;
use crate::options::LoadOptions;

/// Bytes hashed between two looks at the stop flag.
const PIECE: usize = 16 << 20;

/// A model's identity: XXH3 of 128 bits (Collet), which tells models apart and protects against nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) [u8; 16]);

impl fmt::Display for Fingerprint {
    /// As many of its first bytes as tell two models apart for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a fingerprint is made of.
struct Subject {
    plan: Plan,
    long_from: Option<LongFrom>,
    tokenizer: Arc<Tokenizer>,
    /// The files' tensors, as they are in the files.
    tensors: Arc<dyn Tensors>,
    /// The type that they are given while they are loaded.
    quantize: Option<&'static str>,
}

/// A loaded model's fingerprint, made when it is first asked for.
pub(crate) struct Identity(Mutex<State>);

enum State {
    Unknown(Box<Subject>),
    Known(Fingerprint),
}

impl Identity {
    /// Of a model that is loaded with these options, as this plan.
    pub(crate) fn of(options: &LoadOptions, source: &Source, plan: &Plan) -> Self {
        let subject = Subject {
            plan: plan.clone(),
            long_from: source.long_from,
            tokenizer: source.tokenizer.clone(),
            tensors: source.tensors.clone(),
            quantize: options.quantize.map(|mix| mix.name),
        };
        Self(Mutex::new(State::Unknown(Box::new(subject))))
    }

    /// Computed at the first call, which reads the whole model. `cancelled` when `stop` is set; `model-invalid` when a file was cut since
    /// it was loaded.
    pub(crate) fn fingerprint(&self, stop: &Stop) -> Result<Fingerprint> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fingerprint = match &*state {
            State::Known(fingerprint) => return Ok(*fingerprint),
            State::Unknown(subject) => subject.fingerprint(stop)?,
        };
        *state = State::Known(fingerprint);
        Ok(fingerprint)
    }
}

impl Subject {
    fn fingerprint(&self, stop: &Stop) -> Result<Fingerprint> {
        let mut digest = Digest(Hasher::new());
        // Of everything in them, so that a field that is added is not forgotten here.
        digest.debug(&self.plan);
        digest.debug(&self.long_from);
        digest.debug(&self.quantize);
        digest.tokenizer(&self.tokenizer);
        for name in self.tensors.names() {
            digest.tensor(&*self.tensors, name, stop)?;
        }
        Ok(Fingerprint(digest.0.finish_128().to_le_bytes()))
    }
}

/// Everything with its length, so that what ends where is never open.
struct Digest(Hasher);

impl Digest {
    fn field(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u64).to_le_bytes());
        self.0.write(bytes);
    }

    fn debug(&mut self, value: &dyn fmt::Debug) {
        // A hasher takes all it is given.
        let _ = write!(self, "{value:?}");
        self.0.write(&[0xff]);
    }

    /// What ids mean. How texts become ids is of no account to those there are.
    fn tokenizer(&mut self, tokenizer: &Tokenizer) {
        self.field(tokenizer.kind().as_bytes());
        self.debug(&(
            tokenizer.bos(),
            tokenizer.eos(),
            tokenizer.end_tokens(),
            tokenizer.adds_bos(),
            tokenizer.vocab_size(),
        ));
        for id in 0..tokenizer.vocab_size() as u32 {
            self.field(tokenizer.token_bytes(id).unwrap_or_default());
            self.0.write(&[u8::from(tokenizer.is_control(id))]);
        }
    }

    fn tensor(&mut self, tensors: &dyn Tensors, name: &str, stop: &Stop) -> Result<()> {
        self.field(name.as_bytes());
        self.debug(&tensors.info(name));
        let tensor = match tensors.tensor(name) {
            // Nothing computes with it.
            Err(error) if error.code() == Code::Unsupported => return Ok(()),
            tensor => tensor?,
        };
        self.0.write(&tensor.scale().to_le_bytes());
        for piece in tensor.bytes()?.chunks(PIECE) {
            stop.check()?;
            self.0.write(piece);
        }
        // What was cut meanwhile was read as zeros.
        tensor.bytes().map(|_| ())
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
