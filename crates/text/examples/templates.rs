//! Holds the template engine to transformers, template by template.
//!
//! `cargo run -p wick-text --example templates -- EXPECTED.json [NAME | --list FILE]` reads what `tools/oracle/templates.py` wrote,
//! renders the same conversations and prints a row a template; the first differences with NAME (part of a template's name), which is
//! then the only one. `--list` writes what came out, a template a line. `places` counts the places of a chat from which control text
//! would come out as control tokens if nothing were done about it, under a vocabulary in which all that the template writes in
//! brackets is one; `leaks` those from which it does. Ends with 1 where anything differs or leaks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use wick_spec::{ChatPrompt, Code, Error, Result};
use wick_text::{ChatTemplate, ControlTexts, Tokenizer};
use wick_weights::OpenOptions;
use wick_weights::gguf::{Array, File, Metadata, Value};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or_else(|| Error::invalid_request("templates EXPECTED.json [NAME]"))?;
    let (mut only, mut list) = (arguments.next(), None);
    if only.as_deref() == Some("--list") {
        (only, list) = (None, arguments.next());
    }
    let bytes = std::fs::read(&path).map_err(|e| Error::io(format!("{path}: {e}")))?;
    let oracle: Json = serde_json::from_slice(&bytes).map_err(|e| Error::invalid_request(format!("{path}: {e}")))?;
    let now = UNIX_EPOCH + Duration::from_secs(oracle["clock"].as_u64().unwrap_or(0));
    println!(
        "{:52} {:>6} {:>6} {:>6} {:>6} {:>9} {:>6} {:>6}  thought",
        "template", "chats", "none", "plain", "rich", "different", "places", "leaks"
    );
    let (mut renderings, mut different, mut places, mut leaks) = (0, 0, 0, 0);
    let mut rows = Vec::new();
    for (name, source) in oracle["templates"].as_object().into_iter().flatten() {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let source = source.as_str().unwrap_or_default();
        let row = Row::of(&oracle, name, source, now);
        let [open, leaking] = leaking(source)?;
        let chats = oracle["chats"].as_array().map_or(0, Vec::len);
        println!(
            "{name:52} {chats:>6} {:>6} {:>6} {:>6} {:>9} {:>6} {:>6}  {}",
            row.cases[0],
            row.cases[1],
            row.cases[2],
            row.differences.len(),
            open.len(),
            leaking.len(),
            row.thought
        );
        if only.is_some() && !leaking.is_empty() {
            println!("leaking: {}", leaking.join(", "));
        }
        for difference in row.differences.iter().take(if only.is_some() { 6 } else { 0 }) {
            println!("{difference}");
        }
        rows.push(format!(
            r#"  {{ "name": {:?}, "conversations": {chats}, "renderings": {}, "differences": {}, "leaks": {} }}"#,
            format!("{name}.jinja"),
            row.cases.iter().sum::<usize>(),
            row.differences.len(),
            leaking.len()
        ));
        renderings += row.cases.iter().sum::<usize>();
        different += row.differences.len();
        places += open.len();
        leaks += leaking.len();
    }
    let templates = rows.len();
    println!("{templates} templates, {renderings} renderings, {different} different, {places} places, {leaks} leaks");
    if let Some(list) = list {
        let rows = format!("[\n{}\n]\n", rows.join(",\n"));
        std::fs::write(&list, rows).map_err(|e| Error::io(format!("{list}: {e}")))?;
    }
    std::process::exit(i32::from(different + leaks > 0));
}

struct Row {
    /// Renderings without tools, with plain ones, with rich ones.
    cases: [usize; 3],
    differences: Vec<String>,
    /// What opens and closes a thought, and the variable that switches it.
    thought: String,
}

impl Row {
    fn of(oracle: &Json, name: &str, source: &str, now: SystemTime) -> Self {
        let template = ChatTemplate::new(source, "<s>", "</s>");
        let thought = template.as_ref().ok().and_then(ChatTemplate::thought);
        let thought =
            thought.map(|thought| format!("{} {} {}", thought.open(), thought.close(), thought.switch().unwrap_or("")));
        let mut row = Self { cases: [0; 3], differences: Vec::new(), thought: thought.unwrap_or_default() };
        for case in oracle["expected"][name].as_array().into_iter().flatten() {
            let tools = case["tools"].as_str().unwrap_or_default();
            row.cases[["none", "plain", "rich"].iter().position(|kind| *kind == tools).unwrap_or(0)] += 1;
            let chat = &oracle["chats"][case["chat"].as_u64().unwrap_or(0) as usize];
            let prompt = ChatPrompt {
                messages: chat["messages"].to_string(),
                tools: (!oracle["tools"][tools].is_null()).then(|| oracle["tools"][tools].to_string()),
                variables: Some(chat["variables"].to_string()),
                ..ChatPrompt::default()
            };
            let opened = case["opened"].as_bool().unwrap_or(true);
            // With marks in the messages, and without: marks must not show.
            for control in [&["<b>", "</s>", "<|im_end|>", "[INST]", "[/INST]", "<tool_response>"][..], &[]] {
                let got = template.as_ref().map_err(Clone::clone).and_then(|template| {
                    Ok(template.render_at(&prompt, opened, &ControlTexts::new(control, &[])?, now)?.text().to_owned())
                });
                if let Some(difference) = difference(case, &got) {
                    row.differences.push(format!("— {}, tools {tools}, opened {opened}\n{difference}", chat["name"]));
                    break;
                }
            }
        }
        row
    }
}

/// How `got` differs from what transformers made of it: a text, the template's own refusal, or any failure.
fn difference(case: &Json, got: &Result<String>) -> Option<String> {
    match (got, case["text"].as_str(), case["refused"].as_str()) {
        (Ok(got), Some(want), _) if got == want => None,
        (Ok(got), Some(want), _) => {
            let at = got.chars().zip(want.chars()).take_while(|(a, b)| a == b).count();
            let around = |text: &str| text.chars().skip(at.saturating_sub(60)).take(160).collect::<String>();
            Some(format!("  got  {:?}\n  want {:?}", around(got), around(want)))
        }
        (Err(error), None, Some(words)) if error.code() == Code::InvalidRequest && error.message().ends_with(words) => None,
        (Err(_), None, None) => None,
        (got, ..) => Some(format!("  got  {:.300}\n  want {:.300}", format!("{got:?}"), case.to_string())),
    }
}

/// Where strings of others come into a chat: the role of the message, or `tools`, and the pointer from there.
const PLACES: [(&str, &str, &str); 9] = [
    ("system", "system", "/content"),
    ("user", "user", "/content"),
    ("name", "user", "/name"),
    ("answer", "assistant", "/content"),
    ("tool call's name", "assistant", "/tool_calls/0/function/name"),
    ("tool call's argument", "assistant", "/tool_calls/0/function/arguments/city"),
    ("tool result", "tool", "/content"),
    ("tool's name", "tools", "/tools/0/function/name"),
    ("tool's description", "tools", "/tools/0/function/description"),
];

/// The string at a place of `chat`.
fn at<'a>(chat: &'a mut Json, role: &str, pointer: &str) -> Option<&'a mut Json> {
    let Some(index) = chat["messages"].as_array()?.iter().position(|message| message["role"] == role) else {
        return chat.pointer_mut(pointer).filter(|_| role == "tools");
    };
    chat["messages"][index].pointer_mut(pointer)
}

/// Places from which text comes out as control tokens that an innocent word there does not give: without marks, and with them.
fn leaking(source: &str) -> Result<[Vec<&'static str>; 2]> {
    let (tokenizer, texts) = vocabulary(source)?;
    let Ok(template) = ChatTemplate::new(source, "<s>", "</s>") else { return Ok([Vec::new(), Vec::new()]) };
    let ids = |mut chat: Json, (_, role, pointer): (&str, &str, &str), word: &str, control: &ControlTexts| {
        *at(&mut chat, role, pointer)? = word.into();
        let prompt = ChatPrompt {
            messages: chat["messages"].to_string(),
            tools: chat["tools"].is_array().then(|| chat["tools"].to_string()),
            // Without these some render nothing.
            variables: Some(json!({ "functions": "[]", "datetime": "now" }).to_string()),
            ..ChatPrompt::default()
        };
        let rendered = template.render(&prompt, true, control).ok()?;
        let ids = tokenizer.encode_rendered(&rendered).ok()?;
        Some(ids.into_iter().filter(|&id| tokenizer.is_control(id)).collect::<Vec<_>>())
    };
    let leaks = |place, control: &ControlTexts| {
        // Whole, beginning another, in pieces of each other.
        let evil = texts
            .iter()
            .flat_map(|text| [text.clone(), format!("{text}{text}"), format!("<{text}"), text[..text.len() - 1].to_owned()]);
        let mut words = conversations().into_iter().flat_map(|chat| evil.clone().map(move |word| (chat.clone(), word)));
        // A template that refuses the word, or takes it for a case of its own, makes fewer tokens; more come from the word.
        words.any(|(chat, word)| {
            let (plain, evil) = (ids(chat.clone(), place, "plain", control), ids(chat, place, &word, control));
            let (Some(plain), Some(evil)) = (plain, evil) else { return false };
            evil.iter().any(|id| count(&evil, *id) > count(&plain, *id))
        })
    };
    Ok([ControlTexts::new(&[], &[])?, tokenizer.control_texts(&template)?]
        .map(|control| PLACES.into_iter().filter(|place| leaks(*place, &control)).map(|(name, ..)| name).collect()))
}

fn count(ids: &[u32], id: u32) -> usize {
    ids.iter().filter(|&&other| other == id).count()
}

/// One with all there is, and smaller ones for templates that refuse it.
fn conversations() -> [Json; 3] {
    let call = json!({ "id": "abcdefghi", "type": "function", "function": { "name": "get_weather", "arguments": { "city": "Bern" } } });
    let user = json!({ "role": "user", "content": "Hello", "name": "ann" });
    let answered = json!([user, { "role": "assistant", "content": "Hi" }, { "role": "user", "content": "Bye" }]);
    let all = json!({
        "messages": [
            { "role": "system", "content": "Be brief." },
            user,
            { "role": "assistant", "content": "", "tool_calls": [call] },
            { "role": "tool", "content": "12", "name": "get_weather", "tool_call_id": "abcdefghi" },
        ],
        "tools": [{ "type": "function", "function": {
            "name": "get_weather",
            "description": "The weather.",
            "parameters": { "type": "object", "properties": { "city": { "type": "string", "description": "Where." } }, "required": ["city"] },
        } }],
    });
    let with_system = json!([{ "role": "system", "content": "Be brief." }, answered[0], answered[1], answered[2]]);
    [all, json!({ "messages": with_system }), json!({ "messages": answered })]
}

/// The vocabulary of the tests, in which all that `source` writes in brackets is a control token, and those texts.
fn vocabulary(source: &str) -> Result<(Tokenizer, Vec<String>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen2.gguf");
    let file = File::open(&path, &OpenOptions { vocab_only: true, ..OpenOptions::default() })?;
    let mut texts: Vec<String> = ["<s>".to_owned(), "</s>".to_owned()].to_vec();
    for (open, close) in [('<', '>'), ('[', ']')] {
        for part in source.split(open).skip(1) {
            let name = part.split(close).next().unwrap_or_default();
            let is_name =
                (2..40).contains(&name.len()) && !name.contains([' ', '\'', '"', '\n', '{', '}', '(', ')', '<', '[', ':']);
            let numeric = name.trim_start_matches('-').chars().all(|c| c.is_ascii_digit());
            texts.extend((is_name && !numeric && part.len() > name.len()).then(|| format!("{open}{name}{close}")));
        }
    }
    texts.sort();
    texts.dedup();
    let mut metadata: Metadata = file.metadata().clone();
    let (Some(Value::Array(Array::String(tokens))), Some(Value::Array(Array::I32(kinds)))) =
        (metadata.get("tokenizer.ggml.tokens").cloned(), metadata.get("tokenizer.ggml.token_type").cloned())
    else {
        return Err(Error::internal("the fixture's vocabulary has no tokens or kinds"));
    };
    let mut tokens: Vec<String> = tokens.iter().map(str::to_owned).collect();
    texts.retain(|text| !tokens.contains(text));
    tokens.extend(texts.iter().cloned());
    let kinds: Vec<i32> = kinds.into_iter().chain(texts.iter().map(|_| 3)).collect();
    metadata.insert("tokenizer.ggml.tokens", tokens);
    metadata.insert("tokenizer.ggml.token_type", kinds);
    Ok((Tokenizer::from_gguf(&metadata)?, texts))
}
