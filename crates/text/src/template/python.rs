//! Values as Python writes them: `str`, `repr` and `json.dumps`. Templates are written against its forms.

use std::fmt::{self, Write};

use minijinja::value::ValueKind;
use minijinja::{ErrorKind, Value};

use super::control::Mark;

/// Containers inside containers, beyond which a value is not written.
pub(super) const MAX_DEPTH: usize = 128;

/// `str(value)`, as `{{ value }}` prints it.
pub(super) fn write_str(out: &mut impl Write, value: &Value) -> fmt::Result {
    match value.as_str() {
        Some(text) => out.write_str(text),
        None if value.is_undefined() => Ok(()),
        None => write_repr(out, value, 0),
    }
}

/// Whether Python's `str.strip` takes it away.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// `str(value)`.
pub(super) fn str(value: &Value) -> Result<String, minijinja::Error> {
    let mut out = String::new();
    write_str(&mut out, value)?;
    Ok(out)
}

fn write_repr(out: &mut impl Write, value: &Value, depth: usize) -> fmt::Result {
    if depth > MAX_DEPTH {
        return Err(fmt::Error);
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.write_str("None"),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => write_number(out, value),
        ValueKind::String => write_quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
            out.write_char(open)?;
            for (index, item) in value.try_iter().map_err(|_| fmt::Error)?.enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                write_repr(out, &item, depth + 1)?;
            }
            out.write_str(if value.is_tuple() && value.len() == Some(1) { "," } else { "" })?;
            out.write_char(close)
        }
        ValueKind::Map => {
            out.write_char('{')?;
            for (index, key) in value.try_iter().map_err(|_| fmt::Error)?.enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                write_repr(out, &key, depth + 1)?;
                out.write_str(": ")?;
                write_repr(out, &value.get_item(&key).unwrap_or_default(), depth + 1)?;
            }
            out.write_char('}')
        }
        _ => write!(out, "{value}"),
    }
}

/// `repr` of a float differs from Rust's in its exponent: `1e+16`, `1e-05`.
fn write_number(out: &mut impl Write, value: &Value) -> fmt::Result {
    let Some(x) = f64::try_from(value.clone()).ok().filter(|_| !value.is_integer()) else {
        return write!(out, "{value}");
    };
    if !x.is_finite() {
        return out.write_str(if x.is_nan() {
            "nan"
        } else if x > 0.0 {
            "inf"
        } else {
            "-inf"
        });
    }
    if x != 0.0 && !(1e-4..1e16).contains(&x.abs()) {
        let shortest = format!("{x:e}");
        let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return write!(out, "{digits}e{sign}{exponent:0>2}");
    }
    write!(out, "{x:?}")
}

/// `repr(text)`: single quotes, unless only they occur in it.
fn write_quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\\' => out.write_str("\\\\")?,
            c if c == quote => write!(out, "\\{c}")?,
            c if c.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char(quote)
}

/// The arguments of `json.dumps`.
pub(super) struct JsonStyle {
    pub(super) ensure_ascii: bool,
    pub(super) sort_keys: bool,
    pub(super) indent: Option<usize>,
    /// Between items, and between key and value. Default `", "` (`","` when indented) and `": "`.
    pub(super) separators: Option<[String; 2]>,
}

/// `json.dumps(value)`: no escaping for HTML.
pub(super) fn json(value: &Value, style: &JsonStyle) -> Result<String, minijinja::Error> {
    let mut out = String::new();
    write_json(&mut out, value, style, 0)?;
    Ok(out)
}

fn write_json(out: &mut String, value: &Value, style: &JsonStyle, depth: usize) -> Result<(), minijinja::Error> {
    if depth > MAX_DEPTH {
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, "tojson: nested too deeply"));
    }
    let kind = value.kind();
    match kind {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => write_number(out, value)?,
        ValueKind::String => write_json_text(out, value.as_str().unwrap_or_default(), style.ensure_ascii)?,
        // The sum of two lists is an iterable here; what has no length is a generator, which is no JSON.
        ValueKind::Seq | ValueKind::Iterable if kind == ValueKind::Seq || value.len().is_some() => {
            let items: Vec<_> = value.try_iter()?.collect();
            write_items(out, ['[', ']'], &items, style, depth, |out, item| write_json(out, item, style, depth + 1))?;
        }
        ValueKind::Map => {
            let mut keys: Vec<_> = value.try_iter()?.collect();
            if style.sort_keys {
                keys.sort();
            }
            let colon = style.separators.as_ref().map_or(": ", |pair| &pair[1]);
            write_items(out, ['{', '}'], &keys, style, depth, |out, key| {
                write_json_text(out, &key.to_string(), style.ensure_ascii)?;
                out.push_str(colon);
                write_json(out, &value.get_item(key)?, style, depth + 1)
            })?;
        }
        kind => return Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("tojson: {kind} is not JSON"))),
    }
    Ok(())
}

fn write_items(
    out: &mut String,
    [open, close]: [char; 2],
    items: &[Value],
    style: &JsonStyle,
    depth: usize,
    mut write: impl FnMut(&mut String, &Value) -> Result<(), minijinja::Error>,
) -> Result<(), minijinja::Error> {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = style.indent.filter(|_| !items.is_empty()) {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent.min(64) * depth));
        }
    };
    let comma = style.separators.as_ref().map_or(if style.indent.is_some() { "," } else { ", " }, |pair| &pair[0]);
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index > 0 { comma } else { "" });
        line(out, depth + 1);
        write(out, item)?;
    }
    line(out, depth);
    out.push(close);
    Ok(())
}

fn write_json_text(out: &mut String, text: &str, ensure_ascii: bool) -> fmt::Result {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c))?,
            // A mark must come out as itself, or it could not be taken out again.
            c if ensure_ascii && !c.is_ascii() && !Mark::CANDIDATES.contains(&c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}
