//! What each image takes, and who uses it.
use std::collections::HashSet;

use crate::error::Result;
use crate::image::ImageSummary;
use crate::image::select::MAX_NESTING;
use crate::lease::Held;
use crate::open::Store;

/// An image and what it is made of.
#[derive(Clone, Debug)]
pub struct ImageUsage {
    pub image: ImageSummary,
    /// Blobs and snapshots, of all platforms and all forms of its layers that are listed.
    pub things: HashSet<Held>,
    /// Named leases that hold it: containers.
    pub containers: usize,
}

impl Store {
    /// Every image of [`Store::images`], in its order.
    pub fn image_usage(&self) -> Result<Vec<ImageUsage>> {
        let leases = self.kept()?;
        let entries = self.read_index()?.manifests;
        let entries: Vec<_> =
            entries.into_iter().map(|entry| (self.id_for_report(&entry), entry)).collect();
        let mut usage = Vec::new();
        for image in self.images()? {
            let (mut things, mut manifests) = (HashSet::new(), HashSet::new());
            for (_, entry) in entries.iter().filter(|(id, _)| *id == image.id) {
                things.extend(self.led_to(entry, MAX_NESTING)?);
                manifests.extend(self.manifests_of(entry));
            }
            let of_image = |(_, held): &&(String, Vec<Held>)| {
                held.iter().any(|thing| manifests.contains(thing))
            };
            let containers = leases.iter().filter(of_image).count();
            usage.push(ImageUsage { image, things, containers });
        }
        Ok(usage)
    }
}
