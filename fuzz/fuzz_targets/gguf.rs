//! Any bytes as a GGUF file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wick_weights::OpenOptions;
use wick_weights::gguf::File;

fuzz_target!(|bytes: &[u8]| {
    let path = wick_fuzz::file("m.gguf", bytes);
    wick_fuzz::read_all(File::open(&path, &OpenOptions::default()));
});
