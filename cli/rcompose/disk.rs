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
fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
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
            "-" => bounded(io::stdin().lock()),
            path => bounded(File::open(path)?),
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
