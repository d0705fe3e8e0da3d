//! Files with holes: read without asking the kernel for zeros, written without storing them.
//!
//! A layer's tar has every zero of a sparse file, and so has its digest; only the hashing takes time for them
//! then, neither the disk nor the page cache does.

use std::borrow::Borrow;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use rustix::fs::SeekFrom as Place;
use rustix::io::Errno;

/// What is looked at as a whole: zero, or to be written. Large enough that ordinary files get no holes.
const PIECE: usize = 32 << 10;
static ZEROS: [u8; PIECE] = [0; PIECE];

/// The bytes of a file that was just opened, holes included.
pub fn reader(file: File) -> Box<dyn Read + Send> {
    match file.metadata() {
        Ok(metadata) if has_holes(&metadata) => Box::new(HoleReader::new(file, 0, metadata.len())),
        _ => Box::new(file),
    }
}

/// `size` bytes from `start` on, without moving the position that others share.
pub fn slice(file: Arc<File>, start: u64, size: u64) -> Box<dyn Read + Send> {
    let mut slice = HoleReader::new(file, start, start.saturating_add(size));
    if !slice.file.metadata().is_ok_and(|metadata| has_holes(&metadata)) {
        slice.data_end = slice.end;
    }
    Box::new(slice)
}

fn has_holes(metadata: &Metadata) -> bool {
    metadata.blocks() * 512 + PIECE as u64 <= metadata.len()
}

struct HoleReader<F> {
    file: F,
    position: u64,
    end: u64,
    /// Up to here there are bytes, or else
    data_end: u64,
    /// up to here there are none.
    hole_end: u64,
}

impl<F: Borrow<File>> HoleReader<F> {
    fn new(file: F, position: u64, end: u64) -> HoleReader<F> {
        HoleReader { file, position, end, data_end: 0, hole_end: 0 }
    }

    fn look_ahead(&mut self) -> io::Result<()> {
        let file = self.file.borrow();
        let data = match rustix::fs::seek(file, Place::Data(self.position)) {
            Ok(data) => data.min(self.end),
            // A hole up to where the file ends now.
            Err(Errno::NXIO) => self.end.min(file.metadata()?.len()),
            // A file system that does not know: as if there were no holes.
            Err(Errno::INVAL | Errno::NOTSUP) => {
                self.data_end = self.end;
                return Ok(());
            }
            Err(errno) => return Err(errno.into()),
        };
        self.hole_end = data;
        if data <= self.position {
            let hole = rustix::fs::seek(file, Place::Hole(self.position));
            self.data_end = hole.unwrap_or(self.end).min(self.end);
        }
        Ok(())
    }
}

impl<F: Borrow<File>> Read for HoleReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.end || buffer.is_empty() {
            return Ok(0);
        }
        if self.position >= self.data_end.max(self.hole_end) {
            self.look_ahead()?;
        }
        let hole = self.position < self.hole_end;
        let end = if hole { self.hole_end } else { self.data_end };
        let left = usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let count = if hole {
            buffer[..wanted].fill(0);
            wanted
        } else {
            self.file.borrow().read_at(&mut buffer[..wanted], self.position)?
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into()); // it became shorter
        }
        self.position += count as u64;
        Ok(count)
    }
}

/// Writes a new file from its beginning; long runs of zeros become holes.
#[derive(Debug)]
pub struct HoleWriter<F> {
    file: F,
    ends_in_hole: bool,
    /// Up to here the kernel has been asked to write it to the disk.
    sent: u64,
}

/// As much is sent to the disk at a time.
const PORTION: u64 = 16 << 20;

impl<F: Borrow<File>> HoleWriter<F> {
    pub fn new(file: F) -> HoleWriter<F> {
        HoleWriter { file, ends_in_hole: false, sent: 0 }
    }

    /// Has the disk begin with what has been written, if that is much: whoever syncs the file later waits less. For a
    /// file that stays.
    pub(crate) fn send(&mut self) {
        let Ok(position) = self.file.borrow().stream_position() else { return };
        if position.saturating_sub(self.sent) >= PORTION {
            // Else it is written later.
            let _ = sys::writeback::begin(self.file.borrow(), self.sent..position);
            self.sent = position;
        }
    }

    /// Gives the file its size where that is not done by writing.
    pub fn finish(&self) -> io::Result<()> {
        let mut file = self.file.borrow();
        if self.ends_in_hole {
            file.set_len(file.stream_position()?)?;
        }
        Ok(())
    }
}

impl<F: Borrow<File>> Write for HoleWriter<F> {
    /// One run of zeros, or what comes before the next.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_hole = |piece: &[u8]| piece.len() == PIECE && piece == ZEROS;
        let first = bytes.chunks(PIECE).next().is_some_and(is_hole);
        let run = bytes.chunks(PIECE).take_while(|piece| is_hole(piece) == first);
        let length = run.map(<[u8]>::len).sum();
        let mut file = self.file.borrow();
        self.ends_in_hole = first;
        if first {
            file.seek(SeekFrom::Current(length as i64))?;
            return Ok(length);
        }
        // Not more at a time: the kernel takes one block of memory for as much as is written at once, and on a machine
        // whose memory is in pieces it moves other pages about to find a large one. 256 KiB took twice the time.
        file.write(&bytes[..length.min(PIECE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(runs: &[(usize, u8)]) -> Vec<u8> {
        runs.iter().flat_map(|&(length, byte)| vec![byte; length]).collect()
    }

    #[test]
    fn what_is_written_is_read_and_long_zeros_take_no_space() {
        let cases: &[&[(usize, u8)]] = &[
            &[],
            &[(1, 0)],
            &[(1 << 20, 0)],
            &[(PIECE, 1), (1 << 20, 0), (5, 2)],
            &[(3, 1), (1 << 20, 0)],
            &[(1 << 20, 0), (PIECE, 3), (1 << 20, 0), (1, 0)],
        ];
        for runs in cases {
            let (content, file) = (bytes(runs), tempfile::tempfile().unwrap());
            let mut writer = HoleWriter::new(&file);
            content.chunks(256 << 10).for_each(|part| writer.write_all(part).unwrap());
            writer.finish().unwrap();
            let zeros = runs.iter().filter(|run| run.1 == 0).map(|run| run.0 as u64).sum::<u64>();
            let metadata = file.metadata().unwrap();
            let stored = metadata.blocks() * 512;
            assert!(stored <= metadata.len() - zeros + 300_000, "{runs:?} take {stored} bytes");
            (&file).rewind().unwrap();
            let mut read = Vec::new();
            reader(file).read_to_end(&mut read).unwrap();
            assert!(read == content, "{runs:?}");
        }
    }

    #[test]
    fn holes_are_found_wherever_they_are() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_all_at(b"middle", 1 << 20).unwrap();
        file.write_all_at(b"end", (3 << 20) - 3).unwrap();
        let mut plain = Vec::new();
        (&file).read_to_end(&mut plain).unwrap();
        (&file).rewind().unwrap();
        let file = Arc::new(file);
        for range in [0..3 << 20, 100..200, (1 << 20) - 5..(1 << 20) + 10, 2 << 20..3 << 20] {
            let mut read = Vec::new();
            let (start, size) = (range.start as u64, range.len() as u64);
            slice(file.clone(), start, size).read_to_end(&mut read).unwrap();
            assert!(read == plain[range.clone()], "{range:?}");
        }
        let beyond = slice(file.clone(), (3 << 20) - 1, 2).read_to_end(&mut Vec::new());
        assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut read = Vec::new();
        reader(Arc::into_inner(file).unwrap()).read_to_end(&mut read).unwrap();
        assert!(read == plain);
    }
}
