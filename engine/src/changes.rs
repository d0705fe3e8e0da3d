//! What a container has changed of its image: read from its writable layer, whatever the size of the image.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::containers::Container;
use runtime::{MountSource, Rootfs};
use store::id_map::IdMap;
use store::layer::{Entry, EntryKind, LayerIndex, Stamps, changes as compare, scan};
use store::tree::{Tree, TreeContent, TreeLayer};
use store::{Image, Store};
use sys::RootDir;

use crate::{EngineError, Result};

/// A container's writable layer.
#[derive(Debug)]
pub struct Changes {
    pub image: Image,
    /// What the image has.
    pub below: Tree,
    /// What the container changes of that, with the marks of what it has deleted.
    pub index: LayerIndex,
    /// Where the files of the layer are.
    pub dir: Arc<RootDir>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    Modified,
    Added,
    Deleted,
}

impl ChangeKind {
    /// Docker's letter.
    pub fn letter(self) -> char {
        match self {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        }
    }
}

/// The writable layer of a container, without the places that were only made to mount on.
pub fn changes_of(store: &Store, container: &Container) -> Result<Changes> {
    let definition = &container.definition;
    let image = store.resolve(&definition.image.id)?;
    let below = store.tree(&image)?;
    let rootfs = definition.spec_below(store.root()).rootfs;
    let (path, is_layer) = match &rootfs {
        Rootfs::Overlay { upper: Some(upper), .. } => (upper.clone(), true),
        Rootfs::Directory { path, .. } => (path.clone(), false),
        Rootfs::Overlay { upper: None, .. } => {
            return Err(EngineError::ReadOnly { id: container.short_id().to_owned() });
        }
    };
    let failed = |source| EngineError::Changes { id: container.short_id().to_owned(), source };
    let open = |source| EngineError::Open { path: path.clone(), source };
    let dir = RootDir::open(&path).map_err(open)?;
    let index = match is_layer {
        true => scan(&dir, &below, IdMap::Identity),
        false => compare(&dir, &below, &Stamps::default(), IdMap::Identity),
    };
    let index = index.map_err(failed)?;
    let index = match container.state.status.is_alive() {
        // Those of a container that has ended are gone already.
        true => without_mount_points(index, &below, &mount_points(container)),
        false => index,
    };
    Ok(Changes { image, below, index, dir: Arc::new(dir) })
}

impl Changes {
    /// Every path that is not as it is in the image, in the order of the paths.
    pub fn list(&self) -> Result<Vec<(ChangeKind, PathBuf)>> {
        let mut list = Vec::new();
        for entry in self.index.iter().filter(|entry| !entry.path.is_empty()) {
            let path = Path::new("/").join(entry.as_path());
            let was_there = self.below.lookup(&path).is_some();
            let kind = match entry.kind {
                EntryKind::Whiteout => ChangeKind::Deleted,
                _ if was_there => ChangeKind::Modified,
                _ => ChangeKind::Added,
            };
            if entry.is_opaque() && was_there {
                self.list_hidden(&path, &mut list)?;
            }
            list.push((kind, path));
        }
        list.sort_by(|a, b| a.1.cmp(&b.1));
        Ok(list)
    }

    /// What the image has in a directory that was removed and made again.
    fn list_hidden(&self, path: &Path, list: &mut Vec<(ChangeKind, PathBuf)>) -> Result<()> {
        for (name, _) in self.below.read_dir(path)? {
            let child = path.join(name);
            let relative = child.strip_prefix("/").unwrap_or(&child);
            let own = self.index.get(relative.as_os_str().as_encoded_bytes());
            if own.is_none() {
                list.push((ChangeKind::Deleted, child));
            }
        }
        Ok(())
    }

    /// All files of the container, without what is mounted in it.
    pub fn tree(&self) -> Tree {
        let content = TreeContent::Dir(self.dir.clone());
        self.below.with_layer(TreeLayer::new(Arc::new(self.index.clone()), content))
    }
}

/// Where something is mounted in it.
fn mount_points(container: &Container) -> Vec<PathBuf> {
    let spec = &container.definition.spec;
    let etc = ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"].map(PathBuf::from);
    let own = |source: &MountSource| matches!(source, MountSource::Own);
    let mounts = spec.mounts.iter().filter(|mount| !own(&mount.source));
    let base = ["/proc", "/sys", "/dev"].map(PathBuf::from);
    mounts.map(|mount| mount.target.clone()).chain(etc).chain(base).collect()
}

/// Leaves out empty files and directories that something is mounted on, and directories that only lead there: while the
/// container runs they cannot be told from what the container itself has made, but for being empty.
fn without_mount_points(index: LayerIndex, below: &Tree, points: &[PathBuf]) -> LayerIndex {
    let bytes = |path: &Path| {
        path.strip_prefix("/").unwrap_or(path).as_os_str().as_encoded_bytes().to_vec()
    };
    let mut candidates: HashSet<Vec<u8>> = HashSet::new();
    for point in points {
        candidates.extend(point.ancestors().map(bytes).filter(|path| !path.is_empty()));
    }
    let points: HashSet<Vec<u8>> = points.iter().map(|point| bytes(point)).collect();
    let mut left: Vec<Entry> = Vec::new();
    // From the last to the first: what is in a directory is decided about before it is.
    for entry in index.into_entries().into_iter().rev() {
        let leads_nowhere = || {
            let inside = [entry.path.as_slice(), b"/"].concat();
            left.iter().all(|other| !other.path.starts_with(&inside))
        };
        let was = below.lookup(entry.as_path()).map(|found| found.entry);
        let is_stub = candidates.contains(&entry.path)
            && match &entry.kind {
                EntryKind::File { size: 0, .. } => points.contains(&entry.path) && was.is_none(),
                EntryKind::Dir { opaque: false } => {
                    leads_nowhere() && was.as_ref().is_none_or(|was| only_touched(&entry, was))
                }
                _ => false,
            };
        if !is_stub {
            left.push(entry);
        }
    }
    left.reverse();
    LayerIndex::new(left)
}

/// The same but for its time.
fn only_touched(now: &Entry, was: &Entry) -> bool {
    was.is_dir()
        && (now.mode, now.uid, now.gid) == (was.mode, was.uid, was.gid)
        && now.xattrs == was.xattrs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(path: &str) -> Entry {
        Entry::default_dir(path)
    }

    fn file(path: &str, size: u64) -> Entry {
        Entry::new(path, EntryKind::File { size, digest: None, offset: None }, 0o644)
    }

    #[test]
    fn places_to_mount_on_are_no_changes() {
        let lower = LayerIndex::new(vec![dir("etc"), dir("srv")]);
        let layer = TreeLayer::new(Arc::new(lower), TreeContent::Unavailable);
        let below = Tree::new(vec![layer]);
        let upper = LayerIndex::new(vec![
            dir("a"),
            dir("a/b"),
            dir("data"),
            file("data/own", 1),
            dir("etc"),
            file("etc/hosts", 0),
            dir("made"),
            dir("srv"),
            file("srv/x", 3),
        ]);
        let points: Vec<PathBuf> =
            ["/a/b", "/data", "/etc/hosts", "/srv/x"].map(PathBuf::from).to_vec();
        let index = without_mount_points(upper, &below, &points);
        let left: Vec<String> =
            index.iter().map(|entry| entry.as_path().display().to_string()).collect();
        assert_eq!(left, ["data", "data/own", "made", "srv", "srv/x"]);
    }
}
