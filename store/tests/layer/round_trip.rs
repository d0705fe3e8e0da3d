//! Directory → layer → directory → layer: nothing is lost, and the bytes are the same.

use std::ffi::OsStr;
use std::io::{Cursor, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use store::layer::{Compression, LayerWriter, write_layer};
use store::layer::{EntryKind, LayerIndex, compressor, decompressor, index_layer};
use store::tree::Tree;
use sys::RootDir;
use sys::root_dir::{NodeKind, Timestamp};

use crate::support::{Scene, archive, listing, root, unpack};

/// A bit of everything a layer can hold.
pub(crate) fn rich_tree(dir: &RootDir) {
    let write = |path: &Path, mode: u32, bytes: &[u8]| {
        dir.create_file(path, mode).unwrap().write_all(bytes).unwrap();
    };
    dir.create_dir("bin", 0o755).unwrap();
    write(Path::new("bin/su"), 0o755, b"#!setuid");
    dir.set_owner("bin/su", 0, 42).unwrap();
    dir.set_mode("bin/su", 0o6755).unwrap();
    let v3 = [b"\x01\0\0\x02".as_slice(), &[1, 0, 0, 0], &[0; 12]].concat();
    write(Path::new("bin/ping"), 0o755, b"ping");
    dir.set_xattr("bin/ping", b"security.capability", &v3).unwrap();
    dir.create_dir("tmp", 0o1777).unwrap();
    dir.create_dir("home", 0o2750).unwrap();
    dir.set_owner("home", 1000, 4_000_000_000).unwrap();
    dir.set_mode("home", 0o2750).unwrap();
    write(Path::new("home/x"), 0o600, &[0xff; 70_000]);
    dir.set_owner("home/x", 3_000_000, 1000).unwrap();
    dir.set_xattr("home/x", b"user.binary", b"\0=\n\xff").unwrap();
    write(Path::new("empty"), 0o644, b"");
    write(Path::new("no-rights"), 0, b"x");
    dir.hard_link("empty", "empty-link").unwrap();
    dir.hard_link("home/x", "aaa-first-by-name").unwrap();
    dir.symlink("bin/su", "link").unwrap();
    dir.symlink("/nowhere/".to_owned() + &"x".repeat(300), "long-link").unwrap();
    dir.hard_link("link", "link-hard").unwrap();
    dir.mknod("pipe", NodeKind::Fifo, 0o640).unwrap();
    dir.mknod("null", NodeKind::CharDevice { major: 1, minor: 3 }, 0o666).unwrap();
    dir.mknod("disk", NodeKind::BlockDevice { major: 259, minor: 70_000 }, 0o660).unwrap();
    dir.mknod("socket", NodeKind::Socket, 0o660).unwrap();
    write(Path::new(OsStr::from_bytes(b"not-utf8-\xff\xfe")), 0o644, b"bytes");
    write(Path::new(OsStr::from_bytes(&[0xfe; 255])), 0o644, b"long and not UTF-8");
    write(Path::new(&"n".repeat(255)), 0o644, b"long");
    write(Path::new("unicode-é-ü"), 0o644, b"u");
    write(Path::new("line\nbreak and space"), 0o644, b"n");
    write(Path::new("a-b"), 0o644, b"sorts between a and a/b in plain order");
    let mut deep = "a".to_owned();
    for number in 0..40 {
        deep += &format!("/directory-{number}");
    }
    dir.create_dir_all(&deep, 0o755).unwrap();
    write(&Path::new(&deep).join("bottom"), 0o644, b"deep");
    for secs in [-86_400, 0, 1, 10_000_000_000] {
        let name = format!("time{secs}");
        write(Path::new(&name), 0o644, b"");
        dir.set_mtime(&name, Timestamp { secs, nanos: 999_999_999 }).unwrap();
    }
    dir.set_mtime("link", Timestamp { secs: 12_345, nanos: 0 }).unwrap();
    dir.set_mtime("home", Timestamp { secs: 1_000_000_000, nanos: 1 }).unwrap();
}

#[test]
fn everything_comes_back() {
    if !root() {
        return;
    }
    let source = Scene::new();
    rich_tree(&source.dir);
    let none = Tree::default();
    let (bytes, written) = archive(&source.dir, &none);

    let copy = Scene::new();
    let read = unpack(&bytes, &copy, &none).unwrap();
    let mut expected = listing(&source.dir);
    expected.retain(|line| !line.starts_with("\"socket\""));
    assert_eq!(listing(&copy.dir), expected);
    assert_eq!(read, written);
    assert_eq!(index_layer(Cursor::new(&bytes), &none).unwrap(), written);
    assert_eq!(LayerIndex::from_bytes(&written.to_bytes()).unwrap(), written);

    let (again, _) = archive(&copy.dir, &none);
    assert!(again == bytes, "the second layer has other bytes");
    copy.check_outside();
}

#[test]
fn offsets_point_at_the_bytes() {
    let source = Scene::new();
    source.dir.create_dir("d", 0o755).unwrap();
    for name in ["d/one", "d/two", "three"] {
        source.dir.create_file(name, 0o644).unwrap().write_all(name.as_bytes()).unwrap();
    }
    let (bytes, index) = archive(&source.dir, &Tree::default());
    for entry in index.iter().filter(|entry| entry.is_file()) {
        let EntryKind::File { size, offset: Some(offset), .. } = entry.kind else { panic!() };
        let start = usize::try_from(offset).unwrap();
        assert_eq!(&bytes[start..start + usize::try_from(size).unwrap()], entry.path);
    }
}

#[test]
fn the_tar_crate_reads_what_we_write() {
    if !root() {
        return;
    }
    let source = Scene::new();
    rich_tree(&source.dir);
    let (bytes, index) = archive(&source.dir, &Tree::default());
    let mut reader = tar::Archive::new(Cursor::new(&bytes));
    let mut paths = Vec::new();
    for member in reader.entries().unwrap() {
        let member = member.unwrap();
        let path = member.path_bytes().to_vec();
        paths.push(path.strip_suffix(b"/").unwrap_or(&path).to_vec());
        let entry = index.get(paths.last().unwrap()).unwrap();
        if let EntryKind::Symlink { target } | EntryKind::Hardlink { target } = &entry.kind {
            assert_eq!(member.link_name_bytes().unwrap().as_ref(), target);
        }
        if let EntryKind::File { size, .. } = entry.kind {
            assert_eq!(member.size(), size);
        }
    }
    let expected: Vec<_> = index.iter().map(|entry| entry.path.clone()).collect();
    assert_eq!(paths, expected);
}

#[test]
fn capabilities_of_version_3_become_version_2() {
    if !root() {
        return;
    }
    let mut entry = store::layer::Entry::new(
        "f",
        EntryKind::File { size: 0, digest: None, offset: None },
        0o755,
    );
    let data = [3; 16];
    let v3 = [b"\0\0\0\x03".as_slice(), &data, &[1, 2, 3, 4]].concat();
    entry.xattrs.insert(b"security.capability".to_vec(), v3);
    entry.xattrs.insert(b"trusted.overlay.opaque".to_vec(), b"y".to_vec());
    let mut writer = LayerWriter::new(Vec::new());
    writer.append(&entry, None).unwrap();
    let (bytes, _) = writer.finish().unwrap();
    let index = index_layer(Cursor::new(bytes), &Tree::default()).unwrap();
    let xattrs = &index.get(b"f").unwrap().xattrs;
    assert_eq!(xattrs[b"security.capability".as_slice()][..], [b"\0\0\0\x02", &data[..]].concat());
    assert_eq!(xattrs.len(), 1);
}

#[test]
fn the_writer_refuses_what_would_read_differently() {
    let kind = || EntryKind::File { size: 0, digest: None, offset: None };
    let entry = |path: &str, kind| store::layer::Entry::new(path, kind, 0o644);
    let link = |path, target: &str| {
        entry(path, EntryKind::Hardlink { target: target.as_bytes().to_vec() })
    };
    let attempt = |entries: &[store::layer::Entry]| {
        let mut writer = LayerWriter::new(Vec::new());
        entries.iter().try_for_each(|entry| writer.append(entry, None))
    };
    assert!(attempt(&[entry("a", kind()), link("b", "a")]).is_ok());
    assert!(attempt(&[entry("b", kind()), entry("a", kind())]).is_err());
    assert!(attempt(&[entry("a", kind()), entry("a", kind())]).is_err());
    assert!(attempt(&[link("a", "b")]).is_err());
    assert!(attempt(&[entry("x/.wh.y", kind())]).is_err());
    assert!(attempt(&[entry("d", EntryKind::CharDevice { major: 0, minor: 0 })]).is_err());
    assert!(attempt(&[entry("a\0b", kind())]).is_err());
    let sized = entry("a", EntryKind::File { size: 5, digest: None, offset: None });
    for bytes in [b"1234".as_slice(), b"123456"] {
        let mut writer = LayerWriter::new(Vec::new());
        assert!(writer.append(&sized, Some(&mut Cursor::new(bytes))).is_err());
    }
}

#[test]
fn compression_is_deterministic_and_detected() {
    let source = Scene::new();
    source.dir.create_file("f", 0o644).unwrap().write_all(&b"text ".repeat(100_000)).unwrap();
    let (plain, index) = archive(&source.dir, &Tree::default());
    for form in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        let compress = |step: usize| {
            let mut out = compressor(Vec::new(), form).unwrap();
            plain.chunks(step).for_each(|part| out.write_all(part).unwrap());
            out.finish().unwrap()
        };
        let bytes = compress(1 << 20);
        assert!(bytes == compress(4099), "{form:?} depends on how the bytes arrive");
        let reader = decompressor(Cursor::new(bytes)).unwrap();
        assert_eq!(index_layer(reader, &Tree::default()).unwrap(), index);
    }
    let first = compressor(Vec::new(), Compression::GZIP).unwrap();
    let header = { first }.finish().unwrap();
    assert_eq!(header[3..8], [0; 5], "no name, no time");
}

#[test]
fn writing_twice_gives_the_same_bytes() {
    let source = Scene::new();
    for number in 0..200 {
        source.dir.create_file(format!("f{number}"), 0o644).unwrap().write_all(b"x").unwrap();
    }
    let (bytes, index) = archive(&source.dir, &Tree::default());
    let mut writer = LayerWriter::new(Vec::new());
    write_layer(&index, &source.dir, &mut writer).unwrap();
    assert!(writer.finish().unwrap().0 == bytes);
}
