//! /etc/resolv.conf with what `--dns`, `--dns-search` and `--dns-option` say in place of the host's lines.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use runtime::etc;

use crate::args::ConfinementArgs;

/// None if none of the flags is given.
pub(super) fn resolve(args: &ConfinementArgs) -> Result<Option<Vec<u8>>> {
    if args.dns.is_empty() && args.dns_search.is_empty() && args.dns_options.is_empty() {
        return Ok(None);
    }
    for text in &args.dns {
        let read = text.parse::<IpAddr>();
        read.with_context(|| format!("`--dns {text}`: it is not an IP address"))?;
    }
    for (flag, texts) in [("dns-search", &args.dns_search), ("dns-option", &args.dns_options)] {
        let odd = |text: &&String| text.is_empty() || text.contains(char::is_whitespace);
        if let Some(text) = texts.iter().find(odd) {
            bail!("`--{flag} {text}`: it is empty or has spaces; give the flag once for each");
        }
    }
    let host = String::from_utf8_lossy(&etc::host_resolv_conf()).into_owned();
    Ok(Some(merge(&host, args).into_bytes()))
}

fn merge(host: &str, args: &ConfinementArgs) -> String {
    let of_host = |word: &str| {
        let lines = host.lines().filter_map(|line| line.trim().strip_prefix(word));
        let values = lines.filter(|rest| rest.starts_with(char::is_whitespace)).map(str::trim);
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut text = String::new();
    let servers = if args.dns.is_empty() { of_host("nameserver") } else { args.dns.clone() };
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    let search = match args.dns_search.as_slice() {
        [] => of_host("search").pop().unwrap_or_default(),
        // Docker's word for none.
        [none] if none == "." => String::new(),
        domains => domains.join(" "),
    };
    if !search.is_empty() {
        text.push_str(&format!("search {search}\n"));
    }
    let options = match args.dns_options.as_slice() {
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

    fn args(dns: &[&str], search: &[&str], options: &[&str]) -> ConfinementArgs {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        ConfinementArgs {
            dns: list(dns),
            dns_search: list(search),
            dns_options: list(options),
            ..Default::default()
        }
    }

    #[test]
    fn flags_replace_the_lines_of_their_kind() {
        let merged = |dns: &[&str], search: &[&str], options: &[&str]| {
            merge(HOST, &args(dns, search, options))
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
        assert_eq!(resolve(&args(&[], &[], &[])).unwrap(), None);
        for wrong in
            [args(&["dns.example"], &[], &[]), args(&[], &["a b"], &[]), args(&[], &[], &[""])]
        {
            assert!(resolve(&wrong).is_err(), "{wrong:?}");
        }
    }
}
