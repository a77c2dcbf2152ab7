//! Anonymous memory as a file that other processes can map: sized once, filled with pages, then sealed.
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustorch_base::{Error, Result};
use std::fs::read_to_string;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

const SIZE_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// A memory file of `bytes` bytes that nobody, its creator included, can resize. Its pages exist when this returns, so no
/// access to a mapping of it can fail with SIGBUS. Errors: too little memory is refused with the number of bytes.
pub fn create(name: &str, bytes: u64) -> Result<OwnedFd> {
    create_in_part(name, bytes, bytes)
}

/// The same with the pages of the first `now` bytes only. The others are made when a mapping of them is populated.
pub fn create_in_part(name: &str, bytes: u64, now: u64) -> Result<OwnedFd> {
    let refuse = |why: String| Error::out_of_memory(format!("the data service needs {bytes} bytes of shared memory for batches: {why}"));
    if let Some(free) = available()
        && bytes > free
    {
        return Err(refuse(format!("only {free} bytes are available")));
    }
    let reserve = || -> rustix::io::Result<OwnedFd> {
        let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, bytes)?;
        rustix::io::retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, now))?;
        fcntl_add_seals(&file, SIZE_SEALS | SealFlags::SEAL)?;
        Ok(file)
    };
    reserve().map_err(|error| refuse(error.to_string()))
}

/// The length of a file that came from a peer, if it is sealed against any change of that length.
pub fn sealed_len(file: impl AsFd) -> std::io::Result<Option<u64>> {
    if !fcntl_get_seals(&file)?.contains(SIZE_SEALS) {
        return Ok(None);
    }
    Ok(u64::try_from(fstat(&file)?.st_size).ok())
}

/// Bytes that can be had without the kernel killing somebody: the machine's, and the control group's if it has a limit.
fn available() -> Option<u64> {
    let machine = machine_available();
    match (machine, group_available()) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn machine_available() -> Option<u64> {
    let text = read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn group_available() -> Option<u64> {
    let text = read_to_string("/proc/self/cgroup").ok()?;
    let group = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = PathBuf::from(format!("/sys/fs/cgroup{group}"));
    let number = |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    // "max" is no number: then the group has no limit
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_file_has_its_pages_and_keeps_its_size() {
        let file = create("test", 8192).unwrap();
        assert_eq!(sealed_len(&file).unwrap(), Some(8192));
        assert!(ftruncate(&file, 4096).is_err());
        assert!(ftruncate(&file, 16384).is_err());
        assert_eq!(fstat(&file).unwrap().st_blocks * 512, 8192);
    }

    #[test]
    fn the_rest_of_its_pages_may_come_later() {
        let file = create_in_part("test", 1 << 20, 4096).unwrap();
        assert_eq!((sealed_len(&file).unwrap(), fstat(&file).unwrap().st_blocks * 512), (Some(1 << 20), 4096));
    }

    #[test]
    fn too_little_memory_is_refused_with_the_number_of_bytes() {
        let error = create("test", 1 << 50).unwrap_err();
        assert!(error.message.contains("1125899906842624 bytes"), "{error}");
        assert_eq!(error.kind, rustorch_base::ErrorKind::OutOfMemory);
    }

    #[test]
    fn an_unsealed_file_is_told_apart() {
        let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert_eq!(sealed_len(&file).unwrap(), None);
    }
}
