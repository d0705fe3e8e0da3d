//! gzip on all cores: one member made of blocks compressed independently of each other.
//!
//! The input is cut every [`CHUNK`] bytes, whoever writes it in whatever pieces; each piece is
//! deflated by a fresh state without a dictionary, so its bytes depend on nothing else, and ends
//! on a byte border (full flush), so the results can be joined. Any gunzip reads the whole as one
//! stream. A state is never reset and used again: with a dictionary that leaks into the bytes.
//!
//! However many layers are compressed at once, the chunks under way are as many as keep the processors busy: that
//! bounds the memory ([`Permit`]).

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Large enough that the missing history costs under half a percent.
const CHUNK: usize = 1 << 20;

pub(super) struct ParallelGzip<W: Write> {
    sink: W,
    crc: Crc,
    chunk: Vec<u8>,
    /// Results in the order of the input.
    pending: VecDeque<(Receiver<Compressed>, Option<Permit>)>,
    /// `None` once the last chunk is handed out.
    jobs: Option<SyncSender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

type Compressed = io::Result<Vec<u8>>;

struct Job {
    chunk: Vec<u8>,
    last: bool,
    result: SyncSender<Compressed>,
}

impl<W: Write> ParallelGzip<W> {
    pub(super) fn new(sink: W, level: u32) -> io::Result<ParallelGzip<W>> {
        ParallelGzip::with_workers(sink, level, processors())
    }

    fn with_workers(mut sink: W, level: u32, count: usize) -> io::Result<ParallelGzip<W>> {
        let level = level.min(9);
        // No name, no time, no system; the byte before the last tells the effort, as gzip does.
        let effort = match level {
            9 => 2,
            1 => 4,
            _ => 0,
        };
        sink.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255])?;
        let (jobs, queue) = sync_channel::<Job>(count);
        let queue = Arc::new(Mutex::new(queue));
        let worker = || {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name("gzip".to_owned())
                .spawn(move || while let Some(()) = serve(&queue, level) {})
        };
        let workers = (0..count).map(|_| worker()).collect::<io::Result<Vec<_>>>()?;
        Ok(ParallelGzip {
            sink,
            crc: Crc::new(),
            chunk: Vec::new(),
            pending: VecDeque::new(),
            jobs: Some(jobs),
            workers,
        })
    }

    pub(super) fn get_mut(&mut self) -> &mut W {
        &mut self.sink
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.hand_out(true)?;
        self.jobs = None;
        while !self.pending.is_empty() {
            self.take_result()?;
        }
        for worker in self.workers {
            worker.join().map_err(|_| io::Error::other("a gzip thread panicked"))?;
        }
        self.sink.write_all(&self.crc.sum().to_le_bytes())?;
        self.sink.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.sink)
    }

    fn hand_out(&mut self, last: bool) -> io::Result<()> {
        let permit = loop {
            match Permit::take() {
                // Writing what is done gives one back.
                None if !self.pending.is_empty() => self.take_result()?,
                // One chunk needs none, so nobody ever waits for another writer.
                permit => break permit,
            }
        };
        let chunk = std::mem::take(&mut self.chunk);
        self.crc.update(&chunk);
        let (result, pending) = sync_channel(1);
        let job = Job { chunk, last, result };
        let gone = || io::Error::other("the gzip threads are gone");
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        self.pending.push_back((pending, permit));
        Ok(())
    }

    fn take_result(&mut self) -> io::Result<()> {
        let Some((result, _permit)) = self.pending.pop_front() else { return Ok(()) };
        let bytes = result.recv().map_err(|_| io::Error::other("a gzip thread panicked"))??;
        self.sink.write_all(&bytes)
    }
}

/// The right to have another chunk under way, from handing it out to writing its result. All writers of this process
/// share them.
#[derive(Debug)]
struct Permit;

static PERMITS_TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Permit {
    /// A few more than processors, so that none is idle while results are written.
    fn limit() -> usize {
        processors() + 4
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

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.hand_out(false)?;
        }
        let count = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Cuts no chunk: the bytes must not depend on when somebody flushes.
    fn flush(&mut self) -> io::Result<()> {
        self.get_mut().flush()
    }
}

/// One job. `None`: no more will come.
fn serve(queue: &Mutex<Receiver<Job>>, level: u32) -> Option<()> {
    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()?;
    // Nobody waits for the result when the writer was given up.
    let _ = job.result.send(deflate(&job.chunk, job.last, level));
    Some(())
}

fn deflate(chunk: &[u8], last: bool, level: u32) -> Compressed {
    let mut state = Compress::new(Compression::new(level), false);
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Full };
    let mut out = Vec::with_capacity(chunk.len() / 2 + 1024);
    loop {
        let taken = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
        let status = state.compress_vec(&chunk[taken..], &mut out, flush)?;
        let taken_all = state.total_in() == chunk.len() as u64;
        // A flush is complete only when it left room in the output.
        let done = if last { status == Status::StreamEnd } else { out.len() < out.capacity() };
        if taken_all && done {
            return Ok(out);
        }
        out.reserve(chunk.len() / 4 + 1024);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn check(input: &[u8]) {
        let compress = |step: usize, workers: usize| {
            let mut gzip = ParallelGzip::with_workers(Vec::new(), 6, workers).unwrap();
            for part in input.chunks(step) {
                gzip.write_all(part).unwrap();
                gzip.flush().unwrap();
            }
            gzip.finish().unwrap()
        };
        let bytes = compress(1 << 22, 1);
        assert!(bytes == compress(70_001, 1), "depends on the pieces");
        assert!(
            bytes == compress(1 << 22, 2) && bytes == compress(70_001, 8),
            "depends on threads"
        );
        let mut plain = Vec::new();
        // One member: the reader that stops after the first sees everything.
        flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut plain).unwrap();
        assert!(plain == input);
    }

    #[test]
    fn reads_back_as_one_member() {
        let mut noise = vec![0_u8; 3 * CHUNK + 5];
        let mut state = 1_u32;
        for byte in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        check(b"");
        check(b"short");
        check(&noise);
        check(&noise[..CHUNK]);
        check(&noise[..2 * CHUNK]);
        check(&b"the same line again and again\n".repeat(120_000));
    }

    #[test]
    fn many_writers_share_the_permits_and_all_end() {
        let input = b"the same line again and again\n".repeat(300_000);
        let compress = || {
            let mut gzip = ParallelGzip::new(Vec::new(), 1).unwrap();
            gzip.write_all(&input).unwrap();
            gzip.finish().unwrap()
        };
        let expected = compress();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3 * Permit::limit()).map(|_| scope.spawn(compress)).collect();
            writers.into_iter().for_each(|writer| assert!(writer.join().unwrap() == expected));
        });
    }

    #[test]
    fn an_abandoned_writer_ends_its_threads() {
        let mut gzip = ParallelGzip::new(Vec::new(), 6).unwrap();
        gzip.write_all(&vec![7; 3 * CHUNK]).unwrap();
        let workers = std::mem::take(&mut gzip.workers);
        drop(gzip);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}
