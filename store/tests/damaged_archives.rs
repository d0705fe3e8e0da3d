//! Archives that lie, lack something or want too much: the error names what and why, and the store is as before. And
//! damage in the store itself: it does not go out, and loading the image again repairs it.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use store::{
    ArchiveKind, Digest, FormOptions, Image, ImageToSave, LayerForm, LoadOptions, Store, media_type,
};

use crate::support::tars::{files_of, tar_of, tar_of_map};
use crate::support::{Sandbox, assert_valid, image, reference, sandbox};

const PLAIN: FormOptions = FormOptions { form: LayerForm::Plain, force: false };

type Files = BTreeMap<String, Vec<u8>>;

fn good() -> (Files, Image) {
    let from = sandbox();
    let made = image(&from.store, &["app"], &[&[("a", "1")], &[("b", "2")]]);
    (files_of(&archive_of(&from.store)), made)
}

fn archive_of(store: &Store) -> Vec<u8> {
    let (name, target) = store.listed("app").unwrap();
    let image = ImageToSave { target, names: name.into_iter().collect(), labels: Vec::new() };
    let mut bytes = Vec::new();
    store.save(&[image], ArchiveKind::Oci, PLAIN, &mut bytes).unwrap();
    bytes
}

fn add(files: &mut Files, media_type: &str, bytes: &[u8]) -> String {
    let digest = Digest::of(bytes);
    files.insert(format!("blobs/sha256/{}", digest.hex()), bytes.to_vec());
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}"#, bytes.len())
}

fn list(files: &mut Files, entries: &str) {
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
    files.insert("index.json".to_owned(), index.into_bytes());
}

fn load(store: &Store, files: &Files) -> store::error::Result<Vec<store::LoadedImage>> {
    store.load(tar_of_map(files).as_slice(), &LoadOptions::default())
}

/// The whole chain of causes, once it is certain that nothing of the archive is left.
fn refused(tar: &[u8]) -> String {
    let to = sandbox();
    let error = to.store.load(tar, &LoadOptions::default()).unwrap_err();
    assert_untouched(&to);
    chain(&error)
}

fn refused_files(files: &Files) -> String {
    refused(&tar_of_map(files))
}

fn assert_untouched(to: &Sandbox) {
    assert_eq!(to.store.blobs().unwrap(), []);
    assert_eq!(to.store.images().unwrap(), []);
    assert_valid(&to.store);
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", chain(source)),
    }
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn what_documents_say_of_themselves_must_agree() {
    let (files, made) = good();
    let digest = made.descriptor.digest;
    let entry = |media_type: &str| {
        format!(
            r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}"#,
            made.descriptor.size
        )
    };
    let mut lying = files.clone();
    list(&mut lying, &entry(media_type::IMAGE_INDEX));
    says(&refused_files(&lying), &[&digest.to_string(), "is no index", media_type::IMAGE_INDEX]);

    let mut lying = files.clone();
    let nested = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entry(""));
    let nested = add(&mut lying, media_type::IMAGE_MANIFEST, nested.as_bytes());
    list(&mut lying, &nested);
    says(&refused_files(&lying), &["is an index", media_type::IMAGE_MANIFEST]);

    // A second entry may lie where the first does not.
    let mut lying = files.clone();
    list(
        &mut lying,
        &[entry(media_type::IMAGE_MANIFEST), entry(media_type::IMAGE_INDEX)].join(","),
    );
    says(&refused_files(&lying), &["is no index", media_type::IMAGE_INDEX]);

    let mut lying = files.clone();
    let nested = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entry(""));
    let nested = add(&mut lying, "application/x", nested.as_bytes());
    list(&mut lying, &nested);
    says(&refused_files(&lying), &["is an index", "application/x"]);

    let manifest = String::from_utf8(made.manifest.to_bytes()).unwrap();
    for (from, to, text) in [
        ("\"layers\":", "\"manifests\":[],\"layers\":", "an index and a manifest at once"),
        ("image.manifest.v1", "image.index.v1", "is no index"),
        ("image.manifest.v1", "image.other.v1", "but says of itself to be"),
        ("\"schemaVersion\":2", "\"schemaVersion\":1", "schema version 1"),
    ] {
        let mut lying = files.clone();
        let changed = manifest.replacen(from, to, 1);
        assert_ne!(changed, manifest);
        let entry = add(&mut lying, media_type::IMAGE_MANIFEST, changed.as_bytes());
        list(&mut lying, &entry);
        says(&refused_files(&lying), &[text]);
    }
}

/// A tool that compressed the layer and forgot to say so: its digest would be its diff ID.
#[test]
fn a_compressed_layer_that_is_said_to_be_plain_is_refused() {
    let mut writer = store::layer::compressor(Vec::new(), store::layer::Compression::GZIP).unwrap();
    std::io::copy(&mut tar_of(&[("a", b"1")]).as_slice(), &mut writer).unwrap();
    let bytes = writer.finish().unwrap();
    let mut files = Files::new();
    let layer = add(&mut files, media_type::LAYER_TAR, &bytes);
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Digest::of(&bytes)
    );
    let config = add(&mut files, media_type::IMAGE_CONFIG, config.as_bytes());
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
    let manifest = add(&mut files, media_type::IMAGE_MANIFEST, manifest.as_bytes());
    list(&mut files, &manifest);
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    says(&refused_files(&files), &[&Digest::of(&bytes).to_string(), "gzip", media_type::LAYER_TAR]);
}

#[test]
fn sizes_digests_and_files_that_are_not_there_are_named() {
    let (files, made) = good();
    let layer = &made.manifest.layers[0];
    let name = format!("blobs/sha256/{}", layer.digest.hex());
    let mut missing = files.clone();
    missing.remove(&name);
    says(&refused_files(&missing), &[&name, "missing"]);
    let mut flipped = files.clone();
    flipped.get_mut(&name).unwrap()[700] ^= 1;
    says(&refused_files(&flipped), &[&name, "has digest sha256:"]);

    let manifest = String::from_utf8(made.manifest.to_bytes()).unwrap();
    for (to, text) in [
        (format!("\"size\":{}", layer.size + 1), "bytes instead of"),
        ("\"size\":-1".to_owned(), "invalid value: integer `-1`"),
    ] {
        let mut lying = files.clone();
        let changed = manifest.replacen(&format!("\"size\":{}", layer.size), &to, 1);
        let entry = add(&mut lying, media_type::IMAGE_MANIFEST, changed.as_bytes());
        list(&mut lying, &entry);
        says(&refused_files(&lying), &[text]);
    }
    let mut other = files.clone();
    let sha512 = format!("sha512:{}", "a".repeat(128));
    let changed = manifest.replacen(&layer.digest.to_string(), &sha512, 1);
    let entry = add(&mut other, media_type::IMAGE_MANIFEST, changed.as_bytes());
    list(&mut other, &entry);
    says(&refused_files(&other), &[&sha512, "only sha256"]);
}

#[test]
fn names_that_are_twice_there_or_lead_out_are_refused() {
    let (files, _) = good();
    let twice: Vec<(&str, &[u8])> = files
        .iter()
        .chain(files.iter().take(1))
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    says(&refused(&tar_of(&twice)), &[twice[0].0, "twice"]);

    // A second file in the place of a link, of which readers would choose differently.
    let mut archive = tar::Builder::new(tar_of_map(&files));
    archive.get_mut().truncate(tar_of_map(&files).len() - 1024);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "index.json", "other.json").unwrap();
    says(&refused(&archive.into_inner().unwrap()), &["index.json", "twice"]);

    let mut climbing = tar_of(&[("AAAAAAAAAA", b"1")]);
    climbing[..10].copy_from_slice(b"../../etc/");
    let sum: u32 = climbing[..512]
        .iter()
        .enumerate()
        .map(|(at, &byte)| u32::from(if (148..156).contains(&at) { b' ' } else { byte }))
        .sum();
    climbing[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    says(&refused(&climbing), &["../../etc", ".."]);
}

/// A link in the place of a blob says nothing about the digest of what it leads to.
#[test]
fn a_link_to_a_blob_of_another_digest_is_refused() {
    let (files, made) = good();
    let lower = format!("blobs/sha256/{}", made.manifest.layers[0].digest.hex());
    let upper = format!("blobs/sha256/{}", made.manifest.layers[1].digest.hex());
    assert_eq!(files[&lower].len(), files[&upper].len());
    let from_there = made.manifest.layers[0].digest.hex();
    for (kind, target) in [(tar::EntryType::Symlink, &from_there), (tar::EntryType::Link, &lower)] {
        let mut lying = files.clone();
        lying.remove(&upper);
        let mut archive = tar::Builder::new(tar_of_map(&lying));
        archive.get_mut().truncate(tar_of_map(&lying).len() - 1024);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_link(&mut header, &upper, target).unwrap();
        says(&refused(&archive.into_inner().unwrap()), &[&upper, "has digest"]);
    }
}

#[test]
fn indexes_in_indexes_end_somewhere() {
    let (files, made) = good();
    let manifest = String::from_utf8(made.manifest.to_bytes()).unwrap();
    for (depth, allowed) in [(4, true), (5, false)] {
        let mut nested = files.clone();
        let mut entry = add(&mut nested, media_type::IMAGE_MANIFEST, manifest.as_bytes());
        for _ in 0..depth {
            // The same entry a hundred times at each level: followed once.
            let entries = vec![entry; 100].join(",");
            let index = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
            entry = add(&mut nested, media_type::IMAGE_INDEX, index.as_bytes());
        }
        list(&mut nested, &entry);
        if allowed {
            says(&refused_files(&nested), &["images, more than 4096"]);
        } else {
            says(&refused_files(&nested), &["is not that of a manifest"]);
        }
    }
}

#[test]
fn a_list_of_a_hundred_thousand_images_is_refused() {
    let (mut files, made) = good();
    let entry = format!(
        r#"{{"mediaType":"","digest":"{}","size":{}}}"#,
        made.descriptor.digest, made.descriptor.size
    );
    let entries = vec![entry; 50_000].join(",");
    list(&mut files, &entries);
    says(&refused_files(&files), &["50000 images, more than 4096"]);
    let entries = format!("{entries},{entries}");
    list(&mut files, &entries);
    says(&refused_files(&files), &["index.json", "larger than"]);
}

#[test]
fn a_docker_archive_of_too_many_names_is_refused() {
    let names =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("\"n:{n}\"")).collect() };
    let tar = |list: &str| tar_of(&[("manifest.json", list.as_bytes()), ("c", b"{}")]);
    let one = format!(r#"[{{"Config":"c","RepoTags":[{}]}}]"#, names(5000).join(","));
    says(&refused(&tar(&one)), &["5000 images, more than 4096"]);
    let many = vec![r#"{"Config":"c"}"#; 5000].join(",");
    says(&refused(&tar(&format!("[{many}]"))), &["5000 images, more than 4096"]);
}

#[test]
fn links_in_a_layout_do_not_lead_out_of_it() {
    let (files, made) = good();
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    let name = format!("blobs/sha256/{}", made.manifest.layers[0].digest.hex());
    for (file, bytes) in &files {
        let path = layout.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let outside = dir.path().join("outside");
    fs::rename(layout.join(&name), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, layout.join(&name)).unwrap();
    let to = sandbox();
    let error = to.store.load_path(&layout, &LoadOptions::default()).unwrap_err();
    says(&chain(&error), &[&name, "missing"]);
    assert_untouched(&to);
    // A pipe would make the reader wait for ever.
    fs::remove_file(layout.join(&name)).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, layout.join(&name), mode).unwrap();
    let error = to.store.load_path(&layout, &LoadOptions::default()).unwrap_err();
    says(&chain(&error), &[made.manifest.layers[0].digest.hex().as_str()]);
    assert_untouched(&to);
}

#[test]
fn archives_of_docker_before_its_images_had_digests_are_refused_by_name() {
    let tar = tar_of(&[("repositories", b"{}"), ("x/VERSION", b"1.0"), ("x/layer.tar", b"")]);
    says(&refused(&tar), &["docker before 1.10"]);
}

/// The window of an xz stream is what its header says, up to 4 GiB.
#[test]
fn xz_with_an_enormous_dictionary_is_refused() {
    // `printf x | xz -0`, and the same with other sizes in the header of its block.
    const START: &[u8] = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46";
    const REST: &[u8] =
        b"\x01\0\0x\0\0\0\0\x45\xae\xef\x83\xf8\xee\x16\x0a\0\x01\x19\x01\xa5\x2c\x81\xcc\
        \x1f\xb6\xf3\x7d\x01\0\0\0\0\x04YZ";
    let with_dictionary = |size: u8| {
        let header = [2, 0, 0x21, 1, size, 0, 0, 0];
        let mut crc = flate2::Crc::new();
        crc.update(&header);
        [START, &header, &crc.sum().to_le_bytes(), REST].concat()
    };
    for (size, expected) in [(12, Ok("x")), (30, Ok("x")), (31, Err(())), (40, Err(()))] {
        let mut plain = String::new();
        let bytes = with_dictionary(size);
        let mut reader = store::layer::decompressor(bytes.as_slice()).unwrap();
        match std::io::Read::read_to_string(&mut reader, &mut plain) {
            Ok(_) => assert_eq!(Ok(plain.as_str()), expected, "{size}"),
            Err(error) => {
                assert!(expected.is_err(), "{size}: {error}");
                says(&error.to_string(), &["a window of more than 128 MiB"]);
            }
        }
    }
    let stream = with_dictionary(40);
    says(&refused(&stream), &["cannot read the archive", "128 MiB"]);
}

/// Every kind of damage to a blob, found when its image comes again; from a directory as from a tar.
#[test]
fn loading_an_image_again_repairs_it() {
    let (files, made) = good();
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    let to = sandbox();
    load(&to.store, &files).unwrap();
    let (name, target) = to.store.listed("app").unwrap();
    let image = ImageToSave { target, names: name.into_iter().collect(), labels: Vec::new() };
    to.store.save_directory(&[image], PLAIN, &layout).unwrap();
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[0] ^= 1,
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.push(0),
    ];
    for blob in made.blobs() {
        for damage in damages {
            for from_tar in [true, false] {
                let path = to.store.blob_path(&blob.digest);
                let mut bytes = fs::read(&path).unwrap();
                damage(&mut bytes);
                fs::write(&path, bytes).unwrap();
                assert!(!to.store.validate().unwrap().is_empty());
                match from_tar {
                    true => load(&to.store, &files).unwrap(),
                    false => to.store.load_path(&layout, &LoadOptions::default()).unwrap(),
                };
                assert_valid(&to.store);
            }
        }
    }
}

/// The same for a blob of many pieces, whose beginning comes from the store itself.
#[test]
fn a_large_blob_is_repaired_from_both() {
    let from = sandbox();
    let text: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    let made = image(&from.store, &["app"], &[&[("a", &text)]]);
    let tar = archive_of(&from.store);
    let path = from.store.blob_path(&made.manifest.layers[0].digest);
    let sound = fs::read(&path).unwrap();
    assert!(sound.len() > 1 << 20);
    for at in [0, 256 << 10, (512 << 10) - 1, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x40;
        fs::write(&path, bytes).unwrap();
        from.store.load(tar.as_slice(), &LoadOptions::default()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), sound, "byte {at}");
    }
    // What comes damaged replaces nothing, sound or not.
    let mut files = files_of(&tar);
    let name = format!("blobs/sha256/{}", made.manifest.layers[0].digest.hex());
    files.get_mut(&name).unwrap()[600] ^= 1;
    says(&chain(&load(&from.store, &files).unwrap_err()), &[&name, "has digest"]);
    assert_eq!(fs::read(&path).unwrap(), sound);
    assert_valid(&from.store);
}

#[test]
fn what_is_damaged_does_not_go_out() {
    let sandbox = sandbox();
    let made = image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let (name, target) = sandbox.store.listed("app").unwrap();
    let image = [ImageToSave { target, names: name.into_iter().collect(), labels: Vec::new() }];
    // Another process: this one knows what it wrote.
    let other = store::Store::open(sandbox.store.root(), sandbox.store.state()).unwrap();
    let digest = made.manifest.layers[0].digest;
    let path = sandbox.store.blob_path(&digest);
    let sound = fs::read(&path).unwrap();
    let mut flipped = sound.clone();
    flipped[600] ^= 1;
    let longer = [sound.as_slice(), b"x"].concat();
    for (bytes, text) in [(flipped, "has digest"), (longer, "bytes instead of")] {
        fs::write(&path, bytes).unwrap();
        let mut tar = Vec::new();
        let error = other.save(&image, ArchiveKind::Oci, PLAIN, &mut tar).unwrap_err();
        says(&chain(&error), &["`app:latest`", &digest.to_string(), text]);
        // What has gone into a pipe by then is no image.
        assert!(self::sandbox().store.load(tar.as_slice(), &LoadOptions::default()).is_err());
        let layout = sandbox.dir.path().join("layout");
        let error = other.save_directory(&image, PLAIN, &layout).unwrap_err();
        says(&chain(&error), &["`app:latest`", text]);
        assert_eq!(beside(&layout), [] as [String; 0]);
    }
}

fn beside(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|other| other.starts_with(name)).collect()
}

#[test]
fn layouts_are_written_whole_into_empty_places() {
    let sandbox = sandbox();
    image(&sandbox.store, &["app"], &[&[("a", "1")]]);
    let (_, target) = sandbox.store.listed("app").unwrap();
    let image = [ImageToSave {
        target,
        names: vec![reference("app"), reference("b/c:2")],
        labels: Vec::new(),
    }];
    for place in ["new", "empty", "deep/er"] {
        let path = sandbox.dir.path().join(place);
        if place == "empty" {
            fs::create_dir(&path).unwrap();
        }
        sandbox.store.save_directory(&image, PLAIN, &path).unwrap();
        let to = self::sandbox();
        let loaded = to.store.load_path(&path, &LoadOptions::default()).unwrap();
        assert_eq!(loaded[0].names, image[0].names);
        let again = sandbox.store.save_directory(&image, PLAIN, &path).unwrap_err();
        says(&chain(&again), &["not empty"]);
    }
}

/// Documents with random damage but right digests: refused with nothing left, or an image that is valid, and that goes
/// out and comes in again as it is.
#[test]
fn damaged_documents_are_refused_or_understood() {
    let made = image(&sandbox().store, &["app"], &[&[("a", "1")]]);
    let layer = tar_of(&[("a", b"1")]);
    let (mut refused, mut loaded) = (0, 0);
    // A store that refused is as new; one that did not is looked at and left.
    let (mut to, other) = (sandbox(), sandbox());
    for seed in 1..=200_u64 {
        let mut random = Random(seed);
        let target = random.below(3);
        let mut damaged = |number, text: String| {
            let mut bytes = text.into_bytes();
            for _ in 0..if number == target { 1 + random.below(2) } else { 0 } {
                random.damage(&mut bytes);
            }
            bytes
        };
        let mut files = Files::new();
        let plain = add(&mut files, media_type::LAYER_TAR, &layer);
        let diff_id = format!("\"{}\"", made.manifest.layers[0].digest);
        let config = String::from_utf8(made.config.to_bytes()).unwrap();
        let config = config.replace(&diff_id, &format!("\"{}\"", Digest::of(&layer)));
        let config = add(&mut files, media_type::IMAGE_CONFIG, &damaged(0, config));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{plain}]}}"#,
            media_type::IMAGE_MANIFEST
        );
        let manifest = add(&mut files, media_type::IMAGE_MANIFEST, &damaged(1, manifest));
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{manifest},{manifest}]}}"#);
        let index = add(&mut files, media_type::IMAGE_INDEX, &damaged(2, index));
        list(&mut files, &index);
        files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
        let Ok(images) = load(&to.store, &files) else {
            assert_untouched(&to);
            refused += 1;
            continue;
        };
        loaded += 1;
        assert_valid(&to.store);
        let target = images[0].manifest.clone();
        let image = ImageToSave { target, names: Vec::new(), labels: Vec::new() };
        let mut tar = Vec::new();
        to.store.save(&[image], ArchiveKind::Docker, PLAIN, &mut tar).unwrap();
        let again = other.store.load(tar.as_slice(), &LoadOptions::default()).unwrap();
        assert_eq!(again[0].manifest.digest, images[0].manifest.digest, "seed {seed}");
        to = sandbox();
    }
    assert_valid(&other.store);
    assert!(refused > 50 && loaded > 20, "{refused} refused, {loaded} loaded");
}

/// xorshift
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        const TOKENS: [&[u8]; 10] = [
            b"null",
            b"-1",
            b"1e99",
            b"[]",
            b"{}",
            b"\"\"",
            b"18446744073709551616",
            b",",
            b"\n ",
            b"\"manifests\":[],",
        ];
        let start = self.below(bytes.len());
        let end = (start + 1 + self.below(12)).min(bytes.len());
        match self.below(5) {
            0 => bytes[start] ^= 1 << self.below(8),
            1 => drop(bytes.drain(start..end)),
            2 => {
                let piece = bytes[start..end].to_vec();
                bytes.splice(start..start, piece).for_each(drop);
            }
            3 => {
                let token = TOKENS[self.below(TOKENS.len())];
                bytes.splice(start..end, token.iter().copied()).for_each(drop);
            }
            // White space between tokens changes nothing but the digest.
            _ => {
                let at = bytes.iter().position(|byte| *byte == b',').unwrap_or(0);
                bytes.insert(at + 1, b' ');
            }
        }
    }
}
