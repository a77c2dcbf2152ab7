//! Long random schedules of workers, clients, kills and stops against the book, with a ring made of plain values.
//! What a schedule proves: every number reaches the client once and in order, a slot is never leased while its last
//! writer can still write, a held batch never changes, and a stream is never asked to go back. Schedules with seeks prove
//! that nothing of the place that was left comes to the client or stays in its way.
use super::*;
use rustorch_base::random::Philox;
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Free,
    Leased(u32),
    Revoked(u32),
    Ready,
    Held,
}
#[derive(Clone, Copy, Debug)]
struct Slot {
    state: State,
    generation: u32,
    number: u64,
    progress: u32,
    /// Who wrote last, and which batch: what the client compares.
    content: (u32, u64),
}
/// The turn of a batch in its worker's stream, if it belongs to one.
type Turn = Option<u64>;
#[derive(Debug)]
enum Word {
    Ready,
    Done(Grant, bool),
    Grow(Grant, u64),
}
#[derive(Default, Debug)]
struct Process {
    place: u32,
    stopped: bool,
    dead: bool,
    greeted: bool,
    inbox: VecDeque<(Grant, u64, Turn)>,
    current: Option<(Grant, u64)>,
    kept: Vec<u64>,
    /// Done, not yet said.
    unsaid: Option<Word>,
    stream_at: u64,
    outbox: VecDeque<Word>,
}

struct World {
    random: Philox,
    rings: Vec<Vec<Slot>>,
    processes: BTreeMap<u32, Process>,
    grow_wanted: bool,
    /// As the session has it: nothing below it is published any more.
    first: u64,
    /// The tempting protocol, in which a revoked slot is free at once: it must be caught.
    careless: bool,
}

const SAMPLES: u32 = 4;
/// How far a seek goes: more than is ever under way.
const ELSEWHERE: u64 = 1000;
const LARGE: u64 = 100;
const SMALL: u64 = 10;

impl World {
    fn below(&mut self, n: u32) -> u32 {
        self.random.next_u32() % n
    }
    fn slot(&mut self, grant: Grant) -> Option<&mut Slot> {
        let slot = &mut self.rings[grant.ring as usize][grant.slot as usize];
        (slot.generation == grant.generation).then_some(slot)
    }
    fn free_if(&mut self, grant: Grant, from: State) -> bool {
        let Some(slot) = self.slot(grant).filter(|slot| slot.state == from) else { return false };
        slot.state = State::Free;
        true
    }
    fn publish(&mut self, id: u32, grant: Grant) -> bool {
        let slot = self.slot(grant).expect("a slot changed its generation under a writer");
        if slot.state == State::Leased(id) {
            slot.state = State::Ready;
            let number = slot.number;
            assert!(number >= self.first, "batch {number} was published after a seek to {}", self.first);
            return true;
        }
        assert!(self.free_if(grant, State::Revoked(id)));
        false
    }
    /// One step of one worker.
    fn work(&mut self, id: u32, too_large: impl Fn(u64) -> bool, deadly: impl Fn(u64) -> bool) {
        let Some(mut process) = self.processes.remove(&id) else { return };
        if !process.greeted {
            process.greeted = true;
            process.outbox.push_back(Word::Ready);
        } else if let Some(word) = process.unsaid.take() {
            process.outbox.push_back(word);
        } else if let Some((grant, number)) = process.current {
            let slot = self.slot(grant).expect("a slot changed its generation under a writer");
            (slot.number, slot.content, slot.progress) = (number, (id, number), slot.progress + 1);
            if deadly(number) && slot.progress == 2 {
                process.dead = true;
            } else if slot.progress > SAMPLES {
                process.current = None;
                if too_large(number) && grant.ring == 0 {
                    process.kept.push(number);
                    process.unsaid = Some(Word::Grow(grant, LARGE));
                } else {
                    let published = self.publish(id, grant);
                    process.unsaid = Some(Word::Done(grant, published));
                }
            }
        } else if let Some((grant, number, turn)) = process.inbox.pop_front() {
            let leased = self.slot(grant).is_some_and(|slot| slot.state == State::Leased(id));
            if !leased {
                self.free_if(grant, State::Revoked(id));
                process.unsaid = Some(Word::Done(grant, false));
            } else if let Some(at) = process.kept.iter().position(|&kept| kept == number) {
                process.kept.remove(at);
                let slot = self.slot(grant).unwrap();
                (slot.number, slot.content, slot.progress) = (number, (id, number), SAMPLES);
                process.current = Some((grant, number));
            } else {
                if let Some(turn) = turn {
                    assert!(turn >= process.stream_at, "a stream was asked to go back from {} to {turn}", process.stream_at);
                    process.stream_at = turn + 1;
                }
                process.current = Some((grant, number));
            }
        }
        self.processes.insert(id, process);
    }
}

impl Slots for World {
    fn lease(&mut self, worker: u32) -> Option<Grant> {
        let ring = self.rings.len() - 1;
        let at = self.rings[ring].iter().position(|slot| slot.state == State::Free)?;
        for (id, process) in &self.processes {
            let writes = |grant: &Grant| (grant.ring, grant.slot) == (ring as u32, at as u32);
            let may_write =
                process.inbox.iter().map(|(grant, ..)| grant).chain(process.current.as_ref().map(|(grant, _)| grant)).any(writes);
            assert!(process.dead || !may_write, "slot {at} is leased while worker {id} can still write it");
        }
        let slot = &mut self.rings[ring][at];
        (slot.state, slot.generation, slot.progress) = (State::Leased(worker), slot.generation + 1, 0);
        Some(Grant { ring: ring as u32, slot: at as u32, generation: slot.generation })
    }
    fn free(&self) -> usize {
        self.rings[self.rings.len() - 1].iter().filter(|slot| slot.state == State::Free).count()
    }
    fn revoke(&mut self, worker: u32, grant: Grant) -> bool {
        let careless = self.careless;
        let Some(slot) = self.slot(grant).filter(|slot| slot.state == State::Leased(worker)) else { return false };
        slot.state = if careless { State::Free } else { State::Revoked(worker) };
        true
    }
    fn reclaim(&mut self, worker: u32, grant: Grant) -> bool {
        self.free_if(grant, State::Leased(worker)) || {
            self.free_if(grant, State::Revoked(worker));
            false
        }
    }
    fn take_back(&mut self, number: u64) -> bool {
        let newest = self.rings.len() - 1;
        let found = self.rings[newest].iter_mut().find(|slot| slot.state == State::Ready && slot.number == number);
        found.map(|slot| slot.state = State::Free).is_some()
    }
    fn discard_below(&mut self, first: u64) {
        let ready = |slot: &&mut Slot| slot.state == State::Ready && slot.number < first;
        self.rings.iter_mut().flatten().filter(ready).for_each(|slot| slot.state = State::Free);
        self.first = first;
    }
    fn progress(&self, grant: Grant) -> u32 {
        self.rings[grant.ring as usize][grant.slot as usize].progress
    }
    fn stopped(&self, worker: u32) -> bool {
        self.processes.get(&worker).is_some_and(|process| process.stopped && !process.dead)
    }
}

struct Run {
    world: World,
    book: Leases<Turn>,
    now: Duration,
    next_id: u32,
    streams: bool,
    places: u32,
    total: u64,
    offered: u64,
    /// What the first batch of the place is called at which the client is, and at which the session is.
    first: u64,
    sought: u64,
    wanted: u64,
    held: VecDeque<(usize, usize, (u32, u64))>,
    condemned: Vec<u64>,
    starved: bool,
    /// A slot became free while the session starved, or a ring was made.
    called: bool,
}

impl Run {
    fn new(seed: u64, streams: bool, places: u32, slots: usize, total: u64) -> Run {
        let slot = Slot { state: State::Free, generation: 0, number: 0, progress: 0, content: (0, 0) };
        let world = World {
            random: Philox::new(seed),
            rings: vec![vec![slot; slots]],
            processes: BTreeMap::new(),
            grow_wanted: false,
            first: 0,
            careless: false,
        };
        let limits = Limits { lease: Duration::from_millis(60), stop: Duration::from_millis(150), deaths: 3 };
        let book = Leases::new(places, slots, SMALL, limits);
        let (now, held, condemned) = (Duration::ZERO, VecDeque::new(), vec![]);
        let (next_id, offered, first, sought, wanted, starved, called) = (1, 0, 0, 0, 0, false, true);
        Run { world, book, now, next_id, streams, places, total, offered, first, sought, wanted, held, condemned, starved, called }
    }
    /// One round of the session, as its event loop does it: words first, then deaths, clock, leases. It sleeps until there
    /// is a reason to look.
    fn session(&mut self) {
        let spoken = self.world.processes.values().any(|process| process.dead || !process.outbox.is_empty());
        if !(spoken || self.called || self.book.needs_clock() || self.world.grow_wanted) {
            return;
        }
        self.called = false;
        self.now += Duration::from_millis(self.world.below(12) as u64);
        for id in self.world.processes.keys().copied().collect::<Vec<_>>() {
            while let Some(word) = self.world.processes.get_mut(&id).and_then(|process| process.outbox.pop_front()) {
                match word {
                    Word::Ready => self.book.ready(id),
                    Word::Done(grant, published) => self.book.done(id, grant, published, self.now),
                    Word::Grow(grant, bytes) => self.book.grow(id, grant, bytes, &mut self.world, self.now),
                }
            }
            if self.world.processes[&id].dead {
                self.world.processes.remove(&id);
                self.book.died(id, Cause::Signal(9), "killed", &mut self.world);
            }
        }
        self.book.tick(&mut self.world, self.now);
        if self.first > self.sought {
            (self.sought, self.offered) = (self.first, self.first);
            self.book.seek(self.first, &mut self.world);
        }
        while self.book.wants_work() && self.offered < self.first + self.total {
            let place = self.streams.then(|| (self.offered % self.places as u64) as u32);
            self.book.offer(Work::new(self.offered, place, place.map(|_| self.offered / self.places as u64)));
            self.offered += 1;
        }
        self.starved = self.book.dispatch(&mut self.world, self.now);
        self.act();
    }
    fn act(&mut self) {
        for action in self.book.take_actions() {
            match action {
                Action::Spawn { place } => {
                    self.world.processes.insert(self.next_id, Process { place, ..Process::default() });
                    self.book.started(self.next_id, place, self.now);
                    self.next_id += 1;
                }
                Action::Send { worker, grant, work } => {
                    let process = self.world.processes.get_mut(&worker).unwrap();
                    assert!(work.place.is_none_or(|place| place == process.place));
                    process.inbox.push_back((grant, work.number, work.body));
                }
                Action::Kill { worker } => self.world.processes.get_mut(&worker).unwrap().dead = true,
                Action::Grow { bytes } => {
                    assert_eq!(bytes, LARGE);
                    self.world.grow_wanted = true;
                }
                Action::Condemn { grant, work, failure } => {
                    assert!(failure.deaths >= 3);
                    self.condemned.push(work.number);
                    let slot = self.world.slot(grant).unwrap();
                    (slot.state, slot.number, slot.content) = (State::Ready, work.number, (0, work.number));
                }
                Action::Abandon { failure } => panic!("{failure:?}"),
            }
        }
        if self.world.grow_wanted && self.world.below(4) == 0 {
            self.world.grow_wanted = false;
            let slot = Slot { state: State::Free, generation: 0, number: 0, progress: 0, content: (0, 0) };
            let slots = self.world.rings[0].len();
            self.world.rings.push(vec![slot; slots]);
            self.book.grown(LARGE);
            self.called = true;
        }
    }
    /// The client goes on elsewhere; the session hears of it when it looks.
    fn seek(&mut self) {
        self.first = self.wanted + ELSEWHERE;
        self.wanted = self.first;
        self.called = true;
    }
    fn client(&mut self) {
        if self.world.below(2) == 0 && self.held.len() + 2 < self.world.rings[0].len() {
            let wanted = self.wanted;
            let found = self.world.rings.iter().enumerate().find_map(|(ring, slots)| {
                slots.iter().position(|slot| slot.state == State::Ready && slot.number == wanted).map(|slot| (ring, slot))
            });
            let Some((ring, at)) = found else { return };
            let slot = &mut self.world.rings[ring][at];
            slot.state = State::Held;
            assert_eq!(slot.content.1, wanted, "a batch was published with the bytes of another");
            self.held.push_back((ring, at, slot.content));
            self.wanted += 1;
        } else if let Some((ring, at, content)) = self.held.pop_front() {
            let slot = &mut self.world.rings[ring][at];
            assert_eq!((slot.state, slot.content), (State::Held, content), "a held batch changed");
            slot.state = State::Free;
            self.called |= self.starved;
        }
    }
    fn fault(&mut self) {
        let ids: Vec<u32> = self.world.processes.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = ids[self.world.below(ids.len() as u32) as usize];
        let what = self.world.below(10);
        let process = self.world.processes.get_mut(&id).unwrap();
        match what {
            0..3 => process.dead = true,
            3..7 => process.stopped = true,
            _ => process.stopped = false,
        }
    }
    /// Faults come in the first part; then everything must arrive, whoever is left stopped.
    fn run(&mut self, faults: u32, poison: Option<u64>, seeks: u32) {
        let grows = |number: u64| number >= 40 && number % 7 == 3;
        for step in 0..200_000 {
            if self.wanted == self.first + self.total {
                return;
            }
            match self.world.below(10) {
                0..5 => {
                    let ids: Vec<u32> = self.world.processes.iter().filter(|(_, p)| !p.stopped && !p.dead).map(|(id, _)| *id).collect();
                    if !ids.is_empty() {
                        let id = ids[self.world.below(ids.len() as u32) as usize];
                        self.world.work(id, grows, |number| Some(number) == poison);
                    }
                }
                5..7 => self.session(),
                7..9 => self.client(),
                _ if step < 10_000 && self.world.below(1000) < faults => self.fault(),
                _ if step < 10_000 && self.world.below(1000) < seeks => self.seek(),
                _ => {}
            }
        }
        panic!("batch {} of {} never came: {:#?}", self.wanted, self.first + self.total, self.book);
    }
}

fn schedules(streams: bool, faults: u32, poison: Option<u64>, seeks: u32) {
    let first: u64 = std::env::var("LEASE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let count: u64 = std::env::var("LEASE_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    for seed in first..first + count {
        let (places, slots) = (1 + (seed % 3) as u32, 3 + (seed % 5) as usize);
        let mut run = Run::new(seed, streams, places, slots, 120);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.run(faults, poison, seeks)));
        if let Err(cause) = outcome {
            eprintln!("seed {seed}, streams {streams}, {places} workers, {slots} slots, faults {faults}, seeks {seeks}");
            std::panic::resume_unwind(cause);
        }
        if let Some(poison) = poison {
            assert_eq!(run.condemned.iter().filter(|&&number| number == poison).count(), 1, "seed {seed}");
        }
        if faults == 0 && poison.is_none() {
            assert!(run.condemned.is_empty());
        }
    }
}

#[test]
fn undisturbed_schedules_deliver_each_batch_once() {
    schedules(false, 0, None, 0);
    schedules(true, 0, None, 0);
}
#[test]
fn kills_and_stops_lose_and_repeat_nothing() {
    schedules(false, 200, None, 0);
    schedules(false, 900, None, 0);
}
#[test]
fn streams_are_replayed_and_never_go_back() {
    schedules(true, 200, None, 0);
    schedules(true, 600, None, 0);
}
#[test]
fn a_deadly_sample_is_condemned_once() {
    schedules(false, 0, Some(23), 0);
    schedules(false, 100, Some(23), 0);
    schedules(true, 0, Some(23), 0);
}
#[test]
fn a_seek_leaves_nothing_of_the_old_place_whatever_dies_meanwhile() {
    schedules(false, 0, None, 30);
    schedules(false, 200, None, 10);
    schedules(false, 900, None, 100);
}
/// The model has teeth: without quarantine some schedule has a slot with two writers.
#[test]
fn a_revoked_slot_that_is_free_at_once_is_caught() {
    let caught = (1..60).any(|seed| {
        let mut run = Run::new(seed, false, 2, 5, 120);
        run.world.careless = true;
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.run(900, None, 0))).is_err()
    });
    assert!(caught);
}
