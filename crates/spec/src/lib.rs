//! The words all crates share: errors, requests, sampling options, events, usage. Plain data; depends on nothing of ours.

mod error;
mod event;
mod request;
mod sampling;
mod stop;

pub use error::{Code, Error, Result};
pub use event::{AlternativeToken, Event, FinishReason, Timings, TokenInfo, Usage, Warning};
pub use request::{ChatPrompt, Fed, InfillFile, InfillPrompt, Overflow, Prompt, Request};
pub use sampling::{ChainStep, Draw, Dry, LogitBias, Mirostat, Sampling};
pub use stop::Stop;
