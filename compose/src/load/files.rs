//! How the loader reads files: through an interface, so that tests need none.

use std::io;

/// What the loader asks of the file system. Paths are absolute.
pub trait Files {
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    fn is_file(&self, path: &str) -> bool {
        self.read(path).is_ok()
    }

    fn is_dir(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// The path with symbolic links followed, as far as it exists.
    fn follow_links(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// No file exists.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}
