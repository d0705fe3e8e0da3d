//! What `rcompose check` knows of this host.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use compose::findings::{HostFacts, Route};
use runtime::Emulators;
use store::Platform;

/// Looks at the host, and for the files that a project names.
pub(super) fn of_host(paths: &[String]) -> HostFacts {
    let existing = paths.iter().filter(|path| Path::new(path).exists()).cloned();
    HostFacts {
        existing: Some(existing.collect()),
        capabilities: bounding_set(),
        controllers: controllers(),
        processors: std::thread::available_parallelism().ok().map(|it| it.get() as u32),
        memory: memory(),
        platforms: Emulators::look().ok().map(|found| platforms(&Platform::host(), &found)),
        routes: routes(),
    }
}

/// The names of this process's bounding set, by their numbers.
fn bounding_set() -> Option<BTreeSet<String>> {
    const NAMES: &[&str] = &[
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ];
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    let set = u64::from_str_radix(line.trim(), 16).ok()?;
    let held = NAMES.iter().enumerate().filter(|(number, _)| set >> number & 1 == 1);
    Some(held.map(|(_, name)| (*name).to_owned()).collect())
}

/// Controllers of the unified hierarchy, and of the old ones.
fn controllers() -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    if let Ok(text) = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers") {
        found.extend(text.split_whitespace().map(str::to_owned));
    }
    let table = fs::read_to_string("/proc/cgroups").ok()?;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, hierarchy, _, enabled] = fields[..] else { continue };
        if enabled == "1" && hierarchy != "0" {
            found.insert(name.to_owned());
        }
    }
    Some(found)
}

fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The host's own, and those it has interpreters for.
fn platforms(host: &Platform, emulators: &Emulators) -> BTreeSet<String> {
    const OTHERS: &[&str] = &[
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
        "ppc64le", "riscv64", "s390x",
    ];
    let others = OTHERS.iter().copied().filter(|it| emulators.check(it).is_ok());
    let own = std::iter::once(host.architecture.as_str());
    own.chain(others).map(|architecture| format!("linux/{architecture}")).collect()
}

/// Networks that packets go to, but for everything else and for this host itself.
fn routes() -> Vec<Route> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut found = ipv4_routes(&text("/proc/net/route"));
    found.extend(ipv6_routes(&text("/proc/net/ipv6_route")));
    let route = |(address, length, interface): Found| {
        let bridge = Path::new("/sys/class/net").join(interface).join("bridge").exists();
        Route { address, length, bridge }
    };
    found.into_iter().map(route).collect()
}

/// Address, length of the prefix, and interface.
type Found = (IpAddr, u8, String);

/// Of lines `eth0 000200C0 … 00FFFFFF …`: the destination is the second field, its mask the eighth, in the
/// byte order of the machine.
fn ipv4_routes(table: &str) -> Vec<Found> {
    let lines = table.lines().skip(1);
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let (address, mask) = (IpAddr::from(number(1)?.to_ne_bytes()), number(7)?);
        (mask != 0).then(|| (address, mask.count_ones() as u8, fields[0].to_owned()))
    };
    lines.filter_map(route).collect()
}

/// Of lines that begin with 32 digits of the destination and two of its length, and end with the interface.
fn ipv6_routes(table: &str) -> Vec<Found> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = Ipv6Addr::from(u128::from_str_radix(fields.first()?, 16).ok()?);
        let length = u8::from_str_radix(fields.get(1)?, 16).ok()?;
        let local = address.is_unicast_link_local() || address.is_multicast();
        let interface = *fields.last()?;
        let kept = !local && length != 0 && interface != "lo";
        kept.then(|| (IpAddr::from(address), length, interface.to_owned()))
    };
    table.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(routes: &[Found]) -> Vec<String> {
        let text = |(address, length, interface): &Found| format!("{address}/{length} {interface}");
        routes.iter().map(text).collect()
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn routes_are_read_but_for_the_default() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                     docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                     broken\n";
        assert_eq!(texts(&ipv4_routes(table)), ["192.0.2.0/24 eth0", "172.17.0.0/16 docker0"]);
    }

    #[test]
    fn routes_of_version_6_are_read_but_for_local_ones() {
        let zeros = "00000000000000000000000000000000";
        let line = |address: &str, length: &str, interface: &str| {
            format!(
                "{address} {length} {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 {interface}\n"
            )
        };
        let table = [
            line("fd001234000000000000000000000000", "40", "br0"),
            line("fe800000000000000000000000000000", "40", "br0"),
            line("ff000000000000000000000000000000", "08", "br0"),
            line("00000000000000000000000000000001", "80", "lo"),
            line(zeros, "00", "eth0"),
        ];
        assert_eq!(texts(&ipv6_routes(&table.concat())), ["fd00:1234::/64 br0"]);
    }

    #[test]
    fn the_host_runs_its_own_programs() {
        let host = Platform::host();
        let found = platforms(&host, &Emulators::default());
        assert_eq!(found, BTreeSet::from([format!("linux/{}", host.architecture)]));
    }
}
