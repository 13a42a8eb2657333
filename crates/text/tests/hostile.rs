//! Broken files end in an answer or a typed error, soon; seeded mutations of real ones.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{VOCABULARIES, json, metadata, path};
use serde_json::Value as Json;
use wick_spec::{ChatPrompt, Code};
use wick_text::{ChatTemplate, Control, ControlTexts, Tokenizer, to_gguf};
use wick_weights::gguf::{Array, Metadata, Value};

/// SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A few small changes of `text`, with pieces of the kind that it is made of.
    fn mutate(&mut self, text: &str, pieces: &[&str]) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(4) {
            let at = self.below(chars.len());
            let len = self.below(8.min(chars.len() - at + 1));
            let piece: Vec<char> = match self.below(3) {
                0 => Vec::new(),
                1 => self.pick(pieces).chars().collect(),
                _ => {
                    let from = self.below(chars.len());
                    chars[from..(from + self.below(40)).min(chars.len())].to_vec()
                }
            };
            chars.splice(at..(at + len).min(chars.len()), piece);
        }
        chars.into_iter().collect()
    }

    /// Puts something else somewhere into `json`.
    fn replace(&mut self, json: &mut Json) {
        let inside = match json {
            Json::Object(entries) => entries.values_mut().collect::<Vec<_>>(),
            Json::Array(items) => items.iter_mut().collect(),
            _ => Vec::new(),
        };
        if inside.is_empty() || self.below(4) == 0 {
            let values = [
                "null",
                "-1",
                "0",
                "4294967295",
                "1e30",
                "true",
                "[]",
                "{}",
                "\"\"",
                "\"▁\"",
                "\"(?\"",
                "\"Never\"",
                "\"ByteLevel\"",
            ];
            let value = *self.pick(&values);
            *json = serde_json::from_str(value).unwrap();
        } else {
            let at = self.below(inside.len());
            inside.into_iter().nth(at).into_iter().for_each(|inner| self.replace(inner));
        }
    }
}

/// Every refusal has a code that says whose fault it is.
fn is_typed(code: Code) -> bool {
    matches!(code, Code::ModelInvalid | Code::Unsupported | Code::InvalidRequest | Code::Tokenizer)
}

fn within<T>(limit: Duration, what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < limit, "{what} took {:?}", start.elapsed());
    result
}

#[test]
fn mutated_templates_end() {
    let fixture = json("chats.json");
    let templates: Vec<&str> = fixture["templates"].as_object().unwrap().values().map(|t| t.as_str().unwrap()).collect();
    let pieces = [
        "{%",
        "%}",
        "{{",
        "}}",
        "{% for x in messages %}",
        "{% endfor %}",
        "range(99999)",
        " * 99999",
        "()",
        "[",
        "]",
        "|",
        "tojson",
        "'",
        "-",
        "**",
        "99999999999",
        "loop",
        "{#",
    ];
    let control = ControlTexts::new(&["<s>", "<|im_end|>"], &["<think>"]).unwrap();
    let messages = r#"[{"role": "user", "content": "a<s>"}, {"role": "assistant", "content": "<think>b"}]"#;
    let chat = ChatPrompt { messages: messages.into(), ..ChatPrompt::default() };
    let mut random = Random(1);
    let mut rendered = 0;
    for round in 0..400 {
        let source = {
            let template = *random.pick(&templates);
            random.mutate(template, &pieces)
        };
        let result = within(Duration::from_secs(4), &source, || {
            ChatTemplate::new(&source, "<s>", "</s>").and_then(|template| template.render(&chat, true, &control))
        });
        match result {
            Ok(_) => rendered += 1,
            Err(error) => assert!(is_typed(error.code()), "round {round}: {error}"),
        }
    }
    assert!(rendered > 20, "{rendered} rendered: the mutations are not small");
}

#[test]
fn mutated_tokenizer_files_end() {
    let dir = std::env::temp_dir().join(format!("wick-text-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let pieces = [
        "null",
        "{}",
        "[]",
        "-1",
        "4294967295",
        "1e99",
        "\"\"",
        "true",
        "\"type\":\"Sequence\"",
        "\\u0000",
        "(((",
        "\"Unigram\"",
        "{\"id\":9,\"content\":\"x\"}",
        ",",
        "\"WordPiece\"",
        "Metaspace",
    ];
    let mut random = Random(2);
    let mut loaded = 0;
    for round in 0..200 {
        let name = *random.pick(&VOCABULARIES);
        let original = std::fs::read_to_string(path(name).join("tokenizer.json")).unwrap();
        // The vocabulary is most of the file; what is before it decides more.
        let head = original.find("\"vocab\"").unwrap();
        let mutated = match random.below(3) {
            0 => random.mutate(&original[..head], &pieces) + &original[head..],
            1 => random.mutate(&original, &pieces),
            _ => {
                let mut json: Json = serde_json::from_str(&original).unwrap();
                random.replace(&mut json);
                json.to_string()
            }
        };
        std::fs::write(dir.join("tokenizer.json"), &mutated).unwrap();
        std::fs::copy(path(name).join("tokenizer_config.json"), dir.join("tokenizer_config.json")).unwrap();
        within(Duration::from_secs(4), name, || {
            match Tokenizer::from_folder(&dir) {
                Ok(tokenizer) => {
                    loaded += 1;
                    let ids = tokenizer.encode("the <s> sea\n🦊", Control::Parse, true);
                    match ids.and_then(|ids| tokenizer.decode(&ids, false)) {
                        Ok(_) => {}
                        Err(error) => assert!(is_typed(error.code()), "round {round}: {error}"),
                    }
                }
                Err(error) => assert!(is_typed(error.code()), "round {round}: {error}"),
            }
            if let Err(error) = to_gguf(&dir, 1000) {
                assert!(is_typed(error.code()), "round {round}: {error}");
            }
        });
    }
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(loaded > 20, "{loaded} loaded: the mutations are not small");
}

#[test]
fn mutated_metadata_ends() {
    let mut random = Random(3);
    let mut loaded = 0;
    for round in 0..300 {
        let name = *random.pick(&VOCABULARIES);
        let original = metadata(name);
        let keys: Vec<String> =
            original.iter().map(|(key, _)| key.to_owned()).filter(|key| key.starts_with("tokenizer.")).collect();
        let victim = random.pick(&keys).clone();
        let mut changed = Metadata::new();
        for (key, value) in original.iter() {
            match (key == victim).then(|| random.below(5)) {
                Some(0) => {}
                Some(1) => drop(changed.insert(key, u32::MAX)),
                Some(2) => drop(changed.insert(key, "")),
                Some(3) => drop(changed.insert(key, vec![0i32; random.below(5)])),
                Some(_) => drop(changed.insert(key, spoiled(value.clone(), &mut random))),
                None => drop(changed.insert(key, value.clone())),
            }
        }
        within(Duration::from_secs(4), &victim, || match Tokenizer::from_gguf(&changed) {
            Ok(tokenizer) => {
                loaded += 1;
                let ids = tokenizer.encode("the <s> sea\n🦊 <|im_end|>", Control::Parse, true);
                if let Err(error) = ids.and_then(|ids| tokenizer.decode(&ids, true)) {
                    assert!(is_typed(error.code()), "round {round}: {error}");
                }
            }
            Err(error) => assert!(is_typed(error.code()), "round {round}, {victim}: {error}"),
        });
    }
    assert!(loaded > 50, "{loaded} loaded: the mutations are not small");
}

/// One element wrong.
fn spoiled(value: Value, random: &mut Random) -> Value {
    match value {
        Value::Array(Array::String(strings)) => {
            let mut strings: Vec<String> = strings.iter().map(str::to_owned).collect();
            let at = random.below(strings.len());
            strings[at] = (*random.pick(&["", " ", "the", "<|im_end|>", "\0", "▁", "a b c"])).to_owned();
            strings.truncate(strings.len() - random.below(2));
            strings.into()
        }
        Value::Array(Array::F32(mut scores)) => {
            let at = random.below(scores.len());
            scores[at] = *random.pick(&[f32::NAN, f32::INFINITY, -0.0, 1e30]);
            scores.into()
        }
        Value::Array(Array::I32(mut types)) => {
            let at = random.below(types.len());
            types[at] = random.below(9) as i32 - 1;
            types.into()
        }
        Value::Bool(flag) => (!flag).into(),
        other => other,
    }
}
