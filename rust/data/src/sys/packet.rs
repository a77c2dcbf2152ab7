//! Frames over a Unix SOCK_SEQPACKET socket: each arrives whole or not at all, with at most one descriptor beside it.
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use std::io::{Error, ErrorKind, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A frame is never longer: the default send buffer of a Unix socket takes a little over 200,000 bytes.
pub const LONGEST: usize = 192 << 10;

/// What a receive brought. `len` 0 is a hang-up: no frame of ours is empty.
#[derive(Debug)]
pub struct Received {
    pub len: usize,
    pub descriptor: Option<OwnedFd>,
}

/// Two connected ends; neither is inherited by a program that this process starts.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends one frame. A dead peer is an error (`BrokenPipe`, `ConnectionReset`), never SIGPIPE.
pub fn send(socket: impl AsFd, frame: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    transmit(socket.as_fd(), frame, descriptor, SendFlags::NOSIGNAL)
}

/// [`send`] that never sleeps: `WouldBlock` when the peer has not read what was sent before.
pub fn try_send(socket: impl AsFd, frame: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    transmit(socket.as_fd(), frame, descriptor, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

fn transmit(socket: BorrowedFd<'_>, frame: &[u8], descriptor: Option<BorrowedFd<'_>>, flags: SendFlags) -> Result<()> {
    if frame.is_empty() || frame.len() > LONGEST {
        return Err(Error::new(ErrorKind::InvalidInput, format!("a frame has 1 to {LONGEST} bytes, not {}", frame.len())));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let descriptors = descriptor.map(|fd| [fd]);
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(descriptors) = &descriptors {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    retry_on_intr(|| sendmsg(socket, &[IoSlice::new(frame)], &mut control, flags))?;
    Ok(())
}

/// Receives one frame into `buffer`. A frame longer than the buffer, or with several descriptors, is an error, never a cut
/// frame; its descriptors are closed.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<Received> {
    accept(socket.as_fd(), buffer, RecvFlags::CMSG_CLOEXEC)
}

/// [`receive`] that never sleeps: `None` when nothing has come.
pub fn try_receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<Option<Received>> {
    match accept(socket.as_fd(), buffer, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some),
    }
}

fn accept(socket: BorrowedFd<'_>, buffer: &mut [u8], flags: RecvFlags) -> Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    // Alignment leaves room for a second descriptor: all that came are taken up, so that a surplus one is closed.
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(several) = part {
            descriptors.extend(several);
        }
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || descriptors.len() > 1 {
        return Err(Error::new(ErrorKind::InvalidData, "a frame is longer, or has more descriptors, than the protocol allows"));
    }
    Ok(Received { len: message.bytes, descriptor: descriptors.pop() })
}

/// The user and the process at the other end of a connected Unix socket, as they were when it connected.
pub fn peer(socket: impl AsFd) -> Result<(u32, i32)> {
    let credentials = sockopt::socket_peercred(socket)?;
    Ok((credentials.uid.as_raw(), credentials.pid.as_raw_nonzero().get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_their_bounds_and_carry_one_descriptor() {
        let (a, b) = pair().unwrap();
        let mut buffer = [0u8; 64];
        send(&a, b"one", None).unwrap();
        send(&a, b"two!", Some(a.as_fd())).unwrap();
        let first = receive(&b, &mut buffer).unwrap();
        assert_eq!((&buffer[..first.len], first.descriptor.is_some()), (&b"one"[..], false));
        let second = receive(&b, &mut buffer).unwrap();
        assert_eq!((&buffer[..second.len], second.descriptor.is_some()), (&b"two!"[..], true));
        assert!(try_receive(&b, &mut buffer).unwrap().is_none());
    }

    #[test]
    fn a_long_frame_is_refused_on_both_sides() {
        let (a, b) = pair().unwrap();
        assert_eq!(send(&a, &vec![0; LONGEST + 1], None).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(send(&a, b"", None).unwrap_err().kind(), ErrorKind::InvalidInput);
        send(&a, &vec![7; LONGEST], None).unwrap();
        assert_eq!(receive(&b, &mut [0; 100]).unwrap_err().kind(), ErrorKind::InvalidData);
        send(&a, b"next", None).unwrap();
        assert_eq!(receive(&b, &mut [0; 100]).unwrap().len, 4);
    }

    #[test]
    fn surplus_descriptors_are_refused_and_closed() {
        let (a, b) = pair().unwrap();
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let two = [writing.as_fd(), writing.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&two)));
        sendmsg(&a, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(receive(&b, &mut [0; 8]).unwrap_err().kind(), ErrorKind::InvalidData);
        drop(writing);
        // every copy of the writing end is closed: the pipe ends
        assert_eq!(rustix::io::read(&reading, &mut [0u8; 1]).unwrap(), 0);
    }

    #[test]
    fn a_dead_peer_is_an_error_or_an_empty_frame() {
        let (a, b) = pair().unwrap();
        assert_eq!(peer(&a).unwrap().1, std::process::id() as i32);
        drop(b);
        assert_eq!(send(&a, b"x", None).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(receive(&a, &mut [0; 8]).unwrap().len, 0);
    }
}
