//! Docker's json-file: a line of JSON for each line of output, in files that are rotated.
//!
//! A line longer than 16 KiB becomes several records; only the last ends with a newline. The newest file has the plain
//! name, older ones `.1`, `.2`….
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::clock;
use crate::containers::{LogDriver, LogSettings};

/// Docker's size of a piece of a long line.
const PIECE: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// The log of one container.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: Option<u64>,
    max_files: u32,
    attributes: BTreeMap<String, String>,
    /// Lines that have not ended yet.
    unfinished: [Vec<u8>; 2],
}

#[derive(Serialize)]
struct Record<'a> {
    log: &'a str,
    stream: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attrs: &'a BTreeMap<String, String>,
    time: &'a str,
}

impl Log {
    /// Goes on with a log that exists. None where nothing is to be kept.
    pub(super) fn open(path: &Path, settings: &LogSettings) -> io::Result<Option<Log>> {
        if settings.driver == LogDriver::None {
            return Ok(None);
        }
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let file = append(path)?;
        Ok(Some(Log {
            path: path.to_owned(),
            size: file.metadata()?.len(),
            file,
            max_size: settings.max_size,
            max_files: settings.max_files.max(1),
            attributes: settings.attributes.clone(),
            unfinished: [Vec::new(), Vec::new()],
        }))
    }

    /// Takes output as it comes.
    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut line = std::mem::take(&mut self.unfinished[stream as usize]);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut part = part;
            while !part.is_empty() {
                let room = PIECE - line.len();
                let (now, later) = part.split_at(part.len().min(room));
                line.extend_from_slice(now);
                part = later;
                if line.last() == Some(&b'\n') || line.len() == PIECE {
                    self.record(stream, &line)?;
                    line.clear();
                }
            }
        }
        self.unfinished[stream as usize] = line;
        Ok(())
    }

    /// Writes down what is left of a stream that has ended.
    pub(super) fn finish(&mut self, stream: Stream) -> io::Result<()> {
        let line = std::mem::take(&mut self.unfinished[stream as usize]);
        if line.is_empty() { Ok(()) } else { self.record(stream, &line) }
    }

    fn record(&mut self, stream: Stream, line: &[u8]) -> io::Result<()> {
        let record = Record {
            log: &String::from_utf8_lossy(line),
            stream: if stream == Stream::Stdout { "stdout" } else { "stderr" },
            attrs: &self.attributes,
            time: &clock::now(),
        };
        let mut text = serde_json::to_vec(&record)?;
        text.push(b'\n');
        if self.max_size.is_some_and(|most| self.size > 0 && self.size + text.len() as u64 > most) {
            self.rotate()?;
        }
        self.file.write_all(&text)?;
        self.size += text.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.max_files).rev() {
            let from = match number {
                1 => self.path.clone(),
                _ => numbered(&self.path, number - 1),
            };
            match fs::rename(from, numbered(&self.path, number)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
        }
        if self.max_files == 1 {
            self.file.set_len(0)?;
        } else {
            self.file = append(&self.path)?;
        }
        self.size = 0;
        Ok(())
    }
}

/// The files of a log, oldest first.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let older = (1..).map(|number| numbered(path, number)).take_while(|path| path.exists());
    let mut all: Vec<PathBuf> = older.collect();
    all.reverse();
    all.push(path.to_owned());
    all
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_size: Option<u64>, max_files: u32) -> LogSettings {
        LogSettings { max_size, max_files, ..LogSettings::default() }
    }

    fn records(path: &Path) -> Vec<(String, String)> {
        let text = fs::read_to_string(path).unwrap();
        let parsed = text.lines().map(serde_json::from_str::<serde_json::Value>);
        let field =
            |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
        parsed.map(|v| v.unwrap()).map(|v| (field(&v, "stream"), field(&v, "log"))).collect()
    }

    #[test]
    fn lines_are_records_however_they_come() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log/json.log");
        let mut log = Log::open(&path, &settings(None, 1)).unwrap().unwrap();
        for piece in ["a", "b\nc\n", "d"] {
            log.write(Stream::Stdout, piece.as_bytes()).unwrap();
            log.write(Stream::Stderr, b"x\n").unwrap();
        }
        log.finish(Stream::Stdout).unwrap();
        log.finish(Stream::Stderr).unwrap();
        let of = |wanted: &str| -> Vec<String> {
            let all = records(&path).into_iter();
            all.filter(|(stream, _)| stream == wanted).map(|(_, text)| text).collect()
        };
        assert_eq!(of("stdout"), ["ab\n", "c\n", "d"]);
        assert_eq!(of("stderr"), ["x\n", "x\n", "x\n"]);
    }

    #[test]
    fn long_lines_are_in_pieces() {
        let directory = tempfile::tempdir().unwrap();
        let lengths = |output: &str, step: usize| -> Vec<(usize, bool)> {
            let path = directory.path().join("log");
            let _none = fs::remove_file(&path);
            let mut log = Log::open(&path, &settings(None, 1)).unwrap().unwrap();
            for piece in output.as_bytes().chunks(step) {
                log.write(Stream::Stdout, piece).unwrap();
            }
            log.finish(Stream::Stdout).unwrap();
            let all = records(&path).into_iter();
            all.map(|(_, text)| (text.len(), text.ends_with('\n'))).collect()
        };
        for step in [7, 1000, 1 << 20] {
            let line = |length: usize| "x".repeat(length) + "\n";
            assert_eq!(lengths(&line(PIECE - 1), step), [(PIECE, true)], "{step}");
            assert_eq!(
                lengths(&line(3 * PIECE / 2), step),
                [(PIECE, false), (PIECE / 2 + 1, true)]
            );
        }
    }

    #[test]
    fn files_are_rotated_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Log::open(&path, &settings(Some(200), 3)).unwrap().unwrap();
        for number in 0..20 {
            log.write(Stream::Stdout, format!("line {number}\n").as_bytes()).unwrap();
        }
        let all = files(&path);
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|file| fs::metadata(file).unwrap().len() <= 200));
        let lines: Vec<String> =
            all.iter().flat_map(|file| records(file)).map(|(_, text)| text).collect();
        let last: Vec<String> = (20 - lines.len()..20).map(|n| format!("line {n}\n")).collect();
        assert_eq!(lines, last);
        // One file alone begins anew.
        let alone = directory.path().join("alone");
        let mut log = Log::open(&alone, &settings(Some(100), 1)).unwrap().unwrap();
        for _ in 0..10 {
            log.write(Stream::Stdout, b"line\n").unwrap();
        }
        assert_eq!((files(&alone).len(), records(&alone).len()), (1, 1));
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Log::open(&path, &settings(None, 1)).unwrap().unwrap();
        log.write(Stream::Stdout, b"a\xff\"\n").unwrap();
        assert_eq!(records(&path)[0].1, "a\u{fffd}\"\n");
    }
}
