//! Lists that are not pushed yet: a file for each in `manifests/`. No images are held for them: what was removed from
//! the store by the time of pushing is fetched again, or said to be missing.
use std::fs;
use std::io;
use std::path::PathBuf;

use super::List;
use crate::digest::Digest;
use crate::error::{Result, StoreError, io_error};
use crate::open::Store;
use crate::reference::Reference;

const DIRECTORY: &str = "manifests";

impl Store {
    pub fn manifest_list(&self, name: &Reference) -> Result<Option<List>> {
        let path = self.list_path(name)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let parsed = serde_json::from_slice(&bytes).map(Some);
        parsed.map_err(|source| StoreError::Document { what: "list of manifests", path, source })
    }

    pub fn put_manifest_list(&self, list: &List) -> Result<()> {
        let bytes = serde_json::to_vec(list).expect("maps with string keys always serialise");
        self.replace_file_durably(&self.list_path(&list.name)?, &bytes)
    }

    /// False if there is none.
    pub fn remove_manifest_list(&self, name: &Reference) -> Result<bool> {
        let path = self.list_path(name)?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("remove", &path)(error)),
        }
    }

    /// A name may have any length and characters that are none in names of files.
    fn list_path(&self, name: &Reference) -> Result<PathBuf> {
        let file = format!("{}.json", Digest::of(name.to_string().as_bytes()).hex());
        Ok(self.directory(DIRECTORY)?.join(file))
    }
}
