//! What a tar header and its extensions say, as an [`Entry`].

use std::io::Read;

use super::entry::{Entry, EntryKind, Xattrs, join, split_parent};
use super::error::show;
use super::read::{Member, Whiteouts, damaged, read_error, short};
use super::tar_format::header::{RawHeader, flag};
use super::tar_format::pax::Records;
use super::tar_format::sparse::{self, PaxSparse, SparseMap};
use super::tar_format::{BLOCK, Problem};
use super::{LayerError, xattr};

const WHITEOUT: &[u8] = b".wh.";
const WHITEOUT_META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// A header with the extensions that preceded it.
pub(super) struct Extended {
    pub(super) block: [u8; BLOCK],
    pub(super) records: Records,
    pub(super) long_path: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
}

/// Where and how long a file's bytes are.
pub(super) struct Layout {
    pub(super) size: u64,
    pub(super) offset: Option<u64>,
}

impl Extended {
    fn header(&self) -> RawHeader<'_> {
        RawHeader(&self.block)
    }

    pub(super) fn raw_path(&self) -> Vec<u8> {
        let sparse_name = self.records.get(b"GNU.sparse.name");
        match sparse_name.or_else(|| self.records.get(b"path")) {
            Some(path) => path.to_vec(),
            None => self.long_path.clone().unwrap_or_else(|| self.header().path()),
        }
    }

    fn link(&self) -> Result<Vec<u8>, Problem> {
        let link = match self.records.get(b"linkpath") {
            Some(link) => link.to_vec(),
            None => self.long_link.clone().unwrap_or_else(|| self.header().link()),
        };
        match link.as_slice() {
            b"" => Err("links to nothing".to_owned()),
            link if link.contains(&0) => Err("has a link target with a NUL byte".to_owned()),
            _ => short(link),
        }
    }

    pub(super) fn has_data(&self) -> bool {
        let flag = self.header().type_flag();
        matches!(flag, flag::OLD_FILE | flag::FILE | flag::CONTIGUOUS | flag::GNU_SPARSE)
    }

    /// How many bytes follow. Only files have any, whatever the header of another says.
    pub(super) fn stored_size(&self) -> Result<u64, Problem> {
        if !self.has_data() {
            return Ok(0);
        }
        let size = match self.records.integer("size")? {
            Some(size) => size,
            None => self.header().size()?,
        };
        u64::try_from(size).map_err(|_| format!("has a size of {size}"))
    }

    pub(super) fn pax_sparse_map(
        &self,
        data: &mut impl Read,
        name: &str,
    ) -> Result<Option<SparseMap>, LayerError> {
        if !self.has_data() {
            return Ok(None);
        }
        match sparse::from_records(&self.records).map_err(|problem| damaged(name, problem))? {
            PaxSparse::No => Ok(None),
            PaxSparse::Map(map) => Ok(Some(map)),
            PaxSparse::InData { size } => {
                let read = sparse::read_map(data, size);
                read.map(|(map, _)| Some(map)).map_err(|source| read_error(name, source))
            }
        }
    }

    pub(super) fn entry(&self, path: Vec<u8>, layout: &Layout) -> Result<Entry, Problem> {
        let kind = self.kind(layout)?;
        if path.is_empty() && !matches!(kind, EntryKind::Dir { .. }) {
            return Err("has no name".to_owned());
        }
        let time = self.records.seconds("mtime")?;
        // A symbolic link has no mode of its own; the kernel always shows this one.
        let mode = match kind {
            EntryKind::Symlink { .. } => 0o777,
            _ => u32::try_from(self.header().mode()? & 0o7777).unwrap_or(0),
        };
        Ok(Entry {
            path,
            kind,
            mode,
            uid: self.owner("uid", self.header().uid())?,
            gid: self.owner("gid", self.header().gid())?,
            mtime: time.map_or_else(|| self.header().mtime(), Ok)?,
            xattrs: self.xattrs()?,
        })
    }

    fn kind(&self, layout: &Layout) -> Result<EntryKind, Problem> {
        Ok(match self.header().type_flag() {
            // Before POSIX a directory was a file whose name ends in a slash.
            flag::OLD_FILE | flag::FILE if self.raw_path().ends_with(b"/") => {
                EntryKind::Dir { opaque: false }
            }
            flag::OLD_FILE | flag::FILE | flag::CONTIGUOUS | flag::GNU_SPARSE => {
                EntryKind::File { size: layout.size, digest: None, offset: layout.offset }
            }
            flag::HARDLINK => {
                let target = self.link()?;
                let clean = clean(&target)
                    .map_err(|problem| format!("links to `{}`, which {problem}", show(&target)))?;
                EntryKind::Hardlink { target: clean }
            }
            flag::SYMLINK => EntryKind::Symlink { target: self.link()? },
            flag::CHAR_DEVICE => match self.device()? {
                (0, 0) => return Err("is device 0:0, the mark of a deleted file".to_owned()),
                (major, minor) => EntryKind::CharDevice { major, minor },
            },
            flag::BLOCK_DEVICE => {
                let (major, minor) = self.device()?;
                EntryKind::BlockDevice { major, minor }
            }
            flag::DIR => EntryKind::Dir { opaque: false },
            flag::FIFO => EntryKind::Fifo,
            other => {
                return Err(format!("has the unknown type `{}`", other.escape_ascii()));
            }
        })
    }

    fn device(&self) -> Result<(u32, u32), Problem> {
        let (major, minor) = self.header().device()?;
        // The kernel's own limits: 12 and 20 bits.
        match (u32::try_from(major), u32::try_from(minor)) {
            (Ok(major), Ok(minor)) if major < 1 << 12 && minor < 1 << 20 => Ok((major, minor)),
            _ => Err(format!("is the impossible device {major}:{minor}")),
        }
    }

    fn owner(&self, key: &str, field: Result<i64, Problem>) -> Result<u32, Problem> {
        let id = match self.records.integer(key)? {
            Some(id) => id,
            None => field?,
        };
        // The last id means "unchanged" to the kernel.
        let known = u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        known.ok_or_else(|| format!("has the impossible {key} {id}"))
    }

    fn xattrs(&self) -> Result<Xattrs, Problem> {
        let mut xattrs = Xattrs::new();
        for (key, value) in self.records.iter() {
            let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else { continue };
            if name.is_empty() || name.contains(&0) || name.len() > 255 || value.len() > 1 << 16 {
                return Err("has an impossible extended attribute".to_owned());
            }
            if xattr::belongs_to_image(name) {
                xattrs.insert(name.to_vec(), value.to_vec());
            }
        }
        Ok(xattrs)
    }
}

pub(super) enum Special {
    No,
    Ignored,
    Member(Member),
}

/// Whiteouts and the private files of AUFS, which some layers still carry.
pub(super) fn special(path: &[u8], whiteouts: Whiteouts) -> Result<Special, Problem> {
    if whiteouts == Whiteouts::Literal {
        return Ok(Special::No);
    }
    let Some((parent, name)) = split_parent(path) else { return Ok(Special::No) };
    if name == OPAQUE {
        return Ok(Special::Member(Member::Opaque { path: parent.to_vec() }));
    }
    if path.split(|&byte| byte == b'/').any(|name| name.starts_with(WHITEOUT_META)) {
        return Ok(Special::Ignored);
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Special::No),
        Some(b"" | b"." | b"..") => Err("is a whiteout of nothing".to_owned()),
        Some(name) => Ok(Special::Member(Member::Whiteout { path: join(parent, name) })),
    }
}

/// `/a//./b/` → `a/b`.
pub(super) fn clean(path: &[u8]) -> Result<Vec<u8>, Problem> {
    if path.contains(&0) {
        return Err("has a NUL byte in its name".to_owned());
    }
    let mut clean = Vec::with_capacity(path.len());
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err("leads out of the layer with `..`".to_owned()),
            name => {
                if !clean.is_empty() {
                    clean.push(b'/');
                }
                clean.extend_from_slice(name);
            }
        }
    }
    Ok(clean)
}
