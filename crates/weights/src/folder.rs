//! A Hugging Face folder: `config.json`, safetensors (one file, or shards with an index), `generation_config.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wick_spec::{Code, Error, Result, Warning};

use crate::index::Index;
use crate::source::{Source, io};
use crate::{OpenOptions, Tensor, TensorInfo, Tensors, safetensors};

/// Longest configuration and shard index read, in bytes. Real ones stay below 1 MB and 10 MB.
const MAX_CONFIG: u64 = 4 << 20;
const MAX_INDEX: u64 = 64 << 20;

/// Where the weights may be: in one file, or in shards that an index names. The first that is there counts.
const SINGLE: &str = "model.safetensors";
const SHARDED: &str = "model.safetensors.index.json";

/// Weights that wick does not read, to be named when there are no others.
const PICKLES: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The configuration and tensors of a folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    config: Value,
    generation_config: Option<Value>,
    index: Index,
    sources: Vec<Arc<Source>>,
}

impl Folder {
    /// Opens the folder `path`.
    ///
    /// # Errors
    /// `model-not-found` when there is no such folder; `model-invalid` that says which file is missing or wrong, and where;
    /// `unsupported` for weights of other formats.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        if !std::fs::metadata(path)
            .map_err(|_| Error::model_not_found(format!("There is no folder {}.", path.display())))?
            .is_dir()
        {
            return Err(Error::model_invalid(format!("{} is no folder.", path.display())));
        }
        let config: Option<Map<String, Value>> = read_json(&path.join("config.json"), MAX_CONFIG)?;
        let config = config.ok_or_else(|| Error::model_invalid(format!("{} has no config.json.", path.display())))?;
        let generation_config: Option<Map<String, Value>> = read_json(&path.join("generation_config.json"), MAX_CONFIG)?;
        let mut folder = Self {
            path: path.to_owned(),
            config: Value::Object(config),
            generation_config: generation_config.map(Value::Object),
            index: Index::default(),
            sources: Vec::new(),
        };
        if !options.vocab_only {
            folder.open_weights(options)?;
        }
        Ok(folder)
    }

    /// `config.json`, an object.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Sets a key of the configuration, for overrides. The file is not changed.
    pub fn set_config(&mut self, key: String, value: Value) {
        if let Value::Object(config) = &mut self.config {
            config.insert(key, value);
        }
    }

    /// `generation_config.json`, an object, where there is one.
    pub fn generation_config(&self) -> Option<&Value> {
        self.generation_config.as_ref()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of all weight files together, heads included.
    pub fn bytes(&self) -> u64 {
        self.sources.iter().map(|source| source.len() as u64).sum()
    }

    /// What went otherwise than the options asked, such as memory that could not be locked.
    pub fn warnings(&self) -> Vec<Warning> {
        self.sources.iter().filter_map(|source| source.warning().cloned()).collect()
    }

    fn open_weights(&mut self, options: &OpenOptions) -> Result<()> {
        if self.path.join(SINGLE).exists() {
            return self.open_file(SINGLE, options);
        }
        let path = self.path.join(SHARDED);
        let Some(Shards { weight_map }) = read_json(&path, MAX_INDEX)? else {
            return Err(self.no_weights());
        };
        let at = |error: Error| error.context(path.display());
        if let Some((tensor, file)) = weight_map.iter().find(|(_, file)| !is_plain(file)) {
            return Err(at(Error::model_invalid(format!(
                "Tensor {tensor:?} is said to be in {file:?}; it must be the name of a file in this folder."
            ))));
        }
        for file in weight_map.values().collect::<BTreeSet<_>>() {
            self.open_file(file, options).map_err(|error| match error.code() {
                Code::ModelNotFound => at(Error::model_invalid(format!("It names the shard {file:?}, which is not there."))),
                _ => error,
            })?;
        }
        for (tensor, file) in &weight_map {
            if self.index.source(tensor).is_none_or(|source| source.path().file_name() != Some(file.as_ref())) {
                return Err(at(Error::model_invalid(format!(
                    "It says that tensor {tensor:?} is in {file:?}, where it is not."
                ))));
            }
        }
        Ok(())
    }

    fn open_file(&mut self, name: &str, options: &OpenOptions) -> Result<()> {
        let path = self.path.join(name);
        let source = Arc::new(Source::open(&path, options)?);
        safetensors::add_file(&source, &mut self.index).map_err(|error| error.context(path.display()))?;
        self.sources.push(source);
        Ok(())
    }

    fn no_weights(&self) -> Error {
        let folder = self.path.display();
        match PICKLES.iter().find(|name| self.path.join(name).exists()) {
            Some(name) => Error::unsupported(format!(
                "{folder} has its weights in {name}; wick reads safetensors. Save the model with safe_serialization."
            )),
            None => Error::model_invalid(format!("{folder} has neither {SINGLE} nor {SHARDED}.")),
        }
    }
}

impl Tensors for Folder {
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.index.info(name)
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        self.index.tensor(name)
    }

    fn names(&self) -> Vec<&str> {
        self.index.names()
    }
}

/// What is read of the index: which file has which tensor.
#[derive(Deserialize)]
struct Shards {
    weight_map: BTreeMap<String, String>,
}

/// Whether it is the name of a file, so that an index cannot lead out of its folder.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
        && !name.contains(['/', '\\', ':', '\0'])
}

/// A JSON file of at most `most` bytes; `None` when there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path, most: u64) -> Result<Option<T>> {
    let file = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(path, "open", &error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(Error::model_invalid(format!("{} is no regular file.", path.display())));
        }
        Ok(_) => std::fs::File::open(path).map_err(|error| io(path, "open", &error))?,
    };
    let mut text = Vec::new();
    file.take(most + 1).read_to_end(&mut text).map_err(|error| io(path, "read", &error))?;
    if text.len() as u64 > most {
        return Err(Error::model_invalid(format!("{} has more than {most} bytes.", path.display())));
    }
    let value = serde_json::from_slice(&text);
    value
        .map(Some)
        .map_err(|error| Error::model_invalid(format!("{} is not the JSON it should be: {error}.", path.display())))
}
