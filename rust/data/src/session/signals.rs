//! A session's threads take no part in signal handling: the trainer's main thread does.
use std::mem::zeroed;
use std::ptr::null_mut;

fn set(how: i32, fill: unsafe extern "C" fn(*mut libc::sigset_t) -> i32) {
    // SAFETY: a signal set is plain integers, filled by the library before it is used; the mask is this thread's own.
    unsafe {
        let mut signals: libc::sigset_t = zeroed();
        fill(&raw mut signals);
        libc::pthread_sigmask(how, &raw const signals, null_mut());
    }
}
pub fn block() {
    set(libc::SIG_SETMASK, libc::sigfillset);
}
pub fn unblock() {
    set(libc::SIG_SETMASK, libc::sigemptyset);
}
