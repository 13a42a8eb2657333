//! How blocks go from the model's thread to the one that writes, and from the one that reads to the model's: in pieces, a few ahead.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};

use wick_spec::{Error, Result};

use super::{Place, places};
use crate::scheduler::Command;
use crate::sequence::Reply;

/// Bytes of blocks that are handed over at once, the last block apart: a few milliseconds of copying.
pub(crate) const PIECE: usize = 4 << 20;

/// Pieces that may be on their way.
const AHEAD: usize = 2;

/// What is handed to whoever writes.
pub(crate) enum Given {
    /// First: what will come.
    Begin(Extent),
    /// Whole blocks, in the order of the file.
    Blocks(Vec<u8>),
    /// That was all.
    End,
}

/// Which keys and values of a session there are.
#[derive(Debug, Clone)]
pub(crate) struct Extent {
    pub long: bool,
    /// Tokens that have them.
    pub kept: usize,
    /// By group: which blocks.
    pub present: Vec<Range<usize>>,
}

impl Extent {
    /// The blocks in the order of the file.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        places(self.present.clone(), self.kept)
    }
}

/// The model's end of a save.
pub(crate) struct Giver {
    to: Sender<Result<Given>>,
    ahead: Arc<AtomicUsize>,
    /// Bytes of blocks that are handed over at once, the last block apart.
    pub(crate) piece: usize,
    /// What is to be handed over; `None` before the beginning.
    pub(crate) left: Option<Box<dyn Iterator<Item = Place> + Send>>,
}

/// The writer's end.
pub(crate) struct Getter {
    /// `None` once it is dropped.
    from: Option<Receiver<Result<Given>>>,
    ahead: Arc<AtomicUsize>,
    commands: Sender<Command>,
}

/// The two ends of a save, in pieces of so many bytes. Who writes wakes the model by `commands`.
pub(crate) fn giving(commands: Sender<Command>, piece: usize) -> (Giver, Getter) {
    let ((to, from), ahead) = (channel(), Arc::<AtomicUsize>::default());
    (Giver { to, ahead: ahead.clone(), piece, left: None }, Getter { from: Some(from), ahead, commands })
}

impl Giver {
    /// Whether the writer is near enough for more.
    pub(crate) fn has_room(&self) -> bool {
        self.ahead.load(Ordering::Acquire) < AHEAD
    }

    /// Hands over what is next. `cancelled` when nobody writes any more.
    pub(crate) fn give(&self, given: Given) -> Result<()> {
        if let Given::Blocks(_) = given {
            self.ahead.fetch_add(1, Ordering::AcqRel);
        }
        self.to.send(Ok(given)).map_err(|_| Error::cancelled("The session is not being saved any more."))
    }

    /// Says why nothing more comes.
    pub(crate) fn fail(&self, error: Error) {
        // Who is gone needs no reason.
        let _ = self.to.send(Err(error));
    }
}

impl Getter {
    /// What comes next, however long it takes.
    pub(crate) fn next(&self) -> Result<Given> {
        let lost = || Error::closed("The model was closed.");
        self.from.as_ref().ok_or_else(lost)?.recv().unwrap_or_else(|_| Err(lost()))
    }

    /// What is there now; `None`: nothing yet.
    #[cfg(test)]
    pub(crate) fn try_next(&self) -> Option<Result<Given>> {
        self.from.as_ref()?.try_recv().ok()
    }

    /// Blocks were written: there is room for more.
    pub(crate) fn written(&self) {
        self.ahead.fetch_sub(1, Ordering::AcqRel);
        let _ = self.commands.send(Command::Wake);
    }
}

impl Drop for Getter {
    /// The model must not wait for room.
    fn drop(&mut self) {
        drop(self.from.take());
        self.ahead.store(0, Ordering::Release);
        let _ = self.commands.send(Command::Wake);
    }
}

/// What is handed from whoever reads.
pub(crate) enum Brought {
    /// Whole blocks, and whose they are.
    Blocks(Vec<Place>, Vec<u8>),
    /// That was all.
    End,
}

/// The model's end of a restore.
pub(crate) struct Taker {
    from: Receiver<Result<Brought>>,
    pub(crate) extent: Extent,
    /// Whether the first blocks are looked up already.
    pub(crate) begun: bool,
    /// Answers when all is where it belongs.
    pub(crate) reply: Option<Reply<()>>,
}

impl Taker {
    /// What is there; `None`: nothing yet.
    pub(crate) fn next(&self) -> Result<Option<Brought>> {
        match self.from.try_recv() {
            Ok(brought) => brought.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Error::internal("Whoever restored a session is gone.")),
        }
    }
}

/// The reader's end.
pub(crate) struct Bringer {
    to: SyncSender<Result<Brought>>,
    commands: Sender<Command>,
}

/// The two ends of a restore, which is answered by `reply`. Who reads wakes the model by `commands`.
pub(crate) fn bringing(extent: Extent, reply: Reply<()>, commands: Sender<Command>) -> (Bringer, Taker) {
    let (to, from) = sync_channel(AHEAD);
    (Bringer { to, commands }, Taker { from, extent, begun: false, reply: Some(reply) })
}

impl Bringer {
    /// Hands over what was read, once there is room for it. False when the model wants no more.
    pub(crate) fn bring(&self, brought: Result<Brought>) -> bool {
        let sent = self.to.send(brought).is_ok();
        sent && self.commands.send(Command::Wake).is_ok()
    }
}
