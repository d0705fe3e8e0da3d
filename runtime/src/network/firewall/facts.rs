//! Which elements a network and a container on it are.
use std::net::IpAddr;

use super::super::definition::NetworkDefinition;
use super::super::endpoint::Endpoint;
use super::set::{Element, SetName};

/// While a container is on it.
pub(in crate::network) fn of_network(network: &NetworkDefinition, bridge: &str) -> Vec<Element> {
    let mut all = vec![Element::bridge(SetName::Bridges, bridge), Element::pair(bridge)];
    let options = &network.bridge;
    for (applies, set) in [
        (network.internal, SetName::Internal),
        (!options.open, SetName::Closed),
        (!network.internal && options.masquerade, SetName::Masqueraded),
    ] {
        if applies {
            all.push(Element::bridge(set, bridge));
        }
    }
    all
}

/// What a container sends, where the table checks it.
pub(in crate::network) fn of_sender(endpoint: &Endpoint) -> Vec<Element> {
    vec![
        Element::bridge(SetName::Guarded, &endpoint.host_interface),
        Element::sender(&endpoint.host_interface, endpoint.mac, endpoint.address),
    ]
}

pub(in crate::network) fn of_endpoint(endpoint: &Endpoint) -> Vec<Element> {
    let mut all = of_ports(endpoint);
    if endpoint.by_rules {
        all.extend(of_sender(endpoint));
    }
    all
}

/// What is published.
pub(in crate::network) fn of_ports(endpoint: &Endpoint) -> Vec<Element> {
    let mut all = Vec::new();
    for port in &endpoint.ports {
        let host = match port.host_ip {
            None => None,
            Some(IpAddr::V4(address)) => Some(address),
            // Copied by the process that holds it.
            Some(IpAddr::V6(_)) => continue,
        };
        let to = (endpoint.address, port.container.port);
        all.push(Element::port(port.container.protocol, host, port.host_port, to));
    }
    if !endpoint.ports.is_empty() {
        all.push(Element::hairpin(endpoint.address));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::ProcessName;
    use crate::network::directory::tests::network;
    use crate::network::{BoundPort, ContainerPort, MacAddress, Protocol};

    fn count(elements: &[Element], set: SetName) -> usize {
        elements.iter().filter(|element| element.set == set).count()
    }

    #[test]
    fn a_network_is_in_the_sets_that_its_options_say() {
        let mut net = network("10.0.0.0/24");
        let sets = |net: &NetworkDefinition| {
            let all = of_network(net, "rbx");
            [SetName::Internal, SetName::Closed, SetName::Masqueraded].map(|set| count(&all, set))
        };
        assert_eq!(sets(&net), [0, 0, 1]);
        net.bridge.open = false;
        net.bridge.masquerade = false;
        assert_eq!(sets(&net), [0, 1, 0]);
        net.internal = true;
        net.bridge.masquerade = true;
        assert_eq!(sets(&net), [1, 1, 0]);
    }

    #[test]
    fn a_published_port_is_an_element_and_one_on_ipv6_is_none() {
        let address = [10, 0, 0, 2].into();
        let port = |host_ip: Option<&str>| BoundPort {
            host_ip: host_ip.map(|text| text.parse().unwrap()),
            host_port: 8080,
            container: ContainerPort { port: 80, protocol: Protocol::Tcp },
        };
        let endpoint = |ports: Vec<BoundPort>| Endpoint {
            container: "c".into(),
            name: "c".into(),
            network: "n".into(),
            network_name: "n".into(),
            address,
            prefix: 24,
            gateway: None,
            mac: MacAddress::of(address),
            interface: "eth0".into(),
            host_interface: "rvx".into(),
            names: Vec::new(),
            aliases: Vec::new(),
            by_rules: true,
            ports,
            shim: ProcessName { pid: 1, start: 1 },
            boot: String::new(),
        };
        let all =
            of_endpoint(&endpoint(vec![port(None), port(Some("127.0.0.1")), port(Some("::1"))]));
        let counts = [SetName::AnyPorts, SetName::Ports, SetName::Hairpins, SetName::Senders];
        assert_eq!(counts.map(|set| count(&all, set)), [1, 1, 1, 1]);
        assert_eq!(count(&of_endpoint(&endpoint(Vec::new())), SetName::Hairpins), 0);
        let usual = Endpoint { by_rules: false, ..endpoint(Vec::new()) };
        assert!(of_endpoint(&usual).is_empty());
    }
}
