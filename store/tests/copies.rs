//! Snapshots that are whole copies: nothing is shared with who writes, every change is found.
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use store::layer::{Entry, EntryKind, LayerIndex};
use store::tree::{Tree, TreeContent, TreeLayer};
use store::{ActiveSnapshot, SnapshotForm, SnapshotId, Store};
use sys::RootDir;
use sys::root_dir::{NodeKind, Timestamp};

use crate::support::{Sandbox, assert_valid, image, may_unpack, open, sandbox};

/// With a store that makes copies.
fn copying() -> Sandbox {
    let sandbox = sandbox();
    sandbox.store.use_snapshot_form(SnapshotForm::Copy);
    sandbox
}

type Files<'a> = &'a [(&'a str, &'a str)];

/// A stack and the same as a tree.
fn unpacked(store: &Store, layers: &[Files<'_>]) -> (Vec<SnapshotId>, Tree) {
    let made = image(store, &["base"], layers);
    let stack = store.unpack(&made).unwrap().into_iter().map(|layer| layer.snapshot).collect();
    (stack, store.tree(&made).unwrap())
}

/// What somebody who does `act` to the files of `stack` changes, as text; `@` is opaque, `!` deleted.
fn changes_of(
    store: &Store,
    (stack, tree): &(Vec<SnapshotId>, Tree),
    act: impl FnOnce(&Path),
) -> Vec<String> {
    let snapshotter = store.snapshotter();
    let active = snapshotter.prepare(stack).unwrap();
    act(active.upper_path());
    let id = snapshotter.commit(active).unwrap();
    names(&snapshotter.changes(&id, tree).unwrap())
}

fn names(index: &LayerIndex) -> Vec<String> {
    let name = |entry: Entry| {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        match &entry.kind {
            EntryKind::Whiteout => format!("!{path}"),
            EntryKind::Dir { opaque: true } => format!("@{path}/"),
            EntryKind::Dir { .. } => format!("{path}/"),
            EntryKind::Hardlink { target } => format!("{path}={}", String::from_utf8_lossy(target)),
            _ => path,
        }
    };
    index.iter().map(name).collect()
}

fn write(path: impl AsRef<Path>, text: &str) {
    fs::write(path, text).unwrap();
}

#[test]
fn what_changed_is_found_and_nothing_else() {
    if !may_unpack() {
        return;
    }
    let sandbox = copying();
    let store = &sandbox.store;
    let base = unpacked(
        store,
        &[
            &[
                ("d/", ""),
                ("d/a", "1"),
                ("d/sub/x", "1"),
                ("e/old", "1"),
                ("f", "1"),
                ("k", "file"),
            ],
            &[("d/b", "2"), ("m/n", "2"), ("!e/old", ""), ("e/new", "2")],
        ],
    );
    type Case<'a> = (&'a [&'a str], &'a dyn Fn(&Path));
    let cases: [Case<'_>; 12] = [
        (&[], &|_| {}),
        (&[], &|at| drop(fs::read(at.join("d/a")).unwrap())),
        (&["d/", "d/a"], &|at| write(at.join("d/a"), "9")),
        (&["d/", "d/c"], &|at| write(at.join("d/c"), "3")),
        (&["d/", "!d/a"], &|at| fs::remove_file(at.join("d/a")).unwrap()),
        (&["!d"], &|at| fs::remove_dir_all(at.join("d")).unwrap()),
        (&["f/", "f/x"], &|at| {
            fs::remove_file(at.join("f")).unwrap();
            fs::create_dir(at.join("f")).unwrap();
            write(at.join("f/x"), "");
        }),
        (&["d"], &|at| {
            fs::remove_dir_all(at.join("d")).unwrap();
            symlink("m", at.join("d")).unwrap();
        }),
        (&["d/", "d/sub/"], &|at| {
            fs::set_permissions(at.join("d/sub"), fs::Permissions::from_mode(0o700)).unwrap();
        }),
        // Anew, though with the same files: an overlay's is opaque and has them all.
        (&["@d/", "d/a", "d/sub/", "d/sub/y"], &|at| {
            fs::remove_dir_all(at.join("d")).unwrap();
            fs::create_dir_all(at.join("d/sub")).unwrap();
            write(at.join("d/a"), "1");
            write(at.join("d/sub/y"), "1");
        }),
        (&["!d", "z/", "z/a", "z/b", "z/sub/", "z/sub/x"], &|at| {
            fs::rename(at.join("d"), at.join("z")).unwrap();
        }),
        (&["f", "g=f"], &|at| fs::hard_link(at.join("f"), at.join("g")).unwrap()),
    ];
    for (number, (expected, act)) in cases.iter().enumerate() {
        assert_eq!(changes_of(store, &base, act), *expected, "case {number}");
    }
}

/// Everything that can be set back is: the change time cannot.
#[test]
fn a_change_that_hides_itself_is_found() {
    if !may_unpack() {
        return;
    }
    let sandbox = copying();
    let store = &sandbox.store;
    let base = unpacked(store, &[&[("d/", ""), ("d/a", "1"), ("d/b", "1")]]);
    let in_place = changes_of(store, &base, |at| {
        let file = File::options().write(true).open(at.join("d/a")).unwrap();
        let times = FileTimes::new().set_modified(file.metadata().unwrap().modified().unwrap());
        file.write_all_at(b"2", 0).unwrap();
        file.set_times(times).unwrap();
    });
    assert_eq!(in_place, ["d/", "d/a"]);
    // At once, many times: no two ticks of the clock are needed.
    for _ in 0..20 {
        let found = changes_of(store, &base, |at| {
            let dir = RootDir::open(at).unwrap();
            let before = dir.metadata("d").unwrap().mtime;
            fs::rename(at.join("d/b"), at.join("d/a")).unwrap();
            dir.set_mtime("d", before).unwrap();
        });
        assert_eq!(found, ["d/", "!d/b"], "equal files, one fewer");
    }
}

/// As an overlay does not: there, what was opened for writing is in the upper directory.
#[test]
fn what_was_touched_and_is_equal_is_left_out() {
    if !may_unpack() {
        return;
    }
    let sandbox = copying();
    let store = &sandbox.store;
    let base = unpacked(store, &[&[("d/", ""), ("d/a", "1"), ("d/b", "1")]]);
    let found = changes_of(store, &base, |at| {
        std::os::unix::fs::chown(at.join("d/a"), Some(0), Some(0)).unwrap();
        let file = File::options().write(true).open(at.join("d/b")).unwrap();
        let times = FileTimes::new().set_modified(file.metadata().unwrap().modified().unwrap());
        file.write_all_at(b"1", 0).unwrap();
        file.set_times(times).unwrap();
    });
    assert_eq!(found, [] as [&str; 0]);
}

/// Without notes of how it was (made by a process that has ended), all is compared.
#[test]
fn without_notes_the_changes_are_the_same() {
    if !may_unpack() {
        return;
    }
    let sandbox = copying();
    let store = &sandbox.store;
    let (stack, tree) =
        unpacked(store, &[&[("d/a", "1"), ("d/b", "1")], &[("e", "2"), ("!d/b", "")]]);
    let snapshotter = store.snapshotter();
    let active = snapshotter.prepare(&stack).unwrap();
    write(active.upper_path().join("d/a"), "2");
    fs::remove_file(active.upper_path().join("e")).unwrap();
    let id = snapshotter.commit(active).unwrap();
    let known = names(&snapshotter.changes(&id, &tree).unwrap());
    let other = open(store.root());
    other.use_snapshot_form(SnapshotForm::Copy);
    assert_eq!(names(&other.snapshotter().changes(&id, &tree).unwrap()), known);
    assert_eq!(known, ["d/", "d/a", "!e"]);
}

#[test]
fn links_between_files_are_part_of_the_tree() {
    if !may_unpack() {
        return;
    }
    let sandbox = copying();
    let store = &sandbox.store;
    let snapshotter = store.snapshotter();
    let active = snapshotter.prepare(&[]).unwrap();
    for name in ["a", "x"] {
        write(active.upper_path().join(name), "1");
    }
    for (old, new) in [("a", "b"), ("a", "c"), ("x", "y")] {
        fs::hard_link(active.upper_path().join(old), active.upper_path().join(new)).unwrap();
    }
    let id = snapshotter.commit(active).unwrap();
    let index = snapshotter.changes(&id, &Tree::default()).unwrap();
    assert_eq!(names(&index), ["a", "b=a", "c=a", "x", "y=x"]);
    let dir = TreeContent::Dir(Arc::new(snapshotter.dir(&id).unwrap()));
    let base = (vec![id], Tree::new(vec![TreeLayer::new(Arc::new(index), dir)]));
    let check = |expected: &[&str], act: &dyn Fn(&Path)| {
        assert_eq!(changes_of(store, &base, act), expected);
    };
    check(&["!a"], &|at| fs::remove_file(at.join("a")).unwrap());
    check(&["a", "b=a", "c=a"], &|at| write(at.join("b"), "2"));
    // Equal, but no longer one file.
    check(&["a", "b", "c=a"], &|at| {
        let dir = RootDir::open(at).unwrap();
        let before = dir.metadata("b").unwrap();
        fs::remove_file(at.join("b")).unwrap();
        write(at.join("b"), "1");
        dir.set_mtime("b", before.mtime).unwrap();
    });
    // Two files that become one.
    check(&["a", "b=a", "c=a", "x", "y=a"], &|at| {
        fs::remove_file(at.join("y")).unwrap();
        fs::hard_link(at.join("a"), at.join("y")).unwrap();
    });
}

/// Everything that a copy has to keep, compared by what the kernel says of it.
#[test]
fn a_copy_is_the_same_and_shares_nothing() {
    if !may_unpack() {
        return;
    }
    let sandbox = copying();
    let snapshotter = sandbox.store.snapshotter();
    let first = snapshotter.prepare(&[]).unwrap();
    fill(&first.upper, first.upper_path());
    let before = description(&first);
    let id = snapshotter.commit(first).unwrap();
    let copy = snapshotter.prepare(std::slice::from_ref(&id)).unwrap();
    assert_eq!(description(&copy), before);
    let snapshot = sandbox.store.root().join("snapshots/fs").join(id.as_str());
    for name in ["plain", "d/linked", "pipe"] {
        let (ours, theirs) = (copy.upper_path().join(name), snapshot.join(name));
        let inode = |path| fs::symlink_metadata(path).unwrap().ino();
        assert_ne!(inode(&ours), inode(&theirs), "{name} can be written to through the copy");
    }
    let sparse = fs::metadata(copy.upper_path().join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "{} blocks", sparse.blocks());
    assert!(!copy.upper_path().join("socket").exists());
}

fn fill(dir: &RootDir, path: &Path) {
    dir.create_file("plain", 0o640).unwrap().write_all(&[7; 300_000]).unwrap();
    dir.set_xattr("plain", b"user.x", b"\0\xff").unwrap();
    dir.create_file("su", 0o755).unwrap();
    dir.set_owner("su", 12, 34).unwrap();
    dir.set_mode("su", 0o6755).unwrap();
    let capability = [b"\x01\0\0\x02".as_slice(), &[1, 0, 0, 0], &[0; 12]].concat();
    dir.set_xattr("su", b"security.capability", &capability).unwrap();
    let sparse = dir.create_file("sparse", 0o600).unwrap();
    sparse.write_all_at(b"middle", 30 << 20).unwrap();
    sparse.set_len(64 << 20).unwrap();
    dir.create_dir("d", 0o2775).unwrap();
    dir.create_file("d/linked", 0o644).unwrap();
    dir.hard_link("d/linked", "also").unwrap();
    dir.symlink("d/linked", "link").unwrap();
    dir.hard_link("link", "link too").unwrap();
    dir.set_owner("link", 5, 6).unwrap();
    dir.mknod("pipe", NodeKind::Fifo, 0o622).unwrap();
    dir.mknod("null", NodeKind::CharDevice { major: 1, minor: 3 }, 0o666).unwrap();
    dir.mknod("disk", NodeKind::BlockDevice { major: 7, minor: 300 }, 0o660).unwrap();
    dir.mknod("socket", NodeKind::Socket, 0o600).unwrap();
    write(path.join(OsStr::from_bytes(b"\xff\n\xfe")), "bytes");
    for (number, name) in ["plain", "link", "d", "pipe"].into_iter().enumerate() {
        let secs = 1_000_000_000 + i64::try_from(number).unwrap();
        dir.set_mtime(name, Timestamp { secs, nanos: 123_456_789 }).unwrap();
    }
    let _ = fs::remove_file(path.join("socket"));
}

/// A line for each path: content, attributes, times to the nanosecond, names of one file.
fn description(active: &ActiveSnapshot) -> Vec<String> {
    let dir = &active.upper;
    let mut lines = Vec::new();
    let mut pending = vec![std::path::PathBuf::new()];
    while let Some(parent) = pending.pop() {
        for child in dir.read_dir(&parent).unwrap() {
            let path = parent.join(&child.name);
            let m = dir.metadata(&path).unwrap();
            let content = match dir.open_file_nofollow(&path) {
                Ok(file) => store::layer::ContentDigest::of_reader(file).unwrap().to_string(),
                Err(_) => format!("{:?}", dir.read_link(&path).ok()),
            };
            let xattrs = dir.xattrs(&path).unwrap();
            let size = if child.kind == sys::root_dir::FileKind::Dir { 0 } else { m.size };
            lines.push(format!(
                "{path:?} {:?} {:o} {}:{} {size} {:?} {} {:x} {content} {xattrs:?}",
                m.kind, m.mode, m.uid, m.gid, m.mtime, m.nlink, m.rdev
            ));
            if child.kind == sys::root_dir::FileKind::Dir {
                pending.push(path);
            }
        }
    }
    lines.sort();
    lines
}

/// The snapshot of the next layer has the files of the one below, not copies of them, and leaves them alone.
#[test]
fn unpacking_replaces_and_never_writes_into_what_is_shared() {
    if !may_unpack() {
        return;
    }
    let sandbox = copying();
    let store = &sandbox.store;
    let (stack, _) = unpacked(
        store,
        &[&[("a", "first"), ("b", "stay"), ("d/x", "1")], &[("a", "second"), ("!d/x", "")]],
    );
    let path =
        |n: usize, name: &str| store.root().join("snapshots/fs").join(stack[n].as_str()).join(name);
    assert_eq!(fs::read_to_string(path(0, "a")).unwrap(), "first");
    assert_eq!(fs::read_to_string(path(1, "a")).unwrap(), "second");
    let inode = |n, name| fs::metadata(path(n, name)).unwrap().ino();
    assert_eq!(inode(0, "b"), inode(1, "b"));
    assert_ne!(inode(0, "a"), inode(1, "a"));
    let time = |n| fs::metadata(path(n, "d")).unwrap().mtime();
    assert_eq!(time(0), time(1), "a directory that something goes from keeps its time");
    assert_valid(store);
    // What is shared counts once, and is given back by the last that goes.
    let size = |id: &SnapshotId| store.size_of(&store::Held::Snapshot(id.clone())).unwrap().bytes;
    let all = store.root().join("snapshots/fs");
    let own = fs::metadata(&all).unwrap().blocks() * 512;
    assert_eq!(
        stack.iter().map(size).sum::<u64>() + own,
        store::usage::measure(&all).unwrap().bytes
    );
}

/// A store that is moved: what the other form made is not used, not in the way, and goes.
#[test]
fn a_store_that_changes_its_form_unpacks_again() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let root = sandbox.store.root().to_owned();
    let made = image(&sandbox.store, &["app"], &[&[("a", "1")], &[("b", "2"), ("!a", "")]]);
    drop(sandbox.store);
    let snapshots = |form| {
        let store = open(&root);
        store.use_snapshot_form(form);
        let layers = store.unpack(&made).unwrap();
        assert!(layers.iter().all(|layer| layer.snapshot.form() == form));
        assert_valid(&store);
        layers.into_iter().map(|layer| layer.snapshot).collect::<Vec<_>>()
    };
    let first = snapshots(SnapshotForm::Overlay);
    assert_eq!(snapshots(SnapshotForm::Overlay), first);
    let copies = snapshots(SnapshotForm::Copy);
    let store = open(&root);
    store.use_snapshot_form(SnapshotForm::Overlay);
    assert!(!store.hold_snapshot(&copies[0]).unwrap());
    let pruned = store.prune(&mut || Ok(Vec::new()));
    let mut gone = pruned.unwrap().snapshots;
    gone.retain(|id| first.contains(id));
    assert_eq!(gone.len(), 2, "the overlay's snapshots serve nobody");
    drop(store);
    assert_ne!(snapshots(SnapshotForm::Overlay), first);
}

#[test]
fn the_writable_copy_of_a_directory_leaves_it_alone() {
    let sandbox = copying();
    let snapshotter = sandbox.store.snapshotter();
    let below = snapshotter.prepare(&[]).unwrap();
    write(below.upper_path().join("f"), "1");
    let above = snapshotter.prepare_above(&below).unwrap();
    write(above.upper_path().join("f"), "2");
    write(above.upper_path().join("g"), "2");
    assert_eq!(fs::read_to_string(below.upper_path().join("f")).unwrap(), "1");
    assert!(!below.upper_path().join("g").exists());
}
