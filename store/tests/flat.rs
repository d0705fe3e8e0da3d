//! Directories of one image without a layout, as skopeo's `dir:` and podman's `docker-dir` make them.
use std::fs;
use std::path::Path;

use store::{LoadOptions, media_type};

use crate::support::{assert_valid, image, sandbox};

/// The image `app` of a new store in such a directory; the digest of its manifest.
fn write_flat(directory: &Path) -> String {
    let from = sandbox();
    let made = image(&from.store, &["app"], &[&[("a", "1")], &[("b", "2")]]);
    let manifest = made.descriptor.digest.hex();
    for blob in fs::read_dir(from.store.root().join("images/blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        let name = blob.file_name();
        let name = if *name == *manifest { "manifest.json".as_ref() } else { name.as_os_str() };
        fs::copy(blob.path(), directory.join(name)).unwrap();
    }
    fs::write(directory.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    made.descriptor.digest.to_string()
}

#[test]
fn a_manifest_with_its_blobs_beside_it_is_loaded() {
    let directory = tempfile::TempDir::new().unwrap();
    let digest = write_flat(directory.path());
    let to = sandbox();
    let loaded = to.store.load_path(directory.path(), &LoadOptions::default()).unwrap();
    assert_eq!(loaded[0].manifest.digest.to_string(), digest);
    assert_eq!(loaded[0].manifest.media_type, media_type::IMAGE_MANIFEST);
    assert!(loaded[0].names.is_empty());
    assert_valid(&to.store);
}

#[test]
fn what_is_damaged_or_missing_is_named() {
    let directory = tempfile::TempDir::new().unwrap();
    write_flat(directory.path());
    let blobs = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let blobs: Vec<_> = blobs.filter(|path| path.file_name().unwrap().len() == 64).collect();
    assert_eq!(blobs.len(), 3);
    for blob in blobs {
        let hex = blob.file_name().unwrap().to_string_lossy().into_owned();
        let sound = fs::read(&blob).unwrap();
        let mut damaged = sound.clone();
        damaged[0] ^= 1;
        for content in [Some(damaged), None] {
            fs::remove_file(&blob).unwrap();
            if let Some(bytes) = content {
                fs::write(&blob, bytes).unwrap();
            }
            let to = sandbox();
            let refused = to.store.load_path(directory.path(), &LoadOptions::default());
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(&hex), "{refused}");
            assert!(to.store.images().unwrap().is_empty());
            fs::write(&blob, &sound).unwrap();
        }
    }
}
