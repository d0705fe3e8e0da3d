//! A picture for tests: two networks and an internal one, a container on two, one that shares, one without any.

use std::net::Ipv4Addr;
use std::path::Path;

use runtime::network::{
    BoundPort, ContainerPort, MacAddress, Picture, PicturedEndpoint, PicturedHost,
    PicturedInterface, PicturedNetwork, PicturedProcess, PicturedRoute, PicturedSpace, Protocol,
};

/// With `UPDATE_FIXTURES` it is written.
#[track_caller]
pub(super) fn compare(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/network-graph").join(name);
    if std::env::vars_os().any(|(name, _)| name == "UPDATE_FIXTURES") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, drawn).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == drawn, "{} is another one; UPDATE_FIXTURES=1 writes it", path.display());
}

fn interface(name: &str, index: u32, peer: Option<u32>, addresses: &[&str]) -> PicturedInterface {
    let address = |text: &&str| {
        let (address, prefix) = text.split_once('/').unwrap();
        (address.parse().unwrap(), prefix.parse().unwrap())
    };
    PicturedInterface {
        name: name.to_owned(),
        index,
        up: true,
        mtu: 1500,
        mac: None,
        addresses: addresses.iter().map(address).collect(),
        peer,
        received: u64::from(index) * 1234,
        sent: u64::from(index) * 98765,
    }
}

fn route(destination: Option<&str>, gateway: Option<&str>, device: &str) -> PicturedRoute {
    PicturedRoute {
        destination: destination.map(|text| text.parse().unwrap()),
        gateway: gateway.map(|text| text.parse().unwrap()),
        device: device.to_owned(),
    }
}

fn network(name: &str, subnet: &str, bridge: &str, index: u32) -> PicturedNetwork {
    let subnet: runtime::network::Subnet = subnet.parse().unwrap();
    let gateway = format!("{}/{}", subnet.hosts().next().unwrap(), subnet.prefix());
    PicturedNetwork {
        name: name.to_owned(),
        subnet,
        internal: false,
        masquerade: true,
        open: true,
        bridge_name: bridge.to_owned(),
        bridge: Some(interface(bridge, index, None, &[&gateway])),
    }
}

fn endpoint(network: &str, address: &str, near: u32, far: u32, names: &[&str]) -> PicturedEndpoint {
    let address: Ipv4Addr = address.parse().unwrap();
    let far_name = format!("eth{}", far - 2);
    let mut inside = interface(&far_name, far, Some(near), &[]);
    inside.mac = Some(MacAddress::of(address));
    let near_name = format!("rvabcdefghijk{near}");
    PicturedEndpoint {
        network: network.to_owned(),
        near: Some(interface(&near_name, near, Some(far), &[])),
        is_connected: true,
        far: Some(inside),
        far_name,
        near_name,
        address,
        prefix: 16,
        names: names.iter().map(ToString::to_string).collect(),
        ports: Vec::new(),
    }
}

fn port(host_ip: Option<&str>, host_port: u16, port: u16, protocol: Protocol) -> BoundPort {
    let container = ContainerPort { port, protocol };
    BoundPort { host_ip: host_ip.map(|text| text.parse().unwrap()), host_port, container }
}

fn space(number: u64, names: &[&str], endpoints: Vec<PicturedEndpoint>) -> PicturedSpace {
    let process = PicturedProcess { pid: 4000 + number as i32, command: "httpd -f -p 80".into() };
    PicturedSpace {
        number: Some(4_026_532_000 + number),
        containers: names.iter().map(ToString::to_string).collect(),
        processes: vec![process],
        routes: Vec::new(),
        endpoints,
    }
}

pub(super) fn picture() -> Picture {
    let mut inner = network("inner", "172.20.0.0/16", "rbabcdefinner22", 9);
    inner.internal = true;
    let mut unused = network("later", "172.21.0.0/16", "rbabcdeflater33", 0);
    (unused.bridge, unused.masquerade, unused.open) = (None, false, false);
    let mut web = endpoint("front", "172.18.0.2", 11, 2, &["web", "0123456789ab", "www"]);
    web.ports =
        vec![port(None, 8080, 80, Protocol::Tcp), port(Some("::1"), 5353, 53, Protocol::Udp)];
    let mut lost = endpoint("front", "172.18.0.3", 13, 2, &["lost", "ba9876543210"]);
    lost.is_connected = false;
    let mut first = space(
        1,
        &["web", "sidecar"],
        vec![web, endpoint("inner", "172.20.0.2", 12, 3, &["web", "0123456789ab"])],
    );
    first.routes =
        vec![route(None, Some("172.18.0.1"), "eth0"), route(Some("172.18.0.0/16"), None, "eth0")];
    first.processes.extend((0..9).map(|n| PicturedProcess {
        pid: 5000 + n,
        command: format!("worker <{n}> --with a rather long command line that is cut somewhere"),
    }));
    let none = space(4, &["alone"], Vec::new());
    Picture {
        host: PicturedHost {
            name: "box".to_owned(),
            interfaces: vec![
                interface("wlan0", 3, None, &[]),
                interface("eth0", 2, None, &["192.0.2.7/24"]),
            ],
            routes: vec![
                route(None, Some("192.0.2.1"), "eth0"),
                route(Some("192.0.2.0/24"), None, "eth0"),
            ],
            containers: vec!["agent".to_owned()],
        },
        networks: vec![network("front", "172.18.0.0/16", "rbabcdeffront11", 7), inner, unused],
        spaces: vec![
            first,
            space(2, &["lost"], vec![lost]),
            space(3, &["db"], vec![endpoint("inner", "172.20.0.3", 14, 2, &["db"])]),
            none,
        ],
    }
}
