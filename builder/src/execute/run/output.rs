//! The output of a process: handed on in whole lines, its end kept for the error.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Mutex, PoisonError};

use crate::progress::LogStream;

/// A line longer than this is handed on in pieces.
const LONGEST: usize = 64 << 10;
/// Read at a time.
const PORTION: usize = 16 << 10;
/// What an error shows of the output.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 16 << 10;

/// Passes lines on and remembers the last ones of both streams together.
pub(super) struct Output<'a> {
    log: &'a (dyn Fn(LogStream, Vec<u8>) + Sync),
    tail: Mutex<VecDeque<Vec<u8>>>,
}

impl<'a> Output<'a> {
    pub(super) fn new(log: &'a (dyn Fn(LogStream, Vec<u8>) + Sync)) -> Output<'a> {
        Output { log, tail: Mutex::default() }
    }

    /// Reads `pipe` to its end.
    pub(super) fn pump(&self, stream: LogStream, pipe: impl Read) -> io::Result<()> {
        whole_lines(pipe, |lines| {
            (self.log)(stream, lines.to_vec());
            self.remember(lines);
        })
    }

    fn remember(&self, lines: &[u8]) {
        // What is further from the end cannot be shown, in however short lines it is.
        let shown = &lines[lines.len().saturating_sub(TAIL_BYTES)..];
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        for line in shown.split_inclusive(|&byte| byte == b'\n') {
            tail.push_back(line.to_vec());
            if tail.len() > TAIL_LINES {
                tail.pop_front();
            }
        }
    }

    /// The last lines, as many as an error can show.
    pub(super) fn into_tail(self) -> Vec<u8> {
        let lines = self.tail.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut room = TAIL_BYTES;
        let fitting = lines.iter().rev().take_while(|line| {
            let fits = line.len() <= room;
            room = room.saturating_sub(line.len());
            fits
        });
        let first = lines.len() - fitting.count();
        lines.into_iter().skip(first).flatten().collect()
    }
}

/// As many whole lines as there are at a time, each with its newline; the last may have none.
fn whole_lines(pipe: impl Read, mut hand_on: impl FnMut(&[u8])) -> io::Result<()> {
    // Touches no more memory than is read.
    let mut pipe = BufReader::with_capacity(PORTION, pipe);
    let mut pending = Vec::new();
    loop {
        let read = match pipe.fill_buf() {
            Ok([]) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let whole = read.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        pending.extend_from_slice(&read[..whole]);
        if whole > 0 {
            hand_on(&pending);
            pending.clear();
        }
        pending.extend_from_slice(&read[whole..]);
        let count = read.len();
        pipe.consume(count);
        if pending.len() >= LONGEST {
            hand_on(&pending);
            pending.clear();
        }
    }
    if !pending.is_empty() {
        hand_on(&pending);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one of the pieces at each read.
    struct Pieces(VecDeque<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.pop_front() else { return Ok(0) };
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn lines_are_whole_and_the_last_needs_no_newline() {
        let pieces = Pieces([&b"one\ntwo\nth"[..], b"r", b"ee\n\nrest"].into());
        let mut found = Vec::new();
        whole_lines(pieces, |lines| found.push(lines.to_vec())).unwrap();
        assert_eq!(found, [&b"one\ntwo\n"[..], b"three\n\n", b"rest"]);
    }

    #[test]
    fn endless_lines_come_in_pieces() {
        let mut lengths = Vec::new();
        whole_lines(io::repeat(b'x').take(150 << 10), |line| lengths.push(line.len())).unwrap();
        assert_eq!(lengths, [64 << 10, 64 << 10, 22 << 10]);
    }

    #[test]
    fn the_tail_is_bounded_in_lines_and_bytes() {
        let ignore = |_: LogStream, _: Vec<u8>| {};
        let output = Output::new(&ignore);
        let text: String = (0..30).map(|number| format!("{number}\n")).collect();
        output.pump(LogStream::Stdout, text.as_bytes()).unwrap();
        let tail = String::from_utf8(output.into_tail()).unwrap();
        assert!(tail.starts_with("10\n") && tail.ends_with("29\n"), "{tail}");
        let output = Output::new(&ignore);
        output.pump(LogStream::Stderr, io::repeat(b'x').take(1 << 20)).unwrap();
        assert_eq!(output.into_tail().len(), TAIL_BYTES);
    }
}
