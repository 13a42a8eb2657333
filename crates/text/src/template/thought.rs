//! Where a template puts a model's thought, found by rendering.
//!
//! Nothing here knows the marks of any model. A conversation of words that no template contains is rendered, and what stands
//! around the words is what the template writes there. Templates say it in one of four ways, tried in this order: a field of the
//! message, a part of its content, an answer that is opened inside a thought, an empty thought that switches thinking off.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use wick_spec::ChatPrompt;

use super::{ChatTemplate, ControlTexts};
use crate::thought::{Given, Thought};

const QUESTION: &str = "qUestion7x";
const THOUGHT: &str = "tHought7x";
const ANSWER: &str = "aNswer7x";
const CALL: &str = "cAll7x";
/// Variables that switch thinking, as the published templates name them.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];
/// Fields of a message under which templates read a thought.
const FIELDS: [&str; 4] = ["reasoning_content", "thinking", "reasoning", "thought"];
/// Literals of a template that are tried as closing marks.
const MAX_LITERALS: usize = 64;
/// Characters of a mark: more is a sentence.
const MAX_MARK: usize = 128;

/// What `template` writes around thoughts, if it knows any.
pub(super) fn find(template: &ChatTemplate) -> Option<Thought> {
    let probe = Probe { template, none: ControlTexts::new(&[], &[]).ok()? };
    let (open, close, given) = probe
        .field(Header::Told)
        .or_else(|| probe.block())
        .or_else(|| probe.opened())
        .or_else(|| probe.empty())
        .or_else(|| probe.field(Header::Guessed))?;
    let switch =
        SWITCHES.into_iter().find(|name| probe.opening(&json!({ *name: true })) != probe.opening(&json!({ *name: false })));
    Thought::new(&open, &close, given, switch)
}

/// Opening mark, closing mark, and how an earlier thought is given.
type Marks = (String, String, Given);

/// How the mark that opens a thought is told from the header of the assistant's turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    /// By answers without a thought, which begin with the header alone.
    Told,
    /// Every answer begins with the mark: it is the last markup before the thought.
    Guessed,
}

struct Probe<'a> {
    template: &'a ChatTemplate,
    none: ControlTexts,
}

impl Probe<'_> {
    /// What is rendered behind the first question.
    fn render(&self, messages: &Json, variables: &Json, open: bool) -> Option<String> {
        let chat =
            ChatPrompt { messages: messages.to_string(), variables: Some(variables.to_string()), ..ChatPrompt::default() };
        let rendered = self.template.render(&chat, open, &self.none).ok()?;
        rendered.text().split_once(QUESTION).map(|(_, behind)| behind.to_owned())
    }

    /// The prompt of a question, the answer opened.
    fn opening(&self, variables: &Json) -> Option<String> {
        let chat = ChatPrompt {
            messages: json!([question()]).to_string(),
            variables: Some(variables.to_string()),
            ..ChatPrompt::default()
        };
        Some(self.template.render(&chat, true, &self.none).ok()?.text().to_owned())
    }

    /// What opens the answer to a question.
    fn opened_with(&self, variables: &Json) -> Option<String> {
        self.render(&json!([question()]), variables, true)
    }

    /// How an answer looks when the next question has been asked.
    fn earlier(&self) -> Option<String> {
        self.render(&json!([question(), said(ANSWER), question()]), &json!({}), false)
    }

    /// The turn's header: the text that every answer to the question begins with.
    fn header(&self) -> Option<String> {
        let last = self.render(&json!([question(), said(ANSWER)]), &json!({}), false);
        let texts = [self.earlier(), last, self.opened_with(&json!({}))].into_iter().flatten();
        let headers = texts.map(|text| text.split(ANSWER).next().unwrap_or_default().to_owned());
        headers.reduce(|a, b| common(&a, &b).to_owned())
    }

    /// A field of the message, as some keep it only beside calls of tools.
    fn field(&self, header: Header) -> Option<Marks> {
        let call = json!([{ "id": "abcdefghi", "type": "function", "function": { "name": CALL, "arguments": {} } }]);
        let variants = [json!({}), json!({ "enable_thinking": true, "thinking": true })];
        FIELDS.into_iter().find_map(|name| {
            let message = json!({ "role": "assistant", "content": ANSWER, name: THOUGHT });
            let mut calling = message.clone();
            calling["tool_calls"] = call.clone();
            [message, calling].iter().find_map(|message| {
                variants.iter().find_map(|variables| {
                    let text = self.render(&json!([question(), message]), variables, false)?;
                    let (open, close) = self.around(&text, header)?;
                    (!close.contains(CALL)).then_some((open, close, Given::Field(name)))
                })
            })
        })
    }

    /// `{ type: 'thinking', thinking }` before the text.
    fn block(&self) -> Option<Marks> {
        let content = json!([{ "type": "thinking", "thinking": THOUGHT }, { "type": "text", "text": ANSWER }]);
        let message = json!({ "role": "assistant", "content": content });
        let text = self.render(&json!([question(), message]), &json!({}), false)?;
        let (open, close) = self.around(&text, Header::Told)?;
        // A template that prints what it does not know prints the names of the fields.
        (!open.contains("thinking") && !close.contains("type")).then_some((open, close, Given::Block))
    }

    /// What stands between the header and the thought, and between thought and answer.
    fn around(&self, text: &str, header: Header) -> Option<(String, String)> {
        let at = text.find(THOUGHT)?;
        let (before, behind) = (&text[..at], &text[at + THOUGHT.len()..]);
        let close = &behind[..behind.find(ANSWER)?];
        let open = match header {
            Header::Told => &before[common(before, &self.header()?).len()..],
            Header::Guessed => last_markup(before)?,
        };
        marks(open, close)
    }

    /// An answer that is opened inside a thought.
    fn opened(&self) -> Option<Marks> {
        let earlier = self.earlier()?;
        let variants = [json!({ "enable_thinking": true, "thinking": true }), json!({})];
        variants.iter().find_map(|variables| {
            let opening = self.opened_with(variables)?;
            let open = opening[common(&opening, &earlier).len()..].trim();
            if open.is_empty() {
                return None;
            }
            let close = self.literals().into_iter().find(|close| !open.contains(close.as_str()) && self.cuts(close))?;
            marks(open, &close).map(|(open, close)| (open, close, Given::Dropped))
        })
    }

    /// An answer that is opened behind an empty thought where thinking is off, or that has one in front when it is an earlier one.
    fn empty(&self) -> Option<Marks> {
        let switched = SWITCHES.iter().find_map(|name| {
            added(self.opened_with(&json!({ *name: true }))?, &self.opened_with(&json!({ *name: false }))?)
        });
        let (on, own) = match switched {
            Some(switched) => switched,
            None => {
                let (on, own) = added(self.opened_with(&json!({}))?, self.earlier()?.split(ANSWER).next()?)?;
                (own.contains('<') || own.contains('[')).then_some((on, own))?
            }
        };
        // `<think></think>`, with or without space between them.
        let pair = own.matches("><").count() + own.matches("][").count() == 1;
        let apart = if pair { own.replace("><", "> <").replace("][", "] [") } else { own };
        let words: Vec<&str> = apart.split_whitespace().collect();
        let (open, close) = match words[..] {
            [open, close] => (open, close),
            // Where thinking is on the thought is open, and only its end is added.
            [close] => (last_markup(&on)?, close),
            _ => return None,
        };
        marks(open, close).map(|(open, close)| (open, close, Given::Dropped))
    }

    /// Whether the template drops what the assistant said up to `close`.
    fn cuts(&self, close: &str) -> bool {
        let content = format!("{THOUGHT}{close}{ANSWER}");
        self.render(&json!([question(), said(&content), question()]), &json!({}), false)
            .is_some_and(|text| !text.contains(THOUGHT) && text.contains(ANSWER))
    }

    /// The texts between quotes in the template that could be marks.
    fn literals(&self) -> Vec<String> {
        let source = self.template.source();
        let quoted = ['\'', '"'].into_iter().flat_map(|quote| source.split(quote));
        let literals: BTreeSet<&str> = quoted
            .map(str::trim)
            .filter(|text| (3..=MAX_MARK).contains(&text.len()) && last_markup(text) == Some(*text))
            .collect();
        literals.into_iter().take(MAX_LITERALS).map(str::to_owned).collect()
    }
}

fn question() -> Json {
    json!({ "role": "user", "content": QUESTION })
}

fn said(content: &str) -> Json {
    json!({ "role": "assistant", "content": content })
}

/// What `longer` has behind `text`.
fn added(text: String, longer: &str) -> Option<(String, String)> {
    let own = longer.strip_prefix(text.trim_end())?.trim().to_owned();
    (!own.is_empty()).then_some((text, own))
}

/// The marks with the white space around them, where they are such.
fn marks(open: &str, close: &str) -> Option<(String, String)> {
    let is_mark = |text: &str| (1..=MAX_MARK).contains(&text.trim().len());
    (is_mark(open) && is_mark(close)).then(|| (open.to_owned(), close.to_owned()))
}

/// `<think>` of `…<|assistant|>\n<think>\n`; as much more as is needed to tell it from what comes before.
fn last_markup(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let open = match text.chars().last()? {
        '>' => '<',
        ']' => '[',
        _ => return None,
    };
    let mut at = text.rfind(open)?;
    while text[..at].contains(&text[at..]) {
        at = text[..at].rfind(open)?;
    }
    Some(&text[at..])
}

/// What both begin with, up to markup that is only begun: `<think>` and `</think>` have nothing in common.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let end = a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    let both = &a[..end.unwrap_or(a.len().min(b.len()))];
    let begun = [('<', '>'), ('[', ']')].into_iter().filter_map(|(open, close)| {
        let at = both.rfind(open)?;
        (!both[at..].contains(close)).then_some(at)
    });
    &both[..begun.min().unwrap_or(both.len())]
}
