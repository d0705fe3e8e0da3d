//! What a server said about a file the last time. It lies beside the file indexes of contexts, and goes when they go:
//! losing it costs a download.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use store::{Store, StoreError};

/// A file on a server, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub etag: Option<String>,
    /// Last-Modified, in seconds since 1970.
    pub modified: Option<i64>,
    pub size: u64,
    /// BLAKE3 of the content.
    pub digest: [u8; 32],
}

impl Known {
    /// None if nothing is remembered, or nothing that helps.
    pub(crate) fn load(url: &str, store: &Store) -> Result<Option<Known>, StoreError> {
        let Ok(text) = std::fs::read(path(url, store)?) else { return Ok(None) };
        let known: Option<Known> = serde_json::from_slice(&text).ok();
        Ok(known.filter(|known| known.etag.is_some()))
    }

    /// Failures are not reported: they cost time only.
    pub(crate) fn save(&self, url: &str, store: &Store) -> Result<(), StoreError> {
        let (path, temp) = (path(url, store)?, store.temp_path()?);
        let text = serde_json::to_vec(self).unwrap_or_default();
        if std::fs::write(&temp, text).and_then(|()| std::fs::rename(&temp, path)).is_err() {
            let _ = std::fs::remove_file(temp);
        }
        Ok(())
    }
}

fn path(url: &str, store: &Store) -> Result<PathBuf, StoreError> {
    let name = blake3::hash(format!("url {url}").as_bytes()).to_hex();
    Ok(store.directory("cache/files")?.join(name.as_str()))
}
