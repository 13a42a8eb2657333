//! An answer as it grows: logits to token, token to text, text to what may be shown.

use std::sync::Arc;
use std::time::Instant;

use wick_sample::{Choice, Job, Sampler};
use wick_spec::{AlternativeToken, Error, Event, Fed, FinishReason, Prompt, Request, Result, Timings, TokenInfo, Usage};
use wick_text::{Control, Decoder, Place, Split, StopTexts, Tokenizer};

use crate::reasoning::{Reasoning, Spelling};
use crate::sampling::sampler;

/// The state of one generation.
pub(crate) struct Answer {
    tokenizer: Arc<Tokenizer>,
    sampler: Sampler,
    decoder: Decoder,
    stops: StopTexts,
    wants_tokens: bool,
    /// Tokens that end it.
    ends: Vec<u32>,
    /// Whether the reader says what becomes of each token.
    asks: bool,
    /// The next token, once it is chosen.
    chosen: Option<Result<Choice>>,
    /// What the reader was asked about.
    asked: Option<Choice>,
    /// Whether it goes on within a text whose end is known.
    fills_a_gap: bool,
    max_tokens: u32,
    /// Of a model that thinks.
    reasoning: Option<Reasoning>,
    reasoning_budget: Option<u32>,
    /// Tokens of which it is not known yet whether they open a thought.
    undecided: Vec<TokenInfo>,
    /// What was said so far, thoughts and their marks included.
    text: String,
    /// The stop text that ended it, so that less was shown than was said.
    stopped_by: Option<String>,
    /// Ids sampled so far.
    ids: Vec<u32>,
    clock: Clock,
}

/// Moments and durations of one generation.
struct Clock {
    arrived: Instant,
    began: Option<Instant>,
    prompt_ms: f64,
    prompt_tokens: u32,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub reason: FinishReason,
    pub stop: Option<String>,
}

impl Answer {
    pub(crate) fn new(request: &Request, tokenizer: Arc<Tokenizer>, vocab: usize, arrived: Instant) -> Result<Self> {
        let fills_a_gap = matches!(request.prompt, Prompt::Infill(_));
        let gap: &[u32] = if fills_a_gap { tokenizer.infill_ends()? } else { &[] };
        let ends = match request.ignore_end {
            true => Vec::new(),
            false => tokenizer.end_tokens().iter().chain(gap).copied().collect(),
        };
        Ok(Self {
            ends,
            fills_a_gap,
            asks: request.ask_tokens,
            chosen: None,
            asked: None,
            sampler: sampler(&request.sampling, &tokenizer, vocab)?,
            decoder: Decoder::new(tokenizer.clone()),
            stops: StopTexts::new(request.stop.clone()),
            tokenizer,
            wants_tokens: request.sampling.logprobs.is_some(),
            max_tokens: request.max_tokens.unwrap_or(u32::MAX),
            reasoning: None,
            reasoning_budget: request.reasoning_budget,
            undecided: Vec::new(),
            stopped_by: None,
            text: String::new(),
            ids: Vec::new(),
            clock: Clock { arrived, began: None, prompt_ms: 0.0, prompt_tokens: 0, first_token: None, last_token: None },
        })
    }

    /// The clock starts, the prompt's tokens enter the penalties' window, and the answer is spelled as what follows them. A later prompt of the same answer changes neither.
    pub(crate) fn begin(&mut self, prompt: &[u32], thoughts: Option<(Arc<Spelling>, Place)>) {
        if self.clock.began.is_none() {
            self.reasoning = thoughts.map(|(spelling, place)| Reasoning::new(spelling, place, self.reasoning_budget));
            self.clock.began = Some(Instant::now());
            self.decoder = match self.fills_a_gap {
                true => Decoder::within(self.tokenizer.clone()),
                false => Decoder::after(self.tokenizer.clone(), prompt),
            };
            prompt.iter().for_each(|&id| self.sampler.accept(id));
        }
    }

    /// `tokens` of the prompt were computed in `ms`.
    pub(crate) fn prefilled(&mut self, tokens: usize, ms: f64) {
        if self.clock.first_token.is_none() {
            self.clock.prompt_ms += ms;
            self.clock.prompt_tokens += tokens as u32;
        }
    }

    /// What is to be done to choose the next token, whose logits these are.
    pub(crate) fn job<'a>(&'a mut self, logits: &'a mut [f32]) -> Job<'a> {
        let settled = self.reasoning.as_mut().and_then(Reasoning::forced);
        Job { sampler: &mut self.sampler, logits, settled }
    }

    /// Keeps what was chosen.
    pub(crate) fn choose(&mut self, choice: Result<Choice>) {
        self.chosen = Some(choice);
    }

    fn chosen(&mut self) -> Result<Choice> {
        self.chosen.take().unwrap_or_else(|| Err(Error::internal("The next token of an answer was not chosen.")))
    }

    /// Pushes what may be shown of the token that was chosen, and says whether it was the last.
    pub(crate) fn next(&mut self, push: &mut dyn FnMut(Event)) -> Result<(u32, Option<End>)> {
        let choice = self.chosen()?;
        Ok((choice.id, self.take(choice, push)))
    }

    /// Keeps the token that was chosen until the reader has said what becomes of it; `None` where readers are not asked.
    pub(crate) fn ask(&mut self) -> Result<Option<TokenInfo>> {
        if !self.asks {
            return Ok(None);
        }
        let choice = self.chosen()?;
        let token = self.describe(choice.clone());
        self.asked = Some(choice);
        Ok(Some(token))
    }

    /// What the reader makes of the token he was asked about; nothing where he was not.
    pub(crate) fn told(&mut self, fed: Fed) -> Vec<Choice> {
        let Some(choice) = self.asked.take() else { return Vec::new() };
        match fed {
            Fed::Keep => vec![choice],
            // What the model thought of tokens that it did not choose is not known any more.
            Fed::Replace(ids) => {
                self.reasoning.iter_mut().for_each(Reasoning::interrupted);
                ids.into_iter().map(|id| Choice { id, logprob: None, top: Vec::new() }).collect()
            }
            Fed::End => Vec::new(),
        }
    }

    /// Takes a token as the next, pushes what may be shown of it, and says whether it was the last.
    pub(crate) fn take(&mut self, choice: Choice, push: &mut dyn FnMut(Event)) -> Option<End> {
        let id = choice.id;
        self.sampler.accept(id);
        self.ids.push(id);
        let now = Instant::now();
        self.clock.first_token.get_or_insert(now);
        self.clock.last_token = Some(now);

        // Some templates close a thought with what closes a message.
        let marks = self.reasoning.as_ref().is_some_and(|reasoning| reasoning.inside() && reasoning.sign(id).is_some());
        let ends = !marks && self.ends.contains(&id);
        let spelled = if ends { String::new() } else { self.spell(id) };
        let thought_before = self.reasoning.as_ref().is_some_and(Reasoning::inside);
        let mut split = self.split(&spelled);
        let reason = match ends {
            true => Some(FinishReason::Stop),
            false => (self.ids.len() >= self.max_tokens as usize).then_some(FinishReason::Length),
        };
        let end = self.stop(&mut split, reason);
        let tokens = if self.wants_tokens { vec![self.describe(choice)] } else { Vec::new() };
        self.show(split, thought_before, tokens, end.is_some(), push);
        end
    }

    /// Thought and answer in the text of one token.
    fn split(&mut self, spelled: &str) -> Split {
        self.text.push_str(spelled);
        match &mut self.reasoning {
            Some(reasoning) => reasoning.push(spelled),
            None => Split { thought: String::new(), text: spelled.to_owned() },
        }
    }

    /// Holds the answer to the stop texts, which a thought may contain. At an end for another reason, what was held back is shown;
    /// that may itself hold a stop text.
    fn stop(&mut self, split: &mut Split, reason: Option<FinishReason>) -> Option<End> {
        if reason.is_some() {
            let held = self.decoder.flush();
            self.text.push_str(&held);
            match &mut self.reasoning {
                Some(reasoning) => {
                    let rest = reasoning.rest(&held);
                    split.thought += &rest.thought;
                    split.text += &rest.text;
                }
                None => split.text += &held,
            }
        }
        let (shown, stop) = self.stops.push(&split.text);
        split.text = shown;
        if stop.is_some() {
            self.stopped_by.clone_from(&stop);
            return Some(End { reason: FinishReason::Stop, stop });
        }
        let reason = reason?;
        split.text += &self.stops.flush();
        Some(End { reason, stop: None })
    }

    /// The text of a token; of a control token that marks a thought, its sign.
    fn spell(&mut self, id: u32) -> String {
        let mut text = self.decoder.push(id);
        text.extend(self.reasoning.as_ref().and_then(|reasoning| reasoning.sign(id)));
        text
    }

    /// Pushes what can be shown, the thought first. `tokens` go with the part that they end in.
    fn show(&mut self, split: Split, thought_before: bool, tokens: Vec<TokenInfo>, last: bool, push: &mut dyn FnMut(Event)) {
        self.undecided.extend(tokens);
        if !last && self.reasoning.as_ref().is_some_and(Reasoning::undecided) {
            return;
        }
        let Split { thought, text } = split;
        // What closes a thought is the thought's, unless text comes with it.
        let inside = self.reasoning.as_ref().is_some_and(Reasoning::inside);
        let thinks = inside || (text.is_empty() && (thought_before || !thought.is_empty()));
        let tokens = std::mem::take(&mut self.undecided);
        let (of_thought, of_text) = if thinks { (tokens, Vec::new()) } else { (Vec::new(), tokens) };
        if !thought.is_empty() || !of_thought.is_empty() {
            push(Event::ReasoningDelta { text: thought, tokens: of_thought });
        }
        if !text.is_empty() || !of_text.is_empty() {
            push(Event::TextDelta { text, tokens: of_text });
        }
    }

    /// Ends the answer where it is: at the end of the window, or where its reader says so.
    pub(crate) fn cut(&mut self, reason: FinishReason, push: &mut dyn FnMut(Event)) -> End {
        let thought_before = self.reasoning.as_ref().is_some_and(Reasoning::inside);
        let mut split = Split::default();
        let end = self.stop(&mut split, Some(reason));
        self.show(split, thought_before, Vec::new(), true, push);
        end.unwrap_or(End { reason, stop: None })
    }

    /// Tokens that may be drafted behind the next: none where the reader is asked about each.
    pub(crate) fn draftable(&self) -> usize {
        let left = (self.max_tokens as usize).saturating_sub(self.ids.len());
        if self.asks { 0 } else { left.saturating_sub(1) }
    }

    /// Whether the thought has a limit.
    pub(crate) fn has_reasoning_budget(&self) -> bool {
        self.reasoning_budget.is_some()
    }

    /// Ids sampled so far.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// What was said, as the template would write it, and how many of the ids say exactly that: all of them, or all but the end
    /// token. `None` when a stop text was cut out, so that text and ids no longer agree.
    pub(crate) fn said(&self) -> Option<(String, usize)> {
        if self.stopped_by.is_some() {
            return None;
        }
        let said = self.ids_said();
        let mut spelled = Vec::with_capacity(self.text.len());
        let marks = |id: u32| self.reasoning.as_ref().is_some_and(|reasoning| reasoning.sign(id).is_some());
        for &id in said.iter().filter(|&&id| marks(id) || !self.tokenizer.is_control(id)) {
            spelled.extend_from_slice(self.tokenizer.token_bytes(id).unwrap_or_default());
        }
        let said_text = match &self.reasoning {
            None => self.text.clone(),
            Some(reasoning) => reasoning.spelled(&self.text),
        };
        let text = said_text.as_bytes();
        // A tokenizer that puts a space in front of a text drops it again when it decodes one.
        let agrees = spelled == text || spelled.strip_prefix(b" ") == Some(text);
        agrees.then_some((said_text, said.len()))
    }

    /// All ids but the end token.
    fn ids_said(&self) -> &[u32] {
        match self.ids.split_last() {
            Some((last, said)) if self.tokenizer.is_control(*last) => said,
            _ => &self.ids,
        }
    }

    /// The ids that a continuation of this answer goes on from: those sampled, or where a stop text was cut out those of the rest.
    pub(crate) fn ids_shown(&self) -> Result<Vec<u32>> {
        match &self.stopped_by {
            None => Ok(self.ids_said().to_vec()),
            Some(stop) => {
                let shown = self.text.rfind(stop.as_str()).unwrap_or(self.text.len());
                self.tokenizer.encode(&self.text[..shown], Control::AsText, false)
            }
        }
    }

    /// The last event.
    pub(crate) fn finish(&self, end: End, prompt_tokens: usize, cached_tokens: usize) -> Event {
        Event::Finish {
            reason: end.reason,
            stop: end.stop,
            usage: Usage {
                prompt_tokens: prompt_tokens as u32,
                cached_tokens: cached_tokens as u32,
                completion_tokens: self.ids.len() as u32,
                reasoning_tokens: self.reasoning.as_ref().map_or(0, Reasoning::tokens),
            },
            timings: self.clock.timings(self.ids.len()),
            seed: self.sampler.seed(),
        }
    }

    fn describe(&self, choice: Choice) -> TokenInfo {
        let text = |id| String::from_utf8_lossy(self.tokenizer.token_bytes(id).unwrap_or_default()).into_owned();
        TokenInfo {
            id: choice.id,
            text: text(choice.id),
            logprob: choice.logprob.unwrap_or(f32::NAN),
            top: choice.top.into_iter().map(|(id, logprob)| AlternativeToken { id, text: text(id), logprob }).collect(),
        }
    }
}

impl Clock {
    fn timings(&self, completion: usize) -> Timings {
        let ms = |from: Option<Instant>, to: Option<Instant>| match (from, to) {
            (Some(from), Some(to)) => to.duration_since(from).as_secs_f64() * 1e3,
            _ => 0.0,
        };
        let rate = |tokens: usize, ms: f64| if ms > 0.0 { tokens as f64 * 1e3 / ms } else { 0.0 };
        let decode_ms = ms(self.first_token, self.last_token);
        Timings {
            queued_ms: ms(Some(self.arrived), self.began),
            prompt_ms: self.prompt_ms,
            first_token_ms: ms(Some(self.arrived), self.first_token),
            decode_ms,
            prompt_tokens_per_second: rate(self.prompt_tokens as usize, self.prompt_ms),
            tokens_per_second: rate(completion.saturating_sub(1), decode_ms),
        }
    }
}
