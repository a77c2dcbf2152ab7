//! Forking a process that has one thread, whose copy is its sibling: a child of its parent.
use std::io::{Error, Result};
use std::ptr::null_mut;

/// Threads of this process.
pub fn threads() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Who returns from a fork.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The process that was there before; the number of its copy.
    Original(u32),
    Copy,
}

/// Copies this process. The two have the same parent: it is told of the copy's death, waits for it and takes it along
/// ([`super::process::die_with_parent`]), while this process may end at any time.
///
/// The library's own fork makes children only, so this asks the kernel; of what the library does besides, one thing is left
/// for a process with one thread, the thread's number, and that the kernel writes. Functions registered with
/// `pthread_atfork` are not called. Errors: there are more threads, or the kernel refuses.
pub fn fork_sibling() -> Result<Side> {
    if threads()? != 1 {
        return Err(Error::other("a process with several threads is not forked"));
    }
    let number = number_of_this_thread();
    let mut flags = libc::CLONE_PARENT;
    if !number.is_null() {
        flags |= libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    }
    // SAFETY: without a stack and without shared memory the call is a fork. No other thread holds a lock that the copy
    // would miss, and `number` is where the kernel itself keeps this thread's number.
    let copy = unsafe { clone(flags, number) };
    match copy {
        -1 => Err(Error::last_os_error()),
        0 => Ok(Side::Copy),
        copy => u32::try_from(copy).map(Side::Original).map_err(Error::other),
    }
}

/// Where the library keeps the number of this thread, as it told the kernel; null where the kernel does not say.
fn number_of_this_thread() -> *mut libc::pid_t {
    const PR_GET_TID_ADDRESS: libc::c_int = 40;
    let mut address: *mut libc::pid_t = null_mut();
    // SAFETY: the kernel writes one pointer to where it is told.
    let outcome = unsafe { libc::prctl(PR_GET_TID_ADDRESS, &raw mut address) };
    if outcome == 0 { address } else { null_mut() }
}

/// The system call, whose last two arguments differ in their order.
///
/// # Safety
/// Whatever `flags` ask for: the caller's.
unsafe fn clone(flags: libc::c_int, number: *mut libc::pid_t) -> libc::c_long {
    let (flags, none) = (libc::c_long::from(flags), null_mut::<libc::c_void>());
    // SAFETY: as above.
    unsafe {
        if cfg!(target_arch = "x86_64") {
            libc::syscall(libc::SYS_clone, flags, none, none, number, none)
        } else {
            libc::syscall(libc::SYS_clone, flags, none, none, none, number)
        }
    }
}
