//! Saving and restoring, each on a thread of its own, so that neither the caller nor the model waits for the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::Builder;

use wick_spec::{Code, Error, Prompt, Result, Stop};

use super::piece::{Brought, Extent, Getter, Given, PIECE, bringing, giving};
use super::{Place, Reader, Saved, SavedGroup, Writer};
use crate::model::Engine;
use crate::sequence::{Reply, Sequence, Work};
use crate::snapshot::Snapshot;

/// Writes a session to `path`; `text` is the caller's, and comes back with it.
pub(crate) fn save(engine: Engine, snapshot: Snapshot, text: String, path: PathBuf, stop: Stop, reply: Reply<()>) {
    let closing = engine.closing.clone();
    on_thread("wick-save", closing, reply, move || {
        let fingerprint = engine.keeper.identity.fingerprint(&stop)?;
        let (giver, getter) = giving(engine.commands.clone(), PIECE);
        let prompt = Prompt::Tokens(snapshot.tokens.to_vec());
        let mut sequence = Sequence::new(stop, Work::Save(Box::new(giver)), prompt);
        let salt = snapshot.salt.as_deref().map(str::to_owned);
        sequence.salt.clone_from(&salt);
        engine.start(sequence)?;
        let Given::Begin(extent) = getter.next()? else { return Err(Error::internal("A save without a beginning.")) };
        let rows = engine.keeper.groups.iter().zip(extent.present);
        let groups = rows.map(|(group, present)| SavedGroup { window: group.window, block: group.block, present }).collect();
        let kv = engine.keeper.kv.clone();
        let turn = snapshot.turn.filter(|turn| snapshot.tokens.starts_with(&turn.ids));
        let (tokens, long, kept) = (snapshot.tokens, extent.long, extent.kept);
        write(&path, &Saved { fingerprint, kv, groups, long, tokens, kept, turn, text, salt }, &getter)
    });
}

fn write(path: &Path, saved: &Saved, from: &Getter) -> Result<()> {
    let mut writer = Writer::create(path, saved)?;
    loop {
        match from.next()? {
            Given::Begin(_) => return Err(Error::internal("A save that began twice.")),
            Given::Blocks(bytes) => writer.blocks(&bytes)?,
            Given::End => return writer.finish(),
        }
        from.written();
    }
}

/// Reads the session of `path`: where it can be continued, and the caller's text.
pub(crate) fn restore(engine: Engine, path: PathBuf, stop: Stop, reply: Reply<(Snapshot, String)>) {
    let closing = engine.closing.clone();
    on_thread("wick-restore", closing, reply, move || {
        let mut reader = Reader::open(&path)?;
        let fingerprint = engine.keeper.identity.fingerprint(&stop)?;
        engine.keeper.check(reader.saved(), fingerprint).map_err(|error| error.context(path.display()))?;
        fill(&engine, &mut reader, &stop)?;
        let Saved { tokens, turn, text, salt, .. } = reader.into_saved();
        Ok((Snapshot { tokens, turn, salt: salt.map(Arc::from) }, text))
    });
}

/// Gives the blocks of the file to the model. What it has no room for is read all the same: the file must be whole.
fn fill(engine: &Engine, reader: &mut Reader, stop: &Stop) -> Result<()> {
    let Saved { long, tokens, kept, groups, salt, .. } = reader.saved();
    let present = groups.iter().map(|group| group.present.clone()).collect();
    let extent = Extent { long: *long, kept: *kept, present };
    let (answer, answered) = channel();
    let reply: Reply<()> = Box::new(move |result| {
        // Who asked has ended with an error of his own.
        let _ = answer.send(result);
    });
    let (bringer, taker) = bringing(extent, reply, engine.commands.clone());
    let mut sequence = Sequence::restored(stop.clone(), taker, tokens[..*kept].to_vec());
    sequence.salt.clone_from(salt);
    engine.start(sequence)?;
    let mut wanted = true;
    loop {
        let piece = stop.check().and_then(|()| next_piece(reader));
        if let Err(error) = &piece {
            bringer.bring(Err(error.clone()));
        }
        let (places, bytes) = piece?;
        if places.is_empty() {
            break;
        }
        wanted = wanted && bringer.bring(Ok(Brought::Blocks(places, bytes)));
    }
    bringer.bring(Ok(Brought::End));
    answered.recv().unwrap_or_else(|_| Err(Error::closed("The model was closed.")))
}

/// The next blocks of the file and whose they are; none at its end.
fn next_piece(reader: &mut Reader) -> Result<(Vec<Place>, Vec<u8>)> {
    let (mut places, mut bytes, mut block) = (Vec::new(), Vec::new(), Vec::new());
    while bytes.len() < PIECE
        && let Some(place) = reader.next(&mut block)?
    {
        places.push(place);
        bytes.extend_from_slice(&block);
    }
    Ok((places, bytes))
}

/// Answers once, whatever becomes of the thread that owes it.
struct Owed<T: 'static>(Option<Reply<T>>);

impl<T> Owed<T> {
    fn pay(mut self, result: Result<T>) {
        if let Some(reply) = self.0.take() {
            reply(result);
        }
    }
}

impl<T> Drop for Owed<T> {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply(Err(Error::internal(
                "The thread of a saved session ended early, or the system gave none. Please report it.",
            )));
        }
    }
}

/// A model that is `closing` sets the flags of all that runs, which is not what its user calls cancelled.
fn on_thread<T: 'static>(name: &str, closing: Stop, reply: Reply<T>, work: impl FnOnce() -> Result<T> + Send + 'static) {
    let owed = Owed(Some(reply));
    let run = move || {
        owed.pay(work().map_err(|error| match error.code() {
            Code::Cancelled if closing.is_set() => Error::closed("The model was closed."),
            _ => error,
        }));
    };
    // What cannot be begun is dropped, and answered by that.
    let _ = Builder::new().name(name.into()).spawn(run);
}
