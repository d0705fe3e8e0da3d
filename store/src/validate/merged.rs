//! Merged snapshots: each is what its parts make of each other, laid over one another once more here.
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sys::RootDir;
use sys::root_dir::{FileKind, Metadata};

use super::Report;
use super::snapshots::Check;
use crate::error::{Result, sys_error};
use crate::layer::entry::Xattrs;
use crate::layer::{ContentDigest, xattr};
use crate::open::Store;
use crate::snapshot::SnapshotId;

/// Where the merged snapshot has each path from: the number of the part, and what is there.
type Expected = BTreeMap<PathBuf, (usize, Metadata)>;

impl Store {
    /// Of records that lead to a snapshot and whose parts are all there: the others are nobody's any more.
    pub(super) fn check_merged(&self, report: &mut Report) -> Result<()> {
        for name in self.file_names("snapshots/merged")? {
            let ids = self.read_ids(&self.sub("snapshots/merged").join(name))?;
            let [id, parts @ ..] = ids.as_slice() else { continue };
            if ids.iter().all(|id| self.has_snapshot(id)) {
                self.check_one_merged(id, parts, report)?;
            }
        }
        Ok(())
    }

    fn check_one_merged(
        &self,
        id: &SnapshotId,
        parts: &[SnapshotId],
        report: &mut Report,
    ) -> Result<()> {
        let open = |id| RootDir::open(self.snapshot_path(id));
        let dirs: Vec<RootDir> = parts
            .iter()
            .map(open)
            .collect::<std::result::Result<_, _>>()
            .map_err(sys_error("open the snapshot"))?;
        let mut expected = Expected::new();
        for (number, dir) in dirs.iter().enumerate() {
            lay_over(&mut expected, number, dir)?;
        }
        let dir = open(id).map_err(sys_error("open the snapshot"))?;
        let object = format!("merged snapshot {id}");
        let mut check = Check { object, id, dir: &dir, report };
        check.walk(&mut |path, _| {
            let Some((number, metadata)) = expected.remove(path) else {
                return Some("is in none of its parts");
            };
            let same = is_as_in(&dirs[number], &metadata, &dir, path).unwrap_or(false);
            (!same).then_some("is not as in its parts")
        })?;
        for path in expected.keys() {
            check.note(path, Some("is missing"));
        }
        Ok(())
    }
}

/// One more part, as overlayfs shows it above the others.
fn lay_over(expected: &mut Expected, number: usize, dir: &RootDir) -> Result<()> {
    let failed = || sys_error("look through the snapshot");
    let mut pending = vec![PathBuf::new()];
    while let Some(parent) = pending.pop() {
        for child in dir.read_dir(&parent).map_err(failed())? {
            let path = parent.join(&child.name);
            let metadata = dir.metadata(&path).map_err(failed())?;
            let is_dir = metadata.kind == FileKind::Dir;
            let opaque = is_dir && xattr::is_overlay_opaque(&dir.xattrs(&path).map_err(failed())?);
            let below = expected.get(&path).is_some_and(|(_, below)| below.kind == FileKind::Dir);
            if !is_dir || opaque || !below {
                remove(expected, &path);
            }
            if !metadata.is_overlay_whiteout() {
                expected.insert(path.clone(), (number, metadata));
            }
            if is_dir {
                pending.push(path);
            }
        }
    }
    Ok(())
}

/// With all that is below it.
fn remove(expected: &mut Expected, path: &Path) {
    let below = expected.range(path.to_owned()..).map(|(path, _)| path);
    let gone: Vec<PathBuf> = below.take_while(|other| other.starts_with(path)).cloned().collect();
    for path in gone {
        expected.remove(&path);
    }
}

/// A hard link to the part's file is that file; what could not be linked is a copy of it.
fn is_as_in(part: &RootDir, expected: &Metadata, dir: &RootDir, path: &Path) -> io::Result<bool> {
    let found = dir.metadata(path)?;
    if (found.dev, found.ino) == (expected.dev, expected.ino) {
        return Ok(true);
    }
    let facts = |it: &Metadata| (it.kind, it.mode, it.uid, it.gid, it.rdev);
    if facts(&found) != facts(expected) || images_xattrs(dir, path)? != images_xattrs(part, path)? {
        return Ok(false);
    }
    Ok(match found.kind {
        FileKind::File => {
            let digest = |dir: &RootDir| ContentDigest::of_reader(dir.open_file_nofollow(path)?);
            found.size == expected.size && digest(dir)? == digest(part)?
        }
        FileKind::Symlink => dir.read_link(path)? == part.read_link(path)?,
        _ => true,
    })
}

fn images_xattrs(dir: &RootDir, path: &Path) -> io::Result<Xattrs> {
    let found = dir.xattrs(path)?.into_iter();
    Ok(found.filter(|(name, _)| xattr::belongs_to_image(name)).collect())
}
