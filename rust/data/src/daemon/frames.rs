//! What a daemon and its clients say to each other. A client opens a connection, says [`ToDaemon::Hello`], learns what is
//! served, and sends [`ToDaemon::Open`] with its ring beside it. Batches need no frames, nor do freed slots as a rule: both
//! sides look into the ring and sleep on its bells. Who hangs up has ended; a daemon hangs up only when no thread of it can write
//! into the ring any more.
use crate::frame;
use crate::order::Plan;
use crate::payload::{decode_refusal, encode_refusal};
use crate::readers::slot_bytes_of;
use crate::source::Field;
use crate::sys::{packet, poll, socket};
use rustorch_base::{DType, Error, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A peer that says nothing for so long during the opening is given up.
pub const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToDaemon {
    Hello,
    Open(Open),
    /// After the opening, at any time. There is no answer: batches of the new place appear in the ring.
    Seek(Seek),
    /// Beside it a ring with larger slots than the last, to be filled from now on; batches that are ready in the last stay.
    Ring,
    /// A slot is free, and the ring says that somebody waits for one.
    Freed,
    Status,
}

/// The stream that a client wants; its ring comes beside.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Open {
    pub plan: Plan,
    /// How many epochs from the plan's start; `None`: without end.
    pub epochs: Option<u64>,
    /// What the plan's batch 0 is called in the ring.
    pub number: u64,
    /// The plan's first batch that the client does not have yet.
    pub first: u64,
    /// Of the source that the client knows: another one is refused.
    pub fingerprint: u64,
}

/// Go on elsewhere.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Seek {
    pub plan: Plan,
    /// What its batch 0 is called: more than the number of any batch before.
    pub number: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToClient {
    Welcome(Welcome),
    Opened,
    /// An error as it also travels in a slot.
    Refused(Vec<u8>),
    /// A batch needs so many bytes: a ring with slots as large is wanted.
    Grow {
        bytes: u64,
    },
    Status(Report),
}

/// What is served.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    pub len: u64,
    pub fingerprint: u64,
    pub fields: Vec<FieldFrame>,
    /// The stream of a client that asks for no other.
    pub plan: Plan,
    /// Where processes make the batches, whose sizes the fields do not tell: about the bytes of a sample.
    pub sample_bytes: Option<u64>,
}

/// Of a batch of unknown size: what its parts beside the samples may take.
const BESIDE_SAMPLES: usize = 1 << 16;

impl Welcome {
    /// Bytes that a slot needs for a batch.
    pub fn slot_bytes(&self, batch_size: u64) -> Result<usize> {
        match self.sample_bytes {
            Some(bytes) => {
                let samples = bytes.checked_mul(batch_size).and_then(|bytes| usize::try_from(bytes).ok());
                samples.and_then(|bytes| bytes.checked_add(BESIDE_SAMPLES)).ok_or_else(|| Error::out_of_memory("a batch is too large"))
            }
            None => slot_bytes_of(&self.source_fields()?, batch_size as usize),
        }
    }
    pub fn source_fields(&self) -> Result<Vec<Field>> {
        self.fields.iter().map(FieldFrame::field).collect()
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FieldFrame {
    pub name: String,
    /// The dtype's number in PyTorch's order.
    pub dtype: u8,
    pub shape: Vec<u64>,
}

impl FieldFrame {
    pub fn new(field: &Field) -> FieldFrame {
        FieldFrame { name: field.name.clone(), dtype: field.dtype as u8, shape: field.shape.iter().map(|dim| *dim as u64).collect() }
    }
    pub fn field(&self) -> Result<Field> {
        let Some(dtype) = DType::ALL.get(self.dtype as usize) else {
            bail!(value, "field '{}' has an unknown dtype, {}", self.name, self.dtype)
        };
        let shape = self.shape.iter().map(|dim| *dim as usize).collect::<Vec<_>>();
        Ok(Field::new(self.name.clone(), *dtype, shape))
    }
}

/// How a daemon stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    pub process: u32,
    pub source: String,
    pub samples: u64,
    pub uptime_seconds: f64,
    pub clients: Vec<ClientReport>,
}

/// One client's stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClientReport {
    pub process: i32,
    pub batch_size: u64,
    /// The number of the batch it began with.
    pub first: u64,
    pub batches: u64,
    pub seconds: f64,
    pub readers: u64,
    /// Seconds that its readers were at work, all together. What is missing to `seconds * readers` they waited for a slot.
    pub busy_seconds: f64,
    /// Seconds that the client was without a batch that it wanted, as far as it says: its share of `seconds` is what
    /// slow readers cost the trainer.
    pub waited_seconds: f64,
    pub slots: u64,
    /// Slots with a batch that the client has not taken: all but two say that the trainer is the slower side.
    pub ready: u64,
    pub held: u64,
}

impl ClientReport {
    pub fn batches_per_second(&self) -> f64 {
        self.batches as f64 / self.seconds.max(1e-9)
    }
}

impl ToClient {
    pub fn refusal(error: &Error) -> ToClient {
        ToClient::Refused(encode_refusal(error, packet::LONGEST / 2))
    }
    /// What is meant to be an answer: a refusal becomes the error it carries.
    pub fn answer(self) -> Result<ToClient> {
        match self {
            ToClient::Refused(text) => Err(decode_refusal(&text)),
            other => Ok(other),
        }
    }
}

pub fn send(socket: impl AsFd, sentence: &impl Serialize, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    let frame = frame::encode(sentence)?;
    packet::try_send(socket, &frame, descriptor).map_err(|error| Error::os(format!("the peer cannot be reached: {error}")))
}

/// The next frame, if it comes within [`PATIENCE`]. Errors: hang-up, silence, or nonsense.
pub fn receive<T: DeserializeOwned>(socket: impl AsFd) -> Result<(T, Option<OwnedFd>)> {
    receive_into(socket, &mut vec![0; packet::LONGEST])
}

/// The same with the caller's buffer, whose length bounds the frame's.
pub fn receive_into<T: DeserializeOwned>(socket: impl AsFd, buffer: &mut [u8]) -> Result<(T, Option<OwnedFd>)> {
    let describe = |error: std::io::Error| Error::os(format!("the peer cannot be heard: {error}"));
    if !poll::readable(&[socket.as_fd()], Some(PATIENCE)).map_err(describe)?[0] {
        bail!(os, "the peer said nothing for {} seconds", PATIENCE.as_secs());
    }
    let received = packet::receive(socket, buffer).map_err(describe)?;
    ensure!(received.len > 0, os, "the peer hung up");
    Ok((frame::decode(&buffer[..received.len])?, received.descriptor))
}

/// Refuses a peer of another user.
pub fn check_peer(socket: impl AsFd) -> Result<i32> {
    let (user, process) = packet::peer(socket).map_err(|error| Error::os(format!("the peer is unknown: {error}")))?;
    ensure!(user == socket::own_user(), os, "the data service speaks only with processes of its own user, not with user {user}");
    Ok(process)
}
