//! URLs that a registry gives: where a redirect, an upload or a server of tokens may be.
use super::host::{is_link_local, is_loopback};

/// Why a URL is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("it is not an `https://` or `http://` URL")]
    Scheme,
    #[error("it is not encrypted, but the registry is")]
    Plain,
    #[error("it leads to an address of this machine or of its link")]
    Local,
    #[error("it has a user or a password")]
    User,
    #[error("it has characters that no URL has")]
    Malformed,
}

/// `scheme://host[:port]`
pub(super) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

fn authority(url: &str) -> &str {
    let origin = origin(url);
    origin.split_once("://").map_or(origin, |(_, authority)| authority)
}

/// What `link`, found in an answer from `base`, leads to.
pub(super) fn resolve(base: &str, link: &str) -> Result<String, LinkError> {
    if link.is_empty() || !link.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(LinkError::Malformed);
    }
    let (scheme, _) = base.split_once(':').unwrap_or(("https", ""));
    let path_start = base.find(['?', '#']).map_or(base, |at| &base[..at]);
    let url = if has_scheme(link) {
        link.to_owned()
    } else if link.starts_with("//") {
        format!("{scheme}:{link}")
    } else if link.starts_with('/') {
        format!("{}{link}", origin(base))
    } else if link.starts_with('?') {
        format!("{path_start}{link}")
    } else {
        let parent = path_start.rsplit_once('/').map_or(path_start, |(parent, _)| parent);
        format!("{parent}/{link}")
    };
    check(base, &url)?;
    Ok(url)
}

/// Whether who answered at `base` may lead us to `url`.
pub(super) fn check(base: &str, url: &str) -> Result<(), LinkError> {
    let (plain, secure) = (url.starts_with("http://"), url.starts_with("https://"));
    if !plain && !secure {
        return Err(LinkError::Scheme);
    }
    let (from, to) = (authority(base), authority(url));
    if to.is_empty() {
        return Err(LinkError::Malformed);
    }
    if to.contains('@') {
        return Err(LinkError::User);
    }
    if plain && base.starts_with("https://") {
        return Err(LinkError::Plain);
    }
    let local = is_link_local(to) || is_loopback(to);
    let own = from == to || (is_loopback(from) && is_loopback(to));
    if local && !own { Err(LinkError::Local) } else { Ok(()) }
}

fn has_scheme(link: &str) -> bool {
    let before = link.split(['/', '?', '#']).next().unwrap_or_default();
    before.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://a.example:5/v2/app/blobs/x?y=/z";

    #[test]
    fn links_are_relative_to_where_they_were_found() {
        for (link, url) in [
            ("https://b.example/c", "https://b.example/c"),
            ("//b.example/c", "https://b.example/c"),
            ("/v2/d?e=f", "https://a.example:5/v2/d?e=f"),
            ("d", "https://a.example:5/v2/app/blobs/d"),
            ("?d=e", "https://a.example:5/v2/app/blobs/x?d=e"),
        ] {
            assert_eq!(resolve(BASE, link).as_deref(), Ok(url), "{link}");
        }
    }

    #[test]
    fn links_that_lead_astray_are_not_followed() {
        for (link, error) in [
            ("file:///etc/passwd", LinkError::Scheme),
            ("gopher://b.example/", LinkError::Scheme),
            ("http://a.example:5/", LinkError::Plain),
            ("https://169.254.169.254/latest", LinkError::Local),
            ("https://127.0.0.1:2375/", LinkError::Local),
            ("https://[::1]/", LinkError::Local),
            ("https://u:p@b.example/", LinkError::User),
            ("https:///x", LinkError::Malformed),
            ("/a b", LinkError::Malformed),
            ("", LinkError::Malformed),
        ] {
            assert_eq!(resolve(BASE, link), Err(error), "{link}");
        }
        assert!(resolve("http://127.0.0.1:1/a", "http://127.0.0.1:2/b").is_ok());
        let metadata = resolve("http://127.0.0.1:1/a", "http://169.254.169.254/b");
        assert_eq!(metadata, Err(LinkError::Local));
    }
}
