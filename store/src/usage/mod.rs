//! What takes how much space, and who uses it.
mod measure;

use std::collections::HashSet;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::select::MAX_NESTING;
use crate::lease::{self, Held};
use crate::open::Store;

pub use measure::{Measured, measure};

impl Store {
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
