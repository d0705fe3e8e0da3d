//! What a file is: [`Metadata`], [`FileKind`], [`Timestamp`].

use rustix::fs::{FileType, Stat};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    File,
    Dir,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    pub secs: i64,
    pub nanos: u32,
}

/// The result of `stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky (`0o7777`).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// Bytes that it takes on the disk, as `du` counts them.
    pub allocated: u64,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub dev: u64,
    pub ino: u64,
    pub nlink: u64,
    pub rdev: u64,
}

impl Metadata {
    pub fn rdev_major(&self) -> u32 {
        rustix::fs::major(self.rdev)
    }

    pub fn rdev_minor(&self) -> u32 {
        rustix::fs::minor(self.rdev)
    }

    /// Overlayfs marks a deleted file by a character device 0:0.
    pub fn is_overlay_whiteout(&self) -> bool {
        self.kind == FileKind::CharDevice && self.rdev == 0
    }
}

impl FileKind {
    /// `None` when the directory listing does not tell.
    pub(super) fn from_type(file_type: FileType) -> Option<FileKind> {
        Some(match file_type {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Dir,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::CharacterDevice => FileKind::CharDevice,
            FileType::BlockDevice => FileKind::BlockDevice,
            FileType::Unknown => return None,
        })
    }
}

impl From<&Stat> for Metadata {
    #[allow(clippy::unnecessary_cast)] // field widths differ between architectures
    fn from(stat: &Stat) -> Metadata {
        let file_type = FileType::from_raw_mode(stat.st_mode as _);
        Metadata {
            kind: FileKind::from_type(file_type).unwrap_or(FileKind::File),
            mode: stat.st_mode as u32 & 0o7777,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            size: stat.st_size as u64,
            allocated: stat.st_blocks as u64 * 512,
            mtime: Timestamp { secs: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            ctime: Timestamp { secs: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            nlink: stat.st_nlink as u64,
            rdev: stat.st_rdev as u64,
        }
    }
}
