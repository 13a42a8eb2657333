//! What a GGUF file begins with: version, metadata, and the list of its tensors.

use wick_spec::{Error, Result};

use super::cursor::{Cursor, not_utf8};
use super::{Array, Metadata, Strings, Value, value::TYPE_NAMES};
use crate::dtype::unknown_ggml_name;
use crate::{DType, TensorInfo};

/// Where tensors begin when the file does not say.
pub(super) const DEFAULT_ALIGNMENT: u64 = 32;

/// Far above what any model has; keeps the index of a hostile file small beside the file.
const MAX_KEYS: usize = 1 << 16;
const MAX_TENSORS: usize = 1 << 18;

/// Longest key and tensor name, in bytes (the format's own limit for keys).
const MAX_NAME: usize = 65535;

/// Arrays in arrays in arrays; no known file has more than one level.
const MAX_DEPTH: usize = 4;

/// Dimensions of a GGML tensor.
const MAX_DIMENSIONS: u32 = 4;

/// A file's head. Tensor starts are counted from the file's beginning.
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<(String, TensorInfo, u64)>,
}

/// What other files begin with, and what they are.
const STRANGERS: [(&[u8], &str); 7] = [
    (b"lmgg", "an old GGML file; make a GGUF of the model"),
    (b"tjgg", "an old GGJT file; make a GGUF of the model"),
    (b"fmgg", "an old GGMF file; make a GGUF of the model"),
    (b"FUGG", "a GGUF file with its bytes swapped"),
    (b"PK\x03\x04", "a zip archive, perhaps PyTorch weights"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with git lfs pull"),
    (b"<", "a web page or XML; the download went wrong"),
];

impl Head {
    /// Parses the beginning of `bytes`, a whole file; without tensors if `vocab_only`.
    pub(super) fn parse(bytes: &[u8], vocab_only: bool) -> Result<Self> {
        let version = version(bytes)?;
        let mut cursor = Cursor::new(bytes);
        cursor.take(8, "the version")?;
        // A tensor takes at least its name's length, a dimension count, a type and an offset; a key a length, a type, a byte.
        let tensors = capped(cursor.count(24, "the number of tensors")?, MAX_TENSORS, "tensors")?;
        let keys = capped(cursor.count(13, "the number of metadata keys")?, MAX_KEYS, "metadata keys")?;
        let metadata = read_metadata(&mut cursor, keys)?;
        let tensors = if vocab_only { Vec::new() } else { read_tensors(&mut cursor, tensors, alignment(&metadata)?)? };
        Ok(Self { version, metadata, tensors })
    }
}

/// The alignment the metadata asks for: a power of two.
pub(super) fn alignment(metadata: &Metadata) -> Result<u64> {
    match metadata.u32("general.alignment")? {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(n) if n.is_power_of_two() => Ok(n.into()),
        Some(n) => Err(Error::model_invalid(format!("Metadata \"general.alignment\" is {n}; it must be a power of two."))),
    }
}

/// Checks magic and version.
fn version(bytes: &[u8]) -> Result<u32> {
    let mut cursor = Cursor::new(bytes);
    let magic: [u8; 4] = cursor.array("the magic \"GGUF\"")?;
    if &magic != b"GGUF" {
        let stranger = STRANGERS.iter().find(|(start, _)| bytes.starts_with(start));
        let hint = stranger.map(|(_, what)| format!(" It seems to be {what}.")).unwrap_or_default();
        return Err(Error::model_invalid(format!(
            "It begins with {:?}, not with \"GGUF\".{hint}",
            magic.escape_ascii().to_string()
        )));
    }
    match cursor.u32("the version")? {
        version @ (2 | 3) => Ok(version),
        1 => Err(Error::unsupported("It is GGUF version 1, of before August 2023; make it anew as version 3.")),
        version if version & 0xffff == 0 && version != 0 => {
            Err(Error::unsupported("It is a big-endian GGUF; wick reads little-endian ones."))
        }
        version => Err(Error::unsupported(format!("It is GGUF version {version}; wick reads 2 and 3."))),
    }
}

fn capped(count: usize, most: usize, what: &str) -> Result<usize> {
    if count > most {
        return Err(Error::model_invalid(format!("It claims {count} {what}; wick reads {most} at most.")));
    }
    Ok(count)
}

fn read_metadata(cursor: &mut Cursor, keys: usize) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for _ in 0..keys {
        let key = name(cursor, "a metadata key")?;
        let value = read_value(cursor, key).map_err(|error| error.context(format!("metadata {key:?}")))?;
        if metadata.insert(key, value).is_some() {
            return Err(Error::model_invalid(format!("Metadata {key:?} is there twice.")));
        }
    }
    Ok(metadata)
}

fn name<'a>(cursor: &mut Cursor<'a>, what: &str) -> Result<&'a str> {
    let at = cursor.offset();
    let name = cursor.string(what)?;
    if name.len() > MAX_NAME {
        let len = name.len();
        return Err(Error::model_invalid(format!("{what} at offset {at} has {len} bytes; {MAX_NAME} are allowed.")));
    }
    Ok(name)
}

fn read_value(cursor: &mut Cursor, key: &str) -> Result<Value> {
    let what = "the value";
    Ok(match cursor.u32("the type")? {
        0 => Value::U8(cursor.array(what).map(u8::from_le_bytes)?),
        1 => Value::I8(cursor.array(what).map(i8::from_le_bytes)?),
        2 => Value::U16(cursor.array(what).map(u16::from_le_bytes)?),
        3 => Value::I16(cursor.array(what).map(i16::from_le_bytes)?),
        4 => Value::U32(cursor.u32(what)?),
        5 => Value::I32(cursor.array(what).map(i32::from_le_bytes)?),
        6 => Value::F32(cursor.array(what).map(f32::from_le_bytes)?),
        7 => Value::Bool(read_bool(cursor.array::<1>(what)?[0], cursor.offset() - 1)?),
        8 => Value::String(cursor.string(what)?.to_owned()),
        9 => Value::Array(read_array(cursor, 1)?),
        10 => Value::U64(cursor.u64(what)?),
        11 => Value::I64(cursor.array(what).map(i64::from_le_bytes)?),
        12 => Value::F64(cursor.array(what).map(f64::from_le_bytes)?),
        id => return Err(unknown_type(id, key)),
    })
}

fn unknown_type(id: u32, what: &str) -> Error {
    Error::model_invalid(format!(
        "Its type id {id} is none of GGUF's ({what} would be one of 0 {} to 12 {}).",
        TYPE_NAMES[0], TYPE_NAMES[12]
    ))
}

fn read_bool(byte: u8, at: usize) -> Result<bool> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::model_invalid(format!("The bool at offset {at} is {byte}; it must be 0 or 1."))),
    }
}

fn read_array(cursor: &mut Cursor, depth: usize) -> Result<Array> {
    if depth > MAX_DEPTH {
        return Err(Error::model_invalid(format!("Arrays are nested more than {MAX_DEPTH} deep.")));
    }
    Ok(match cursor.u32("the element type")? {
        0 => Array::U8(numbers(cursor, u8::from_le_bytes)?),
        1 => Array::I8(numbers(cursor, i8::from_le_bytes)?),
        2 => Array::U16(numbers(cursor, u16::from_le_bytes)?),
        3 => Array::I16(numbers(cursor, i16::from_le_bytes)?),
        4 => Array::U32(numbers(cursor, u32::from_le_bytes)?),
        5 => Array::I32(numbers(cursor, i32::from_le_bytes)?),
        6 => Array::F32(numbers(cursor, f32::from_le_bytes)?),
        7 => Array::Bool(read_bools(cursor)?),
        8 => Array::String(read_strings(cursor)?),
        9 => {
            let count = cursor.count(12, "the number of elements")?;
            Array::Array((0..count).map(|_| read_array(cursor, depth + 1)).collect::<Result<_>>()?)
        }
        10 => Array::U64(numbers(cursor, u64::from_le_bytes)?),
        11 => Array::I64(numbers(cursor, i64::from_le_bytes)?),
        12 => Array::F64(numbers(cursor, f64::from_le_bytes)?),
        id => return Err(unknown_type(id, "an element")),
    })
}

fn numbers<const N: usize, T>(cursor: &mut Cursor, from: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let count = cursor.count(N, "the number of elements")?;
    let bytes = cursor.take(count * N, "the elements")?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|&bytes| from(bytes)).collect())
}

fn read_bools(cursor: &mut Cursor) -> Result<Vec<bool>> {
    let bytes: Vec<u8> = numbers(cursor, u8::from_le_bytes)?;
    let from = cursor.offset() - bytes.len();
    bytes.into_iter().enumerate().map(|(i, byte)| read_bool(byte, from + i)).collect()
}

/// All strings into one buffer, checked to be UTF-8 once: the whole is, and each ends at a character's border.
fn read_strings(cursor: &mut Cursor) -> Result<Strings> {
    let from = cursor.offset();
    let count = cursor.count(8, "the number of strings")?;
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(count));
    for _ in 0..count {
        let len = cursor.count(1, "a string's length")?;
        bytes.extend_from_slice(cursor.take(len, "a string")?);
        ends.push(bytes.len());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let fault = error.utf8_error();
        let index = ends.partition_point(|&end| end <= fault.valid_up_to());
        not_utf8(&format!("String {index} of the array"), from, &fault)
    })?;
    match ends.iter().position(|&end| !text.is_char_boundary(end)) {
        Some(index) => Err(Error::model_invalid(format!(
            "String {index} of the array at offset {from} is not UTF-8: it ends within a character."
        ))),
        None => Ok(Strings::from_parts(text, ends)),
    }
}

fn read_tensors(cursor: &mut Cursor, count: usize, alignment: u64) -> Result<Vec<(String, TensorInfo, u64)>> {
    let mut tensors = Vec::with_capacity(count);
    for _ in 0..count {
        let name = name(cursor, "a tensor's name")?;
        let (info, offset) = read_tensor(cursor, alignment).map_err(|error| error.context(format!("tensor {name:?}")))?;
        tensors.push((name.to_owned(), info, offset));
    }
    // Data begins at the first aligned byte after the list.
    let data = (cursor.offset() as u64).checked_next_multiple_of(alignment);
    for (name, _, start) in &mut tensors {
        *start = data.and_then(|data| data.checked_add(*start)).ok_or_else(|| {
            Error::model_invalid(format!("Tensor {name:?} begins {start} bytes into the data, which no file can have."))
        })?;
    }
    Ok(tensors)
}

/// Shape, type, and offset into the data.
fn read_tensor(cursor: &mut Cursor, alignment: u64) -> Result<(TensorInfo, u64)> {
    let at = cursor.offset();
    let dimensions = cursor.u32("the number of dimensions")?;
    if dimensions > MAX_DIMENSIONS {
        return Err(Error::model_invalid(format!(
            "It has {dimensions} dimensions (offset {at}); GGUF tensors have {MAX_DIMENSIONS} at most."
        )));
    }
    let mut shape = Vec::with_capacity(MAX_DIMENSIONS as usize);
    for _ in 0..dimensions {
        let n = cursor.u64("a dimension")?;
        shape.push(
            usize::try_from(n)
                .map_err(|_| Error::model_invalid(format!("Its dimension {n} is more than this machine can address.")))?,
        );
    }
    // The file has the innermost first.
    shape.reverse();
    let id = cursor.u32("the type")?;
    let dtype = DType::from_ggml(id).ok_or_else(|| {
        Error::unsupported(format!("Its type is {}, which this version of wick does not know.", unknown_ggml_name(id)))
    })?;
    let offset = cursor.u64("the offset")?;
    if !offset.is_multiple_of(alignment) {
        return Err(Error::model_invalid(format!(
            "Its offset {offset} is no multiple of the file's alignment {alignment}."
        )));
    }
    Ok((TensorInfo { dtype, shape }, offset))
}
