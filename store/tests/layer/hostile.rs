//! Archives made to break out, confuse or exhaust: refused, or harmless, and nothing outside of
//! the target changes.

use std::io::Cursor;

use store::layer::{EntryKind, LayerError, index_layer};
use store::tree::Tree;

use crate::support::{Archive, Scene, listing, on_top, seal, unpack};

/// The archive is refused with `words` in the message, and nothing happens outside.
#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let scene = Scene::new();
    let error = unpack(bytes, &scene, &Tree::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(words), "`{text}` does not say `{words}`");
    scene.check_outside();
    assert!(index_layer(Cursor::new(bytes), &Tree::default()).is_err());
}

/// The archive is accepted; returns the listing's paths.
#[track_caller]
fn accepted(bytes: &[u8]) -> (Scene, Vec<String>) {
    let scene = Scene::new();
    unpack(bytes, &scene, &Tree::default()).unwrap();
    scene.check_outside();
    let paths =
        listing(&scene.dir).iter().map(|line| line.split('"').nth(1).unwrap().to_owned()).collect();
    (scene, paths)
}

#[test]
fn dot_dot_is_refused() {
    for path in ["../outside/new", "a/../../outside/new", "..", "a/..", "/../x"] {
        refused(&Archive::default().file(path, "x").end(), "`..`");
    }
    refused(&Archive::default().dir("..").end(), "`..`");
    let long = Archive::default().pax(&[("path", b"../outside/new")]).file("x", "x").end();
    refused(&long, "`..`");
    let gnu = Archive::default().member(b'L', "././@LongLink", "", b"../outside/new\0");
    refused(&gnu.file("x", "x").end(), "`..`");
}

#[test]
fn absolute_paths_land_below_the_root() {
    let (_, paths) = accepted(&Archive::default().file("/etc/passwd", "x").file("//a", "").end());
    assert_eq!(paths, ["a", "etc", "etc/passwd"]);
    let (_, paths) = accepted(&Archive::default().dir("./").file("././b//./c", "").end());
    assert_eq!(paths, ["b", "b/c"]);
}

/// What is called zip slip or tar slip, by an absolute link.
#[test]
fn tar_slip_links_of_an_archive_stay_inside() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let inside = target.trim_start_matches('/');
    for link in [target.to_owned(), format!("../../../../../../../..{target}")] {
        let bytes = Archive::default().dir(inside).symlink("out", &link).file("out/new", "x").end();
        let (_, paths) = accepted(&bytes);
        assert!(paths.contains(&format!("{inside}/new")), "{paths:?}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn symlinked_parents_lead_nowhere_outside() {
    for target in ["/", "..", "../..", "../../../.."] {
        let bytes = Archive::default().symlink("up", target).file("up/new", "x").end();
        let (_, paths) = accepted(&bytes);
        assert_eq!(paths, ["new", "up"]);
    }
    let bytes = Archive::default().symlink("out", "../outside").file("out/secret", "x").end();
    let (scene, paths) = accepted(&bytes);
    assert_eq!(paths, ["out", "outside", "outside/secret"]);
    assert!(scene.path().join("outside/secret").is_file());
}

#[test]
fn a_chain_of_symlinks_stays_inside() {
    let bytes = Archive::default()
        .dir("a")
        .symlink("a/b", "..")
        .symlink("a/b/c", "../../outside")
        .symlink("d", "a/b/c")
        .file("d/secret", "x")
        .end();
    let (_, paths) = accepted(&bytes);
    assert_eq!(paths, ["a", "a/b", "c", "d", "outside", "outside/secret"]);
    let looped = Archive::default().symlink("x", "y").symlink("y", "x").file("x/f", "").end();
    refused(&looped, "too many symbolic links");
}

#[test]
fn links_that_only_take_time_are_refused() {
    let detour = "d/../".repeat(700);
    let chain = |length: usize| {
        let link = |archive: Archive, number: usize| {
            let target = format!("{detour}l{}", number + 1);
            archive.pax(&[("linkpath", target.as_bytes())]).symlink(&format!("l{number}"), "x")
        };
        (0..length)
            .fold(Archive::default().dir("d"), link)
            .dir(&format!("l{length}"))
            .file("l0/f", "x")
            .end()
    };
    assert!(index_layer(Cursor::new(chain(3)), &Tree::default()).unwrap().get(b"l3/f").is_some());
    refused(&chain(100), "too many symbolic links");
}

#[test]
fn writing_through_a_symlink_replaces_it() {
    let bytes = Archive::default().symlink("f", "../outside/secret").file("f", "evil").end();
    let (scene, paths) = accepted(&bytes);
    assert_eq!(paths, ["f"]);
    assert_eq!(std::fs::read_to_string(scene.path().join("f")).unwrap(), "evil");
    // A directory where a symbolic link was: the link goes, its target is not touched.
    let bytes = Archive::default().symlink("d", "../outside").dir("d").file("d/x", "1").end();
    assert_eq!(accepted(&bytes).1, ["d", "d/x"]);
}

#[test]
fn hard_links_reach_only_the_layer() {
    refused(&Archive::default().hardlink("x", "../outside/secret").end(), "`..`");
    refused(&Archive::default().hardlink("x", "/outside/secret").end(), "does not exist");
    refused(&Archive::default().hardlink("x", "/etc/passwd").end(), "does not exist");
    let sneaky = Archive::default().symlink("out", "../outside").hardlink("x", "out/secret");
    refused(&sneaky.end(), "does not exist");
    refused(&Archive::default().dir("d").hardlink("x", "d").end(), "is a directory");
    refused(&Archive::default().hardlink("x", "").end(), "links to nothing");
    // To a symbolic link: the link itself gets a second name, so this writes nothing outside.
    let bytes = Archive::default()
        .symlink("s", "../outside/secret")
        .hardlink("h", "s")
        .file("h", "evil")
        .end();
    assert_eq!(accepted(&bytes).1, ["h", "s"]);
    let itself = Archive::default().file("f", "x").hardlink("f", "f").end();
    assert_eq!(accepted(&itself).1, ["f"]);
}

#[test]
fn hard_link_to_a_lower_layer_becomes_a_copy() {
    let base = Scene::new();
    let bytes = Archive::default().file("bin/tool", "tool").symlink("sbin", "bin").end();
    let index = unpack(&bytes, &base, &Tree::default()).unwrap();
    let tree = on_top(&Tree::default(), index, &base);

    let upper = Scene::new();
    let bytes = Archive::default().hardlink("alias", "sbin/tool").hardlink("l", "sbin").end();
    let index = unpack(&bytes, &upper, &tree).unwrap();
    assert_eq!(std::fs::read_to_string(upper.path().join("alias")).unwrap(), "tool");
    assert!(matches!(index.get(b"alias").unwrap().kind, EntryKind::File { size: 4, .. }));
    assert!(matches!(index.get(b"l").unwrap().kind, EntryKind::Symlink { .. }));
    assert_eq!(base.dir.metadata("bin/tool").unwrap().nlink, 1);

    let deleted = Archive::default().file(".wh.bin", "").hardlink("alias", "bin/tool").end();
    let error = unpack(&deleted, &Scene::new(), &tree).unwrap_err();
    assert!(error.to_string().contains("does not exist"));
}

#[test]
fn sizes_that_lie() {
    let mut cut = Archive::default().file("f", "0123456789").end();
    cut.truncate(512 + 5);
    refused(&cut, "cut short");
    let header_only = &Archive::default().file("f", "0123456789").end()[..300];
    refused(header_only, "middle of a header");
    // 8 GiB in the header, nothing behind it.
    let huge = Archive::default().file("f", "").edit(512 - 124, b"77777777777\0").end();
    refused(&huge, "cut short");
    let negative = Archive::default().file("f", "").edit(512 - 124, &[0xff; 12]).end();
    refused(&negative, "size of -1");
    for size in ["9223372036854775807", "-1", "99999999999999999999", "1x"] {
        let bytes = Archive::default().pax(&[("size", size.as_bytes())]).file("f", "").end();
        let scene = Scene::new();
        assert!(unpack(&bytes, &scene, &Tree::default()).is_err(), "{size}");
        scene.check_outside();
    }
    let long_name = Archive::default().member(b'L', "x", "", b"").edit(512 - 124, b"77777777777\0");
    refused(&long_name.file("f", "").end(), "extension headers of more than");
}

#[test]
fn names_that_are_none() {
    let nul = Archive::default().pax(&[("path", b"a\0b")]).file("x", "").end();
    refused(&nul, "NUL");
    let nul = Archive::default().pax(&[("linkpath", b"a\0b")]).symlink("x", "y").end();
    refused(&nul, "NUL");
    refused(&Archive::default().file("", "x").end(), "no name");
    refused(&Archive::default().file("/", "").member(b'6', "/", "", b"").end(), "no name");
    let component = "n".repeat(256);
    let long = Archive::default().pax(&[("path", component.as_bytes())]).file("x", "").end();
    let error = unpack(&long, &Scene::new(), &Tree::default()).unwrap_err();
    assert!(matches!(error, LayerError::Unpack { .. }), "{error}");
    let deep = "d/".repeat(4000) + "f";
    let deep = Archive::default().pax(&[("path", deep.as_bytes())]).file("x", "").end();
    let scene = Scene::new();
    assert!(unpack(&deep, &scene, &Tree::default()).is_err());
    scene.check_outside();
}

#[test]
fn names_and_attributes_that_only_fill_memory() {
    let part = vec![b'x'; 600 << 10];
    let twice = Archive::default().pax(&[("comment", &part)]).pax(&[("comment", &part)]);
    refused(&twice.file("f", "").end(), "extension headers of more than");
    let names = Archive::default().member(b'L', "n", "", &part).member(b'K', "n", "", &part);
    refused(&names.file("f", "").end(), "extension headers of more than");

    let long = "d/".repeat(2100) + "f";
    refused(&Archive::default().pax(&[("path", long.as_bytes())]).file("x", "").end(), "4096");
    let target = vec![b't'; 5000];
    refused(&Archive::default().pax(&[("linkpath", &target)]).symlink("x", "y").end(), "4096");

    // What one global header says, every member would have a copy of.
    let mut global = Archive::default().pax(&[("comment", &part)]);
    global.0[156] = b'g';
    seal(&mut global.0[..512]);
    refused(&global.file("f", "").end(), "global");
    let value = vec![b'v'; 60 << 10];
    let mut global = Archive::default().pax(&[("SCHILY.xattr.user.a", &value)]);
    global.0[156] = b'g';
    seal(&mut global.0[..512]);
    for number in 0..1200 {
        global = global.dir(&format!("d{number}"));
    }
    let error = index_layer(Cursor::new(global.end()), &Tree::default()).unwrap_err();
    assert!(error.to_string().contains("extended attributes"), "{error}");
}

#[test]
fn a_hard_link_cannot_replace_the_directory_its_target_is_in() {
    refused(&Archive::default().file("d/f", "x").hardlink("d", "d/f").end(), "d/f");
    let bytes = Archive::default().file("d/f", "x").hardlink("d/g", "d/f").hardlink("d", "d/g");
    refused(&bytes.end(), "inside of what it replaces");
}

#[test]
fn zeros_cost_the_disk_no_more_than_the_archive() {
    let records: &[(&str, &[u8])] =
        &[("GNU.sparse.size", b"67108864"), ("GNU.sparse.map", b"33554432,3")];
    let bytes = Archive::default().pax(records).file("f", "abc").end();
    let (scene, _) = accepted(&bytes);
    let metadata = std::fs::metadata(scene.path().join("f")).unwrap();
    assert_eq!(metadata.len(), 64 << 20);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&metadata);
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks");
}

#[test]
fn whiteouts_of_nothing_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh...", "/.wh..."] {
        refused(&Archive::default().file(name, "").end(), "whiteout of nothing");
    }
    // AUFS's own files are left out.
    let aufs = Archive::default().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file("a", "");
    assert_eq!(accepted(&aufs.end()).1, ["a"]);
}

#[test]
fn the_whiteout_device_is_refused() {
    refused(&Archive::default().member(b'3', "x", "", b"").end(), "device 0:0");
    let strange = Archive::default().member(b'4', "x", "", b"").edit(512 - 329, b"7777777\0");
    refused(&strange.end(), "impossible device");
}

#[test]
fn overlay_attributes_do_not_get_in() {
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.good", b"1"),
    ];
    let bytes = Archive::default().pax(records).dir("d").end();
    let scene = Scene::new();
    let index = unpack(&bytes, &scene, &Tree::default()).unwrap();
    let names: Vec<_> = index.get(b"d").unwrap().xattrs.keys().cloned().collect();
    assert_eq!(names, [b"user.good".to_vec()]);
    assert_eq!(scene.dir.xattrs("d").unwrap().len(), 1);
}

#[test]
fn owners_that_are_none() {
    for (key, id) in [("uid", "4294967295"), ("gid", "-1"), ("uid", "99999999999"), ("gid", "x")] {
        let bytes = Archive::default().pax(&[(key, id.as_bytes())]).file("f", "").end();
        refused(&bytes, key);
    }
}

#[test]
fn damaged_structure() {
    let good = Archive::default().file("a", "x").end();
    let mut wrong = good.clone();
    wrong[0] = b'b';
    refused(&wrong, "checksum");
    let mut hole = good[..1024].to_vec();
    hole.extend_from_slice(&[0; 512]);
    hole.extend_from_slice(&good);
    refused(&hole, "zero block");
    refused(&Archive::default().pax(&[("path", b"x")]).end(), "extension header");
    let mut records = Archive::default();
    records.push(b'x', b"p", b"", b"nonsense");
    refused(&records.file("a", "").end(), "damaged PAX");
    refused(&Archive::default().member(b'V', "label", "", b"").end(), "unknown type");
    refused(
        &b"this is not a tar archive at all".repeat(100),
        "the archive has a header with a wrong checksum",
    );

    // The end mark ends the archive, whatever follows; no mark at all is the end as well.
    let mut garbage = good.clone();
    garbage.extend_from_slice(&[0xee; 2000]);
    assert_eq!(accepted(&garbage).1, ["a"]);
    assert_eq!(accepted(&good[..1024]).1, ["a"]);
    assert!(accepted(&[]).1.is_empty());
}

#[test]
fn files_are_no_directories() {
    refused(&Archive::default().file("f", "").file("f/x", "").end(), "not a directory");
    let (_, paths) = accepted(&Archive::default().file("f/x", "1").file("f", "2").end());
    assert_eq!(paths, ["f"]);
}

#[test]
fn sparse_maps_that_lie() {
    let map = |map: &str, size: &str, data: &str| {
        let records: &[(&str, &[u8])] =
            &[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", map.as_bytes())];
        Archive::default().pax(records).file("f", data).end()
    };
    let (scene, _) = accepted(&map("2,3,9,1", "12", "abcd"));
    assert_eq!(std::fs::read(scene.path().join("f")).unwrap(), b"\0\0abc\0\0\0\0d\0\0");
    refused(&map("9,1,2,3", "12", "abcd"), "sparse map");
    refused(&map("2,3,4,1", "12", "abcd"), "sparse map");
    refused(&map("2,4", "5", "abcd"), "sparse map");
    refused(&map("2,3", "12", "abcd"), "sparse map");
    refused(&map("18446744073709551615,4", "12", "abcd"), "sparse map");
    refused(&map("0,4", "9000000000000000", "abcd"), "more than 64 GiB");
    refused(&map("0,4", "1099511627776", "abcd"), "more than 64 GiB");
    // Whatever the number of files that they are in.
    let records: &[(&str, &[u8])] =
        &[("GNU.sparse.size", b"40000000000"), ("GNU.sparse.map", b"0,0")];
    let read = |archive: &[u8]| {
        store::layer::read_layer(archive, store::layer::Whiteouts::Literal, &mut |_, _| Ok(()))
    };
    let one = || Archive::default().pax(records).file("f", "");
    assert!(read(&one().end()).is_ok());
    let two = read(&one().pax(records).file("g", "").end()).unwrap_err();
    assert!(two.to_string().contains("more than 64 GiB"), "{two}");
    refused(&map("0", "12", "abcd"), "sparse map");
    let v1 = |data: &str| {
        let records: &[(&str, &[u8])] = &[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.realsize", b"12"),
            ("GNU.sparse.name", b"real"),
        ];
        Archive::default().pax(records).file("GNUSparseFile.1/f", data).end()
    };
    let padded = |map: &str| map.to_owned() + &"\0".repeat(512 - map.len());
    let (scene, paths) = accepted(&v1(&(padded("1\n4\n3\n") + "abc")));
    assert_eq!(paths, ["real"]);
    assert_eq!(std::fs::read(scene.path().join("real")).unwrap(), b"\0\0\0\0abc\0\0\0\0\0");
    refused(&v1(&padded("99999999\n")), "");
    refused(&v1("1\n4\n3\n"), "cut short");
}

#[test]
fn every_flipped_byte_is_harmless() {
    let good = Archive::default()
        .dir("d")
        .symlink("d/up", "../..")
        .pax(&[("mtime", b"12.5"), ("SCHILY.xattr.user.a", b"b")])
        .file("d/up/f", "hello")
        .hardlink("h", "f")
        .file("d/.wh.gone", "")
        .end();
    for position in 0..good.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[position] ^= bit;
            let block = position / 512 * 512;
            // With a mended checksum the header is believed.
            for mend in [false, true] {
                if mend && position % 512 >= 345 {
                    continue;
                }
                if mend {
                    seal(&mut bytes[block..block + 512]);
                }
                let _ = index_layer(Cursor::new(&bytes), &Tree::default());
                if position % 16 == 0 {
                    let scene = Scene::new();
                    let _ = unpack(&bytes, &scene, &Tree::default());
                    scene.check_outside();
                }
            }
        }
    }
}
