//! Where the service listens when nobody says so: `data.sock` in a private folder of the user's.
use crate::sys::socket::own_user;
use rustorch_base::Result;
use std::path::{Path, PathBuf};

/// The path of the socket that `address` names, or the default one.
pub fn socket_path(address: Option<&str>) -> Result<PathBuf> {
    match address {
        Some(address) => crate::daemon::address(address),
        None => Ok(run_folder().join("data.sock")),
    }
}

/// As a client writes it, from whatever folder.
pub fn text(socket: &Path) -> String {
    let whole = std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned());
    format!("unix:{}", whole.display())
}

/// The folder of default sockets: the session's, or one under the folder for temporary files.
fn run_folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder).join("rustorch"),
        _ => std::env::temp_dir().join(format!("rustorch-{}", own_user())),
    }
}
