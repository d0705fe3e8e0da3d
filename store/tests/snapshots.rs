//! Unpacking and stacking layers.
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use store::snapshot::OverlaySnapshotter;
use store::{RootfsMount, SnapshotForm, SnapshotId, Snapshotter, Store, StoreError};

use crate::support::{assert_valid, image, in_both_forms, may_unpack, open, sandbox};

fn path_of(store: &Store, id: &SnapshotId) -> std::path::PathBuf {
    store.root().join("snapshots/fs").join(id.as_str())
}

#[test]
fn an_image_is_unpacked_once_whoever_asks() {
    if !may_unpack() {
        return;
    }
    in_both_forms(|sandbox, form| {
        let made = image(
            &sandbox.store,
            &["app"],
            &[&[("d/", ""), ("d/a", "1"), ("b", "x")], &[("!b", ""), ("d/c", "2")]],
        );
        let stores = [sandbox.store.clone(), sandbox.store.clone(), sandbox.store.clone()];
        let results: Vec<Vec<SnapshotId>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                stores.iter().map(|store| scope.spawn(|| store.unpack(&made).unwrap())).collect();
            let ids =
                |layers: Vec<store::StoredLayer>| layers.into_iter().map(|l| l.snapshot).collect();
            threads.into_iter().map(|thread| ids(thread.join().unwrap())).collect()
        });
        assert!(results.iter().all(|ids| ids == &results[0]));
        assert_eq!(sandbox.store.snapshots().unwrap().len(), 2);
        let top = path_of(&sandbox.store, &results[0][1]);
        assert_eq!(fs::read_to_string(top.join("d/c")).unwrap(), "2");
        let deleted = fs::symlink_metadata(top.join("b"));
        match form {
            SnapshotForm::Overlay => assert!(deleted.unwrap().file_type().is_char_device()),
            SnapshotForm::Copy => assert!(deleted.is_err()),
        }
        assert_eq!(top.join("d/a").exists(), form == SnapshotForm::Copy);
        assert_valid(&sandbox.store);
        // Another process finds the same.
        let again = open(sandbox.store.root()).unpack(&made).unwrap();
        assert_eq!(again[1].snapshot, results[0][1]);
    });
}

#[test]
fn the_tree_of_an_image_needs_no_unpacking() {
    in_both_forms(|sandbox, _| {
        let made = image(&sandbox.store, &["app"], &[&[("d/", ""), ("d/a", "1")], &[("d/b", "2")]]);
        let tree = sandbox.store.tree(&made).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut tree.open(Path::new("d/b")).unwrap(), &mut text)
            .unwrap();
        assert_eq!(text, "2");
        assert_eq!(tree.read_dir(Path::new("d")).unwrap().len(), 2);
        assert!(sandbox.store.snapshots().unwrap().is_empty());
    });
}

#[test]
fn a_wrong_diff_id_is_not_unpacked() {
    if !may_unpack() {
        return;
    }
    in_both_forms(|sandbox, _| {
        let store = &sandbox.store;
        let mut made = image(store, &["app"], &[&[("a", "1")]]);
        made.config.rootfs.diff_ids[0] = store::DiffId(store::Digest::of(b"other"));
        assert!(matches!(store.unpack(&made), Err(StoreError::DiffId { .. })));
        assert!(store.snapshots().unwrap().is_empty());
        assert_valid(store);
    });
}

#[test]
fn what_is_written_above_a_stack_becomes_a_snapshot() {
    if !may_unpack() {
        return;
    }
    in_both_forms(|sandbox, _| {
        let store = &sandbox.store;
        let base = image(store, &["app"], &[&[("a", "1")]]);
        let parents: Vec<_> =
            store.unpack(&base).unwrap().into_iter().map(|l| l.snapshot).collect();
        let root = path_of(store, &parents[0]);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o1777)).unwrap();
        let snapshotter = store.snapshotter();
        let active = snapshotter.prepare(&parents).unwrap();
        let upper = active.upper_path().to_owned();
        match active.mount.clone() {
            RootfsMount::Overlay { lowers, upper: mounted, work, volatile } => {
                assert_eq!((lowers, volatile), (vec![root.clone()], true));
                assert_eq!(mounted.as_deref(), Some(upper.as_path()));
                // As overlayfs leaves it.
                fs::create_dir(work.unwrap().join("work")).unwrap();
            }
            RootfsMount::Directory { path, read_only } => {
                assert_eq!((path, read_only), (upper.clone(), false))
            }
        }
        assert_eq!(fs::metadata(&upper).unwrap().mode() & 0o7777, 0o1777);
        fs::write(upper.join("b"), "2").unwrap();
        let id = snapshotter.commit(active).unwrap();
        assert_eq!(fs::read_to_string(path_of(store, &id).join("b")).unwrap(), "2");
        assert!(fs::read_dir(store.root().join("temp")).unwrap().next().is_none());
        let dropped = snapshotter.prepare(&[parents[0].clone(), id.clone()]).unwrap();
        drop(dropped);
        let first = snapshotter.prepare(&[]).unwrap();
        assert_eq!(fs::metadata(first.upper_path()).unwrap().mode() & 0o7777, 0o755);
        snapshotter.discard(first).unwrap();
        assert!(fs::read_dir(store.root().join("temp")).unwrap().next().is_none());
        let gone = SnapshotId::parse("gone").unwrap();
        assert!(matches!(snapshotter.prepare(&[gone]), Err(StoreError::SnapshotMissing { .. })));
        snapshotter.remove(&id).unwrap();
        assert!(!store.has_snapshot(&id));
        assert_valid(store);
    });
}

#[test]
fn a_view_has_at_least_two_lowers() {
    let sandbox = sandbox();
    let snapshotter = sandbox.store.snapshotter();
    for stack in [0, 1, 3] {
        let ids: Vec<_> = (0..stack)
            .map(|_| snapshotter.commit(snapshotter.prepare(&[]).unwrap()).unwrap())
            .collect();
        match snapshotter.view(&ids).unwrap() {
            RootfsMount::Overlay { lowers, upper: None, work: None, .. } => {
                assert_eq!(lowers.len(), stack.max(2));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The stack is flattened from below, in the same pieces while it grows.
#[test]
fn a_deep_stack_is_flattened() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let snapshotter = OverlaySnapshotter::with_limit(store.clone(), 6);
    let mut stack: Vec<SnapshotId> = Vec::new();
    for number in 0..20 {
        let active = snapshotter.prepare(&stack).unwrap();
        let RootfsMount::Overlay { lowers, upper, .. } = &active.mount else {
            panic!("an overlay")
        };
        assert!(lowers.len() <= 6, "{number}");
        let upper = upper.as_ref().unwrap();
        fs::create_dir(upper.join("d")).unwrap();
        fs::write(upper.join("d").join(format!("f{number}")), number.to_string()).unwrap();
        fs::write(upper.join("same"), number.to_string()).unwrap();
        stack.push(snapshotter.commit(active).unwrap());
    }
    let merged = fs::read_dir(store.root().join("snapshots/merged")).unwrap().count();
    assert!(merged <= 20 / 2, "{merged} merged snapshots for 20 layers");
    let before = store.snapshots().unwrap().len();
    let RootfsMount::Overlay { lowers, .. } = snapshotter.view(&stack).unwrap() else { panic!() };
    let seen: std::collections::BTreeSet<String> = lowers
        .iter()
        .flat_map(|lower| fs::read_dir(lower.join("d")).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(seen.len(), 20);
    assert_eq!(fs::read_to_string(lowers[0].join("same")).unwrap(), "19");
    let _ = snapshotter.view(&stack).unwrap();
    assert!(store.snapshots().unwrap().len() <= before + 1, "merged snapshots are reused");
    assert_valid(store);
}

#[test]
fn merging_honours_deletions_and_opaque_directories() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let store = &sandbox.store;
    let snapshotter = OverlaySnapshotter::with_limit(store.clone(), 2);
    let unpack = |layers: &[&[(&str, &str)]]| -> Vec<SnapshotId> {
        let made = image(store, &["x"], layers);
        store.unpack(&made).unwrap().into_iter().map(|layer| layer.snapshot).collect()
    };
    let stack = unpack(&[
        &[("gone", "1"), ("d/", ""), ("d/old", "1"), ("kind", "file"), ("stays", "1")],
        &[("!gone", ""), ("!d", ""), ("kind/", ""), ("kind/now", "dir")],
        &[("d/", ""), ("d/new", "3"), ("stays", "3")],
    ]);
    let RootfsMount::Overlay { lowers, .. } = snapshotter.view(&stack).unwrap() else { panic!() };
    assert_eq!(lowers.len(), 2);
    let bottom = &lowers[1];
    assert!(!bottom.join("gone").exists());
    assert!(!bottom.join("d").exists());
    assert_eq!(fs::read_to_string(bottom.join("kind/now")).unwrap(), "dir");
    assert_eq!(fs::read_to_string(bottom.join("stays")).unwrap(), "1");
    assert_eq!(fs::read_to_string(lowers[0].join("stays")).unwrap(), "3");
}

/// What a stack of directories shows, the kernel's way: a directory has the attributes of the topmost one.
#[test]
fn merging_takes_attributes_from_the_topmost_directory_alone() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let store = &sandbox.store;
    let snapshotter = OverlaySnapshotter::with_limit(store.clone(), 2);
    let mut stack = Vec::new();
    for number in 0..3 {
        let active = snapshotter.prepare(&stack).unwrap();
        active.upper.create_dir("d", 0o755).unwrap();
        active.upper.create_file(format!("d/f{number}"), 0o644).unwrap();
        if number == 0 {
            active.upper.set_xattr("d", b"user.first", b"1").unwrap();
        }
        // Without the mount option `userxattr` this one means nothing.
        active.upper.set_xattr("d", b"user.overlay.opaque", b"y").unwrap();
        stack.push(snapshotter.commit(active).unwrap());
    }
    let RootfsMount::Overlay { lowers, .. } = snapshotter.view(&stack).unwrap() else { panic!() };
    let merged = sys::RootDir::open(lowers.last().unwrap()).unwrap();
    assert!(!merged.xattrs("d").unwrap().contains_key(b"user.first".as_slice()));
    assert_eq!(merged.read_dir("d").unwrap().len(), 2);
}

/// As deep as an image can make it when it is unpacked, and as a container can.
#[test]
fn deep_trees_are_merged_and_removed() {
    if !may_unpack() {
        return;
    }
    in_both_forms(|sandbox, form| {
        let (store, root) = (&sandbox.store, sandbox.store.root().to_owned());
        let path = "dddd/".repeat(800) + "f";
        let made = image(store, &["deep"], &[&[(&path, "1")], &[("a", "1")], &[("b", "1")]]);
        let stack: Vec<_> = store.unpack(&made).unwrap().into_iter().map(|l| l.snapshot).collect();
        let snapshots = match form {
            SnapshotForm::Overlay => {
                OverlaySnapshotter::with_limit(store.clone(), 2).view(&stack).unwrap();
                assert_valid(store);
                4
            }
            SnapshotForm::Copy => {
                // Merged indexes of such depth take a minute to look through.
                store.snapshotter().prepare(&stack).unwrap();
                3
            }
        };

        store.untag("deep", false).unwrap();
        drop(sandbox.store);
        let store = open(&root);
        assert_eq!(store.prune(&mut || Ok(Vec::new())).unwrap().snapshots.len(), snapshots);
        assert_eq!(store.remove_leftovers().unwrap(), 0);
        assert!(fs::read_dir(root.join("temp")).unwrap().next().is_none());

        if form == SnapshotForm::Copy {
            return; // what follows is the same
        }
        // With little stack instead of a tree that takes long to make.
        let active = store.snapshotter().prepare(&[]).unwrap();
        let mut dir = active.upper.try_clone().unwrap();
        for _ in 0..5_000 {
            dir.create_dir("d", 0o755).unwrap();
            dir = dir.subdir("d").unwrap();
        }
        let snapshotter = store.snapshotter();
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let remove = move || {
            snapshotter.discard(active).unwrap();
            assert_eq!(store.remove_leftovers().unwrap(), 0);
        };
        small.spawn(remove).unwrap().join().unwrap();
        assert!(fs::read_dir(root.join("temp")).unwrap().next().is_none());
    });
}

/// A callback of a tree may outlive the handle it came from.
#[test]
fn layers_that_are_compressed_are_unpacked_when_read() {
    if !may_unpack() {
        return;
    }
    in_both_forms(|sandbox, _| {
        let plain = image(&sandbox.store, &["app"], &[&[("a", "1")]]);
        let options = store::FormOptions { form: store::LayerForm::GZIP, force: false };
        let gzipped = sandbox.store.with_layer_form(&plain, options).unwrap();
        assert_ne!(gzipped.manifest.layers[0].digest, plain.manifest.layers[0].digest);
        let tree = Arc::new(open(sandbox.store.root()).tree(&gzipped).unwrap());
        let mut text = String::new();
        std::io::Read::read_to_string(&mut tree.open(Path::new("a")).unwrap(), &mut text).unwrap();
        assert_eq!(text, "1");
        assert_eq!(sandbox.store.snapshots().unwrap().len(), 1);
    });
}

/// The kernel takes 500 lower directories; images and builds may have more layers.
#[test]
fn six_hundred_layers_can_be_stacked() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let store = &sandbox.store;
    let layers: Vec<_> = (0..600)
        .map(|number| crate::support::layer(store, &[(&format!("f{number}"), "x")]))
        .collect();
    let made = crate::support::image_of(store, &["app"], &layers);
    let ids: Vec<_> = store.unpack(&made).unwrap().into_iter().map(|l| l.snapshot).collect();
    assert_eq!(ids.len(), 600);
    let active = store.snapshotter().prepare(&ids).unwrap();
    let RootfsMount::Overlay { lowers, .. } = &active.mount else { panic!("an overlay") };
    assert!(lowers.len() <= 500, "{}", lowers.len());
    let files: usize = lowers.iter().map(|lower| fs::read_dir(lower).unwrap().count()).sum();
    assert_eq!(files, 600);
}
