//! A token costs no allocation beyond what is handed out. A test of its own file, because it counts for the whole process.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wick_sample::Sampler;
use wick_spec::{Draw, Dry, Mirostat, Sampling};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations by a token, once the buffers have their size.
fn allocations(options: Sampling) -> usize {
    let logits: Vec<f32> = (0..5000).map(|i| ((i * 7919) % 5003) as f32 * 2e-3).collect();
    let mut sampler = Sampler::new(&Sampling { seed: Some(1), ..options }, logits.len()).unwrap();
    let mut copy = logits.clone();
    let mut last = 0;
    for _ in 0..200 {
        copy.copy_from_slice(&logits);
        let before = COUNT.get();
        let choice = sampler.sample(&mut copy).unwrap();
        sampler.accept(choice.id);
        last = COUNT.get() - before;
    }
    last
}

#[test]
fn a_token_allocates_nothing_but_its_alternatives() {
    let off = Sampling { top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() };
    assert_eq!(allocations(Sampling::default()), 0);
    assert_eq!(allocations(Sampling { top_p: 0.5, ..off.clone() }), 0);
    assert_eq!(allocations(Sampling { presence_penalty: 0.5, ..off.clone() }), 0);
    assert_eq!(allocations(Sampling { logprobs: Some(0), ..off.clone() }), 0);
    assert_eq!(allocations(Sampling { logprobs: Some(5), ..off.clone() }), 1);
    assert_eq!(allocations(Sampling { typical_p: 0.5, top_n_sigma: 2.0, xtc_probability: 0.5, ..off.clone() }), 0);
    assert_eq!(allocations(Sampling { dynamic_temperature_range: 0.5, banned_tokens: vec![7], ..off.clone() }), 0);
    let dry = Dry { multiplier: 0.8, allowed_length: 1, window: 50, breakers: Vec::new(), ..Dry::default() };
    assert_eq!(allocations(Sampling { dry, ..off.clone() }), 0);
    for draw in [Draw::GumbelMax, Draw::MirostatV1(Mirostat::default()), Draw::MirostatV2(Mirostat::default())] {
        assert_eq!(allocations(Sampling { draw, ..off.clone() }), 0, "{draw:?}");
    }
}
