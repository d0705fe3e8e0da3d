//! Reading ahead: one thread reads (and so decompresses), one hashes, the caller works on what they have done.
//!
//! Pieces go round from reader to hasher to caller and back, so memory is bounded and nothing is copied on the way. What
//! fits in one piece starts no threads. Order and bytes are those of the reader whatever the speed of each.
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvError, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::digest::{Digest, Hasher};

const PIECE: usize = 256 << 10;
/// Enough that a moment's wait of one party does not stop the others.
const PIECES: usize = 6;

/// What was read to its end: the caller's result, and digest and size of all bytes.
#[derive(Debug)]
pub(crate) struct Hashed<T> {
    pub(crate) result: T,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Lets `work` read `reader`, and reads what it leaves over. The inner error is that of `work`, which ends the
/// reading; the outer one is the reader's (after `work`), or that there are no more threads.
pub(crate) fn hashed<T, E>(
    mut reader: impl Read + Send,
    work: impl FnOnce(&mut Ahead) -> Result<T, E>,
) -> io::Result<Result<Hashed<T>, E>> {
    let mut first = vec![0; PIECE];
    let filled = fill(&mut reader, &mut first);
    let mut hasher = Hasher::default();
    hasher.update(&first);
    let size = first.len() as u64;
    if first.len() < PIECE {
        let mut ahead = Ahead { piece: first, next: 0, failed: filled.err(), more: None };
        let worked = work(&mut ahead);
        return match ahead.failed {
            Some(error) if worked.is_ok() => Err(error),
            _ => Ok(worked.map(|result| Hashed { result, digest: hasher.finish(), size })),
        };
    }
    thread::scope(|scope| {
        let (to_hasher, from_reader) = sync_channel(PIECES);
        let (to_work, from_hasher) = sync_channel(PIECES);
        let (give_back, spare) = channel();
        (1..PIECES).for_each(|_| drop(give_back.send(Vec::new())));
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        spawn("read").spawn_scoped(scope, move || read_on(&mut reader, &spare, &to_hasher))?;
        let hashing = spawn("hash")
            .spawn_scoped(scope, move || hash_on(hasher, size, &from_reader, &to_work))?;
        let more = Some((from_hasher, give_back));
        let mut ahead = Ahead { piece: first, next: 0, failed: None, more };
        let worked = work(&mut ahead);
        let drained = worked.is_ok().then(|| ahead.copy_to(&mut io::sink())).transpose();
        // Both threads end when nobody listens any more.
        drop(ahead);
        let (digest, size) =
            hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        drained?;
        Ok(worked.map(|result| Hashed { result, digest, size }))
    })
}

/// Copies all of `reader`. The writer works on large pieces; nothing is hashed.
pub(crate) fn copied(reader: &mut impl Read, writer: &mut dyn Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => writer.write_all(&piece[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// `Err` and an empty piece are the last that are sent.
type Piece = io::Result<Vec<u8>>;

/// Reads what another thread has read ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    piece: Vec<u8>,
    next: usize,
    /// What follows the piece.
    failed: Option<io::Error>,
    /// Where pieces come from and go back to. `None`: there are no more.
    more: Option<(Receiver<Piece>, Sender<Vec<u8>>)>,
}

impl Ahead {
    /// The bytes that are there, at least one except at the end.
    fn available(&mut self) -> io::Result<&[u8]> {
        if self.next == self.piece.len() {
            self.next_piece()?;
        }
        Ok(&self.piece[self.next..])
    }

    fn next_piece(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some((pieces, give_back)) = &self.more else { return Ok(()) };
        // The reader may have ended already.
        let _ = give_back.send(std::mem::take(&mut self.piece));
        self.next = 0;
        let gone = |RecvError| Err(io::Error::other("a thread that reads ahead is gone"));
        match pieces.recv().unwrap_or_else(gone) {
            Ok(piece) if !piece.is_empty() => self.piece = piece,
            ended => {
                self.more = None;
                ended?;
            }
        }
        Ok(())
    }

    /// As `io::copy`, without a buffer in between.
    pub(crate) fn copy_to(&mut self, writer: &mut dyn Write) -> io::Result<()> {
        loop {
            let bytes = self.available()?;
            if bytes.is_empty() {
                return Ok(());
            }
            writer.write_all(bytes)?;
            self.next = self.piece.len();
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.available()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.next += count;
        Ok(count)
    }
}

fn read_on(reader: &mut impl Read, spare: &Receiver<Vec<u8>>, pieces: &SyncSender<Piece>) {
    while let Ok(mut piece) = spare.recv() {
        piece.resize(PIECE, 0);
        let filled = fill(reader, &mut piece);
        let ended = piece.is_empty();
        // A failure comes after the bytes before it, so that it is known where it happened.
        let gone = (!ended || filled.is_ok()) && pieces.send(Ok(piece)).is_err();
        if let Err(error) = filled {
            // Nobody listens any more, or somebody learns of it.
            let _ = pieces.send(Err(error));
            return;
        }
        if gone || ended {
            return;
        }
    }
}

fn hash_on(
    mut hasher: Hasher,
    mut size: u64,
    pieces: &Receiver<Piece>,
    hashed: &SyncSender<Piece>,
) -> (Digest, u64) {
    for piece in pieces {
        if let Ok(bytes) = &piece {
            hasher.update(bytes);
            size += bytes.len() as u64;
        }
        if hashed.send(piece).is_err() {
            break;
        }
    }
    (hasher.finish(), size)
}

/// Cuts the buffer to what there is, which is less than all of it only at the end or before a failure.
fn fill(reader: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut filled = 0;
    let mut result = Ok(());
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    buffer.truncate(filled);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|number| (number / 7) as u8).collect()
    }

    #[test]
    fn gives_the_same_bytes_and_their_digest() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 20 * PIECE + 5] {
            let expected = bytes(size);
            let read = hashed(&*expected, |ahead| {
                let mut seen = Vec::new();
                ahead.read_to_end(&mut seen).map(|_| seen)
            });
            let read = read.unwrap().unwrap();
            assert!(read.result == expected, "{size}");
            assert_eq!((read.digest, read.size), (Digest::of(&expected), size as u64));
        }
    }

    #[test]
    fn reads_what_the_work_leaves_over() {
        let all = bytes(9 * PIECE);
        let read = hashed(&*all, |ahead| ahead.read(&mut [0; 10])).unwrap().unwrap();
        assert_eq!((read.result, read.digest), (10, Digest::of(&all)));
    }

    #[test]
    fn work_that_fails_ends_the_reading() {
        // Endless, so a thread that went on would never be joined.
        let ended = hashed(io::repeat(1), |ahead| {
            ahead.read_exact(&mut vec![0; 2 * PIECE]).unwrap();
            Err::<(), _>("enough")
        });
        assert_eq!(ended.unwrap().unwrap_err(), "enough");
    }

    #[test]
    fn a_reader_that_fails_is_an_error_and_no_end() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("damaged"))
            }
        }
        let start = bytes(3 * PIECE + 1);
        let copied =
            hashed(start.as_slice().chain(Failing), |ahead| ahead.copy_to(&mut io::sink()));
        assert_eq!(copied.unwrap().unwrap_err().to_string(), "damaged");
        let unread = hashed(start.as_slice().chain(Failing), |_| Ok::<_, ()>(()));
        assert_eq!(unread.unwrap_err().to_string(), "damaged");
    }
}
