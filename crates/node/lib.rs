//! The addon: Native* crossing types and classes, nothing else. The only crate that knows napi.
