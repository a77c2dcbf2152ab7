//! The index of a tar file: where each sample lies. It is kept in a file beside the shard, or in the user's cache where
//! that folder cannot be written, and made again when the shard's size or modification time differ.
use super::damage::{damaged, unsupported};
use super::fingerprint::Fingerprint;
use super::root::{OpenFile, Root};
use super::tar::ReadAt;
use crate::transform::decode::ENDINGS;
use rustorch_base::Result;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// Raised when the layout of the index changes.
const VERSION: u32 = 2;
/// A tar file is a sequence of blocks of this size.
pub const BLOCK: u64 = 512;
/// Ending of the member that holds a sample's class.
const CLASS: &str = "cls";
/// Longest `.cls` member: a number and its line's end.
const LONGEST_CLASS: u64 = 32;

/// One sample: the image with this key, and the number in its `.cls` member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    pub key: Box<str>,
    pub offset: u64,
    pub len: u64,
    pub class: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Index {
    version: u32,
    shard_len: u64,
    shard_modified: u64,
    members: Vec<Member>,
}

/// The samples of a shard, from its index where that is sound.
pub fn indexed(shard: &OpenFile, root: &Root) -> Result<Vec<Member>> {
    let beside = with_ending(&shard.path);
    let cached = cache_path(shard);
    let kept = root.open(&beside).ok().and_then(|file| load(&file, shard));
    let kept = kept.or_else(|| Root::anywhere().open(cached.as_deref()?).ok().and_then(|file| load(&file, shard)));
    if let Some(members) = kept {
        return Ok(members);
    }
    let members = build(&shard.file, &shard.path, shard.len)?;
    let index = Index { version: VERSION, shard_len: shard.len, shard_modified: shard.modified, members };
    // an index that cannot be kept is made again next time
    if let Ok(mut bytes) = postcard::to_stdvec(&index) {
        bytes.extend(checksum(&bytes).to_le_bytes());
        if root.replace(&beside, &bytes).is_err()
            && let Some(cached) = cached
        {
            let _ = cached.parent().map(std::fs::create_dir_all);
            let _ = Root::anywhere().replace(&cached, &bytes);
        }
    }
    Ok(index.members)
}

fn with_ending(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".rtidx");
    PathBuf::from(name)
}

fn cache_path(shard: &OpenFile) -> Option<PathBuf> {
    let folder =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")))?;
    let mut whole = Fingerprint::new("index");
    whole.text(&std::path::absolute(&shard.path).ok()?.to_string_lossy());
    Some(folder.join("rustorch").join(format!("{:016x}.rtidx", whole.finish())))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// What an index file says, if it is whole, of this shard, and within it.
fn load(file: &OpenFile, shard: &OpenFile) -> Option<Vec<Member>> {
    // a sample takes more room in the shard than in its index
    if file.len > shard.len {
        return None;
    }
    let mut bytes = vec![0; file.len as usize];
    file.file.read_exact_at(&mut bytes, 0).ok()?;
    let (index, sum) = bytes.split_last_chunk::<4>()?;
    if checksum(index) != u32::from_le_bytes(*sum) {
        return None;
    }
    let index: Index = postcard::from_bytes(index).ok()?;
    let inside = |member: &Member| member.offset.checked_add(member.len).is_some_and(|end| end <= shard.len);
    let sound = index.version == VERSION && index.shard_len == shard.len && index.shard_modified == shard.modified;
    (sound && index.members.iter().all(inside)).then_some(index.members)
}

/// Reads the headers of a whole tar file.
pub fn build(file: &File, path: &Path, len: u64) -> Result<Vec<Member>> {
    let mut archive = Archive::new(ReadAt { file, len, at: 0 });
    let mut members: Vec<Member> = Vec::new();
    let mut open: Option<Sample> = None;
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(|e| damaged(path, 0, e))? {
        let mut entry = entry.map_err(|e| damaged(path, end, e))?;
        let name = name_of(&mut entry, path)?;
        let (offset, size) = (entry.raw_file_position(), entry.size());
        let last = offset.checked_add(size).filter(|&last| last <= len);
        let last = last.ok_or_else(|| damaged(path, len, format_args!("it ends within the {size} bytes of the member at {offset}")))?;
        end = last.next_multiple_of(BLOCK);
        if let Some((key, ending)) = name {
            if open.as_ref().is_none_or(|sample| sample.key != key)
                && let Some(sample) = open.replace(Sample::new(key))
            {
                members.extend(sample.finish(path)?);
            }
            if let Some(sample) = &mut open {
                sample.add(&ending, &mut entry, path)?;
            }
        }
    }
    if let Some(sample) = open {
        members.extend(sample.finish(path)?);
    }
    if len < end + BLOCK {
        return Err(damaged(path, len, "it lacks the empty block that ends a tar file"));
    }
    Ok(members)
}

/// Key and ending of a plain member whose name has a dot; `None` for folders and the like.
fn name_of(entry: &mut Entry<ReadAt>, path: &Path) -> Result<Option<(String, String)>> {
    let kind = entry.header().entry_type();
    if !matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Link | EntryType::Symlink) {
        return Ok(None);
    }
    let at = entry.raw_header_position();
    if kind == EntryType::GNUSparse || has_holes(entry).map_err(|e| damaged(path, at, e))? {
        return Err(unsupported(path, format_args!("{} has holes, which are not read; make the tar file without --sparse", quoted(entry))));
    }
    let bytes = entry.path_bytes();
    let Ok(name) = std::str::from_utf8(&bytes) else {
        return Err(damaged(path, at, format_args!("a member's name is not UTF-8: {}", quoted(entry))));
    };
    let name = name.trim_start_matches("./");
    let folder = name.rfind('/').map_or(0, |slash| slash + 1);
    let Some(dot) = name[folder..].find('.').filter(|&dot| dot > 0) else { return Ok(None) };
    let (key, ending) = (name[..folder + dot].to_owned(), name[folder + dot + 1..].to_lowercase());
    if matches!(kind, EntryType::Regular | EntryType::Continuous) {
        return Ok(Some((key, ending)));
    }
    // a sample must not be missed in silence
    if is_image(&ending) || ending == CLASS {
        let remedy = "make the tar file with --dereference --hard-dereference";
        return Err(unsupported(path, format_args!("{} is a link, which is not followed; {remedy}", quoted(entry))));
    }
    Ok(None)
}

/// GNU tar notes holes so where it writes the format of POSIX.
fn has_holes(entry: &mut Entry<ReadAt>) -> std::io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn quoted(entry: &Entry<ReadAt>) -> String {
    format!("'{}'", String::from_utf8_lossy(&entry.path_bytes()))
}

/// `png`, and `left.png` too.
fn is_image(ending: &str) -> bool {
    ending.rsplit('.').next().is_some_and(|last| ENDINGS.contains(&last))
}

/// A sample whose members are being met.
struct Sample {
    key: String,
    /// Where it lies, and its length.
    image: Option<(u64, u64)>,
    /// The image, and how many there are, with a longer ending: it counts where no other does.
    other: Option<(u64, u64)>,
    others: usize,
    class: Option<i64>,
}

impl Sample {
    fn new(key: String) -> Sample {
        Sample { key, image: None, other: None, others: 0, class: None }
    }
    fn add(&mut self, ending: &str, entry: &mut Entry<ReadAt>, path: &Path) -> Result<()> {
        let at = entry.raw_file_position();
        if ENDINGS.contains(&ending) {
            if self.image.replace((at, entry.size())).is_some() {
                return Err(damaged(path, at, format_args!("sample '{}' has two images", self.key)));
            }
        } else if is_image(ending) {
            self.other = Some((at, entry.size()));
            self.others += 1;
        } else if ending == CLASS {
            let mut text = String::new();
            let read = entry.by_ref().take(LONGEST_CLASS).read_to_string(&mut text);
            let number = read.ok().and_then(|_| text.trim().parse().ok());
            self.class = Some(number.ok_or_else(|| damaged(path, at, format_args!("the class of '{}' is no number", self.key)))?);
        }
        Ok(())
    }
    /// Samples without an image (a README, say) are left out.
    fn finish(self, path: &Path) -> Result<Option<Member>> {
        if self.image.is_none() && self.others > 1 {
            let words = format_args!("sample '{}' has {} images, and which one is meant is not known", self.key, self.others);
            return Err(unsupported(path, words));
        }
        let Some((offset, len)) = self.image.or(self.other) else { return Ok(None) };
        Ok(Some(Member { key: self.key.into(), offset, len, class: self.class }))
    }
}
