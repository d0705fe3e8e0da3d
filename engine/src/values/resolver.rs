//! /etc/resolv.conf with servers, domains and options in place of the host's lines.

use std::net::IpAddr;

use runtime::etc;

use super::{Result, ValueError};

/// Lines in place of the host's; an empty list leaves those of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    pub servers: Vec<String>,
    /// `.` alone is docker's word for none.
    pub search: Vec<String>,
    pub options: Vec<String>,
}

impl Resolver {
    /// None if nothing is to be replaced.
    pub fn file(&self) -> Option<Vec<u8>> {
        if *self == Resolver::default() {
            return None;
        }
        let host = String::from_utf8_lossy(&etc::host_resolv_conf()).into_owned();
        Some(merge(&host, self).into_bytes())
    }
}

/// Refuses what is no server.
pub fn check_server(text: &str) -> Result<()> {
    text.parse::<IpAddr>().map(|_| ()).map_err(|_| ValueError::Address)
}

/// Refuses what is no domain or option.
pub fn check_word(text: &str) -> Result<()> {
    match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err(ValueError::ResolverWord),
        false => Ok(()),
    }
}

fn merge(host: &str, given: &Resolver) -> String {
    let of_host = |word: &str| {
        let lines = host.lines().filter_map(|line| line.trim().strip_prefix(word));
        let values = lines.filter(|rest| rest.starts_with(char::is_whitespace)).map(str::trim);
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut text = String::new();
    let servers =
        if given.servers.is_empty() { of_host("nameserver") } else { given.servers.clone() };
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    let search = match given.search.as_slice() {
        [] => of_host("search").pop().unwrap_or_default(),
        // Docker's word for none.
        [none] if none == "." => String::new(),
        domains => domains.join(" "),
    };
    if !search.is_empty() {
        text.push_str(&format!("search {search}\n"));
    }
    let options = match given.options.as_slice() {
        [] => of_host("options").join(" "),
        options => options.join(" "),
    };
    if !options.is_empty() {
        text.push_str(&format!("options {options}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# made by hand\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch a b\n\
                        options ndots:2\n";

    fn given(servers: &[&str], search: &[&str], options: &[&str]) -> Resolver {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Resolver { servers: list(servers), search: list(search), options: list(options) }
    }

    #[test]
    fn what_is_given_replaces_the_lines_of_their_kind() {
        let merged = |dns: &[&str], search: &[&str], options: &[&str]| {
            merge(HOST, &given(dns, search, options))
        };
        assert_eq!(
            merged(&["9.9.9.9"], &[], &[]),
            "nameserver 9.9.9.9\nsearch a b\noptions ndots:2\n"
        );
        assert_eq!(
            merged(&[], &["x", "y"], &["rotate"]),
            "nameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch x y\noptions rotate\n"
        );
        assert_eq!(merged(&["::1"], &["."], &[]), "nameserver ::1\noptions ndots:2\n");
        assert_eq!(given(&[], &[], &[]).file(), None);
        assert!(check_server("::1").is_ok() && check_server("dns.example").is_err());
        assert!(check_word("a").is_ok() && check_word("a b").is_err() && check_word("").is_err());
    }
}
