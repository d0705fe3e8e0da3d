//! Which process has a port.
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::port::Protocol;

/// The name and PID of the process that holds this port of the host, as far as /proc tells; without an address it is the
/// port of every one.
pub(super) fn of(protocol: Protocol, address: Option<IpAddr>, port: u16) -> Option<String> {
    let tables = ["", "6"].map(|suffix| format!("/proc/net/{}{suffix}", protocol.name()));
    let texts = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    let inodes: Vec<String> =
        texts.flat_map(|text| sockets(&text, protocol, address, port)).collect();
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let holder = pids.into_iter().find(|pid| has_one_of(*pid, &links))?;
    let name = fs::read_to_string(format!("/proc/{holder}/comm")).unwrap_or_default();
    Some(format!("`{}` (PID {holder})", name.trim_end()))
}

/// Whether who has a port of one address keeps others from that of the other.
pub(super) fn meet(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    let single = |address: Option<IpAddr>| address.filter(|address| !address.is_unspecified());
    match (single(one), single(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// The inodes of the sockets that listen at this port.
fn sockets(table: &str, protocol: Protocol, address: Option<IpAddr>, port: u16) -> Vec<String> {
    const LISTENING: &str = "0A";
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (place, local) = fields.get(1)?.rsplit_once(':')?;
        let listens = protocol == Protocol::Udp || *fields.get(3)? == LISTENING;
        let here =
            u16::from_str_radix(local, 16).ok()? == port && meet(Some(address_of(place)?), address);
        (listens && here).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

/// Four bytes are one number of this machine's order, and an IPv6 address four of these.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok();
    let words: Option<Vec<u32>> = (0..hex.len()).step_by(8).map(word).collect();
    let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_canonical()),
    }
}

fn has_one_of(pid: i32, links: &[String]) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(|text| links.iter().any(|link| link == text)))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:238C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
   1: 0100630A:238C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1
   3: 0100630A:238C 0200630A:C350 01 00000000:00000000 00:00000000 00000000     0        0 14 1
   4: 00000000000000000000000001000000:238C 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1
";

    #[test]
    fn who_listens_at_another_address_is_not_in_the_way() {
        for (address, port, expected) in [
            ("127.0.0.1", 9100, &["11"][..]),
            ("10.99.0.1", 9100, &["12"]),
            ("::1", 9100, &["15"]),
            ("0.0.0.0", 9100, &["11", "12", "15"]),
            ("10.99.0.1", 8080, &["13"]),
            ("10.99.0.1", 80, &[]),
        ] {
            let found = sockets(TABLE, Protocol::Tcp, address.parse().ok(), port);
            assert_eq!(found, expected, "{address} {port}");
        }
    }
}
