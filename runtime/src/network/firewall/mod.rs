//! NAT, forwarding and isolation: one table of nf_tables for each engine, in the family `ip`.
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
pub(super) use facts::{of_endpoint, of_network};
pub(super) use set::{Element, SetName};

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

    /// Makes the table anew, with these elements and no others.
    pub(super) fn make(&mut self, elements: &[Element]) -> Result<(), NetworkError> {
        let mut messages = table::make(&self.table);
        messages.extend(table::change(&self.table, elements, true));
        self.socket.transact(table::transaction(messages)).map_err(|refusal| match refusal.errno {
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::ENOENT | libc::EINVAL => {
                NetworkError::Kernel { what: "nf_tables with maps, NAT and fib" }
            }
            _ => NetworkError::call(STEP, io::Error::from(refusal)),
        })
    }

    /// Whether the table is there.
    pub(super) fn exists(&mut self) -> Result<bool, NetworkError> {
        self.has(table::IP)
    }

    /// Whether the table is there by which versions before checked senders.
    pub(super) fn has_old(&mut self) -> Result<bool, NetworkError> {
        self.has(table::BRIDGE)
    }

    fn has(&mut self, family: u8) -> Result<bool, NetworkError> {
        let ask = table::message(table::GET_TABLE, 0, family).text(1, &self.table);
        match self.socket.get(ask) {
            // The kernel does not have the family.
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT)) =>
            {
                Ok(false)
            }
            other => Ok(other.act("look for the firewall's table")?.is_some()),
        }
    }

    pub(super) fn add(&mut self, elements: &[Element]) -> Result<Changed, NetworkError> {
        self.change(elements, true)
    }

    pub(super) fn take(&mut self, elements: &[Element]) -> Result<Changed, NetworkError> {
        self.change(elements, false)
    }

    fn change(&mut self, elements: &[Element], adds: bool) -> Result<Changed, NetworkError> {
        if elements.is_empty() {
            return Ok(Changed::Done);
        }
        let messages = table::transaction(table::change(&self.table, elements, adds));
        match self.socket.transact(messages) {
            Err(refusal) if matches!(refusal.errno, libc::ENOENT | libc::EEXIST) => {
                Ok(Changed::Stale)
            }
            other => other.act(STEP).map(|()| Changed::Done),
        }
    }

    /// Removes the tables.
    pub(super) fn remove(&mut self) -> Result<(), NetworkError> {
        self.remove_table(table::IP)?;
        self.remove_old()
    }

    /// Removes the table of versions before. Asked first: a transaction that fails waits for a grace period of the kernel's.
    pub(super) fn remove_old(&mut self) -> Result<(), NetworkError> {
        match self.has_old()? {
            true => self.remove_table(table::BRIDGE),
            false => Ok(()),
        }
    }

    fn remove_table(&mut self, family: u8) -> Result<(), NetworkError> {
        let messages = table::transaction(vec![table::delete(family, &self.table)]);
        match self.socket.transact(messages) {
            Err(refusal) if refusal.errno == libc::ENOENT => Ok(()),
            other => other.act(STEP),
        }
    }
}
