//! A file that is hashed while it is written: who fills the pieces, who hashes and who writes work at the same time.
//!
//! What fits in a few pieces is done by the caller alone: starting threads would take longer. Pieces go round, so
//! memory is bounded. What is known to begin as an earlier file did is not hashed as far as that goes (`midstates`).
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::digest::{Digest, Hasher};
use crate::layer::holes::HoleWriter;
use crate::midstates::{APART, Mark, Marks, Midstate};

const PIECE: usize = 256 << 10;
const PIECES: usize = 8;
/// Kept until the next mark shows whether they have to be hashed: what is between two, and some more.
const KEPT: usize = APART as usize / PIECE + 4;
/// Without threads up to here.
const ALONE: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct HashedFile {
    /// Always of the same length, once there is something.
    piece: Vec<u8>,
    /// So much of it is to be written.
    used: usize,
    size: u64,
    marks: Marks,
    /// Of a file that this one may begin like.
    former: Vec<Midstate>,
    work: Work,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(crate) struct Hashed {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) midstates: Vec<Midstate>,
}

#[derive(Debug)]
enum Work {
    Alone { file: HoleWriter<File>, hasher: Hasher },
    Shared(Threads),
    Failed,
}

#[derive(Debug)]
struct Threads {
    to_hasher: SyncSender<(Arc<Vec<u8>>, Vec<Mark>)>,
    to_writer: SyncSender<Arc<Vec<u8>>>,
    spare: Receiver<Vec<u8>>,
    hashing: JoinHandle<(Hasher, Vec<Midstate>)>,
    writing: JoinHandle<io::Result<HoleWriter<File>>>,
    /// Set when writing fails, so that nobody reads ten gigabytes for nothing.
    failed: Arc<AtomicBool>,
}

impl HashedFile {
    pub(crate) fn new(file: File) -> HashedFile {
        let work = Work::Alone { file: HoleWriter::new(file), hasher: Hasher::default() };
        let (marks, former) = (Marks::default(), Vec::new());
        HashedFile { piece: Vec::new(), used: 0, size: 0, marks, former, work }
    }

    /// Where marks are to be set.
    pub(crate) fn marks(&self) -> Marks {
        self.marks.clone()
    }

    /// To be called before anything is written.
    pub(crate) fn follow(&mut self, former: Vec<Midstate>) {
        self.former = former;
    }

    /// Bytes written so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Everything is in the file then.
    pub(crate) fn finish(mut self) -> io::Result<Hashed> {
        self.pass_on()?;
        let (file, (hasher, midstates)) = match self.work {
            Work::Alone { file, hasher } => (file, (hasher, Vec::new())),
            Work::Shared(threads) => {
                drop((threads.to_hasher, threads.to_writer, threads.spare));
                let hashed = threads.hashing.join().map_err(|_| panicked())?;
                (threads.writing.join().map_err(|_| panicked())??, hashed)
            }
            Work::Failed => return Err(panicked()),
        };
        file.finish()?;
        Ok(Hashed { digest: hasher.finish(), size: self.size, midstates })
    }

    /// The piece at hand is complete.
    fn pass_on(&mut self) -> io::Result<()> {
        if self.used == 0 {
            return Ok(());
        }
        let used = std::mem::take(&mut self.used);
        if let Work::Alone { file, hasher } = &mut self.work {
            hasher.update(&self.piece[..used]);
            if let Err(error) = file.write_all(&self.piece[..used]) {
                // Nothing that is written later makes it whole.
                self.work = Work::Failed;
                return Err(error);
            }
            if self.size >= ALONE {
                self.share()?;
            }
            return Ok(());
        }
        let Work::Shared(threads) = &self.work else { return Err(panicked()) };
        let next = threads.spare.recv().ok();
        let mut full = std::mem::replace(&mut self.piece, next.unwrap_or_default());
        // The last one.
        full.truncate(used);
        let full = Arc::new(full);
        let marks = self.marks.take(self.size);
        let sent = threads.to_hasher.send((full.clone(), marks)).is_ok()
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
        let former = std::mem::take(&mut self.former);
        let pieces = PIECES + if former.is_empty() { 0 } else { KEPT };
        (1..pieces).for_each(|_| drop(give_back.send(vec![0; PIECE])));
        let (spare_of_hasher, failed) = (give_back.clone(), Arc::new(AtomicBool::new(false)));
        let noticed = failed.clone();
        let hashing = Hashing::new(hasher, self.size, former, spare_of_hasher);
        let hashing =
            Builder::new().name("hash".to_owned()).spawn(move || hashing.all(&hash_queue))?;
        let writing = Builder::new()
            .name("write".to_owned())
            .spawn(move || write_all(file, &write_queue, &give_back, &noticed))?;
        self.work = Work::Shared(Threads { to_hasher, to_writer, spare, hashing, writing, failed });
        Ok(())
    }

    /// Where what comes next may be put, at least one byte.
    pub(crate) fn space(&mut self) -> io::Result<&mut [u8]> {
        if self.used == PIECE {
            self.pass_on()?;
        }
        if self.piece.len() < PIECE {
            // Memory that was never used, of which only so much is touched as is needed.
            self.piece = vec![0; PIECE];
        }
        Ok(&mut self.piece[self.used..])
    }

    /// So much of the space is to be written. Returns these bytes.
    pub(crate) fn filled(&mut self, count: usize) -> &[u8] {
        let start = self.used;
        self.used += count;
        self.size += count as u64;
        &self.piece[start..self.used]
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
        let space = self.space()?;
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.filled(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whoever is done with a piece last gives it back.
fn give(piece: Arc<Vec<u8>>, spare: &Sender<Vec<u8>>) {
    if let Some(piece) = Arc::into_inner(piece) {
        // Nobody needs it in the end.
        let _ = spare.send(piece);
    }
}

/// Hashes what differs from the former file, from the last mark on that both have.
struct Hashing {
    hasher: Hasher,
    /// Bytes that are hashed, kept, or known.
    position: u64,
    /// The former file's states that are to come, while both are the same so far.
    former: Option<std::vec::IntoIter<Midstate>>,
    /// What came since the last mark, if it is not hashed yet.
    kept: Vec<(Arc<Vec<u8>>, Range<usize>)>,
    midstates: Vec<Midstate>,
    spare: Sender<Vec<u8>>,
}

impl Hashing {
    fn new(
        hasher: Hasher,
        position: u64,
        former: Vec<Midstate>,
        spare: Sender<Vec<u8>>,
    ) -> Hashing {
        let former = (!former.is_empty()).then(|| former.into_iter());
        Hashing { hasher, position, former, kept: Vec::new(), midstates: Vec::new(), spare }
    }

    fn all(mut self, queue: &Receiver<(Arc<Vec<u8>>, Vec<Mark>)>) -> (Hasher, Vec<Midstate>) {
        for (piece, marks) in queue {
            let (begin, mut done) = (self.position, 0);
            for mark in marks {
                // A mark stands in the piece it comes with.
                let end = (mark.at - begin) as usize;
                self.take(&piece, done..end);
                self.pass(mark);
                done = end;
            }
            self.take(&piece, done..piece.len());
            self.position = begin + piece.len() as u64;
            give(piece, &self.spare);
        }
        self.hash_kept();
        (self.hasher, self.midstates)
    }

    fn take(&mut self, piece: &Arc<Vec<u8>>, range: Range<usize>) {
        if self.former.is_none() {
            self.hasher.update(&piece[range]);
        } else if self.kept.len() == KEPT {
            // So much without a mark: this file is none that has them.
            self.hash_kept();
            self.hasher.update(&piece[range]);
        } else if !range.is_empty() {
            self.kept.push((piece.clone(), range));
        }
    }

    fn pass(&mut self, mark: Mark) {
        let known = self.former.as_mut().and_then(Iterator::next);
        match known.and_then(|known| known.at(&mark)) {
            Some(hasher) => {
                self.hasher = hasher;
                self.kept.drain(..).for_each(|(piece, _)| give(piece, &self.spare));
            }
            None => self.hash_kept(),
        }
        self.midstates.push(Midstate::new(mark, &self.hasher));
    }

    /// From here on the files differ.
    fn hash_kept(&mut self) {
        self.former = None;
        for (piece, range) in self.kept.drain(..) {
            self.hasher.update(&piece[range]);
            give(piece, &self.spare);
        }
    }
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
                let hashed = writer.finish().unwrap();
                assert_eq!((hashed.digest, hashed.size), (Digest::of(&bytes), size as u64));
                let mut read = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut read).unwrap();
                assert!(read == bytes, "{size} {step}");
            }
        }
    }

    /// Writes 9 MiB with a mark every two, which say what `seen` says.
    fn marked(former: Vec<Midstate>, seen: [&[u8]; 4]) -> (Hashed, Vec<u8>) {
        let bytes: Vec<u8> = (0..9 << 20).map(|n: u32| (n / 3) as u8).collect();
        let mut file = HashedFile::new(tempfile::tempfile().unwrap());
        file.follow(former);
        let marks = file.marks();
        for (number, part) in bytes.chunks(APART as usize).enumerate() {
            file.write_all(part).unwrap();
            if let Some(seen) = seen.get(number) {
                let seen = crate::layer::ContentDigest::of(seen);
                marks.set(Mark { at: file.size(), seen });
            }
        }
        (file.finish().unwrap(), bytes)
    }

    #[test]
    fn what_begins_as_before_is_not_hashed_again_and_everything_else_is() {
        let seen: [&[u8]; 4] = [b"1", b"2", b"3", b"4"];
        let (first, bytes) = marked(Vec::new(), seen);
        assert_eq!(first.digest, Digest::of(&bytes));
        assert_eq!(first.midstates.len(), 4);
        let former = &first.midstates;
        for seen in [seen, [b"1", b"2", b"x", b"4"], [b"x", b"2", b"3", b"4"]] {
            let (again, _) = marked(former.clone(), seen);
            assert_eq!(again.digest, first.digest, "{seen:?}");
            let same = seen.iter().zip([b"1", b"2", b"3", b"4"]).take_while(|(a, b)| *a == b);
            let same = same.count();
            assert_eq!(again.midstates[..same], former[..same]);
            assert_eq!(again.midstates.len(), 4);
        }
        // No marks at all, and more pieces than are kept.
        let mut file = HashedFile::new(tempfile::tempfile().unwrap());
        file.follow(former.clone());
        file.write_all(&bytes).unwrap();
        assert_eq!(file.finish().unwrap().digest, first.digest);

        // A state that is none of these bytes shows which of them were not hashed.
        let mut other = Hasher::default();
        other.update(&[7; 64]);
        let mark = Mark { at: 4 << 20, seen: crate::layer::ContentDigest::of(b"2") };
        let mut wrong = former.clone();
        wrong[1] = Midstate::new(mark, &other);
        other.update(&bytes[4 << 20..]);
        let (taken, _) = marked(wrong[..2].to_vec(), seen);
        assert_eq!(taken.digest, other.finish());
        let (not_taken, _) = marked(wrong, [b"x", b"2", b"3", b"4"]);
        assert_eq!(not_taken.digest, first.digest);
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
