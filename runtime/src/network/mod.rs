//! Networks: bridges, addresses, ports and names. See `docs/decisions/0010`.
//!
//! | file            | what                                                        |
//! |-----------------|-------------------------------------------------------------|
//! | `settings.rs`   | what a container wants; `port.rs`, `mac.rs`, `subnet.rs` parts of it |
//! | `definition.rs` | what a network is                                            |
//! | `directory.rs`  | networks on disk; `lease.rs` addresses, `pool.rs` subnets, `endpoint.rs` who is on one now |
//! | `names.rs`      | names of kernel objects                                      |
//! | `netlink/`      | links, addresses, routes; `routes.rs` the host's             |
mod definition;
mod directory;
mod endpoint;
mod error;
mod lease;
mod mac;
mod names;
mod netlink;
mod pool;
mod port;
mod routes;
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
pub use settings::{Attachment, DnsSettings, HostAddress, NetworkSettings};
pub use subnet::{Subnet, SubnetError};
