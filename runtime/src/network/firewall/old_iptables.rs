//! The old iptables (`iptables-legacy`): whether it drops what is forwarded.
use std::fs;

/// Which tables there are in this network namespace.
const TABLES: &str = "/proc/thread-self/net/ip_tables_names";
const TABLE: &str = "filter";
const FORWARD: usize = 2;

/// Within `struct ipt_entry`: the names of interfaces, where the target is, where the next entry is, and the entry's end.
const INTERFACES: [usize; 2] = [8 + 8, 8 + 8 + 16];
const INTERFACE: usize = 16;
const TARGET: usize = 88;
const NEXT: usize = 90;
const ENTRY: usize = 112;
/// Within a target: what becomes of the packet; the kernel counts downwards from -1, which is a drop.
const VERDICT: usize = 32;
const DROP: i32 = -1;

/// Its chain FORWARD drops by policy, and no rule speaks of interfaces whose names begin like this.
pub(super) fn drops_what_is_forwarded(prefix: &[u8]) -> bool {
    let is_used = fs::read_to_string(TABLES).is_ok_and(|text| text.lines().any(|it| it == TABLE));
    // What cannot be read, somebody else has to answer for.
    is_used
        && sys::iptables::table(TABLE)
            .is_ok_and(|table| drops(&table.entries, table.policies[FORWARD], prefix))
}

fn drops(entries: &[u8], policy: usize, prefix: &[u8]) -> bool {
    verdict(entries, policy) == Some(DROP) && !speaks_of(entries, prefix)
}

fn verdict(entries: &[u8], at: usize) -> Option<i32> {
    let target = usize::from(half(entries, at + TARGET)?);
    let bytes = entries.get(at + target + VERDICT..at + target + VERDICT + 4)?;
    Some(i32::from_ne_bytes(bytes.try_into().ok()?))
}

fn half(entries: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(entries.get(at..at + 2)?.try_into().ok()?))
}

fn speaks_of(entries: &[u8], prefix: &[u8]) -> bool {
    let mut at = 0;
    while let Some(length) = half(entries, at + NEXT).filter(|length| usize::from(*length) >= ENTRY)
    {
        let name = |place: &usize| entries.get(at + place..at + place + INTERFACE);
        if INTERFACES.iter().filter_map(name).any(|name| name.starts_with(prefix)) {
            return true;
        }
        at += usize::from(length);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(interface: &str, verdict: i32) -> Vec<u8> {
        let mut bytes = vec![0; ENTRY + VERDICT + 8];
        bytes[INTERFACES[1]..INTERFACES[1] + interface.len()].copy_from_slice(interface.as_bytes());
        bytes[TARGET..TARGET + 2].copy_from_slice(&(ENTRY as u16).to_ne_bytes());
        let length = bytes.len() as u16;
        bytes[NEXT..NEXT + 2].copy_from_slice(&length.to_ne_bytes());
        bytes[ENTRY + VERDICT..ENTRY + VERDICT + 4].copy_from_slice(&verdict.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_policy_is_the_verdict_of_the_chains_last_entry() {
        let (accept, drop) = (entry("", -2), entry("", DROP));
        let length = accept.len();
        for (entries, expected) in [
            ([accept.clone(), accept.clone()].concat(), false),
            ([accept.clone(), drop.clone()].concat(), true),
            ([entry("rb", -2), drop.clone()].concat(), false),
            ([entry("eth0", -2), drop.clone()].concat(), true),
            (accept[..20].to_vec(), false),
        ] {
            assert_eq!(drops(&entries, length, b"rb"), expected);
        }
    }
}
