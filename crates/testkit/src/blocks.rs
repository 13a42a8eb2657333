//! Random blocks of types that nothing here writes.

use wick_weights::DType;

use crate::Random;

/// What the scale of each of some bytes is set to: the types of tables, with values that stay near 1.
const SCALES: [(DType, &[(usize, u8)]); 4] = [
    // 2^-7 as f16.
    (DType::IQ4_NL, &[(0, 0x00), (1, 0x20)]),
    // 2^-12.
    (DType::IQ4_XS, &[(0, 0x00), (1, 0x0c)]),
    // 2^-3, 2^-2 ….
    (DType::MXFP4, &[(0, 124)]),
    (DType::NVFP4, &[(0, 0x24), (1, 0x21), (2, 0x1d), (3, 0x26)]),
];

/// `elements` elements of `dtype`, one of IQ4_NL, IQ4_XS, MXFP4 and NVFP4: random codes under fixed scales.
pub fn random_blocks(dtype: DType, elements: usize, seed: u64) -> Vec<u8> {
    let (_, scales) = SCALES.iter().find(|(known, _)| *known == dtype).expect("a type of tables");
    let mut random = Random::new(seed);
    let mut bytes: Vec<u8> = (0..dtype.bytes(elements).expect("whole blocks")).map(|_| random.bits() as u8).collect();
    for block in bytes.chunks_exact_mut(dtype.layout().bytes) {
        scales.iter().for_each(|&(at, byte)| block[at] = byte);
    }
    bytes
}
