//! Images that are sent to a registry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use store::archive::{FormOptions, LayerForm};
use store::registry::{Anonymous, PullOptions, PushOptions, Silent};
use store::{Digest, Reference, Store};

use super::server::{Answer, Content, Request, Server, answer};
use super::{TEXT, impatient, pull, story};
use crate::support::{Sandbox, sandbox};

const PLAIN: PushOptions =
    PushOptions { form: FormOptions { form: LayerForm::Plain, force: false }, by_digest: false };

/// What was uploaded so far.
#[derive(Default)]
struct Uploads {
    content: Content,
    pieces: BTreeMap<String, Vec<u8>>,
}

/// A registry that takes blobs whole only if they are as small as `whole`, and mounts them if it has them.
fn registry(whole: usize, mounts: bool) -> (Server, Arc<Mutex<Uploads>>) {
    let uploads = Arc::new(Mutex::new(Uploads::default()));
    let kept = uploads.clone();
    let server = Server::start(move |request| {
        let mut uploads = kept.lock().unwrap();
        match request.method.as_str() {
            "POST" if mounts && request.path.contains("?mount=") => answer(201, &[], ""),
            "POST" => {
                let number = uploads.pieces.len();
                uploads.pieces.insert(format!("/up/{number}"), Vec::new());
                answer(202, &[&format!("Location: /up/{number}?state=x")], "")
            }
            "PATCH" | "PUT" if request.path.starts_with("/up/") => {
                upload(&mut uploads, request, whole)
            }
            "PUT" => {
                let tag = request.path.rsplit('/').next().unwrap();
                let kind = request.header("content-type").unwrap();
                uploads.content.document(kind, request.body.clone(), tag);
                answer(201, &[], "")
            }
            _ => uploads.content.reply(request),
        }
    });
    (server, uploads)
}

fn upload(uploads: &mut Uploads, request: &Request, whole: usize) -> Answer {
    let (path, query) = request.path.split_once('?').unwrap();
    let held = uploads.pieces.get_mut(path).unwrap();
    if request.method == "PATCH" {
        let range = format!("{}-{}", held.len(), held.len() + request.body.len() - 1);
        assert_eq!(request.header("content-range"), Some(range.as_str()));
        held.extend(&request.body);
        return answer(202, &[&format!("Location: {path}?state=y")], "");
    }
    if request.body.len() > whole {
        return answer(413, &[], "");
    }
    held.extend(&request.body);
    let bytes = held.clone();
    let digest = query.split('&').find_map(|part| part.strip_prefix("digest=")).unwrap();
    assert_eq!(Digest::of(&bytes).to_string(), digest);
    uploads.content.blobs.insert(digest.to_owned(), bytes);
    answer(201, &[], "")
}

/// A store with an image of another registry.
fn with_image() -> (Sandbox, Reference) {
    let sandbox = sandbox();
    let content = Content::image(&[TEXT, "another"]);
    let server = Server::start(move |request| content.reply(request));
    let name = server.name("app:1");
    pull(&sandbox.store, &name).unwrap();
    (sandbox, name)
}

fn push(store: &Store, name: &Reference) -> Result<Digest, store::registry::RegistryError> {
    let (_, target) = store.listed(&name.to_string()).unwrap();
    let pushed = impatient(Anonymous).push(store, &target, name, &PLAIN, &Silent)?;
    Ok(pushed.manifest.digest)
}

#[test]
fn images_are_pushed_and_come_back_the_same() {
    for whole in [usize::MAX, 100] {
        let (sandbox, from) = with_image();
        let (server, _) = registry(whole, false);
        let to = server.name("app:2");
        sandbox.store.tag(&from.to_string(), &to).unwrap();
        let digest = push(&sandbox.store, &to).unwrap();
        let requests = server.requests();
        let patched = requests.iter().any(|request| request.method == "PATCH");
        assert_eq!(patched, whole == 100);
        // Once more: nothing is sent that is there.
        push(&sandbox.store, &to).unwrap();
        let methods: Vec<String> = server.requests().into_iter().map(|r| r.method).collect();
        assert_eq!(methods, ["HEAD", "HEAD", "HEAD", "PUT"]);
        let other = crate::support::sandbox();
        let registries = impatient(Anonymous);
        let back = registries.pull(&other.store, &to, &PullOptions::default(), &Silent).unwrap();
        assert_eq!(back.digest, digest);
    }
}

#[test]
fn what_is_in_another_repository_is_mounted() {
    let (sandbox, from) = with_image();
    let (server, _) = registry(usize::MAX, true);
    // As if it had come from there.
    let source = server.name("source:1");
    let to = server.name("app:2");
    sandbox.store.tag(&from.to_string(), &source).unwrap();
    sandbox.store.tag(&from.to_string(), &to).unwrap();
    push(&sandbox.store, &to).unwrap();
    let requests = server.requests();
    let mounts = requests.iter().filter(|request| request.path.ends_with("&from=source"));
    assert_eq!(mounts.count(), 2, "{requests:?}");
}

#[test]
fn a_registry_that_takes_nothing_is_told_of() {
    let (sandbox, from) = with_image();
    let server = Server::start(|request| match request.method.as_str() {
        "HEAD" => answer(404, &[], ""),
        _ => answer(403, &[], r#"{"errors":[{"code":"DENIED"}]}"#),
    });
    let to = server.name("app:2");
    sandbox.store.tag(&from.to_string(), &to).unwrap();
    let error = push(&sandbox.store, &to).unwrap_err();
    let told = story(&error);
    assert!(told.contains("cannot push `app:2` to the registry `127.0.0.1:"), "{told}");
    assert!(told.contains("access is denied: DENIED"), "{told}");
    // Where to send it would be to this machine's secrets.
    let server = Server::start(|request| match request.method.as_str() {
        "HEAD" => answer(404, &[], ""),
        _ => answer(202, &["Location: http://169.254.169.254/"], ""),
    });
    let to = server.name("app:3");
    sandbox.store.tag(&from.to_string(), &to).unwrap();
    assert!(story(&push(&sandbox.store, &to).unwrap_err()).contains("is not followed"));
}
