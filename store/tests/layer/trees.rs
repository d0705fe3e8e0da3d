//! The merged tree: symbolic links, contents and digests.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use store::layer::{ContentDigest, Entry, EntryKind, LayerIndex};
use store::tree::{Tree, TreeContent, TreeError, TreeLayer};

use crate::support::{Scene, archive};

fn symlink(path: &str, target: &str) -> Entry {
    Entry::new(path, EntryKind::Symlink { target: target.as_bytes().to_vec() }, 0o777)
}

fn tree(layers: Vec<Vec<Entry>>) -> Tree {
    let layer =
        |entries| TreeLayer::new(Arc::new(LayerIndex::new(entries)), TreeContent::Unavailable);
    Tree::new(layers.into_iter().map(layer).collect())
}

fn resolve(tree: &Tree, path: &str) -> PathBuf {
    tree.resolve(path, true).unwrap()
}

#[test]
fn links_resolve_inside_the_tree() {
    let tree = tree(vec![
        vec![Entry::default_dir("usr/bin"), symlink("bin", "usr/bin"), symlink("up", "../../..")],
        vec![symlink("usr/bin/sh", "/bin/dash"), symlink("abs", "/up/usr")],
    ]);
    assert_eq!(resolve(&tree, "/bin/sh"), Path::new("/usr/bin/dash"));
    assert_eq!(resolve(&tree, "bin/../x"), Path::new("/usr/x"));
    assert_eq!(resolve(&tree, "abs/bin"), Path::new("/usr/bin"));
    assert_eq!(resolve(&tree, "../../etc"), Path::new("/etc"));
    assert_eq!(resolve(&tree, ""), Path::new("/"));
    assert_eq!(tree.resolve("/bin", false).unwrap(), Path::new("/bin"));
    assert_eq!(tree.resolve("/up/bin/sh", false).unwrap(), Path::new("/usr/bin/sh"));
    assert!(tree.lookup("/bin/sh").is_none(), "lookup takes paths literally");
    assert!(tree.lookup("/usr/bin/sh").is_some());
}

#[test]
fn link_chains_have_a_limit() {
    let chain = |length: usize| {
        (0..length).map(|n| symlink(&format!("l{n}"), &format!("l{}", n + 1))).collect::<Vec<_>>()
    };
    assert_eq!(resolve(&tree(vec![chain(255)]), "l0"), Path::new("/l255"));
    let error = tree(vec![chain(256)]).resolve("l0", true).unwrap_err();
    assert!(matches!(error, TreeError::TooManyLinks { .. }));
}

#[test]
fn an_empty_tree_has_a_root() {
    let none = Tree::default();
    assert!(none.lookup("/").unwrap().entry.is_dir());
    assert!(none.read_dir("/").unwrap().is_empty());
    assert!(matches!(none.read_dir("/x"), Err(TreeError::NotFound { .. })));
    assert!(matches!(none.open("/x"), Err(TreeError::NotFound { .. })));
    assert!(matches!(none.open("/"), Err(TreeError::NotAFile { .. })));
}

#[test]
fn contents_come_from_directory_archive_or_on_demand() {
    let scene = Scene::new();
    scene.dir.create_file("f", 0o644).unwrap().write_all(b"content").unwrap();
    scene.dir.hard_link("f", "g").unwrap();
    let (bytes, index) = archive(&scene.dir, &Tree::default());
    let mut blob = tempfile::tempfile().unwrap();
    blob.write_all(&bytes).unwrap();
    blob.seek(SeekFrom::Start(0)).unwrap();
    let unpacks = Arc::new(AtomicUsize::new(0));
    let lazy = {
        let (unpacks, dir) = (unpacks.clone(), Arc::new(scene.dir.try_clone().unwrap()));
        TreeContent::Lazy(Arc::new(move || {
            unpacks.fetch_add(1, Ordering::Relaxed);
            Ok(dir.clone())
        }))
    };
    let index = Arc::new(index);
    let dir = TreeContent::Dir(Arc::new(scene.dir.try_clone().unwrap()));
    for content in [dir, TreeContent::Blob(Arc::new(blob)), lazy] {
        let tree = Tree::new(vec![TreeLayer::new(index.clone(), content)]);
        for path in ["f", "/g"] {
            let mut text = String::new();
            tree.open(path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "content");
            assert_eq!(tree.content_digest(path).unwrap(), ContentDigest::of(b"content"));
        }
    }
    assert_eq!(unpacks.load(Ordering::Relaxed), 2, "digests come from the index");
    let tree = Tree::new(vec![TreeLayer::new(index, TreeContent::Unavailable)]);
    assert!(matches!(tree.open("f").map(drop), Err(TreeError::Unavailable { .. })));
}

#[test]
fn unknown_digests_are_computed_once() {
    let scene = Scene::new();
    scene.dir.create_file("f", 0o644).unwrap().write_all(b"content").unwrap();
    let index = store::layer::scan(&scene.dir, &Tree::default(), Default::default()).unwrap();
    let dir = Arc::new(scene.dir.try_clone().unwrap());
    let tree = Tree::new(vec![TreeLayer::new(Arc::new(index), TreeContent::Dir(dir))]);
    assert_eq!(tree.content_digest("f").unwrap(), ContentDigest::of(b"content"));
    scene.dir.remove_file("f").unwrap();
    assert_eq!(tree.clone().content_digest("f").unwrap(), ContentDigest::of(b"content"));
}

#[test]
fn a_directory_can_be_a_tree_of_its_own() {
    let file = |path: &str| Entry::new(path, EntryKind::Fifo, 0);
    let whole = tree(vec![
        vec![file("srv/a/x"), file("srv/a/y"), file("out"), symlink("srv/a/l", "/x")],
        vec![Entry::whiteout("srv/a/y"), file("srv/a/sub/z"), symlink("srv/a/up", "../../out")],
    ]);
    let part = whole.at("/srv/a").unwrap();
    let names: Vec<_> = part.read_dir("/").unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["l", "sub", "up", "x"]);
    assert_eq!(part.lookup("sub/z").unwrap().entry.path, b"sub/z");
    assert_eq!(part.lookup("sub/z").unwrap().source, b"srv/a/sub/z");
    assert!(part.lookup("y").is_none());
    assert_eq!(resolve(&part, "l"), Path::new("/x"));
    assert_eq!(resolve(&part, "up"), Path::new("/out"));
    assert!(part.at("sub").unwrap().lookup("z").is_some());
    assert!(whole.at("/nothing").unwrap().read_dir("/").unwrap().is_empty());
    assert!(whole.at("a/../b").is_none());
}
