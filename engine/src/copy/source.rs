//! What is to be copied.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use store::id_map::IdMap;
use store::layer::entry::join;
use store::layer::{Entry, EntryKind, LayerWriter, entry_on_disk, scan};
use store::tree::Tree;
use sys::RootDir;
use sys::root_dir::FileKind;

use super::destination::Destination;
use super::extract::{Extract, Owner};
use super::{CopyError, Result};

/// A file, or a directory with everything in it, found by its path.
#[derive(Debug)]
pub struct Source {
    /// The directory itself, or the one that the file is in.
    dir: RootDir,
    /// Empty for the directory itself.
    name: PathBuf,
    path: PathBuf,
    is_dir: bool,
    /// Only what is in the directory: the path ended in `/.`.
    contents: bool,
    ids: IdMap,
}

impl Source {
    /// `follow`: a symbolic link at the end of the path stands for what it leads to.
    pub fn find(root: &RootDir, path: &Path, follow: bool) -> Result<Source> {
        let text = path.as_os_str().as_bytes();
        let contents = text.ends_with(b"/.") || text == b".";
        let means_directory = contents || text.ends_with(b"/");
        let look = |source| CopyError::Look { path: path.to_owned(), source };
        let resolved = root.resolve(path, follow || means_directory).map_err(look)?;
        let found = match root.metadata(&resolved) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CopyError::NotFound { path: path.to_owned() });
            }
            Err(error) => return Err(look(error)),
        };
        let is_dir = found.kind == FileKind::Dir;
        match found.kind {
            FileKind::Socket => return Err(CopyError::Socket { path: path.to_owned() }),
            _ if means_directory && !is_dir => {
                return Err(CopyError::NotADirectory { path: path.to_owned() });
            }
            _ => {}
        }
        let (dir, name) = match (is_dir, resolved.parent(), resolved.file_name()) {
            (false, Some(parent), Some(name)) => (parent, PathBuf::from(name)),
            _ => (resolved.as_path(), PathBuf::new()),
        };
        let dir = root.subdir_nofollow(dir).map_err(look)?;
        Ok(Source { dir, name, path: resolved, is_dir, contents, ids: IdMap::Identity })
    }

    /// Whose its files are, where they belong to others than those that are meant.
    #[must_use]
    pub fn with_ids(self, ids: IdMap) -> Source {
        Source { ids, ..self }
    }

    pub fn is_dir(&self) -> bool {
        self.is_dir
    }

    pub(super) fn is_contents(&self) -> bool {
        self.contents
    }

    /// The last component of its path; none of a root.
    pub fn file_name(&self) -> Option<&OsStr> {
        self.path.file_name()
    }

    /// Everything, parents first, under the path that it is to have and the one that it has in `dir`.
    fn entries(&self, name: &[u8]) -> Result<Vec<(Entry, PathBuf)>> {
        let itself = entry_on_disk(&self.dir, &self.name, self.ids)?;
        let mut itself = itself.ok_or_else(|| CopyError::Socket { path: self.path.clone() })?;
        itself.path = name.to_vec();
        let mut entries = vec![(itself, self.name.clone())];
        if self.is_dir {
            let index = scan(&self.dir, &Tree::default(), self.ids)?;
            for mut entry in index.iter().filter(|entry| !entry.path.is_empty()) {
                let from = entry.as_path().to_owned();
                entry.path = join(name, &entry.path);
                if let EntryKind::Hardlink { target } = &mut entry.kind {
                    *target = join(name, target);
                }
                entries.push((entry, from));
            }
        }
        Ok(entries)
    }

    /// Writes a tar archive, below the source's own name as docker does. Says how many bytes of files it has.
    pub fn write_archive(&self, writer: &mut dyn Write) -> Result<u64> {
        let name = match self.contents {
            true => b"".as_slice(),
            false => self.file_name().map_or(b"".as_slice(), OsStrExt::as_bytes),
        };
        let mut archive = LayerWriter::new(writer);
        let mut bytes = 0;
        for (entry, from) in self.entries(name)? {
            if !entry.is_file() {
                archive.append(&entry, None)?;
                continue;
            }
            let mut file = self.open(&from)?;
            bytes += size_of(&entry);
            archive.append(&entry, Some(&mut file))?;
        }
        let (writer, _) = archive.finish()?;
        writer.flush().map_err(|source| CopyError::WriteArchive { source })?;
        Ok(bytes)
    }

    /// Copies it to where it goes, and says how many bytes of files that was.
    pub fn copy_to(&self, destination: &Destination, owner: Owner) -> Result<u64> {
        let name = destination.name.as_deref().map_or(b"".as_slice(), OsStrExt::as_bytes);
        let mut extract = Extract::new(destination, owner);
        let mut bytes = 0;
        for (entry, from) in self.entries(name)? {
            match entry.is_file() {
                true => {
                    bytes += size_of(&entry);
                    extract.take(entry, &mut self.open(&from)?)?;
                }
                false => extract.take(entry, &mut std::io::empty())?,
            }
        }
        extract.finish()?;
        Ok(bytes)
    }

    fn open(&self, path: &Path) -> Result<std::fs::File> {
        let failed = |source| CopyError::Read { path: self.path.join(path), source };
        self.dir.open_file_nofollow(path).map_err(failed)
    }
}

fn size_of(entry: &Entry) -> u64 {
    match entry.kind {
        EntryKind::File { size, .. } => size,
        _ => 0,
    }
}
