//! `candle-peer FILE.gguf PROMPT GEN [RUNS]`: prefill and decode rates of candle-transformers' `quantized_llama`, as JSON.
//!
//! Threads are candle's process setting: run it under `CANDLE_NUM_THREADS=2 RAYON_NUM_THREADS=2`. The first run packs the
//! weights and is not counted; the medians of the others are printed.

use std::time::Instant;

use candle_core::quantized::gguf_file;
use candle_core::{Device, Result, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let (Some(path), Some(prompt), Some(generate)) = (arguments.get(1), number(&arguments, 2), number(&arguments, 3)) else {
        candle_core::bail!("usage: candle-peer FILE.gguf PROMPT GEN [RUNS]");
    };
    let runs = number(&arguments, 4).unwrap_or(3);

    let started = Instant::now();
    let mut file = std::fs::File::open(path)?;
    let content = gguf_file::Content::read(&mut file)?;
    let mut model = ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?;
    let load_ms = started.elapsed().as_secs_f64() * 1e3;

    let (mut prefill, mut decode, mut first) = (Vec::new(), Vec::new(), 0.0);
    for run in 0..=runs {
        let (p, d) = measure(&mut model, prompt, generate)?;
        if run == 0 {
            first = p;
        } else {
            prefill.push(p);
            decode.push(d);
        }
    }
    println!(
        "{{\"peer\": \"candle quantized_llama 0.11.1\", \"prefillTokensPerSecond\": {:.2}, \"decodeTokensPerSecond\": {:.2}, \"firstPrefillTokensPerSecond\": {first:.2}, \"loadMs\": {load_ms:.0}, \"threads\": {}}}",
        median(&mut prefill),
        median(&mut decode),
        candle_core::utils::barrier_pool().n_workers() + 1,
    );
    Ok(())
}

/// One prompt at position 0, then one token at a time, the most probable one: tokens a second of both.
fn measure(model: &mut ModelWeights, prompt: usize, generate: usize) -> Result<(f64, f64)> {
    let ids: Vec<u32> = (0..prompt as u32).map(|i| 3 + i * 37 % 1000).collect();
    let started = Instant::now();
    let logits = model.forward(&Tensor::new(ids.as_slice(), &Device::Cpu)?.unsqueeze(0)?, 0)?;
    let mut token = logits.argmax(1)?.to_vec1::<u32>()?[0];
    let prefill = prompt as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    for i in 0..generate {
        let logits = model.forward(&Tensor::new(&[[token]], &Device::Cpu)?, prompt + i)?;
        token = logits.argmax(1)?.to_vec1::<u32>()?[0];
    }
    Ok((prefill, generate as f64 / started.elapsed().as_secs_f64()))
}

fn number(arguments: &[String], i: usize) -> Option<usize> {
    arguments.get(i)?.parse().ok()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
