//! The file system as the loader sees it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use compose::load::Files;
use compose::yaml::MAX_BYTES;

/// The real one; `-` is standard input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

/// A device or a pipe may have no end.
fn bounded(source: impl Read, expected: u64) -> io::Result<Vec<u8>> {
    // One more, to see the end without another, larger buffer.
    let mut bytes = Vec::with_capacity(expected.min(MAX_BYTES as u64) as usize + 1);
    source.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        let text = format!("it has more than {} MiB", MAX_BYTES >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match path {
            "-" => bounded(io::stdin().lock(), 0),
            path => {
                let file = File::open(path)?;
                let expected = file.metadata().map_or(0, |it| it.len());
                bounded(file, expected)
            }
        }
    }

    fn is_file(&self, path: &str) -> bool {
        Path::new(path).is_file()
    }

    fn is_dir(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn follow_links(&self, path: &str) -> String {
        match fs::canonicalize(path) {
            Ok(real) => real.to_string_lossy().into_owned(),
            Err(_) => path.to_owned(),
        }
    }
}
