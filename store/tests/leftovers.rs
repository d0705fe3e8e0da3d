//! What a killed process or a reboot leaves behind is cleaned by the next to open the store.
use std::fs;

use store::{Digest, Store};

use crate::support::{assert_valid, image, layer, may_unpack, open, sandbox};

/// As if the owner had been killed: the lease stays, but nobody locks it.
const DEAD: &str = "4194304-12345-abcdef01-00000000";

fn names(store: &Store, dir: &str) -> Vec<String> {
    let entries = fs::read_dir(store.root().join(dir)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_unfinished_things_of_dead_owners_go_and_those_of_the_living_stay() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let store = &sandbox.store;
    let root = store.root().to_owned();
    let active = store.snapshotter().prepare(&[]).unwrap();
    let writer = store.blob_writer().unwrap();
    fs::write(root.join("leases").join(DEAD), "").unwrap();
    fs::write(root.join("leases").join("new.1-1-1-1"), "").unwrap();
    fs::write(root.join("temp").join(format!("{DEAD}.0")), "half a blob").unwrap();
    let work = root.join("temp").join(format!("{DEAD}.1")).join("work/work");
    fs::create_dir_all(&work).unwrap();
    fs::set_permissions(&work, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    fs::write(root.join("temp/layout.0123"), "").unwrap();
    assert!(!store.validate().unwrap().is_empty());

    let other = open(&root);
    assert_eq!(names(&other, "temp").len(), 2);
    assert_eq!(names(&other, "leases").len(), 1);
    assert_valid(&other);
    drop((active, writer));
    assert!(names(&other, "temp").is_empty());
}

/// A snapshot of many files is gone at once, and its bytes soon: by whoever has time, whoever that is.
#[test]
fn what_takes_long_to_remove_is_left_to_who_has_time() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let snapshotter = store.snapshotter();
    let active = snapshotter.prepare(&[]).unwrap();
    for number in 0..2000 {
        fs::write(active.upper_path().join(number.to_string()), "x").unwrap();
    }
    let id = snapshotter.commit(active).unwrap();
    let size = store.size_of(&store::Held::Snapshot(id.clone())).unwrap();
    assert!(size.bytes >= 2000 && size.freed == size.bytes);
    let root = store.root().to_owned();
    drop((snapshotter, sandbox.store));

    let store = open(&root);
    let pruned = store.prune(&mut || Ok(Vec::new())).unwrap();
    assert_eq!((pruned.snapshots, pruned.bytes), (vec![id], size.freed));
    assert_valid(&store);
    assert_eq!(store.leftovers().unwrap().len(), 1);
    drop(store);
    // Opening the store does not wait for it either.
    let store = open(&root);
    assert_eq!(store.leftovers().unwrap().len(), 1);
    let remover = store.try_remover().unwrap().unwrap();
    assert!(open(&root).try_remover().unwrap().is_none());
    drop(remover);
    assert!(open(&root).try_remover().unwrap().is_some());
    assert_eq!(store.remove_leftovers().unwrap(), 0);
    assert!(names(&store, "temp").is_empty());
}

#[test]
fn what_was_never_synced_is_distrusted_after_a_reboot() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app"], &[&[("a", "1")]]);
    assert!(names(store, "unsynced").is_empty(), "an image with a name is durable");
    let snapshot = store.unpack(&made).unwrap()[0].snapshot.clone();
    let blob = layer(store, &[("b", "2")]).digest;
    assert_eq!(names(store, "unsynced").len(), 2);
    // Opening it again in the same boot changes nothing.
    assert!(open(store.root()).has_snapshot(&snapshot));
    for name in names(store, "unsynced") {
        let (_boot, thing) = name.split_once('.').unwrap();
        let dir = store.root().join("unsynced");
        fs::rename(dir.join(&name), dir.join(format!("0f0f0f0f.{thing}"))).unwrap();
    }
    let rebooted = open(store.root());
    assert!(!rebooted.has_snapshot(&snapshot) && !rebooted.has_blob(&blob));
    assert!(names(&rebooted, "unsynced").is_empty());
    assert_valid(&rebooted);
    assert_ne!(rebooted.unpack(&made).unwrap()[0].snapshot, snapshot);
    assert!(rebooted.has_blob(&made.manifest.layers[0].digest));
    assert!(rebooted.sync().is_ok());
    assert!(names(&rebooted, "unsynced").is_empty());
}

/// A real process, killed while it writes as fast as it can.
#[test]
fn a_killed_writer_leaves_a_valid_store() {
    if !may_unpack() {
        return;
    }
    const CHILD: &str = "leftovers::child_that_writes_until_killed";
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    open(&root);
    let wrote = || !open(&root).images().unwrap().is_empty();
    // Longer where starting a process takes longer: it must have come to writing.
    for delay in [5, 20, 35, 60, 90, 200, 500, 1000, 2000, 5000, 10_000, 20_000] {
        if delay > 90 && wrote() {
            break;
        }
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--ignored", "--nocapture"])
            .env("RBUILD_TEST_ROOT", &root)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(&root);
        assert!(names(&store, "temp").is_empty());
        assert!(names(&store, "leases").is_empty());
        assert_valid(&store);
    }
    assert!(wrote());
}

#[test]
#[ignore = "run by a_killed_writer_leaves_a_valid_store"]
#[allow(clippy::disallowed_methods)] // a test's own child has no other way to be told
fn child_that_writes_until_killed() {
    let Some(root) = std::env::var_os("RBUILD_TEST_ROOT") else { return };
    let store = open(std::path::Path::new(&root));
    for number in 0_u64.. {
        let text = Digest::of(&number.to_le_bytes()).to_string();
        let made = image(&store, &["app", &format!("n{}", number % 7)], &[&[("a", &text)]]);
        store.unpack(&made).unwrap();
        if number % 3 == 0 {
            store.untag("app", false).unwrap();
            crate::support::forget_unnamed(&store);
            store.prune(&mut || Ok(Vec::new())).unwrap();
        }
    }
}
