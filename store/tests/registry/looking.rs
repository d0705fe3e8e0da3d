//! What is only looked at in a registry: referrers; and who asks, by an identity token.

use store::registry::{Anonymous, Credential, Credentials, CredentialsError, Silent};
use store::{Descriptor, DiffId, Index, media_type};

use super::server::{Answer, Content, Request, Server, answer};
use super::{TEXT, UNPACKED, impatient, story};
use crate::support::{Sandbox, sandbox};

const SIGNATURE: &str = "application/vnd.example.signature";
const PARTS: &str = "application/vnd.example.parts";

fn referrer(kind: &str, number: u8) -> Descriptor {
    let mut entry = Descriptor::of(media_type::IMAGE_MANIFEST, &[number]);
    entry.extra.insert("artifactType".to_owned(), kind.into());
    entry
}

/// The type of each.
fn types(index: &Index) -> Vec<&str> {
    index.manifests.iter().map(|entry| entry.extra["artifactType"].as_str().unwrap()).collect()
}

fn index(entries: Vec<Descriptor>) -> Vec<u8> {
    Index::new(entries).to_bytes()
}

#[test]
fn referrers_are_read_part_by_part() {
    let content = Content::image(&[TEXT]);
    let server = Server::start(move |request| match request.path.split_once("/referrers/") {
        None => content.reply(request),
        Some((_, rest)) if rest.ends_with("?page=2") => {
            answer(200, &[], index(vec![referrer(PARTS, 2)]))
        }
        Some((_, rest)) => {
            let digest = rest.split('?').next().unwrap();
            let link = format!("Link: </v2/app/referrers/{digest}?page=2>; rel=\"next\"");
            answer(200, &[&link], index(vec![referrer(SIGNATURE, 1)]))
        }
    });
    let registries = impatient(Anonymous);
    let all = registries.referrers(&server.name("app:1"), None).unwrap();
    assert_eq!(types(&all), [SIGNATURE, PARTS]);
    server.requests();
    // This one does not look at the type itself.
    let some = registries.referrers(&server.name("app:1"), Some(PARTS)).unwrap();
    assert_eq!(types(&some), [PARTS]);
    let asked = server.requests();
    let wanted = "?artifactType=application%2Fvnd.example.parts";
    assert!(asked.iter().any(|request| request.path.ends_with(wanted)), "{asked:?}");
}

#[test]
fn where_there_is_no_api_a_tag_stands_for_it() {
    let mut content = Content::image(&[TEXT]);
    let (_, manifest) = content.manifests["1"].clone();
    let digest = store::Digest::of(&manifest);
    let tag = format!("sha256-{}", digest.hex());
    let none = content.clone();
    content.document(media_type::IMAGE_INDEX, index(vec![referrer(SIGNATURE, 1)]), &tag);
    let server = Server::start(move |request| content.reply(request));
    let found = impatient(Anonymous).referrers(&server.name(&format!("app@{digest}")), None);
    assert_eq!(types(&found.unwrap()), [SIGNATURE]);
    let server = Server::start(move |request| none.reply(request));
    let found = impatient(Anonymous).referrers(&server.name("app:1"), None).unwrap();
    assert!(found.manifests.is_empty());
}

#[test]
fn parts_without_end_and_links_that_lead_astray_are_not_followed() {
    let content = Content::image(&[TEXT]);
    let again = content.clone();
    let endless = Server::start(move |request| match request.path.contains("/referrers/") {
        false => content.reply(request),
        true => {
            let link = format!("Link: <{}>; rel=\"next\"", request.path);
            answer(200, &[&link], index(Vec::new()))
        }
    });
    let error = impatient(Anonymous).referrers(&endless.name("app:1"), None).unwrap_err();
    assert!(story(&error).contains("the list of referrers of"), "{}", story(&error));
    assert!(endless.requests().len() < 110);
    let astray = Server::start(move |request| match request.path.contains("/referrers/") {
        false => again.reply(request),
        true => answer(200, &["Link: <http://169.254.169.254/>; rel=\"next\""], index(Vec::new())),
    });
    let error = impatient(Anonymous).referrers(&astray.name("app:1"), None).unwrap_err();
    assert!(story(&error).contains("is not followed"), "{}", story(&error));
}

/// A layer that a cache names is what its diff ID says, or it is not taken.
#[test]
fn a_layer_of_a_cache_is_checked() {
    let content = Content::image(&[TEXT, "another"]);
    let server = Server::start(move |request| content.reply(request));
    let Sandbox { store, dir: _dir } = sandbox();
    let (registries, name) = (impatient(Anonymous), server.name("app:1"));
    let (documents, _) = registries.documents(&store, &name, &[]).unwrap().remove(0);
    let [layer, other] = [0, 1].map(|number| documents.layers[number].clone());
    let fetch = |diff_id| registries.fetch_plain(&store, &name, &layer, diff_id, &Silent);
    let error = fetch(DiffId(other.digest)).unwrap_err();
    assert!(story(&error).contains("has diff ID"), "{}", story(&error));
    assert!(!store.has_blob(&layer.digest) && !store.has_blob(&other.digest));
    assert_eq!(fetch(DiffId(layer.digest)).unwrap().digest, layer.digest);
    assert!(store.has_blob(&layer.digest));
}

#[derive(Debug)]
struct KnownByToken;

impl Credentials for KnownByToken {
    fn find(&self, _registry: &str) -> Result<Option<Credential>, CredentialsError> {
        Ok(Some(Credential::IdentityToken("identity/1".to_owned())))
    }
}

/// What `docker login` keeps for some registries: exchanged for a token, as a form.
#[test]
fn an_identity_token_is_exchanged() {
    let tokens = Server::start(|request: &Request| -> Answer {
        let form = String::from_utf8(request.body.clone()).unwrap();
        let good = request.method == "POST" && form.contains("refresh_token=identity%2F1&");
        match good && form.contains("grant_type=refresh_token") {
            true => answer(200, &[], r#"{"access_token": "t"}"#),
            false => answer(400, &[], ""),
        }
    });
    let realm = tokens.url("/token");
    let content = Content::image(&[TEXT]);
    let server = Server::start(move |request| match request.header("authorization") {
        Some("Bearer t") => content.reply(request),
        _ => {
            let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"s\"");
            answer(401, &[&challenge], "")
        }
    });
    let Sandbox { store, dir: _dir } = sandbox();
    let name = server.name("app:1");
    impatient(KnownByToken).pull(&store, &name, &UNPACKED, &Silent).unwrap();
    assert_eq!(tokens.requests().len(), 1);
}
