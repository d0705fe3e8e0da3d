//! `damaged/<n>/`: an OCI image layout of what was damaged, for the user to look at or to throw away.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, io_error};
use crate::manifest::Index;
use crate::open::{OCI_LAYOUT, Store};

/// Made when the first thing goes there.
#[derive(Debug)]
pub(super) struct Aside {
    store: Store,
    dir: Option<PathBuf>,
}

impl Aside {
    pub(super) fn new(store: Store) -> Aside {
        Aside { store, dir: None }
    }

    /// Moves a file or directory there.
    pub(super) fn take(&mut self, path: &Path) -> Result<PathBuf> {
        let dir = self.dir()?;
        let name = path.file_name().unwrap_or_default();
        let blobs = path.starts_with(self.store.sub("images/blobs"));
        let to = if blobs { dir.join("blobs/sha256").join(name) } else { dir.join(name) };
        match fs::rename(path, &to) {
            // Mended already, or collected meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(to),
            moved => moved.map(|()| to).map_err(io_error("set aside", path)),
        }
    }

    /// Copies a file there that stays in use until it is replaced.
    pub(super) fn keep_copy(&mut self, path: &Path) -> Result<PathBuf> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".damaged");
        let to = self.dir()?.join(name);
        fs::copy(path, &to).map_err(io_error("set aside", path))?;
        Ok(to)
    }

    /// Adds entries of the image list and what there is of the blobs they lead to.
    pub(super) fn add(&mut self, entries: &[Descriptor], blobs: &[Digest]) -> Result<PathBuf> {
        let dir = self.dir()?;
        for blob in blobs {
            let (from, to) =
                (self.store.blob_path(blob), dir.join("blobs/sha256").join(blob.hex()));
            match fs::hard_link(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                linked => linked.map_err(io_error("set aside", &from))?,
            }
        }
        let path = dir.join("index.json");
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        let mut index = serde_json::from_slice(&bytes).unwrap_or_else(|_| Index::new(Vec::new()));
        index.manifests.extend(entries.iter().cloned());
        self.store.replace_file_durably(&path, &index.to_bytes())?;
        Ok(dir)
    }

    fn dir(&mut self) -> Result<PathBuf> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        let parent = self.store.directory("damaged")?;
        let mut number = 1;
        let dir = loop {
            let dir = parent.join(number.to_string());
            match fs::create_dir(&dir) {
                Ok(()) => break dir,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(io_error("create the directory", &dir)(error)),
            }
        };
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(io_error("create the directory", &blobs))?;
        let empty = Index::new(Vec::new()).to_bytes();
        self.store.replace_file_durably(&dir.join("oci-layout"), OCI_LAYOUT.as_bytes())?;
        self.store.replace_file_durably(&dir.join("index.json"), &empty)?;
        Ok(self.dir.insert(dir).clone())
    }
}
