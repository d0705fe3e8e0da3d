//! Where the images of a name really are: registries under another address, mirrors, and those that are never asked.
use std::path::PathBuf;

use super::error::Failure;
use crate::reference::Reference;

/// What is said about registries, all of it in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// For messages.
    pub file: PathBuf,
    pub rules: Vec<Rule>,
}

/// What is said about names that begin in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `host[:port]`, the same with the beginning of a path, or `*.domain`.
    pub prefix: String,
    /// What comes in place of the prefix.
    pub own: Place,
    /// Asked before, for pulling alone.
    pub mirrors: Vec<Mirror>,
    pub blocked: bool,
}

/// An address, and how it is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `host[:port][/path]`. Empty: as the name has it.
    pub location: String,
    /// Plain HTTP will do, and certificates are not looked at.
    pub insecure: bool,
    /// Files with certificates to trust besides those of the system.
    pub authorities: Vec<PathBuf>,
    /// Files with a certificate to show and its key.
    pub shown: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    pub place: Place,
    pub of: MirrorOf,
}

/// Which names a mirror is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirrorOf {
    #[default]
    All,
    /// Those by digest: what it sends can be checked.
    Digests,
    /// Those by tag.
    Tags,
}

/// One repository, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) place: Place,
}

impl Rules {
    /// Where to ask for an image, mirrors first; the registry itself is the last and always there.
    pub(super) fn sources(&self, name: &Reference) -> Result<(Vec<Endpoint>, Endpoint), Failure> {
        let own = self.destination(name)?;
        let Some((rule, length)) = self.find(&name.name()) else { return Ok((Vec::new(), own)) };
        let asked = rule.mirrors.iter().filter(|mirror| match mirror.of {
            MirrorOf::All => true,
            MirrorOf::Digests => name.digest().is_some(),
            MirrorOf::Tags => name.digest().is_none(),
        });
        let mirrors = asked.map(|mirror| endpoint(&name.name(), length, &mirror.place));
        Ok((mirrors.collect::<Result<_, _>>()?, own))
    }

    /// Where an image goes.
    pub(super) fn destination(&self, name: &Reference) -> Result<Endpoint, Failure> {
        let full = name.name();
        match self.find(&full) {
            None => endpoint(&full, 0, &Place::default()),
            Some((rule, _)) if rule.blocked => Err(self.blocked(&rule.prefix)),
            Some((rule, length)) => endpoint(&full, length, &rule.own),
        }
    }

    /// A registry as such, without a repository.
    pub(super) fn registry(&self, registry: &str) -> Result<Endpoint, Failure> {
        let here = |place: Place| Endpoint {
            registry: registry.to_owned(),
            repository: String::new(),
            place,
        };
        match self.find(registry) {
            Some((rule, _)) if rule.blocked => Err(self.blocked(&rule.prefix)),
            // A path below it says nothing about where to log in.
            Some((rule, _)) => {
                let host = rule.own.location.split('/').next().unwrap_or_default();
                let host = if host.is_empty() { registry } else { host };
                Ok(Endpoint { registry: host.to_owned(), ..here(rule.own.clone()) })
            }
            None => Ok(here(Place::default())),
        }
    }

    fn blocked(&self, prefix: &str) -> Failure {
        Failure::Blocked { prefix: prefix.to_owned(), file: self.file.clone() }
    }

    /// The rule whose prefix is the longest, with the length of what it matches of the name.
    fn find(&self, name: &str) -> Option<(&Rule, usize)> {
        let matching = self.rules.iter().filter_map(|rule| {
            let length = matched(&rule.prefix, name)?;
            Some((rule, length))
        });
        // Of equally long ones, that which says more: a name is more than a pattern.
        matching.max_by_key(|(rule, length)| (*length, rule.prefix.len()))
    }
}

/// How much of the name the prefix means: only whole words of it.
fn matched(prefix: &str, name: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix("*.") {
        let host = name.split('/').next().unwrap_or_default();
        let below = host.strip_suffix(domain)?;
        return (below.len() > 1 && below.ends_with('.')).then_some(host.len());
    }
    let rest = name.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

/// The name with the address of the place instead of its first `length` bytes.
fn endpoint(name: &str, length: usize, place: &Place) -> Result<Endpoint, Failure> {
    let place = place.clone();
    let full = match place.location.is_empty() {
        true => name.to_owned(),
        false => format!("{}{}", place.location, &name[length..]),
    };
    match full.split_once('/') {
        Some((registry, repository)) if !repository.is_empty() => {
            let (registry, repository) = (registry.to_owned(), repository.to_owned());
            Ok(Endpoint { registry, repository, place })
        }
        _ => Err(Failure::NoRepository { location: place.location }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(location: &str) -> Place {
        Place { location: location.to_owned(), ..Place::default() }
    }

    fn rule(prefix: &str, location: &str) -> Rule {
        let (prefix, own) = (prefix.to_owned(), place(location));
        Rule { prefix, own, mirrors: Vec::new(), blocked: false }
    }

    fn rules() -> Rules {
        let mut hub = rule("docker.io", "");
        let mirror = |location, of| Mirror { place: place(location), of };
        hub.mirrors = vec![
            mirror("first.example/hub", MirrorOf::All),
            mirror("second.example:5000", MirrorOf::Digests),
            mirror("third.example", MirrorOf::Tags),
        ];
        let mut bad = rule("docker.io/bad", "");
        bad.blocked = true;
        let others = [rule("a.example/team", "b.example"), rule("*.corp.example", "")];
        Rules { file: "r.toml".into(), rules: [hub, bad].into_iter().chain(others).collect() }
    }

    fn addresses(name: &str) -> Vec<String> {
        let (mirrors, own) = rules().sources(&name.parse().unwrap()).unwrap();
        let shown = |at: Endpoint| format!("{}/{}", at.registry, at.repository);
        mirrors.into_iter().chain([own]).map(shown).collect()
    }

    #[test]
    fn mirrors_come_first_and_the_registry_last() {
        assert_eq!(
            addresses("busybox"),
            [
                "first.example/hub/library/busybox",
                "third.example/library/busybox",
                "docker.io/library/busybox"
            ]
        );
        let by_digest = format!("busybox@sha256:{}", "a".repeat(64));
        assert_eq!(addresses(&by_digest)[1], "second.example:5000/library/busybox");
        assert_eq!(addresses("c.example/x"), ["c.example/x"]);
    }

    #[test]
    fn prefixes_are_whole_words_and_the_longest_counts() {
        assert_eq!(addresses("a.example/team/app"), ["b.example/app"]);
        assert_eq!(addresses("a.example/teams/app"), ["a.example/teams/app"]);
        assert_eq!(addresses("docker.io/badly/named").len(), 3);
        let refused = |name: &str| rules().destination(&name.parse().unwrap()).unwrap_err();
        let told = refused("bad/app").to_string();
        assert_eq!(told, "`docker.io/bad` is blocked by `r.toml`");
        // Nothing would be left of the name.
        assert!(matches!(refused("a.example/team"), Failure::NoRepository { .. }));
        let mut all = rules();
        all.rules[3].blocked = true;
        let blocked = |name: &str| all.destination(&name.parse().unwrap()).is_err();
        assert!(blocked("x.corp.example/a") && blocked("y.x.corp.example/a"));
        assert!(!blocked("corp.example/a") && !blocked("xcorp.example/a"));
    }
}
