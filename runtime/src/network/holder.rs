//! Which process has a port.
use std::fs;

use super::port::Protocol;

/// The name and PID of the process that holds this port of the host, as far as /proc tells.
pub(super) fn of(protocol: Protocol, port: u16) -> Option<String> {
    let tables = ["", "6"].map(|suffix| format!("/proc/net/{}{suffix}", protocol.name()));
    let texts = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    let inodes: Vec<String> = texts.flat_map(|text| sockets(&text, protocol, port)).collect();
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

/// The inodes of the sockets that listen at this port.
fn sockets(table: &str, protocol: Protocol, port: u16) -> Vec<String> {
    const LISTENING: &str = "0A";
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let listens = protocol == Protocol::Udp || *fields.get(3)? == LISTENING;
        let here = u16::from_str_radix(local, 16).ok()? == port;
        (listens && here).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

fn has_one_of(pid: i32, links: &[String]) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(|text| links.iter().any(|link| link == text)))
}
