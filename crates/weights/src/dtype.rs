//! The element types of model files, as tables.

use std::fmt;

use crate::decode;

/// How a tensor's elements are stored. Quantised types store fixed blocks of elements along a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, non_camel_case_types)]
pub enum DType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
    NVFP4,
    /// A type that wick names and measures and does not decode: its tensors can be listed and copied, not computed with.
    Other(&'static Layout),
}

/// How elements of one type lie in a file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The type's name in its format's own documentation.
    pub name: &'static str,
    /// GGML's id; `None` for types that only safetensors has.
    pub ggml_id: Option<u32>,
    /// Elements in a block; 1 for plain types.
    pub elements: usize,
    /// Bytes of a block.
    pub bytes: usize,
}

/// Decodes whole blocks to as many elements as they hold.
pub(crate) type Decode = fn(&[u8], &mut [f32]);

/// A type wick computes with.
struct Known {
    dtype: DType,
    layout: Layout,
    decode: Decode,
}

const fn known(dtype: DType, layout: Layout, decode: Decode) -> Known {
    Known { dtype, layout, decode }
}

const fn ggml(name: &'static str, id: u32, elements: usize, bytes: usize) -> Layout {
    Layout { name, ggml_id: Some(id), elements, bytes }
}

const fn plain(name: &'static str, bytes: usize) -> Layout {
    Layout { name, ggml_id: None, elements: 1, bytes }
}

/// The types wick computes with.
static KNOWN: [Known; 17] = [
    known(DType::F32, ggml("F32", 0, 1, 4), decode::f32),
    known(DType::F16, ggml("F16", 1, 1, 2), decode::f16),
    known(DType::BF16, ggml("BF16", 30, 1, 2), decode::bf16),
    known(DType::Q4_0, ggml("Q4_0", 2, 32, 18), decode::q4_0),
    known(DType::Q4_1, ggml("Q4_1", 3, 32, 20), decode::q4_1),
    known(DType::Q5_0, ggml("Q5_0", 6, 32, 22), decode::q5_0),
    known(DType::Q5_1, ggml("Q5_1", 7, 32, 24), decode::q5_1),
    known(DType::Q8_0, ggml("Q8_0", 8, 32, 34), decode::q8_0),
    known(DType::Q2_K, ggml("Q2_K", 10, 256, 84), decode::q2_k),
    known(DType::Q3_K, ggml("Q3_K", 11, 256, 110), decode::q3_k),
    known(DType::Q4_K, ggml("Q4_K", 12, 256, 144), decode::q4_k),
    known(DType::Q5_K, ggml("Q5_K", 13, 256, 176), decode::q5_k),
    known(DType::Q6_K, ggml("Q6_K", 14, 256, 210), decode::q6_k),
    known(DType::IQ4_NL, ggml("IQ4_NL", 20, 32, 18), decode::iq4_nl),
    known(DType::IQ4_XS, ggml("IQ4_XS", 23, 256, 136), decode::iq4_xs),
    known(DType::MXFP4, ggml("MXFP4", 39, 32, 17), decode::mxfp4),
    known(DType::NVFP4, ggml("NVFP4", 40, 64, 36), decode::nvfp4),
];

/// The types wick only names: the rest of GGML's, then those of safetensors alone.
static OTHER: [Layout; 31] = [
    ggml("Q8_1", 9, 32, 40),
    ggml("Q8_K", 15, 256, 292),
    ggml("IQ2_XXS", 16, 256, 66),
    ggml("IQ2_XS", 17, 256, 74),
    ggml("IQ3_XXS", 18, 256, 98),
    ggml("IQ1_S", 19, 256, 50),
    ggml("IQ3_S", 21, 256, 110),
    ggml("IQ2_S", 22, 256, 82),
    ggml("I8", 24, 1, 1),
    ggml("I16", 25, 1, 2),
    ggml("I32", 26, 1, 4),
    ggml("I64", 27, 1, 8),
    ggml("F64", 28, 1, 8),
    ggml("IQ1_M", 29, 256, 56),
    ggml("TQ1_0", 34, 256, 54),
    ggml("TQ2_0", 35, 256, 66),
    ggml("Q1_0", 41, 128, 18),
    plain("BOOL", 1),
    plain("U8", 1),
    plain("U16", 2),
    plain("U32", 4),
    plain("U64", 8),
    plain("C64", 8),
    plain("F8_E4M3", 1),
    plain("F8_E5M2", 1),
    plain("F8_E8M0", 1),
    plain("F8_E4M3FNUZ", 1),
    plain("F8_E5M2FNUZ", 1),
    // Two and four elements share bytes.
    Layout { name: "F4", ggml_id: None, elements: 2, bytes: 1 },
    Layout { name: "F6_E2M3", ggml_id: None, elements: 4, bytes: 3 },
    Layout { name: "F6_E3M2", ggml_id: None, elements: 4, bytes: 3 },
];

/// GGML ids that were given and taken back; their layouts are in no current documentation.
static WITHDRAWN: [(u32, &str); 8] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
];

impl DType {
    /// All types wick computes with.
    pub fn known() -> impl Iterator<Item = DType> {
        KNOWN.iter().map(|known| known.dtype)
    }

    /// All types wick only names.
    pub fn others() -> impl Iterator<Item = DType> {
        OTHER.iter().map(DType::Other)
    }

    /// How the type lies in a file.
    pub fn layout(self) -> &'static Layout {
        match self {
            DType::Other(layout) => layout,
            _ => &self.known_row().expect("KNOWN has a row for each type but Other").layout,
        }
    }

    /// The type's name: `Q4_K`.
    pub fn name(self) -> &'static str {
        self.layout().name
    }

    /// The type GGML gives this id, or `None` for ids that are not in use.
    pub fn from_ggml(id: u32) -> Option<DType> {
        Self::find(|layout| layout.ggml_id == Some(id))
    }

    /// The type of this name (`Q8_0`, `BF16`), in any case.
    pub fn from_name(name: &str) -> Option<DType> {
        Self::find(|layout| layout.name.eq_ignore_ascii_case(name))
    }

    /// Bytes of `elements` elements; `None` when they are no whole blocks, or more than the machine can address.
    pub fn bytes(self, elements: usize) -> Option<usize> {
        let layout = self.layout();
        if !elements.is_multiple_of(layout.elements) {
            return None;
        }
        (elements / layout.elements).checked_mul(layout.bytes)
    }

    /// How its blocks become f32; `None` for [`DType::Other`].
    pub(crate) fn decoder(self) -> Option<Decode> {
        self.known_row().map(|known| known.decode)
    }

    fn known_row(self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.dtype == self)
    }

    fn find(is: impl Fn(&Layout) -> bool) -> Option<DType> {
        let known = KNOWN.iter().find(|known| is(&known.layout)).map(|known| known.dtype);
        known.or_else(|| OTHER.iter().find(|layout| is(layout)).map(DType::Other))
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a GGML id that [`DType::from_ggml`] does not know is called in messages.
pub(crate) fn unknown_ggml_name(id: u32) -> String {
    match WITHDRAWN.iter().find(|&&(withdrawn, _)| withdrawn == id) {
        Some((_, name)) => format!("{name} (GGML type {id}, withdrawn by GGML)"),
        None => format!("GGML type {id}"),
    }
}
