//! Frames with descriptors over a socket: eight bytes of length, then JSON.
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, send, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most descriptors that one message carries.
const MOST_DESCRIPTORS: usize = 4;

/// Sends one message and waits until all of it is on its way.
pub(crate) fn send_frame(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let header = (body.len() as u64).to_le_bytes();
    send_with_descriptors(&socket, &header, descriptors)?;
    let mut rest = &body[..];
    while !rest.is_empty() {
        match send(&socket, rest, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// The longest message: secrets and large files go otherwise. Who claims more is no peer of ours.
const LONGEST: usize = 256 << 20;

/// The next message, or `None` when the other side is gone.
pub(crate) fn receive_frame<T: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut header = [0; 8];
    let (length, descriptors) = receive_with_descriptors(&socket, &mut header)?;
    if length == 0 {
        return Ok(None);
    }
    read_exact(&socket, &mut header[length..])?;
    let length = usize::try_from(u64::from_le_bytes(header))
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or(ErrorKind::InvalidData)?;
    let mut body = vec![0; length];
    read_exact(&socket, &mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, descriptors)))
}

/// Sends these few bytes with descriptors in one message.
pub(crate) fn send_with_descriptors(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
}

/// Receives up to a buffer's length, once; 0 means that the other side is gone.
pub(crate) fn receive_with_descriptors(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok((0, Vec::new())),
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((received.bytes, descriptors))
}

fn read_exact(socket: impl AsFd, mut rest: &mut [u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match rustix::io::read(&socket, &mut *rest) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => rest = &mut rest[length..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn long_messages_arrive_with_their_descriptors() {
        let (near, far) = UnixStream::pair().unwrap();
        let text = "x".repeat(3_000_000);
        let sender = std::thread::spawn({
            let text = text.clone();
            move || {
                let null = std::fs::File::open("/dev/null").unwrap();
                send_frame(&near, &text, &[null.as_fd(), null.as_fd()]).unwrap();
                send_frame(&near, &"second", &[]).unwrap();
            }
        });
        let (received, descriptors) = receive_frame::<String>(&far).unwrap().unwrap();
        assert_eq!((received == text, descriptors.len()), (true, 2));
        let (received, descriptors) = receive_frame::<String>(&far).unwrap().unwrap();
        assert_eq!((received.as_str(), descriptors.len()), ("second", 0));
        sender.join().unwrap();
        assert!(receive_frame::<String>(&far).unwrap().is_none());
    }
}
