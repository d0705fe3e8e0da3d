//! Where a repository is: `https://host/repo.git`, `ssh://…`, `git://…`, `user@host:path`, `file:///path`. What
//! follows in the text (`?query`, `#fragment`) is split off here and understood in [`super::reference`].

/// How git reaches a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Http,
    Https,
    Ssh,
    Git,
    /// Of this machine; only for those who type it, never for a Dockerfile.
    File,
}

impl Transport {
    /// Git's name of it.
    pub fn scheme(self) -> &'static str {
        match self {
            Transport::Http => "http",
            Transport::Https => "https",
            Transport::Ssh => "ssh",
            Transport::Git => "git",
            Transport::File => "file",
        }
    }

    fn of_scheme(scheme: &str) -> Option<Transport> {
        [Transport::Http, Transport::Https, Transport::Ssh, Transport::Git]
            .into_iter()
            .find(|transport| transport.scheme().eq_ignore_ascii_case(scheme))
    }

    /// Whether anybody on the way can read and change what is sent.
    pub fn is_unencrypted(self) -> bool {
        matches!(self, Transport::Http | Transport::Git)
    }
}

/// A repository, and what was written after its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) transport: Transport,
    /// As git takes it, but for credentials.
    pub(super) remote: String,
    /// As written.
    pub(super) query: String,
    /// Without percent escapes in URLs.
    pub(super) fragment: String,
}

impl Address {
    /// None for what is no repository in BuildKit's eyes: web addresses end in `.git`.
    pub(super) fn parse(text: &str) -> Option<Address> {
        if text.contains(|c: char| c.is_ascii_control()) {
            return None;
        }
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))
        else {
            return Address::scp(text);
        };
        let found = Address::url(Transport::of_scheme(scheme)?, rest)?;
        let web = matches!(found.transport, Transport::Http | Transport::Https);
        let path = found.remote.split("://").nth(1).and_then(|rest| rest.split_once('/'));
        let named = path.and_then(|(_, path)| decoded(path)).is_some_and(|p| p.ends_with(".git"));
        (named || !web).then_some(found)
    }

    /// `github.com/…` without a scheme, whatever the path ends with.
    pub(super) fn without_scheme(text: &str) -> Option<Address> {
        let plain =
            text.starts_with("github.com/") && !text.contains(|c: char| c.is_ascii_control());
        if plain { Address::url(Transport::Https, text) } else { None }
    }

    fn url(transport: Transport, rest: &str) -> Option<Address> {
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() || authority.contains(' ') {
            return None;
        }
        let remote = format!("{}://{rest}", transport.scheme());
        Some(Address { transport, remote, query: query.to_owned(), fragment: decoded(fragment)? })
    }

    /// `user@host:path`, as ssh and scp have it.
    fn scp(text: &str) -> Option<Address> {
        let (user, rest) = text.split_once('@')?;
        let (host, rest) = rest.split_once(':')?;
        let is_word = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !is_word(user, "-_") || !is_word(host, "-.") {
            return None;
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Some(Address {
            transport: Transport::Ssh,
            remote: format!("{user}@{host}:{path}"),
            query: query.to_owned(),
            fragment: fragment.to_owned(),
        })
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Without percent escapes; none if there is a broken one, or if it is no text then.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_repository() {
        for (text, transport) in [
            ("https://github.com/moby/buildkit.git", Transport::Https),
            ("https://github.com/moby/buildkit.git#v0.10:docs", Transport::Https),
            ("HTTP://host/x.git?ref=main", Transport::Http),
            ("git@github.com:moby/buildkit.git", Transport::Ssh),
            ("git://host/x", Transport::Git),
            ("ssh://git@host/x", Transport::Ssh),
        ] {
            assert_eq!(
                Address::parse(text).map(|found| found.transport),
                Some(transport),
                "{text}"
            );
        }
        for text in [
            "https://host/x.tar",
            "https://host/x.git/",
            "https://host/%zz.git",
            "github.com/moby/buildkit",
            "a@b",
            "x:y",
            "./a",
            "dir/a@b:c",
            "a.b@c:d",
            "file:///x.git",
            "ext::sh -c true",
            "git://host/x\n",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
