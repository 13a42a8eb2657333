//! Weights that quote: a model of a real size that says again what its prompt says.
//!
//! An induction head (Olsson et al. 2022), written down instead of learned. The first layer's heads look one token back and note its
//! code beside each token's own; the second layer's look for a token that follows the one at hand, and name it. Where the prompt does
//! not have the token at hand, they find the most similar code and go on from there. All other layers are random and add nothing, so a
//! token costs what it does in any model of the shape.
//!
//! At temperature 0 it quotes without end. At temperature 1 about one token in twenty is another, at random, after which it quotes from
//! another place; the hotter, the more.

use wick_spec::Result;
use wick_testkit::Random;
use wick_weights::{TensorInfo, quantize};

use crate::Shape;

/// So slow that all but the first pairs of a head stand still over thousands of tokens.
pub(crate) const ROPE_BASE: f32 = 1e12;

/// Entries of ±1 that tell tokens apart.
const CODE: usize = 256;

/// Where things are in a row of the residual: the token's own code, that of the token before it, that of the token to come; a constant.
const OWN: usize = 0;
const BEFORE: usize = CODE;
const NEXT: usize = 2 * CODE;
const ONE: usize = 3 * CODE;

/// The constant, so large that a head can be told to look for nothing else.
const CONSTANT: f32 = 8.0;

/// Pairs of a head that tell positions apart.
const POSITION_PAIRS: usize = 9;

/// What scores are multiplied by: one token back is some `e^20` times as probable as two.
const SHARP_POSITION: f32 = 300.0;

/// The same of codes: the right one is some `e^20` times as probable as the most similar of thousands.
const SHARP_CODE: f32 = 8.0;

/// Logit of the token that is quoted; of 32,000, the others together are a twentieth as probable then.
const LOGIT: f32 = 13.9;

/// The bytes of a tensor of the circuit, or of one that must be zero; `None`: it may be anything.
pub(crate) fn values(shape: &Shape, name: &str, info: &TensorInfo) -> Result<Option<Vec<u8>>> {
    let part = name.strip_suffix(".weight").unwrap_or(name);
    if let Some(norm) = norm(shape, part) {
        return Ok(Some((0..info.shape[0]).flat_map(|_| norm.to_le_bytes()).collect()));
    }
    let entry: Box<dyn Fn(usize, usize) -> f32> = match part {
        "token_embd" => Box::new(|token, at| match at {
            ONE => CONSTANT,
            at if at < CODE => code(token, at),
            _ => 0.0,
        }),
        "output" => {
            Box::new(|token, at| if (NEXT..ONE).contains(&at) { code(token, at - NEXT) * LOGIT / CODE as f32 } else { 0.0 })
        }
        "blk.0.attn_q" => {
            Box::new(|row, at| if at == ONE { back(shape, row % shape.head_dim) * SHARP_POSITION / CONSTANT } else { 0.0 })
        }
        "blk.0.attn_k" => {
            Box::new(|row, at| if at == ONE && position(row % shape.head_dim) { even(row) / CONSTANT } else { 0.0 })
        }
        "blk.1.attn_q" => Box::new(|row, at| matches(row % shape.head_dim, at, OWN) * SHARP_CODE),
        "blk.1.attn_k" => Box::new(|row, at| matches(row % shape.head_dim, at, BEFORE)),
        // Both layers hand on the code of the token that they look at, a head's worth in each of the heads of keys and values.
        "blk.0.attn_v" | "blk.1.attn_v" => Box::new(|row, at| f32::from(u8::from(row == at))),
        "blk.0.attn_output" => Box::new(|to, from| handed_on(shape, to, from, BEFORE)),
        "blk.1.attn_output" => Box::new(|to, from| handed_on(shape, to, from, NEXT)),
        part if part.ends_with("attn_output") || part.ends_with("ffn_down") => {
            return Ok(Some(vec![0; info.bytes().expect("whole blocks")]));
        }
        _ => return Ok(None),
    };
    let (rows, columns) = (info.shape[0], info.shape[1]);
    let mut bytes = Vec::new();
    for row in 0..rows {
        let values: Vec<f32> = (0..columns).map(|at| entry(row, at)).collect();
        quantize(info.dtype, &values, columns, &mut bytes)?;
    }
    Ok(Some(bytes))
}

/// What a norm multiplies by, so that a row stays as it is: its root mean square, which is the same for all tokens.
fn norm(shape: &Shape, part: &str) -> Option<f32> {
    let codes = match part {
        "blk.0.attn_norm" => 1,
        "blk.0.ffn_norm" | "blk.1.attn_norm" => 2,
        "output_norm" => 3,
        _ => return part.ends_with("norm").then_some(1.0),
    };
    Some((((codes * CODE) as f32 + CONSTANT * CONSTANT) / shape.hidden as f32).sqrt())
}

/// Entry `at` of a token's code.
fn code(token: usize, at: usize) -> f32 {
    let mut random = Random::new((token * CODE + at) as u64);
    if random.bits() & 1 == 0 { 1.0 } else { -1.0 }
}

/// Whether an entry of a head turns fast enough to tell positions apart.
fn position(at: usize) -> bool {
    at < 2 * POSITION_PAIRS
}

/// 1 for the first entry of a pair, 0 for the second.
fn even(row: usize) -> f32 {
    (1 - row % 2) as f32
}

/// A query that is most like the key of one token before: the key's pairs (1, 0), turned by one position the other way.
fn back(shape: &Shape, at: usize) -> f32 {
    if !position(at) {
        return 0.0;
    }
    let turn = ROPE_BASE.powf(-((at - at % 2) as f32) / shape.head_dim as f32);
    if at.is_multiple_of(2) { turn.cos() } else { -turn.sin() }
}

/// The part of a code that a head compares: as many entries as there are that stand still.
fn matches(at: usize, column: usize, from: usize) -> f32 {
    f32::from(u8::from(!position(at) && column == from + at))
}

/// Takes the code from the first head of queries of each group, to `place`.
fn handed_on(shape: &Shape, to: usize, from: usize, place: usize) -> f32 {
    let group = shape.heads / shape.kv_heads;
    let (head, at) = (from / shape.head_dim, from % shape.head_dim);
    let entry = head / group * shape.head_dim + at;
    f32::from(u8::from(head.is_multiple_of(group) && entry < CODE && to == place + entry))
}
