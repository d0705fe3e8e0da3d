//! Contents of the files in /etc that a container gets from us.
use std::fs;
use std::net::IpAddr;

/// /etc/hosts: the loopback names, the container's own name among them,
/// then `--add-host` entries in their order.
pub fn hosts(hostname: &str, extra: &[(String, IpAddr)]) -> Vec<u8> {
    let mut text = format!(
        "127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n"
    );
    for (name, address) in extra {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text.into_bytes()
}

/// The host's /etc/resolv.conf; empty when it has none.
pub fn host_resolv_conf() -> Vec<u8> {
    fs::read("/etc/resolv.conf").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_hosts_come_last() {
        let text = String::from_utf8(hosts("box", &[("db".into(), [10, 0, 0, 1].into())])).unwrap();
        assert!(text.starts_with("127.0.0.1\tlocalhost box\n"));
        assert!(text.ends_with("10.0.0.1\tdb\n"));
    }
}
