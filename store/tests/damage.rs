//! Every kind of damage is found.
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use store::archive::{ArchiveError, ArchiveKind, ImageToSave};
use store::{Digest, FormOptions, LayerForm, Store, StoreError};

use crate::support::{assert_valid, image, in_both_forms, may_unpack, sandbox};

fn problems(store: &Store) -> Vec<String> {
    store.validate().unwrap().iter().map(ToString::to_string).collect()
}

fn flip_a_byte(path: &Path, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    let position = position % bytes.len();
    bytes[position] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn files_in(dir: PathBuf) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_flipped_byte_is_found_in_every_blob() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    image(store, &["app"], &[&[("a", "hello")], &[("b", "world")]]);
    let blobs = files_in(store.root().join("images/blobs/sha256"));
    assert_eq!(blobs.len(), 4);
    for blob in blobs {
        let good = fs::read(&blob).unwrap();
        for position in [0, 100, good.len() - 1] {
            flip_a_byte(&blob, position);
            let name = blob.file_name().unwrap().to_string_lossy().into_owned();
            assert!(problems(store).iter().any(|p| p.contains(&name)), "{name} at {position}");
            fs::write(&blob, &good).unwrap();
        }
        fs::write(&blob, &good[..good.len() - 1]).unwrap();
        assert!(!problems(store).is_empty());
        fs::remove_file(&blob).unwrap();
        assert!(!problems(store).is_empty());
        fs::write(&blob, &good).unwrap();
        assert_valid(store);
    }
}

#[test]
fn a_blob_with_another_digest_is_refused() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let digest = Digest::of(b"good");
    let wrong = store.put_verified(digest, 4, &mut &b"evil"[..]);
    assert!(matches!(wrong, Err(StoreError::BlobCorrupt { .. })));
    for (bytes, size) in [(&b"good"[..], 5), (b"good!", 4), (b"goo", 4)] {
        let wrong = store.put_verified(digest, size, &mut { bytes });
        assert!(matches!(wrong, Err(StoreError::BlobSize { .. })));
    }
    assert!(store.blobs().unwrap().is_empty());
    store.put_verified(digest, 4, &mut &b"good"[..]).unwrap();
    assert_eq!(store.read_document("test", &digest).unwrap(), b"good");
    fs::write(store.blob_path(&digest), "evil").unwrap();
    assert!(matches!(store.read_document("test", &digest), Err(StoreError::BlobCorrupt { .. })));
}

/// What this process wrote itself it does not hash again, but it sees that somebody else has written there since.
#[test]
fn what_was_written_to_after_its_own_process_made_it_is_found() {
    let gzip = FormOptions { form: LayerForm::GZIP, force: false };
    let plain = FormOptions { form: LayerForm::Plain, force: false };
    for bytes in [5, 3 << 20] {
        let sandbox = sandbox();
        let store = &sandbox.store;
        let made = image(store, &["app"], &[&[("a", &"x".repeat(bytes))]]);
        let outgoing =
            ImageToSave { target: made.descriptor.clone(), names: Vec::new(), labels: Vec::new() };
        let save = |form| {
            store.save(std::slice::from_ref(&outgoing), ArchiveKind::Oci, form, &mut io::sink())
        };
        save(plain).unwrap();
        let blob = store.blob_path(&made.manifest.layers[0].digest);
        let changed = || {
            let found = fs::metadata(&blob).unwrap();
            (found.ctime(), found.ctime_nsec())
        };
        let before = changed();
        flip_a_byte(&blob, 600);
        // The clock of the file system has to go on.
        while changed() == before {
            fs::write(&blob, fs::read(&blob).unwrap()).unwrap();
        }
        let failure = |form| match save(form).unwrap_err() {
            StoreError::Archive(ArchiveError::Save { source, .. }) => *source,
            other => other,
        };
        assert!(matches!(failure(plain), StoreError::BlobCorrupt { .. }), "{bytes}");
        assert!(matches!(failure(gzip), StoreError::DiffId { .. }), "{bytes}");
        assert!(files_in(store.root().join("cache/forms")).is_empty(), "{bytes}");
        // Touched only: hashed again, and sound.
        flip_a_byte(&blob, 600);
        save(plain).unwrap();
        save(gzip).unwrap();
    }
}

#[test]
fn damaged_snapshots_and_indexes_are_found() {
    if !may_unpack() {
        return;
    }
    in_both_forms(|sandbox, _| {
        let store = &sandbox.store;
        let made = image(store, &["app"], &[&[("d/", ""), ("d/a", "hello")]]);
        let layers = store.unpack(&made).unwrap();
        let snapshot = store.root().join("snapshots/fs").join(layers[0].snapshot.as_str());
        assert_valid(store);

        fs::write(snapshot.join("d/a"), "jello").unwrap();
        assert!(problems(store)[0].contains("`d/a` has other content"));
        fs::write(snapshot.join("d/a"), "hello!").unwrap();
        assert!(problems(store)[0].contains("is not what the layer says"));
        fs::remove_file(snapshot.join("d/a")).unwrap();
        assert!(problems(store)[0].contains("is missing"));
        fs::write(snapshot.join("d/a"), "hello").unwrap();
        fs::write(snapshot.join("d/b"), "").unwrap();
        assert!(problems(store)[0].contains("the layer"));
        fs::remove_file(snapshot.join("d/b")).unwrap();

        let index = files_in(store.root().join("cache/indexes")).remove(0);
        let good = fs::read(&index).unwrap();
        flip_a_byte(&index, good.len() / 2);
        assert_eq!(problems(store).len(), 1);
        fs::write(&index, good).unwrap();

        let record = files_in(store.root().join("snapshots/chains")).remove(0);
        let good = fs::read(&record).unwrap();
        fs::write(&record, "nothere").unwrap();
        assert!(problems(store)[0].contains("is missing"));
        fs::write(&record, "../../etc").unwrap();
        assert!(problems(store)[0].contains("not readable"));
        fs::write(&record, good).unwrap();
        assert_valid(store);
    });
}

#[test]
fn a_damaged_index_of_images_is_found() {
    let sandbox = sandbox();
    image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let path = sandbox.store.root().join("images/index.json");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(!problems(&sandbox.store).is_empty());
    assert!(sandbox.store.resolve("app").is_err());
    fs::write(&path, good.replace("\"size\":", "\"size\":1")).unwrap();
    assert!(!problems(&sandbox.store).is_empty());
    fs::write(&path, good).unwrap();
    assert_valid(&sandbox.store);
}

/// Does something once, in the middle of what is written to it.
struct Meanwhile<F: FnMut()> {
    written: usize,
    act: Option<F>,
}

impl<F: FnMut()> io::Write for Meanwhile<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len();
        if self.written > 1 << 20
            && let Some(mut act) = self.act.take()
        {
            act();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_blob_may_be_replaced_by_itself_while_it_is_read_but_not_written_to() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app"], &[&[("a", &"x".repeat(8 << 20))]]);
    let outgoing =
        ImageToSave { target: made.descriptor.clone(), names: Vec::new(), labels: Vec::new() };
    let plain = FormOptions { form: LayerForm::Plain, force: false };
    let save = |act: &dyn Fn()| {
        let mut to = Meanwhile { written: 0, act: Some(act) };
        let saved = store.save(std::slice::from_ref(&outgoing), ArchiveKind::Oci, plain, &mut to);
        assert!(to.act.is_none(), "it was too short");
        saved
    };
    let blob = store.blob_path(&made.manifest.layers[0].digest);
    let copy = blob.with_extension("copy");
    // As another build does that makes the same layer.
    save(&|| {
        fs::copy(&blob, &copy).unwrap();
        fs::rename(&copy, &blob).unwrap();
    })
    .unwrap();
    let made = image(store, &["app"], &[&[("a", &"y".repeat(8 << 20))]]);
    let blob = store.blob_path(&made.manifest.layers[0].digest);
    let outgoing =
        ImageToSave { target: made.descriptor.clone(), names: Vec::new(), labels: Vec::new() };
    let changed = || {
        let found = fs::metadata(&blob).unwrap();
        (found.ctime(), found.ctime_nsec())
    };
    let before = changed();
    let write = || {
        // The clock of the file system has to go on.
        while changed() == before {
            flip_a_byte(&blob, 600);
        }
    };
    let mut to = Meanwhile { written: 0, act: Some(write) };
    let saved = store.save(&[outgoing], ArchiveKind::Oci, plain, &mut to);
    let failure = match saved.unwrap_err() {
        StoreError::Archive(ArchiveError::Save { source, .. }) => *source,
        other => other,
    };
    assert!(matches!(failure, StoreError::BlobChanged { .. }), "{failure:?}");
}
