//! Blocks on their way to a file or from one: a piece between two steps, so that nobody waits for them.

use wick_spec::Result;

use super::step::guarded;
use super::{After, Scheduler};
use crate::saved::{Brought, Extent, Given};
use crate::sequence::{Phase, Sequence, Work};

impl Scheduler {
    /// Hands over the next blocks of each session that is being saved, and takes the next of each that is being restored. False when
    /// there was nothing to do.
    pub(super) fn move_blocks(&mut self) -> bool {
        let mut moved = false;
        for at in (0..self.sequences.len()).rev() {
            if self.sequences[at].phase != Phase::Moving {
                continue;
            }
            let mut sequence = self.sequences.remove(at);
            let result = guarded(|| self.move_some(&mut sequence));
            moved |= !matches!(result, Ok(None));
            self.conclude(sequence, result.map(|after| after.unwrap_or(After::Stays)));
        }
        moved
    }

    /// `None` when there is nothing to do yet.
    fn move_some(&mut self, sequence: &mut Sequence) -> Result<Option<After>> {
        match &sequence.work {
            Work::Save(giver) if giver.has_room() => self.give(sequence).map(Some),
            Work::Restore(_) => self.take_some(sequence),
            _ => Ok(None),
        }
    }

    /// A session's keys and values are all there: they can be handed to whoever writes them. Where it gave some up meanwhile, it goes on
    /// where it was; where some are missing, it computes all of them, alone.
    pub(super) fn begin_giving(&mut self, sequence: &mut Sequence) -> Result<After> {
        let Work::Save(giver) = &mut sequence.work else { return Ok(After::Ended) };
        let Some(present) = self.parts.kv.present(&sequence.table) else {
            self.parts.kv.leave(&mut sequence.table, &sequence.tokens);
            sequence.table = self.parts.kv.table(None);
            sequence.phase = Phase::Queued;
            return Ok(After::Stays);
        };
        sequence.phase = Phase::Moving;
        if giver.left.is_none() {
            let extent = Extent { long: sequence.long, kept: sequence.table.kv, present };
            giver.left = Some(Box::new(extent.places()));
            giver.give(Given::Begin(extent))?;
        }
        Ok(After::Stays)
    }

    fn give(&mut self, sequence: &mut Sequence) -> Result<After> {
        let Work::Save(giver) = &mut sequence.work else { return Ok(After::Ended) };
        let mut bytes = Vec::new();
        while bytes.len() < giver.piece
            && let Some(place) = giver.left.as_mut().and_then(Iterator::next)
        {
            self.parts.kv.read(&sequence.table, place, self.parts.program.state(), &mut bytes)?;
        }
        match bytes.is_empty() {
            true => giver.give(Given::End).map(|()| After::Ended),
            false => giver.give(Given::Blocks(bytes)).map(|()| After::Stays),
        }
    }

    fn take_some(&mut self, sequence: &mut Sequence) -> Result<Option<After>> {
        let Work::Restore(taker) = &mut sequence.work else { return Ok(None) };
        if !std::mem::replace(&mut taker.begun, true) {
            let long = taker.extent.long;
            self.begin_table(sequence, long);
            self.parts.kv.reuse(&mut sequence.table, &sequence.tokens, self.parts.program.state())?;
        }
        let Work::Restore(taker) = &mut sequence.work else { return Ok(None) };
        let there_is_room = match taker.next()? {
            None => return Ok(None),
            Some(Brought::Blocks(places, bytes)) => {
                let state = self.parts.program.state();
                self.parts.kv.write(&mut sequence.table, &sequence.tokens, &places, &bytes, state)?
            }
            Some(Brought::End) => {
                self.parts.kv.written(&mut sequence.table, &sequence.tokens);
                false
            }
        };
        if there_is_room {
            return Ok(Some(After::Stays));
        }
        // Before the answer, so that whoever continues the session at once finds it.
        self.parts.kv.leave(&mut sequence.table, &sequence.tokens);
        let Work::Restore(taker) = &mut sequence.work else { return Ok(None) };
        if let Some(reply) = taker.reply.take() {
            reply(Ok(()));
        }
        Ok(Some(After::Ended))
    }
}
