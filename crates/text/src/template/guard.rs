//! What keeps a template from filling memory, and loops from going over `None`.
//!
//! Fuel counts instructions, and one instruction that doubles a string costs no more than any other. So a template is compiled
//! with filters of ours beside the operands of its operators (`a ~ b` is `a|-joined ~ b|-joined`), which charge what they see to
//! a meter before the operator runs, and give the value on as it is. The same way a loop's values are looked at first: minijinja
//! goes over `None` without a word, where Python fails. No template can spell these filters' names.

use std::collections::HashMap;
use std::ops::Range;

use super::lexer::{Lexed, Token, lex};

/// Text outside tags that is charged each time it is written: the rest is bounded by fuel.
const RAW_BYTES: usize = 64;

/// Filters that are put into templates, with what they charge.
pub(super) const JOINED: &str = "__joined";
pub(super) const ADDED: &str = "__added";
pub(super) const TIMES: &str = "__times";
pub(super) const WRITTEN: &str = "__written";
pub(super) const EACH: &str = "__each";

/// `source` with the guards in it. What is no template stays as it is: the parser says so better.
pub(super) fn guarded(source: &str) -> String {
    let mut places = Places::default();
    for part in lex(source) {
        match part {
            Lexed::Raw(range) => places.raw(source, range),
            Lexed::Tag(tokens) => places.tag(source, &tokens),
        }
    }
    places.apply(source)
}

/// Texts to put into a source, by where.
#[derive(Default)]
struct Places {
    texts: Vec<(usize, String)>,
    /// Where factors and summands end, and the product or sum they belong to.
    chains: HashMap<(&'static str, usize), usize>,
}

impl Places {
    fn raw(&mut self, source: &str, range: Range<usize>) {
        let text = &source[range.clone()];
        // Behind a letter the tag is no border that white space is trimmed at.
        let letter = text.char_indices().find(|(_, c)| c.is_alphanumeric());
        if let (true, Some((at, letter))) = (text.len() > RAW_BYTES, letter) {
            self.texts.push((range.start + at + letter.len_utf8(), format!("{{{{ {} | {WRITTEN} }}}}", text.len())));
        }
    }

    fn tag(&mut self, source: &str, tokens: &[Token]) {
        if let Some(over) = looped(source, tokens) {
            self.texts.push((tokens[over.start].range.start, "(".into()));
            self.texts.push((tokens[over.end - 1].range.end, format!(")|{EACH}")));
        }
        for at in 1..tokens.len().saturating_sub(1) {
            let operator = &source[tokens[at].range.clone()];
            if !matches!(operator, "~" | "+" | "*") || !ends_operand(source, &tokens[at - 1]) {
                continue;
            }
            let (left, right) = (tokens[at - 1].range.end, tokens[operand(source, tokens, at + 1) - 1].range.end);
            match operator {
                "~" => self.charge([left, right]),
                "+" => self.chain(ADDED, left, right),
                _ => self.chain(TIMES, left, right),
            }
        }
    }

    fn charge(&mut self, ends: [usize; 2]) {
        for at in ends {
            let text = format!("|{JOINED}");
            if !self.texts.contains(&(at, text.clone())) {
                self.texts.push((at, text));
            }
        }
    }

    /// What one operand is matters to the next, in a product or a sum: `|__times(product, whether it is the first)`.
    fn chain(&mut self, filter: &'static str, left: usize, right: usize) {
        let chain = *self.chains.entry((filter, left)).or_insert_with(|| {
            self.texts.push((left, format!("|{filter}({left},true)")));
            left
        });
        self.texts.push((right, format!("|{filter}({chain},false)")));
        self.chains.insert((filter, right), chain);
    }

    fn apply(mut self, source: &str) -> String {
        self.texts.sort_by_key(|(at, _)| *at);
        let mut out = String::with_capacity(source.len() + 16 * self.texts.len());
        let mut done = 0;
        for (at, text) in self.texts {
            out += &source[done..at];
            out += &text;
            done = at;
        }
        out + &source[done..]
    }
}

/// What `{% for x in HERE if … %}` goes over, as indexes of tokens.
fn looped(source: &str, tokens: &[Token]) -> Option<Range<usize>> {
    let word = |at: usize| tokens.get(at).map_or("", |token| &source[token.range.clone()]);
    if word(0) != "for" {
        return None;
    }
    let top: Vec<usize> = (1..tokens.len()).filter(|&at| tokens[at].depth == 0).collect();
    let start = top.iter().copied().find(|&at| word(at) == "in")? + 1;
    let end = top.into_iter().find(|&at| at >= start && matches!(word(at), "if" | "recursive")).unwrap_or(tokens.len());
    (start < end).then_some(start..end)
}

/// Words that no operand ends with.
const KEYWORDS: [&str; 9] = ["and", "or", "not", "in", "is", "if", "else", "elif", "return"];

fn ends_operand(source: &str, token: &Token) -> bool {
    let text = &source[token.range.clone()];
    let first = text.chars().next().unwrap_or(' ');
    matches!(first, ')' | ']' | '}' | '\'' | '"') || ((first.is_alphanumeric() || first == '_') && !KEYWORDS.contains(&text))
}

/// The index behind the operand that begins at token `at`: signs, a primary, and what is hung on it.
fn operand(source: &str, tokens: &[Token], mut at: usize) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| &source[token.range.clone()]);
    let behind = |at: usize| {
        let depth = tokens[at].depth;
        (at + 1..tokens.len()).find(|&end| tokens[end].depth == depth).map_or(tokens.len(), |end| end + 1)
    };
    while matches!(text(at), "-" | "+" | "not") {
        at += 1;
    }
    at = if matches!(text(at), "(" | "[" | "{") { behind(at) } else { at + 1 };
    while text(at).starts_with(['\'', '"']) && at > 0 && text(at - 1).starts_with(['\'', '"']) {
        at += 1;
    }
    loop {
        at = match text(at) {
            "." | "|" => at + 2,
            "(" | "[" => behind(at),
            _ => return at.min(tokens.len()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_and_loops_are_guarded_and_nothing_else() {
        let cases = [
            ("{{ a ~ b.c[0]|trim('~') ~ 'x+y' }}", "{{ a|__joined ~ b.c[0]|trim('~')|__joined ~ 'x+y'|__joined }}"),
            (
                "{%- set x = -1 + (2 if y else +3) -%}",
                "{%- set x = -1|__added(14,true) + (2 if y else +3)|__added(14,false) -%}",
            ),
            ("{{ a * 2 * b }}", "{{ a|__times(4,true) * 2|__times(4,false) * b|__times(4,false) }}"),
            (
                "{% for a, b in x.items() if a + 1 %}y{% endfor %}",
                "{% for a, b in (x.items())|__each if a|__added(29,true) + 1|__added(29,false) %}y{% endfor %}",
            ),
            ("{%+ if not +a ** 2 +%}a + b{# a ~ b #}{% endif %}", "{%+ if not +a ** 2 +%}a + b{# a ~ b #}{% endif %}"),
            ("{% raw %}{{ a ~ b }}{% endraw %}", "{% raw %}{{ a ~ b }}{% endraw %}"),
            ("{{ '}}' + {'a': {'b': 1}}.a }}", "{{ '}}'|__added(7,true) + {'a': {'b': 1}}.a|__added(7,false) }}"),
            ("{{ broken", "{{ broken"),
        ];
        for (source, expected) in cases {
            assert_eq!(guarded(source), expected);
        }
        let long = format!("  — {} ", "word ".repeat(30));
        assert_eq!(guarded(&long).replace("{{ 157 | __written }}", ""), long);
        assert!(guarded(&long).contains("— w{{ 157 | __written }}ord"));
    }
}
