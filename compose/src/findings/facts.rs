//! What is known of the host.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Facts, gathered by whoever runs the check. Nothing known is nothing reported.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// Of [`paths`](super::paths), those that exist. None: nobody looked.
    pub existing: Option<BTreeSet<String>>,
    /// Capabilities that containers can be given, without `CAP_`.
    pub capabilities: Option<BTreeSet<String>>,
    /// cgroup controllers that can be used: `memory`, `cpu`, `pids`, `cpuset`, `io`.
    pub controllers: Option<BTreeSet<String>>,
    /// Number of processors.
    pub processors: Option<u32>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// `linux/amd64`, and others that can be run.
    pub platforms: Option<BTreeSet<String>>,
    /// Networks the host has routes to.
    pub routes: Vec<Route>,
}

/// A network that packets of the host go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub address: IpAddr,
    /// Of the prefix, in bits.
    pub length: u8,
    /// By a bridge, as networks of containers have one.
    pub bridge: bool,
}
