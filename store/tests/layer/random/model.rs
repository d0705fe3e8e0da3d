//! What stacked layers mean, as simply as it can be said: maps from path to file.
//!
//! Knows nothing of archives or disks, and does not judge members below a symbolic link.

use std::collections::BTreeMap;

use store::layer::entry::{Xattrs, join, split_parent};

use super::names::Bytes;
use super::view::{Line, What, finish};

/// One member of a layer.
#[derive(Clone, Debug)]
pub(crate) enum Member {
    Put { path: Bytes, file: File },
    Link { path: Bytes, target: Bytes },
    Whiteout { path: Bytes },
    Opaque { path: Bytes },
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) what: What,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Option<i64>,
    pub(crate) xattrs: Xattrs,
}

/// Why there is no tree to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Refused(&'static str),
    /// A member lies below a symbolic link.
    Unjudged,
}

/// A file with the number that all its names share.
type Node = (u64, File);
type Nodes = BTreeMap<Vec<u8>, Node>;

/// The merged tree; the root is not listed.
#[derive(Clone, Default)]
pub(crate) struct Model {
    nodes: Nodes,
    next: u64,
}

impl Model {
    /// The tree with one more layer; the reason if no such layer can be.
    pub(crate) fn with(&self, members: &[Member]) -> Result<Model, Stop> {
        let mut layer = Layer {
            lower: &self.nodes,
            own: Nodes::new(),
            gone: vec![],
            emptied: vec![],
            next: self.next,
        };
        for member in members {
            layer.add(member)?;
        }
        Ok(layer.merge())
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let line = |(path, (id, file)): (&Vec<u8>, &Node)| {
            let File { what, mode, uid, gid, mtime, mut xattrs } = file.clone();
            xattrs.retain(|name, _| what.may_have_user_xattrs() || !name.starts_with(b"user."));
            let mode = if matches!(what, What::Symlink(_)) { 0o777 } else { mode };
            (Line { path: path.clone(), what, mode, uid, gid, mtime, xattrs, same_as: None }, *id)
        };
        finish(self.nodes.iter().map(line).collect())
    }
}

struct Layer<'a> {
    lower: &'a Nodes,
    /// What the layer lists, later members replacing earlier ones.
    own: Nodes,
    gone: Vec<Vec<u8>>,
    emptied: Vec<Vec<u8>>,
    next: u64,
}

impl Layer<'_> {
    fn add(&mut self, member: &Member) -> Result<(), Stop> {
        match member {
            Member::Whiteout { path } => {
                self.check_dirs(parent(path))?;
                self.gone.push(path.to_vec());
            }
            Member::Opaque { path } => {
                self.check_dirs(path)?;
                self.emptied.push(path.to_vec());
            }
            Member::Put { path, file } => {
                self.check_dirs(parent(path))?;
                self.next += 1;
                self.put(path, (self.next, file.clone()));
            }
            Member::Link { path, target } => {
                self.check_dirs(parent(path))?;
                self.check_dirs(parent(target))?;
                self.link(path, target)?;
            }
        }
        Ok(())
    }

    /// The directories of a path, itself included, must not be something else in this layer.
    fn check_dirs(&self, path: &[u8]) -> Result<(), Stop> {
        for dir in dirs(path) {
            let lower =
                || self.lower.get(dir).filter(|_| !self.is_implied(dir) && !self.hidden(dir));
            match self.own.get(dir).or_else(lower).map(|(_, file)| &file.what) {
                Some(What::Symlink(_)) => return Err(Stop::Unjudged),
                Some(What::Dir) | None => {}
                Some(_) if self.own.contains_key(dir) => return Err(Stop::Refused("no directory")),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn is_implied(&self, dir: &[u8]) -> bool {
        self.own.keys().any(|path| below(path, dir))
    }

    /// Whether the members so far delete what the layers below have at `path`.
    fn hidden(&self, path: &[u8]) -> bool {
        dirs(path).any(|dir| self.gone.iter().any(|gone| gone == dir))
            || self.emptied.iter().any(|dir| below(path, dir))
    }

    fn put(&mut self, path: &[u8], node: Node) {
        if node.1.what != What::Dir {
            self.own.retain(|other, _| !below(other, path));
        } else if self.own.get(path).is_some_and(|(_, file)| file.what != What::Dir) {
            self.emptied.push(path.to_vec());
        }
        self.own.insert(path.to_vec(), node);
    }

    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Stop> {
        if path == target {
            return Ok(());
        }
        let node = match self.own.get(target) {
            Some(node) => node.clone(),
            None => {
                let found = self.lower.get(target).filter(|_| !self.hidden(target));
                let (_, file) = found.ok_or(Stop::Refused("links to nothing"))?;
                self.next += 1;
                (self.next, file.clone())
            }
        };
        if node.1.what == What::Dir {
            return Err(Stop::Refused("links to a directory"));
        }
        if below(target, path) {
            return Err(Stop::Refused("inside of what it replaces"));
        }
        if self.own.get(path).is_some_and(|(id, _)| *id == node.0) {
            return Ok(());
        }
        self.put(path, node);
        Ok(())
    }

    fn merge(self) -> Model {
        let mut nodes = self.lower.clone();
        let mut next = self.next;
        for path in &self.gone {
            nodes.retain(|other, _| other != path && !below(other, path));
        }
        for path in &self.emptied {
            nodes.retain(|other, _| !below(other, path));
        }
        let implied = self.own.keys().flat_map(|path| dirs(parent(path)));
        // A deletion too needs a directory to stand in, unless that goes as well.
        let needed = self.gone.iter().filter(|path| {
            let mut above = dirs(parent(path));
            let root_emptied = self.emptied.iter().any(Vec::is_empty);
            let goes = |dir: &[u8]| {
                let listed = |list: &[Vec<u8>]| list.iter().any(|path| path == dir);
                let other = self.own.get(dir).is_some_and(|(_, file)| file.what != What::Dir);
                other || listed(&self.gone) || listed(&self.emptied)
            };
            !root_emptied && !above.any(goes)
        });
        let needed = needed.flat_map(|path| dirs(parent(path)));
        // An opaque mark speaks of a directory, unless the layer says it is something else.
        let marked = self.emptied.iter().filter(|path| {
            !dirs(path).any(|dir| self.own.get(dir).is_some_and(|(_, file)| file.what != What::Dir))
        });
        let marked = marked.flat_map(|path| dirs(path));
        let mut all: Vec<&[u8]> =
            implied.chain(needed).chain(marked).chain(self.own.keys().map(Vec::as_slice)).collect();
        all.sort(); // parents first
        all.dedup();
        for path in all {
            let old = nodes.get(path).map(|(_, file)| file.what == What::Dir);
            if old == Some(false) {
                nodes.remove(path);
            }
            match self.own.get(path) {
                Some(node) => {
                    if node.1.what != What::Dir {
                        nodes.retain(|other, _| !below(other, path));
                    }
                    nodes.insert(path.to_vec(), node.clone());
                }
                None if old == Some(true) => {}
                None => {
                    next += 1;
                    nodes.insert(path.to_vec(), (next, undescribed_dir()));
                }
            }
        }
        Model { nodes, next }
    }
}

fn undescribed_dir() -> File {
    File { what: What::Dir, mode: 0o755, uid: 0, gid: 0, mtime: None, xattrs: Xattrs::new() }
}

fn parent(path: &[u8]) -> &[u8] {
    split_parent(path).map_or(b"", |(parent, _)| parent)
}

/// A path and the directories above it, without the root.
fn dirs(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(end, _)| end);
    ends.chain([path.len()]).map(|end| &path[..end]).filter(|dir| !dir.is_empty())
}

fn below(path: &[u8], dir: &[u8]) -> bool {
    dir.is_empty() || path.starts_with(&join(dir, b""))
}
