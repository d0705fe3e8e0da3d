//! Garbage collection.
use std::io::Write;

use store::{Descriptor, Held, Pruned, Removed, Store, StoreError, media_type};

use crate::support::{
    assert_valid, forget_unnamed, image, in_both_forms, layer, may_unpack, open, sandbox,
};

fn prune(store: &Store) -> Pruned {
    store.prune(&mut || Ok(Vec::new())).unwrap()
}

#[test]
fn what_nothing_leads_to_goes_and_the_rest_stays() {
    if !may_unpack() {
        return;
    }
    in_both_forms(|sandbox, _| {
        let root = sandbox.store.root().to_owned();
        let kept = image(&sandbox.store, &["kept"], &[&[("a", "1")], &[("b", "2")]]);
        let gone = image(&sandbox.store, &["gone"], &[&[("a", "1")], &[("c", "3")]]);
        sandbox.store.unpack(&kept).unwrap();
        sandbox.store.unpack(&gone).unwrap();
        sandbox.store.untag("gone", false).unwrap();
        // The handle that made it still holds it.
        let other = open(&root);
        assert_eq!(prune(&other), Pruned::default());
        drop(sandbox.store);
        let pruned = prune(&other);
        // Configuration, manifest and one layer; the lower layer is shared.
        assert_eq!((pruned.blobs.len(), pruned.snapshots.len()), (3, 1));
        assert!(pruned.bytes > 0);
        assert_valid(&other);
        assert_eq!(other.unpack(&other.resolve("kept").unwrap()).unwrap().len(), 2);
        assert_eq!(prune(&other), Pruned::default());
    });
}

#[test]
fn unnamed_images_go_when_asked_for() {
    let sandbox = sandbox();
    let root = sandbox.store.root().to_owned();
    let old = image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let used = image(&sandbox.store, &["app"], &[&[("a", "2")]]);
    image(&sandbox.store, &["app"], &[&[("a", "3")]]);
    drop(sandbox.store);
    let store = open(&root);
    store.keep("c1", &[Held::Blob(used.descriptor.digest)]).unwrap();
    assert_eq!(prune(&store), Pruned::default());
    assert_eq!(forget_unnamed(&store), [Removed::Deleted(old.id())]);
    assert_eq!(store.images().unwrap().len(), 2);
    assert_valid(&store);
}

#[test]
fn cache_records_and_named_leases_are_roots() {
    in_both_forms(|sandbox, _| {
        let root = sandbox.store.root().to_owned();
        let cached = layer(&sandbox.store, &[("a", "1")]).digest;
        let leased = layer(&sandbox.store, &[("a", "2")]).digest;
        let snapshotter = sandbox.store.snapshotter();
        let snapshot = snapshotter.commit(snapshotter.prepare(&[]).unwrap()).unwrap();
        sandbox.store.keep("build", &[Held::Blob(leased)]).unwrap();
        drop((snapshotter, sandbox.store));
        let store = open(&root);
        let roots = vec![Held::Blob(cached), Held::Snapshot(snapshot)];
        let pruned = store.prune(&mut || Ok(roots.clone())).unwrap();
        assert_eq!(pruned, Pruned::default());
        let pruned = prune(&store);
        assert_eq!((pruned.blobs, pruned.snapshots.len()), (vec![cached], 1));
        store.release("build").unwrap();
        assert_eq!(prune(&store).blobs, [leased]);
    });
}

#[test]
fn compressed_forms_stay_with_their_layer() {
    let sandbox = sandbox();
    let root = sandbox.store.root().to_owned();
    let made = image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let options = store::FormOptions { form: store::LayerForm::GZIP, force: false };
    let gzipped = sandbox.store.with_layer_form(&made, options).unwrap();
    drop(sandbox.store);
    let store = open(&root);
    // The manifest that was exported goes, the compressed layer is what took time.
    assert_eq!(prune(&store).blobs, [gzipped.descriptor.digest]);
    assert!(store.has_blob(&gzipped.manifest.layers[0].digest));
    store.untag("app", false).unwrap();
    drop(store);
    let store = open(&root);
    assert_eq!(prune(&store).blobs.len(), 4);
    assert!(store.blobs().unwrap().is_empty());
    assert_valid(&store);
}

/// Level 1 had another suffix when its bytes were others.
#[test]
fn forms_that_only_versions_before_asked_for_go() {
    let sandbox = sandbox();
    let root = sandbox.store.root().to_owned();
    let made = image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let form = |level| store::FormOptions { form: store::LayerForm::Gzip { level }, force: false };
    let now = sandbox.store.with_layer_form(&made, form(1)).unwrap().manifest.layers[0].digest;
    let before = sandbox.store.with_layer_form(&made, form(6)).unwrap().manifest.layers[0].digest;
    drop(sandbox.store);
    let rename = |dir: &str, of: store::Digest| {
        let name = |level: u32| root.join(dir).join(format!("{}.gzip-{level}", of.hex()));
        std::fs::rename(name(6), name(2)).unwrap();
    };
    rename("cache/forms", made.layers()[0].diff_id.0);
    rename("cache/pieces", before);
    let store = open(&root);
    assert!(prune(&store).blobs.contains(&before));
    assert!(store.has_blob(&now));
    for (dir, of) in [("cache/forms", made.layers()[0].diff_id.0), ("cache/pieces", now)] {
        let names = std::fs::read_dir(root.join(dir)).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [std::ffi::OsString::from(format!("{}.gzip-1s", of.hex()))]);
    }
    assert_valid(&store);
}

#[test]
fn a_damaged_manifest_stops_the_collection() {
    let sandbox = sandbox();
    let made = image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let path = sandbox.store.blob_path(&made.descriptor.digest);
    std::fs::write(path, "{}").unwrap();
    let error = sandbox.store.prune(&mut || Ok(Vec::new())).unwrap_err();
    assert!(matches!(error, StoreError::BlobCorrupt { .. }));
}

/// As another tool may have copied it into the layout: followed naively, these are 200^4 documents.
#[test]
fn an_index_of_indexes_of_indexes_is_followed_once() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app"], &[&[("a", "1")]]);
    let mut listed = made.descriptor.clone();
    for _ in 0..3 {
        let index = store::Index::new(vec![listed.clone(); 200]);
        let bytes = index.to_bytes();
        store.put_bytes(&bytes).unwrap();
        listed = Descriptor::of(media_type::IMAGE_INDEX, &bytes);
    }
    let index = store::Index::new(vec![listed]);
    std::fs::write(store.root().join("images/index.json"), index.to_bytes()).unwrap();
    let root = store.root().to_owned();
    drop(sandbox.store);
    let store = open(&root);
    assert_eq!(prune(&store), Pruned::default());
    assert_valid(&store);
}

/// Builders and a collector at once: whoever was told that something exists can use it.
#[test]
fn nothing_vanishes_under_someone_who_holds_it() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let root = sandbox.store.root();
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let store = open(root);
            let mut collected = 0;
            for _ in 0..150 {
                forget_unnamed(&store);
                collected += prune(&store).blobs.len();
            }
            collected
        });
        for thread in 0..3 {
            scope.spawn(move || {
                for number in 0..60 {
                    // A handle for each round, so that there is garbage to collect.
                    let store = open(root);
                    let content = format!("{}", number % 5);
                    let name = format!("t{thread}");
                    let made = image(&store, &[&name], &[&[("a", &content)]]);
                    let found = store.resolve(&name).unwrap();
                    assert!(store.hold_image(&found).unwrap());
                    assert_eq!(found.id(), made.id());
                    let layers = store.unpack(&found).unwrap();
                    assert!(store.has_snapshot(&layers[0].snapshot));
                    store.untag(&name, false).unwrap();
                }
            });
        }
        collector.join().unwrap();
    });
    forget_unnamed(&open(root));
    prune(&open(root));
    assert_valid(&sandbox.store);
}

#[test]
fn an_unfinished_blob_is_not_seen_and_leaves_nothing() {
    let sandbox = sandbox();
    let mut writer = sandbox.store.blob_writer().unwrap();
    writer.write_all(b"half").unwrap();
    assert!(sandbox.store.blobs().unwrap().is_empty());
    assert!(open(sandbox.store.root()).blobs().unwrap().is_empty());
    drop(writer);
    assert!(sandbox.store.root().join("temp").read_dir().unwrap().next().is_none());
}
