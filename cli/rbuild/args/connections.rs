//! What `run` and `create` say about networks and ports.

use clap::Args as ClapArgs;

#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Networks")]
pub(crate) struct ConnectionArgs {
    /// `bridge` (default, unless $RBUILD_NETWORK says otherwise), `host`, `none`, `container:NAME`, or a network of `rbuild network create`; may be repeated.
    /// `name=NET[,alias=…][,ip=…][,mac-address=…][,gw-priority=…]` says more
    #[arg(long = "network", alias = "net", value_name = "MODE")]
    pub(crate) networks: Vec<String>,
    /// Another name by which containers of the same network find it
    #[arg(long = "network-alias", alias = "net-alias", value_name = "NAME")]
    pub(crate) aliases: Vec<String>,
    /// Its IPv4 address, on a network with a subnet of your choice
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// Its hardware address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mac_address: Option<String>,
    /// Let a port of this machine lead to one of the container: `[[IP:][PORT]:]PORT[/udp]`, or ranges
    #[arg(short, long = "publish", value_name = "PORTS")]
    pub(crate) publish: Vec<String>,
    /// Publish every port that the image or `--expose` exposes, on free ones of this machine
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// A port that it listens on
    #[arg(long = "expose", value_name = "PORT")]
    pub(crate) expose: Vec<String>,
}
