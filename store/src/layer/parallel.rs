//! Compression on all cores: a stream made of pieces compressed independently of each other.
//!
//! The input is cut where [`Borders`] says, whoever writes it in whatever portions. Each piece becomes a gzip member
//! or a zstd frame of its own, so its bytes depend on nothing else; readers take a sequence of them as one stream. The
//! bytes are the same on any number of threads.
//!
//! A piece that [`KnownPieces`] has is taken from there instead of being compressed again.
//!
//! However many layers are compressed at once, the pieces under way are as many as keep the processors busy: that
//! bounds the memory ([`Permit`]). Buffers go round.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use super::borders::{self, Borders};
use super::content::ContentDigest;
use super::gzip::Gzip;

/// Pieces that were compressed before, by what they are made of.
pub(crate) trait KnownPieces: Send + Sync {
    /// Puts the compressed form of a piece at the beginning of `out` if it is known and undamaged. Returns its length
    /// and digest.
    fn take(
        &self,
        plain: &ContentDigest,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Option<(usize, ContentDigest)>;
}

/// A piece as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PieceRecord {
    pub(crate) plain: ContentDigest,
    pub(crate) plain_length: u32,
    pub(crate) packed: ContentDigest,
    pub(crate) packed_length: u32,
}

/// What the pieces become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Gzip { level: u32 },
    Zstd { level: i32 },
}

/// Pieces that need not be compressed again. With it, the pieces of the stream are told in the end.
pub(crate) type Memory = Arc<dyn KnownPieces>;

pub(super) struct Parallel<W: Write> {
    sink: W,
    borders: Borders,
    piece: Vec<u8>,
    any: bool,
    /// Results in the order of the input.
    pending: VecDeque<(Receiver<Packed>, Option<Permit>)>,
    /// `None` once the last piece is handed out.
    jobs: Option<SyncSender<Job>>,
    workers: Vec<JoinHandle<()>>,
    spare: Vec<Vec<u8>>,
    /// Their bytes stay, so that nobody has to fill them with zeros.
    spare_packed: Vec<Vec<u8>>,
    records: Vec<PieceRecord>,
}

type Packed = io::Result<Done>;

struct Done {
    plain: Vec<u8>,
    packed: Vec<u8>,
    /// So much of `packed`.
    length: usize,
    record: Option<PieceRecord>,
}

struct Job {
    plain: Vec<u8>,
    packed: Vec<u8>,
    result: SyncSender<Packed>,
}

impl<W: Write> Parallel<W> {
    pub(super) fn new(
        sink: W,
        method: Method,
        workers: Option<NonZero<usize>>,
        memory: Option<Memory>,
    ) -> io::Result<Parallel<W>> {
        let count = workers.map_or_else(processors, NonZero::get);
        let (jobs, queue) = sync_channel::<Job>(count);
        let queue = Arc::new(Mutex::new(queue));
        let worker = || {
            let (queue, memory) = (queue.clone(), memory.clone());
            let mut codec = Codec::new(method)?;
            let serve = move || while serve(&queue, &mut codec, memory.as_ref()) {};
            std::thread::Builder::new().name("compress".to_owned()).spawn(serve)
        };
        let workers = (0..count).map(|_| worker()).collect::<io::Result<Vec<_>>>()?;
        Ok(Parallel {
            sink,
            borders: Borders::new(),
            piece: Vec::new(),
            any: false,
            pending: VecDeque::new(),
            jobs: Some(jobs),
            workers,
            spare: Vec::new(),
            spare_packed: Vec::new(),
            records: Vec::new(),
        })
    }

    /// The sink, and the pieces if they were to be remembered.
    pub(super) fn finish(mut self) -> io::Result<(W, Vec<PieceRecord>)> {
        // Nothing at all is a stream, too.
        if !self.piece.is_empty() || !self.any {
            self.hand_out()?;
        }
        self.jobs = None;
        while !self.pending.is_empty() {
            self.take_result()?;
        }
        for worker in self.workers {
            worker.join().map_err(|_| io::Error::other("a compressing thread panicked"))?;
        }
        Ok((self.sink, self.records))
    }

    fn hand_out(&mut self) -> io::Result<()> {
        let permit = loop {
            match Permit::take() {
                // Writing what is done gives one back.
                None if !self.pending.is_empty() => self.take_result()?,
                // One piece needs none, so nobody ever waits for another writer.
                permit => break permit,
            }
        };
        self.any = true;
        // Of its final size: growing would leave the allocator with its former ones.
        let next = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(borders::LONGEST));
        let plain = std::mem::replace(&mut self.piece, next);
        let packed = self.spare_packed.pop().unwrap_or_default();
        let (result, pending) = sync_channel(1);
        let gone = || io::Error::other("the compressing threads are gone");
        let job = Job { plain, packed, result };
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        self.pending.push_back((pending, permit));
        Ok(())
    }

    fn take_result(&mut self) -> io::Result<()> {
        let Some((result, _permit)) = self.pending.pop_front() else { return Ok(()) };
        let panicked = |_| io::Error::other("a compressing thread panicked");
        let mut done = result.recv().map_err(panicked)??;
        self.sink.write_all(&done.packed[..done.length])?;
        self.records.extend(done.record);
        done.plain.clear();
        self.spare.push(done.plain);
        self.spare_packed.push(done.packed);
        Ok(())
    }
}

impl<W: Write> Write for Parallel<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (count, ends) = self.borders.next(bytes);
        self.piece.extend_from_slice(&bytes[..count]);
        if ends {
            self.hand_out()?;
        }
        Ok(count)
    }

    /// Ends no piece: the bytes must not depend on when somebody flushes.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// The right to have another piece under way, from handing it out to writing its result. All writers of this process
/// share them.
#[derive(Debug)]
struct Permit;

static PERMITS_TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Permit {
    /// A few more than processors, so that none is idle while results are written. Each piece under way takes up to
    /// 7 MiB with its compressed form.
    fn limit() -> usize {
        processors() + 2
    }

    fn take() -> Option<Permit> {
        let one_more = |taken| (taken < Permit::limit()).then_some(taken + 1);
        let taken = PERMITS_TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok().map(|_| Permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        PERMITS_TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asked once: the answer comes from files.
fn processors() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()).min(16))
}

/// One job. False: no more will come.
fn serve(queue: &Mutex<Receiver<Job>>, codec: &mut Codec, memory: Option<&Memory>) -> bool {
    let Ok(job) = queue.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return false };
    let Job { plain, mut packed, result } = job;
    let made = pack(&plain, &mut packed, codec, memory);
    let done = made.map(|(length, record)| Done { plain, packed, length, record });
    // Nobody waits for the result when the writer was given up.
    let _ = result.send(done);
    true
}

/// The length of what is in `packed` then.
fn pack(
    plain: &[u8],
    packed: &mut Vec<u8>,
    codec: &mut Codec,
    memory: Option<&Memory>,
) -> io::Result<(usize, Option<PieceRecord>)> {
    let Some(memory) = memory else { return Ok((codec.compress(plain, packed)?, None)) };
    let digest = ContentDigest::of(plain);
    let (end, packed_digest) = match memory.take(&digest, plain.len(), packed) {
        Some(known) => known,
        None => {
            let end = codec.compress(plain, packed)?;
            (end, ContentDigest::of(&packed[..end]))
        }
    };
    let record = PieceRecord {
        plain: digest,
        plain_length: length(plain),
        packed: packed_digest,
        packed_length: length(&packed[..end]),
    };
    Ok((end, Some(record)))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a piece has a few megabytes")
}

enum Codec {
    Gzip(Gzip),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    fn new(method: Method) -> io::Result<Codec> {
        Ok(match method {
            Method::Gzip { level } => Codec::Gzip(Gzip::new(level)?),
            Method::Zstd { level } => {
                let mut compressor = zstd::bulk::Compressor::new(level)?;
                compressor.include_checksum(true)?;
                Codec::Zstd(compressor)
            }
        })
    }

    fn compress(&mut self, plain: &[u8], packed: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Codec::Gzip(gzip) => gzip.compress(plain, packed),
            Codec::Zstd(compressor) => {
                let bound = zstd::zstd_safe::compress_bound(plain.len());
                packed.resize(bound.max(packed.len()), 0);
                compressor.compress_to_buffer(plain, &mut packed[..bound])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn compress(input: &[u8], method: Method, step: usize, workers: usize) -> Vec<u8> {
        let mut writer = Parallel::new(Vec::new(), method, NonZero::new(workers), None).unwrap();
        for part in input.chunks(step) {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap().0
    }

    fn check(input: &[u8]) {
        for method in [
            Method::Gzip { level: 0 },
            Method::Gzip { level: 1 },
            Method::Gzip { level: 6 },
            Method::Gzip { level: 9 },
            Method::Zstd { level: 1 },
            Method::Zstd { level: 3 },
        ] {
            let bytes = compress(input, method, 1 << 22, 1);
            assert!(bytes == compress(input, method, 70_001, 1), "depends on the portions");
            for workers in [2, 5] {
                assert!(bytes == compress(input, method, 99_991, workers), "depends on threads");
            }
            let mut plain = Vec::new();
            let mut reader = crate::layer::decompressor(bytes.as_slice()).unwrap();
            reader.read_to_end(&mut plain).unwrap();
            assert!(plain == input, "{method:?}");
        }
    }

    #[test]
    fn reads_back_whatever_the_threads() {
        let mut noise = vec![0_u8; (3 << 20) + 5];
        let mut state = 1_u32;
        for byte in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        check(b"");
        check(b"short");
        check(&noise);
        check(&b"the same line again and again\n".repeat(120_000));
    }

    #[test]
    fn many_writers_share_the_permits_and_all_end() {
        let input = b"the same line again and again\n".repeat(300_000);
        let compress = || {
            let method = Method::Gzip { level: 1 };
            let mut writer = Parallel::new(Vec::new(), method, None, None).unwrap();
            writer.write_all(&input).unwrap();
            writer.finish().unwrap().0
        };
        let expected = compress();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3 * Permit::limit()).map(|_| scope.spawn(compress)).collect();
            writers.into_iter().for_each(|writer| assert!(writer.join().unwrap() == expected));
        });
    }

    #[test]
    fn an_abandoned_writer_ends_its_threads() {
        let method = Method::Gzip { level: 6 };
        let mut writer = Parallel::new(Vec::new(), method, None, None).unwrap();
        writer.write_all(&vec![7; 3 << 20]).unwrap();
        let workers = std::mem::take(&mut writer.workers);
        drop(writer);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}
