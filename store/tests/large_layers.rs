//! Layers large enough that they are read ahead on threads of their own, several at once where their form changes.
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use store::archive::{FormOptions, LayerForm};
use store::{Digest, Image, Store, StoreError};

use crate::support::{assert_valid, image, may_unpack, sandbox};

const GZIP: FormOptions = FormOptions { form: LayerForm::GZIP, force: true };

/// Three megabytes that differ from layer to layer.
fn content(layer: u64) -> String {
    let mut text = String::new();
    let mut state = layer;
    while text.len() < 3 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.push_str(&format!("{:x} ", state >> 20));
    }
    text
}

fn large_image(store: &Store) -> Image {
    let contents: Vec<String> = (0..4).map(content).collect();
    let names = ["a", "b", "c", "d"];
    let files: Vec<[(&str, &str); 1]> =
        names.iter().zip(&contents).map(|(name, content)| [(*name, content.as_str())]).collect();
    let layers: Vec<&[(&str, &str)]> = files.iter().map(|files| files.as_slice()).collect();
    image(store, &["large"], &layers)
}

fn listed(store: &Store, dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.root().join(dir)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Changes one byte in the middle of a blob while `act` runs.
fn with_damage<T>(store: &Store, blob: &Digest, act: impl FnOnce() -> T) -> T {
    let path = store.blob_path(blob);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&path, bad).unwrap();
    let result = act();
    fs::write(&path, good).unwrap();
    result
}

fn check_unpacked(store: &Store, image: &Image) {
    for (number, layer) in store.unpack(image).unwrap().iter().enumerate() {
        let mut found = String::new();
        let dir = store.snapshotter().dir(&layer.snapshot).unwrap();
        let mut file = dir.open_file(["a", "b", "c", "d"][number]).unwrap();
        file.read_to_string(&mut found).unwrap();
        assert!(found == content(number as u64), "layer {number}");
    }
    assert_valid(store);
}

#[test]
fn they_unpack_from_every_form() {
    if !may_unpack() {
        return;
    }
    for form in [LayerForm::Plain, LayerForm::GZIP, LayerForm::ZSTD] {
        let sandbox = sandbox();
        let store = &sandbox.store;
        let plain = large_image(store);
        let options = FormOptions { form, force: true };
        check_unpacked(store, &store.with_layer_form(&plain, options).unwrap());
    }
}

#[test]
fn a_damaged_one_is_noticed_and_leaves_nothing() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let store = &sandbox.store;
    let plain = large_image(store);
    let zipped = store.with_layer_form(&plain, GZIP).unwrap();
    for (image, lower) in [(&plain, 1), (&zipped, 2)] {
        let digest = image.manifest.layers[lower].digest;
        let failed = with_damage(store, &digest, || store.unpack(image)).unwrap_err();
        let named = matches!(
            failed,
            StoreError::DiffId { digest: found, .. }
            | StoreError::Unpack { digest: found, .. }
            | StoreError::Layer { digest: found, .. } if found == digest
        );
        assert!(named, "{failed:?}");
        assert_eq!(store.snapshots().unwrap().len(), lower, "the layers below stay");
        assert_eq!(listed(store, "temp"), [] as [PathBuf; 0]);
    }
    check_unpacked(store, &zipped);
}

#[test]
fn one_of_several_that_cannot_change_its_form_leaves_nothing() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let plain = large_image(store);
    let digest = plain.manifest.layers[2].digest;
    // Another process: this one knows what it wrote.
    let other = store::Store::open(store.root(), store.state()).unwrap();
    let failed = with_damage(store, &digest, || other.with_layer_form(&plain, GZIP)).unwrap_err();
    assert!(matches!(failed, StoreError::DiffId { digest: found, .. } if found == digest));
    assert_eq!(listed(store, "temp"), [] as [PathBuf; 0]);
    let recorded = || {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        listed(store, "cache/forms").iter().any(|path| name(path).starts_with(&digest.hex()))
    };
    assert!(!recorded());
    store.with_layer_form(&plain, GZIP).unwrap();
    assert!(recorded());
    assert_valid(store);
}
