//! Ports, volumes, sizes, durations, hosts and names in their short forms: what is read and written again is the same.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use compose::canonical::{parse_mount, parse_port};
use compose::load::normalize_name;
use compose::model::{Bytes, Duration, Hosts, Port};

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    ports(text);
    if let Ok(mount) = parse_mount(text) {
        assert!(!mount.target.is_empty(), "mounted nowhere");
        assert!(matches!(mount.kind.as_str(), "volume" | "bind"), "{}", mount.kind);
        assert!(mount.kind != "bind" || !mount.source.is_empty(), "a bind mount of nothing");
    }
    if let Ok(size) = Bytes::parse(text) {
        assert_eq!(Bytes::parse(&size.0.to_string()), Ok(size));
    }
    if let Ok(duration) = Duration::parse(text) {
        let written = duration.to_string();
        assert_eq!(Duration::parse(&written), Ok(duration), "{written}");
    }
    if let Ok(hosts) = Hosts::parse(text.lines()) {
        let entries = hosts.entries();
        let again = Hosts::parse(entries.iter().map(String::as_str)).expect("its own entries");
        assert_eq!(again.entries(), entries);
    }
    let name = normalize_name(text);
    assert_eq!(normalize_name(&name), name);
}

fn ports(text: &str) {
    let Ok(ports) = parse_port(text) else { return };
    assert!((1..=65_536).contains(&ports.len()), "{} ports", ports.len());
    for port in ports.iter().take(3).chain(ports.last()) {
        assert!(port.target <= 65_535);
        let written = written(port);
        assert_eq!(parse_port(&written).as_deref(), Ok(std::slice::from_ref(port)), "{written}");
    }
}

fn written(port: &Port) -> String {
    let Port { host_ip, published, target, protocol, .. } = port;
    match (host_ip.as_str(), published.as_str()) {
        ("", "") => format!("{target}/{protocol}"),
        ("", published) => format!("{published}:{target}/{protocol}"),
        (ip, published) => format!("{ip}:{published}:{target}/{protocol}"),
    }
}
