//! A plan as a feed: the stream that the daemon and the native pipelines follow, epoch after epoch.
use super::plan::Plan;
use crate::feed::{Feed, Keys, Next, Task, Waker, Wakers};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Hands out the parts of a plan. Epochs run on: the first batch of the next one is made before this one has ended.
pub struct PlanFeed {
    epochs: Option<u64>,
    place: Mutex<Place>,
    wakers: Wakers,
}

struct Place {
    course: Arc<Course>,
    /// The number of the next task.
    next: u64,
    returned: BTreeMap<u64, Task>,
}

/// What is followed until the next seek.
struct Course {
    plan: Plan,
    /// What the plan's batch 0 is called, and the number after the last.
    first: u64,
    end: Option<u64>,
}

impl Course {
    fn new(plan: Plan, first: u64, epochs: Option<u64>) -> Arc<Course> {
        let batches = |epochs: u64| match epochs.checked_sub(1) {
            Some(later) => plan.batches_left().saturating_add(later.saturating_mul(plan.batches_per_epoch())),
            None => 0,
        };
        // where epochs have no batches, none comes however long one waits
        let end = epochs.map(batches).or_else(|| (plan.batches_per_epoch() == 0).then(|| plan.batches_left()));
        Arc::new(Course { end: end.map(|end| first.saturating_add(end)), plan, first })
    }

    fn task(&self, number: u64) -> Option<Task> {
        let batch = number.checked_sub(self.first).filter(|_| self.end.is_none_or(|end| number < end))?;
        let part = self.plan.part(batch)?;
        let mut indices = Vec::with_capacity(part.samples as usize);
        self.plan.indices(&part, &mut indices);
        Some(Task { number, random: self.plan.random(&part), keys: Keys::Indices(indices) })
    }
}

impl PlanFeed {
    /// `epochs` counts from the plan's start; without it the stream has no end.
    pub fn new(plan: Plan, epochs: Option<u64>) -> PlanFeed {
        PlanFeed::called(plan, epochs, 0)
    }

    /// The same with batch 0 called `first`.
    pub fn called(plan: Plan, epochs: Option<u64>, first: u64) -> PlanFeed {
        let place = Place { course: Course::new(plan, first, epochs), next: first, returned: BTreeMap::new() };
        PlanFeed { epochs, place: Mutex::new(place), wakers: Wakers::default() }
    }

    /// Begins with batch `number` of the plan: those before it have been delivered.
    pub fn starting_at(self, number: u64) -> PlanFeed {
        {
            let mut place = self.place();
            let number = place.course.first.saturating_add(number);
            place.next = place.course.end.map_or(number, |end| number.min(end));
        }
        self
    }

    /// Goes on with batch 0 of another plan, which is called `first` ([`crate::feed::beyond`]).
    pub fn seek(&self, plan: Plan, first: u64) {
        *self.place() = Place { course: Course::new(plan, first, self.epochs), next: first, returned: BTreeMap::new() };
        self.wakers.wake();
    }

    /// The plan that is followed, and what its batch 0 is called.
    pub fn plan(&self) -> (Plan, u64) {
        let course = self.place().course.clone();
        (course.plan.clone(), course.first)
    }

    /// The task of batch `number`, whether it has been handed out or not.
    pub fn task(&self, number: u64) -> Option<Task> {
        let course = self.place().course.clone();
        course.task(number)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        // a place is whole between any two statements that hold it
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed for PlanFeed {
    fn next(&self) -> Next {
        let (course, number) = {
            let mut place = self.place();
            if let Some((_, task)) = place.returned.pop_first() {
                return Next::Task(task);
            }
            if place.course.end == Some(place.next) {
                return Next::Ended;
            }
            place.next += 1;
            (place.course.clone(), place.next - 1)
        };
        // the permutation is walked outside the lock
        course.task(number).map_or(Next::Ended, Next::Task)
    }
    fn give_back(&self, task: Task) {
        let mut place = self.place();
        if task.number >= place.course.first {
            place.returned.insert(task.number, task);
        }
    }
    fn end(&self) -> Option<u64> {
        self.place().course.end
    }
    fn first(&self) -> u64 {
        self.place().course.first
    }
    fn attach(&self, waker: Waker) {
        self.wakers.attach(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Shuffle;

    fn numbers(feed: &PlanFeed) -> Vec<u64> {
        std::iter::from_fn(|| match feed.next() {
            Next::Task(task) => Some(task.number),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn epochs_run_on_and_returned_tasks_come_first() {
        let feed = PlanFeed::new(Plan { shuffle: Shuffle::Full, position: 5, ..Plan::new(10, 4) }, Some(2));
        assert_eq!(feed.end(), Some(2 + 3));
        let (Next::Task(first), Next::Task(second)) = (feed.next(), feed.next()) else { panic!("two tasks") };
        assert_eq!((first.random.epoch, first.random.position, second.random.position), (0, 5, 9));
        assert!(matches!(&second.keys, Keys::Indices(indices) if indices.len() == 1));
        feed.give_back(second.clone());
        feed.give_back(first.clone());
        assert_eq!(feed.next(), Next::Task(first));
        assert_eq!(feed.next(), Next::Task(second));
        assert_eq!(numbers(&feed), [2, 3, 4]);
        assert_eq!(feed.next(), Next::Ended);
        let later = PlanFeed::new(feed.plan().0, Some(2)).starting_at(3);
        assert_eq!(numbers(&later), [3, 4]);
        assert_eq!(feed.task(2).map(|task| (task.random.epoch, task.random.position)), Some((1, 0)));
    }

    #[test]
    fn a_seek_goes_on_elsewhere_under_numbers_that_nobody_had() {
        let feed = PlanFeed::new(Plan { shuffle: Shuffle::Full, ..Plan::new(10, 4) }, Some(1));
        let Next::Task(old) = feed.next() else { panic!("a task") };
        let there = Plan { position: 4, ..feed.plan().0 };
        let first = crate::feed::beyond(3);
        feed.seek(there.clone(), first);
        feed.give_back(old);
        assert_eq!((feed.first(), feed.end(), feed.plan()), (first, Some(first + 2), (there, first)));
        assert_eq!(feed.task(first).map(|task| task.random.position), Some(4));
        assert_eq!((numbers(&feed), feed.task(1)), (vec![first, first + 1], None));
    }

    #[test]
    fn an_empty_source_ends_at_once() {
        assert_eq!(PlanFeed::new(Plan::new(0, 4), None).next(), Next::Ended);
        assert_eq!(PlanFeed::new(Plan::new(9, 4), Some(0)).next(), Next::Ended);
        assert_eq!(PlanFeed::new(Plan::new(9, 4), None).end(), None);
    }
}
