//! /etc/hosts as the process of a RUN sees it.

use crate::request::ExtraHost;

/// The loopback names with the machine's own, then `--add-host` in the order given.
pub(super) fn hosts(hostname: &str, extra: &[ExtraHost]) -> Vec<u8> {
    let mut text =
        format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for ExtraHost { host, address } in extra {
        text.push_str(&format!("{address}\t{host}\n"));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_hosts_come_last() {
        let extra = ExtraHost { host: "db".to_owned(), address: [10, 1, 2, 3].into() };
        let text = String::from_utf8(hosts("box", &[extra])).unwrap();
        assert!(text.starts_with("127.0.0.1\tlocalhost box\n::1\tlocalhost "), "{text}");
        assert!(text.ends_with("\n10.1.2.3\tdb\n"), "{text}");
    }
}
