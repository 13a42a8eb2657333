//! A saved session, as it crosses.

use napi_derive::napi;

use crate::session::NativeSnapshot;

/// What `restore` found.
#[napi(object, object_from_js = false)]
pub struct NativeRestored {
    /// Where the session can be continued.
    pub snapshot: NativeSnapshot,
    /// What was given to `save`.
    pub text: String,
}
