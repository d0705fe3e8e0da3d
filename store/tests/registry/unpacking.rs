//! Layers that are unpacked while they come, and what must not come of that.

use std::io::Write;

use store::layer::{Compression, compressor};
use store::registry::Registries;
use store::{Descriptor, DiffId, Digest, media_type};

use super::server::{Answer, Body, Content, Request, Server};
use super::*;

fn tar_of(files: &[(&str, usize)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, size) in files {
        let bytes: Vec<u8> = (0..*size).map(|at| (at * 7 / 3 % 251) as u8).collect();
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn packed(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let mut writer = compressor(Vec::new(), compression).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// The rest of a layer is sent only after its beginning was unpacked.
#[test]
fn a_layer_is_unpacked_before_it_has_come() {
    let Sandbox { store, dir } = sandbox();
    let bytes = tar_of(&[("first", 1 << 20), ("second", 3 << 20)]);
    let mut content = Content::default();
    let upper = content.blob(media_type::LAYER_TAR, tar_of(&[("upper", 10)]));
    let lower = content.blob(media_type::LAYER_TAR, bytes.clone());
    content.manifest_of(&[lower.clone(), upper], "1");
    let (path, root) = (format!("/v2/app/blobs/{}", lower.digest), dir.path().to_owned());
    let server = Server::start(move |request| match request.path == path {
        false => content.reply(request),
        true => Answer {
            status: 200,
            headers: Vec::new(),
            body: Body::Until(bytes.clone(), 2 << 20, root.clone(), "first"),
        },
    });
    let patient = RegistrySettings { silence: Duration::from_secs(30), ..hasty() };
    let registries = Registries::new(patient, Arc::new(Anonymous));
    let name = server.name("app:1");
    registries.pull(&store, &name, &UNPACKED, &Silent).unwrap();
    assert_eq!(server.requests().iter().filter(|r| r.header("range").is_some()).count(), 0);
    let snapshots = store.snapshots().unwrap();
    assert_eq!(snapshots.len(), 2);
    let layers = store.unpack(&store.resolve(&name.to_string()).unwrap()).unwrap();
    let mut own: Vec<_> = layers.into_iter().map(|layer| layer.snapshot).collect();
    own.sort();
    assert_eq!(own, snapshots, "nothing has to be unpacked any more");
    assert!(store.validate().is_ok_and(|problems| problems.is_empty()));
}

/// What is pulled and unpacked at once is what is unpacked afterwards.
#[test]
fn layers_above_each_other_are_as_if_unpacked_later() {
    let lower = tar_of(&[("kept", 10), ("gone", 10), ("dir/a", 700_000)]);
    let upper = tar_of(&[(".wh.gone", 0), ("dir/b", 10)]);
    let mut content = Content::default();
    let layers: Vec<Descriptor> = [
        (media_type::LAYER_TAR_GZIP, packed(&lower, Compression::GZIP)),
        (media_type::LAYER_TAR_ZSTD, packed(&upper, Compression::ZSTD)),
    ]
    .map(|(kind, bytes)| content.blob(kind, bytes))
    .into();
    let diff_ids = [&lower, &upper].map(|tar| DiffId(Digest::of(tar)));
    content.manifest_saying(&layers, &diff_ids, "1");
    let server = Server::start(move |request| content.reply(request));
    let name = server.name("app:1");
    let [at_once, later] = [true, false].map(|unpack| {
        let Sandbox { store, dir } = sandbox();
        let options = PullOptions { platform: None, unpack };
        impatient(Anonymous).pull(&store, &name, &options, &Silent).unwrap();
        assert_eq!(store.snapshots().unwrap().len(), if unpack { 2 } else { 0 });
        let layers = store.unpack(&store.resolve(&name.to_string()).unwrap()).unwrap();
        let files = layers.iter().map(|layer| {
            let root = store.root().join("snapshots/fs").join(layer.snapshot.as_str());
            let below = super::files(&root);
            below.iter().map(|path| path.strip_prefix(&root).unwrap().to_owned()).collect()
        });
        let files: Vec<BTreeSet<PathBuf>> = files.collect();
        let indexes: Vec<_> = layers.iter().map(|layer| layer.index.to_bytes()).collect();
        drop(dir);
        (files, indexes)
    });
    assert!(at_once == later);
}

/// A layer that is there need not come, and is unpacked nevertheless.
#[test]
fn what_the_store_has_is_unpacked_from_there() {
    let Sandbox { store, dir: _dir } = sandbox();
    let content = Content::image(&[TEXT, "another"]);
    let more = Content::image(&[TEXT, "another", "one more"]);
    let server = Server::start(move |request| match request.path.contains("more") {
        true => more.reply(&in_app(request)),
        false => content.reply(request),
    });
    let none = PullOptions::default();
    impatient(Anonymous).pull(&store, &server.name("app:1"), &none, &Silent).unwrap();
    server.requests();
    impatient(Anonymous).pull(&store, &server.name("more:1"), &UNPACKED, &Silent).unwrap();
    let layers = server.requests().iter().filter(|r| r.path.contains("/blobs/")).count();
    assert_eq!((layers, store.snapshots().unwrap().len()), (2, 3), "configuration and a layer");
}

fn in_app(request: &Request) -> Request {
    Request { path: request.path.replace("/v2/more/", "/v2/app/"), ..request.clone() }
}

fn fails_with(kind: &str, bytes: Vec<u8>, diff_id: DiffId, words: &[&str]) {
    let mut content = Content::default();
    let layer = content.blob(kind, bytes);
    content.manifest_saying(std::slice::from_ref(&layer), &[diff_id], "1");
    let digest = layer.digest.to_string();
    let words: Vec<&str> = words.iter().copied().chain([digest.as_str()]).collect();
    fails(move |request| content.reply(request), &words);
}

#[test]
fn layers_that_are_not_what_they_should_be_leave_nothing() {
    let gzip = media_type::LAYER_TAR_GZIP;
    let good = tar_of(&[("file", 2 << 20)]);
    let diff_id = DiffId(Digest::of(&good));
    let another = DiffId(Digest::of(b"another"));
    fails_with(gzip, packed(&good, Compression::GZIP), another, &["has diff ID"]);
    let mut cut = packed(&good, Compression::GZIP);
    cut.truncate(cut.len() / 2);
    fails_with(gzip, cut, diff_id, &["cannot unpack layer"]);
    let noise: Vec<u8> = (0..3 << 20).map(|at: u32| (at.wrapping_mul(at) / 7) as u8).collect();
    let of_noise = DiffId(Digest::of(&noise));
    fails_with(gzip, packed(&noise, Compression::GZIP), of_noise, &["cannot unpack layer"]);
}

/// A few kilobytes that are hundreds of megabytes.
#[test]
fn layers_that_grow_without_end_are_given_up() {
    let mut bomb = compressor(Vec::new(), Compression::ZSTD).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(256 << 20);
    header.set_path("bomb").unwrap();
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    for _ in 0..256 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let diff_id = DiffId(Digest::of(b"never read to its end"));
    let words = ["it has more than 33554432 bytes unpacked"];
    fails_with(media_type::LAYER_TAR_ZSTD, bomb, diff_id, &words);
}

/// Nobody sees a snapshot of a layer before the image is there.
#[test]
fn what_was_unpacked_of_an_image_that_does_not_come_goes() {
    let mut content = Content::image(&[TEXT, "another"]);
    let digest = Content::layer("another");
    let bytes = content.blobs.remove(&digest).unwrap();
    let path = format!("/v2/app/blobs/{digest}");
    fails(
        move |request| match request.path == path {
            true => {
                // The one below has been unpacked by then.
                std::thread::sleep(Duration::from_millis(100));
                let body = Body::Cut(bytes.clone(), 700);
                Answer { status: 200, headers: Vec::new(), body }
            }
            false => content.reply(request),
        },
        &[&digest, "broke off"],
    );
}

/// With an image that is for another machine there is nothing to be done here.
#[test]
fn images_for_other_machines_are_not_unpacked() {
    let Sandbox { store, dir: _dir } = sandbox();
    let mut content = Content::image(&[TEXT]);
    let (kind, manifest) = content.manifests["1"].clone();
    let mut manifest: store::Manifest = serde_json::from_slice(&manifest).unwrap();
    let config = content.blobs[&manifest.config.digest.to_string()].clone();
    let config = String::from_utf8(config).unwrap();
    let host = store::Platform::host().architecture;
    let config = config.replace(&format!("\"{host}\""), "\"s390x\"");
    manifest.config = content.blob(media_type::IMAGE_CONFIG, config.into_bytes());
    content.document(&kind, manifest.to_bytes(), "1");
    let server = Server::start(move |request| content.reply(request));
    let options = PullOptions { platform: Some("linux/s390x".parse().unwrap()), unpack: true };
    impatient(Anonymous).pull(&store, &server.name("app:1"), &options, &Silent).unwrap();
    assert!(store.snapshots().unwrap().is_empty());
}

/// Nothing is fetched in vain of an image that is for another machine than was asked for.
#[test]
fn layers_of_the_wrong_platform_are_not_asked_for() {
    let Sandbox { store, dir: _dir } = sandbox();
    let content = Content::image(&[TEXT]);
    let server = Server::start(move |request| content.reply(request));
    let options = PullOptions { platform: Some("linux/s390x".parse().unwrap()), unpack: true };
    let pulled = impatient(Anonymous).pull(&store, &server.name("app:1"), &options, &Silent);
    let told = story(&pulled.unwrap_err());
    assert!(told.contains("not for linux/s390x"), "{told}");
    let layer = format!("/v2/app/blobs/{}", Content::layer(TEXT));
    assert!(server.requests().iter().all(|request| request.path != layer));
}
