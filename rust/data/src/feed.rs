//! What batch comes next: the one thing the engine asks of whoever orders batches.
use crate::source::BatchRandom;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One batch to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Counts up by one for the life of the client.
    pub number: u64,
    /// Names the random numbers of its samples: the same whoever makes the batch.
    pub random: BatchRandom,
    pub keys: Keys,
}

/// What names the samples of a batch.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Keys {
    Indices(Vec<u64>),
    /// Keys of a Python sampler, pickled.
    Opaque(Vec<u8>),
    /// The batch `turn` (from 0 in each epoch) of the stream that the worker at `place` reads.
    Stream {
        place: u32,
        turn: u64,
    },
}

impl Keys {
    /// How many samples, where that is known.
    pub fn samples(&self) -> Option<usize> {
        match self {
            Keys::Indices(indices) => Some(indices.len()),
            Keys::Opaque(_) | Keys::Stream { .. } => None,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    Task(Task),
    /// Nothing now; whoever attached is called when that changes.
    Wait,
    /// There will be no further task, unless one is given back.
    Ended,
}

/// More tasks than any maker has asked for ahead of its client: as many as a ring has slots, and a few for each worker.
const AHEAD: u64 = 1 << 32;

/// Where a client that stands at `number` goes on after a seek: no task was ever called so, nor has a greater number. What
/// is still under way for the old place is told by its smaller number and needs no other mark.
pub fn beyond(number: u64) -> u64 {
    (number / AHEAD + 2) * AHEAD
}
/// The number as people are told it: counted from the last seek.
pub fn since_seek(number: u64) -> u64 {
    number % AHEAD
}

/// Called when a feed that said `Wait` has something again, or that has gone on elsewhere. It may be called from any thread and must not sleep.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Hands out tasks, each once and the lowest number first; one that is given back comes again.
pub trait Feed: Send + Sync {
    fn next(&self) -> Next;
    /// The task was not done (its maker died, or its finished slot was needed): it comes again before all later ones.
    fn give_back(&self, task: Task);
    /// The number after the last task, once it is known.
    fn end(&self) -> Option<u64>;
    /// Tasks below this number are wanted no more, whoever has them: the client has sought another place. Whoever
    /// publishes a batch asks afterwards, and takes it back then; the number rises before ready batches are discarded.
    fn first(&self) -> u64 {
        0
    }
    /// A feed that never says `Wait` and never goes elsewhere has nobody to call.
    fn attach(&self, _waker: Waker) {}
}

/// A feed whose owner pushes tasks as its sampler yields them.
#[derive(Default)]
pub struct QueueFeed {
    queue: Mutex<Queue>,
    wakers: Wakers,
}

/// Whom a feed calls.
#[derive(Default)]
pub(crate) struct Wakers(Mutex<Vec<Waker>>);

impl Wakers {
    pub fn attach(&self, waker: Waker) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }
    pub fn wake(&self) {
        let wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        wakers.iter().for_each(|waker| waker());
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Task>,
    returned: BTreeMap<u64, Task>,
    first: u64,
    pushed: u64,
    closed: bool,
}

impl QueueFeed {
    pub fn new() -> Arc<QueueFeed> {
        Arc::new(QueueFeed::default())
    }
    /// Appends a task and gives its number.
    pub fn push(&self, random: BatchRandom, keys: Keys) -> u64 {
        let number = {
            let mut queue = self.queue();
            let number = queue.pushed;
            queue.pushed += 1;
            queue.waiting.push_back(Task { number, random, keys });
            number
        };
        self.wakers.wake();
        number
    }
    /// Leaves out everything that was pushed; the next push gets the number `first`.
    pub fn seek(&self, first: u64) {
        {
            let mut queue = self.queue();
            queue.waiting.clear();
            queue.returned.clear();
            (queue.first, queue.pushed) = (first, first);
        }
        self.wakers.wake();
    }
    /// No further push will come.
    pub fn close(&self) {
        self.queue().closed = true;
        self.wakers.wake();
    }
    /// Tasks pushed and not yet handed out.
    pub fn waiting(&self) -> usize {
        let queue = self.queue();
        queue.waiting.len() + queue.returned.len()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is complete before anything in it can fail.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed for QueueFeed {
    fn next(&self) -> Next {
        let mut queue = self.queue();
        match queue.returned.pop_first().map(|(_, task)| task).or_else(|| queue.waiting.pop_front()) {
            Some(task) => Next::Task(task),
            None if queue.closed => Next::Ended,
            None => Next::Wait,
        }
    }
    fn give_back(&self, task: Task) {
        {
            let mut queue = self.queue();
            if task.number >= queue.first {
                queue.returned.insert(task.number, task);
            }
        }
        self.wakers.wake();
    }
    fn end(&self) -> Option<u64> {
        let queue = self.queue();
        queue.closed.then_some(queue.pushed)
    }
    fn first(&self) -> u64 {
        self.queue().first
    }
    fn attach(&self, waker: Waker) {
        self.wakers.attach(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    fn push(feed: &QueueFeed, index: u64) -> u64 {
        feed.push(BatchRandom { seed: 1, epoch: 0, position: index }, Keys::Indices(vec![index]))
    }
    fn number(next: Next) -> u64 {
        match next {
            Next::Task(task) => task.number,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tasks_come_once_in_order_and_again_when_given_back() {
        let feed = QueueFeed::new();
        assert_eq!(feed.next(), Next::Wait);
        assert_eq!((0..4).map(|i| push(&feed, i)).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let Next::Task(first) = feed.next() else { panic!() };
        let Next::Task(second) = feed.next() else { panic!() };
        feed.give_back(second);
        feed.give_back(first);
        assert_eq!((0..4).map(|_| number(feed.next())).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!((feed.end(), feed.next()), (None, Next::Wait));
        feed.close();
        assert_eq!((feed.end(), feed.next()), (Some(4), Next::Ended));
    }

    #[test]
    fn a_seek_leaves_out_what_was_pushed_and_what_comes_back() {
        let feed = QueueFeed::new();
        for index in 0..3 {
            push(&feed, index);
        }
        let Next::Task(old) = feed.next() else { panic!() };
        let first = beyond(1);
        assert!(first > AHEAD && since_seek(first + 7) == 7 && beyond(first) > first + AHEAD);
        feed.seek(first);
        feed.give_back(old);
        assert_eq!((feed.next(), feed.first()), (Next::Wait, first));
        assert_eq!((push(&feed, 9), number(feed.next()), feed.waiting()), (first, first, 0));
    }

    #[test]
    fn whoever_attached_hears_of_every_change() {
        let feed = QueueFeed::new();
        let calls = Arc::new(AtomicU32::new(0));
        let heard = calls.clone();
        feed.attach(Arc::new(move || {
            heard.fetch_add(1, Relaxed);
        }));
        push(&feed, 0);
        let Next::Task(task) = feed.next() else { panic!() };
        feed.give_back(task);
        feed.close();
        assert_eq!(calls.load(Relaxed), 3);
    }
}
