//! Chat templates: a model's own Jinja source over messages, rendered as transformers renders it.
//!
//! minijinja runs them, with what templates are written against set to Python's ways: printing, `tojson`, methods of strings, block
//! trimming. A template is foreign code: it gets fuel, a depth limit, a limit on what it may write, and no way to files.

mod control;
mod guard;
mod jinja;
mod lexer;
mod meter;
mod python;
mod source;
mod thought;
mod time;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::LazyLock;
use std::time::SystemTime;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use regex_automata::meta::Regex;
use serde_json::Value as Json;
use wick_spec::{ChatPrompt, Error, Result};

pub use control::ControlTexts;
pub use source::TemplateSource;

use crate::Rendered;
use crate::thought::Thought;
use control::Mark;
use time::Local;

const NAME: &str = "chat template";
/// Instructions of a rendering. 1,000 messages under the longest published templates take under 500,000.
const FUEL: u64 = 5_000_000;
/// Instructions of one of the short renderings by which a template is asked where thoughts stand.
const PROBE_FUEL: u64 = 100_000;
const MAX_DEPTH: usize = 200;
const MAX_SOURCE: usize = 1 << 20;
const MAX_OUTPUT: usize = 1 << 28;

/// A model's chat template, compiled.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos: String,
    eos: String,
    thought: Option<Thought>,
    /// While the template is asked where thoughts stand.
    probing: bool,
}

impl ChatTemplate {
    /// Compiles `source`. `bos` and `eos` are the texts of the model's beginning- and end-of-text tokens, empty where it has none.
    /// `model-invalid` with the line when it is not a template.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self> {
        if source.len() > MAX_SOURCE {
            return Err(Error::model_invalid(format!(
                "The {NAME} is {} bytes; at most {MAX_SOURCE} are read.",
                source.len()
            )));
        }
        let mut environment = environment()?;
        let plain = without_generation_tags(source);
        if let Err(error) = environment.add_template_owned(NAME, guard::guarded(&plain)) {
            // What is wrong is said of the source as its author wrote it.
            environment.add_template_owned(NAME, plain).map_err(|e| invalid(&e))?;
            let line = error.line().unwrap_or_default();
            return Err(Error::unsupported(format!("The {NAME}, line {line}: wick cannot bound what this makes.")));
        }
        let [bos, eos] = [bos, eos].map(str::to_owned);
        let mut template = Self { environment, source: source.to_owned(), bos, eos, thought: None, probing: true };
        template.environment.set_fuel(Some(PROBE_FUEL));
        template.thought = thought::find(&template);
        template.environment.set_fuel(Some(FUEL));
        template.probing = false;
        Ok(template)
    }

    /// What the template writes around a model's thought; `None` where it knows none.
    pub fn thought(&self) -> Option<&Thought> {
        self.thought.as_ref()
    }

    /// The template as the model's file has it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation. What of `control` occurs in messages, tools and variables stays text (see [`ControlTexts`]).
    ///
    /// `add_generation_prompt` opens the assistant's turn; the chat's response prefix is put behind it. `invalid-request` when the
    /// chat is not JSON of the documented form or the template refuses it, with the template's words; `model-invalid` with the line
    /// when the template fails or does not end.
    pub fn render(&self, chat: &ChatPrompt, add_generation_prompt: bool, control: &ControlTexts) -> Result<Rendered> {
        self.render_at(chat, add_generation_prompt, control, SystemTime::now())
    }

    /// The same at another time than now.
    pub fn render_at(
        &self,
        chat: &ChatPrompt,
        add_generation_prompt: bool,
        control: &ControlTexts,
        now: SystemTime,
    ) -> Result<Rendered> {
        let bytes = [Some(&chat.messages), chat.tools.as_ref(), chat.variables.as_ref()];
        meter::begin(bytes.into_iter().flatten().map(String::len).sum(), self.probing);
        let mut messages = parse("messages", &chat.messages, Json::is_array)?;
        let mut tools =
            chat.tools.as_deref().map(|tools| parse("tools", tools, Json::is_array)).transpose()?.unwrap_or_default();
        let mut variables =
            chat.variables.as_deref().map(|json| parse("variables", json, Json::is_object)).transpose()?.unwrap_or_default();
        let mark = Mark::absent_from([&messages, &tools, &variables])?;
        for message in messages.as_array_mut().into_iter().flatten() {
            name_thought(message);
            let assistant = message.get("role").and_then(Json::as_str) == Some("assistant");
            control.mark(message, mark, assistant);
        }
        control.mark(&mut tools, mark, false);
        control.mark(&mut variables, mark, false);

        let mut context = BTreeMap::from([("documents".to_owned(), Value::from(()))]);
        if let Json::Object(variables) = variables {
            context.extend(variables.into_iter().map(|(name, value)| (name, Value::from(Serde(value)))));
        }
        let clock = move |format: &str| Local::at(now).format(format);
        context.extend([
            ("messages".to_owned(), Value::from(Serde(messages))),
            ("tools".to_owned(), Value::from(Serde(tools))),
            ("add_generation_prompt".to_owned(), add_generation_prompt.into()),
            ("bos_token".to_owned(), self.bos.as_str().into()),
            ("eos_token".to_owned(), self.eos.as_str().into()),
            ("strftime_now".to_owned(), Value::from_function(clock)),
        ]);

        let mut written = Limited { bytes: Vec::new() };
        let template = self.environment.get_template(NAME).map_err(|e| invalid(&e))?;
        template.render_captured_to(Value::from(context), &mut written).map_err(|e| invalid(&e))?;
        let written =
            String::from_utf8(written.bytes).map_err(|_| Error::internal("the template engine wrote broken UTF-8"))?;
        let mut rendered = mark.take_out(&written);
        if let Some(prefix) = chat.response_prefix.as_deref().filter(|_| add_generation_prompt) {
            rendered.push(prefix, &control.marks(prefix, true));
        }
        Ok(rendered)
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate").field("bytes", &self.source.len()).finish_non_exhaustive()
    }
}

/// Templates read a thought under one of three names; the one it has is `reasoning_content`, and `thinking` for gpt-oss (as
/// transformers gives them).
fn name_thought(message: &mut Json) {
    let Some(fields) = message.as_object_mut() else { return };
    let names = ["reasoning_content", "thinking", "reasoning"];
    let Some(thought) = names.iter().find_map(|name| fields.get(*name).filter(|thought| !thought.is_null()).cloned()) else {
        return;
    };
    fields.entry("thinking").or_insert_with(|| thought.clone());
    fields.insert("reasoning_content".into(), thought);
}

fn parse(name: &str, json: &str, is_right: impl Fn(&Json) -> bool) -> Result<Json> {
    let wanted = if name == "variables" { "an object" } else { "an array" };
    let value: Json = serde_json::from_str(json).map_err(|e| {
        Error::invalid_request(format!("The chat's {name} are not JSON (line {}, column {}).", e.line(), e.column()))
    })?;
    if is_right(&value) { Ok(value) } else { Err(Error::invalid_request(format!("The chat's {name} are not {wanted}."))) }
}

fn environment() -> Result<Environment<'static>> {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    let mut environment = Environment::new();
    environment.set_syntax(syntax.map_err(|e| Error::internal(format!("template syntax: {e}")))?);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    jinja::install(&mut environment);
    meter::install(&mut environment);
    environment.set_formatter(|out, _, value| {
        meter::charge(meter::size(value))?;
        python::write_str(out, value).map_err(minijinja::Error::from)
    });
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    environment.set_debug(false);
    environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message)))
    });
    environment.add_filter("tojson", tojson);
    Ok(environment)
}

/// `json.dumps` with the arguments that transformers gives templates.
fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, minijinja::Error> {
    meter::charge(meter::size(value).saturating_mul(4))?;
    let indent = match indent {
        None => options.get::<Option<usize>>("indent")?,
        given => given,
    };
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    let style = python::JsonStyle {
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        indent,
        separators: separators.and_then(|pair| <[String; 2]>::try_from(pair).ok()),
    };
    options.assert_all_used()?;
    python::json(value, &style)
}

/// `{% generation %}` marks what transformers trains on; for rendering it is a block like any.
fn without_generation_tags(source: &str) -> String {
    static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").ok());
    let Some(tag) = TAG.as_ref().filter(|_| source.contains("generation")) else { return source.to_owned() };
    let mut out = String::with_capacity(source.len());
    let mut done = 0;
    for found in tag.captures_iter(source) {
        let part = |index| found.get_group(index).map_or("", |span| &source[span]);
        let (Some(whole), statement) = (found.get_group(0), if part(2).is_empty() { "if true" } else { "endif" }) else {
            continue;
        };
        out += &source[done..whole.start];
        out += &format!("{{%{} {statement} {}%}}", part(1), part(3));
        done = whole.end;
    }
    out += &source[done..];
    out
}

/// What a template's `raise_exception` says.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// The template's failure in our words. Details that may quote a message are left out: only what a template's author wrote is told.
fn invalid(error: &minijinja::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(Raised(message)) = e.downcast_ref() {
            return Error::invalid_request(format!("The model's chat template refuses this chat: {message}"));
        }
        cause = e.source();
    }
    let line = error.line().map_or(String::new(), |line| format!(", line {line}"));
    let detail = match error.kind() {
        ErrorKind::SyntaxError
        | ErrorKind::BadEscape
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction
        | ErrorKind::UnknownMethod
        | ErrorKind::UnknownBlock
        | ErrorKind::TemplateNotFound => error.detail().map_or(String::new(), |detail| format!(": {detail}")),
        ErrorKind::WriteFailure => {
            format!(" (limit {} bytes beside the chat, values nested {} deep)", meter::MAX_MADE, python::MAX_DEPTH)
        }
        ErrorKind::OutOfFuel => format!(" (limit {FUEL} instructions)"),
        _ => String::new(),
    };
    Error::model_invalid(format!("The {NAME}{line}: {}{detail}", error.kind()))
}

/// Holds what a template writes, up to [`MAX_OUTPUT`].
struct Limited {
    bytes: Vec<u8>,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
