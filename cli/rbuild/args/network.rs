//! The command lines about networks.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkArgs {
    #[command(subcommand)]
    pub(crate) command: NetworkCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Put a container on a network, at once if it runs
    Connect(NetworkConnectArgs),
    /// Make a network and print its ID
    Create(NetworkCreateArgs),
    /// Take a container from a network
    Disconnect(NetworkDisconnectArgs),
    /// Show networks in full, as JSON or as a picture
    Inspect(NetworkInspectArgs),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(NetworkLsArgs),
    /// Remove networks that no container is on
    Prune(NetworkPruneArgs),
    /// Make bridges and rules anew, after somebody else has changed them
    Reload(NetworkReloadArgs),
    /// Remove networks
    #[command(visible_alias = "remove")]
    Rm(NetworkRmArgs),
    /// Say in words what the kernel's firewall does for networks, and what is not as it should be
    Rules(NetworkRulesArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkConnectArgs {
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    /// Another name by which containers of this network find it
    #[arg(long = "alias", value_name = "NAME")]
    pub(crate) aliases: Vec<String>,
    /// Its IPv4 address there
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// The default route goes by the network with the highest
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) gw_priority: i32,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkCreateArgs {
    #[arg(value_name = "NETWORK")]
    pub(crate) name: String,
    /// What kind it is: `bridge`
    #[arg(short, long, default_value = "bridge", value_name = "DRIVER")]
    pub(crate) driver: String,
    /// Its addresses (default: a free range)
    #[arg(long, value_name = "SUBNET")]
    pub(crate) subnet: Option<String>,
    /// This machine's address on it (default: the first of the subnet)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) gateway: Option<String>,
    /// Give containers addresses of this part of the subnet only
    #[arg(long, value_name = "SUBNET")]
    pub(crate) ip_range: Option<String>,
    /// Addresses that are never given out
    #[arg(long = "aux-address", value_name = "NAME=ADDRESS")]
    pub(crate) reserved: Vec<String>,
    /// Without a way out of it
    #[arg(long)]
    pub(crate) internal: bool,
    /// `mtu=`, `name=`, `isolation=true`, `masquerade=false`, `host_firewall=false`, or docker's `com.docker.network.…`
    #[arg(short, long = "opt", value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
    /// Add a label
    #[arg(long = "label", value_name = "NAME[=VALUE]")]
    pub(crate) labels: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkDisconnectArgs {
    /// Also if the process that watches the container does not answer
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkInspectArgs {
    /// `json` or a template
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Draw who is connected to what, as `text`, as `dot` for Graphviz, or as `svg`; all networks, if none is named
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text",
          conflicts_with = "format")]
    pub(crate) graph: Option<GraphForm>,
    #[arg(required_unless_present = "graph", value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
}

/// How a picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphForm {
    Text,
    Dot,
    Svg,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkRulesArgs {}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkLsArgs {
    /// Only those that fit: `dangling=true|false`, `driver=`, `id=`, `label=NAME[=VALUE]`, `name=`, `scope=`,
    /// `type=builtin|custom`
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Whole IDs
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkPruneArgs {
    /// Only those that fit: `until=TIME`, `label=NAME[=VALUE]`, `label!=NAME[=VALUE]`
    #[arg(long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkReloadArgs {}

#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkRmArgs {
    /// Do not mind those that do not exist
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(required = true, value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PortArgs {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    /// Only this one: `PORT[/PROTOCOL]`
    #[arg(value_name = "PORT")]
    pub(crate) port: Option<String>,
}
