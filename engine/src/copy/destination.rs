//! Where something is copied to, by docker's rules.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use store::id_map::IdMap;
use sys::RootDir;
use sys::root_dir::FileKind;

use super::{CopyError, Result, Source};

/// A directory that is there, and the name in it.
#[derive(Debug)]
pub struct Destination {
    pub(super) dir: RootDir,
    /// None when what is in the source goes into the directory itself.
    pub(super) name: Option<OsString>,
    pub(super) ids: IdMap,
}

impl Destination {
    /// | at the path is | a file is copied           | a directory is copied            |
    /// |----------------|----------------------------|----------------------------------|
    /// | nothing        | there, unless it ends in / | there                            |
    /// | a file         | over it                    | not at all                       |
    /// | a directory    | into it                    | into it; with `/.` what is in it |
    pub fn find(root: &RootDir, path: &Path, source: &Source) -> Result<Destination> {
        let text = path.as_os_str().as_bytes();
        let means_directory = [&b"/"[..], b"/.", b"/.."].iter().any(|end| text.ends_with(end));
        let look = |source| CopyError::Look { path: path.to_owned(), source };
        let resolved = root.resolve(path, true).map_err(look)?;
        match root.metadata(&resolved) {
            Ok(found) if found.kind == FileKind::Dir => {
                let dir = root.subdir_nofollow(&resolved).map_err(look)?;
                let name = match source.is_contents() {
                    true => None,
                    false => source.file_name().map(ToOwned::to_owned),
                };
                Ok(Destination { dir, name, ids: IdMap::Identity })
            }
            Ok(_) if source.is_dir() => Err(CopyError::DirectoryOverFile { path: path.to_owned() }),
            Ok(_) if means_directory => Err(CopyError::NotADirectory { path: path.to_owned() }),
            Ok(_) => beside(root, path, &resolved),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if means_directory && !source.is_dir() {
                    return Err(CopyError::NotFound { path: path.to_owned() });
                }
                beside(root, path, &resolved)
            }
            Err(error) => Err(look(error)),
        }
    }

    /// A directory that an archive is unpacked in.
    pub fn directory(root: &RootDir, path: &Path) -> Result<Destination> {
        let look = |source| CopyError::Look { path: path.to_owned(), source };
        let resolved = root.resolve(path, true).map_err(look)?;
        match root.metadata(&resolved) {
            Ok(found) if found.kind == FileKind::Dir => {}
            Ok(_) => return Err(CopyError::NotADirectory { path: path.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(CopyError::NotFound { path: path.to_owned() });
            }
            Err(error) => return Err(look(error)),
        }
        let dir = root.subdir_nofollow(&resolved).map_err(look)?;
        Ok(Destination { dir, name: None, ids: IdMap::Identity })
    }

    /// Whose the files are there, where that are others than those that are meant.
    #[must_use]
    pub fn with_ids(self, ids: IdMap) -> Destination {
        Destination { ids, ..self }
    }
}

/// In the directory above, which has to be there.
fn beside(root: &RootDir, path: &Path, resolved: &Path) -> Result<Destination> {
    let parent = resolved.parent().unwrap_or(Path::new("/"));
    let missing = || CopyError::NotFound { path: parent.to_owned() };
    let dir = match root.subdir_nofollow(parent) {
        Ok(dir) => dir,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
        Err(source) => return Err(CopyError::Look { path: PathBuf::from(path), source }),
    };
    let name = resolved.file_name().map(ToOwned::to_owned).ok_or_else(missing)?;
    Ok(Destination { dir, name: Some(name), ids: IdMap::Identity })
}
