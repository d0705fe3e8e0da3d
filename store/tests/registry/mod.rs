//! Registries that do what they should, and those that do not: nothing bad is stored, and the error says who did what.

mod at_once;
mod looking;
mod pushing;
mod server;
mod unpacking;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use store::registry::{
    Anonymous, Credential, Credentials, CredentialsError, PullOptions, Pulled, Registries,
    RegistryError, RegistrySettings, Silent,
};
use store::{Reference, Store};

use crate::support::{Sandbox, sandbox};
use server::{Answer, Body, Content, Request, Server, answer};

const TEXT: &str = "a layer that is long enough to be cut in two";

/// Does not wait as long as for people.
fn impatient(credentials: impl Credentials + 'static) -> Registries {
    Registries::new(hasty(), Arc::new(credentials))
}

fn hasty() -> RegistrySettings {
    RegistrySettings {
        silence: Duration::from_millis(500),
        pause: Duration::from_millis(1),
        largest_layer: 32 << 20,
        ..RegistrySettings::default()
    }
}

/// As `rbuild pull` does.
const UNPACKED: PullOptions = PullOptions { platform: None, unpack: true };

fn pull(store: &Store, name: &Reference) -> Result<Pulled, RegistryError> {
    impatient(Anonymous).pull(store, name, &UNPACKED, &Silent)
}

#[derive(Debug)]
struct Somebody;

impl Credentials for Somebody {
    fn find(&self, _registry: &str) -> Result<Option<Credential>, CredentialsError> {
        let (user, password) = ("me".to_owned(), "secret".to_owned());
        Ok(Some(Credential::Password { user, password }))
    }
}

/// An error with all its causes.
fn story(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn files(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path)),
        }
    }
    found
}

/// Pulls from a registry that must not succeed, and looks for what it left.
#[track_caller]
fn fails(reply: impl Fn(&Request) -> Answer + Send + Sync + 'static, words: &[&str]) -> Server {
    let Sandbox { store, dir: _dir } = sandbox();
    store.put_bytes(b"so that there is a session").unwrap();
    let server = Server::start(reply);
    let before = files(store.root());
    let error = pull(&store, &server.name("app:1")).unwrap_err();
    let told = story(&error);
    let registry = format!("`app:1` from the registry `127.0.0.1:{}`", server.port);
    for word in words.iter().chain([&registry.as_str()]) {
        assert!(told.contains(word), "no `{word}` in: {told}");
    }
    assert_eq!(files(store.root()), before, "something is left");
    assert!(store.images().unwrap().is_empty());
    server
}

/// As `content`, but for the one layer.
fn bad_layer(
    change: impl Fn(&Request, Vec<u8>) -> Answer + Send + Sync + 'static,
) -> (impl Fn(&Request) -> Answer + Send + Sync + 'static, String) {
    let (content, digest) = (Content::image(&[TEXT]), Content::layer(TEXT));
    let path = format!("/v2/app/blobs/{digest}");
    let bytes = content.blobs[&digest].clone();
    let reply = move |request: &Request| match request.path == path {
        true => change(request, bytes.clone()),
        false => content.reply(request),
    };
    (reply, digest)
}

#[test]
fn images_are_pulled_and_known_to_be_current() {
    let Sandbox { store, dir: _dir } = sandbox();
    let content = Content::image(&[TEXT, "another"]);
    let server = Server::start(move |request| content.reply(request));
    let name = server.name("app:1");
    let pulled = pull(&store, &name).unwrap();
    assert!(!pulled.was_current);
    let image = store.resolve(&name.to_string()).unwrap();
    assert_eq!((image.id(), image.layers().len()), (pulled.id, 2));
    server.requests();
    let again = pull(&store, &name).unwrap();
    assert_eq!(again, Pulled { was_current: true, ..pulled.clone() });
    let asked = server.requests();
    assert!(asked.iter().all(|request| request.method == "HEAD"), "{asked:?}");
    // By digest, it is known by that and keeps no tag.
    let by_digest = server.name(&format!("app@{}", pulled.digest));
    pull(&store, &by_digest).unwrap();
    store.untag(&name.to_string(), false).unwrap();
    assert_eq!(store.resolve(&by_digest.to_string()).unwrap().id(), pulled.id);
    assert!(store.validate().is_ok_and(|problems| problems.is_empty()));
}

#[test]
fn of_an_index_the_image_for_this_machine_is_pulled() {
    let Sandbox { store, dir: _dir } = sandbox();
    let mut content = Content::image(&[TEXT]);
    let (_, own) = content.manifests["1"].clone();
    let mut own = store::Descriptor::of(store::media_type::IMAGE_MANIFEST, &own);
    own.platform = Some(store::Platform::host());
    let mut other = content.manifest_of(&[], "other");
    other.platform = Some("linux/s390x".parse().unwrap());
    let index = store::Index::new(vec![other.clone(), own]);
    content.document(store::media_type::IMAGE_INDEX, index.to_bytes(), "1");
    let server = Server::start(move |request| content.reply(request));
    let pulled = pull(&store, &server.name("app:1")).unwrap();
    assert_eq!(pulled.digest, store::Digest::of(&index.to_bytes()));
    assert!(!store.has_blob(&other.digest));
    assert_eq!(store.resolve(&server.name("app:1").to_string()).unwrap().id(), pulled.id);
}

#[test]
fn wrong_blobs_are_not_stored() {
    let (reply, digest) = bad_layer(|_, mut bytes| {
        bytes[600] ^= 1;
        answer(200, &[], bytes)
    });
    fails(reply, &[&digest, "has digest sha256:"]);
    let (reply, digest) = bad_layer(|_, bytes| answer(200, &[], &bytes[..512]));
    fails(reply, &[&digest, "has 512 bytes instead of"]);
    let (reply, digest) =
        bad_layer(|_, _| Answer { status: 200, headers: Vec::new(), body: Body::Endless });
    fails(reply, &[&digest, "has more than the"]);
    let (reply, digest) = bad_layer(|_, _| answer(404, &[], "gone"));
    fails(reply, &[&digest, "there is no blob"]);
}

#[test]
fn what_broke_off_is_resumed() {
    for honours_ranges in [true, false] {
        let attempts = AtomicUsize::new(0);
        let content = Content::image(&[TEXT]);
        let (reply, _) = bad_layer(move |request, bytes| {
            let first = attempts.fetch_add(1, Ordering::SeqCst) == 0;
            let cut =
                Answer { status: 200, headers: Vec::new(), body: Body::Cut(bytes.clone(), 700) };
            match (first, honours_ranges) {
                (true, _) => cut,
                (false, true) => content.reply(request),
                (false, false) => answer(200, &[], bytes),
            }
        });
        let Sandbox { store, dir: _dir } = sandbox();
        let server = Server::start(reply);
        pull(&store, &server.name("app:1")).unwrap();
        let ranges: Vec<_> = server.requests();
        let ranges: Vec<_> = ranges.iter().filter_map(|request| request.header("range")).collect();
        assert_eq!(ranges, ["bytes=700-"]);
    }
}

#[test]
fn what_breaks_off_again_and_again_is_given_up() {
    let (reply, digest) = bad_layer(|_, bytes| Answer {
        status: 200,
        headers: Vec::new(),
        body: Body::Cut(bytes, 700),
    });
    let server = fails(reply, &[&digest, "broke off after 700 of", "5 times in a row"]);
    assert!(server.requests().len() < 12);
    let (reply, digest) = bad_layer(|request, bytes| {
        let slow = request.header("range").is_none();
        let body = if slow { Body::Slow(bytes) } else { Body::Cut(bytes, 0) };
        Answer { status: if slow { 200 } else { 503 }, headers: Vec::new(), body }
    });
    fails(reply, &[&digest, "503"]);
    // Another part than the one that was asked for.
    let (reply, digest) = bad_layer(|request, bytes| match request.header("range") {
        None => Answer { status: 200, headers: Vec::new(), body: Body::Cut(bytes, 700) },
        Some(_) => answer(206, &["Content-Range: bytes 0-9/2048"], &bytes[..10]),
    });
    fails(reply, &[&digest, "another part"]);
}

#[test]
fn large_and_endless_documents_are_not_read() {
    let length = "Content-Length: 104857600";
    fails(move |_| answer(200, &[length], "{"), &["manifest 1 is larger than 4194304 bytes"]);
    fails(
        |_| Answer { status: 200, headers: Vec::new(), body: Body::Endless },
        &["manifest 1 is larger than 4194304 bytes"],
    );
    let mut content = Content::default();
    let layer = content.blob(store::media_type::LAYER_TAR, vec![0; 1024]);
    let many = content.manifest_of(&vec![layer; 10_000], "1");
    let server = fails(
        move |request| content.reply(request),
        &[&many.digest.to_string(), "has 10000 layers, more than 1000"],
    );
    assert!(server.requests().iter().all(|request| !request.path.contains("/blobs/")));
    let mut content = Content::default();
    let mut layer = content.blob(store::media_type::LAYER_TAR, vec![0; 1024]);
    layer.size = 1 << 60;
    content.manifest_of(&[layer.clone()], "1");
    fails(
        move |request| content.reply(request),
        &[&layer.digest.to_string(), "is larger than 68719476736 bytes"],
    );
}

#[test]
fn indexes_lead_to_images_soon_or_not_at_all() {
    let mut content = Content::image(&[TEXT]);
    let (kind, manifest) = content.manifests["1"].clone();
    let mut inner = store::Descriptor::of(kind, &manifest);
    for _ in 0..8 {
        inner = content.index_of(vec![inner], "1");
    }
    fails(move |request| content.reply(request), &["is not that of a manifest"]);
    // One that is said to list itself.
    let mut content = Content::image(&[TEXT]);
    let (kind, manifest) = content.manifests["1"].clone();
    let inner = store::Descriptor::of(kind, &manifest);
    content.index_of(vec![inner.clone()], "1");
    let itself = content.manifests["1"].clone();
    content.manifests.insert(inner.digest.to_string(), itself);
    fails(move |request| content.reply(request), &[&inner.digest.to_string()]);
}

#[test]
fn documents_that_are_no_images_are_refused() {
    let document = |kind: &str, text: &str| {
        let mut content = Content::default();
        content.document(kind, text.as_bytes().to_vec(), "1");
        move |request: &Request| content.reply(request)
    };
    let manifest = store::media_type::IMAGE_MANIFEST;
    fails(document(manifest, r#"{"schemaVersion": 1}"#), &["has schema version 1"]);
    fails(document(manifest, "<html>"), &["manifest sha256:", "is not valid"]);
    fails(
        document(store::media_type::IMAGE_INDEX, r#"{"schemaVersion": 2}"#),
        &["is for , not for"],
    );
    let chart = Content::default().blob("application/vnd.example.chart", b"{}".to_vec());
    let chart = store::Manifest::new(chart, Vec::new());
    let chart = String::from_utf8(chart.to_bytes()).unwrap();
    fails(document(manifest, &chart), &["application/vnd.example.chart"]);
    let lie =
        |_: &Request| answer(200, &["Docker-Content-Digest: sha256:00"], r#"{"schemaVersion": 2}"#);
    fails(lie, &["says that its digest is `sha256:00`"]);
}

/// Neither names nor digests are ever parts of paths before they were read as what they are.
#[test]
fn names_and_digests_that_are_paths_are_none() {
    for text in [
        "127.0.0.1:1/../app:1",
        "127.0.0.1:1/a/../../app:1",
        "127.0.0.1:1/app:../../etc/passwd",
        "127.0.0.1:1/app:a/b",
        "127.0.0.1:1/app:..",
        "127.0.0.1:1/app:a%2f..",
        "127.0.0.1:1/app@sha256:../../etc/passwd",
        "127.0.0.1:1/app:1?x=y",
        "127.0.0.1:1//app",
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
    let manifest = |digest: &str| {
        let mut content = Content::default();
        let config = content.blob(store::media_type::IMAGE_CONFIG, b"{}".to_vec());
        let text = serde_json::json!({
            "schemaVersion": 2, "config": config,
            "layers": [{ "mediaType": store::media_type::LAYER_TAR, "size": 1, "digest": digest }],
        });
        let kind = store::media_type::IMAGE_MANIFEST;
        content.document(kind, text.to_string().into_bytes(), "1");
        content
    };
    for digest in ["../../../etc/passwd", "sha256:../../../etc/passwd", "sha256:", "md5:00"] {
        let content = manifest(digest);
        let server =
            fails(move |request| content.reply(request), &["manifest sha256:", "is not valid"]);
        assert!(server.requests().iter().all(|request| !request.path.contains("..")));
    }
}

#[test]
fn a_registry_in_trouble_is_asked_again() {
    let content = Content::image(&[TEXT]);
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) % 3 {
        0 => answer(429, &["Retry-After: 0"], ""),
        1 => answer(503, &[], ""),
        _ => content.reply(request),
    });
    let Sandbox { store, dir: _dir } = sandbox();
    pull(&store, &server.name("app:1")).unwrap();
    let message = r#"{"errors":[{"code":"X","message":"too \u001b[31mbusy"}]}"#;
    let server = fails(move |_| answer(500, &[], message), &["answers 500: too  [31mbusy"]);
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn nobody_there_is_known_at_once() {
    let Sandbox { store, dir: _dir } = sandbox();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let name: Reference = format!("127.0.0.1:{port}/app:1").parse().unwrap();
    let error = pull(&store, &name).unwrap_err();
    assert!(story(&error).contains("cannot reach"), "{}", story(&error));
    assert!(error.hint().unwrap().contains("`rbuild load`"));
    let settings = RegistrySettings { offline: true, ..RegistrySettings::default() };
    let offline = Registries::new(settings, Arc::new(Anonymous));
    let error = offline.pull(&store, &name, &UNPACKED, &Silent).unwrap_err();
    assert!(story(&error).contains("RBUILD_OFFLINE"));
}

#[test]
fn passwords_stay_with_whom_they_are_for() {
    let content = Content::image(&[TEXT]);
    let elsewhere = content.clone();
    let other = Server::start(move |request| elsewhere.reply(request));
    let target = other.url("");
    let server = Server::start(move |request| {
        if request.header("authorization") != Some("Basic bWU6c2VjcmV0") {
            return answer(401, &["WWW-Authenticate: Basic realm=\"x\""], "");
        }
        match request.path.contains("/blobs/") {
            true => answer(307, &[&format!("Location: {target}{}", request.path)], ""),
            false => content.reply(request),
        }
    });
    let Sandbox { store, dir: _dir } = sandbox();
    let name = server.name("app:1");
    impatient(Somebody).pull(&store, &name, &UNPACKED, &Silent).unwrap();
    let redirected = other.requests();
    assert_eq!(redirected.len(), 2);
    assert!(redirected.iter().all(|request| request.header("authorization").is_none()));
    let anonymous = pull(&sandbox().store, &name).unwrap_err();
    assert!(anonymous.hint().unwrap().contains("rbuild login 127.0.0.1"), "{anonymous:?}");
}

#[test]
fn redirects_that_lead_astray_are_not_followed() {
    for target in
        ["file:///etc/passwd", "http://169.254.169.254/latest/meta-data", "http://u:p@127.0.0.1/"]
    {
        let location = format!("Location: {target}");
        let (reply, _) = bad_layer(move |_, _| answer(302, &[&location], ""));
        fails(reply, &[target, "is not followed"]);
    }
    let (reply, digest) =
        bad_layer(|request, _| answer(302, &[&format!("Location: {}", request.path)], ""));
    fails(reply, &[&digest, "redirected more than 10 times"]);
}

#[test]
fn tokens_are_asked_for_and_renewed() {
    let content = Content::image(&[TEXT]);
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let tokens = Server::start(move |_| {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        answer(200, &[], format!("{{\"access_token\": \"t{number}\"}}"))
    });
    let realm = tokens.url("/token");
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        // Each is good for two requests.
        let good = format!("Bearer t{}", given.load(Ordering::SeqCst));
        let count = asked.fetch_add(1, Ordering::SeqCst);
        if request.header("authorization") == Some(&good) && !count.is_multiple_of(3) {
            return content.reply(request);
        }
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"registry\"");
        answer(401, &[&challenge], "")
    });
    let Sandbox { store, dir: _dir } = sandbox();
    let name = server.name("app:1");
    impatient(Somebody).pull(&store, &name, &UNPACKED, &Silent).unwrap();
    let tokens = tokens.requests();
    let path = "/token?service=registry&scope=repository%3Aapp%3Apull&account=me";
    assert!(tokens.len() > 1 && tokens.iter().all(|request| request.path == path), "{tokens:?}");
    assert!(tokens.iter().all(|r| r.header("authorization") == Some("Basic bWU6c2VjcmV0")));
}

#[test]
fn a_registry_that_is_never_content_is_given_up() {
    let tokens = Server::start(|_| answer(200, &[], r#"{"token": "t"}"#));
    let challenge = format!("WWW-Authenticate: Bearer realm=\"{}\"", tokens.url("/"));
    let server = fails(move |_| answer(401, &[&challenge], ""), &["access is denied"]);
    assert_eq!((server.requests().len(), tokens.requests().len()), (2, 1));
    for realm in ["file:///etc/passwd", "http://169.254.169.254/"] {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\"");
        fails(move |_| answer(401, &[&challenge], ""), &[realm, "is not followed"]);
    }
    fails(|_| answer(401, &["WWW-Authenticate: Negotiate"], ""), &["a kind of authorization"]);
}
