//! Where a model keeps its chat template.

use std::path::Path;

use serde_json::Value as Json;
use wick_spec::Result;
use wick_weights::gguf::Metadata;

use crate::folder::{read_json, read_text};

/// A model's templates: one for every chat, and possibly one for chats with tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateSource {
    /// The template of that name, or the only one.
    pub default: Option<String>,
    /// The template named `tool_use`.
    pub tool_use: Option<String>,
}

impl TemplateSource {
    /// `tokenizer.chat_template` and `tokenizer.chat_template.tool_use`.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let text = |key| metadata.str(key).map(|text| text.map(str::to_owned));
        Ok(Self { default: text("tokenizer.chat_template")?, tool_use: text("tokenizer.chat_template.tool_use")? })
    }

    /// `chat_template.jinja` (and `additional_chat_templates/tool_use.jinja`), else `chat_template` of `tokenizer_config.json`: a text, or a list of
    /// `{ name, template }`.
    pub fn from_folder(dir: &Path) -> Result<Self> {
        if let Some(default) = read_text(&dir.join("chat_template.jinja"))? {
            let tool_use = read_text(&dir.join("additional_chat_templates/tool_use.jinja"))?;
            return Ok(Self { default: Some(default), tool_use });
        }
        let config = read_json(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
        let named = |name: &str| {
            let entry = config["chat_template"].as_array()?.iter().find(|entry| entry["name"] == name)?;
            entry["template"].as_str().map(str::to_owned)
        };
        Ok(match &config["chat_template"] {
            Json::String(only) => Self { default: Some(only.clone()), tool_use: None },
            _ => Self { default: named("default"), tool_use: named("tool_use") },
        })
    }

    /// The template for a chat, with or without tools.
    pub fn pick(&self, tools: bool) -> Option<&str> {
        self.tool_use.as_deref().filter(|_| tools).or(self.default.as_deref())
    }
}
