//! Named Unix sockets of whole frames.
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect as connect_to, listen as listen_on, socket_with,
};
use std::fs::{DirBuilder, Permissions, metadata, remove_file, set_permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

const BACKLOG: i32 = 128;

fn socket() -> Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Listens at `path`, readable and writable for this user alone, in a folder that is this user's alone (made if missing).
/// What a killed predecessor left there is replaced. Errors: others may enter the folder, or somebody listens already.
pub fn listen(path: &Path) -> Result<OwnedFd> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    check_folder(folder)?;
    // Two that start at once look and bind one after the other.
    let lock = open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    flock(&lock, FlockOperation::LockExclusive)?;
    match connect(path) {
        Ok(_) => return Err(Error::new(ErrorKind::AddrInUse, "somebody serves there already")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove_file(path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = socket()?;
    bind(&listener, &SocketAddrUnix::new(path)?)?;
    set_permissions(path, Permissions::from_mode(0o600))?;
    listen_on(&listener, BACKLOG)?;
    Ok(listener)
}

fn check_folder(folder: &Path) -> Result<()> {
    let found = metadata(folder)?;
    if found.uid() != own_user() || found.mode() & 0o077 != 0 {
        let why = format!("{} must belong to this user and be closed to all others (chmod 700)", folder.display());
        return Err(Error::new(ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

pub fn connect(path: &Path) -> Result<OwnedFd> {
    let socket = socket()?;
    connect_to(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

pub fn accept(listener: impl AsFd) -> Result<OwnedFd> {
    Ok(accept_with(listener, SocketFlags::CLOEXEC)?)
}

/// The user this process acts as.
pub fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::packet;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("rustorch-socket-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_socket_is_private_and_replaces_only_a_dead_one() {
        let folder = folder("private");
        let path = folder.join("serve");
        let listener = listen(&path).unwrap();
        assert_eq!(metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(metadata(&path).unwrap().mode() & 0o777, 0o600);
        let client = connect(&path).unwrap();
        let served = accept(&listener).unwrap();
        assert_eq!(packet::peer(&client).unwrap().0, own_user());
        assert_eq!(packet::peer(&served).unwrap(), (own_user(), std::process::id() as i32));
        assert_eq!(listen(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        assert!(listen(&path).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_open_folder_and_a_long_path_are_refused() {
        let folder = folder("open");
        std::fs::create_dir(&folder).unwrap();
        set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(listen(&folder.join("serve")).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(listen(&folder.join("x".repeat(200))).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
