//! Networks, and how a service is attached to one.

use super::{Labels, Options};

record! {
    pub struct Network {
        /// The real name.
        name: String = "name",
        driver: String = "driver",
        driver_opts: Options = "driver_opts",
        ipam: Ipam = "ipam",
        external: bool = "external",
        internal: bool = "internal",
        attachable: bool = "attachable",
        labels: Labels = "labels",
        enable_ipv4: Option<bool> = "enable_ipv4",
        enable_ipv6: Option<bool> = "enable_ipv6",
    }
}

record! {
    /// Where addresses come from.
    pub struct Ipam {
        driver: String = "driver",
        config: Vec<IpamPool> = "config",
        options: Options = "options",
    }
}

record! {
    pub struct IpamPool {
        subnet: String = "subnet",
        gateway: String = "gateway",
        ip_range: String = "ip_range",
        aux_addresses: Labels = "aux_addresses",
    }
}

record! {
    pub struct ServiceNetwork {
        aliases: Vec<String> = "aliases",
        driver_opts: Options = "driver_opts",
        gw_priority: i64 = "gw_priority",
        interface_name: String = "interface_name",
        ipv4_address: String = "ipv4_address",
        ipv6_address: String = "ipv6_address",
        link_local_ips: Vec<String> = "link_local_ips",
        mac_address: String = "mac_address",
        priority: i64 = "priority",
    }
}
