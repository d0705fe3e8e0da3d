//! What can go wrong with networks.
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::mac::MacAddress;
use super::port::Protocol;
use super::subnet::Subnet;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("network `{text}` does not exist")]
    NotFound { text: String },
    #[error("`{text}` may be any of the networks {}", names.join(", "))]
    Ambiguous { text: String, names: Vec<String> },
    #[error("a network of the name `{name}` exists already")]
    Exists { name: String },
    #[error("the bridge `{bridge}` is that of network `{network}`")]
    BridgeTaken { bridge: String, network: String },
    #[error("`{name}` is a network that is always there")]
    Predefined { name: String },
    #[error(
        "`{name}` cannot name a network: a letter or digit, then letters, digits, `_`, `.` and `-`"
    )]
    BadName { name: String },
    #[error("network option `{name}` is not supported")]
    Option { name: String },
    #[error("network option `{name}={value}`: it takes {expected}")]
    OptionValue { name: String, value: String, expected: &'static str },
    #[error("the {what} {address} does not lie in the subnet {subnet}")]
    Outside { what: &'static str, address: String, subnet: Subnet },
    #[error("the subnet {subnet} has no room for a gateway and a container")]
    Small { subnet: Subnet },
    #[error("the subnet {subnet} overlaps with {other}")]
    Overlap { subnet: Subnet, other: String },
    #[error("there is no free subnet left: {count} are in use")]
    NoSubnet { count: usize },
    #[error("network `{network}` has no free address left in {range}")]
    NoAddress { network: String, range: Subnet },
    #[error("the address {address} of network `{network}` is {why}")]
    AddressTaken { network: String, address: Ipv4Addr, why: String },
    #[error(
        "an address can be asked for only on networks with a subnet of the user's choice; that of `{network}` is not"
    )]
    NoOwnSubnet { network: String },
    #[error("containers have no names on network `{network}`, so no aliases")]
    NoNames { network: String },
    #[error("network `{network}` has {most} containers, which is all that a bridge takes")]
    Full { network: String, most: usize },
    #[error("network `{network}` is in use by {}", containers.join(", "))]
    InUse { network: String, containers: Vec<String> },
    #[error("container {container} is on the network `{network}` already")]
    Attached { container: String, network: String },
    #[error("the hardware address {mac} is that of {by} on the network `{network}`")]
    MacTaken { mac: MacAddress, network: String, by: String },
    #[error("container {container} is not on the network `{network}`")]
    NotAttached { container: String, network: String },
    #[error("port {port}/{protocol} of {address} is in use{}", holder_words(holder))]
    PortTaken { address: String, port: u16, protocol: Protocol, holder: Option<String> },
    #[error("no free port for {container}: all of {range} are in use")]
    NoPort { container: String, range: String },
    #[error("cannot publish port {port} on {address}: {source}")]
    Publish { address: String, port: u16, source: io::Error },
    #[error(
        "the chain `{chain}` of another firewall drops what is forwarded, and nothing there lets our bridges through"
    )]
    ForeignFirewall { chain: String },
    #[error("the interface `{interface}` exists and is none of rbuild's")]
    NotOurs { interface: String },
    #[error("this kernel has no {what}")]
    Kernel { what: &'static str },
    #[error("cannot {act}: {source}")]
    Denied { act: String, source: io::Error },
    #[error("cannot {act}: {source}")]
    Call { act: String, source: io::Error },
    #[error("cannot {act} `{path}`: {source}")]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("`{path}` cannot be read: {source}")]
    Document { path: PathBuf, source: serde_json::Error },
    #[error("network {id} was made by a later version (schema {found}; this one knows {known})")]
    Schema { id: String, found: u32, known: u32 },
}

fn holder_words(holder: &Option<String>) -> String {
    holder.as_ref().map_or(String::new(), |holder| format!(", by {holder}"))
}

const WITHOUT: &str = "`--network none` and `--network host` work without";

impl NetworkError {
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            NetworkError::NotFound { .. } => {
                "`rbuild network ls` lists networks; make one with `rbuild network create`"
            }
            NetworkError::Ambiguous { .. } => "give more digits of the ID, or the name",
            NetworkError::Exists { .. } => {
                "remove it with `rbuild network rm`, or choose another name"
            }
            NetworkError::Option { .. } => {
                "known are mtu, com.docker.network.bridge.name, isolation (or enable_icc), masquerade and host_binding_ipv4"
            }
            NetworkError::BridgeTaken { .. } => "choose another name for the bridge",
            NetworkError::Overlap { .. } => "choose another one with `--subnet`",
            NetworkError::NoSubnet { .. } => {
                "remove networks with `rbuild network prune`, or give one with `--subnet`"
            }
            NetworkError::NoNames { .. } => "make a network with `rbuild network create`",
            NetworkError::NoOwnSubnet { .. } => "make a network with `--subnet`",
            NetworkError::InUse { .. } => {
                "stop these containers, or `rbuild network disconnect` them"
            }
            NetworkError::Publish { source, .. } if source.raw_os_error() == Some(libc::EMFILE) => {
                "each published port takes two open files; allow more with `ulimit -n`"
            }
            NetworkError::MacTaken { .. } => {
                "choose another one with `--mac-address`, or leave it to the address"
            }
            NetworkError::PortTaken { .. } => "publish another port, or end what uses this one",
            NetworkError::ForeignFirewall { chain } => {
                return Some(format!(
                    "let `{chain}` accept, before it drops, what comes from and goes to interfaces whose names begin with `rb`"
                ));
            }
            NetworkError::Kernel { .. } => WITHOUT,
            NetworkError::Denied { .. } => {
                "this needs CAP_NET_ADMIN; `--network none` and `--network host` work without"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// The machine cannot have networks at all, or we may not make any.
    pub fn is_the_machines(&self) -> bool {
        matches!(self, NetworkError::Kernel { .. } | NetworkError::Denied { .. })
    }

    /// A call of the kernel's that failed. Where a right or a part of the kernel is missing, that is said.
    pub(super) fn call(act: impl Into<String>, source: io::Error) -> NetworkError {
        let act = act.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                NetworkError::Denied { act, source }
            }
            _ => NetworkError::Call { act, source },
        }
    }
}

pub(super) fn file_error<'a>(
    act: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> NetworkError + 'a {
    move |source| NetworkError::File { act, path: path.to_owned(), source }
}

/// Says what was being done.
pub(super) trait Act<T> {
    fn act(self, act: impl Into<String>) -> Result<T, NetworkError>;
}

impl<T, E: Into<io::Error>> Act<T> for Result<T, E> {
    fn act(self, act: impl Into<String>) -> Result<T, NetworkError> {
        self.map_err(|source| NetworkError::call(act, source.into()))
    }
}
