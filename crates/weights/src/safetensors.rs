//! The head of a safetensors file: a length, then JSON that gives each tensor's type, shape and place.
//!
//! Parsed here rather than by the `safetensors` crate, which refuses a file without saying which tensor is wrong and how,
//! takes the last of two tensors of one name, and adds absurd offsets unchecked. The tests compare with the crate.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use wick_spec::{Error, Result};

use crate::index::Index;
use crate::source::Source;
use crate::{DType, TensorInfo};

/// Longest header the format allows, in bytes.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes of the header's length, which comes first.
const PREFIX: usize = 8;

/// The format's types, by its own names.
const TYPES: [&str; 22] = [
    "F64",
    "F32",
    "F16",
    "BF16",
    "I64",
    "I32",
    "I16",
    "I8",
    "U64",
    "U32",
    "U16",
    "U8",
    "BOOL",
    "C64",
    "F8_E4M3",
    "F8_E5M2",
    "F8_E8M0",
    "F8_E4M3FNUZ",
    "F8_E5M2FNUZ",
    "F6_E2M3",
    "F6_E3M2",
    "F4",
];

/// Adds the file's tensors to the index.
pub(crate) fn add_file(source: &Arc<Source>, index: &mut Index) -> Result<()> {
    let header = header(source)?;
    let text = std::str::from_utf8(source.bytes(header.clone())?)
        .map_err(|error| Error::model_invalid(format!("The safetensors header is not UTF-8: {error}.")))?;
    let Header(entries) = serde_json::from_str(text)
        .map_err(|error| Error::model_invalid(format!("The safetensors header is not what the format says: {error}.")))?;
    let mut tensors = entries.into_iter().map(|entry| locate(entry, header.end as u64)).collect::<Result<Vec<_>>>()?;
    tensors.sort_by_key(|&(_, _, start)| start);
    let used: u64 =
        tensors.iter().filter_map(|(_, info, _)| info.bytes()).map(|bytes| bytes as u64).fold(0, u64::saturating_add);
    index.add_file(source, tensors)?;
    // The tensors lie within the data and share no byte, so equal sizes mean that there are no gaps.
    let data = (source.len() - header.end) as u64;
    if used != data {
        return Err(Error::model_invalid(format!(
            "Its tensors take {used} bytes and its data has {data}; the format allows no gaps."
        )));
    }
    Ok(())
}

/// Where the JSON is.
fn header(source: &Source) -> Result<Range<usize>> {
    let len = source.len();
    if len < PREFIX {
        return Err(Error::model_invalid(format!(
            "It has {len} bytes; a safetensors file begins with {PREFIX} that give its header's length."
        )));
    }
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(source.bytes(0..PREFIX)?);
    let header = u64::from_le_bytes(prefix);
    let have = (len - PREFIX) as u64;
    match usize::try_from(header) {
        Ok(count) if header <= have && header <= MAX_HEADER => Ok(PREFIX..PREFIX + count),
        _ => Err(Error::model_invalid(format!(
            "Its header would have {header} bytes; {have} are left and the format allows {MAX_HEADER}. It is broken, or no safetensors file."
        ))
        .with("neededBytes", header)
        .with("haveBytes", have)),
    }
}

/// One tensor as the index takes it, its start counted from the file's beginning.
fn locate((name, entry): (String, Entry), data: u64) -> Result<(String, TensorInfo, u64)> {
    let Entry { dtype, shape, data_offsets: (begin, end) } = entry;
    let Some(dtype) = TYPES.contains(&dtype.as_str()).then(|| DType::from_name(&dtype)).flatten() else {
        return Err(Error::unsupported(format!(
            "Tensor {name:?} has the type {dtype:?}, which this version of wick does not know."
        )));
    };
    let overflow = || {
        Error::model_invalid(format!("Tensor {name:?} has the shape {shape:?} at offset {begin}, which no file can have."))
    };
    let shape = shape.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>().map_err(|_| overflow())?;
    let info = TensorInfo { dtype, shape };
    let needed = info.bytes().ok_or_else(overflow)? as u64;
    if end.checked_sub(begin) != Some(needed) {
        let shape = &info.shape;
        return Err(Error::model_invalid(format!(
            "Tensor {name:?} of {dtype} {shape:?} needs {needed} bytes; its offsets are {begin} to {end}."
        )));
    }
    let start = data.checked_add(begin).ok_or_else(overflow)?;
    Ok((name, info, start))
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The JSON object, entry by entry, so that a name given twice is seen by the index.
struct Header(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<Option<HashMap<String, String>>>()?;
                        continue;
                    }
                    let entry = map.next_value().map_err(|error| A::Error::custom(format!("tensor {name:?}: {error}")))?;
                    entries.push((name, entry));
                }
                Ok(Header(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
