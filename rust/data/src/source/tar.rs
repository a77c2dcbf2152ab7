//! Shards in tar files (WebDataset): members that share a name up to its first dot are one sample. An index kept beside
//! each shard gives random access; gzipped shards are unpacked once into memory.
use super::damage::{damaged, unsupported};
use super::fingerprint::Fingerprint;
use super::records::{Records, room};
use super::root::{OpenFile, Root};
use super::tar_index::{BLOCK, Member, build, indexed};
use flate2::read::MultiGzDecoder;
use rustix::fs::MemfdFlags;
use rustorch_base::{Error, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Times its size that a gzipped shard may unpack to in memory. Small ones, of which the blocks of a tar file are the
/// larger part, may have this many bytes.
const MOST_UNPACKED: u64 = 16;
const SMALL_UNPACKED: u64 = 256 << 10;
/// How compressed files begin that are not read.
const FOREIGN_COMPRESSIONS: [(&[u8], &str); 3] = [(b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];

struct Shard {
    path: PathBuf,
    file: File,
}

struct Record {
    shard: u32,
    label: i64,
    member: Member,
}

/// The samples of all shards, in the order of the shards and of the members in them.
pub struct TarRecords {
    shards: Vec<Shard>,
    records: Vec<Record>,
    labelled: bool,
    classes: Vec<String>,
    fingerprint: u64,
}

impl TarRecords {
    /// Samples whose names begin with `prefix`. The class is the member `.cls` where every sample has one, else the
    /// first folder of the name after the prefix.
    pub fn open(paths: &[PathBuf], prefix: &str, root: &Root) -> Result<TarRecords> {
        ensure!(!paths.is_empty(), value, "a tar source needs at least one file");
        let mut fingerprint = Fingerprint::new("tar");
        fingerprint.text(prefix);
        let (mut shards, mut records) = (Vec::new(), Vec::new());
        for path in paths {
            let opened = root.open(path)?;
            opened.add_to(&mut fingerprint);
            let (file, members) = members(opened, root)?;
            let shard = shards.len() as u32;
            shards.push(Shard { path: path.clone(), file });
            let chosen = members.into_iter().filter(|member| member.key.starts_with(prefix));
            records.extend(chosen.map(|member| Record { shard, label: 0, member }));
        }
        if records.is_empty() {
            bail!(value, "'{}' holds no images whose names begin with '{prefix}'", paths[0].display());
        }
        let (labelled, classes) = number_classes(&mut records, prefix);
        Ok(TarRecords { shards, records, labelled, classes, fingerprint: fingerprint.finish() })
    }

    fn record(&self, index: u64) -> Result<(&Record, &Shard)> {
        super::check_index(index, self.len())?;
        let record = &self.records[index as usize];
        Ok((record, &self.shards[record.shard as usize]))
    }
}

/// Sets every record's label; says whether all have one, and the names of the classes where these are folders.
fn number_classes(records: &mut [Record], prefix: &str) -> (bool, Vec<String>) {
    if records.iter().all(|record| record.member.class.is_some()) {
        records.iter_mut().for_each(|record| record.label = record.member.class.unwrap_or(0));
        return (true, Vec::new());
    }
    let folder =
        |record: &Record| record.member.key[prefix.len()..].trim_start_matches('/').split_once('/').map(|(first, _)| first.to_owned());
    let mut numbers: BTreeMap<String, i64> = BTreeMap::new();
    for record in records.iter() {
        let Some(class) = folder(record) else { return (false, Vec::new()) };
        numbers.insert(class, 0);
    }
    numbers.values_mut().zip(0..).for_each(|(number, next)| *number = next);
    for record in records {
        record.label = folder(record).and_then(|class| numbers.get(&class).copied()).unwrap_or(0);
    }
    (true, numbers.into_keys().collect())
}

/// A shard's samples, and the file that their offsets lie in.
fn members(opened: OpenFile, root: &Root) -> Result<(File, Vec<Member>)> {
    let gzipped = opened.path.extension().is_some_and(|ending| ending == "gz" || ending == "tgz");
    if !gzipped {
        refuse_compressed(&opened)?;
        let members = indexed(&opened, root)?;
        return Ok((opened.file, members));
    }
    let unpacked = unpack(&opened)?;
    let len = unpacked.metadata().map_err(|e| damaged(&opened.path, 0, e))?.len();
    let members = build(&unpacked, &opened.path, len)?;
    Ok((unpacked, members))
}

fn refuse_compressed(opened: &OpenFile) -> Result<()> {
    let mut begin = [0; BLOCK as usize];
    // a file shorter than a block is no tar file, which the reader of headers says
    if opened.file.read_exact_at(&mut begin, 0).is_err() || begin[257..].starts_with(b"ustar") {
        return Ok(());
    }
    match FOREIGN_COMPRESSIONS.iter().find(|(magic, _)| begin.starts_with(magic)) {
        Some((_, name)) => Err(unsupported(&opened.path, format_args!("{name} is not unpacked here; unpack it to a .tar file first"))),
        None => Ok(()),
    }
}

/// The tar file in a gzipped one, in memory without a name.
fn unpack(opened: &OpenFile) -> Result<File> {
    let limit = opened.len.saturating_mul(MOST_UNPACKED).max(SMALL_UNPACKED);
    let words = |e: std::io::Error| Error::os(format!("{e}: unpacking '{}' into memory", opened.path.display()));
    let memory = rustix::fs::memfd_create("rustorch-tar", MemfdFlags::CLOEXEC).map_err(|e| words(e.into()))?;
    let mut memory = File::from(memory);
    let mut stream = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, &opened.file));
    let mut block = vec![0; 1 << 16];
    let mut len = 0;
    loop {
        let count = stream.read(&mut block).map_err(|e| damaged(&opened.path, (&opened.file).stream_position().unwrap_or(0), e))?;
        if count == 0 {
            return Ok(memory);
        }
        len += count as u64;
        if len > limit {
            bail!(value, "'{}' unpacks to more than {MOST_UNPACKED} times its size; unpack it to a .tar file first", opened.path.display());
        }
        std::io::Write::write_all(&mut memory, &block[..count]).map_err(words)?;
    }
}

impl Records for TarRecords {
    fn len(&self) -> u64 {
        self.records.len() as u64
    }
    fn read(&self, index: u64, into: &mut Vec<u8>) -> Result<()> {
        let (record, shard) = self.record(index)?;
        let Member { offset, len, .. } = record.member;
        shard.file.read_exact_at(room(into, len as usize), offset).map_err(|e| damaged(&shard.path, offset, e))
    }
    fn label(&self, index: u64) -> Option<i64> {
        self.records.get(index as usize).filter(|_| self.labelled).map(|record| record.label)
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
    fn damaged(&self, index: u64, reason: &str) -> Error {
        match self.record(index) {
            Ok((record, shard)) => damaged(&shard.path, record.member.offset, format_args!("image '{}': {reason}", record.member.key)),
            Err(error) => error,
        }
    }
}

/// Reads a file from any place without moving the position that others share.
pub struct ReadAt<'a> {
    pub file: &'a File,
    pub len: u64,
    pub at: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for ReadAt<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Makes the index of one shard, or finds it made; says how many samples it holds.
pub fn index(path: &Path, root: &Root) -> Result<u64> {
    Ok(members(root.open(path)?, root)?.1.len() as u64)
}
