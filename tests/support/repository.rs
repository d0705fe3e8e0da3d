//! The files of this repository, as the tidiness tests see them.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout the tests were compiled from.
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    pub(crate) fn here() -> Repository {
        Repository { root: PathBuf::from(env!("CARGO_MANIFEST_DIR")) }
    }

    /// Every `.rs` file with its path relative to the root and its text.
    pub(crate) fn rust_files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        collect(&self.root, &self.root, &mut files);
        files.sort();
        files
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.root.join(path);
        fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(root, &path, files);
        } else if name.ends_with(".rs") {
            let relative = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.push((relative, fs::read_to_string(&path).unwrap()));
        }
    }
}
