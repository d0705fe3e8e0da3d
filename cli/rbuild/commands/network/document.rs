//! A network as docker's API describes it.

use cli::format::{Shape, Struct};
use runtime::network::{NetworkDefinition, NetworkError, Networks};
use serde_json::{Map, Value, json};

use super::{DRIVER, SCOPE};
use Shape::{Any, Bool, List, Text};

pub(super) const SHAPE: Shape = Shape::Struct(&NETWORK);

static NETWORK: Struct = Struct {
    name: "a network",
    fields: &[
        ("Name", Text),
        ("Id", Text),
        ("Created", Text),
        ("Scope", Text),
        ("Driver", Text),
        ("EnableIPv4", Bool),
        ("EnableIPv6", Bool),
        ("IPAM", Shape::Struct(&IPAM)),
        ("Internal", Bool),
        ("Attachable", Bool),
        ("Ingress", Bool),
        ("ConfigFrom", Any),
        ("ConfigOnly", Bool),
        ("Containers", Shape::Map(&Shape::Struct(&MEMBER))),
        ("Options", Shape::Map(&Text)),
        ("Labels", Shape::Map(&Text)),
    ],
};

static IPAM: Struct = Struct {
    name: "a network's addresses",
    fields: &[("Driver", Text), ("Options", Any), ("Config", List(&Shape::Struct(&POOL)))],
};

static POOL: Struct = Struct {
    name: "a subnet",
    fields: &[
        ("Subnet", Text),
        ("IPRange", Text),
        ("Gateway", Text),
        ("AuxiliaryAddresses", Shape::Map(&Text)),
    ],
};

static MEMBER: Struct = Struct {
    name: "a container of a network",
    fields: &[
        ("Name", Text),
        ("EndpointID", Text),
        ("MacAddress", Text),
        ("IPv4Address", Text),
        ("IPv6Address", Text),
    ],
};

pub(super) fn of(networks: &Networks, network: &NetworkDefinition) -> Result<Value, NetworkError> {
    let mut members = Map::new();
    for endpoint in networks.endpoints(&network.id)? {
        members.insert(
            endpoint.container.clone(),
            json!({
                "Name": endpoint.name,
                "EndpointID": endpoint.host_interface,
                "MacAddress": endpoint.mac,
                "IPv4Address": format!("{}/{}", endpoint.address, endpoint.prefix),
                "IPv6Address": "",
            }),
        );
    }
    let mut options = network.options.clone();
    let name = "com.docker.network.bridge.name".to_owned();
    options.entry(name).or_insert_with(|| networks.bridge_name(network));
    let mut pool = json!({ "Subnet": network.subnet, "Gateway": network.gateway });
    if let Some(range) = network.ip_range {
        pool["IPRange"] = json!(range);
    }
    if !network.reserved.is_empty() {
        pool["AuxiliaryAddresses"] = json!(network.reserved);
    }
    Ok(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": SCOPE,
        "Driver": DRIVER,
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": {}, "Config": [pool] },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": members,
        "Options": options,
        "Labels": network.labels,
    }))
}
