//! Archives: written, read back, damaged, foreign.
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};

use store::archive::ArchiveError;
use store::{
    ArchiveKind, ContainerConfig, Digest, FormOptions, ImageToSave, ImportOptions, LayerForm,
    LoadOptions, Platform, Store, StoreError, media_type,
};

use crate::support::tars::{files_of, tar_of, tar_of_map};
use crate::support::{assert_valid, image, may_unpack, reference, sandbox};

const GZIP: FormOptions = FormOptions { form: LayerForm::GZIP, force: false };
const PLAIN: FormOptions = FormOptions { form: LayerForm::Plain, force: false };

fn save(store: &Store, names: &[&str], kind: ArchiveKind, options: FormOptions) -> Vec<u8> {
    let images: Vec<_> = names
        .iter()
        .map(|name| ImageToSave {
            target: store.resolve(name).unwrap().descriptor,
            names: vec![reference(name)],
            labels: Vec::new(),
        })
        .collect();
    let mut bytes = Vec::new();
    store.save(&images, kind, options, &mut bytes).unwrap();
    bytes
}

fn archive_error(result: store::error::Result<Vec<store::LoadedImage>>) -> ArchiveError {
    match result.unwrap_err() {
        StoreError::Archive(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_oci_archive_loads_as_the_same_image() {
    if !may_unpack() {
        return;
    }
    let from = sandbox();
    let made = image(&from.store, &["app:v1", "other"], &[&[("a", "1")], &[("b", "2")]]);
    let image = ImageToSave {
        target: made.descriptor.clone(),
        names: vec![reference("app:v1"), reference("other")],
        labels: Vec::new(),
    };
    let mut bytes = Vec::new();
    let images = std::slice::from_ref(&image);
    let written = from.store.save(images, ArchiveKind::Oci, GZIP, &mut bytes).unwrap();
    assert_ne!(written[0].digest, made.descriptor.digest);

    let to = sandbox();
    let loaded = to.store.load(bytes.as_slice(), &LoadOptions::default()).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!((loaded[0].id, &loaded[0].manifest.digest), (made.id(), &written[0].digest));
    assert_eq!(loaded[0].names, image.names);
    let found = to.store.resolve("other").unwrap();
    assert_eq!(found.config, made.config);
    assert!(found.manifest.layers.iter().all(|l| l.media_type == media_type::LAYER_TAR_GZIP));
    to.store.unpack(&found).unwrap();
    assert_valid(&to.store);
    assert_valid(&from.store);
    // Saved from there, it is the same archive: compressed layers stay what they are.
    let mut again = Vec::new();
    let image =
        ImageToSave { target: found.descriptor, names: image.names.clone(), labels: Vec::new() };
    to.store.save(&[image], ArchiveKind::Oci, GZIP, &mut again).unwrap();
    assert_eq!(bytes, again);
    // And in one go by whoever compresses it for the first time.
    assert_eq!(save(&from.store, &["app:v1"], ArchiveKind::Oci, GZIP), {
        let other = sandbox();
        self::image(&other.store, &["app:v1"], &[&[("a", "1")], &[("b", "2")]]);
        save(&other.store, &["app:v1"], ArchiveKind::Oci, GZIP)
    });
}

#[test]
fn a_layer_is_compressed_once() {
    let sandbox = sandbox();
    let store = &sandbox.store;
    let made = image(store, &["app"], &[&[("a", "1")]]);
    let first = store.with_layer_form(&made, GZIP).unwrap();
    let compressed = first.manifest.layers[0].digest;
    let path = store.blob_path(&compressed);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(store.with_layer_form(&made, GZIP).unwrap(), first);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    // Forced back to plain, and to zstd.
    let plain = FormOptions { form: LayerForm::Plain, force: true };
    let back = store.with_layer_form(&first, plain).unwrap();
    assert_eq!(back.manifest, made.manifest);
    let zstd = FormOptions { form: LayerForm::ZSTD, force: true };
    let zstd = store.with_layer_form(&first, zstd).unwrap();
    assert_eq!(zstd.manifest.layers[0].media_type, media_type::LAYER_TAR_ZSTD);
    assert_eq!(store.with_layer_form(&zstd, GZIP).unwrap(), zstd);
    // Lost, it is made again.
    fs::remove_file(&path).unwrap();
    assert_eq!(store.with_layer_form(&made, GZIP).unwrap(), first);
    assert!(path.exists());
    assert_valid(store);
}

#[test]
fn a_docker_archive_has_both_forms_of_documents() {
    if !may_unpack() {
        return;
    }
    let from = sandbox();
    let made = image(&from.store, &["app"], &[&[("a", "1")]]);
    image(&from.store, &["app2"], &[&[("a", "1")], &[("b", "1")]]);
    let bytes = save(&from.store, &["app", "app2"], ArchiveKind::Docker, PLAIN);
    let mut files = files_of(&bytes);
    assert_eq!(files.len(), 3 + 2 * 2 + 2, "shared blobs are written once");
    // What docker itself wrote until version 24 has manifest.json only.
    for name in ["index.json", "oci-layout"] {
        files.remove(name).unwrap();
    }
    files.retain(|name, bytes| {
        !(name.starts_with("blobs") && bytes.starts_with(b"{\"schemaVersion"))
    });
    let to = sandbox();
    let loaded = to.store.load(tar_of_map(&files).as_slice(), &LoadOptions::default()).unwrap();
    assert_eq!(loaded.len(), 2);
    assert_eq!((loaded[0].id, &loaded[0].names), (made.id(), &vec![reference("app")]));
    to.store.unpack(&to.store.resolve("app2").unwrap()).unwrap();
    assert_valid(&to.store);
}

/// Layers under their old names, one a link to another image's, the configuration named by its digest.
#[test]
fn old_docker_archives_with_links_load() {
    let from = sandbox();
    let made = image(&from.store, &["app"], &[&[("a", "1")], &[("a", "1")]]);
    let layer = fs::read(from.store.blob_path(&made.manifest.layers[0].digest)).unwrap();
    let config = made.config.to_bytes();
    let manifest = format!(
        r#"[{{"Config":"{}.json","RepoTags":["app:old"],"Layers":["x/layer.tar","y/layer.tar"]}}]"#,
        made.id().hex()
    );
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    add("./x/layer.tar", &layer);
    add("x/VERSION", b"1.0");
    add(&format!("{}.json", made.id().hex()), &config);
    add("manifest.json", manifest.as_bytes());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "y/layer.tar", "../x/layer.tar").unwrap();
    let bytes = archive.into_inner().unwrap();

    let to = sandbox();
    let loaded = to.store.load(bytes.as_slice(), &LoadOptions::default()).unwrap();
    assert_eq!((loaded[0].id, loaded[0].names[0].familiar().as_str()), (made.id(), "app:old"));
    assert_valid(&to.store);
}

#[test]
fn archives_may_be_compressed_and_layouts_directories() {
    let from = sandbox();
    let made = image(&from.store, &["app"], &[&[("a", "1")]]);
    let bytes = save(&from.store, &["app"], ArchiveKind::Oci, GZIP);
    for compression in [store::layer::Compression::GZIP, store::layer::Compression::ZSTD] {
        let mut writer = store::layer::compressor(Vec::new(), compression).unwrap();
        std::io::copy(&mut bytes.as_slice(), &mut writer).unwrap();
        let compressed = writer.finish().unwrap();
        let to = sandbox();
        assert_eq!(
            to.store.load(compressed.as_slice(), &LoadOptions::default()).unwrap()[0].id,
            made.id()
        );
        // Cut off, it is not loaded.
        let cut = &compressed[..compressed.len() - 3];
        assert!(matches!(
            archive_error(sandbox().store.load(cut, &LoadOptions::default())),
            ArchiveError::Read { .. }
        ));
    }
    let to = sandbox();
    let loaded =
        to.store.load_path(&from.store.root().join("images"), &LoadOptions::default()).unwrap();
    assert_eq!((loaded[0].id, &loaded[0].manifest.digest), (made.id(), &made.descriptor.digest));
    assert_eq!(loaded[0].names, [reference("app")]);
    assert_valid(&to.store);
}

#[test]
fn one_image_of_a_layout_can_be_opened_without_listing_it() {
    let from = sandbox();
    let one = image(&from.store, &["app:one"], &[&[("a", "1")]]);
    let path = from.store.root().join("images");
    let to = sandbox();
    assert_eq!(to.store.open_layout(&path, None).unwrap().id(), one.id());
    let two = image(&from.store, &["app:two"], &[&[("a", "2")]]);
    for name in ["app:two", "two", "docker.io/library/app:two", &two.descriptor.digest.to_string()]
    {
        assert_eq!(to.store.open_layout(&path, Some(name)).unwrap().id(), two.id(), "{name}");
    }
    let several = to.store.open_layout(&path, None).unwrap_err();
    assert!(several.to_string().contains("app:one, app:two"), "{several}");
    let unknown = to.store.open_layout(&path, Some("three")).unwrap_err();
    assert!(unknown.to_string().contains("has no image `three`"), "{unknown}");
    assert!(to.store.images().unwrap().is_empty());
}

#[test]
fn nothing_of_a_damaged_archive_becomes_visible() {
    let from = sandbox();
    image(&from.store, &["app"], &[&[("a", "1")]]);
    let good = files_of(&save(&from.store, &["app"], ArchiveKind::Oci, GZIP));
    for name in good.keys() {
        let to = sandbox();
        let mut missing = good.clone();
        missing.remove(name);
        assert!(
            to.store.load(tar_of_map(&missing).as_slice(), &LoadOptions::default()).is_err(),
            "without {name}"
        );
        let mut flipped = good.clone();
        let bytes = flipped.get_mut(name).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x80;
        assert!(
            to.store.load(tar_of_map(&flipped).as_slice(), &LoadOptions::default()).is_err(),
            "{name} flipped"
        );
        let mut longer = good.clone();
        longer.get_mut(name).unwrap().push(b'x');
        assert!(
            to.store.load(tar_of_map(&longer).as_slice(), &LoadOptions::default()).is_err(),
            "{name} longer"
        );
        assert!(to.store.blobs().unwrap().is_empty(), "{name}");
        assert!(to.store.images().unwrap().is_empty(), "{name}");
        assert_valid(&to.store);
    }
}

#[test]
fn other_tars_are_no_images() {
    let store = &sandbox().store;
    let other = tar_of(&[("etc/passwd", b"root")]);
    assert!(matches!(
        archive_error(store.load(other.as_slice(), &LoadOptions::default())),
        ArchiveError::NotAnImage
    ));
    let empty = tar_of(&[
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        ("index.json", br#"{"schemaVersion":2,"manifests":[]}"#),
    ]);
    assert!(matches!(
        archive_error(store.load(empty.as_slice(), &LoadOptions::default())),
        ArchiveError::Empty
    ));
    let old = tar_of(&[
        ("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#),
        ("index.json", br#"{"schemaVersion":2,"manifests":[]}"#),
    ]);
    assert!(matches!(
        archive_error(store.load(old.as_slice(), &LoadOptions::default())),
        ArchiveError::LayoutVersion { .. }
    ));
    assert!(
        store.load(&b"not a tar at all, whatever it may be"[..], &LoadOptions::default()).is_err()
    );
}

/// An index with images for two machines, as a registry serves it and BuildKit writes it.
#[test]
fn of_a_nested_index_the_image_for_this_machine_is_taken() {
    let from = sandbox();
    let mine = image(&from.store, &["app"], &[&[("a", "1")]]);
    let mut files = files_of(&save(&from.store, &["app"], ArchiveKind::Oci, PLAIN));
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.to_vec());
    let nested = |architecture: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{index}","manifests":[
            {{"mediaType":"{manifest}","digest":"{other}","size":7,"platform":{{"architecture":"s390x","os":"linux"}}}},
            {{"mediaType":"{manifest}","digest":"{mine}","size":{size},"platform":{{"architecture":"{architecture}","os":"linux"}}}},
            {{"mediaType":"{manifest}","digest":"{other}","size":7,"platform":{{"architecture":"unknown","os":"unknown"}},
              "annotations":{{"vnd.docker.reference.type":"attestation-manifest"}}}}]}}"#,
            index = media_type::IMAGE_INDEX,
            manifest = media_type::IMAGE_MANIFEST,
            other = Digest::of(b"absent!"),
            mine = mine.descriptor.digest,
            size = mine.descriptor.size,
        )
    };
    let mut with = |architecture: &str| {
        let document = nested(architecture);
        let (name, bytes) = blob(document.as_bytes());
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{}","size":{},
            "annotations":{{"io.containerd.image.name":"docker.io/library/multi:1"}}}}]}}"#,
            media_type::IMAGE_INDEX,
            Digest::of(&bytes),
            bytes.len()
        );
        files.insert(name, bytes);
        files.insert("index.json".to_owned(), index.into_bytes());
        tar_of_map(&files)
    };
    let to = sandbox();
    let host = Platform::host().architecture;
    let loaded = to.store.load(with(&host).as_slice(), &LoadOptions::default()).unwrap();
    assert_eq!((loaded[0].id, loaded[0].names[0].familiar().as_str()), (mine.id(), "multi:1"));
    assert_valid(&to.store);
    // Of another machine it is loaded too, and what cannot be had of it is said by its platforms.
    to.store.load(with("ppc64le").as_slice(), &LoadOptions::default()).unwrap();
    let text = to.store.resolve("multi:1").unwrap_err().to_string();
    assert!(text.contains("is for linux/ppc64le, not for linux/"), "{text}");
    assert_valid(&to.store);
    let platform = Some("linux/s390x".parse().unwrap());
    let only = LoadOptions { platform, name: None };
    let absent = to.store.load(with("ppc64le").as_slice(), &only).unwrap_err().to_string();
    assert!(absent.contains("blobs/sha256") && absent.contains("missing"), "{absent}");
}

#[test]
fn a_root_file_system_becomes_an_image() {
    if !may_unpack() {
        return;
    }
    let sandbox = sandbox();
    let tar = tar_of(&[("bin/sh", b"#!"), ("etc/passwd", b"root:x:0:0::/:/bin/sh\n")]);
    let options = ImportOptions {
        names: vec![reference("base")],
        platform: Platform::host(),
        config: ContainerConfig { cmd: vec!["/bin/sh".to_owned()], ..Default::default() },
        created: "2024-01-01T00:00:00Z".to_owned(),
        message: "imported".to_owned(),
    };
    let made = sandbox.store.import(tar.as_slice(), &options).unwrap();
    assert_eq!(made.config.rootfs.diff_ids[0].0, Digest::of(&tar));
    assert_eq!(sandbox.store.unpack(&made).unwrap()[0].index.len(), 2);
    assert_valid(&sandbox.store);
    let hostile = tar_of(&[("a", b"1")]);
    let hostile = String::from_utf8(hostile).unwrap().replacen('a', "\0", 1);
    for tar in [hostile.as_bytes(), b"nonsense"] {
        // Without a word about a layer: there never was one of that digest.
        let error = sandbox.store.import(tar, &options).unwrap_err();
        assert!(matches!(error, StoreError::Archive(ArchiveError::RootFs { .. })), "{error:?}");
    }
    assert_eq!(sandbox.store.images().unwrap().len(), 1);
}

#[test]
fn a_header_that_only_fills_memory_is_refused() {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(4 << 20);
    header.set_cksum();
    archive.append(&header, io::repeat(b'x').take(4 << 20)).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    archive.append_data(&mut header, "a", io::empty()).unwrap();
    let bytes = archive.into_inner().unwrap();
    let error = archive_error(sandbox().store.load(bytes.as_slice(), &LoadOptions::default()));
    let ArchiveError::Read { source } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("extension headers"), "{source}");
}

#[test]
fn an_archive_of_countless_files_is_refused() {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    for number in 0..70_000 {
        archive.append_link(&mut header, format!("{number}"), "x").unwrap();
    }
    let bytes = archive.into_inner().unwrap();
    let error = archive_error(sandbox().store.load(bytes.as_slice(), &LoadOptions::default()));
    assert!(matches!(error, ArchiveError::TooManyFiles { .. }), "{error:?}");
}

/// The files of an archive whose `index.json` is made anew.
fn with_index(files: &BTreeMap<String, Vec<u8>>, index: &str) -> Vec<u8> {
    let mut files = files.clone();
    files.insert("index.json".to_owned(), index.as_bytes().to_vec());
    tar_of_map(&files)
}

#[test]
fn names_an_image_cannot_have_are_refused_or_left_out() {
    let from = sandbox();
    let made = image(&from.store, &["app"], &[&[("a", "1")]]);
    let files = files_of(&save(&from.store, &["app"], ArchiveKind::Oci, PLAIN));
    let index = |annotation: &str, name: &str| {
        let (digest, size) = (made.descriptor.digest, made.descriptor.size);
        let manifest = media_type::IMAGE_MANIFEST;
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{manifest}","digest":"{digest}","size":{size},
            "annotations":{{"{annotation}":"{name}"}}}}]}}"#
        )
    };
    let load = |annotation: &str, name: &str| {
        let to = sandbox();
        let loaded = to
            .store
            .load(with_index(&files, &index(annotation, name)).as_slice(), &LoadOptions::default());
        loaded.map(|images| images[0].names.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    const NAME: &str = "io.containerd.image.name";
    let error = load(NAME, "docker.io/Upper/case:1").unwrap_err();
    assert!(error.to_string().contains("`docker.io/Upper/case:1`"), "{error}");
    let digest = made.descriptor.digest;
    // A name by digest is none that could be given here; one with a tag besides is.
    let none: [String; 0] = [];
    assert_eq!(load(NAME, &format!("docker.io/library/app@{digest}")).unwrap(), none);
    let named = load(NAME, &format!("docker.io/library/app:1@{digest}")).unwrap();
    assert_eq!(named, ["docker.io/library/app:1"]);
    // `ref.name` may be any text.
    assert_eq!(load("org.opencontainers.image.ref.name", "Some/Text:!").unwrap(), none);
}

/// umoci makes a new tag by copying the entry and changing one of its two names.
#[test]
fn a_new_tag_of_another_tool_is_the_name() {
    let from = sandbox();
    let made = image(&from.store, &["app"], &[&[("a", "1")]]);
    let files = files_of(&save(&from.store, &["app"], ArchiveKind::Oci, PLAIN));
    let (digest, size) = (made.descriptor.digest, made.descriptor.size);
    for (ref_name, expected) in [
        ("1", "docker.io/library/app:1"),
        ("2", "docker.io/library/app:2"),
        ("app:3", "docker.io/library/app:3"),
        ("docker.io/library/app:4", "docker.io/library/app:4"),
        ("other:5", "docker.io/library/app:1"),
        ("any text", "docker.io/library/app:1"),
    ] {
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{digest}","size":{size},
            "annotations":{{"io.containerd.image.name":"docker.io/library/app:1",
            "org.opencontainers.image.ref.name":"{ref_name}"}}}}]}}"#,
            media_type::IMAGE_MANIFEST
        );
        let loaded = sandbox()
            .store
            .load(with_index(&files, &index).as_slice(), &LoadOptions::default())
            .unwrap();
        assert_eq!(loaded[0].names.len(), 1);
        assert_eq!(loaded[0].names[0].to_string(), expected);
    }
}

#[test]
fn null_is_an_empty_list_in_documents_too() {
    let config = Platform::host();
    let config = format!(
        r#"{{"architecture":"{}","os":"{}","rootfs":{{"type":"layers","diff_ids":null}}}}"#,
        config.architecture, config.os
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{}","size":{}}},"layers":null}}"#,
        media_type::IMAGE_CONFIG,
        Digest::of(config.as_bytes()),
        config.len()
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{}","size":{}}}]}}"#,
        media_type::IMAGE_MANIFEST,
        Digest::of(manifest.as_bytes()),
        manifest.len()
    );
    let blob = |text: &str| format!("blobs/sha256/{}", Digest::of(text.as_bytes()).hex());
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    let files = [
        ("oci-layout", layout.as_slice()),
        ("index.json", index.as_bytes()),
        (&blob(&config), config.as_bytes()),
        (&blob(&manifest), manifest.as_bytes()),
    ];
    let store = &sandbox().store;
    assert_eq!(store.load(tar_of(&files).as_slice(), &LoadOptions::default()).unwrap().len(), 1);
    let empty = br#"{"schemaVersion":2,"manifests":null}"#;
    let empty = tar_of(&[("oci-layout", layout), ("index.json", empty)]);
    assert!(matches!(
        archive_error(store.load(empty.as_slice(), &LoadOptions::default())),
        ArchiveError::Empty
    ));
}

/// docker before 25 and skopeo: directories with the layer, `json` and `VERSION`; images that share layers; one without
/// names; `repositories`, which says nothing that `manifest.json` does not.
#[test]
fn several_images_of_an_old_docker_archive_load() {
    let from = sandbox();
    let first = image(&from.store, &["app:1"], &[&[("a", "1")], &[("b", "2")]]);
    let second = image(&from.store, &["app:2"], &[&[("a", "1")]]);
    let mut archive = tar::Builder::new(Vec::new());
    let mut images = Vec::new();
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    for (made, tags) in [(&first, r#"["app:1","app:latest"]"#), (&second, "null")] {
        let config = format!("{}.json", made.id().hex());
        add(&config, &made.config.to_bytes());
        let mut layers = Vec::new();
        for (number, layer) in made.manifest.layers.iter().enumerate() {
            // `docker save` writes a layer that images share once for each of them.
            let directory = format!("{}{number}", made.id().hex());
            add(&format!("{directory}/VERSION"), b"1.0");
            add(&format!("{directory}/json"), b"{}");
            let bytes = fs::read(from.store.blob_path(&layer.digest)).unwrap();
            add(&format!("{directory}/layer.tar"), &bytes);
            layers.push(format!(r#""{directory}/layer.tar""#));
        }
        let layers = layers.join(",");
        images.push(format!(r#"{{"Config":"{config}","RepoTags":{tags},"Layers":[{layers}]}}"#));
    }
    add("manifest.json", format!("[{}]", images.join(",")).as_bytes());
    add("repositories", br#"{"app":{"1":"ff"}}"#);
    let bytes = archive.into_inner().unwrap();

    let to = sandbox();
    let loaded = to.store.load(bytes.as_slice(), &LoadOptions::default()).unwrap();
    let ids: Vec<_> = loaded.iter().map(|image| image.id).collect();
    assert_eq!(ids, [first.id(), second.id()]);
    assert_eq!(loaded[0].names, [reference("app:1"), reference("app:latest")]);
    assert_eq!(loaded[1].names, []);
    assert_valid(&to.store);
    // Layers and documents of the images, nothing else of the archive.
    assert_eq!(to.store.blobs().unwrap().len(), 2 + 2 * 2);
    // By one of its names.
    let only = LoadOptions { name: Some("app:latest".to_owned()), platform: None };
    let one = sandbox().store.load(bytes.as_slice(), &only).unwrap();
    assert_eq!((one.len(), one[0].id), (1, first.id()));
    let unknown = LoadOptions { name: Some("app:3".to_owned()), platform: None };
    let unknown = to.store.load(bytes.as_slice(), &unknown).unwrap_err().to_string();
    assert_eq!(unknown, "the archive has no image `app:3`; it has app:1, app:latest");
}

/// Neither `docker load` nor anybody else takes a name by digest, or one that is there twice.
#[test]
fn names_go_out_once_and_without_digests() {
    let sandbox = sandbox();
    let made = image(&sandbox.store, &["app:1"], &[&[("a", "1")]]);
    let digest = made.descriptor.digest;
    let by_digest = [format!("app@{digest}"), format!("app:1@{digest}")].map(|n| reference(&n));
    for (names, expected) in [
        (vec![reference("app:1"), reference("app:1")], vec!["app:1"]),
        (by_digest[..1].to_vec(), vec![]),
        (by_digest.to_vec(), vec!["app:1"]),
    ] {
        let (_, target) = sandbox.store.listed("app:1").unwrap();
        let image = ImageToSave { target, names, labels: Vec::new() };
        let mut tar = Vec::new();
        sandbox.store.save(&[image], ArchiveKind::Docker, PLAIN, &mut tar).unwrap();
        let files = files_of(&tar);
        let list: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(list[0]["RepoTags"], serde_json::json!(expected));
        let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
        let annotations = &index["manifests"][0]["annotations"];
        let tag = annotations["org.opencontainers.image.ref.name"].as_str();
        assert_eq!(tag, expected.first().map(|_| "1"));
    }
}
