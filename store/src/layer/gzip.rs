//! gzip on all cores: one member made of blocks compressed independently of each other.
//!
//! The input is cut every [`CHUNK`] bytes, whoever writes it in whatever pieces; each piece is
//! deflated by a fresh state without a dictionary, so its bytes depend on nothing else, and ends
//! on a byte border (full flush), so the results can be joined. Any gunzip reads the whole as one
//! stream. A state is never reset and used again: with a dictionary that leaks into the bytes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Large enough that the missing history costs under half a percent.
const CHUNK: usize = 1 << 20;

pub(super) struct ParallelGzip<W: Write> {
    sink: W,
    crc: Crc,
    chunk: Vec<u8>,
    /// Results in the order of the input.
    pending: VecDeque<Receiver<Compressed>>,
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
    pub(super) fn new(mut sink: W, level: u32) -> io::Result<ParallelGzip<W>> {
        let level = level.min(9);
        // No name, no time, no system; the byte before the last tells the effort, as gzip does.
        let effort = match level {
            9 => 2,
            1 => 4,
            _ => 0,
        };
        sink.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255])?;
        let count = std::thread::available_parallelism().map_or(1, |count| count.get()).min(16);
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
        // What waits for its turn is bounded, and so is the memory.
        while self.pending.len() > 2 * self.workers.len() {
            self.take_result()?;
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.crc.update(&chunk);
        let (result, pending) = sync_channel(1);
        let job = Job { chunk, last, result };
        let gone = || io::Error::other("the gzip threads are gone");
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        self.pending.push_back(pending);
        Ok(())
    }

    fn take_result(&mut self) -> io::Result<()> {
        let Some(result) = self.pending.pop_front() else { return Ok(()) };
        let bytes = result.recv().map_err(|_| io::Error::other("a gzip thread panicked"))??;
        self.sink.write_all(&bytes)
    }
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
        let compress = |step: usize| {
            let mut gzip = ParallelGzip::new(Vec::new(), 6).unwrap();
            for part in input.chunks(step) {
                gzip.write_all(part).unwrap();
                gzip.flush().unwrap();
            }
            gzip.finish().unwrap()
        };
        let bytes = compress(1 << 22);
        assert!(bytes == compress(70_001), "depends on the pieces");
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
    fn an_abandoned_writer_ends_its_threads() {
        let mut gzip = ParallelGzip::new(Vec::new(), 6).unwrap();
        gzip.write_all(&vec![7; 3 * CHUNK]).unwrap();
        let workers = std::mem::take(&mut gzip.workers);
        drop(gzip);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }
}
