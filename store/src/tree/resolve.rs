//! Following symbolic links inside the tree.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Tree, TreeError};
use crate::layer::EntryKind;
use crate::layer::entry::join;

/// As many as other builders follow.
const MAX_LINKS: usize = 255;
/// More names than any honest path leads through; links may multiply them.
const MAX_NAMES: usize = 1 << 14;

impl Tree {
    /// The path (`/a/b`) without symbolic links and `..`; `..` stops at the root. The last
    /// component is followed only when asked. Components that do not exist stay as written.
    pub fn resolve(&self, path: impl AsRef<Path>, follow_last: bool) -> Result<PathBuf, TreeError> {
        let asked = path.as_ref();
        let resolved = resolve_with(asked.as_os_str().as_bytes(), follow_last, |path| {
            match self.lookup_bytes(path)?.entry.kind {
                EntryKind::Symlink { target } => Some(target),
                _ => None,
            }
        });
        match resolved {
            Some(path) => Ok(PathBuf::from(OsString::from_vec([b"/", path.as_slice()].concat()))),
            None => Err(TreeError::TooManyLinks { path: asked.to_owned() }),
        }
    }
}

/// The walk itself: `read_link` gives the target when a path is a symbolic link. `None`: too many.
pub(crate) fn resolve_with(
    path: &[u8],
    follow_last: bool,
    read_link: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut rest: VecDeque<Vec<u8>> = VecDeque::new();
    push_front(&mut rest, path);
    let mut done: Vec<u8> = Vec::new();
    let (mut links, mut names) = (0, 0);
    while let Some(name) = rest.pop_front() {
        names += 1;
        if names > MAX_NAMES {
            return None;
        }
        if name == b".." {
            let parent = done.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            done.truncate(parent);
            continue;
        }
        let next = join(&done, &name);
        let follow = follow_last || !rest.is_empty();
        match follow.then(|| read_link(&next)).flatten() {
            None => done = next,
            Some(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                if target.starts_with(b"/") {
                    done.clear();
                }
                push_front(&mut rest, &target);
            }
        }
    }
    Some(done)
}

fn push_front(rest: &mut VecDeque<Vec<u8>>, path: &[u8]) {
    for name in path.split(|&byte| byte == b'/').rev() {
        if !name.is_empty() && name != b"." {
            rest.push_front(name.to_vec());
        }
    }
}
