//! Image names: `[domain/]repository[:tag][@digest]` with Docker's normalisation.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A normalised image name: `busybox` is `docker.io/library/busybox:latest`.
/// Has a tag, a digest or both; `latest` is added only where both are missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The path below the domain: `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Domain and repository, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.repository)
    }

    /// As people write it: `docker.io/library/busybox:latest` is `busybox:latest`.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.suffix())
    }

    /// As people write it, without tag and digest: `busybox`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        let short = match self.repository.strip_prefix(OFFICIAL_PREFIX) {
            Some(rest) if !rest.contains('/') => rest,
            _ => self.repository.as_str(),
        };
        // `docker.io/a.b/c` is not `a.b/c`, which would be of another registry.
        let (domain, repository) = split_domain(short);
        match domain == self.domain && repository == self.repository {
            true => short.to_owned(),
            false => self.name(),
        }
    }

    /// The same name and tag without the digest (which then may need the tag `latest`).
    pub fn without_digest(&self) -> Reference {
        let tag = self.tag.clone().or_else(|| Some(DEFAULT_TAG.to_owned()));
        Reference { tag, digest: None, ..self.clone() }
    }

    /// The same name and digest without the tag; with it where there is no digest.
    pub fn without_tag(&self) -> Reference {
        let tag = self.tag.clone().filter(|_| self.digest.is_none());
        Reference { tag, ..self.clone() }
    }

    /// What follows the repository: `:tag`, `@digest` or both.
    pub fn suffix(&self) -> String {
        let mut text = String::new();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl fmt::Display for Reference {
    /// The canonical form, with domain, repository and tag or digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.repository, self.suffix())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        parse(text).map_err(|kind| ReferenceError { text: text.to_owned(), kind })
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Not an image name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference `{text}`: {kind}")]
pub struct ReferenceError {
    pub text: String,
    pub kind: ReferenceErrorKind,
}

/// What is wrong with an image name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceErrorKind {
    #[error("the name is empty")]
    Empty,
    #[error("the repository name must be lower-case")]
    Uppercase,
    #[error("64 hexadecimal digits are an image ID, not a repository name")]
    LooksLikeId,
    #[error("the domain is not a host name with an optional port")]
    Domain,
    #[error(
        "a repository name has lower-case letters and digits, separated by `.`, `_`, `__`, `-` or `/`"
    )]
    Repository,
    #[error(
        "a tag has at most 128 letters, digits, `_`, `.` and `-`, and starts with none of `.` and `-`"
    )]
    Tag,
    #[error("the part after `@` is not a digest of the form sha256:<64 hexadecimal digits>")]
    Digest,
    #[error("the name is longer than 255 characters")]
    TooLong,
}

fn parse(text: &str) -> Result<Reference, ReferenceErrorKind> {
    use ReferenceErrorKind as Kind;
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| Kind::Digest)?)),
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    if name.is_empty() {
        return Err(Kind::Empty);
    }
    if digest.is_none() && tag.is_none() && Digest::from_hex(name).is_ok() {
        return Err(Kind::LooksLikeId);
    }
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let (domain, repository) = split_domain(name);
    check_domain(&domain)?;
    check_repository(&repository)?;
    if domain.len() + 1 + repository.len() > MAX_NAME {
        return Err(Kind::TooLong);
    }
    let tag = match (tag, digest) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, Some(_)) => None,
        (None, None) => Some(DEFAULT_TAG.to_owned()),
    };
    Ok(Reference { domain, repository, tag, digest })
}

/// A colon after the last slash starts the tag; one before it is a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let after_slash = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[after_slash..].find(':') {
        Some(colon) => (&text[..after_slash + colon], Some(&text[after_slash + colon + 1..])),
        None => (text, None),
    }
}

/// The first component is a domain when it could not be part of a repository on docker.io.
fn split_domain(name: &str) -> (String, String) {
    let is_domain =
        |part: &str| part.contains(['.', ':']) || part == "localhost" || has_uppercase(part);
    let (domain, repository) = match name.split_once('/') {
        Some((first, rest)) if is_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, name),
    };
    let domain = if domain == LEGACY_DOMAIN { DEFAULT_DOMAIN } else { domain };
    if domain == DEFAULT_DOMAIN && !repository.contains('/') {
        return (domain.to_owned(), format!("{OFFICIAL_PREFIX}{repository}"));
    }
    (domain.to_owned(), repository.to_owned())
}

fn has_uppercase(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_uppercase())
}

fn check_domain(domain: &str) -> Result<(), ReferenceErrorKind> {
    let invalid = ReferenceErrorKind::Domain;
    let (host, port) = split_port(domain).ok_or(invalid)?;
    if let Some(port) = port
        && (port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(invalid);
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let good = |b: u8| b.is_ascii_hexdigit() || b == b':';
        return if !address.is_empty() && address.bytes().all(good) {
            Ok(())
        } else {
            Err(invalid)
        };
    }
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.split('.').all(label) { Ok(()) } else { Err(invalid) }
}

fn split_port(domain: &str) -> Option<(&str, Option<&str>)> {
    if domain.starts_with('[') {
        let end = domain.find(']')? + 1;
        let (host, rest) = domain.split_at(end);
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match domain.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((domain, None)),
    }
}

fn check_repository(repository: &str) -> Result<(), ReferenceErrorKind> {
    if has_uppercase(repository) {
        return Err(ReferenceErrorKind::Uppercase);
    }
    if repository.split('/').all(is_path_component) {
        Ok(())
    } else {
        Err(ReferenceErrorKind::Repository)
    }
}

/// Letters and digits with separators `.`, `_`, `__` or any number of `-` between them.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |run: &str| {
        matches!(run, "." | "_" | "__") || (!run.is_empty() && run.bytes().all(|b| b == b'-'))
    };
    let mut rest = component;
    loop {
        let word = rest.find(|c| !alphanumeric(c)).unwrap_or(rest.len());
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let run = rest.find(alphanumeric).unwrap_or(rest.len());
        if !separator(&rest[..run]) {
            return false;
        }
        rest = &rest[run..];
    }
}

fn check_tag(tag: &str) -> Result<(), ReferenceErrorKind> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let valid = !tag.is_empty()
        && tag.len() <= MAX_TAG
        && tag.bytes().all(good)
        && !tag.starts_with(['.', '-']);
    if valid { Ok(()) } else { Err(ReferenceErrorKind::Tag) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_normalised() {
        let with_digest = format!("busybox@{DIGEST}");
        let with_both = format!("busybox:1.36@{DIGEST}");
        let canonical_digest = format!("docker.io/library/busybox@{DIGEST}");
        let canonical_both = format!("docker.io/library/busybox:1.36@{DIGEST}");
        let table = [
            ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
            ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("user/app:v1", "docker.io/user/app:v1", "user/app:v1"),
            ("a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            ("localhost:5000/app:x", "localhost:5000/app:x", "localhost:5000/app:x"),
            ("foo:5000/app", "foo:5000/app:latest", "foo:5000/app:latest"),
            ("ghcr.io/o/r:1", "ghcr.io/o/r:1", "ghcr.io/o/r:1"),
            ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
            ("FOO/app", "FOO/app:latest", "FOO/app:latest"),
            ("a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest", "a__b/c--d.e_f:latest"),
            (&with_digest, &canonical_digest, &with_digest),
            (&with_both, &canonical_both, &with_both),
        ];
        for (text, canonical, familiar) in table {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), canonical, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(canonical.parse::<Reference>().unwrap(), reference, "{text}");
        }
    }

    #[test]
    fn bad_names_say_why() {
        use ReferenceErrorKind as Kind;
        let long = "a".repeat(256);
        let long_tag = format!("a:{}", "t".repeat(129));
        let table = [
            ("", Kind::Empty),
            (":tag", Kind::Empty),
            ("Busybox", Kind::Uppercase),
            ("user/App", Kind::Uppercase),
            (&DIGEST[7..], Kind::LooksLikeId),
            ("a:", Kind::Tag),
            ("a:-x", Kind::Tag),
            ("a:b c", Kind::Tag),
            (&long_tag, Kind::Tag),
            ("a//b", Kind::Repository),
            ("a/", Kind::Repository),
            ("a___b", Kind::Repository),
            ("a..b", Kind::Repository),
            ("-a", Kind::Repository),
            ("a-", Kind::Repository),
            ("../x", Kind::Domain),
            ("-a.b/c", Kind::Domain),
            ("host:port/a", Kind::Domain),
            ("a@sha256:12", Kind::Digest),
            ("a@b@c", Kind::Digest),
            (&long, Kind::TooLong),
        ];
        for (text, kind) in table {
            assert_eq!(text.parse::<Reference>().unwrap_err().kind, kind, "{text}");
        }
    }

    #[test]
    fn parts_can_be_replaced() {
        let reference: Reference = format!("app@{DIGEST}").parse().unwrap();
        assert_eq!(reference.without_digest().familiar(), "app:latest");
        assert_eq!(reference.name(), "docker.io/library/app");
        assert_eq!(reference.familiar_name(), "app");
    }

    #[test]
    fn a_familiar_name_is_of_the_same_registry() {
        for text in ["docker.io/a.b/c", "docker.io/localhost/c", "docker.io/docker.io/c"] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.familiar(), format!("{text}:latest"));
            assert_eq!(reference.familiar().parse(), Ok(reference));
        }
    }
}
