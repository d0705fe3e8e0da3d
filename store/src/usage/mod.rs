//! What takes how much space, and who uses it.
mod images;
mod measure;

use std::collections::HashSet;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, io_error};
use crate::image::select::MAX_NESTING;
use crate::lease::{self, Held};
use crate::open::Store;

pub use images::ImageUsage;
pub use measure::{Measured, measure};

/// The file system that the store is on, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    pub size: u64,
    pub used: u64,
    /// For us; some may be kept for root.
    pub free: u64,
}

impl Store {
    pub fn disk(&self) -> Result<Disk> {
        let found = rustix::fs::statvfs(self.root());
        let found = found.map_err(|errno| io_error("look at", self.root())(errno.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        Ok(Disk { size: bytes(found.f_blocks), used: bytes(used), free: bytes(found.f_bavail) })
    }

    /// Everything that living processes and named leases hold.
    pub fn held(&self) -> Result<HashSet<Held>> {
        lease::all_held(&self.sub("leases"), None)
    }

    /// As [`Store::held`], without what this handle holds itself.
    pub fn held_by_others(&self) -> Result<HashSet<Held>> {
        let session = self.session()?;
        lease::all_held(&self.sub("leases"), Some(session.owner()))
    }

    /// The manifest of each entry of the image list, and the blobs and snapshots it leads to.
    pub fn image_contents(&self) -> Result<Vec<(Digest, HashSet<Held>)>> {
        let entries = self.read_index()?.manifests;
        let contents = |entry: Descriptor| Ok((entry.digest, self.led_to(&entry, MAX_NESTING)?));
        entries.into_iter().map(contents).collect()
    }

    /// What a blob or a snapshot takes on the disk; nothing if it is gone.
    pub fn size_of(&self, held: &Held) -> Result<Measured> {
        measure(&match held {
            Held::Blob(digest) => self.blob_path(digest),
            Held::Snapshot(id) => self.snapshot_path(id),
        })
    }
}
