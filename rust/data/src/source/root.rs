//! Opening files, confined to one folder where the service was given one: no `..` and no link leads out of it.
use super::fingerprint::Fingerprint;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustorch_base::{Error, Result, bail};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Where files may be opened.
pub struct Root {
    confined: Option<(PathBuf, OwnedFd)>,
}

/// A regular file that has been opened, and what was known of it then.
pub struct OpenFile {
    pub file: File,
    /// As the caller named it: for messages.
    pub path: PathBuf,
    /// Its path from the confining folder on, where there is one: a folder that moves as a whole keeps its fingerprint.
    name: PathBuf,
    pub len: u64,
    /// Nanoseconds since 1970.
    pub modified: u64,
}

impl OpenFile {
    pub fn add_to(&self, fingerprint: &mut Fingerprint) {
        fingerprint.text(&self.name.to_string_lossy());
        fingerprint.number(self.len);
        fingerprint.number(self.modified);
    }
}

/// One entry of a folder.
pub struct Entry {
    pub name: String,
    pub is_folder: bool,
    pub len: u64,
    /// Nanoseconds since 1970.
    pub modified: u64,
}

impl Root {
    /// Any file that the process may read.
    pub fn anywhere() -> Root {
        Root { confined: None }
    }

    /// Files under `folder` alone. Relative paths begin there.
    pub fn confined(folder: &Path) -> Result<Root> {
        let whole = std::fs::canonicalize(folder).map_err(|e| refused(folder, &e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(CWD, &whole, flags, Mode::empty()).map_err(|e| refused(folder, &e.into()))?;
        Ok(Root { confined: Some((whole, descriptor)) })
    }

    /// The folder that paths are confined to.
    pub fn folder(&self) -> Option<&Path> {
        self.confined.as_ref().map(|(path, _)| path.as_path())
    }

    /// The path from the confining folder on.
    fn inside<'a>(&self, path: &'a Path) -> &'a Path {
        self.folder().and_then(|folder| path.strip_prefix(folder).ok()).unwrap_or(path)
    }

    fn descriptor(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY; // opening a pipe must not wait for its writer
        let Some((folder, root)) = &self.confined else {
            return rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|e| refused(path, &e.into()));
        };
        let inside = self.inside(path);
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(root, inside, flags, Mode::empty(), resolve).map_err(|e| match e {
            Errno::XDEV => {
                Error::value(format!("'{}' leads out of the folder '{}' that the service may read", path.display(), folder.display()))
            }
            Errno::NOSYS => Error::os("this kernel cannot confine paths to a folder: openat2 (Linux 5.6) is needed".to_string()),
            other => refused(path, &other.into()),
        })
    }

    /// Opens a regular file for reading.
    pub fn open(&self, path: &Path) -> Result<OpenFile> {
        let file = File::from(self.descriptor(path, OFlags::RDONLY)?);
        let data = file.metadata().map_err(|e| refused(path, &e))?;
        if !data.is_file() {
            bail!(os, "'{}' is not a regular file", path.display());
        }
        let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_nanos() as u64);
        let name = self.inside(path).to_owned();
        Ok(OpenFile { file, path: path.to_owned(), name, len: data.len(), modified })
    }

    /// Puts a file with these bytes at `path`, whole or not at all: it is written under another name and renamed.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let words = |e: Errno| refused(path, &e.into());
        let Some(name) = path.file_name() else { bail!(value, "'{}' names no file", path.display()) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = self.descriptor(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut passing = name.to_owned();
        passing.push(format!(".{}.part", std::process::id()));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &passing, flags, Mode::from_raw_mode(0o644)).map_err(words)?;
        let written = File::from(file).write_all(bytes).map_err(|e| refused(path, &e));
        let renamed = written.and_then(|()| rustix::fs::renameat(&folder, &passing, &folder, name).map_err(words));
        if renamed.is_err() {
            // nothing is to be left behind; that the file cannot be removed either says nothing new
            let _ = rustix::fs::unlinkat(&folder, &passing, AtFlags::empty());
        }
        renamed
    }

    /// The entries of a folder, sorted by name as Python sorts them (by code point). Links count as what they lead to.
    pub fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let descriptor = self.descriptor(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&descriptor).map_err(|e| refused(path, &e.into()))? {
            let entry = entry.map_err(|e| refused(path, &e.into()))?;
            let Ok(name) = entry.file_name().to_str() else {
                bail!(value, "'{}' holds a name that is not UTF-8: {:?}", path.display(), entry.file_name());
            };
            if name != "." && name != ".." {
                entries.push(entry_of(&descriptor, name).map_err(|e| refused(&path.join(name), &e))?);
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

/// What is known of an entry; a link is what it leads to, and one that leads nowhere is an empty file. Only this much is
/// looked at beyond the confines: opening the entry is confined like everything else.
fn entry_of(folder: impl AsFd, name: &str) -> std::io::Result<Entry> {
    let name = name.to_owned();
    match rustix::fs::statat(folder, &name, AtFlags::empty()) {
        Ok(data) => {
            let modified = (data.st_mtime as u64).wrapping_mul(1_000_000_000).wrapping_add(data.st_mtime_nsec);
            let is_folder = FileType::from_raw_mode(data.st_mode) == FileType::Directory;
            Ok(Entry { name, is_folder, len: data.st_size as u64, modified })
        }
        Err(Errno::NOENT | Errno::LOOP) => Ok(Entry { name, is_folder: false, len: 0, modified: 0 }),
        Err(error) => Err(error.into()),
    }
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    Error::os(format!("{error}: '{}'", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_the_folder_opens() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("data");
        std::fs::create_dir_all(inner.join("sub")).unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        std::fs::write(inner.join("sub/file"), "abc").unwrap();
        symlink("../../secret", inner.join("sub/up")).unwrap();
        symlink(outer.path().join("secret"), inner.join("absolute")).unwrap();
        symlink("sub/file", inner.join("within")).unwrap();
        let root = Root::confined(&inner).unwrap();
        for inside in ["sub/file", "within", "sub/../sub/file"] {
            assert_eq!(root.open(Path::new(inside)).unwrap().len, 3, "{inside}");
        }
        assert_eq!(root.open(&std::fs::canonicalize(inner.join("sub/file")).unwrap()).unwrap().len, 3);
        for outside in ["../secret", "sub/up", "absolute", "sub/../../secret", "/etc/passwd"] {
            let Err(error) = root.open(Path::new(outside)) else { panic!("{outside} was opened") };
            assert!(error.message.contains("leads out of the folder"), "{error}");
        }
        assert!(root.open(Path::new("sub")).is_err());
        assert!(root.list(Path::new("..")).is_err());
    }

    #[test]
    fn a_fingerprint_counts_paths_from_the_folder() {
        let fingerprint = |folder: &Path, path: &Path| {
            let mut fingerprint = Fingerprint::new("test");
            Root::confined(folder).unwrap().open(path).unwrap().add_to(&mut fingerprint);
            fingerprint.finish()
        };
        let outer = tempfile::tempdir().unwrap();
        let (before, after) = (outer.path().join("before"), outer.path().join("after"));
        std::fs::create_dir(&before).unwrap();
        std::fs::write(before.join("file"), "abc").unwrap();
        let first = fingerprint(&before, Path::new("file"));
        assert_eq!(first, fingerprint(&before, &std::fs::canonicalize(before.join("file")).unwrap()));
        std::fs::rename(&before, &after).unwrap();
        assert_eq!(first, fingerprint(&after, &std::fs::canonicalize(after.join("file")).unwrap()));
        std::fs::write(after.join("file"), "abcd").unwrap();
        assert_ne!(first, fingerprint(&after, Path::new("file")));
    }

    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(CWD, folder.path().join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(Root::anywhere().open(&folder.path().join("pipe")).is_err());
    }

    #[test]
    fn folders_list_sorted_with_links_followed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "B", "a"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        symlink("a", folder.path().join("link")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let entries = Root::anywhere().list(folder.path()).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.is_folder)).collect();
        assert_eq!(names, [("B", true), ("a", true), ("b", true), ("file", false), ("link", true)]);
    }
}
