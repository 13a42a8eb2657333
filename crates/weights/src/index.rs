//! The tensors of one or more files, by name.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use wick_spec::{Error, Result};

use crate::source::Source;
use crate::tensor::unsupported;
use crate::{Tensor, TensorInfo};

/// Tensors in file order, no name twice.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: Vec<Entry>,
    places: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    info: TensorInfo,
    source: Arc<Source>,
    range: Range<usize>,
}

impl Index {
    /// Adds the tensors of one file, given as name, info and where each begins. `model-invalid` when one does not lie within
    /// the file, two share bytes, or a name is taken.
    pub(crate) fn add_file(&mut self, source: &Arc<Source>, tensors: Vec<(String, TensorInfo, u64)>) -> Result<()> {
        let from = self.entries.len();
        for (name, info, start) in tensors {
            let range = locate(&name, &info, start, source)?;
            let name: Arc<str> = name.into();
            if let Some(&taken) = self.places.get(&name) {
                let (path, other) = (source.path().display(), self.entries[taken].source.path().display());
                return Err(Error::model_invalid(format!("Tensor {name:?} is there twice: in {other} and in {path}.")));
            }
            self.places.insert(Arc::clone(&name), self.entries.len());
            self.entries.push(Entry { name, info, source: Arc::clone(source), range });
        }
        no_overlap(&self.entries[from..])
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.entry(name).map(|entry| &entry.info)
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        let entry = self.entry(name).ok_or_else(|| Error::model_invalid(format!("The model has no tensor {name:?}.")))?;
        if entry.info.dtype.decoder().is_none() {
            return Err(unsupported(name, entry.info.dtype));
        }
        Ok(Tensor::new(Arc::clone(&entry.name), entry.info.clone(), Arc::clone(&entry.source), entry.range.clone()))
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| &*entry.name).collect()
    }

    /// The file that holds the tensor.
    pub(crate) fn source(&self, name: &str) -> Option<&Source> {
        self.entry(name).map(|entry| &*entry.source)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.places.get(name).map(|&place| &self.entries[place])
    }
}

/// The tensor's bytes in the file, from byte `start`.
fn locate(name: &str, info: &TensorInfo, start: u64, source: &Source) -> Result<Range<usize>> {
    let TensorInfo { dtype, shape } = info;
    let needed = info.bytes().ok_or_else(|| {
        let block = dtype.layout().elements;
        Error::model_invalid(format!(
            "Tensor {name:?} of {dtype} has the shape {shape:?}: its rows are no whole blocks of {block}, or its size overflows."
        ))
    })?;
    let range = usize::try_from(start).ok().and_then(|start| Some(start..start.checked_add(needed)?));
    range.filter(|range| range.end <= source.len()).ok_or_else(|| {
        let (len, path) = (source.len(), source.path().display());
        let have = (len as u64).saturating_sub(start);
        Error::model_invalid(format!(
            "Tensor {name:?} of {dtype} {shape:?} needs {needed} bytes at offset {start}; {path} has {len} bytes, {have} from there. \
             The file is incomplete or broken: fetch it again."
        ))
        .with("offset", start)
        .with("neededBytes", needed as u64)
        .with("haveBytes", have)
    })
}

/// `model-invalid` when two tensors of one file share bytes.
fn no_overlap(entries: &[Entry]) -> Result<()> {
    let mut by_place: Vec<&Entry> = entries.iter().filter(|entry| !entry.range.is_empty()).collect();
    by_place.sort_by_key(|entry| entry.range.start);
    for pair in by_place.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        if first.range.end > second.range.start {
            return Err(Error::model_invalid(format!(
                "Tensors {:?} (bytes {:?}) and {:?} (bytes {:?}) overlap in {}.",
                first.name,
                first.range,
                second.name,
                second.range,
                first.source.path().display()
            )));
        }
    }
    Ok(())
}
