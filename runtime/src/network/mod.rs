//! Networks: bridges, addresses, ports and names. See `docs/decisions/0013`.
//!
//! | file            | what                                                        |
//! |-----------------|-------------------------------------------------------------|
//! | `settings.rs`   | what a container wants; `port.rs`, `mac.rs`, `subnet.rs` parts of it |
//! | `definition.rs` | what a network is                                            |
//! | `directory.rs`  | networks on disk; `lease.rs` addresses, `pool.rs` subnets, `endpoint.rs` who is on one now |
//! | `sandbox/`      | a container's namespace, endpoints and ports                 |
//! | `space_pool.rs` | namespaces of programs that have no shim                     |
//! | `attach.rs`     | a container comes to a network, and goes; `bridge.rs` with it |
//! | `ports.rs`      | published ports are held; `holder.rs` by whom; `arrivals.rs` waits at them |
//! | `server/`       | processes that answer names and copy what NAT cannot redirect |
//! | `firewall/`     | NAT, forwarding and isolation; `sender.rs` senders are who they say |
//! | `files.rs`      | /etc/hosts and /etc/resolv.conf                              |
//! | `kept.rs`       | bridges stay for a moment                                    |
//! | `recover.rs`    | what was left, and what somebody else has removed            |
//! | `rules/`        | the firewall in words; `picture/` everything as it is, to be drawn |
//! | `failpoint.rs`  | where tests make things fail; `trials/` these tests           |
//! | `names.rs`      | names of kernel objects; `namespace.rs` network namespaces   |
//! | `netlink/`      | links, addresses, routes; `routes.rs` the host's             |
mod arrivals;
mod attach;
mod bridge;
mod definition;
mod directory;
mod endpoint;
mod error;
mod failpoint;
mod files;
mod firewall;
mod holder;
mod kept;
mod lease;
mod mac;
mod names;
pub(crate) mod namespace;
mod netlink;
mod picture;
mod pool;
mod port;
mod ports;
mod recover;
mod routes;
mod rules;
mod sandbox;
mod sender;
mod server;
mod settings;
mod space_pool;
mod subnet;
#[cfg(test)]
mod trials;

pub use definition::{
    BridgeOptions, DEFAULT_NETWORK, NetworkDefinition, NetworkRequest, STEPS_NETWORK, is_predefined,
};
pub use directory::{Guard, Networks};
pub use endpoint::Endpoint;
pub use error::NetworkError;
pub(crate) use files::merged_hosts;
pub use mac::{MacAddress, MacError};
pub use names::KernelNames;
pub use picture::{
    Picture, PicturedEndpoint, PicturedHost, PicturedInterface, PicturedNetwork, PicturedProcess,
    PicturedRoute, PicturedSpace,
};
pub use port::{
    BoundPort, ContainerPort, PortError, PortRange, Protocol, PublishedPort, parse_exposed,
    parse_published,
};
pub use rules::{Rules, RulesPart};
pub(crate) use sandbox::{Beside, Owner, Remains, Sandbox, SandboxSpace, files_of};
pub use settings::{Attachment, DnsSettings, HostAddress, NetworkSettings};
pub use space_pool::{Space, SpacePool};
pub use subnet::{Subnet, SubnetError};
