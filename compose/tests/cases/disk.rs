//! The file system, for loads of recorded files.

use std::fs;
use std::io;
use std::path::PathBuf;

use compose::load::Files;

/// Relative paths start at the directory that the recorded test ran in.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) directory: PathBuf,
}

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.directory.join(path))
    }

    fn is_file(&self, path: &str) -> bool {
        self.directory.join(path).is_file()
    }
}
