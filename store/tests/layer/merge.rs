//! Layers on top of each other: whiteouts and opaque directories mean the same to the merged
//! tree, to a plain copy and to the kernel's overlayfs.

use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use store::id_map::IdMap;
use store::layer::{EntryKind, LayerIndex, WhiteoutForm, apply, apply_archive, index_layer};
use store::tree::{Tree, TreeContent, TreeLayer};
use sys::RootDir;
use sys::mount::Setting;

use crate::support::{Archive, Scene, archive, listing, on_top, root, unpack};

fn layers() -> Vec<Vec<u8>> {
    let base = Archive::default()
        .dir("etc")
        .file("etc/passwd", "root")
        .file("etc/motd", "hi")
        .dir("opt")
        .file("opt/old", "old")
        .dir("opt/sub")
        .file("opt/sub/deep", "deep")
        .dir("gone")
        .file("gone/x", "x")
        .file("file-to-dir", "f")
        .dir("dir-to-file")
        .file("dir-to-file/inner", "i")
        .symlink("bin", "usr/bin")
        .dir("usr")
        .dir("usr/bin")
        .file("usr/bin/tool", "tool")
        .pax(&[("uid", b"7"), ("SCHILY.xattr.user.kept", b"yes")])
        .dir("kept")
        .edit(512 - 100, b"0001777\0")
        .file("again", "1")
        .dir("hidden")
        .file("hidden/a", "a")
        .dir("hidden/sub")
        .file("hidden/sub/b", "b")
        .end();
    let middle = Archive::default()
        .file("etc/new", "new")
        .file("etc/.wh.motd", "")
        .file("opt/fresh", "fresh")
        .file("opt/.wh..wh..opq", "")
        .file(".wh.gone", "")
        .dir("file-to-dir")
        .file("file-to-dir/x", "x")
        .file("dir-to-file", "now a file")
        .file("bin/added", "added")
        .file("kept/inside", "inside")
        .file(".wh.again", "")
        .dir("hidden")
        .dir("hidden/sub")
        .file("hidden/sub/c", "c")
        .file("hidden/.wh..wh..opq", "")
        .end();
    let top = Archive::default()
        .file("gone/back", "back")
        .file("again", "2")
        .file("opt/old", "new old")
        .file("etc/.wh.nothing", "")
        .hardlink("etc/link", "opt/old")
        .end();
    vec![base, middle, top]
}

const MERGED: &[&str] = &[
    "again",
    "bin",
    "dir-to-file",
    "etc",
    "etc/link",
    "etc/new",
    "etc/passwd",
    "file-to-dir",
    "file-to-dir/x",
    "gone",
    "gone/back",
    "hidden",
    "hidden/sub",
    "hidden/sub/c",
    "kept",
    "kept/inside",
    "opt",
    "opt/fresh",
    "opt/old",
    "usr",
    "usr/bin",
    "usr/bin/added",
    "usr/bin/tool",
];

/// The layers unpacked one by one.
fn unpacked() -> (Vec<Scene>, Tree) {
    let mut tree = Tree::default();
    let mut scenes = Vec::new();
    for bytes in layers() {
        let scene = Scene::new();
        let index = unpack(&bytes, &scene, &tree).unwrap();
        assert_eq!(index_layer(Cursor::new(&bytes), &tree).unwrap(), index);
        tree = on_top(&tree, index, &scene);
        scenes.push(scene);
    }
    (scenes, tree)
}

fn walk(tree: &Tree, path: &str, found: &mut Vec<String>) {
    for (name, entry) in tree.read_dir(path).unwrap() {
        let child = format!("{path}/{}", name.to_str().unwrap());
        assert_eq!(tree.lookup(&child).as_ref(), Some(&entry), "{child}");
        found.push(child[1..].to_owned());
        if entry.entry.is_dir() {
            walk(tree, &child, found);
        }
    }
}

fn paths(dir: &RootDir) -> Vec<String> {
    let name = |line: &String| line.split('"').nth(1).unwrap().to_owned();
    listing(dir).iter().map(name).collect()
}

#[test]
fn the_tree_merges() {
    if !root() {
        return;
    }
    let (_scenes, tree) = unpacked();
    let mut found = Vec::new();
    walk(&tree, "", &mut found);
    assert_eq!(found, MERGED);
    let kept = tree.lookup("kept").unwrap().entry;
    assert_eq!((kept.mode, kept.uid, kept.xattrs.len()), (0o1777, 7, 1));
    let mut text = String::new();
    tree.open("etc/link").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "new old");
    assert_eq!(tree.lookup("etc/link").unwrap().source, b"opt/old", "one file");
    assert_eq!(tree.lookup("opt/old").unwrap().source, b"opt/old");
}

#[test]
fn a_plain_copy_is_the_same() {
    if !root() {
        return;
    }
    let (_scenes, tree) = unpacked();
    let copy = Scene::new();
    let mut parents = Tree::default();
    for (bytes, layer) in layers().iter().zip(tree.layers()) {
        let form = WhiteoutForm::Remove;
        let index = apply(Cursor::new(bytes), &copy.dir, &parents, form, IdMap::Identity).unwrap();
        assert_eq!(&index, &*layer.index);
        parents = parents.with_layer(layer.clone());
    }
    assert_eq!(paths(&copy.dir), MERGED);
    let kept = copy.dir.metadata("kept").unwrap();
    assert_eq!((kept.mode, kept.uid, kept.mtime.secs), (0o1777, 7, 1_000_000_000));
    copy.check_outside();
}

#[test]
fn overlayfs_sees_the_same() {
    if !root() {
        return;
    }
    let (scenes, tree) = unpacked();
    let Some(mounted) = Overlay::mount(&scenes) else { return };
    let dir = &mounted.dir;
    assert_eq!(paths(dir), MERGED);
    for path in MERGED {
        let (disk, entry) = (dir.metadata(path).unwrap(), tree.lookup(path).unwrap().entry);
        assert_eq!((disk.mode, disk.uid, disk.gid), (entry.mode, entry.uid, entry.gid), "{path}");
        let known = |name: &Vec<u8>| !name.starts_with(b"trusted.");
        let xattrs: Vec<_> = dir.xattrs(path).unwrap().into_keys().filter(known).collect();
        assert_eq!(xattrs, entry.xattrs.into_keys().collect::<Vec<_>>(), "{path}");
    }
}

#[test]
fn changes_through_overlayfs_become_a_layer() {
    if !root() {
        return;
    }
    let (scenes, tree) = unpacked();
    let Some(mounted) = Overlay::mount(&scenes) else { return };
    let dir = &mounted.dir;
    dir.remove_file("etc/passwd").unwrap();
    dir.remove_tree("opt").unwrap();
    dir.create_dir("opt", 0o700).unwrap();
    dir.create_file("opt/only", 0o644).unwrap().write_all(b"only").unwrap();
    dir.create_dir("kept/fresh", 0o755).unwrap();
    dir.remove_tree("hidden").unwrap();
    dir.remove_tree("gone").unwrap();
    dir.create_file("gone", 0o644).unwrap();
    dir.hard_link("usr/bin/tool", "usr/bin/tool2").unwrap();
    dir.set_mode("kept", 0o755).unwrap();
    let (_temp, upper) = mounted.into_upper();

    let (bytes, index) = archive(&upper, &tree);
    let kinds: Vec<String> =
        index.iter().map(|e| format!("{} {:?}", e.as_path().display(), e.kind)).collect();
    let text = kinds.join("\n");
    for (path, kind) in [
        ("etc/passwd", EntryKind::Whiteout),
        ("hidden", EntryKind::Whiteout),
        ("opt", EntryKind::Dir { opaque: true }),
        ("kept", EntryKind::Dir { opaque: false }),
        ("kept/fresh", EntryKind::Dir { opaque: false }),
        ("usr/bin/tool2", EntryKind::Hardlink { target: b"usr/bin/tool".to_vec() }),
    ] {
        assert_eq!(index.get(path.as_bytes()).map(|e| e.kind), Some(kind), "{path} in\n{text}");
    }
    // The upper itself and the layer unpacked again are the same tree.
    let copy = Scene::new();
    let again = unpack(&bytes, &copy, &tree).unwrap();
    assert_eq!(again, index);
    assert_eq!(archive(&copy.dir, &tree).0, bytes);
    let merged = |content| {
        let layer = TreeLayer::new(Arc::new(index.clone()), content);
        let mut found = Vec::new();
        walk(&tree.with_layer(layer), "", &mut found);
        found
    };
    let found = merged(TreeContent::Unavailable);
    assert!(found.contains(&"opt/only".to_owned()));
    assert!(!found.iter().any(|path| path.starts_with("hidden") || path == "opt/old"));
}

#[test]
fn the_order_of_whiteouts_does_not_matter() {
    if !root() {
        return;
    }
    let members: [fn(Archive) -> Archive; 4] = [
        |a| a.file(".wh.d", ""),
        |a| a.dir("d"),
        |a| a.file("d/x", "x"),
        |a| a.file("e/.wh.y", ""),
    ];
    let base = Scene::new();
    let bytes = Archive::default().file("d/lower", "").file("e/y", "").end();
    let index = unpack(&bytes, &base, &Tree::default()).unwrap();
    let tree = on_top(&Tree::default(), index, &base);
    let mut results: Vec<(LayerIndex, Vec<String>)> = Vec::new();
    for order in [[0, 1, 2, 3], [1, 0, 2, 3], [3, 1, 2, 0], [1, 2, 3, 0]] {
        let build = order.iter().fold(Archive::default(), |a, &number| members[number](a));
        let scene = Scene::new();
        let mut index = unpack(&build.end(), &scene, &tree).unwrap().into_entries();
        for entry in &mut index {
            if let EntryKind::File { offset, .. } = &mut entry.kind {
                *offset = None;
            }
        }
        // A deletion's mark has the time when it was made.
        let mut listing = listing(&scene.dir);
        for line in listing.iter_mut().filter(|line| line.contains(" CharDevice ")) {
            line.truncate(line.find('@').unwrap());
        }
        results.push((LayerIndex::new(index), listing));
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:#?}");
    assert!(matches!(results[0].0.get(b"d").unwrap().kind, EntryKind::Dir { opaque: true }));
}

#[test]
fn the_last_duplicate_wins_and_links_keep_their_bytes() {
    let bytes = Archive::default()
        .file("a", "old")
        .hardlink("b", "a")
        .hardlink("c", "b")
        .file("a", "new")
        .dir("d")
        .file("d/x", "x")
        .file("d", "file")
        .end();
    let scene = Scene::new();
    let index = unpack(&bytes, &scene, &Tree::default()).unwrap();
    let read = |path: &str| std::fs::read_to_string(scene.path().join(path)).unwrap();
    assert_eq!([read("a"), read("b"), read("c"), read("d")], ["new", "old", "old", "file"]);
    assert_eq!(index.get(b"c").unwrap().kind, EntryKind::Hardlink { target: b"b".to_vec() });
    let tree = on_top(&Tree::default(), index, &scene);
    for path in ["a", "b", "c", "d"] {
        let mut text = String::new();
        tree.open(path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, read(path));
    }
    assert!(tree.lookup("d/x").is_none());
}

#[test]
fn an_added_archive_lands_where_links_lead_and_deletes_nothing() {
    if !root() {
        return;
    }
    let base = Scene::new();
    let bytes = Archive::default()
        .pax(&[("uid", b"7")])
        .dir("srv/usr/bin")
        .symlink("srv/bin", "/usr/bin")
        .file("srv/old", "")
        .end();
    let index = unpack(&bytes, &base, &Tree::default()).unwrap();
    let tree = on_top(&Tree::default(), index, &base).at("/srv").unwrap();

    let scratch = Scene::new();
    let bytes = Archive::default().file("bin/tool", "t").file(".wh.old", "literal").end();
    let index = apply_archive(Cursor::new(bytes), &scratch.dir, &tree, IdMap::Identity).unwrap();
    let found: Vec<_> = index.iter().map(|entry| entry.as_path().display().to_string()).collect();
    assert_eq!(found, [".wh.old", "usr/bin/tool"]);
    assert_eq!(paths(&scratch.dir), [".wh.old", "usr", "usr/bin", "usr/bin/tool"]);
    assert_eq!(scratch.dir.metadata("usr/bin").unwrap().uid, 7);
}

/// An overlay mount of the scenes that is attached nowhere: dropped, it is gone.
pub(crate) struct Overlay {
    temp: tempfile::TempDir,
    pub(crate) dir: RootDir,
}

impl Overlay {
    pub(crate) fn mount(lowers: &[Scene]) -> Option<Overlay> {
        // The work directory cannot lie on an overlay, as /tmp does in containers.
        let temp = tempfile::TempDir::new().unwrap();
        let path = |dir: std::path::PathBuf| dir.to_str().unwrap().to_owned();
        let (upper, work) = (path(temp.path().join("upper")), path(temp.path().join("work")));
        let lowers: Vec<String> = lowers.iter().rev().map(|scene| path(scene.path())).collect();
        let mut settings = vec![Setting::Flag("volatile")];
        settings.extend(lowers.iter().map(|lower| Setting::Text("lowerdir+", lower)));
        for (key, dir) in [("upperdir", &upper), ("workdir", &work)] {
            std::fs::create_dir(dir).unwrap();
            settings.push(Setting::Text(key, dir));
        }
        match sys::mount::new_mount("overlay", &settings, 0) {
            Ok(fd) => Some(Overlay { temp, dir: RootDir::from_fd(fd) }),
            Err(error) => {
                eprintln!("skipped: cannot mount overlayfs here: {error}");
                None
            }
        }
    }

    /// Unmounts and leaves what was written.
    pub(crate) fn into_upper(self) -> (tempfile::TempDir, RootDir) {
        drop(self.dir);
        let upper = RootDir::open(self.temp.path().join("upper")).unwrap();
        (self.temp, upper)
    }
}
