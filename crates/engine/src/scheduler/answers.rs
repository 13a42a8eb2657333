//! What a computed token becomes: sampled, said, asked about, or the end.

use std::sync::Arc;

use wick_spec::{Event, Fed, FinishReason, Overflow, Result, Warning};

use super::{After, Scheduler, turn_of_chat};
use crate::answer::End;
use crate::sequence::{Phase, Sequence, Work};
use crate::snapshot::Snapshot;

impl Scheduler {
    /// What the reader should know from the start.
    pub(super) fn start_warnings(&self, sequence: &Sequence) -> Vec<Warning> {
        let mut warnings = self.parts.warnings.clone();
        if let Work::Generate { max_tokens: Some(max), overflow: Overflow::Error, .. } = &sequence.work {
            let room = self.parts.context - sequence.prompt_tokens;
            if *max as usize > room {
                let message = format!(
                    "maxTokens is {max}, but the window of {} has room for {room} after the prompt.",
                    self.parts.context
                );
                warnings.push(Warning { message });
            }
        }
        warnings.extend(sequence.unheeded().into_iter().map(|message| Warning { message: message.into() }));
        warnings
    }

    /// The next token of an answer, which has been chosen.
    pub(super) fn say(&mut self, sequence: &mut Sequence) -> Result<After> {
        let Work::Generate { answer, writer, .. } = &mut sequence.work else { return Ok(After::Stays) };
        if let Some(token) = answer.ask()? {
            writer.push(Event::Token { token });
            sequence.phase = Phase::Asked;
            return Ok(After::Stays);
        }
        let (id, end) = answer.next(&mut |event| writer.push(event))?;
        sequence.tokens.push(id);
        self.parts.counters.sampled(1);
        self.settle(sequence, end)
    }

    /// Takes what the reader made of a token; of several ids those that there is room for.
    pub(super) fn feed(&mut self, sequence: &mut Sequence, fed: Fed) -> Result<After> {
        sequence.go_on();
        let Work::Generate { answer, writer, overflow, .. } = &mut sequence.work else { return Ok(After::Stays) };
        let mut push = |event| writer.push(event);
        let mut end = (fed == Fed::End).then(|| answer.cut(FinishReason::Stop, &mut push));
        for choice in answer.told(fed) {
            sequence.tokens.push(choice.id);
            end = answer.take(choice, &mut push);
            let full = *overflow == Overflow::Error && sequence.tokens.len() >= self.parts.context;
            if end.is_some() || full {
                break;
            }
        }
        self.settle(sequence, end)
    }

    /// What follows new tokens: the end, a question where the window is full, or the next turn.
    fn settle(&mut self, sequence: &mut Sequence, mut end: Option<End>) -> Result<After> {
        let Work::Generate { answer, writer, overflow, .. } = &mut sequence.work else { return Ok(After::Stays) };
        let mut push = |event| writer.push(event);
        if end.is_none() && sequence.tokens.len() >= self.parts.context {
            match overflow {
                Overflow::Error => end = Some(answer.cut(FinishReason::Length, &mut push)),
                Overflow::Ask => {
                    self.pause(sequence);
                    return Ok(After::Stays);
                }
            }
        }
        let Some(end) = end else { return Ok(After::Stays) };
        let finish = answer.finish(end, sequence.prompt_tokens, sequence.cached_tokens);
        let tokens = [&sequence.tokens[..sequence.prompt_tokens], &answer.ids_shown()?].concat();
        sequence.turn = turn_of_chat(sequence);
        let salt = sequence.salt.as_deref().map(Arc::from);
        // An answer that a stop text cut short is no turn; the one before it still is how the next prompt begins.
        let before = sequence.session.clone().flatten().filter(|turn| tokens.starts_with(&turn.ids));
        let snapshot = Snapshot { tokens: tokens.into(), turn: sequence.turn.clone().or(before), salt };
        if let Work::Generate { writer, .. } = &sequence.work {
            writer.finish(finish, snapshot);
        }
        Ok(After::Ended)
    }

    /// Asks the reader for a shorter prompt.
    pub(super) fn pause(&self, sequence: &mut Sequence) {
        sequence.phase = Phase::Paused;
        sequence.tell(Event::Overflow {
            prompt_tokens: sequence.prompt_tokens as u32,
            completion_tokens: (sequence.tokens.len() - sequence.prompt_tokens) as u32,
            context_tokens: self.parts.context as u32,
        });
    }
}
