//! What a source written as text is, and the parts of a URL that matter here.

use std::ops::Range;

/// A file, or an archive, on a server; whether it is a repository is asked first ([`super::GitRef::parse`]).
pub fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Without users and passwords, in as many URLs as the text has.
pub fn redacted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for user in users(text) {
        shown.push_str(&text[end..user.start]);
        shown.push_str("xxxxx");
        end = user.end;
    }
    shown + &text[end..]
}

/// Where the URLs of a text say who asks, and with which password.
pub fn users(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, mark) in text.match_indices("://") {
        let start = at + mark.len();
        // A password may have nearly any sign; a quotation mark ends a JSON string.
        let ends = |c: char| c.is_whitespace() || "/?#\"".contains(c);
        let authority = text[start..].split(ends).next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@') {
            found.push(start..start + user.len());
        }
    }
    found
}

/// The host, without port.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The name ADD gives the file: the last part of the path, or BuildKit's word for none.
pub(crate) fn file_name(url: &str) -> Vec<u8> {
    const UNNAMED: &[u8] = b"__unnamed__";
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = &rest[authority(rest).len()..];
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = decoded(path.as_bytes());
    let last = path.split(|byte| *byte == b'/').rfind(|part| !part.is_empty());
    match last {
        None | Some(b"." | b"..") => UNNAMED.to_vec(),
        Some(name) if name.contains(&0) => UNNAMED.to_vec(),
        Some(name) => name.to_vec(),
    }
}

/// `%41` is `A`.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if byte == b'%' => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hosts_and_secrets() {
        for (url, host_wanted, name, shown) in [
            ("http://h/a/b.txt", "h", "b.txt", "http://h/a/b.txt"),
            ("https://u:p@h:8/a/?x=/y#z", "h", "a", "https://xxxxx@h:8/a/?x=/y#z"),
            ("http://[::1]:80", "::1", "__unnamed__", "http://[::1]:80"),
            ("http://h/..", "h", "__unnamed__", "http://h/.."),
            ("http://h/a%2Fb%20c", "h", "b c", "http://h/a%2Fb%20c"),
            ("http://h/100%", "h", "100%", "http://h/100%"),
            ("http://h/a@b", "h", "a@b", "http://h/a@b"),
        ] {
            assert_eq!(host(url), host_wanted, "{url}");
            assert_eq!(String::from_utf8(file_name(url)).unwrap(), name, "{url}");
            assert_eq!(redacted(url), shown);
        }
    }
}
