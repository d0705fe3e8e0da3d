//! A store in a temporary directory, and images made of a few files.
pub(crate) mod tars;

use std::collections::BTreeMap;
use std::path::Path;

use store::layer::{Entry, EntryKind, LayerWriter, compare_paths};
use store::{
    Descriptor, DiffId, History, Image, ImageConfig, NewImage, Platform, Reference, Removed,
    SnapshotForm, Store, media_type,
};
use tempfile::TempDir;

pub(crate) struct Sandbox {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

pub(crate) fn sandbox() -> Sandbox {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("root"));
    Sandbox { dir, store }
}

/// The same with snapshots of each form, one after the other.
pub(crate) fn in_both_forms(test: impl Fn(Sandbox, SnapshotForm)) {
    for form in [SnapshotForm::Overlay, SnapshotForm::Copy] {
        let Sandbox { dir, store } = sandbox();
        // Whoever opens it from now on finds this.
        store.remember_snapshot_form(form).unwrap();
        let root = store.root().to_owned();
        test(Sandbox { dir, store: open(&root) }, form);
    }
}

/// False, with the reason printed, where layers cannot be unpacked with their owners and devices.
pub(crate) fn may_unpack() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root to create devices and owners");
    }
    root
}

pub(crate) fn open(root: &Path) -> Store {
    Store::open(root, &root.with_extension("state")).unwrap()
}

/// As `image prune` without options.
pub(crate) fn forget_unnamed(store: &Store) -> Vec<Removed> {
    store.forget_images(&|listed| listed.name.is_none()).unwrap()
}

pub(crate) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// `path` with `content`, a directory for a path that ends in `/`, a deletion for one that begins with `!`.
pub(crate) fn layer(store: &Store, files: &[(&str, &str)]) -> Descriptor {
    let mut entries: Vec<(Entry, &str)> =
        files.iter().map(|(path, c)| (entry(path, c), *c)).collect();
    entries.sort_by(|(a, _), (b, _)| compare_paths(&a.path, &b.path));
    let mut writer = LayerWriter::new(store.blob_writer().unwrap());
    for (entry, content) in &entries {
        let mut bytes = content.as_bytes();
        let is_file = entry.is_file();
        writer.append(entry, is_file.then_some(&mut bytes as &mut dyn std::io::Read)).unwrap();
    }
    let (blob, _index) = writer.finish().unwrap();
    let info = blob.finish().unwrap();
    Descriptor::new(media_type::LAYER_TAR, info.digest, info.size)
}

fn entry(path: &str, content: &str) -> Entry {
    if let Some(path) = path.strip_prefix('!') {
        return Entry::whiteout(path);
    }
    match path.strip_suffix('/') {
        Some(path) => Entry::default_dir(path),
        None => {
            let size = content.len() as u64;
            Entry::new(path, EntryKind::File { size, digest: None, offset: None }, 0o644)
        }
    }
}

/// An image of the given layers, each a list of files.
pub(crate) fn image(store: &Store, names: &[&str], layers: &[&[(&str, &str)]]) -> Image {
    let layers: Vec<Descriptor> = layers.iter().map(|files| layer(store, files)).collect();
    image_of(store, names, &layers)
}

pub(crate) fn image_of(store: &Store, names: &[&str], layers: &[Descriptor]) -> Image {
    let mut config = ImageConfig::empty(&Platform::host());
    config.config.cmd = vec!["/bin/sh".to_owned()];
    config.created = Some("2024-01-01T00:00:00Z".to_owned());
    for (number, layer) in layers.iter().enumerate() {
        config.rootfs.diff_ids.push(DiffId(layer.digest));
        let created_by = format!("COPY {number}");
        config.history.push(History { created_by, ..History::default() });
    }
    let names: Vec<Reference> = names.iter().map(|name| reference(name)).collect();
    let annotations = &BTreeMap::new();
    store.put_image(&NewImage { config: &config, layers, annotations, names: &names }).unwrap()
}

/// Fails with the list of problems unless the store is valid.
pub(crate) fn assert_valid(store: &Store) {
    let problems: Vec<String> = store.validate().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(problems, [] as [String; 0]);
}
