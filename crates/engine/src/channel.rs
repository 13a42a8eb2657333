//! The way of events from the engine's thread to a reader: bounded, pulled, handed over in bursts.
//!
//! The reader asks once; the writer answers that one question with all that is ready. Nobody blocks: a reader that is
//! behind fills the queue, and the scheduler skips its sequence until there is room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wick_spec::{Error, Event, Result, Stop};

use crate::snapshot::Snapshot;

/// Events a reader may be behind before its sequence is skipped.
const CAPACITY: usize = 64;

/// What answers one call of [`Reader::next`]: the events that were ready, `None` after the last.
pub type Ready = Box<dyn FnOnce(Result<Option<Vec<Event>>>) + Send>;

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    end: Option<Result<()>>,
    /// Where a finished answer can be continued.
    snapshot: Option<Snapshot>,
    waiting: Option<Ready>,
}

struct Shared {
    queue: Mutex<Queue>,
    stop: Stop,
}

impl Shared {
    /// The queue is consistent between any two statements that hold it, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's end.
pub(crate) struct Writer(Arc<Shared>);

/// The caller's end. Dropping it cancels the work.
pub(crate) struct Reader(Arc<Shared>);

/// A new channel and the flag that its reader sets to end the work.
pub(crate) fn channel() -> (Writer, Reader, Stop) {
    let stop = Stop::default();
    let shared = Arc::new(Shared { queue: Mutex::default(), stop: stop.clone() });
    (Writer(shared.clone()), Reader(shared), stop)
}

impl Writer {
    /// Hands an event to a waiting reader, or keeps it.
    pub(crate) fn push(&self, event: Event) {
        let mut queue = self.0.lock();
        if queue.end.is_none() {
            queue.events.push_back(event);
        }
        answer(queue);
    }

    /// The last event, and where the answer can be continued.
    pub(crate) fn finish(&self, event: Event, snapshot: Snapshot) {
        // First: whoever reads the event may ask for the snapshot at once.
        self.0.lock().snapshot = Some(snapshot);
        self.push(event);
        self.end(Ok(()));
    }

    /// The end: `Ok` after a finish event, or the error the reader gets after the events before it. Later ends are ignored.
    pub(crate) fn end(&self, end: Result<()>) {
        let mut queue = self.0.lock();
        queue.end.get_or_insert(end);
        answer(queue);
    }

    /// Whether the reader is near enough for more work to be worthwhile.
    pub(crate) fn has_room(&self) -> bool {
        self.0.lock().events.len() < CAPACITY
    }
}

impl Drop for Writer {
    /// A writer that vanishes (its thread ended) must not leave a reader waiting for ever.
    fn drop(&mut self) {
        self.end(Err(Error::closed("The model was closed.")));
    }
}

impl Reader {
    /// Asks for what is ready; `ready` is called at once or when there is something. Returns whether the queue had been full,
    /// so that the caller can wake the scheduler.
    pub(crate) fn next(&self, ready: Ready) -> bool {
        let mut queue = self.0.lock();
        if queue.waiting.is_some() {
            drop(queue);
            ready(Err(Error::invalid_request("The session is being read already; one reader at a time.")));
            return false;
        }
        let was_full = queue.events.len() >= CAPACITY;
        queue.waiting = Some(ready);
        answer(queue);
        was_full
    }

    /// Ends the work; what was not read yet is dropped, and the reader gets `cancelled`.
    pub(crate) fn cancel(&self) {
        self.0.stop.set();
        let mut queue = self.0.lock();
        if queue.end.is_none() {
            queue.events.clear();
            queue.end = Some(Err(Error::cancelled("The session was cancelled.")));
        }
        answer(queue);
    }

    /// Where the answer can be continued; `None` before it has finished.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        self.0.lock().snapshot.clone()
    }

    /// Whether nothing more will be written.
    pub(crate) fn ended(&self) -> bool {
        self.0.lock().end.is_some()
    }
}

/// Calls the waiting reader, outside the lock, when there is something to say.
fn answer(mut queue: MutexGuard<'_, Queue>) {
    let Some(ready) = queue.waiting.take() else { return };
    let said = match &queue.end {
        _ if !queue.events.is_empty() => Ok(Some(queue.events.drain(..).collect())),
        Some(Ok(())) => Ok(None),
        Some(Err(error)) => Err(error.clone()),
        None => {
            queue.waiting = Some(ready);
            return;
        }
    };
    drop(queue);
    ready(said);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use wick_spec::Code;

    use super::*;

    fn delta(text: &str) -> Event {
        Event::TextDelta { text: text.into(), tokens: Vec::new() }
    }

    fn ask(reader: &Reader) -> mpsc::Receiver<Result<Option<Vec<Event>>>> {
        let (send, receive) = mpsc::channel();
        reader.next(Box::new(move |said| send.send(said).expect("the test still listens")));
        receive
    }

    #[test]
    fn a_burst_crosses_in_one_answer_and_the_end_comes_after_it() {
        let (writer, reader, _stop) = channel();
        writer.push(delta("a"));
        writer.push(delta("b"));
        writer.end(Ok(()));
        assert_eq!(ask(&reader).recv().unwrap().unwrap().unwrap().len(), 2);
        assert!(ask(&reader).recv().unwrap().unwrap().is_none());
        assert!(ask(&reader).recv().unwrap().unwrap().is_none(), "the end stays the end");
    }

    #[test]
    fn a_waiting_reader_is_answered_by_the_next_event() {
        let (writer, reader, _stop) = channel();
        let said = ask(&reader);
        assert!(said.try_recv().is_err());
        writer.push(delta("a"));
        assert_eq!(said.recv().unwrap().unwrap().unwrap().len(), 1);
    }

    #[test]
    fn a_second_question_is_refused_and_the_first_still_answered() {
        let (writer, reader, _stop) = channel();
        let first = ask(&reader);
        assert_eq!(ask(&reader).recv().unwrap().unwrap_err().code(), Code::InvalidRequest);
        writer.push(delta("a"));
        assert!(first.recv().unwrap().is_ok());
    }

    #[test]
    fn cancel_answers_at_once_and_sets_the_flag() {
        let (writer, reader, stop) = channel();
        let said = ask(&reader);
        reader.cancel();
        assert!(stop.is_set());
        assert_eq!(said.recv().unwrap().unwrap_err().code(), Code::Cancelled);
        writer.push(delta("late"));
        writer.end(Ok(()));
        assert_eq!(ask(&reader).recv().unwrap().unwrap_err().code(), Code::Cancelled);
    }

    #[test]
    fn a_lost_writer_is_closed() {
        let (writer, reader, _stop) = channel();
        let said = ask(&reader);
        drop(writer);
        assert_eq!(said.recv().unwrap().unwrap_err().code(), Code::Closed);
    }

    #[test]
    fn a_full_queue_says_so_and_reading_empties_it() {
        let (writer, reader, _stop) = channel();
        for _ in 0..CAPACITY {
            assert!(writer.has_room());
            writer.push(delta("a"));
        }
        assert!(!writer.has_room());
        assert!(reader.next(Box::new(|_| ())), "the queue had been full");
        assert!(writer.has_room());
    }
}
