//! Writing a GGUF file as a stream: the head first, which needs names and shapes alone, then each tensor's bytes.
//!
//! Until it is whole it is a temporary file beside its name: see [`NewFile`].

use std::path::Path;

use wick_spec::{Error, Result};

use super::head::alignment;
use super::{Array, Metadata, Value};
use crate::{NewFile, TensorInfo};

/// The version written.
const VERSION: u32 = 3;

/// Writes one file. Dropped before [`Writer::finish`], it leaves nothing behind.
pub struct Writer {
    file: NewFile,
    tensors: Vec<Pending>,
    /// The tensor being written, and how many of its bytes were.
    current: usize,
    written: usize,
    alignment: usize,
}

struct Pending {
    name: String,
    bytes: usize,
}

impl Writer {
    /// Begins a file at `path` with this metadata and these tensors, whose bytes follow in the same order. The alignment is
    /// the metadata's `general.alignment`, else 32.
    ///
    /// # Errors
    /// `invalid-request` for a name given twice, a type that GGUF has not, or rows that are no whole blocks; `io` when the
    /// file cannot be made.
    pub fn create(path: &Path, metadata: &Metadata, tensors: &[(String, TensorInfo)]) -> Result<Self> {
        let alignment = alignment(metadata)?;
        let (head, pending, data) = head(metadata, tensors, alignment)?;
        let mut writer = Self {
            file: NewFile::create(path, head.len() as u64 + data)?,
            tensors: pending,
            current: 0,
            written: 0,
            alignment: usize::try_from(alignment).map_err(|_| Error::invalid_request("The alignment is too large."))?,
        };
        writer.file.write(&head)?;
        Ok(writer)
    }

    /// Writes the next bytes of the tensor `name`, whole or in pieces. Tensors come in the order given to [`Writer::create`];
    /// `invalid-request` when this is not the one whose turn it is, or it gets more bytes than it has.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let next = self.tensors.get(self.current).filter(|next| next.name == name);
        let left = next.map(|next| next.bytes - self.written);
        if left.is_none_or(|left| bytes.len() > left) {
            let turn = self
                .tensors
                .get(self.current)
                .map_or("none is left".to_owned(), |next| format!("it is the turn of {:?}", next.name));
            let (count, left) = (bytes.len(), left.unwrap_or(0));
            return Err(Error::invalid_request(format!(
                "Tensor {name:?} takes {left} more bytes and was given {count}; {turn}."
            )));
        }
        self.file.write(bytes)?;
        self.written += bytes.len();
        self.pass_full()
    }

    /// Makes the file durable and gives it its name, in place of a file that had it. `invalid-request` when bytes are missing.
    pub fn finish(mut self) -> Result<()> {
        self.pass_full()?;
        if let Some(next) = self.tensors.get(self.current) {
            let (name, bytes, written) = (&next.name, next.bytes, self.written);
            return Err(Error::invalid_request(format!("Tensor {name:?} has {written} of its {bytes} bytes.")));
        }
        self.file.finish()
    }

    /// Pads the current tensor when it is complete, and goes on to the next that has bytes.
    fn pass_full(&mut self) -> Result<()> {
        while self.tensors.get(self.current).is_some_and(|current| current.bytes == self.written) {
            let padding = self.written.next_multiple_of(self.alignment) - self.written;
            self.pad(padding)?;
            self.current += 1;
            self.written = 0;
        }
        Ok(())
    }

    fn pad(&mut self, mut count: usize) -> Result<()> {
        let zeros = [0; 256];
        while count > 0 {
            let now = count.min(zeros.len());
            self.file.write(&zeros[..now])?;
            count -= now;
        }
        Ok(())
    }
}

/// All bytes before the data, padding included; what is to follow; and how many bytes that is.
fn head(metadata: &Metadata, tensors: &[(String, TensorInfo)], alignment: u64) -> Result<(Vec<u8>, Vec<Pending>, u64)> {
    let mut head = b"GGUF".to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
    head.extend_from_slice(&(metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata.iter() {
        put_string(&mut head, key);
        put_value(&mut head, value);
    }
    let mut pending = Vec::with_capacity(tensors.len());
    let mut names = std::collections::HashSet::new();
    let mut offset = 0u64;
    for (name, info) in tensors {
        if !names.insert(name) {
            return Err(Error::invalid_request(format!("Tensor {name:?} is given twice.")));
        }
        let bytes = put_tensor(&mut head, name, info, offset)?;
        pending.push(Pending { name: name.clone(), bytes });
        offset = (offset + bytes as u64).next_multiple_of(alignment);
    }
    head.resize((head.len() as u64).next_multiple_of(alignment) as usize, 0);
    Ok((head, pending, offset))
}

fn put_tensor(head: &mut Vec<u8>, name: &str, info: &TensorInfo, offset: u64) -> Result<usize> {
    let TensorInfo { dtype, shape } = info;
    let id = dtype.layout().ggml_id;
    let (Some(id), Some(bytes), true) = (id, info.bytes(), shape.len() <= 4) else {
        return Err(Error::invalid_request(format!(
            "Tensor {name:?} of {dtype} {shape:?} cannot be in a GGUF: it takes up to 4 dimensions and rows of whole blocks ({}).",
            dtype.layout().elements
        )));
    };
    put_string(head, name);
    head.extend_from_slice(&(shape.len() as u32).to_le_bytes());
    for &n in shape.iter().rev() {
        head.extend_from_slice(&(n as u64).to_le_bytes());
    }
    head.extend_from_slice(&id.to_le_bytes());
    head.extend_from_slice(&offset.to_le_bytes());
    Ok(bytes)
}

fn put_string(head: &mut Vec<u8>, text: &str) {
    head.extend_from_slice(&(text.len() as u64).to_le_bytes());
    head.extend_from_slice(text.as_bytes());
}

fn put_value(head: &mut Vec<u8>, value: &Value) {
    head.extend_from_slice(&value.type_id().to_le_bytes());
    match value {
        Value::U8(n) => head.push(*n),
        Value::I8(n) => head.extend_from_slice(&n.to_le_bytes()),
        Value::U16(n) => head.extend_from_slice(&n.to_le_bytes()),
        Value::I16(n) => head.extend_from_slice(&n.to_le_bytes()),
        Value::U32(n) => head.extend_from_slice(&n.to_le_bytes()),
        Value::I32(n) => head.extend_from_slice(&n.to_le_bytes()),
        Value::F32(x) => head.extend_from_slice(&x.to_le_bytes()),
        Value::Bool(flag) => head.push(u8::from(*flag)),
        Value::String(text) => put_string(head, text),
        Value::Array(array) => put_array(head, array),
        Value::U64(n) => head.extend_from_slice(&n.to_le_bytes()),
        Value::I64(n) => head.extend_from_slice(&n.to_le_bytes()),
        Value::F64(x) => head.extend_from_slice(&x.to_le_bytes()),
    }
}

fn put_array(head: &mut Vec<u8>, array: &Array) {
    head.extend_from_slice(&array.element_id().to_le_bytes());
    head.extend_from_slice(&(array.len() as u64).to_le_bytes());
    match array {
        Array::U8(ns) => head.extend_from_slice(ns),
        Array::I8(ns) => head.extend(ns.iter().map(|&n| n as u8)),
        Array::U16(ns) => ns.iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes())),
        Array::I16(ns) => ns.iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes())),
        Array::U32(ns) => ns.iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes())),
        Array::I32(ns) => ns.iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes())),
        Array::F32(xs) => xs.iter().for_each(|x| head.extend_from_slice(&x.to_le_bytes())),
        Array::Bool(flags) => head.extend(flags.iter().map(|&flag| u8::from(flag))),
        Array::String(texts) => texts.iter().for_each(|text| put_string(head, text)),
        Array::Array(arrays) => arrays.iter().for_each(|array| put_array(head, array)),
        Array::U64(ns) => ns.iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes())),
        Array::I64(ns) => ns.iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes())),
        Array::F64(xs) => xs.iter().for_each(|x| head.extend_from_slice(&x.to_le_bytes())),
    }
}
