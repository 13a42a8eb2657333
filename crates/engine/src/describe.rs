//! Opening a model's files: what is in them, and the plan they make.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use wick_compute::Plan;
use wick_models::{LongFrom, Model as Built};
use wick_spec::{Error, Result};
use wick_text::{TemplateSource, Tokenizer};
use wick_weights::gguf::{self, Array, Metadata, Value};
use wick_weights::{Folder, OpenOptions, Tensors};

use crate::info::Info;
use crate::log::{Level, Log};
use crate::options::LoadOptions;
use crate::prompt::Prompter;

/// Arrays of metadata longer than this are shown as their length.
const SHOWN_ITEMS: usize = 16;

/// An opened model that is not loaded yet.
pub(crate) struct Source {
    pub info: Info,
    /// `None` when only the vocabulary was asked for.
    pub plan: Option<Plan>,
    /// Which sequences are long.
    pub long_from: Option<LongFrom>,
    pub tokenizer: Arc<Tokenizer>,
    pub prompter: Arc<Prompter>,
    /// The files' tensors.
    pub tensors: Arc<dyn Tensors>,
}

/// Opens a file or folder, with the caller's overrides in place of the file's own values.
pub(crate) fn open(options: &LoadOptions, log: &Log) -> Result<Source> {
    let path = &options.path;
    let overrides = options.metadata.as_deref().map(parse_overrides).transpose()?.unwrap_or_default();
    let source = if path.is_dir() { open_folder(options, overrides)? } else { open_gguf(options, overrides)? };
    for warning in &source.info.warnings {
        log.write(Level::Warn, warning);
    }
    Ok(source)
}

/// Opens with `with`; where the vocabulary is enough, files whose weights are missing or broken are opened without them.
fn opened<T>(options: &LoadOptions, with: impl Fn(&OpenOptions) -> Result<T>) -> Result<T> {
    // What is made anew from the files is what is to stay in memory.
    let mlock = options.mlock && options.quantize.is_none();
    let how = OpenOptions { mmap: !options.no_mmap || options.vocab_only, mlock, vocab_only: false };
    match with(&how) {
        Err(_) if options.vocab_only => with(&OpenOptions { vocab_only: true, ..how }),
        opened => opened,
    }
}

/// A model's plan; where only the vocabulary is wanted, it is there for its figures, and may be missing.
fn built(options: &LoadOptions, build: impl FnOnce() -> Result<Built>) -> Result<Option<Built>> {
    match build() {
        Err(_) if options.vocab_only => Ok(None),
        built => built.map(Some),
    }
}

fn parse_overrides(text: &str) -> Result<Map<String, Json>> {
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        _ => Err(Error::invalid_request("metadata must be an object of keys and the values that replace the file's.")),
    }
}

fn open_gguf(options: &LoadOptions, overrides: Map<String, Json>) -> Result<Source> {
    let mut file = opened(options, |how| gguf::File::open(&options.path, how))?;
    for (key, json) in overrides {
        let value = metadata_value(&key, json, file.metadata().get(&key))?;
        file.metadata_mut().insert(key, value);
    }
    let tokenizer = Arc::new(Tokenizer::from_gguf(file.metadata())?);
    let built = built(options, || wick_models::from_gguf(file.metadata(), &file))?;
    let template = own_template(options).map_or_else(|| TemplateSource::from_gguf(file.metadata()), Ok)?;
    let metadata = file.metadata().iter().map(|(key, value)| (key.to_owned(), shown(value))).collect();
    let mut info = describe(options, "gguf", &tokenizer, built.as_ref(), metadata, &file);
    if built.is_none() {
        info.architecture = file.metadata().str("general.architecture")?.unwrap_or("unknown").to_owned();
        info.name = file.metadata().str("general.name")?.map(str::to_owned);
    }
    info.file_bytes = file.bytes();
    info.warnings.extend(file.warnings().into_iter().map(|w| w.message));
    // Everything in it was read; vocabularies are large.
    *file.metadata_mut() = Metadata::new();
    finish(info, loaded(options, built), tokenizer, template, Arc::new(file))
}

fn open_folder(options: &LoadOptions, overrides: Map<String, Json>) -> Result<Source> {
    let mut folder = opened(options, |how| Folder::open(&options.path, how))?;
    for (key, value) in overrides {
        folder.set_config(key, value);
    }
    let mut tokenizer = Tokenizer::from_folder(&options.path)?;
    let built = built(options, || wick_models::from_folder(&folder))?;
    if let Some(built) = &built {
        tokenizer.set_rows(built.plan.vocab);
    }
    let tokenizer = Arc::new(tokenizer);
    let template = own_template(options).map_or_else(|| TemplateSource::from_folder(&options.path), Ok)?;
    let metadata = folder.config().as_object().cloned().unwrap_or_default();
    let mut info = describe(options, "huggingface", &tokenizer, built.as_ref(), metadata, &folder);
    info.file_bytes = folder.bytes();
    info.warnings.extend(folder.warnings().into_iter().map(|w| w.message));
    finish(info, loaded(options, built), tokenizer, template, Arc::new(folder))
}

fn own_template(options: &LoadOptions) -> Option<TemplateSource> {
    options.chat_template.clone().map(|template| TemplateSource { default: Some(template), tool_use: None })
}

/// What is to be computed, if anything is.
fn loaded(options: &LoadOptions, built: Option<Built>) -> (Option<Plan>, Option<LongFrom>) {
    built.filter(|_| !options.vocab_only).map_or((None, None), |built| (Some(built.plan), built.long_from))
}

fn finish(
    mut info: Info,
    (plan, long_from): (Option<Plan>, Option<LongFrom>),
    tokenizer: Arc<Tokenizer>,
    template: TemplateSource,
    tensors: Arc<dyn Tensors>,
) -> Result<Source> {
    let prompter = Arc::new(Prompter::new(tokenizer.clone(), &template)?);
    info.chat_template = template.default;
    info.reasoning = prompter.thoughts().cloned();
    Ok(Source { info, plan, long_from, tokenizer, prompter, tensors })
}

fn describe(
    options: &LoadOptions,
    format: &'static str,
    tokenizer: &Tokenizer,
    built: Option<&Built>,
    metadata: Map<String, Json>,
    tensors: &dyn Tensors,
) -> Info {
    let mut info = Info {
        path: display(&options.path),
        format,
        vocab_size: tokenizer.vocab_size(),
        bos_token: tokenizer.bos(),
        end_tokens: tokenizer.end_tokens().to_vec(),
        tokenizer: tokenizer.kind().to_owned(),
        infill: tokenizer.can_infill(),
        backend: "none",
        device: "cpu",
        metadata: Json::Object(metadata).to_string(),
        ..Info::default()
    };
    describe_tensors(&mut info, tensors);
    if let Some(built) = built {
        info.architecture = built.architecture.clone();
        info.name = built.name.clone();
        info.vocab_size = built.plan.vocab;
        info.embedding_length = built.plan.hidden;
        info.layers = built.layers;
        info.heads = built.heads;
        info.kv_heads = built.kv_heads;
        info.head_dim = built.head_dim;
        info.trained_context_tokens = built.trained_context;
        info.warnings.extend(built.warnings.iter().map(|warning| warning.message.clone()));
    }
    info
}

fn describe_tensors(info: &mut Info, tensors: &dyn Tensors) {
    let mut list = Vec::new();
    for name in tensors.names() {
        let Some(tensor) = tensors.info(name) else { continue };
        info.parameters += tensor.shape.iter().map(|&n| n as u64).product::<u64>();
        list.push(json!({ "name": name, "dtype": tensor.dtype.name(), "shape": tensor.shape }));
    }
    info.weights_dtype = weights_dtype(tensors);
    info.tensors = Json::Array(list).to_string();
}

/// The types of the matrices, most elements first.
pub(crate) fn weights_dtype(tensors: &dyn Tensors) -> String {
    let mut types: Vec<(&str, u64)> = Vec::new();
    for tensor in tensors.names().into_iter().filter_map(|name| tensors.info(name)).filter(|info| info.shape.len() > 1) {
        let elements = tensor.shape.iter().map(|&n| n as u64).product::<u64>();
        let dtype = tensor.dtype.name();
        match types.iter_mut().find(|(known, _)| *known == dtype) {
            Some((_, sum)) => *sum += elements,
            None => types.push((dtype, elements)),
        }
    }
    types.sort_by_key(|&(_, elements)| std::cmp::Reverse(elements));
    types.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// A value of the caller's as metadata: of the type the file has, else the plainest that fits.
fn metadata_value(key: &str, json: Json, old: Option<&Value>) -> Result<Value> {
    let wrong = |wanted: &str| Error::invalid_request(format!("metadata {key:?} must be {wanted}, as in the file."));
    Ok(match (old, &json) {
        (Some(Value::String(_)), _) => Value::String(json.as_str().ok_or_else(|| wrong("a string"))?.to_owned()),
        (Some(Value::Bool(_)), _) => Value::Bool(json.as_bool().ok_or_else(|| wrong("true or false"))?),
        (Some(Value::F32(_) | Value::F64(_)), _) => Value::F64(json.as_f64().ok_or_else(|| wrong("a number"))?),
        (Some(Value::Array(_)), _) => {
            return Err(Error::unsupported(format!("metadata {key:?} is an array; arrays cannot be replaced.")));
        }
        (Some(_), _) => Value::I64(json.as_i64().ok_or_else(|| wrong("a whole number"))?),
        (None, Json::String(text)) => Value::String(text.clone()),
        (None, Json::Bool(flag)) => Value::Bool(*flag),
        (None, Json::Number(number)) => match number.as_i64() {
            Some(whole) => Value::I64(whole),
            None => Value::F64(number.as_f64().unwrap_or_default()),
        },
        (None, _) => {
            return Err(Error::invalid_request(format!("metadata {key:?} must be a string, a number, true or false.")));
        }
    })
}

/// Metadata for people: long arrays as their length.
fn shown(value: &Value) -> Json {
    match value {
        Value::U8(n) => (*n).into(),
        Value::I8(n) => (*n).into(),
        Value::U16(n) => (*n).into(),
        Value::I16(n) => (*n).into(),
        Value::U32(n) => (*n).into(),
        Value::I32(n) => (*n).into(),
        Value::U64(n) => (*n).into(),
        Value::I64(n) => (*n).into(),
        Value::F32(x) => (*x).into(),
        Value::F64(x) => (*x).into(),
        Value::Bool(flag) => (*flag).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(array) if array.len() > SHOWN_ITEMS => format!("[{} items]", array.len()).into(),
        Value::Array(array) => shown_array(array),
    }
}

fn shown_array(array: &Array) -> Json {
    match array {
        Array::U8(all) => json!(all),
        Array::I8(all) => json!(all),
        Array::U16(all) => json!(all),
        Array::I16(all) => json!(all),
        Array::U32(all) => json!(all),
        Array::I32(all) => json!(all),
        Array::U64(all) => json!(all),
        Array::I64(all) => json!(all),
        Array::F32(all) => json!(all),
        Array::F64(all) => json!(all),
        Array::Bool(all) => json!(all),
        Array::String(all) => all.iter().map(Json::from).collect(),
        Array::Array(all) => all.iter().map(shown_array).collect(),
    }
}
