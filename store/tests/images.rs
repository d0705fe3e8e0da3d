//! Names, IDs, tags, removal.
use std::collections::{BTreeMap, BTreeSet};

use store::{Digest, Held, ListedImage, NewImage, Platform, Removed, StoreError};

use crate::support::{assert_valid, image, layer, may_unpack, open, reference, sandbox};

#[test]
fn an_image_is_found_by_name_id_and_prefix() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app:v1"], &[&[("a", "1")]]);
    let id = made.id().hex();
    let digest = format!("app@{}", made.descriptor.digest);
    let full_id = made.id().to_string();
    for text in ["app:v1", "docker.io/library/app:v1", &id, &id[..12], &full_id, &digest] {
        let found = store.resolve(text).unwrap();
        assert_eq!((found.id(), &found.manifest), (made.id(), &made.manifest), "{text}");
    }
    for text in ["app", "other:v1", "zz", "sha256:", "", "app:v1 "] {
        assert!(matches!(store.resolve(text), Err(StoreError::ImageNotFound { .. })), "{text}");
    }
    assert_valid(store);
}

#[test]
fn an_ambiguous_prefix_says_so() {
    let sandbox = sandbox();
    let mut by_digit = std::collections::BTreeMap::new();
    let digit = loop {
        let number = by_digit.len();
        let made = image(&sandbox.store, &[], &[&[("a", &number.to_string())]]);
        let digit = made.id().hex()[..1].to_owned();
        if by_digit.values().any(|d| *d == digit) {
            break digit;
        }
        by_digit.insert(number, digit);
    };
    let error = sandbox.store.resolve(&digit).unwrap_err();
    assert!(matches!(&error, StoreError::AmbiguousId { candidates, .. } if candidates.len() == 2));
    assert!(error.hint().is_some());
}

#[test]
fn tagging_moves_a_name_and_keeps_the_old_image() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let old = image(store, &["app"], &[&[("a", "old")]]);
    let new = image(store, &["app"], &[&[("a", "new")]]);
    assert_eq!(store.resolve("app").unwrap().id(), new.id());
    assert_eq!(store.resolve(&old.id().hex()).unwrap().id(), old.id());
    let images = store.images().unwrap();
    let unnamed: Vec<_> = images.iter().filter(|image| image.names.is_empty()).collect();
    assert_eq!((images.len(), unnamed.len(), unnamed[0].id), (2, 1, old.id()));
    // A new name takes the place of the missing one.
    store.tag(&old.id().hex(), &reference("app:old")).unwrap();
    assert!(store.images().unwrap().iter().all(|image| image.names.len() == 1));
    // The same name twice is one name.
    store.tag("app:old", &reference("app:old")).unwrap();
    assert_eq!(store.images().unwrap().len(), 2);
    assert_valid(store);
}

#[test]
fn removing_a_name_keeps_the_image_while_it_has_others() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app:1", "app:2"], &[&[("a", "1")]]);
    let untagged = |name| Removed::Untagged(reference(name));
    assert_eq!(store.untag("app:1", false).unwrap(), [untagged("app:1")]);
    let deleted = Removed::Deleted(made.id());
    assert_eq!(store.untag("app:2", false).unwrap(), [untagged("app:2"), deleted]);
    assert!(store.images().unwrap().is_empty());
    let made = image(store, &["app:3"], &[&[("a", "1")]]);
    let by_digest = format!("app@{}", made.descriptor.digest);
    let refused = store.tag("app:3", &reference(&by_digest)).unwrap_err();
    assert!(matches!(refused, StoreError::NameWithDigest { .. }));
    assert_eq!(store.untag(&by_digest, false).unwrap()[0], untagged("app:3"));
    assert!(matches!(store.untag("app:2", false), Err(StoreError::ImageNotFound { .. })));
}

#[test]
fn removing_an_id_takes_the_tags_of_one_repository_and_more_only_by_force() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app:1", "app:2"], &[&[("a", "1")]]);
    let id = made.id().hex();
    store.tag("app:1", &reference("other:1")).unwrap();
    let refused = store.untag(&id[..12], false).unwrap_err();
    assert!(matches!(refused, StoreError::SeveralNames { ref names, .. } if names.len() == 3));
    store.untag("other:1", false).unwrap();
    assert_eq!(store.untag(&id[..12], false).unwrap().len(), 3);
    assert!(store.images().unwrap().is_empty());
}

#[test]
fn an_image_with_two_manifests_is_one_image() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app:plain"], &[&[("a", "1")]]);
    let options = store::FormOptions { form: store::LayerForm::GZIP, force: false };
    let save = store::ImageToSave {
        target: made.descriptor.clone(),
        names: vec![reference("app:gzip")],
        labels: Vec::new(),
    };
    let mut archive = Vec::new();
    store.save(&[save], store::ArchiveKind::Oci, options, &mut archive).unwrap();
    store.load(archive.as_slice(), &store::LoadOptions::default()).unwrap();
    let names = [reference("app:gzip"), reference("app:plain")];
    assert_eq!(store.images().unwrap().len(), 1);
    assert_eq!(store.names_of(&made).unwrap(), names);
    assert_valid(store);
    assert_eq!(store.untag(&made.id().hex(), false).unwrap().len(), 3);
    assert!(store.images().unwrap().is_empty());
}

#[test]
fn an_image_in_use_is_kept() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app"], &[&[("a", "1")]]);
    store.keep("c1", &[Held::Blob(made.descriptor.digest)]).unwrap();
    for text in ["app", &made.id().hex()] {
        let refused = store.untag(text, false).unwrap_err();
        assert!(matches!(refused, StoreError::InUse { ref users, .. } if *users == ["c1"]));
    }
    assert_eq!(store.untag("app", true).unwrap(), [Removed::Untagged(reference("app"))]);
    assert_eq!(store.images().unwrap().len(), 1);
    store.release("c1").unwrap();
    let deleted = [Removed::Deleted(made.id())];
    assert_eq!(store.untag(&made.id().hex(), false).unwrap(), deleted);
}

#[test]
fn what_is_chosen_is_forgotten_with_all_its_names_or_some() {
    let sandbox = sandbox();
    let root = sandbox.store.root().to_owned();
    let made = image(&sandbox.store, &["app:1", "app:2"], &[&[("a", "1")]]);
    let other = image(&sandbox.store, &["other"], &[&[("a", "2")]]);
    std::fs::write(sandbox.store.blob_path(&other.descriptor.digest), "damage").unwrap();
    // What another handle uses stays, whatever is chosen.
    assert_eq!(open(&root).forget_images(&|_| true).unwrap(), []);
    drop(sandbox.store);
    let store = open(&root);
    assert_eq!(store.forget_images(&|_| false).unwrap(), []);
    let first = |listed: ListedImage<'_>| listed.name == Some(&reference("app:1"));
    assert_eq!(store.forget_images(&first).unwrap(), [Removed::Untagged(reference("app:1"))]);
    let unreadable = |listed: ListedImage<'_>| listed.image.is_none();
    let gone = [Removed::Untagged(reference("other")), Removed::Deleted(other.descriptor.digest)];
    assert_eq!(store.forget_images(&unreadable).unwrap(), gone);
    let gone = [Removed::Untagged(reference("app:2")), Removed::Deleted(made.id())];
    assert_eq!(store.forget_images(&|listed| listed.image.is_some()).unwrap(), gone);
    assert!(store.images().unwrap().is_empty());
}

#[test]
fn history_and_sizes_come_from_the_layers() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app"], &[&[("a", "12345")], &[("b/", ""), ("b/c", "123")]]);
    let history = store.history(&made).unwrap();
    let lines: Vec<_> = history.iter().map(|h| (h.created_by.as_str(), h.size)).collect();
    assert_eq!(lines, [("COPY 1", Some(3)), ("COPY 0", Some(5))]);
    let summary = &store.images().unwrap()[0];
    assert_eq!((summary.layers, &summary.platform), (2, &Platform::host()));
    assert_eq!(store.unpacked_size(&made).unwrap(), 8);
    assert_eq!(store.names_of(&made).unwrap(), [reference("app")]);
}

/// Also that `flock` works between handles: the lock is per open file, not per process.
#[test]
fn concurrent_tagging_loses_no_name() {
    let sandbox = sandbox();
    image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let root = sandbox.store.root();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let store = open(root);
                for number in 0..25 {
                    store.tag("app", &reference(&format!("t{thread}:n{number}"))).unwrap();
                }
            });
        }
    });
    let names: BTreeSet<_> = sandbox.store.images().unwrap()[0].names.iter().cloned().collect();
    assert_eq!(names.len(), 101);
    assert_valid(&sandbox.store);
}

#[test]
fn a_store_can_be_opened_by_many_at_once_and_moved() {
    if !may_unpack() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(&root));
        }
    });
    let made = image(&open(&root), &["app"], &[&[("a", "1")]]);
    open(&root).unpack(&made).unwrap();
    let moved = dir.path().join("moved");
    std::fs::rename(&root, &moved).unwrap();
    let store = open(&moved);
    assert_eq!(store.resolve("app").unwrap().id(), made.id());
    assert_eq!(store.unpack(&made).unwrap().len(), 1);
    assert_eq!(store.snapshots().unwrap().len(), 1);
    assert_valid(&store);
}

#[test]
fn a_newer_format_is_refused() {
    let sandbox = sandbox();
    std::fs::write(sandbox.store.root().join("schema.json"), r#"{"schema":99}"#).unwrap();
    let error = store::Store::open(sandbox.store.root(), sandbox.dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Schema { found: 99, .. }));
}

/// As another tool might write it into the layout: its layer would be read at the offsets of another.
#[test]
fn a_plain_layer_that_is_not_its_diff_id_is_refused() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let honest = image(store, &["honest"], &[&[("a", "1")]]);
    let layers = [layer(store, &[("a", "2")])];
    let annotations = &BTreeMap::new();
    let (config, names) = (&honest.config, &[reference("evil")]);
    let refused = store.put_image(&NewImage { config, layers: &layers, annotations, names });
    assert!(matches!(refused, Err(StoreError::DiffId { .. })));

    let mut manifest = honest.manifest.clone();
    manifest.layers = layers.to_vec();
    let bytes = manifest.to_bytes();
    store.put_bytes(&bytes).unwrap();
    let path = store.root().join("images/index.json");
    let index = std::fs::read_to_string(&path).unwrap();
    let from = honest.descriptor.digest.to_string();
    std::fs::write(&path, index.replace(&from, &Digest::of(&bytes).to_string())).unwrap();
    assert!(matches!(store.resolve("honest"), Err(StoreError::DiffId { .. })));
    std::fs::write(&path, index).unwrap();
    assert!(store.resolve("honest").is_ok());
}
