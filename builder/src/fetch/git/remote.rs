//! [`Remote`]: a repository as git is told of it, with what it takes to be let in.

use std::path::Path;

use super::address::Transport;
use super::credentials::{self, Credentials};
use super::error::GitError;
use super::program::Call;
use crate::request::Secret;

#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) transport: Transport,
    /// Without credentials.
    address: String,
    credentials: Credentials,
    /// `host:port`; empty for this machine.
    host: String,
    /// In backquotes.
    shown: String,
}

impl Remote {
    /// `anywhere`: secrets that name no host are for this one.
    pub(super) fn new(
        transport: Transport,
        remote: &str,
        anywhere: impl FnOnce(&str) -> bool,
        secrets: &[Secret],
    ) -> Result<Remote, GitError> {
        let (address, mut credentials) = credentials::split(transport, remote);
        let host = host(transport, &address).to_owned();
        let odd = |text: &str| text.starts_with('-') || text.contains(|c: char| c.is_control());
        if odd(&address) || odd(&host) || address.is_empty() {
            return Err(GitError::Address { remote: address });
        }
        let web = matches!(transport, Transport::Http | Transport::Https);
        if web && credentials.authorization.is_none() {
            credentials = credentials::of_secrets(&host, anywhere(&host), secrets)?;
        }
        let shown = format!("`{address}`");
        Ok(Remote { transport, address, credentials, host, shown })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// A call that talks to the server.
    pub(super) fn call<'a>(&'a self, act: &'static str, git_dir: &'a Path) -> Call<'a> {
        Call {
            host: (!self.host.is_empty()).then_some(self.host.as_str()),
            // A web server may send to its encrypted self.
            transport: match self.transport {
                Transport::Http => "http:https",
                transport => transport.scheme(),
            },
            credentials: Some((&self.address, &self.credentials)),
            ..self.local_call(act, git_dir)
        }
    }

    /// A call that talks to nobody.
    pub(super) fn local_call<'a>(&'a self, act: &'static str, git_dir: &'a Path) -> Call<'a> {
        Call {
            act,
            repository: &self.shown,
            host: None,
            transport: "",
            credentials: None,
            git_dir,
            work_tree: None,
            index: None,
        }
    }
}

/// With the port, if there is one.
fn host(transport: Transport, address: &str) -> &str {
    let authority = match address.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
        None if transport == Transport::Ssh => address.split(':').next().unwrap_or_default(),
        None => "",
    };
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Where a submodule is: its address may be relative to that of the repository it is in. None if it may not be used.
pub(super) fn of_submodule(parent: &Remote, written: &str) -> Option<(Transport, String)> {
    let address = match written.starts_with("./") || written.starts_with("../") {
        true => relative(parent.address(), written)?,
        false => written.to_owned(),
    };
    if address.contains(|c: char| c.is_control() || c == ' ') || address.starts_with('-') {
        return None;
    }
    let (user_and_host, path) = match address.split_once("://") {
        Some((scheme, _)) => {
            let all = [Transport::Https, Transport::Http, Transport::Ssh, Transport::Git];
            let found = all.into_iter().find(|transport| transport.scheme() == scheme)?;
            return (!host(found, &address).is_empty()).then_some((found, address));
        }
        None => address.split_once(':')?,
    };
    // `host::x` starts a program of git's; a slash before the colon makes it a path of this machine.
    let is_ssh =
        !user_and_host.is_empty() && !user_and_host.contains('/') && !path.starts_with(':');
    is_ssh.then_some((Transport::Ssh, address))
}

/// `../x` beside `https://host/a/b` is `https://host/a/x`.
fn relative(base: &str, written: &str) -> Option<String> {
    let mut base = base.trim_end_matches('/').to_owned();
    let (fixed, separators): (usize, &[char]) = match base.find("://") {
        Some(at) => (at + 3, &['/']),
        None => (0, &['/', ':']),
    };
    let mut rest = written;
    let mut separator = '/';
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            let at = base[fixed..].rfind(separators)? + fixed;
            separator = char::from(base.as_bytes()[at]);
            base.truncate(at);
            rest = after;
        } else {
            return Some(format!("{base}{separator}{}", rest.trim_end_matches('/')));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(transport: Transport, address: &str) -> Remote {
        Remote::new(transport, address, |_| false, &[]).unwrap()
    }

    #[test]
    fn hosts_have_ports() {
        for (transport, address, host) in [
            (Transport::Https, "https://h:8/x.git", "h:8"),
            (Transport::Ssh, "ssh://git@h:22/x", "h:22"),
            (Transport::Ssh, "git@h:x/y", "h"),
            (Transport::File, "/a@b:c", ""),
        ] {
            assert_eq!(remote(transport, address).host(), host, "{address}");
        }
        for odd in ["--upload-pack=x", "ssh://-oProxyCommand=x/y", "https://h/\u{1b}"] {
            assert!(Remote::new(Transport::Ssh, odd, |_| false, &[]).is_err(), "{odd}");
        }
    }

    #[test]
    fn submodules_are_beside_or_elsewhere_but_not_here() {
        let web = remote(Transport::Https, "https://h/a/b.git");
        let ssh = remote(Transport::Ssh, "git@h:a/b.git");
        let here = remote(Transport::File, "/srv/a.git");
        for (parent, written, expected) in [
            (&web, "../c.git", Some("https://h/a/c.git")),
            (&web, "../../c/d.git/", Some("https://h/c/d.git")),
            (&web, "./c.git", Some("https://h/a/b.git/c.git")),
            (&web, "../../../../c.git", None),
            (&ssh, "../c.git", Some("git@h:a/c.git")),
            (&ssh, "../../c.git", Some("git@h:c.git")),
            (&web, "git://other/x", Some("git://other/x")),
            (&web, "user@other:x", Some("user@other:x")),
            (&here, "../c.git", None),
            (&here, "https://h/x.git", Some("https://h/x.git")),
            (&web, "/etc", None),
            (&web, "file:///srv/a.git", None),
            (&web, "ext::sh -c id", None),
            (&web, "x::y", None),
            (&web, "-oProxyCommand=id:x", None),
            (&web, "ssh://-oProxyCommand=id/x", Some("ssh://-oProxyCommand=id/x")),
            (&web, "c.git", None),
            (&web, "https:///x", None),
        ] {
            let found = of_submodule(parent, written).map(|(_, address)| address);
            assert_eq!(found.as_deref(), expected, "{written}");
        }
    }
}
