//! A tree as text, one line an entry, the same for a directory on disk and for a tar of it, so that what two
//! programs unpacked can be compared.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) type Names = BTreeMap<Vec<u8>, String>;

/// Every entry below `root` by its path: kind, mode, owner, time, contents, extended attributes, and which names
/// are the same file.
pub(super) fn of_directory(root: &Path) -> Names {
    let mut names = Names::new();
    let mut inodes = BTreeMap::<u64, Vec<Vec<u8>>>::new();
    walk(root, root, &mut names, &mut inodes);
    mark_links(&mut names, inodes.into_values());
    names
}

/// The same of a tar archive of a whole root filesystem.
pub(super) fn of_tar(path: &Path) -> Names {
    let mut names = Names::new();
    let mut links = BTreeMap::<Vec<u8>, Vec<Vec<u8>>>::new();
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let mut records = Records::new();
    for entry in archive.entries().unwrap().raw(true) {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let kind = entry.header().entry_type();
        match kind {
            tar::EntryType::XHeader => records.append(&mut parse_records(&bytes)),
            tar::EntryType::GNULongName => drop(records.insert("path".into(), until_nul(&bytes))),
            tar::EntryType::GNULongLink => {
                drop(records.insert("linkpath".into(), until_nul(&bytes)));
            }
            _ => {}
        }
        if kind.is_pax_local_extensions() || kind.is_gnu_longname() || kind.is_gnu_longlink() {
            continue;
        }
        let records = std::mem::take(&mut records);
        let member = Member { header: entry.header(), records, bytes };
        let name = member.name();
        if kind == tar::EntryType::Link {
            let target = clean(&member.target());
            links.entry(target.clone()).or_insert_with(|| vec![target]).push(name);
        } else if !name.is_empty() {
            names.insert(name, member.line());
        }
    }
    for (target, group) in &links {
        let line = names[target].clone();
        names.extend(group.iter().map(|name| (name.clone(), line.clone())));
    }
    mark_links(&mut names, links.into_values());
    names
}

/// Fails with the entries that differ.
#[track_caller]
pub(super) fn assert_same(expected: &Names, actual: &Names) {
    assert!(expected.len() > 30, "an empty comparison");
    let missing = expected.iter().filter(|(path, line)| actual.get(*path) != Some(line));
    let added = actual.iter().filter(|(path, line)| expected.get(*path) != Some(line));
    let show = |sign: char, path: &[u8], line: &str| {
        format!("{sign} {} {line}\n", String::from_utf8_lossy(path))
    };
    let missing: String = missing.map(|(path, line)| show('-', path, line)).collect();
    let added: String = added.map(|(path, line)| show('+', path, line)).collect();
    assert!(missing.is_empty() && added.is_empty(), "\n{missing}{added}");
}

/// Fails when an entry of `some` is not the same among `all`.
#[track_caller]
pub(super) fn assert_part_of(some: &Names, all: &Names) {
    let same = |(path, _): &(&Vec<u8>, &String)| some.contains_key(*path);
    let part = all.iter().filter(same).map(|(path, line)| (path.clone(), line.clone()));
    assert_same(some, &part.collect());
}

fn walk(
    root: &Path,
    directory: &Path,
    names: &mut Names,
    inodes: &mut BTreeMap<u64, Vec<Vec<u8>>>,
) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        names.insert(name.clone(), disk_line(&path, &metadata));
        if metadata.is_dir() {
            walk(root, &path, names, inodes);
        } else {
            inodes.entry(metadata.ino()).or_default().push(name);
        }
    }
}

fn disk_line(path: &Path, metadata: &fs::Metadata) -> String {
    let (kind, detail) = match metadata.mode() & 0o170_000 {
        0o040_000 => ('d', String::new()),
        0o120_000 => ('l', path.read_link().unwrap().display().to_string()),
        0o100_000 => ('-', contents(&fs::read(path).unwrap())),
        0o020_000 => ('c', device(metadata.rdev())),
        0o010_000 => ('p', String::new()),
        other => panic!("{}: {other:o}", path.display()),
    };
    let mode = if kind == 'l' { 0 } else { metadata.mode() & 0o7777 };
    let owner = (metadata.uid().into(), metadata.gid().into());
    line(kind, mode, owner, metadata.mtime().cast_unsigned(), &detail, &disk_attributes(path))
}

fn device(number: u64) -> String {
    format!("{},{}", rustix::fs::major(number), rustix::fs::minor(number))
}

fn disk_attributes(path: &Path) -> Attributes {
    let mut list = vec![0_u8; 4096];
    let size = rustix::fs::llistxattr(path, list.as_mut_slice()).unwrap();
    let names = list[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0_u8; 4096];
        let name = OsStr::from_bytes(name);
        let size = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).unwrap();
        value.truncate(size);
        (name.to_string_lossy().into_owned(), value)
    };
    let mut attributes: Vec<_> = names.map(value).collect();
    attributes.sort();
    attributes
}

type Attributes = Vec<(String, Vec<u8>)>;
/// What a PAX header says about the next member. The `tar` crate takes a newline in a value for its end.
type Records = BTreeMap<String, Vec<u8>>;

struct Member<'a> {
    header: &'a tar::Header,
    records: Records,
    bytes: Vec<u8>,
}

impl Member<'_> {
    fn name(&self) -> Vec<u8> {
        clean(self.records.get("path").map_or(&self.header.path_bytes(), Vec::as_slice))
    }

    fn target(&self) -> Vec<u8> {
        let short = self.header.link_name_bytes().unwrap_or_default();
        self.records.get("linkpath").cloned().unwrap_or_else(|| short.into_owned())
    }

    fn line(&self) -> String {
        let header = self.header;
        let (kind, detail) = match header.entry_type() {
            tar::EntryType::Directory => ('d', String::new()),
            tar::EntryType::Symlink => {
                ('l', OsString::from_vec(self.target()).display().to_string())
            }
            tar::EntryType::Regular => ('-', contents(&self.bytes)),
            tar::EntryType::Char => ('c', tar_device(header)),
            tar::EntryType::Fifo => ('p', String::new()),
            other => panic!("{other:?}"),
        };
        let mode = if kind == 'l' { 0 } else { header.mode().unwrap() & 0o7777 };
        let uid = self.number("uid").unwrap_or_else(|| header.uid().unwrap());
        let gid = self.number("gid").unwrap_or_else(|| header.gid().unwrap());
        let mtime = self.number("mtime").unwrap_or_else(|| header.mtime().unwrap());
        line(kind, mode, (uid, gid), mtime, &detail, &self.attributes())
    }

    /// One that does not fit into the header.
    fn number(&self, key: &str) -> Option<u64> {
        let text = String::from_utf8_lossy(self.records.get(key)?);
        text.split('.').next()?.parse().ok()
    }

    fn attributes(&self) -> Attributes {
        let attribute = |(key, value): (&String, &Vec<u8>)| {
            Some((key.strip_prefix("SCHILY.xattr.")?.to_owned(), value.clone()))
        };
        self.records.iter().filter_map(attribute).collect()
    }
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap().to_vec()
}

/// Lines of `LENGTH KEY=VALUE`, where any byte may be in the value.
fn parse_records(mut bytes: &[u8]) -> Records {
    let mut records = Records::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let record = &bytes[space + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=').unwrap();
        let key = String::from_utf8(record[..equals].to_vec()).unwrap();
        records.insert(key, record[equals + 1..].to_vec());
        bytes = &bytes[length..];
    }
    records
}

/// Directories get their time from whoever wrote into them last, and no two programs agree on that.
fn line(
    kind: char,
    mode: u32,
    (uid, gid): (u64, u64),
    mtime: u64,
    detail: &str,
    attributes: &Attributes,
) -> String {
    let mtime = if kind == 'd' { 0 } else { mtime };
    format!("{kind}{mode:04o} {uid}:{gid} {mtime} {detail} {attributes:?}")
}

fn tar_device(header: &tar::Header) -> String {
    let number = |part: std::io::Result<Option<u32>>| part.unwrap().unwrap();
    format!("{},{}", number(header.device_major()), number(header.device_minor()))
}

fn contents(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{} bytes, {:016x}", bytes.len(), hasher.finish())
}

fn clean(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path).to_vec()
}

/// Every name of a file with several says the first of them.
fn mark_links(names: &mut Names, groups: impl Iterator<Item = Vec<Vec<u8>>>) {
    for group in groups.filter(|group| group.len() > 1) {
        let first = String::from_utf8_lossy(group.iter().min().unwrap()).into_owned();
        for name in &group {
            names.get_mut(name).unwrap().push_str(&format!(" = {first}"));
        }
    }
}
