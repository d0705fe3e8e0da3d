//! Networks: bridges, addresses, ports and names. See `docs/decisions/0013`.
//!
//! | file            | what                                                        |
//! |-----------------|-------------------------------------------------------------|
//! | `settings.rs`   | what a container wants; `port.rs`, `mac.rs`, `subnet.rs` parts of it |
//! | `definition.rs` | what a network is                                            |
//! | `directory.rs`  | networks on disk; `lease.rs` addresses, `pool.rs` subnets, `endpoint.rs` who is on one now |
//! | `sandbox.rs`    | a container's namespace, endpoints and ports                 |
//! | `attach.rs`     | a container comes to a network, and goes; `bridge.rs` with it |
//! | `ports.rs`      | published ports are held; `holder.rs` by whom                |
//! | `server/`       | the process that answers names and copies what NAT cannot redirect |
//! | `firewall/`     | NAT, forwarding and isolation                                |
//! | `files.rs`      | /etc/hosts and /etc/resolv.conf                              |
//! | `recover.rs`    | what was left, and what somebody else has removed            |
//! | `names.rs`      | names of kernel objects; `namespace.rs` network namespaces   |
//! | `netlink/`      | links, addresses, routes; `routes.rs` the host's             |
mod attach;
mod bridge;
mod definition;
mod directory;
mod endpoint;
mod error;
mod files;
mod firewall;
mod holder;
mod lease;
mod mac;
mod names;
pub(crate) mod namespace;
mod netlink;
mod pool;
mod port;
mod ports;
mod recover;
mod routes;
mod sandbox;
mod server;
mod settings;
mod subnet;

pub use definition::{BridgeOptions, DEFAULT_NETWORK, NetworkDefinition, NetworkRequest};
pub use directory::{Guard, Networks};
pub use endpoint::Endpoint;
pub use error::NetworkError;
pub use mac::{MacAddress, MacError};
pub use names::KernelNames;
pub use port::{
    BoundPort, ContainerPort, PortError, PortRange, Protocol, PublishedPort, parse_exposed,
    parse_published,
};
pub(crate) use sandbox::{Remains, Sandbox, files_of};
pub use settings::{Attachment, DnsSettings, HostAddress, NetworkSettings};
pub use subnet::{Subnet, SubnetError};
