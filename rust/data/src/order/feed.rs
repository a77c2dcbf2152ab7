//! A plan as a feed: the stream that the daemon and the native pipelines follow, epoch after epoch.
use super::plan::Plan;
use crate::feed::{Feed, Keys, Next, Task};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Hands out the parts of a plan. Epochs run on: the first batch of the next one is made before this one has ended.
pub struct PlanFeed {
    plan: Plan,
    end: Option<u64>,
    place: Mutex<Place>,
}

#[derive(Default)]
struct Place {
    next: u64,
    returned: BTreeMap<u64, Task>,
}

impl PlanFeed {
    /// `epochs` counts from the plan's start; without it the stream has no end.
    pub fn new(plan: Plan, epochs: Option<u64>) -> PlanFeed {
        let batches = |epochs: u64| match epochs.checked_sub(1) {
            Some(later) => plan.batches_left().saturating_add(later.saturating_mul(plan.batches_per_epoch())),
            None => 0,
        };
        // where epochs have no batches, none comes however long one waits
        let end = epochs.map(batches).or_else(|| (plan.batches_per_epoch() == 0).then(|| plan.batches_left()));
        PlanFeed { end, plan, place: Mutex::default() }
    }

    /// Begins with batch `number` of the plan: those before it have been delivered.
    pub fn starting_at(self, number: u64) -> PlanFeed {
        let start = Place { next: self.end.map_or(number, |end| number.min(end)), returned: BTreeMap::new() };
        PlanFeed { place: Mutex::new(start), ..self }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The task of batch `number`, whether it has been handed out or not.
    pub fn task(&self, number: u64) -> Option<Task> {
        let part = self.plan.part(number).filter(|_| self.end.is_none_or(|end| number < end))?;
        let mut indices = Vec::with_capacity(part.samples as usize);
        self.plan.indices(&part, &mut indices);
        Some(Task { number, random: self.plan.random(&part), keys: Keys::Indices(indices) })
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        // a place is whole between any two statements that hold it
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed for PlanFeed {
    fn next(&self) -> Next {
        let number = {
            let mut place = self.place();
            if let Some((_, task)) = place.returned.pop_first() {
                return Next::Task(task);
            }
            if self.end == Some(place.next) {
                return Next::Ended;
            }
            place.next += 1;
            place.next - 1
        };
        // the permutation is walked outside the lock
        self.task(number).map_or(Next::Ended, Next::Task)
    }
    fn give_back(&self, task: Task) {
        self.place().returned.insert(task.number, task);
    }
    fn end(&self) -> Option<u64> {
        self.end
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
        let later = PlanFeed::new(feed.plan().clone(), Some(2)).starting_at(3);
        assert_eq!(numbers(&later), [3, 4]);
        assert_eq!(feed.task(2).map(|task| (task.random.epoch, task.random.position)), Some((1, 0)));
    }

    #[test]
    fn an_empty_source_ends_at_once() {
        assert_eq!(PlanFeed::new(Plan::new(0, 4), None).next(), Next::Ended);
        assert_eq!(PlanFeed::new(Plan::new(9, 4), Some(0)).next(), Next::Ended);
        assert_eq!(PlanFeed::new(Plan::new(9, 4), None).end(), None);
    }
}
