//! A request's prompt to token ids.

use std::sync::Arc;

use wick_spec::{ChatPrompt, Error, Prompt, Result};
use wick_text::{ChatTemplate, Control, ControlTexts, Marks, Place, Rendered, TemplateSource, Thought, Tokenizer};

use crate::reasoning::Spelling;
use crate::snapshot::Snapshot;

/// A model's tokenizer and its templates.
pub(crate) struct Prompter {
    tokenizer: Arc<Tokenizer>,
    default: Option<Template>,
    /// For chats with tools, where the file has one of its own.
    tool_use: Option<Template>,
}

struct Template {
    compiled: ChatTemplate,
    /// What messages must not spell.
    control: ControlTexts,
    /// Of thoughts, where the template knows them.
    thoughts: Option<Arc<Spelling>>,
}

impl Template {
    fn new(source: &str, tokenizer: &Tokenizer) -> Result<Self> {
        let text = |id: Option<u32>| id.and_then(|id| tokenizer.token_text(id)).unwrap_or_default();
        let compiled = ChatTemplate::new(source, &text(tokenizer.bos()), &text(tokenizer.eos()))?;
        let control = tokenizer.control_texts(&compiled)?;
        let spelling = |thought: &Thought| {
            Ok(Arc::new(Spelling {
                marks: Marks::new(thought, tokenizer)?,
                closing: thought.closing_ids(tokenizer)?,
                switch: thought.switch(),
            }))
        };
        let thoughts = compiled.thought().map(spelling).transpose()?;
        Ok(Self { compiled, control, thoughts })
    }

    /// What the template makes of a conversation, and where the answer that it opens begins.
    fn render(&self, chat: &ChatPrompt) -> Result<(Rendered, Option<Place>)> {
        let Some(thought) = self.compiled.thought() else {
            return Ok((self.compiled.render(chat, true, &self.control)?, None));
        };
        let mut chat = chat.clone();
        chat.messages = thought.given(&chat.messages).into_owned();
        if let (Some(on), Some(switch)) = (chat.thinking, thought.switch()) {
            chat.variables = Some(with_variable(chat.variables.as_deref(), switch, on)?);
        }
        let opened = self.compiled.render(&chat, true, &self.control)?;
        // A template that refuses to leave the answer unopened opens it with all that is behind the last message anyway.
        let unopened = self.compiled.render(&chat, false, &self.control);
        let opening = opened.behind(unopened.as_ref().ok());
        Ok((opened.clone(), Some(thought.place(opening))))
    }
}

/// A turn of a conversation that was answered: what was rendered, what the model said, and the ids of both.
///
/// The next turn's prompt begins with them. Its ids are these, not what tokenising the text again would give: "\n\n" may have
/// been sampled as two tokens and be read as one.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub rendered: Rendered,
    pub answer: String,
    pub ids: Vec<u32>,
}

impl Turn {
    /// About what it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.rendered.text().len() + self.answer.len() + self.ids.len() * size_of::<u32>()
    }
}

/// A prompt as the engine runs it.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub ids: Vec<u32>,
    /// Of a chat: what [`Turn`] remembers.
    pub rendered: Option<Rendered>,
    /// Of a chat under a template that knows thoughts: how they are spelled, and where the answer begins.
    pub thoughts: Option<(Arc<Spelling>, Place)>,
}

impl Prompter {
    pub(crate) fn new(tokenizer: Arc<Tokenizer>, source: &TemplateSource) -> Result<Self> {
        let compile = |source: &Option<String>| source.as_deref().map(|text| Template::new(text, &tokenizer)).transpose();
        let (default, tool_use) = (compile(&source.default)?, compile(&source.tool_use)?);
        Ok(Self { tokenizer, default, tool_use })
    }

    /// The ids of a prompt. With a `past`, text and tokens go on from its ids; a conversation has those of the one of `turns` that covers
    /// most of it.
    pub(crate) fn encode<'a>(
        &self,
        prompt: &Prompt,
        past: Option<&'a Snapshot>,
        turns: impl Iterator<Item = &'a Turn>,
    ) -> Result<Encoded> {
        let plain = |ids| Encoded { ids, rendered: None, thoughts: None };
        let after_past = |ids: &[u32]| [past.map_or(&[][..], |past| &past.tokens), ids].concat();
        let encoded = match prompt {
            Prompt::Chat(chat) => {
                let template = self.template(chat)?;
                let (rendered, place) = template.render(chat)?;
                let thoughts = template.thoughts.clone().zip(place);
                Encoded { ids: self.encode_chat(&rendered, turns)?, rendered: Some(rendered), thoughts }
            }
            Prompt::Text { text, parse_control } => {
                let control = if *parse_control { Control::Parse } else { Control::AsText };
                plain(after_past(&self.tokenizer.encode(text, control, past.is_none())?))
            }
            Prompt::Infill(_) if past.is_some() => {
                return Err(Error::invalid_request("A gap is filled on its own; a session cannot go on with one."));
            }
            Prompt::Infill(gap) => plain(self.tokenizer.encode_infill(gap)?),
            Prompt::Tokens(ids) => plain(after_past(ids)),
        };
        if encoded.ids.is_empty() {
            return Err(Error::invalid_request(
                "The prompt is empty, and this model has no beginning-of-text token to start from.",
            ));
        }
        Ok(encoded)
    }

    /// What the template makes of a conversation, the response prefix included.
    pub(crate) fn render(&self, chat: &ChatPrompt) -> Result<Rendered> {
        Ok(self.template(chat)?.render(chat)?.0)
    }

    /// How the template of chats without tools spells thoughts.
    pub(crate) fn thoughts(&self) -> Option<&Thought> {
        self.default.as_ref()?.compiled.thought()
    }

    fn template(&self, chat: &ChatPrompt) -> Result<&Template> {
        let with_tools = self.tool_use.as_ref().filter(|_| chat.tools.is_some());
        with_tools.or(self.default.as_ref()).ok_or_else(|| {
            Error::unsupported(
                "This model's file has no chat template. Give one with chatTemplate, or send raw text instead of messages.",
            )
        })
    }

    fn encode_chat<'a>(&self, rendered: &Rendered, turns: impl Iterator<Item = &'a Turn>) -> Result<Vec<u32>> {
        let known = turns
            .filter_map(|turn| Some((turn, rendered.starts_with(&turn.rendered, &turn.answer)?)))
            .max_by_key(|(turn, _)| turn.ids.len());
        match known {
            None => self.tokenizer.encode_rendered(rendered),
            Some((turn, rest)) => {
                let mut ids = turn.ids.clone();
                ids.extend(self.tokenizer.encode_rendered(&rest)?);
                Ok(ids)
            }
        }
    }
}

/// Template variables with one more, unless the caller has set it.
fn with_variable(variables: Option<&str>, name: &str, on: bool) -> Result<String> {
    let not_json = |_| Error::invalid_request("The chat's variables are not a JSON object.");
    let mut variables: serde_json::Map<String, serde_json::Value> =
        variables.map_or(Ok(Default::default()), serde_json::from_str).map_err(not_json)?;
    variables.entry(name).or_insert(on.into());
    Ok(serde_json::Value::Object(variables).to_string())
}
