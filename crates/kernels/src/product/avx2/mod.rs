//! Products with AVX2: vectors of eight columns.

mod dots;
pub(super) mod exact;
mod few;
mod panel;
mod turn;

use std::arch::x86_64::*;
use std::cell::RefCell;

use super::format::{Format, Mins, Scale};
use super::{COLUMNS, Call, streams};
pub(super) use few::Octets;
use panel::{Ahead, Panel};
use streams::Streams;

/// # Safety
/// As [`super::product`], and the processor has AVX2, FMA and F16C.
pub(super) unsafe fn product<F: Octets>(call: &Call<'_>) {
    // SAFETY: the caller's promise.
    unsafe { if call.x.rows() <= F::FEW { few::product::<F>(call) } else { many::<F>(call) } }
}

/// The value of each column to its place in row r of y.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn store(call: &Call<'_>, r: usize, places: [usize; COLUMNS], y: __m256) {
    let mut values = [0.0f32; COLUMNS];
    // SAFETY: room for eight, and the caller's promise.
    unsafe {
        _mm256_storeu_ps(values.as_mut_ptr(), y);
        for (value, column) in values.into_iter().zip(places) {
            *call.y.add(r * call.n + column) = value;
        }
    }
}

/// d and -dmin of each block.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scales<F: Format>(blocks: [*const u8; 8]) -> (__m256, __m256) {
    let halves = |at: usize| {
        // SAFETY: the caller gives blocks.
        let bits = |c: usize| unsafe { blocks[c].add(at).cast::<i16>().read_unaligned() };
        _mm256_cvtph_ps(_mm_setr_epi16(bits(0), bits(1), bits(2), bits(3), bits(4), bits(5), bits(6), bits(7)))
    };
    let d = match F::SCALE {
        Scale::Half => halves(F::D),
        Scale::HalfPower => {
            // SAFETY: the caller gives blocks.
            let byte = |c: usize| unsafe { blocks[c].add(F::D).cast::<i8>().read() };
            let bytes = (byte(0), byte(1), byte(2), byte(3), byte(4), byte(5), byte(6), byte(7));
            half_powers(_mm_setr_epi8(
                bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5, bytes.6, bytes.7, 0, 0, 0, 0, 0, 0, 0, 0,
            ))
        }
    };
    match F::MINS {
        Mins::Own => (d, _mm256_xor_ps(halves(F::DMIN), _mm256_set1_ps(-0.0))),
        Mins::Offset => (d, _mm256_setzero_ps()),
    }
}

/// The values that 32 codes below 16 name.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn look_up(table: &[i8; 16], codes: __m256i) -> __m256i {
    // SAFETY: 16 bytes.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), codes)
}

/// Eight E8M0 scales of a byte each, halved, as [`Scale::read`] does one.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn half_powers(x: __m128i) -> __m256 {
    let x = _mm256_cvtepu8_epi32(x);
    let normal = _mm256_slli_epi32::<23>(_mm256_sub_epi32(x, _mm256_set1_epi32(1)));
    let subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x20_0000), x);
    let least = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), x);
    _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, least))
}

/// Up to so many rows the columns of a panel are read as streams. Beyond, memory has time, and neighbours share the lines of y.
const SPREAD: usize = 32;

/// Rows of a tile.
const TILE: usize = 4;

/// Tiles that ask for the next columns, at most: beyond, memory has time.
const ASKING: usize = 4;

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn many<F: Octets>(call: &Call<'_>) {
    if call.x.rows() <= SPREAD {
        // SAFETY: the caller's promise.
        return unsafe { octets::<F>(call, Streams::new(call.columns.clone(), call.row_bytes())) };
    }
    let last = call.columns.end.saturating_sub(1);
    let neighbours = call.columns.clone().step_by(COLUMNS).map(|first| std::array::from_fn(|i| (first + i).min(last)));
    // SAFETY: the caller's promise.
    unsafe { octets::<F>(call, neighbours) };
}

/// All rows with the columns in these places, eight by eight.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn octets<F: Octets>(call: &Call<'_>, all: impl Iterator<Item = [usize; COLUMNS]>) {
    thread_local! {
        static PANEL: RefCell<Panel> = RefCell::new(Panel::new());
    }
    let columns = |places: [usize; COLUMNS]| places.map(|column| call.bytes[column * call.row_bytes()..].as_ptr());
    PANEL.with_borrow_mut(|panel| {
        let mut all = all.peekable();
        while let Some(places) = all.next() {
            let next = all.peek().copied().unwrap_or(places);
            // SAFETY: the caller's promise.
            unsafe {
                panel.pack::<F>(&columns(places), call.groups::<F>());
                tiles::<F>(panel, call, places, columns(next));
            }
        }
    });
}

/// All rows with the columns of a panel, in eight places; `next`: the columns that come after them.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tiles<F: Octets>(panel: &Panel, call: &Call<'_>, places: [usize; COLUMNS], next: [*const u8; COLUMNS]) {
    let t = call.x.rows();
    let asking = t.div_ceil(TILE).min(ASKING);
    // A tile's part of each group's bytes, rounded up so that none is left out.
    let bytes = F::BYTES.div_ceil(asking);
    for (i, r) in (0..t).step_by(TILE).enumerate() {
        let own = if i < asking { bytes } else { 0 };
        let ahead = Ahead { columns: next, from: i * bytes * call.groups::<F>(), bytes: own };
        // SAFETY: the caller's promise.
        unsafe {
            match t - r {
                1 => panel.tile::<F, 1>(call, r, places, &ahead),
                2 => panel.tile::<F, 2>(call, r, places, &ahead),
                3 => panel.tile::<F, 3>(call, r, places, &ahead),
                _ => panel.tile::<F, TILE>(call, r, places, &ahead),
            }
        }
    }
}
