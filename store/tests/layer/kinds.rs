//! Kinds of files that only some systems and formats know: what docs/layers.md says of them.

use std::io::Cursor;

use store::layer::{EntryKind, index_layer};
use store::tree::Tree;
use sys::root_dir::NodeKind;

use crate::support::{Archive, Scene, archive, listing, on_top, root, unpack};

#[test]
fn attributes_that_the_kernel_refuses_stay_in_the_layer_only() {
    if !root() {
        return;
    }
    let records: &[(&str, &[u8])] = &[("SCHILY.xattr.user.x", b"1")];
    let bytes = Archive::default().pax(records).symlink("s", "t").pax(records).file("f", "");
    let bytes = bytes.pax(records).member(b'6', "p", "", b"").end();
    let scene = Scene::new();
    let index = unpack(&bytes, &scene, &Tree::default()).unwrap();
    for (path, on_disk) in [("s", 0), ("f", 1), ("p", 0)] {
        assert_eq!(index.get(path.as_bytes()).unwrap().xattrs.len(), 1, "{path}");
        assert_eq!(scene.dir.xattrs(path).unwrap().len(), on_disk, "{path}");
    }
}

#[test]
fn access_lists_are_kept() {
    if !root() {
        return;
    }
    // Version 2: owner rw-, user 1000 rwx, group r--, mask rwx, others r--.
    let entry = |tag: u16, rights: u16, id: u32| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let none = u32::MAX;
    let entries = [(1, 6, none), (2, 7, 1000), (4, 4, none), (16, 7, none), (32, 4, none)];
    let list = entries.map(|(tag, rights, id)| entry(tag, rights, id)).concat();
    let list = [&2_u32.to_le_bytes()[..], &list].concat();
    let source = Scene::new();
    source.dir.create_file("f", 0o674).unwrap();
    if let Err(error) = source.dir.set_xattr("f", b"system.posix_acl_access", &list) {
        eprintln!("skipped: no access lists on this file system: {error}");
        return;
    }
    let (bytes, _) = archive(&source.dir, &Tree::default());
    let copy = Scene::new();
    unpack(&bytes, &copy, &Tree::default()).unwrap();
    assert_eq!(listing(&copy.dir), listing(&source.dir));
    assert_eq!(copy.dir.xattrs("f").unwrap()[b"system.posix_acl_access".as_slice()], list);
}

#[test]
fn a_socket_deletes_what_it_replaced() {
    if !root() {
        return;
    }
    let lower = Scene::new();
    let bytes = Archive::default().file("run/x", "old").end();
    let index = unpack(&bytes, &lower, &Tree::default()).unwrap();
    let tree = on_top(&Tree::default(), index, &lower);
    let upper = Scene::new();
    upper.dir.create_dir("run", 0o755).unwrap();
    upper.dir.mknod("run/x", NodeKind::Socket, 0o600).unwrap();
    upper.dir.mknod("run/new", NodeKind::Socket, 0o600).unwrap();
    let (_, index) = archive(&upper.dir, &tree);
    assert_eq!(index.get(b"run/x").unwrap().kind, EntryKind::Whiteout);
    assert!(index.get(b"run/new").is_none());
}

#[test]
fn an_opaque_root_and_deletions_of_nothing() {
    let lower = Scene::new();
    let bytes = Archive::default().file("a/x", "").file("b", "").end();
    let index = unpack(&bytes, &lower, &Tree::default()).unwrap();
    let tree = on_top(&Tree::default(), index, &lower);
    let kinds = |bytes: Vec<u8>| -> Vec<(String, EntryKind)> {
        let index = index_layer(Cursor::new(bytes), &tree).unwrap();
        index.iter().map(|e| (e.as_path().display().to_string(), e.kind.clone())).collect()
    };
    let dir = |opaque| EntryKind::Dir { opaque };
    let opaque = Archive::default().dir("a").file(".wh..wh..opq", "").end();
    let expected = [("a".to_owned(), dir(true)), ("b".to_owned(), EntryKind::Whiteout)];
    assert_eq!(kinds(opaque), expected);
    let nothing = Archive::default().file("a/.wh.y", "").file("c/.wh.z", "").end();
    assert_eq!(kinds(nothing), [("c".to_owned(), dir(false))]);
}

#[test]
fn capabilities_for_another_user_namespace_reach_the_disk_and_leave_as_version_2() {
    if !root() {
        return;
    }
    let v3 =
        [b"\x01\0\0\x03".as_slice(), &[1, 0, 0, 0], &[0; 12], &1000_u32.to_le_bytes()].concat();
    let records: &[(&str, &[u8])] = &[("SCHILY.xattr.security.capability", &v3)];
    let bytes = Archive::default().pax(records).file("f", "").end();
    let scene = Scene::new();
    unpack(&bytes, &scene, &Tree::default()).unwrap();
    assert_eq!(scene.dir.xattrs("f").unwrap()[b"security.capability".as_slice()], v3);
    let (_, index) = archive(&scene.dir, &Tree::default());
    let v2 = [b"\x01\0\0\x02".as_slice(), &[1, 0, 0, 0], &[0; 12]].concat();
    assert_eq!(index.get(b"f").unwrap().xattrs[b"security.capability".as_slice()], v2);
}
