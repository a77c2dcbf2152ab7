//! Locks around `fork`: whoever holds a process-wide lock registers here, so that the child never finds it locked by a
//! thread that does not exist there.
use std::any::Any;
use std::sync::{Mutex, Once, PoisonError};

type Taker = fn() -> Box<dyn Any>;
static TAKERS: Mutex<Vec<Taker>> = Mutex::new(Vec::new());
thread_local! { static HELD: std::cell::RefCell<Vec<Box<dyn Any>>> = const { std::cell::RefCell::new(Vec::new()) } }

/// `take` locks what must not be locked while the process forks and returns the guards; they are dropped in parent and
/// child once the fork is done. Takers run in the order of their registration.
pub fn hold_during_fork(take: Taker) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the three handlers are plain functions that live as long as the process.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    });
    TAKERS.lock().unwrap_or_else(PoisonError::into_inner).push(take);
}

extern "C" fn before() {
    let takers = TAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    HELD.with_borrow_mut(|held| {
        held.extend(takers.iter().map(|take| take()));
        held.push(Box::new(takers));
    });
}

extern "C" fn after() {
    HELD.with_borrow_mut(Vec::clear);
}
