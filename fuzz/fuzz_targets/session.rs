//! Any bytes as a saved session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wick_spec::Code;

fuzz_target!(|bytes: &[u8]| {
    let path = wick_fuzz::file("m.session", bytes);
    if let Err(error) = wick_engine::verify_session(&path) {
        assert!([Code::InvalidRequest, Code::Unsupported].contains(&error.code()), "{error}");
    }
});
