//! Images for several platforms in archives: everything that came goes out again, byte for byte.
use std::collections::BTreeMap;

use store::{
    ArchiveKind, Digest, FormOptions, Held, ImageToSave, LayerForm, LoadOptions, Platform, Removed,
    Store, StoreError, media_type,
};

use crate::support::tars::{files_of, tar_of, tar_of_map};
use crate::support::{assert_valid, reference, sandbox};

const GZIP: FormOptions = FormOptions { form: LayerForm::GZIP, force: false };
const NAME: &str = "multi:1";

type Files = BTreeMap<String, Vec<u8>>;

/// Adds a blob; its descriptor as JSON text, with `more` at the end.
fn add(files: &mut Files, media_type: &str, bytes: &[u8], more: &str) -> String {
    let digest = Digest::of(bytes);
    files.insert(format!("blobs/sha256/{}", digest.hex()), bytes.to_vec());
    let size = bytes.len();
    format!(r#"{{"size" : {size}, "mediaType":"{media_type}","digest":"{digest}"{more} }}"#)
}

/// The manifest of an image with one gzip layer, in a hand no serialiser has, with fields nobody knows.
fn odd_image(files: &mut Files, platform: &Platform) -> String {
    let tar = tar_of(&[(platform.architecture.as_str(), b"x")]);
    let mut writer = store::layer::compressor(Vec::new(), store::layer::Compression::GZIP).unwrap();
    std::io::copy(&mut tar.as_slice(), &mut writer).unwrap();
    let layer = add(files, media_type::LAYER_TAR_GZIP, &writer.finish().unwrap(), "");
    let config = format!(
        "{{ \"os\":\"{}\",\n\t\"architecture\" :\"{}\", \"x-unknown\": [1.50, null],\r\n \"rootfs\": \
         {{\"type\":\"layers\", \"diff_ids\":[ \"{}\" ]}} }}\n\n",
        platform.os,
        platform.architecture,
        Digest::of(&tar)
    );
    let config = add(files, media_type::IMAGE_CONFIG, config.as_bytes(), r#", "x-more":true"#);
    let manifest = format!(
        "\n{{\"layers\" : [ {layer} ],   \"x-unknown\":{{\"b\":1,\"a\":2}},\"config\":{config},\
         \"schemaVersion\":2}}"
    );
    let platform = format!(
        r#", "platform":{{"os":"{}","architecture":"{}"}}"#,
        platform.os, platform.architecture
    );
    add(files, media_type::IMAGE_MANIFEST, manifest.as_bytes(), &platform)
}

/// An image for this machine and one for another, provenance, and a platform that the archive does not have.
fn odd_layout() -> Files {
    let mut files = Files::new();
    let host = odd_image(&mut files, &Platform::host());
    let other = odd_image(&mut files, &"linux/s390x".parse().unwrap());
    let statement = add(&mut files, "application/vnd.in-toto+json", b"{\"_type\":1}", "");
    let config = add(&mut files, media_type::IMAGE_CONFIG, b"{ }", "");
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{statement}]}}"#);
    let provenance = r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#;
    let provenance = add(&mut files, media_type::IMAGE_MANIFEST, manifest.as_bytes(), provenance);
    let absent = format!(
        r#"{{"mediaType":"{}","digest":"{}","size":7,"platform":{{"os":"linux","architecture":"arm"}}}}"#,
        media_type::IMAGE_MANIFEST,
        Digest::of(b"absent!")
    );
    let index = format!(
        "{{\"schemaVersion\": 2, \"x-unknown\":\"\\u00e9\",\n\"manifests\":[{other},\n {absent},{host},{provenance}]}}"
    );
    let name = format!(r#","annotations":{{"io.containerd.image.name":"{}"}}"#, reference(NAME));
    let entry = add(&mut files, media_type::IMAGE_INDEX, index.as_bytes(), &name);
    let top = format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#);
    files.insert("index.json".to_owned(), top.into_bytes());
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    files
}

fn save(store: &Store, options: FormOptions) -> Files {
    let (_, target) = store.listed(NAME).unwrap();
    let image = ImageToSave { target, names: vec![reference(NAME)], labels: Vec::new() };
    let mut bytes = Vec::new();
    store.save(&[image], ArchiveKind::Docker, options, &mut bytes).unwrap();
    files_of(&bytes)
}

fn blobs(files: &Files) -> Vec<(&String, &Vec<u8>)> {
    files.iter().filter(|(name, _)| name.starts_with("blobs/")).collect()
}

#[test]
fn everything_goes_out_as_it_came() {
    let came = odd_layout();
    let to = sandbox();
    let loaded = to.store.load(tar_of_map(&came).as_slice(), &LoadOptions::default()).unwrap();
    assert_eq!(loaded[0].names, [reference(NAME)]);
    assert_eq!(loaded[0].id, to.store.resolve(NAME).unwrap().id());
    assert_valid(&to.store);
    let went = save(&to.store, GZIP);
    assert_eq!(blobs(&went), blobs(&came));
    let index: serde_json::Value = serde_json::from_slice(&went["index.json"]).unwrap();
    assert_eq!(index["manifests"][0]["digest"], loaded[0].manifest.digest.to_string());
    // Readers that know one platform see that of this machine.
    let list: serde_json::Value = serde_json::from_slice(&went["manifest.json"]).unwrap();
    let config = format!("blobs/sha256/{}", loaded[0].id.hex());
    assert_eq!((&list[0]["Config"], &list[0]["RepoTags"][0]), (&config.into(), &NAME.into()));
    // Nothing of it is garbage.
    let again = crate::support::open(to.store.root());
    crate::support::forget_unnamed(&again);
    let pruned = again.prune(&mut || Ok(Vec::new())).unwrap();
    assert_eq!(pruned.blobs, []);
}

#[test]
fn another_form_changes_the_manifests_and_nothing_else() {
    let came = odd_layout();
    let to = sandbox();
    to.store.load(tar_of_map(&came).as_slice(), &LoadOptions::default()).unwrap();
    let went = save(&to.store, FormOptions { form: LayerForm::ZSTD, force: true });
    let is_config = |bytes: &[u8]| bytes.windows(8).any(|part| part == b"diff_ids");
    let configs = |files: &Files| {
        files.values().filter(|bytes| is_config(bytes)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(configs(&went), configs(&came));
    assert_eq!(configs(&went).len(), 2);
    let again = sandbox();
    again.store.load(tar_of_map(&went).as_slice(), &LoadOptions::default()).unwrap();
    assert_valid(&again.store);
    for platform in [Platform::host(), "linux/s390x".parse().unwrap()] {
        let image = again.store.resolve_for(NAME, &platform).unwrap();
        assert_eq!(image.manifest.layers[0].media_type, media_type::LAYER_TAR_ZSTD);
        assert_eq!(image.manifest.extra["x-unknown"]["b"], 1);
    }
    let (_, index) = again.store.listed(NAME).unwrap();
    let bytes = again.store.read_document("index", &index.digest).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (&index["x-unknown"], index["manifests"].as_array().unwrap().len()),
        (&"é".into(), 4)
    );
}

#[test]
fn one_platform_can_be_loaded_alone() {
    let came = odd_layout();
    let to = sandbox();
    let other: Platform = "linux/s390x".parse().unwrap();
    let only = LoadOptions { platform: Some(other.clone()), name: None };
    let loaded = to.store.load(tar_of_map(&came).as_slice(), &only).unwrap();
    assert_eq!(loaded[0].id, to.store.resolve_for(NAME, &other).unwrap().id());
    assert_eq!(to.store.blobs().unwrap().len(), 4);
    assert!(to.store.resolve(NAME).unwrap_err().to_string().contains("is for linux/s390x"));
    assert_eq!(to.store.images().unwrap().len(), 1);
    assert_valid(&to.store);
    let absent = LoadOptions { platform: Some("linux/riscv64".parse().unwrap()), name: None };
    let refused = to.store.load(tar_of_map(&came).as_slice(), &absent).unwrap_err().to_string();
    assert!(refused.contains("not for linux/riscv64"), "{refused}");
}

#[test]
fn another_name_is_for_all_platforms_too() {
    let to = sandbox();
    to.store.load(tar_of_map(&odd_layout()).as_slice(), &LoadOptions::default()).unwrap();
    to.store.tag(NAME, &reference("same")).unwrap();
    let (_, same) = to.store.listed("same").unwrap();
    assert_eq!(same.digest, to.store.listed(NAME).unwrap().1.digest);
    to.store.untag(NAME, false).unwrap();
    to.store.resolve_for("same", &"linux/s390x".parse().unwrap()).unwrap();
    assert_valid(&to.store);
}

/// A container holds the manifest that it runs, and not the index that the name leads to.
#[test]
fn an_index_is_in_use_when_one_of_its_platforms_is() {
    let to = sandbox();
    let store = &to.store;
    store.load(tar_of_map(&odd_layout()).as_slice(), &LoadOptions::default()).unwrap();
    let running = store.resolve(NAME).unwrap();
    assert_ne!(running.descriptor.digest, store.listed(NAME).unwrap().1.digest);
    store.keep("c1", &[Held::Blob(running.descriptor.digest)]).unwrap();
    let other = crate::support::open(store.root());
    for text in [NAME, &running.id().hex()] {
        let refused = other.untag(text, false).unwrap_err();
        assert!(matches!(refused, StoreError::InUse { ref users, .. } if *users == ["c1"]));
    }
    assert_eq!(other.image_usage().unwrap()[0].containers, 1);
    assert_eq!(other.forget_images(&|_| true).unwrap(), []);
    store.release("c1").unwrap();
    let root = store.root().to_owned();
    drop(to.store);
    let store = crate::support::open(&root);
    let removed = [Removed::Untagged(reference(NAME)), Removed::Deleted(running.id())];
    assert_eq!(store.forget_images(&|_| true).unwrap(), removed);
}
