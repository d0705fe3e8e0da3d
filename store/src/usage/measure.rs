//! What a file or a directory takes on the disk: allocated blocks, directories included, as `du` counts.
//!
//! A file with several names counts in each place the share of the names there, so that the sum over all places
//! is what `du` says of all together.
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sys::root_dir::{FileKind, Metadata};
use sys::{RootDir, SysError};

use crate::error::{Result, io_error};

/// Bytes per unit of `st_blocks`.
const BLOCK: u64 = 512;
/// Of a path below an open directory. Deeper down another one is opened: the kernel takes no path over 4096 bytes, and
/// a descriptor for each directory would be too many.
const LONGEST: usize = 256;

/// What was found at a path. Of what is gone, or goes meanwhile, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    pub bytes: u64,
    /// What removing it gives back: nothing for files that have names elsewhere, too.
    pub freed: u64,
    /// Files and directories.
    pub entries: u64,
    /// Whether it has files with names elsewhere: then what others do changes its share.
    pub shares: bool,
}

/// One file that has several names.
struct Linked {
    bytes: u64,
    names: u64,
    seen: u64,
}

#[derive(Default)]
struct Walk {
    sum: Measured,
    linked: HashMap<(u64, u64), Linked>,
}

/// Measures a file, or a directory with everything below it.
pub fn measure(path: &Path) -> Result<Measured> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Measured::default()),
        metadata => metadata.map_err(io_error("look at", path))?,
    };
    let mut walk = Walk::default();
    walk.sum.add_alone(metadata.blocks() * BLOCK);
    if metadata.is_dir() {
        match walk.below(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("look through", path)(error.into()));
            }
            _ => {}
        }
    }
    Ok(walk.finish())
}

impl Walk {
    fn below(&mut self, path: &Path) -> std::result::Result<(), SysError> {
        let mut pending = vec![(Rc::new(RootDir::open(path)?), PathBuf::new())];
        while let Some((above, path)) = pending.pop() {
            let gone = |error: &SysError| error.kind() == io::ErrorKind::NotFound;
            let dir = match above.subdir_nofollow(&path) {
                Err(error) if gone(&error) => continue,
                dir => Rc::new(dir?),
            };
            for child in dir.read_dir("")? {
                match dir.metadata(&child.name) {
                    Err(error) if gone(&error) => continue,
                    metadata => self.add(&metadata?),
                }
                if child.kind == FileKind::Dir {
                    let path = path.join(&child.name);
                    pending.push(match path.as_os_str().len() > LONGEST {
                        true => (dir.clone(), PathBuf::from(child.name)),
                        false => (above.clone(), path),
                    });
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, metadata: &Metadata) {
        if metadata.kind == FileKind::Dir || metadata.nlink <= 1 {
            return self.sum.add_alone(metadata.allocated);
        }
        self.sum.entries += 1;
        let (bytes, names) = (metadata.allocated, metadata.nlink);
        let first = Linked { bytes, names, seen: 0 };
        self.linked.entry((metadata.dev, metadata.ino)).or_insert(first).seen += 1;
    }

    fn finish(self) -> Measured {
        let mut sum = self.sum;
        for Linked { bytes, names, seen } in self.linked.into_values() {
            if seen >= names {
                sum.bytes += bytes;
                sum.freed += bytes;
            } else {
                sum.bytes += bytes / names * seen;
                sum.shares = true;
            }
        }
        sum
    }
}

impl Measured {
    fn add_alone(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.freed += bytes;
        self.entries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_names_elsewhere_count_their_share() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for path in [&a, &b] {
            fs::create_dir(path).unwrap();
        }
        fs::write(a.join("alone"), [1; 10_000]).unwrap();
        fs::write(a.join("twice"), [1; 8192]).unwrap();
        fs::hard_link(a.join("twice"), b.join("twice")).unwrap();
        let (in_a, in_b, all) =
            (measure(&a).unwrap(), measure(&b).unwrap(), measure(dir.path()).unwrap());
        let own = fs::metadata(dir.path()).unwrap().blocks() * BLOCK;
        assert_eq!(in_a.bytes + in_b.bytes + own, all.bytes);
        assert_eq!((all.freed, all.entries, all.shares), (all.bytes, 6, false));
        assert!(in_b.shares && in_b.freed < in_b.bytes);
        assert_eq!(measure(&a.join("none")).unwrap(), Measured::default());
    }
}
