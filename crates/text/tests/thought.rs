//! Marks of thoughts are found in templates of every manner, and in none that has no thoughts.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{folder, gguf};
use wick_text::{ChatTemplate, Control, Decoder, Marks, Place, Thought};

const TURN: &str = "{% for m in messages %}<|start|>{{ m.role }}\n";
const END: &str = "<|end|>\n{% endfor %}";
const OPEN: &str = "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}";

fn thought(source: &str) -> Option<Thought> {
    ChatTemplate::new(source, "<s>", "</s>").unwrap().thought().cloned()
}

#[test]
fn marks_are_what_the_template_writes_around_a_thought() {
    let kept = "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}";
    let glued = "{% if m.role == 'assistant' %}<t>{{ m.reasoning_content }}</t>{% endif %}{{ m.content }}";
    let words = "{% if m.thinking %}I think: {{ m.thinking }} So: {% endif %}{{ m.content }}";
    let parts = "{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ '[THINK]' + p.thinking + '[/THINK]' \
                 if p.type == 'thinking' else p.text }}{% endfor %}{% endif %}";
    let cut = "{{ m.content.split('</think>')[-1] }}";
    let opened = "{% if add_generation_prompt %}<|start|>assistant\n<think>\n{% endif %}";
    let off = "{% if add_generation_prompt %}<|start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}<think>\n\n\
               </think>\n\n{% endif %}{% endif %}";
    let cases = [
        (format!("{TURN}{kept}{END}{OPEN}"), Some(("<think>", "</think>", None))),
        (format!("{TURN}{kept}{END}{off}"), Some(("<think>", "</think>", Some("enable_thinking")))),
        (format!("{TURN}{glued}{END}{OPEN}"), Some(("<t>", "</t>", None))),
        (format!("{TURN}{words}{END}{OPEN}"), Some(("I think:", "So:", None))),
        (format!("{TURN}{parts}{END}{OPEN}"), Some(("[THINK]", "[/THINK]", None))),
        (format!("{TURN}{cut}{END}{opened}"), Some(("<think>", "</think>", None))),
        (format!("{TURN}{{{{ m.content }}}}{END}{off}"), Some(("<think>", "</think>", Some("enable_thinking")))),
        (format!("{TURN}{{{{ m.content }}}}{END}{OPEN}"), None),
        (format!("{TURN}{{{{ m }}}}{END}{OPEN}"), None),
        ("{{ raise_exception('no') }}".into(), None),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}".into(), None),
    ];
    for (source, expected) in cases {
        let found = thought(&source);
        let marks = found.as_ref().map(|thought| (thought.open(), thought.close(), thought.switch()));
        assert_eq!(marks, expected, "{source}");
    }
}

#[test]
fn an_earlier_thought_is_given_as_the_template_reads_it() {
    let parts = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}\
                 {{ '[T]' + p.thinking + '[/T]' if p.type == 'thinking' else p.text }}{% endfor %}{% endif %};{% endfor %}";
    let field = "{% for m in messages %}{% if m.thought %}[T]{{ m.thought }}[/T]{% endif %}{{ m.content }};{% endfor %}";
    let messages = r#"[{"role":"user","content":"q"},{"role":"assistant","content":"a","reasoning_content":"r"},{"role":"user","content":"b"}]"#;
    for source in [parts, field] {
        let template = ChatTemplate::new(source, "", "").unwrap();
        let chat = wick_spec::ChatPrompt {
            messages: template.thought().unwrap().given(messages).into_owned(),
            ..wick_spec::ChatPrompt::default()
        };
        let none = wick_text::ControlTexts::new(&[], &[]).unwrap();
        assert_eq!(template.render(&chat, false, &none).unwrap().text(), "q;[T]r[/T]a;b;", "{source}");
    }
    let known = thought(&format!(
        "{TURN}{{{{ '<t>' + m.reasoning_content + '</t>' if m.reasoning_content }}}}{{{{ m.content }}}}{END}{OPEN}"
    ));
    assert_eq!(known.unwrap().given(messages), messages);
}

/// Marks that are control tokens, plain pieces and both, in tokens of four vocabularies.
#[test]
fn tokens_are_split_where_the_marks_are() {
    for tokenizer in [gguf("qwen2"), folder("qwen2"), gguf("spm"), folder("spm"), gguf("llama-bpe")].map(Arc::new) {
        let control = tokenizer.token_text(tokenizer.eos().unwrap()).unwrap().into_owned();
        for (open, close) in [("<think>", "</think>"), (control.as_str(), "[/end of it]"), ("((", control.as_str())] {
            let source = format!(
                "{{% for m in messages %}}{{{{ m.role }}}}: {{% if m.reasoning_content %}}{open}{{{{ m.reasoning_content }}}}{close}\
                 {{% endif %}}{{{{ m.content }}}}\n{{% endfor %}}{{% if add_generation_prompt %}}assistant: {{% endif %}}"
            );
            let thought = thought(&source).unwrap();
            assert_eq!((thought.open(), thought.close()), (open, close));
            let marks = Marks::new(&thought, &tokenizer).unwrap();
            let said = format!("{open}\nthe sea ☂ {close}\n\nand the fox");
            let ids = tokenizer.encode(&said, Control::Parse, false).unwrap();
            let mut decoder = Decoder::new(tokenizer.clone());
            let mut splitter = marks.splitter(Place::Before);
            let (mut inner, mut outer) = (String::new(), String::new());
            for id in ids {
                let mut text = decoder.push(id);
                text.extend(marks.sign(id));
                let split = splitter.push(&text);
                inner += &split.thought;
                outer += &split.text;
            }
            let rest = splitter.flush();
            assert_eq!((inner + &rest.thought, outer + &rest.text), ("the sea ☂".into(), "and the fox".into()), "{said:?}");
        }
    }
}
