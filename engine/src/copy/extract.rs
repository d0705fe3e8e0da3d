//! From entries to files, over what is there: directories stay what they are, everything else is replaced.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use store::id_map::IdMap;
use store::layer::{Entry, EntryKind, Member, Whiteouts, decompressor, read_layer};
use sys::root_dir::{FileKind, NodeKind, Timestamp};
use sys::{RootDir, SysError};

use super::{CopyError, Destination, Result};

/// Whose the copies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Whose the originals are.
    Kept,
    Of {
        uid: u32,
        gid: u32,
    },
}

/// Unpacks an archive, compressed or not.
pub fn extract_archive(
    reader: impl Read + Send,
    destination: &Destination,
    owner: Owner,
) -> Result<()> {
    let plain = decompressor(reader);
    let plain = plain.map_err(|source| store::layer::LayerError::Read { source })?;
    let mut extract = Extract::new(destination, owner);
    let mut failed = None;
    let read = read_layer(plain, Whiteouts::Literal, &mut |member, content| {
        // Literally there are no others.
        if let (Member::Entry(entry), None) = (member, &failed) {
            failed = extract.take(entry, content).err();
        }
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    read?;
    extract.finish()
}

pub(super) struct Extract<'a> {
    target: &'a RootDir,
    owner: Owner,
    ids: IdMap,
    /// Those that were made, in this order.
    directories: Vec<Entry>,
}

impl Extract<'_> {
    pub(super) fn new(destination: &Destination, owner: Owner) -> Extract<'_> {
        let Destination { dir, ids, .. } = destination;
        Extract { target: dir, owner, ids: *ids, directories: Vec::new() }
    }

    pub(super) fn take(&mut self, entry: Entry, content: &mut dyn Read) -> Result<()> {
        let path = entry.as_path().to_owned();
        if entry.path.is_empty() {
            // The directory that is there keeps its attributes.
            return Ok(());
        }
        let write = |source| CopyError::Write { path: path.clone(), source };
        if entry.is_dir() {
            if self.make_directory(&path)? {
                self.directories.push(entry);
            }
            return Ok(());
        }
        self.make_parents(&path)?;
        self.make_way(&path)?;
        let target = self.target;
        let node = |kind| target.mknod(&path, kind, 0o600).map_err(write);
        match &entry.kind {
            EntryKind::File { .. } => {
                let mut file = target.create_file(&path, 0o600).map_err(write)?;
                let copied = io::copy(content, &mut file);
                copied.map_err(|source| CopyError::Content { path: path.clone(), source })?;
            }
            EntryKind::Symlink { target: to } => {
                target.symlink(as_path(to), &path).map_err(write)?;
            }
            EntryKind::Hardlink { target: to } => {
                return target.hard_link(as_path(to), &path).map_err(write);
            }
            EntryKind::CharDevice { major, minor } => {
                node(NodeKind::CharDevice { major: *major, minor: *minor })?;
            }
            EntryKind::BlockDevice { major, minor } => {
                node(NodeKind::BlockDevice { major: *major, minor: *minor })?;
            }
            EntryKind::Fifo => node(NodeKind::Fifo)?,
            EntryKind::Dir { .. } | EntryKind::Whiteout => {}
        }
        self.set_attributes(&entry).map_err(write)
    }

    /// Attributes of directories, the deepest first: adding to one changes its time.
    pub(super) fn finish(self) -> Result<()> {
        for entry in self.directories.iter().rev() {
            let path = || entry.as_path().to_owned();
            let set = self.set_attributes(entry);
            set.map_err(|source| CopyError::Write { path: path(), source })?;
        }
        Ok(())
    }

    /// Says whether it was made.
    fn make_directory(&self, path: &Path) -> Result<bool> {
        let write = |source| CopyError::Write { path: path.to_owned(), source };
        // Through a link to one as well, inside the root.
        match self.target.metadata_follow(path) {
            Ok(found) if found.kind == FileKind::Dir => return Ok(false),
            Ok(_) => return Err(CopyError::DirectoryOverFile { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(write(error)),
        }
        self.make_parents(path)?;
        self.target.create_dir(path, 0o700).map_err(write)?;
        Ok(true)
    }

    /// Archives need not list them.
    fn make_parents(&self, path: &Path) -> Result<()> {
        let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
            return Ok(());
        };
        let made = self.target.create_dir_all(parent, 0o755);
        made.map_err(|source| CopyError::Write { path: parent.to_owned(), source })
    }

    fn make_way(&self, path: &Path) -> Result<()> {
        let write = |source| CopyError::Write { path: path.to_owned(), source };
        match self.target.metadata(path) {
            Ok(found) if found.kind == FileKind::Dir => {
                Err(CopyError::FileOverDirectory { path: path.to_owned() })
            }
            Ok(_) => self.target.remove_file(path).map_err(write),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(write(error)),
        }
    }

    /// The owner first, because changing it clears set-user-ID bits and capabilities; the time last.
    fn set_attributes(&self, entry: &Entry) -> std::result::Result<(), SysError> {
        let path: PathBuf = entry.as_path().to_owned();
        let (uid, gid) = match self.owner {
            Owner::Kept => (entry.uid, entry.gid),
            Owner::Of { uid, gid } => (uid, gid),
        };
        let there = self.ids.to_disk(store::id_map::Owner { uid, gid });
        self.target.set_owner(&path, there.uid, there.gid)?;
        if !entry.is_symlink() {
            self.target.set_mode(&path, entry.mode)?;
        }
        for (name, value) in &entry.xattrs {
            match self.target.set_xattr(&path, name, value) {
                // The file system there knows no such attributes.
                Err(error) if is_unknown(&error) => {}
                set => set?,
            }
        }
        self.target.set_mtime(&path, Timestamp { secs: entry.mtime, nanos: 0 })
    }
}

fn is_unknown(error: &SysError) -> bool {
    error.errno() == Some(Errno::OPNOTSUPP.raw_os_error())
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
