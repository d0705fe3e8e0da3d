//! `registries.toml`: mirrors, other addresses, and registries that are insecure or blocked. The keys are those of
//! podman's `registries.conf`, and certificates besides.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use store::Reference;
use store::registry::{Mirror, MirrorOf, Place, Rule, Rules};
use toml::Spanned;

use crate::environment::Environment;
use crate::report::{Excerpt, Report};

const FILE: &str = "/etc/rbuild/registries.toml";
/// Names another file.
const VARIABLE: &str = "RBUILD_REGISTRIES";

#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not valid: {}", path.display(), flaw.message)]
    Invalid { path: PathBuf, text: String, flaw: Flaw },
}

/// What is wrong, and where.
#[derive(Debug)]
pub struct Flaw {
    pub message: String,
    pub span: Option<Range<usize>>,
    pub hint: Option<&'static str>,
}

impl RulesError {
    /// The error with a caret below its place.
    pub fn report(&self) -> Report {
        let RulesError::Invalid { path, text, flaw } = self else { return Report::of(self) };
        let name = path.display().to_string();
        let mut report = Report::error(format!("`{name}` is not valid: {}", flaw.message));
        if let Some(span) = flaw.span.clone() {
            report = report.excerpt(Excerpt { name, text: text.clone(), line: 1, span });
        }
        match flaw.hint {
            Some(hint) => report.hint(hint),
            None => report,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    registry: Vec<Spanned<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    prefix: Option<Spanned<String>>,
    location: Option<Spanned<String>>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    ca: Vec<PathBuf>,
    cert: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<MirrorEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MirrorEntry {
    location: Spanned<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    ca: Vec<PathBuf>,
    cert: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pull_from_mirror: Of,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Of {
    #[default]
    All,
    DigestOnly,
    TagOnly,
}

/// What the file says; nothing where there is none.
pub(super) fn read(environment: &Environment) -> Result<Rules, RulesError> {
    let named = environment.text(VARIABLE);
    let path = PathBuf::from(named.unwrap_or(FILE));
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text).map_err(|flaw| RulesError::Invalid {
            path: path.clone(),
            text,
            flaw,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            Ok(Rules::default())
        }
        Err(source) => Err(RulesError::Read { path, source }),
    }
}

fn parse(path: &Path, text: &str) -> Result<Rules, Flaw> {
    let document: Document = toml::from_str(text).map_err(|error| Flaw {
        message: error.message().to_owned(),
        span: error.span(),
        hint: None,
    })?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut seen = HashSet::new();
    let mut rules = Vec::new();
    for entry in document.registry {
        let span = entry.span();
        let (rule, at) = rule(entry.into_inner(), span, directory)?;
        if !seen.insert(rule.prefix.clone()) {
            return Err(flaw(format!("`{}` is there twice", rule.prefix), at));
        }
        rules.push(rule);
    }
    Ok(Rules { file: path.to_owned(), rules })
}

/// With where its prefix is written.
fn rule(entry: Entry, span: Range<usize>, directory: &Path) -> Result<(Rule, Range<usize>), Flaw> {
    let named = entry.prefix.as_ref().or(entry.location.as_ref());
    let Some(named) = named else {
        return Err(flaw("a registry needs a `location` or a `prefix`".to_owned(), span));
    };
    let (prefix, at) = (named.get_ref().clone(), named.span());
    if !is_location(prefix.strip_prefix("*.").unwrap_or(&prefix)) {
        return Err(not_a_location(&prefix, at));
    }
    let location = entry.location.as_ref().map(checked).transpose()?.unwrap_or_default();
    let place = |location: String, insecure, ca: Vec<PathBuf>, shown| Place {
        location,
        insecure,
        authorities: ca.into_iter().map(|file| directory.join(file)).collect(),
        shown,
    };
    let shown = pair(entry.cert, entry.key, directory)?;
    let own = place(location, entry.insecure, entry.ca, shown);
    let mut mirrors = Vec::new();
    for mirror in entry.mirror {
        let location = checked(&mirror.location)?;
        let of = match mirror.pull_from_mirror {
            Of::All if entry.mirror_by_digest_only => MirrorOf::Digests,
            Of::All => MirrorOf::All,
            Of::DigestOnly => MirrorOf::Digests,
            Of::TagOnly => MirrorOf::Tags,
        };
        let shown = pair(mirror.cert, mirror.key, directory)?;
        mirrors.push(Mirror { place: place(location, mirror.insecure, mirror.ca, shown), of });
    }
    Ok((Rule { prefix, own, mirrors, blocked: entry.blocked }, at))
}

fn checked(location: &Spanned<String>) -> Result<String, Flaw> {
    match is_location(location.get_ref()) {
        true => Ok(location.get_ref().clone()),
        false => Err(not_a_location(location.get_ref(), location.span())),
    }
}

/// A certificate that is shown, with its key.
fn pair(
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    directory: &Path,
) -> Result<Option<(PathBuf, PathBuf)>, Flaw> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some((directory.join(certificate.get_ref()), directory.join(key.get_ref()))))
        }
        (Some(alone), None) => Err(flaw("`cert` needs its `key`".to_owned(), alone.span())),
        (None, Some(alone)) => Err(flaw("`key` needs its `cert`".to_owned(), alone.span())),
    }
}

/// What images could be of: `host[:port]`, and maybe a path.
fn is_location(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default();
    format!("{text}/x").parse::<Reference>().is_ok_and(|name| name.domain() == host)
}

fn flaw(message: String, span: Range<usize>) -> Flaw {
    Flaw { message, span: Some(span), hint: None }
}

fn not_a_location(text: &str, span: Range<usize>) -> Flaw {
    let hint = match text.contains("://") {
        true => "without `https://`; `insecure = true` allows plain HTTP",
        false => "docker's own registry is `docker.io`",
    };
    let message = format!("`{text}` is not the address of a registry (`host[:port][/path]`)");
    Flaw { message, span: Some(span), hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Style;

    const GOOD: &str = r#"
        [[registry]]
        prefix = "docker.io"
        location = "hub.example/proxy"
        ca = ["own.crt"]
        [[registry.mirror]]
        location = "127.0.0.1:5000"
        insecure = true
        pull-from-mirror = "digest-only"

        [[registry]]
        location = "bad.example"
        blocked = true
    "#;

    #[test]
    fn the_file_says_where_images_are() {
        let rules = parse(Path::new("/etc/x/r.toml"), GOOD).unwrap();
        let [hub, bad] = rules.rules.as_slice() else { panic!("{rules:?}") };
        assert_eq!(
            (hub.prefix.as_str(), hub.own.location.as_str()),
            ("docker.io", "hub.example/proxy")
        );
        assert_eq!(hub.own.authorities, [PathBuf::from("/etc/x/own.crt")]);
        let mirror = &hub.mirrors[0];
        assert_eq!((mirror.place.insecure, mirror.of), (true, MirrorOf::Digests));
        assert_eq!((bad.prefix.as_str(), bad.blocked), ("bad.example", true));
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        for (text, line, title) in [
            ("[[registry]\n", "[[registry]", ""),
            (
                "[[registry]]\nlocation = \"a.example\"\nblock = true\n",
                "block = true",
                "unknown field `block`",
            ),
            ("[[registry]]\ninsecure = true\n", "[[registry]]", "needs a `location` or a `prefix`"),
            (
                "[[registry]]\nlocation = \"https://a.example\"\n",
                "location = ",
                "is not the address of a registry",
            ),
            (
                "[[registry]]\nlocation = \"word\"\n",
                "location = ",
                "is not the address of a registry",
            ),
            (
                "[[registry]]\nlocation = \"a.example\"\ncert = \"c\"\n",
                "cert = \"c\"",
                "`cert` needs its `key`",
            ),
            (
                "[[registry]]\nlocation = \"a.example\"\n[[registry]]\nprefix = \"a.example\"\n",
                "prefix = \"a.example\"",
                "`a.example` is there twice",
            ),
            ("unqualified-search-registries = []\n", "unqualified", "unknown field"),
        ] {
            let flaw = parse(Path::new("r.toml"), text).unwrap_err();
            let (path, text) = (PathBuf::from("r.toml"), text.to_owned());
            let told = RulesError::Invalid { path, text, flaw }.report();
            let told = told.render(Style { colour: false, width: 100 });
            for part in ["`r.toml` is not valid: ", "--> r.toml:", line, title, "^"] {
                assert!(told.contains(part), "no `{part}` in:\n{told}");
            }
        }
    }
}
