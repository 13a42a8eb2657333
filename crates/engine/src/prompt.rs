//! A request's prompt to token ids.

use std::sync::Arc;

use wick_spec::{ChatPrompt, Error, Prompt, Result};
use wick_text::{ChatTemplate, Control, Rendered, Tokenizer};

/// A model's tokenizer and its template.
pub(crate) struct Prompter {
    tokenizer: Arc<Tokenizer>,
    template: Option<ChatTemplate>,
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

/// A prompt as the engine runs it.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub ids: Vec<u32>,
    /// Of a chat: what [`Turn`] remembers.
    pub rendered: Option<Rendered>,
}

impl Prompter {
    pub(crate) fn new(tokenizer: Arc<Tokenizer>, template: Option<ChatTemplate>) -> Self {
        Self { tokenizer, template }
    }

    /// The ids of a prompt; `turns` are earlier turns whose ids to keep, the one that covers most of the prompt wins.
    pub(crate) fn encode<'a>(&self, prompt: &Prompt, turns: impl Iterator<Item = &'a Turn>) -> Result<Encoded> {
        let encoded = match prompt {
            Prompt::Chat(chat) => {
                let rendered = self.render(chat)?;
                Encoded { ids: self.encode_chat(&rendered, turns)?, rendered: Some(rendered) }
            }
            Prompt::Text { text, parse_control } => {
                let control = if *parse_control { Control::Parse } else { Control::AsText };
                Encoded { ids: self.tokenizer.encode(text, control, true)?, rendered: None }
            }
            Prompt::Tokens(ids) => Encoded { ids: ids.clone(), rendered: None },
        };
        if encoded.ids.is_empty() {
            return Err(Error::invalid_request("The prompt is empty, and this model has no beginning-of-text token to start from."));
        }
        Ok(encoded)
    }

    /// What the template makes of a conversation, the response prefix included.
    pub(crate) fn render(&self, chat: &ChatPrompt) -> Result<Rendered> {
        let template = self.template.as_ref().ok_or_else(|| {
            Error::unsupported("This model's file has no chat template. Give one with chatTemplate, or send raw text instead of messages.")
        })?;
        template.render(chat, &self.tokenizer)
    }

    fn encode_chat<'a>(&self, rendered: &Rendered, turns: impl Iterator<Item = &'a Turn>) -> Result<Vec<u32>> {
        let known = turns
            .filter_map(|turn| Some((turn, rendered.strip_prefix(&turn.rendered, &turn.answer)?)))
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
