//! The addon: Native* crossing types and classes, nothing else. The only crate that knows napi.
//!
//! Fallible calls answer with an outcome, never with an exception; promises are resolved from the model's own thread, so
//! that the addon needs no async runtime.

#![allow(missing_docs, reason = "napi generates items without documentation beside ours")]
#![cfg_attr(test, allow(dead_code, reason = "napi registers nothing in a test build"))]
#![allow(unreachable_pub, reason = "napi exports what Rust does not reach")]

mod convert;
mod event;
mod info;
mod load;
mod machine;
mod model;
mod outcome;
mod request;
mod restored;
mod sampling;
mod session;
mod stats;
mod support;
