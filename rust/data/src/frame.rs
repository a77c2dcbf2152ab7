//! What a session, its workers and its fork server say to each other, each sentence one frame of a SOCK_SEQPACKET socket.
//!
//! A frame is a version byte and then the sentence in postcard's encoding, with nothing behind it. Descriptors travel
//! beside [`ToWorker::Blob`], [`ToWorker::Ring`], whatever a fork server is told, and leases whose keys are too many for a
//! frame. Finished batches need no frame to reach the client: it finds them in the ring.
use crate::feed::{Keys, Task};
use crate::lease::Grant;
use crate::source::BatchRandom;
use crate::sys::{memory_file, packet};
use rustorch_base::{Error, Result, bail, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// Both ends come from one build as a rule; a worker of another one is refused before it misreads anything.
const VERSION: u8 = 3;
/// The longest encoding of keys that is accepted from a memory file.
const MOST_KEY_BYTES: u64 = 1 << 30;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToWorker {
    Job(Job),
    /// Beside it the memory file that belongs to the job: what is too large for a frame.
    Blob,
    /// Beside it the ring that leases call by this number. Its slots are larger than those of all before it.
    Ring {
        ring: u32,
    },
    Lease(Lease),
}

/// What a worker is told first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its number in the rings, never used again.
    pub worker: u32,
    /// Which of `places` it fills; a successor fills the same one.
    pub place: u32,
    pub places: u32,
    /// A [`ToWorker::Blob`] follows.
    pub blob: bool,
    /// For the maker of batches alone.
    pub bytes: Vec<u8>,
}

/// A batch to make and where to put it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lease {
    pub grant: Grant,
    pub number: u64,
    pub random: BatchRandom,
    pub keys: LeaseKeys,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaseKeys {
    Here(Keys),
    /// In the memory file beside the frame.
    Beside,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToSession {
    /// The process has started, and waits for its job.
    Here,
    /// It has its job, and waits for leases.
    Ready,
    /// The worker will not touch the slot again: the batch is published, or the lease was revoked and the slot is free.
    Done { grant: Grant, published: bool },
    /// The batch needs a slot of so many bytes. The worker keeps it, encoded, and will not touch this slot again.
    Grow { grant: Grant, bytes: u64 },
}

/// What a fork server is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToForkServer {
    /// Beside it the pipe that becomes the next worker's standard error.
    Errors,
    /// Beside it the socket that becomes the standard input of a worker to be forked now.
    Fork,
    /// Beside it the socket of another fork server, to be forked now.
    Double,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FromForkServer {
    /// Everything is loaded. Of one that has threads, it will not fork.
    Ready { forks: bool },
    /// What was asked for is this child of the session's process.
    Forked { process: u32 },
    /// There is no other fork server.
    Refused,
    /// The fork server itself is the worker from now on: it cannot fork.
    Became,
}

/// Errors: more than a frame holds.
pub fn encode(sentence: &impl Serialize) -> Result<Vec<u8>> {
    let frame = encode_any(sentence)?;
    ensure!(
        frame.len() <= packet::LONGEST,
        value,
        "a frame of the data service has at most {} bytes, this one {}",
        packet::LONGEST,
        frame.len()
    );
    Ok(frame)
}

fn encode_any(sentence: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_extend(sentence, vec![VERSION])
        .map_err(|error| Error::runtime(format!("a frame of the data service cannot be written: {error}")))
}

/// Errors: another version, or anything that [`encode`] cannot have written.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T> {
    let Some((&version, sentence)) = frame.split_first() else { bail!(value, "a frame of the data service is empty") };
    ensure!(version == VERSION, value, "the peer speaks version {version} of the data service's protocol, this process version {VERSION}");
    match postcard::take_from_bytes(sentence) {
        Ok((sentence, [])) => Ok(sentence),
        Ok((_, rest)) => bail!(value, "a frame of the data service is damaged: {} bytes too many", rest.len()),
        Err(error) => bail!(value, "a frame of the data service is damaged: {error}"),
    }
}

/// The frame that leases a slot for a task, and the memory file to send beside it when its keys are too many.
pub fn encode_lease(grant: Grant, task: &Task) -> Result<(Vec<u8>, Option<OwnedFd>)> {
    let lease = |keys| ToWorker::Lease(Lease { grant, number: task.number, random: task.random, keys });
    let frame = encode_any(&lease(LeaseKeys::Here(task.keys.clone())))?;
    if frame.len() <= packet::LONGEST {
        return Ok((frame, None));
    }
    let keys = encode_any(&task.keys)?;
    let file = File::from(memory_file::create("rustorch-keys", keys.len() as u64)?);
    file.write_all_at(&keys, 0).map_err(|error| Error::os(format!("the keys of batch {} cannot be written: {error}", task.number)))?;
    Ok((encode(&lease(LeaseKeys::Beside))?, Some(file.into())))
}

impl LeaseKeys {
    /// The keys, from the frame or from the file that came beside it.
    pub fn open(self, beside: Option<OwnedFd>) -> Result<Keys> {
        let file = match (self, beside) {
            (LeaseKeys::Here(keys), _) => return Ok(keys),
            (LeaseKeys::Beside, Some(file)) => file,
            (LeaseKeys::Beside, None) => bail!(value, "a lease came without the file of its keys"),
        };
        let describe = |error: std::io::Error| Error::os(format!("the keys of a lease cannot be read: {error}"));
        let Some(bytes) = memory_file::sealed_len(&file).map_err(describe)? else {
            bail!(value, "the file of a lease's keys is not sealed")
        };
        ensure!(bytes <= MOST_KEY_BYTES, value, "the keys of a lease have {bytes} bytes, more than {MOST_KEY_BYTES}");
        let mut encoded = vec![0; bytes as usize];
        File::from(file).read_exact_at(&mut encoded, 0).map_err(describe)?;
        decode(&encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustorch_base::random::Philox;

    const GRANT: Grant = Grant { ring: 1, slot: 3, generation: 77 };

    fn task(keys: Keys) -> Task {
        Task { number: 9, random: BatchRandom { seed: u64::MAX, epoch: 2, position: 300 }, keys }
    }
    fn sentences() -> Vec<ToWorker> {
        let job = Job { worker: 5, place: 1, places: 2, blob: true, bytes: vec![1, 2, 3] };
        let lease = |keys| decode(&encode_lease(GRANT, &task(keys)).unwrap().0).unwrap();
        vec![
            ToWorker::Job(job),
            ToWorker::Blob,
            ToWorker::Ring { ring: 1 },
            lease(Keys::Indices((0..128).map(|i| i * 1_000_003).collect())),
            lease(Keys::Opaque(vec![0x80, 5, 7])),
            lease(Keys::Stream { place: 1, turn: 40 }),
        ]
    }

    #[test]
    fn sentences_come_back_as_they_were() {
        for sentence in sentences() {
            assert_eq!(decode::<ToWorker>(&encode(&sentence).unwrap()).unwrap(), sentence);
        }
        for word in [
            ToSession::Here,
            ToSession::Ready,
            ToSession::Done { grant: GRANT, published: true },
            ToSession::Grow { grant: GRANT, bytes: 1 << 40 },
        ] {
            assert_eq!(decode::<ToSession>(&encode(&word).unwrap()).unwrap(), word);
        }
        for word in [ToForkServer::Errors, ToForkServer::Fork, ToForkServer::Double] {
            assert_eq!(decode::<ToForkServer>(&encode(&word).unwrap()).unwrap(), word);
        }
        let process = u32::MAX;
        for word in
            [FromForkServer::Ready { forks: true }, FromForkServer::Forked { process }, FromForkServer::Refused, FromForkServer::Became]
        {
            assert_eq!(decode::<FromForkServer>(&encode(&word).unwrap()).unwrap(), word);
        }
    }

    #[test]
    fn many_keys_travel_in_a_file() {
        let keys = Keys::Indices((0..100_000).map(|i| i << 40).collect());
        let (frame, file) = encode_lease(GRANT, &task(keys.clone())).unwrap();
        assert!(frame.len() < 64 && file.is_some());
        let ToWorker::Lease(lease) = decode(&frame).unwrap() else { panic!() };
        assert_eq!(lease.keys.clone().open(file).unwrap(), keys);
        assert!(lease.keys.open(None).unwrap_err().message.contains("without the file"));
        let large = ToWorker::Job(Job { worker: 1, place: 0, places: 1, blob: false, bytes: vec![0; packet::LONGEST] });
        assert!(encode(&large).unwrap_err().message.contains("at most"));
    }

    #[test]
    fn other_versions_and_surplus_bytes_are_refused_by_name() {
        let mut frame = encode(&ToSession::Ready).unwrap();
        frame.push(0);
        assert!(decode::<ToSession>(&frame).unwrap_err().message.contains("1 bytes too many"));
        frame[0] = 9;
        assert!(decode::<ToSession>(&frame).unwrap_err().message.contains("version 9"));
        assert!(decode::<ToSession>(b"").unwrap_err().message.contains("empty"));
    }

    /// Cut, flipped and random frames: an error or a sentence, never a panic, and no memory beyond the frame's size.
    #[test]
    fn damaged_frames_are_errors_or_sentences() {
        let mut random = Philox::new(11);
        let (mut refused, mut read) = (0, 0);
        let mut count = |frame: &[u8]| match decode::<ToWorker>(frame) {
            Ok(ToWorker::Lease(Lease { keys: LeaseKeys::Here(Keys::Indices(indices)), .. })) => {
                assert!(indices.len() <= frame.len());
                read += 1;
            }
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        };
        for sentence in sentences() {
            let good = encode(&sentence).unwrap();
            for cut in 0..good.len() {
                count(&good[..cut]);
            }
            for _ in 0..5000 {
                let mut frame = good.clone();
                for _ in 0..=random.next_u32() % 4 {
                    let at = random.next_u32() as usize % frame.len();
                    frame[at] ^= 1 << (random.next_u32() % 8);
                }
                count(&frame);
            }
        }
        for _ in 0..20_000 {
            let frame: Vec<u8> = (0..random.next_u32() % 64).map(|_| random.next_u32() as u8).collect();
            count(&[&[VERSION], &frame[..]].concat());
        }
        assert!(refused > 20_000 && read > 100, "{refused} {read}");
    }
}
