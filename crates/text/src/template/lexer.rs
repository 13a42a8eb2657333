//! A template's source cut into text and tags, for putting guards into it; minijinja parses what comes of it.

use std::ops::Range;

/// A stretch of a source.
#[derive(Debug)]
pub(super) enum Lexed {
    /// Text outside tags.
    Raw(Range<usize>),
    /// What is inside `{{ }}` or `{% %}`.
    Tag(Vec<Token>),
}

/// A token inside a tag.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub range: Range<usize>,
    /// Brackets it stands in; of a bracket, those around it.
    pub depth: usize,
}

/// Operators of more than one character, longest first.
const LONG: [&str; 8] = ["//", "**", "==", "!=", "<=", ">=", "->", ":="];

/// Text and tags in order, comments and the insides of `raw` left out; up to what no template has.
pub(super) fn lex(source: &str) -> Vec<Lexed> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(open) = next_open(source, at) {
        if open > at {
            parts.push(Lexed::Raw(at..open));
        }
        at = match source.as_bytes()[open + 1] {
            b'#' => match source[open..].find("#}") {
                Some(end) => open + end + 2,
                None => return parts,
            },
            kind => {
                let close = if kind == b'{' { "}}" } else { "%}" };
                let Some((tokens, end)) = tag(source, open + 2, close) else { return parts };
                let is_raw = kind == b'%' && tokens.first().is_some_and(|word| &source[word.range.clone()] == "raw");
                parts.push(Lexed::Tag(tokens));
                if is_raw { end_of_raw(source, end) } else { end }
            }
        };
    }
    if at < source.len() {
        parts.push(Lexed::Raw(at..source.len()));
    }
    parts
}

/// Where the next `{{`, `{%` or `{#` begins.
fn next_open(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    (from..bytes.len().saturating_sub(1)).find(|&at| bytes[at] == b'{' && matches!(bytes[at + 1], b'{' | b'%' | b'#'))
}

/// Where the tag that ends a raw block begins; it is read as a tag.
fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = source[at..].find("{%").map(|open| at + open) {
        if source[open + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return open;
        }
        at = open + 2;
    }
    source.len()
}

/// The tokens up to `close` and where it ends; `None` where it is missing.
fn tag(source: &str, from: usize, close: &str) -> Option<(Vec<Token>, usize)> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut depth) = (from, 0usize);
    if source[at..].starts_with(['-', '+']) {
        at += 1;
    }
    loop {
        at += source[at..].len() - source[at..].trim_start().len();
        let rest = &source[at..];
        let end = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        if depth == 0 && end.starts_with(close) {
            return Some((tokens, source.len() - end.len() + close.len()));
        }
        let first = rest.chars().next()?;
        let len = match first {
            '\'' | '"' => string(rest, first)?,
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            c => LONG.iter().find(|long| rest.starts_with(**long)).map_or(c.len_utf8(), |long| long.len()),
        };
        if matches!(first, ')' | ']' | '}') {
            depth = depth.saturating_sub(1);
        }
        tokens.push(Token { range: at..at + len, depth });
        if matches!(first, '(' | '[' | '{') {
            depth += 1;
        }
        at += len;
    }
}

/// Bytes of the quoted text at the beginning of `rest`, quotes included.
fn string(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}
