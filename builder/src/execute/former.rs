//! [`FormerLayer`]: what a step made the last time, from which files are read that have not changed since.
//!
//! Of a tree with one changed file all others are in the layer that was made before it was changed, one behind the other:
//! reading them there spares opening each. What is read is checked like anything else that is read; a layer
//! that was damaged meanwhile is read no further ([`super::layer::write`]).

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read};
use std::iter::Peekable;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use store::layer::{Entries, Entry, EntryKind, LayerIndex, compare_paths, holes};
use store::{Descriptor, Digest, Store, media_type};

/// Read at a time. Files that are larger are read by themselves.
const PORTION: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct FormerLayer {
    digest: Digest,
    blob: Arc<File>,
    index: LayerIndex,
}

/// Going through a former layer.
pub(crate) struct FormerFiles<'a> {
    blob: &'a Arc<File>,
    entries: Peekable<Entries<'a>>,
    /// What of the blob was read last, and where it starts there.
    portion: Vec<u8>,
    start: u64,
}

impl FormerLayer {
    /// None unless the layer is there, as a plain archive.
    pub(crate) fn open(store: &Store, descriptor: &Descriptor, index: LayerIndex) -> Option<Self> {
        let plain = descriptor.media_type == media_type::LAYER_TAR;
        let blob = plain.then(|| store.open_blob(&descriptor.digest).ok())??;
        Some(FormerLayer { digest: descriptor.digest, blob: Arc::new(blob), index })
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(crate) fn files(&self) -> FormerFiles<'_> {
        let entries = self.index.iter().peekable();
        FormerFiles { blob: &self.blob, entries, portion: Vec::new(), start: 0 }
    }
}

impl FormerFiles<'_> {
    /// The bytes of a file that was there by this path with this content. To be asked in the order of a layer.
    pub(crate) fn find(&mut self, entry: &Entry) -> Option<Box<dyn Read + '_>> {
        let EntryKind::File { digest: Some(digest), size, .. } = entry.kind else { return None };
        let before = |former: &Entry| compare_paths(&former.path, &entry.path) == Ordering::Less;
        while self.entries.next_if(before).is_some() {}
        let former = self.entries.next_if(|former| former.path == entry.path)?;
        let EntryKind::File { digest: Some(known), size: length, offset: Some(offset) } =
            former.kind
        else {
            return None;
        };
        if (known, length) != (digest, size) {
            return None;
        }
        if size > PORTION as u64 {
            return Some(holes::slice(self.blob.clone(), offset, size));
        }
        let bytes = self.bytes(offset, usize::try_from(size).ok()?);
        // A damaged layer may be too short, or not be read at all.
        bytes.ok().map(|bytes| Box::new(bytes) as Box<dyn Read>)
    }

    fn bytes(&mut self, offset: u64, size: usize) -> io::Result<&[u8]> {
        let end = self.start + self.portion.len() as u64;
        if offset < self.start || offset + size as u64 > end {
            self.fill(offset)?;
        }
        let from = (offset - self.start) as usize;
        self.portion.get(from..from + size).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn fill(&mut self, offset: u64) -> io::Result<()> {
        self.start = offset;
        self.portion.resize(PORTION, 0);
        let mut filled = 0;
        while filled < PORTION {
            let at = offset + filled as u64;
            match self.blob.read_at(&mut self.portion[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.portion.clear();
                    return Err(error);
                }
            }
        }
        self.portion.truncate(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use store::layer::{ContentDigest, LayerWriter};

    use super::*;

    fn file(path: &str, content: &[u8]) -> Entry {
        let digest = Some(ContentDigest::of(content));
        let kind = EntryKind::File { size: content.len() as u64, digest, offset: None };
        Entry::new(path.as_bytes(), kind, 0o644)
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n / 7 % 251) as u8).collect()
    }

    #[test]
    fn files_are_found_by_path_and_content_in_the_order_of_a_layer() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("root"), &dir.path().join("state")).unwrap();
        let lengths = [("a", 5), ("b", 0), ("c", PORTION * 2 + 9), ("d", 1000), ("e", PORTION)];
        let mut writer = LayerWriter::new(store.blob_writer().unwrap());
        for (path, length) in lengths {
            let bytes = content(length);
            writer.append(&file(path, &bytes), Some(&mut &bytes[..])).unwrap();
        }
        let (blob, index) = writer.finish().unwrap();
        let info = blob.finish().unwrap();
        let descriptor = Descriptor::new(media_type::LAYER_TAR, info.digest, info.size);
        let former = FormerLayer::open(&store, &descriptor, index.clone()).unwrap();
        let mut files = former.files();
        for (path, length) in lengths {
            let bytes = content(length);
            let mut read = Vec::new();
            let found = files.find(&file(path, &bytes)).map(|mut file| file.read_to_end(&mut read));
            assert_eq!(found.unwrap().unwrap(), length);
            assert!(read == bytes, "{path}");
            assert!(files.find(&file(&format!("{path}-"), &bytes)).is_none());
        }
        let mut files = former.files();
        assert!(files.find(&file("a", b"other")).is_none());
        assert!(files.find(&file("a", &content(5))).is_none(), "it has been passed");
        assert!(files.find(&file("d", &content(1000))).is_some());

        // What is cut off is not there.
        let path = store.blob_path(&info.digest);
        let cut = File::options().write(true).open(path).unwrap();
        cut.set_len(PORTION as u64).unwrap();
        let former = FormerLayer::open(&store, &descriptor, index.clone()).unwrap();
        let mut files = former.files();
        assert!(files.find(&file("a", &content(5))).is_some());
        let mut large = files.find(&file("c", &content(PORTION * 2 + 9))).unwrap();
        assert!(large.read_to_end(&mut Vec::new()).is_err());
        drop(large);
        assert!(files.find(&file("d", &content(1000))).is_none());

        let packed = Descriptor::new(media_type::LAYER_TAR_GZIP, info.digest, info.size);
        assert!(FormerLayer::open(&store, &packed, index).is_none());
    }
}
