//! The C library's heap.

/// What glibc's own adaptation ends at, at most.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: libc::c_int = 32 << 20;
#[cfg(target_env = "gnu")]
const TRIMMED_FROM: libc::c_int = 64 << 20;

/// Keeps memory that is freed for the next batch, whose arrays are as large: giving it back to the system and having it
/// zeroed page by page, for each batch anew, took a third of a worker's time. Where the environment says otherwise, that
/// counts.
pub fn keep_freed() {
    #[cfg(target_env = "gnu")]
    for (name, parameter, value) in
        [("MALLOC_MMAP_THRESHOLD_", libc::M_MMAP_THRESHOLD, MAPPED_FROM), ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, TRIMMED_FROM)]
    {
        if std::env::var_os(name).is_none() {
            // SAFETY: a setting of the allocator, which may be changed at any time. One that is refused changes nothing.
            unsafe { libc::mallopt(parameter, value) };
        }
    }
}

/// Gives the system back what is free: packing a large data set leaves many megabytes at the end of the heap.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only memory that nobody uses goes; the allocator does it under its own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
