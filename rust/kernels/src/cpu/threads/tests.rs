use super::*;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

static COUNT: Mutex<()> = Mutex::new(());
/// Runs a test under a thread count of its own; such tests take turns.
pub fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    let _turn = COUNT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = num_threads();
    set_num_threads(n);
    let result = f();
    set_num_threads(before);
    result
}

#[test]
fn every_index_is_visited_once() {
    for threads in [1, 2, 4] {
        with_threads(threads, || {
            for (n, grain) in [(0, 1), (1, 1), (7, 3), (1000, 1), (1000, 999), (1000, 1000), (5, 0), (12345, 10)] {
                let visits: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
                parallel_for(n, grain, |range| {
                    assert!(range.start % grain.max(1) == 0 && range.len() <= grain.max(1));
                    range.for_each(|i| _ = visits[i].fetch_add(1, Ordering::Relaxed));
                });
                assert!(visits.iter().all(|v| v.load(Ordering::Relaxed) == 1), "n {n} grain {grain} threads {threads}");
            }
        });
    }
}

#[test]
fn helpers_take_part_and_wake_again() {
    with_threads(3, || {
        let caller = std::thread::current().id();
        for pause in [0, 200, 2000] {
            let helped = AtomicBool::new(false);
            // A call gets no helper while another test's has them all, so there is more than one.
            for _ in 0..100 {
                std::thread::sleep(std::time::Duration::from_micros(pause));
                // Chunks long enough that a helper on a busy machine arrives before the caller has done them all.
                parallel_for(50, 1, |_| {
                    if std::thread::current().id() != caller {
                        helped.store(true, Ordering::Relaxed);
                    } else if !helped.load(Ordering::Relaxed) {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                });
                if helped.load(Ordering::Relaxed) {
                    break;
                }
            }
            assert!(helped.load(Ordering::Relaxed), "after {pause} us");
        }
    });
}

#[test]
fn nested_and_concurrent_calls_finish() {
    with_threads(4, || {
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    parallel_for(50, 1, |outer| {
                        parallel_for(20, 3, |inner| _ = total.fetch_add(outer.len() * inner.len(), Ordering::Relaxed));
                    });
                });
            }
        });
        assert_eq!(total.load(Ordering::Relaxed), 4 * 50 * 20);
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    for threads in [1, 3] {
        with_threads(threads, || {
            for bad in [0, 77, 199] {
                let outcome = std::panic::catch_unwind(|| parallel_for(200, 1, |range| assert!(range.start != bad, "chunk {bad}")));
                let payload = outcome.expect_err("the panic was lost");
                assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some(&*format!("chunk {bad}")));
                let sum = AtomicUsize::new(0);
                parallel_for(100, 1, |range| _ = sum.fetch_add(range.start, Ordering::Relaxed));
                assert_eq!(sum.load(Ordering::Relaxed), 4950);
            }
        });
    }
}

#[cfg(unix)]
#[test]
fn a_forked_child_gets_its_own_pool() {
    with_threads(3, || {
        parallel_for(100, 1, |_| {});
        // SAFETY: the child computes and leaves by `_exit`, touching nothing another thread could have locked.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let sum = AtomicUsize::new(0);
            parallel_for(100, 1, |range| _ = sum.fetch_add(range.start, Ordering::Relaxed));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(sum.load(Ordering::Relaxed) != 4950)) };
        }
        let mut status = -1;
        // SAFETY: waits for the child made above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    });
}

#[test]
fn counts_are_read_as_openmp_writes_them() {
    assert_eq!(first_number("4"), Some(4));
    assert_eq!(first_number(" 4 , 2"), Some(4));
    assert_eq!(first_number("0"), None);
    assert_eq!(first_number("many"), None);
}
