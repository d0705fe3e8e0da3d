//! A file tree as lines that can be compared: of a directory, of a merged [`Tree`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use store::layer::entry::{Xattrs, join};
use store::layer::{EntryKind, compare_paths};
use store::tree::Tree;
use sys::RootDir;
use sys::root_dir::FileKind;

use super::names::Bytes;

/// Everything a layer can say about a path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) path: Vec<u8>,
    pub(crate) what: What,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// None for a directory that nobody described: then anything goes.
    pub(crate) mtime: Option<i64>,
    pub(crate) xattrs: Xattrs,
    /// The first other name of the same file, if it comes earlier.
    pub(crate) same_as: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Dir,
    File(Bytes),
    Symlink(Bytes),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
}

impl What {
    /// The kernel lets nothing else have `user.*` attributes.
    pub(crate) fn may_have_user_xattrs(&self) -> bool {
        matches!(self, What::Dir | What::File(_))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { what, mode, uid, gid, mtime, .. } = self;
        write!(f, "{} {what:?} {mode:04o} {uid}:{gid} @{mtime:?}", self.path.escape_ascii())?;
        for (name, value) in &self.xattrs {
            write!(f, " {}={}", name.escape_ascii(), value.escape_ascii())?;
        }
        match &self.same_as {
            Some(first) => write!(f, " = {}", first.escape_ascii()),
            None => Ok(()),
        }
    }
}

/// Puts lines in order and finds the names of each file.
pub(crate) fn finish<Id: Hash + Eq>(mut lines: Vec<(Line, Id)>) -> Vec<Line> {
    lines.sort_by(|(a, _), (b, _)| compare_paths(&a.path, &b.path));
    let mut first: HashMap<Id, Vec<u8>> = HashMap::new();
    let named = lines.into_iter().map(|(mut line, id)| {
        if line.what != What::Dir {
            line.same_as = first.get(&id).cloned();
            first.entry(id).or_insert_with(|| line.path.clone());
        }
        line
    });
    named.collect()
}

/// What is on disk below `dir`, itself not counted. Sockets belong to no layer.
pub(crate) fn of_dir(dir: &RootDir) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut pending = vec![Vec::new()];
    while let Some(parent) = pending.pop() {
        for child in dir.read_dir(as_path(&parent)).unwrap() {
            let path = join(&parent, child.name.as_bytes());
            let metadata = dir.metadata(as_path(&path)).unwrap();
            let (major, minor) = (metadata.rdev_major(), metadata.rdev_minor());
            let what = match metadata.kind {
                FileKind::Socket => continue,
                FileKind::Dir => {
                    pending.push(path.clone());
                    What::Dir
                }
                FileKind::File => {
                    let mut bytes = Vec::new();
                    dir.open_file(as_path(&path)).unwrap().read_to_end(&mut bytes).unwrap();
                    What::File(Bytes(bytes))
                }
                FileKind::Symlink => {
                    let target = dir.read_link(as_path(&path)).unwrap();
                    What::Symlink(Bytes(target.as_os_str().as_bytes().to_vec()))
                }
                FileKind::Fifo => What::Fifo,
                FileKind::CharDevice => What::Char(major, minor),
                FileKind::BlockDevice => What::Block(major, minor),
            };
            let mut xattrs = dir.xattrs(as_path(&path)).unwrap();
            xattrs.retain(|name, _| !name.starts_with(b"trusted."));
            let line = Line {
                path,
                what,
                mode: metadata.mode,
                uid: metadata.uid,
                gid: metadata.gid,
                mtime: Some(metadata.mtime.secs),
                xattrs,
                same_as: None,
            };
            lines.push((line, (metadata.dev, metadata.ino)));
        }
    }
    finish(lines)
}

/// What the merged tree shows, itself not counted.
pub(crate) fn of_tree(tree: &Tree) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut pending = vec![Vec::new()];
    while let Some(parent) = pending.pop() {
        for (name, found) in tree.read_dir(as_path(&parent)).unwrap() {
            let path = join(&parent, name.as_bytes());
            assert_eq!(tree.lookup(as_path(&path)).as_ref(), Some(&found), "look-up and listing");
            let what = match &found.entry.kind {
                EntryKind::Dir { .. } => {
                    pending.push(path.clone());
                    What::Dir
                }
                EntryKind::File { .. } => {
                    let mut bytes = Vec::new();
                    tree.open(as_path(&path)).unwrap().read_to_end(&mut bytes).unwrap();
                    What::File(Bytes(bytes))
                }
                EntryKind::Symlink { target } => What::Symlink(Bytes(target.clone())),
                EntryKind::Fifo => What::Fifo,
                EntryKind::CharDevice { major, minor } => What::Char(*major, *minor),
                EntryKind::BlockDevice { major, minor } => What::Block(*major, *minor),
                kind => panic!("{kind:?} in a merged tree"),
            };
            let described = found.layer.is_some();
            let mut entry = found.entry;
            // What the kernel does not let it have is not on disk either.
            entry
                .xattrs
                .retain(|name, _| what.may_have_user_xattrs() || !name.starts_with(b"user."));
            let line = Line {
                path,
                what,
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                mtime: described.then_some(entry.mtime),
                xattrs: entry.xattrs,
                same_as: None,
            };
            lines.push((line, (found.layer, found.source)));
        }
    }
    finish(lines)
}

/// Says where two views differ.
pub(crate) fn same(name: &str, found: &[Line], expected: &[Line]) -> Result<(), String> {
    let by_path = |lines: &[Line]| -> BTreeMap<Vec<u8>, Line> {
        lines.iter().map(|line| (line.path.clone(), line.clone())).collect()
    };
    let (found, expected) = (by_path(found), by_path(expected));
    let mut text = String::new();
    for path in found.keys().chain(expected.keys().filter(|path| !found.contains_key(*path))) {
        match (found.get(path), expected.get(path)) {
            (Some(found), Some(expected)) if alike(found, expected) => {}
            (found, expected) => {
                let shown = |line: Option<&Line>| match line {
                    Some(line) => format!("{line:?}"),
                    None => format!("{} is not there", path.escape_ascii()),
                };
                text += &format!("{name}:  {}\nexpected: {}\n", shown(found), shown(expected));
            }
        }
    }
    if text.is_empty() { Ok(()) } else { Err(text) }
}

fn alike(found: &Line, expected: &Line) -> bool {
    let mtime = match (found.mtime, expected.mtime) {
        (Some(_), Some(_)) => found.mtime,
        _ => expected.mtime,
    };
    &Line { mtime, ..found.clone() } == expected
}

pub(crate) fn as_path(path: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path))
}
