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

/// Called when a feed that said `Wait` has something again. It may be called from any thread and must not sleep.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Hands out tasks, each once and the lowest number first; one that is given back comes again.
pub trait Feed: Send + Sync {
    fn next(&self) -> Next;
    /// The task was not done (its maker died, or its finished slot was needed): it comes again before all later ones.
    fn give_back(&self, task: Task);
    /// The number after the last task, once it is known.
    fn end(&self) -> Option<u64>;
    /// A feed that never says `Wait` has nobody to call.
    fn attach(&self, _waker: Waker) {}
}

/// A feed whose owner pushes tasks as its sampler yields them.
#[derive(Default)]
pub struct QueueFeed {
    queue: Mutex<Queue>,
    wakers: Mutex<Vec<Waker>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Task>,
    returned: BTreeMap<u64, Task>,
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
        self.wake();
        number
    }
    /// No further push will come.
    pub fn close(&self) {
        self.queue().closed = true;
        self.wake();
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
    fn wake(&self) {
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        wakers.iter().for_each(|waker| waker());
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
        self.queue().returned.insert(task.number, task);
        self.wake();
    }
    fn end(&self) -> Option<u64> {
        let queue = self.queue();
        queue.closed.then_some(queue.pushed)
    }
    fn attach(&self, waker: Waker) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
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
