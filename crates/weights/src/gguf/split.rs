//! The names of split files: `NAME-00002-of-00003.gguf`, parts counted from 1.

use std::path::{Path, PathBuf};

use wick_spec::{Error, Result};

/// The paths of all `count` parts, in order, given the path of one. `model-invalid` when its name has not the form.
pub(super) fn parts(path: &Path, count: u64) -> Result<Vec<PathBuf>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.strip_suffix(".gguf").and_then(|stem| stem.strip_suffix(&format!("-of-{count:05}")));
    let prefix =
        stem.and_then(|stem| stem.rsplit_once('-')).filter(|(_, number)| is_number(number)).map(|(prefix, _)| prefix);
    let prefix = prefix.ok_or_else(|| {
        Error::model_invalid(format!(
            "{} is one of {count} parts of a model; its name must end in -00001-of-{count:05}.gguf (with its own number) for the \
             others to be found.",
            path.display()
        ))
    })?;
    Ok((1..=count).map(|number| path.with_file_name(format!("{prefix}-{number:05}-of-{count:05}.gguf"))).collect())
}

fn is_number(text: &str) -> bool {
    text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}
