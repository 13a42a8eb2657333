//! Chat templates: a model's own Jinja source over messages, rendered as transformers renders it.
//!
//! minijinja runs them, with what templates are written against set to Python's ways: printing, `tojson`, methods of strings, block
//! trimming. A template is foreign code: it gets fuel, a depth limit, a limit on what it may write, and no way to files.

mod control;
mod python;
mod source;
mod time;

use std::fmt;
use std::io;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use regex_automata::meta::Regex;
use serde_json::Value as Json;
use wick_spec::{ChatPrompt, Error, Result};

pub use control::ControlTexts;
pub use source::TemplateSource;

use crate::Rendered;
use control::Mark;

const NAME: &str = "chat template";
/// Instructions of a rendering. 1,000 messages under the longest published templates take under 500,000.
const FUEL: u64 = 5_000_000;
const MAX_DEPTH: usize = 200;
const MAX_SOURCE: usize = 1 << 20;
const MAX_OUTPUT: usize = 1 << 28;

/// A model's chat template, compiled.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos: String,
    eos: String,
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
        environment.add_template_owned(NAME, without_generation_tags(source)).map_err(|e| invalid(&e))?;
        Ok(Self { environment, source: source.to_owned(), bos: bos.to_owned(), eos: eos.to_owned() })
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
        let mut messages = parse("messages", &chat.messages, Json::is_array)?;
        let mut tools =
            chat.tools.as_deref().map(|tools| parse("tools", tools, Json::is_array)).transpose()?.unwrap_or_default();
        let mut variables =
            chat.variables.as_deref().map(|json| parse("variables", json, Json::is_object)).transpose()?.unwrap_or_default();
        let mark = Mark::absent_from([&messages, &tools, &variables])?;
        for message in messages.as_array_mut().into_iter().flatten() {
            let assistant = message.get("role").and_then(Json::as_str) == Some("assistant");
            control.mark(message, mark, assistant);
        }
        control.mark(&mut tools, mark, false);
        control.mark(&mut variables, mark, false);

        let mut context = serde_json::Map::new();
        context.insert("documents".into(), Json::Null);
        if let Json::Object(variables) = variables {
            context.extend(variables);
        }
        context.insert("messages".into(), messages);
        context.insert("tools".into(), tools);
        context.insert("add_generation_prompt".into(), add_generation_prompt.into());
        context.insert("bos_token".into(), self.bos.as_str().into());
        context.insert("eos_token".into(), self.eos.as_str().into());

        let mut written = Limited { bytes: Vec::new() };
        let template = self.environment.get_template(NAME).map_err(|e| invalid(&e))?;
        template.render_captured_to(Value::from(Serde(&context)), &mut written).map_err(|e| invalid(&e))?;
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
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(|out, _, value| python::write_str(out, value).map_err(minijinja::Error::from));
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    environment.set_debug(false);
    environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message)))
    });
    environment.add_function("strftime_now", |format: &str| time::strftime(format, std::time::SystemTime::now()));
    environment.add_filter("tojson", tojson);
    environment.add_filter("string", |value: &Value| python::str(value));
    Ok(environment)
}

/// `json.dumps` with the arguments that transformers gives templates.
fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, minijinja::Error> {
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
        ErrorKind::WriteFailure => format!(" (limit {MAX_OUTPUT} bytes, values nested {} deep)", python::MAX_DEPTH),
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
