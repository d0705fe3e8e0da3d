//! When images were last used, for those who remove what nobody needs: the time of the file of the configuration, whose
//! digest is the image's ID. Blobs never change, so nothing else needs that time.

use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Image;
use crate::descriptor::Descriptor;
use crate::open::Store;

impl Store {
    /// The image is used now. That this cannot be noted is nothing to fail for.
    pub fn mark_used(&self, image: &Image) {
        let marked = File::options().write(true).open(self.blob_path(&image.id()));
        let _not_noted = marked.and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// What has a name from now on is used as well.
    pub(crate) fn mark_listed(&self, manifest: &Descriptor) {
        // Whoever wants to use one that cannot be read is told so then.
        if let Ok(image) = self.load_listed(manifest) {
            self.mark_used(&image);
        }
    }

    /// When it was last run, built from, built, loaded or given a name; long ago if nothing is known.
    pub fn last_used(&self, image: &Image) -> SystemTime {
        let file = self.blob_path(&image.id()).metadata();
        file.and_then(|file| file.modified()).unwrap_or(UNIX_EPOCH)
    }
}
