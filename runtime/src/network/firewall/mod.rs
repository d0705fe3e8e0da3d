//! NAT, forwarding and isolation: one table of nf_tables for each engine in the family `ip`, and one in `bridge` while a container
//! needs it.
//!
//! | file         | what                                                  |
//! |--------------|-------------------------------------------------------|
//! | `rule.rs`    | rules as the kernel reads them                         |
//! | `set.rs`     | sets, maps and elements                                |
//! | `table.rs`   | what the tables consist of                             |
//! | `facts.rs`   | which elements networks and containers are             |
//! | `foreign.rs` | other firewalls at the same hook                       |
//! | `barrier.rs` | those that let nothing of ours through                |
//! | `old_iptables.rs` | the one before nf_tables                          |
//! | `resolver.rs`| the way to the name server within a container          |
//! | `kernel.rs`  | what the kernel has of all this                         |
mod barrier;
mod facts;
pub(super) mod foreign;
pub(super) mod kernel;
mod old_iptables;
pub(super) mod resolver;
mod rule;
mod set;
mod table;

use std::io;

use super::error::{Act, NetworkError};
use super::netlink::Socket;
pub(super) use facts::{of_endpoint, of_network, of_ports, of_sender};
pub(super) use set::{Element, Family, SetName};

/// What the kernel's table is of, in errors.
const STEP: &str = "change the firewall's table";

/// A socket, and the table's name.
#[derive(Debug)]
pub(super) struct Firewall {
    pub(super) socket: Socket,
    pub(super) table: String,
}

/// How a change went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Done,
    /// The table, or what is in it, is not what was left there: it has to be made anew.
    Stale,
}

impl Firewall {
    pub(super) fn open(table: String) -> Result<Firewall, NetworkError> {
        let socket = Socket::netfilter().map_err(|error| match error.raw_os_error() {
            Some(libc::EPROTONOSUPPORT) => NetworkError::Kernel { what: "nf_tables" },
            _ => NetworkError::call("reach nf_tables", error),
        })?;
        Ok(Firewall { socket, table })
    }

    /// Makes the tables anew, with these elements and no others.
    pub(super) fn make(&mut self, elements: &[Element]) -> Result<(), NetworkError> {
        let of = |family, own: &[Element]| {
            let mut messages = table::make(family, &self.table);
            messages.extend(table::change(&self.table, own, true));
            table::transaction(messages)
        };
        let ip = of(Family::Ip, &of_family(elements, Family::Ip));
        let senders = of_family(elements, Family::Bridge);
        let bridge = of(Family::Bridge, &senders);
        self.socket.transact(ip).map_err(|refusal| match refusal.errno {
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::ENOENT | libc::EINVAL => {
                NetworkError::Kernel { what: "nf_tables with maps, NAT and fib" }
            }
            _ => NetworkError::call(STEP, io::Error::from(refusal)),
        })?;
        if senders.is_empty() {
            return self.remove_from(Family::Bridge);
        }
        match self.socket.transact(bridge) {
            // Without the family `bridge` senders are not checked: docs/kernel-features.md.
            Err(refusal) if is_missing(refusal.errno) => Ok(()),
            other => other.act(STEP),
        }
    }

    /// Whether the table is there.
    pub(super) fn exists(&mut self) -> Result<bool, NetworkError> {
        self.has(Family::Ip)
    }

    pub(super) fn has(&mut self, family: Family) -> Result<bool, NetworkError> {
        Ok(self.look_for(family)? == Some(true))
    }

    /// None if this kernel does not have the family.
    fn look_for(&mut self, family: Family) -> Result<Option<bool>, NetworkError> {
        let ask = table::message(table::GET_TABLE, 0, family as u8).text(1, &self.table);
        match self.socket.get(ask) {
            Err(error) if error.raw_os_error().is_some_and(is_missing) => Ok(None),
            other => Ok(Some(other.act("look for the firewall's table")?.is_some())),
        }
    }

    pub(super) fn add(&mut self, elements: &[Element]) -> Result<Changed, NetworkError> {
        self.change(elements, true)
    }

    pub(super) fn take(&mut self, elements: &[Element]) -> Result<Changed, NetworkError> {
        self.change(elements, false)
    }

    fn change(&mut self, elements: &[Element], adds: bool) -> Result<Changed, NetworkError> {
        for family in [Family::Ip, Family::Bridge] {
            let own = of_family(elements, family);
            if own.is_empty() {
                continue;
            }
            let messages = table::transaction(table::change(&self.table, &own, adds));
            match self.socket.transact(messages) {
                Err(refusal) if family == Family::Bridge && is_missing(refusal.errno) => {}
                Err(refusal) if matches!(refusal.errno, libc::ENOENT | libc::EEXIST) => {
                    return Ok(Changed::Stale);
                }
                other => other.act(STEP)?,
            }
        }
        Ok(Changed::Done)
    }

    /// Removes the tables.
    pub(super) fn remove(&mut self) -> Result<(), NetworkError> {
        [Family::Ip, Family::Bridge].into_iter().try_for_each(|family| self.remove_from(family))
    }

    /// Whether senders are checked by rules; where the kernel has no such rules nothing is missing.
    pub(super) fn checks_senders(&mut self) -> Result<bool, NetworkError> {
        Ok(self.look_for(Family::Bridge)? != Some(false))
    }

    /// Nobody's senders have to be checked by rules any more.
    pub(super) fn remove_senders(&mut self) -> Result<(), NetworkError> {
        self.remove_from(Family::Bridge)
    }

    /// Asked first: a transaction that fails waits for a grace period of the kernel's, some 10 to 20 ms.
    fn remove_from(&mut self, family: Family) -> Result<(), NetworkError> {
        if !self.has(family)? {
            return Ok(());
        }
        let messages = table::transaction(vec![table::delete(family, &self.table)]);
        match self.socket.transact(messages) {
            Err(refusal) if refusal.errno == libc::ENOENT => Ok(()),
            other => other.act(STEP),
        }
    }
}

fn of_family(elements: &[Element], family: Family) -> Vec<Element> {
    elements.iter().filter(|element| element.set.form().family == family).cloned().collect()
}

/// This kernel does not have the family.
fn is_missing(errno: i32) -> bool {
    matches!(errno, libc::EOPNOTSUPP | libc::EAFNOSUPPORT)
}
