//! Whatever a JSON document says: it is refused or keeps what it says when it is written again, unknown fields too.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde_json::Value;
use store::{Descriptor, DiffId, Digest, ImageConfig, Index, Manifest, Platform, Reference};

pub fn check(bytes: &[u8]) {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        same_again(&manifest, &manifest.to_bytes());
        keeps(bytes, &manifest.to_bytes());
    }
    if let Ok(index) = serde_json::from_slice::<Index>(bytes) {
        same_again(&index, &index.to_bytes());
        keeps(bytes, &index.to_bytes());
    }
    if let Ok(config) = serde_json::from_slice::<ImageConfig>(bytes) {
        same_again(&config, &config.to_bytes());
        let _ = (config.platform().normalized(), config.chain_id(), config.id());
        assert_eq!(Digest::of(&config.to_bytes()), config.id());
    }
    if let Ok(descriptor) = serde_json::from_slice::<Descriptor>(bytes) {
        same_again(&descriptor, &serde_json::to_vec(&descriptor).expect("a document"));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    names(text);
}

fn same_again<T: PartialEq + Debug + serde::de::DeserializeOwned>(document: &T, written: &[u8]) {
    let again: T = serde_json::from_slice(written).expect("what was written is read");
    assert_eq!(&again, document);
}

/// Fields at the top that we do not know.
fn keeps(before: &[u8], after: &[u8]) {
    const KNOWN: [&str; 6] =
        ["schemaVersion", "mediaType", "config", "layers", "manifests", "annotations"];
    // What is not text in a field that is passed over is refused only by who reads all of it.
    if std::str::from_utf8(before).is_err() {
        return;
    }
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::from_slice(before), serde_json::from_slice(after))
    else {
        panic!("written as something else");
    };
    for (name, value) in before.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        assert_eq!(after.get(name), Some(value), "`{name}` was lost");
    }
}

/// What has a text form is the same when it is read from that.
fn names(text: &str) {
    again::<Digest>(text);
    again::<DiffId>(text);
    again::<Platform>(text);
    again::<Reference>(text);
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.familiar().parse::<Reference>().as_ref(), Ok(&reference));
        let _ = (reference.domain(), reference.repository(), reference.without_digest());
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.normalized().normalized(), platform.normalized());
    }
}

fn again<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().expect("a name"), value);
    }
}
