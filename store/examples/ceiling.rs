//! How quickly this machine can make a compressed layer of a directory, if nothing but the work itself took time: reading
//! the files, SHA-256, deflate at the level that layers get, SHA-256 of what it gives. `bench/run build` prints it beside its rows.
//!
//!     ceiling DIRECTORY [LEVEL]
//!
//! First each part by itself on one processor, then all of them on all processors at once, which share the files and wait
//! for nothing. There is no tar, no order, no file that is written.
#![allow(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use store::layer::gzip::Gzip;

/// Compressed at a time, as layers are.
const PIECE: usize = 1 << 20;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = arguments.next().ok_or("the directory is missing")?;
    let level = arguments.next().map_or(Ok(1), |text| text.to_string_lossy().parse())?;
    let mut files = Vec::new();
    list(Path::new(&directory), &mut files)?;
    let parts = one_after_the_other(&files, level)?;
    let (began, threads) = (Instant::now(), std::thread::available_parallelism()?.get());
    at_once(&files, level, threads)?;
    let whole = began.elapsed().as_secs_f64();
    let [reading, plain, deflate, packed] = parts.times.map(|time| time.as_secs_f64());
    let (from, to) = (parts.read as f64 / 1e6, parts.packed as f64 / 1e6);
    println!(
        "{whole:.3} s on {threads} processors; one alone: reading {reading:.3} s, sha256 {plain:.3} s, \
         deflate {deflate:.3} s, sha256 again {packed:.3} s; {from:.0} MB become {to:.0} MB"
    );
    Ok(())
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        match entry.file_type()? {
            kind if kind.is_dir() => list(&entry.path(), files)?,
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}

/// What one processor does, and how long it takes for each part.
struct Worker {
    codec: Gzip,
    plain: Sha256,
    packed: Sha256,
    piece: Vec<u8>,
    out: Vec<u8>,
    done: Parts,
}

#[derive(Default)]
struct Parts {
    times: [Duration; 4],
    read: u64,
    packed: u64,
}

impl Worker {
    fn new(level: u32) -> Result<Worker, Failure> {
        let (codec, plain, packed) = (Gzip::new(level)?, Sha256::new(), Sha256::new());
        let (piece, out) = (Vec::with_capacity(PIECE), Vec::new());
        Ok(Worker { codec, plain, packed, piece, out, done: Parts::default() })
    }

    /// Small files share pieces.
    fn take(&mut self, path: &Path) -> Result<(), Failure> {
        let began = Instant::now();
        let mut file = File::open(path)?;
        self.done.times[0] += began.elapsed();
        loop {
            let (began, had) = (Instant::now(), self.piece.len());
            let room = (PIECE - had) as u64;
            let count = file.by_ref().take(room).read_to_end(&mut self.piece)?;
            self.done.times[0] += began.elapsed();
            self.done.read += count as u64;
            if self.piece.len() < PIECE {
                return Ok(());
            }
            self.pack()?;
        }
    }

    fn pack(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        self.plain.update(&self.piece);
        let hashed = Instant::now();
        let length = self.codec.compress(&self.piece, &mut self.out)?;
        let deflated = Instant::now();
        self.packed.update(&self.out[..length]);
        let times = [hashed - began, deflated - hashed, deflated.elapsed()];
        self.done.times[1..].iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
        self.done.packed += length as u64;
        self.piece.clear();
        Ok(())
    }
}

fn one_after_the_other(files: &[PathBuf], level: u32) -> Result<Parts, Failure> {
    let mut worker = Worker::new(level)?;
    files.iter().try_for_each(|path| worker.take(path))?;
    worker.pack()?;
    Ok(worker.done)
}

/// Large files are cut by nobody, so they are given out first: all end at about the same time.
fn at_once(files: &[PathBuf], level: u32, threads: usize) -> Result<(), Failure> {
    let sized = files.iter().map(|path| Ok((fs::metadata(path)?.len(), path)));
    let mut sized = sized.collect::<Result<Vec<_>, std::io::Error>>()?;
    sized.sort_by_key(|(size, _)| *size);
    let left = Mutex::new(sized);
    let next = || left.lock().ok().and_then(|mut left| left.pop());
    let work = || {
        let mut worker = Worker::new(level)?;
        while let Some((_, path)) = next() {
            worker.take(path)?;
        }
        worker.pack()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?)
    })
}
