//! Rows rounded to eight bits, once for all the weights they are multiplied with.

use crate::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Kind;
use crate::product::Group;

/// Rows x (t, k) as `d · q`, with a scale d a group of elements, q in -127 ..= 127.
///
/// The grids are llama.cpp's: 256 elements for k-quants, 32 for the older types, whose scale is rounded to half precision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activations {
    /// (t, k)
    pub(crate) q: Vec<i8>,
    /// (t, k / group)
    pub(crate) d: Vec<f32>,
    /// (t, k / 16): sums of q.
    pub(crate) sums: Vec<i16>,
    /// (t, k / 32): sums of q.
    pub(crate) pairs: Vec<i16>,
    /// k.
    pub(crate) width: usize,
}

impl Activations {
    /// Rounds `x`, (t, k) with k whole groups, in place of what was here before.
    pub(crate) fn round(&mut self, isa: Isa, group: Group, x: &[f32], k: usize) {
        let size = group.elements();
        assert!(k.is_multiple_of(size) && k > 0 && x.len().is_multiple_of(k), "rows of whole groups");
        self.width = k;
        self.q.resize(x.len(), 0);
        self.d.resize(x.len() / size, 0.0);
        self.sums.resize(x.len() / 16, 0);
        self.pairs.resize(x.len() / 32, 0);
        let to = Groups { q: &mut self.q, d: &mut self.d, sums: &mut self.sums, pairs: &mut self.pairs };
        match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has what an `Isa` names.
            Kind::Avx2 | Kind::Avx512 => unsafe { wide::round(group, x, to) },
            _ => round(group, x, to),
        }
    }

    /// t.
    pub(crate) fn rows(&self) -> usize {
        self.q.len() / self.width.max(1)
    }
}

/// Where groups go.
struct Groups<'a> {
    q: &'a mut [i8],
    d: &'a mut [f32],
    sums: &'a mut [i16],
    pairs: &'a mut [i16],
}

/// What a group is divided by, and its scale, for the largest of its magnitudes.
#[inline(always)]
fn scales(group: Group, largest: f32) -> (f32, f32) {
    if largest == 0.0 {
        return (0.0, 0.0);
    }
    match group {
        Group::Long => {
            let inverse = 127.0 / largest;
            (inverse, inverse.recip())
        }
        Group::Short => {
            let step = largest / 127.0;
            (step.recip(), step)
        }
    }
}

fn round(group: Group, x: &[f32], to: Groups<'_>) {
    let size = group.elements();
    for ((x, q), d) in x.chunks_exact(size).zip(to.q.chunks_exact_mut(size)).zip(to.d) {
        let largest = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let (inverse, step) = scales(group, largest);
        for (q, x) in q.iter_mut().zip(x) {
            *q = (inverse * x).round_ties_even() as i8;
        }
        *d = if group == Group::Short { half::f16::from_f32(step).to_f32() } else { step };
    }
    for (q, sum) in to.q.chunks_exact(16).zip(&mut *to.sums) {
        *sum = q.iter().map(|&q| i16::from(q)).sum();
    }
    for (halves, sum) in to.sums.chunks_exact(2).zip(to.pairs) {
        *sum = halves[0] + halves[1];
    }
}

/// The same with AVX2.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use super::{Group, Groups, scales};

    /// # Safety
    /// The processor has AVX2, FMA and F16C.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn round(group: Group, x: &[f32], to: Groups<'_>) {
        let size = group.elements();
        for (g, (x, d)) in x.chunks_exact(size).zip(to.d).enumerate() {
            let sign = _mm256_set1_ps(-0.0);
            let mut most = _mm256_setzero_ps();
            for x in x.as_chunks::<8>().0 {
                // SAFETY: eight floats.
                most = _mm256_max_ps(most, _mm256_andnot_ps(sign, unsafe { _mm256_loadu_ps(x.as_ptr()) }));
            }
            let (inverse, step) = scales(group, largest(most));
            *d = if group == Group::Short { half(step) } else { step };
            let inverse = _mm256_set1_ps(inverse);
            for (i, x) in x.as_chunks::<32>().0.iter().enumerate() {
                let at = g * size + 32 * i;
                // SAFETY: 32 floats; 32 bytes, two sums and one of both from `at` on.
                unsafe {
                    let rounded =
                        |i: usize| _mm256_cvtps_epi32(_mm256_mul_ps(inverse, _mm256_loadu_ps(x.as_ptr().add(8 * i))));
                    let words = (_mm256_packs_epi32(rounded(0), rounded(1)), _mm256_packs_epi32(rounded(2), rounded(3)));
                    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                    let q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words.0, words.1), order);
                    _mm256_storeu_si256(to.q.as_mut_ptr().add(at).cast(), q);
                    // Eights: bytes with 128 added, summed four by four halves of 64 bits.
                    let eights = _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8(i8::MIN)), _mm256_setzero_si256());
                    let sum = |low: i64, high: i64| (low + high) as i16 - 16 * 128;
                    let first = sum(_mm256_extract_epi64::<0>(eights), _mm256_extract_epi64::<1>(eights));
                    let second = sum(_mm256_extract_epi64::<2>(eights), _mm256_extract_epi64::<3>(eights));
                    *to.sums.get_unchecked_mut(at / 16) = first;
                    *to.sums.get_unchecked_mut(at / 16 + 1) = second;
                    *to.pairs.get_unchecked_mut(at / 32) = first + second;
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn largest(v: __m256) -> f32 {
        let four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn half(x: f32) -> f32 {
        _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(x))))
    }
}
