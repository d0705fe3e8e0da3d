//! Whatever an archive of images says: what it brings is whole, or nothing of it is there; what came in goes out.
//!
//! The bytes are documents with a NUL after each: configuration, manifest, `index.json`, a Docker archive's
//! `manifest.json`; what is left is the layer. `@config`, `@layer` and `@manifest` stand for the digest and the size of
//! the bytes given, as fields of a descriptor, `@config-name` and so on for the name of the file.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::path::Path;

use store::{ArchiveKind, Digest, FormOptions, ImageToSave, LayerForm, LoadOptions, Store};

pub fn check(bytes: &[u8]) {
    let dir = directory();
    let store = Store::open(&dir.path().join("store"), &dir.path().join("state")).expect("a store");
    let archive = archive_of(bytes);
    let Ok(loaded) = store.load(archive.as_slice(), &LoadOptions::default()) else {
        assert_eq!(store.blobs().expect("a list"), [], "something of a refused archive is left");
        assert!(store.images().expect("a list").is_empty());
        return assert_valid(&store);
    };
    assert_valid(&store);
    for image in &loaded {
        save_and_load(&store, image, dir.path());
    }
    let images = store.images().expect("a list");
    let ids: Vec<Digest> = images.iter().map(|image| image.id).collect();
    assert!(loaded.iter().all(|image| ids.contains(&image.id)), "loaded and not there");
}

fn save_and_load(store: &Store, image: &store::LoadedImage, dir: &Path) {
    let options = FormOptions { form: LayerForm::Plain, force: false };
    let saved =
        ImageToSave { target: image.manifest.clone(), names: Vec::new(), labels: Vec::new() };
    let mut bytes = Vec::new();
    // A layer that nobody can read is found now: `load` does not unpack.
    let Ok(_) = store.save(&[saved], ArchiveKind::Oci, options, &mut bytes) else { return };
    let other = Store::open(&dir.join("other"), &dir.join("other-state")).expect("a store");
    let again = other.load(bytes.as_slice(), &LoadOptions::default()).expect("what was saved");
    assert!(again.iter().any(|again| again.id == image.id), "another image came back");
    assert_valid(&other);
}

fn assert_valid(store: &Store) {
    let problems = store.validate().expect("a look at the store");
    assert!(problems.is_empty(), "{problems:?}");
}

/// In memory where there is such a place: a case is many small files.
pub fn directory() -> tempfile::TempDir {
    match Path::new("/dev/shm").is_dir() {
        true => tempfile::tempdir_in("/dev/shm"),
        false => tempfile::tempdir(),
    }
    .expect("a directory")
}

fn archive_of(bytes: &[u8]) -> Vec<u8> {
    let mut parts = bytes.splitn(5, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default().to_vec();
    let (config, manifest, index, docker, layer) = (next(), next(), next(), next(), next());
    let known = [("config", config.as_slice()), ("layer", &layer)];
    let manifest = filled(&manifest, &known);
    let known = [known[0], known[1], ("manifest", &manifest)];
    let (index, docker) = (filled(&index, &known), filled(&docker, &known));
    let mut files = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        (blob(&config), config),
        (blob(&layer), layer),
        (blob(&manifest), manifest),
    ];
    let named = [("index.json", index), ("manifest.json", docker)];
    files.extend(
        named
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(n, text)| (n.to_owned(), text)),
    );
    tar_of(&files)
}

fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(bytes).hex())
}

fn filled(document: &[u8], known: &[(&str, &[u8])]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(document) else { return document.to_vec() };
    let mut text = text.to_owned();
    for (name, bytes) in known {
        text = text.replace(&format!("@{name}-name"), &blob(bytes));
        text = text.replace(&format!("@{name}-digest"), &Digest::of(bytes).to_string());
        let fields = format!(r#""digest":"{}","size":{}"#, Digest::of(bytes), bytes.len());
        text = text.replace(&format!("@{name}"), &fields);
    }
    text.into_bytes()
}

/// A tar of files.
fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = store::layer::LayerWriter::new(Vec::new());
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    sorted.dedup_by(|a, b| a.0 == b.0);
    for (name, bytes) in sorted {
        let size = bytes.len() as u64;
        let kind = store::layer::EntryKind::File { size, digest: None, offset: None };
        let entry = store::layer::Entry::new(name.as_bytes(), kind, 0o644);
        writer.append(&entry, Some(&mut bytes.as_slice())).expect("a member");
    }
    writer.finish().expect("an archive").0
}
