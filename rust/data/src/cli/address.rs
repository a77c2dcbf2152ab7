//! Where the service listens when nobody says so: `data.sock` in a private folder of the user's.
use rustix::process::geteuid;
use rustorch_base::{Error, Result, ensure};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "unix:";

/// The path of the socket that `address` names, or the default one.
pub fn socket_path(address: Option<&str>) -> Result<PathBuf> {
    let Some(address) = address else { return Ok(run_folder().join("data.sock")) };
    let path = address.strip_prefix(PREFIX).unwrap_or(address);
    ensure!(!path.is_empty(), value, "'{address}' names no socket: say {PREFIX}PATH");
    let remote = !address.starts_with(PREFIX) && (address.contains("://") || address.starts_with("tcp:"));
    ensure!(!remote, value, "'{address}': the service is reached through a Unix socket alone: say {PREFIX}PATH");
    Ok(PathBuf::from(path))
}

/// As the user writes it.
pub fn text(socket: &Path) -> String {
    format!("{PREFIX}{}", socket.display())
}

/// The folder of default sockets: the session's, or one under the folder for temporary files.
fn run_folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder).join("rustorch"),
        _ => std::env::temp_dir().join(format!("rustorch-{}", geteuid().as_raw())),
    }
}

/// Makes the socket's folder, or checks that it is this user's and nobody else can enter it or change it.
pub fn prepare_folder(socket: &Path) -> Result<()> {
    let folder = socket.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let refused = |error: std::io::Error| Error::os(format!("{error}: '{}'", folder.display()));
    if let Err(error) = std::fs::DirBuilder::new().mode(0o700).create(folder)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(refused(error));
    }
    let data = std::fs::metadata(folder).map_err(refused)?;
    ensure!(data.is_dir(), os, "'{}' is not a folder", folder.display());
    let mode = data.permissions().mode() % 0o1000;
    ensure!(
        data.uid() == geteuid().as_raw() && mode.is_multiple_of(0o100),
        os,
        "others may enter '{}' (mode {mode:o}): a socket needs a folder of your own, as `mkdir -m 700` makes it",
        folder.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_sockets() {
        assert_eq!(socket_path(Some("unix:run/a.sock")).unwrap(), Path::new("run/a.sock"));
        assert_eq!(socket_path(Some("run/a.sock")).unwrap(), Path::new("run/a.sock"));
        assert!(socket_path(None).unwrap().ends_with("data.sock"));
        for wrong in ["", "unix:", "tcp:localhost:80", "http://x"] {
            assert!(socket_path(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let folder = std::env::temp_dir().join(format!("rustorch-address-{}", std::process::id()));
        let socket = folder.join("a.sock");
        prepare_folder(&socket).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(prepare_folder(&socket).unwrap_err().message.contains("mkdir -m 700"));
        std::fs::remove_dir(folder).unwrap();
    }
}
