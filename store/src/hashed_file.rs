//! A file that is hashed while it is written: who fills the pieces, who hashes and who writes work at the same time.
//!
//! What fits in a few pieces is done by the caller alone: starting threads would take longer. Pieces go round, so
//! memory is bounded.
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::digest::{Digest, Hasher};
use crate::layer::holes::HoleWriter;

const PIECE: usize = 256 << 10;
const PIECES: usize = 8;
/// Without threads up to here.
const ALONE: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct HashedFile {
    piece: Vec<u8>,
    size: u64,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Alone { file: HoleWriter<File>, hasher: Hasher },
    Shared(Threads),
    Failed,
}

#[derive(Debug)]
struct Threads {
    to_hasher: SyncSender<Arc<Vec<u8>>>,
    to_writer: SyncSender<Arc<Vec<u8>>>,
    spare: Receiver<Vec<u8>>,
    hashing: JoinHandle<Hasher>,
    writing: JoinHandle<io::Result<HoleWriter<File>>>,
    /// Set when writing fails, so that nobody reads ten gigabytes for nothing.
    failed: Arc<AtomicBool>,
}

impl HashedFile {
    pub(crate) fn new(file: File) -> HashedFile {
        let work = Work::Alone { file: HoleWriter::new(file), hasher: Hasher::default() };
        HashedFile { piece: Vec::new(), size: 0, work }
    }

    /// Bytes written so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Everything is in the file then.
    pub(crate) fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.pass_on()?;
        let (file, hasher) = match self.work {
            Work::Alone { file, hasher } => (file, hasher),
            Work::Shared(threads) => {
                drop((threads.to_hasher, threads.to_writer, threads.spare));
                let hasher = threads.hashing.join().map_err(|_| panicked())?;
                (threads.writing.join().map_err(|_| panicked())??, hasher)
            }
            Work::Failed => return Err(panicked()),
        };
        file.finish()?;
        Ok((hasher.finish(), self.size))
    }

    /// The piece at hand is complete.
    fn pass_on(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        if let Work::Alone { file, hasher } = &mut self.work {
            hasher.update(&self.piece);
            file.write_all(&self.piece)?;
            self.piece.clear();
            if self.size >= ALONE {
                self.share()?;
            }
            return Ok(());
        }
        let Work::Shared(threads) = &self.work else { return Err(panicked()) };
        let next = threads.spare.recv().ok();
        let full = Arc::new(std::mem::replace(&mut self.piece, next.unwrap_or_default()));
        let sent = threads.to_hasher.send(full.clone()).is_ok()
            && threads.to_writer.send(full).is_ok()
            && !threads.failed.load(Ordering::Relaxed);
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    fn share(&mut self) -> io::Result<()> {
        let Work::Alone { file, hasher } = std::mem::replace(&mut self.work, Work::Failed) else {
            return Err(panicked());
        };
        let (to_hasher, hash_queue) = sync_channel(PIECES);
        let (to_writer, write_queue) = sync_channel(PIECES);
        let (give_back, spare) = channel();
        (1..PIECES).for_each(|_| drop(give_back.send(Vec::with_capacity(PIECE))));
        let (done, failed) = (give_back.clone(), Arc::new(AtomicBool::new(false)));
        let noticed = failed.clone();
        let hashing = Builder::new()
            .name("hash".to_owned())
            .spawn(move || hash_all(hasher, &hash_queue, &done))?;
        let writing = Builder::new()
            .name("write".to_owned())
            .spawn(move || write_all(file, &write_queue, &give_back, &noticed))?;
        self.work = Work::Shared(Threads { to_hasher, to_writer, spare, hashing, writing, failed });
        Ok(())
    }

    fn failure(&mut self) -> io::Error {
        match std::mem::replace(&mut self.work, Work::Failed) {
            Work::Shared(threads) => {
                drop((threads.to_hasher, threads.to_writer, threads.spare));
                match threads.writing.join() {
                    Ok(Err(error)) => error,
                    _ => panicked(),
                }
            }
            _ => panicked(),
        }
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.pass_on()?;
        }
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whoever is done with a piece last gives it back.
fn give(piece: Arc<Vec<u8>>, spare: &Sender<Vec<u8>>) {
    if let Some(mut piece) = Arc::into_inner(piece) {
        piece.clear();
        // Nobody needs it in the end.
        let _ = spare.send(piece);
    }
}

fn hash_all(mut hasher: Hasher, queue: &Receiver<Arc<Vec<u8>>>, spare: &Sender<Vec<u8>>) -> Hasher {
    for piece in queue {
        hasher.update(&piece);
        give(piece, spare);
    }
    hasher
}

/// Takes all pieces even if it fails: whoever waits for one to come back must not wait for ever.
fn write_all(
    mut file: HoleWriter<File>,
    queue: &Receiver<Arc<Vec<u8>>>,
    spare: &Sender<Vec<u8>>,
    failed: &AtomicBool,
) -> io::Result<HoleWriter<File>> {
    let mut result = Ok(());
    for piece in queue {
        if result.is_ok() {
            result = file.write_all(&piece);
            file.send();
            failed.store(result.is_err(), Ordering::Relaxed);
        }
        give(piece, spare);
    }
    result.map(|()| file)
}

fn panicked() -> io::Error {
    io::Error::other("a thread that writes a blob is gone")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn the_file_has_all_bytes_and_the_digest_is_theirs() {
        for size in [0, 1, PIECE, PIECE + 1, 5 * PIECE, 40 * PIECE + 7] {
            let bytes: Vec<u8> = (0..size).map(|n| (n / 3 % 251) as u8).collect();
            for step in [1 << 20, 70_001] {
                let mut file = tempfile::tempfile().unwrap();
                let mut writer = HashedFile::new(file.try_clone().unwrap());
                bytes.chunks(step).for_each(|part| writer.write_all(part).unwrap());
                assert_eq!(writer.size(), size as u64);
                assert_eq!(writer.finish().unwrap(), (Digest::of(&bytes), size as u64));
                let mut read = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut read).unwrap();
                assert!(read == bytes, "{size} {step}");
            }
        }
    }

    #[test]
    fn a_disk_that_is_full_is_an_error_with_its_cause() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut writer = HashedFile::new(full);
        let written =
            writer.write_all(&vec![1; 30 * PIECE]).and_then(|()| writer.finish().map(drop));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
