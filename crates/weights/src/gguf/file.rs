//! An open GGUF model: one file, or all parts of a split one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wick_spec::{Error, Result, Warning};

use super::head::Head;
use super::{Metadata, split};
use crate::index::Index;
use crate::source::Source;
use crate::{OpenOptions, Tensor, TensorInfo, Tensors};

/// Most parts of a split model.
const MAX_PARTS: u64 = 10_000;

/// A GGUF model's metadata and tensors.
#[derive(Debug)]
pub struct File {
    version: u32,
    metadata: Metadata,
    index: Index,
    sources: Vec<Arc<Source>>,
}

impl File {
    /// Opens the file at `path`, and the other parts if it is one of a split model; any part will do.
    ///
    /// # Errors
    /// `model-not-found` when it or another part is not there; `model-invalid` that says what is wrong and where;
    /// `unsupported` for other versions, byte orders, and tensor types whose size is not known.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let (mut source, mut head) = open_part(path, options)?;
        let count = head.metadata.u64("split.count").map_err(|error| at(path, error))?.unwrap_or(1);
        if count <= 1 {
            let mut index = Index::default();
            index.add_file(&source, std::mem::take(&mut head.tensors)).map_err(|error| at(path, error))?;
            return Ok(Self { version: head.version, metadata: head.metadata, index, sources: vec![source] });
        }
        if count > MAX_PARTS {
            return Err(at(
                path,
                Error::model_invalid(format!("It claims to be one of {count} parts; wick reads {MAX_PARTS} at most.")),
            ));
        }
        let paths = split::parts(path, count)?;
        let number = part_number(&head, count).map_err(|error| at(path, error))?;
        if paths[number] != path {
            let (path, named) = (path.display(), paths[number].display());
            return Err(Error::model_invalid(format!(
                "{path} says it is part {} of {count}; it should be named {named}.",
                number + 1
            )));
        }
        if number != 0 {
            (source, head) = open_part(&paths[0], options)?;
        }
        Self::open_split(&paths, source, head, options)
    }

    /// `first` and `head` are those of `paths[0]`, whose metadata is the model's.
    fn open_split(paths: &[PathBuf], first: Arc<Source>, mut head: Head, options: &OpenOptions) -> Result<Self> {
        let mut model =
            Self { version: head.version, metadata: Metadata::new(), index: Index::default(), sources: Vec::new() };
        model.add_part(0, paths, first, &mut head)?;
        model.metadata = head.metadata;
        if options.vocab_only {
            return Ok(model);
        }
        for (number, path) in paths.iter().enumerate().skip(1) {
            let (source, mut head) = open_part(path, options).map_err(|error| missing_part(error, paths.len()))?;
            model.add_part(number, paths, source, &mut head)?;
        }
        let total = model.metadata.u64("split.tensors.count").map_err(|error| at(&paths[0], error))?;
        match total {
            Some(total) if total != model.index.len() as u64 => {
                let (parts, have) = (paths.len(), model.index.len());
                Err(at(
                    &paths[0],
                    Error::model_invalid(format!("The model has {total} tensors; its {parts} parts have {have}.")),
                ))
            }
            _ => Ok(model),
        }
    }

    fn add_part(&mut self, number: usize, paths: &[PathBuf], source: Arc<Source>, head: &mut Head) -> Result<()> {
        let path = &paths[number];
        let claimed = part_number(head, paths.len() as u64).map_err(|error| at(path, error))?;
        if claimed != number {
            let error =
                Error::model_invalid(format!("It says it is part {}; by its name it is {}.", claimed + 1, number + 1));
            return Err(at(path, error));
        }
        self.index.add_file(&source, std::mem::take(&mut head.tensors)).map_err(|error| at(path, error))?;
        self.sources.push(source);
        Ok(())
    }

    /// Keys and values; of a split model, those of the first part.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// For overrides. The file is not changed, nor how its tensors were read.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// The GGUF version, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes of all opened parts together, heads included.
    pub fn bytes(&self) -> u64 {
        self.sources.iter().map(|source| source.len() as u64).sum()
    }

    /// The opened files, in order of their parts.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.sources.iter().map(|source| source.path())
    }

    /// The factor of a whole NVFP4 tensor, whose blocks have scales too coarse to hold it.
    fn scale_of(&self, weight: &str) -> Result<Option<f32>> {
        let Some(stem) = weight.strip_suffix(".weight") else { return Ok(None) };
        let name = format!("{stem}.scale");
        if self.index.info(&name).is_none() || !self.is_scale(&name) {
            return Ok(None);
        }
        match *self.index.tensor(&name)?.to_f32()? {
            [scale] if scale.is_finite() => Ok(Some(scale)),
            _ => Err(Error::model_invalid(format!("Tensor {name:?} must be one finite number, the scale of {weight:?}."))),
        }
    }

    /// What went otherwise than the options asked, such as memory that could not be locked.
    pub fn warnings(&self) -> Vec<Warning> {
        self.sources.iter().filter_map(|source| source.warning().cloned()).collect()
    }
}

impl Tensors for File {
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.index.info(name)
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        let tensor = self.index.tensor(name)?;
        match self.scale_of(name)? {
            Some(scale) => Ok(tensor.scaled(scale)),
            None => Ok(tensor),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.index.names()
    }
}

fn open_part(path: &Path, options: &OpenOptions) -> Result<(Arc<Source>, Head)> {
    let source = Source::open(path, options)?;
    let head = Head::parse(source.bytes(0..source.len())?, options.vocab_only).map_err(|error| at(path, error))?;
    Ok((Arc::new(source), head))
}

/// Which part of `count` the head says it is, from 0.
fn part_number(head: &Head, count: u64) -> Result<usize> {
    let claimed = head.metadata.u64("split.count")?.unwrap_or(1);
    let number = head.metadata.require("split.no", Metadata::u64)?;
    if claimed != count || number >= count {
        return Err(Error::model_invalid(format!(
            "It says it is part {number} (from 0) of {claimed}; the model has {count} parts."
        )));
    }
    usize::try_from(number).map_err(|_| Error::model_invalid(format!("It says it is part {number}.")))
}

fn at(path: &Path, error: Error) -> Error {
    error.context(path.display())
}

fn missing_part(error: Error, parts: usize) -> Error {
    match error.code() {
        wick_spec::Code::ModelNotFound => error.context(format!("A model of {parts} parts needs them all in one folder")),
        _ => error,
    }
}
