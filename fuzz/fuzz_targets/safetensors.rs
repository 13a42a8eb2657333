//! Any bytes as the weights of a folder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wick_weights::{Folder, OpenOptions};

fuzz_target!(|bytes: &[u8]| {
    wick_fuzz::file("config.json", b"{}");
    wick_fuzz::file("model.safetensors", bytes);
    wick_fuzz::read_all(Folder::open(wick_fuzz::folder(), &OpenOptions::default()));
});
