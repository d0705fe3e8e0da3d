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
const ACCEPT: i32 = -2;
/// A rule about every packet names no address, interface or protocol, and has no matches.
const CONDITIONS: std::ops::Range<usize> = 0..84;
/// What a target is called is behind its length.
const NAME: usize = 2;

/// Its chain FORWARD drops what no rule is about, and none speaks of interfaces whose names begin like this.
pub(super) fn drops_what_is_forwarded(prefix: &[u8]) -> bool {
    let is_used = fs::read_to_string(TABLES).is_ok_and(|text| text.lines().any(|it| it == TABLE));
    // What cannot be read, somebody else has to answer for.
    is_used
        && sys::iptables::table(TABLE)
            .is_ok_and(|table| drops(&table.entries, table.chains[FORWARD], prefix))
}

/// `chain` is where it begins and where its policy is.
fn drops(entries: &[u8], chain: (usize, usize), prefix: &[u8]) -> bool {
    !speaks_of(entries, prefix) && is_the_end(entries, chain)
}

/// The first rule that is about every packet, of which the policy is the last, drops or rejects it.
fn is_the_end(entries: &[u8], (begin, policy): (usize, usize)) -> bool {
    let mut at = begin;
    while at <= policy {
        let Some(length) = half(entries, at + NEXT).filter(|it| usize::from(*it) >= ENTRY) else {
            return false;
        };
        let about_everything =
            entries.get(at..at + CONDITIONS.end).is_some_and(|bytes| bytes.iter().all(|b| *b == 0))
                && half(entries, at + TARGET).is_some_and(|target| usize::from(target) == ENTRY);
        if about_everything {
            match (name_of_target(entries, at), verdict(entries, at)) {
                ([b'R', b'E', b'J', b'E', b'C', b'T', 0, ..], _) => return true,
                // The target without a name is a verdict or a jump.
                ([0, ..], Some(DROP)) => return true,
                ([0, ..], Some(ACCEPT)) => return false,
                _ => {}
            }
        }
        at += usize::from(length);
    }
    false
}

fn name_of_target(entries: &[u8], at: usize) -> &[u8] {
    let target = half(entries, at + TARGET).map_or(ENTRY, usize::from);
    entries.get(at + target + NAME..).unwrap_or_default()
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

    fn entry(interface: &str, target: &[u8], verdict: i32) -> Vec<u8> {
        let mut bytes = vec![0; ENTRY + VERDICT + 8];
        bytes[INTERFACES[1]..INTERFACES[1] + interface.len()].copy_from_slice(interface.as_bytes());
        bytes[TARGET..TARGET + 2].copy_from_slice(&(ENTRY as u16).to_ne_bytes());
        let length = bytes.len() as u16;
        bytes[NEXT..NEXT + 2].copy_from_slice(&length.to_ne_bytes());
        bytes[ENTRY + NAME..ENTRY + NAME + target.len()].copy_from_slice(target);
        bytes[ENTRY + VERDICT..ENTRY + VERDICT + 4].copy_from_slice(&verdict.to_ne_bytes());
        bytes
    }

    #[test]
    fn what_becomes_of_everything_else_is_the_first_rule_about_it_or_the_policy() {
        let accept = || entry("", b"", ACCEPT);
        let drop = || entry("", b"", DROP);
        let jump = || entry("", b"", 300);
        let reject = || entry("", b"REJECT", ACCEPT);
        let log = || entry("", b"LOG", DROP);
        let length = accept().len();
        for (entries, expected) in [
            (vec![accept(), accept()], false),
            (vec![jump(), accept()], false),
            (vec![jump(), drop()], true),
            (vec![entry("rb", b"", ACCEPT), drop()], false),
            (vec![entry("eth0", b"", ACCEPT), drop()], true),
            (vec![entry("eth0", b"", DROP), accept()], false),
            (vec![entry("eth0", b"", ACCEPT), reject(), accept()], true),
            (vec![entry("eth0", b"", ACCEPT), drop(), accept()], true),
            (vec![accept(), drop()], false),
            (vec![log(), accept()], false),
            (vec![log(), drop()], true),
            (vec![entry("rb", b"", ACCEPT), reject(), accept()], false),
        ] {
            let chain = (0, length * (entries.len() - 1));
            assert_eq!(drops(&entries.concat(), chain, b"rb"), expected);
        }
        assert!(!drops(&drop()[..20], (0, 0), b"rb"));
        // Another hook's chain before it says nothing.
        assert!(!drops(&[drop(), accept()].concat(), (length, length), b"rb"));
    }
}
