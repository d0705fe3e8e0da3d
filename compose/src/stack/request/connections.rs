//! Networks and ports of a service.

use std::net::{IpAddr, Ipv4Addr};

use runtime::NetworkMode;
use runtime::network::{
    Attachment, ContainerPort, DEFAULT_NETWORK, DnsSettings, HostAddress, NetworkSettings,
    PortRange, Protocol, PublishedPort, parse_exposed,
};

use super::{About, Result};
use crate::model::{Port, ServiceNetwork};

impl About<'_> {
    /// How its containers are connected. Ports mean nothing where the network is the host's, or none.
    pub(super) fn connections(&self) -> Result<(NetworkMode, NetworkSettings)> {
        let service = self.service;
        let mut settings = NetworkSettings::default();
        match service.network_mode.as_str() {
            "host" => return Ok((NetworkMode::Host, settings)),
            "none" => return Ok((NetworkMode::None, settings)),
            "" => settings.attachments = self.attachments()?,
            "bridge" => settings.attachments = vec![Attachment::to(DEFAULT_NETWORK)],
            mode => match (mode.strip_prefix("service:"), mode.starts_with("container:")) {
                (Some(other), _) => settings.joined = Some(self.joined("network_mode", other)?),
                (None, true) => settings.joined = Some(self.joined("network_mode", mode)?),
                (None, false) => settings.attachments = vec![Attachment::to(mode)],
            },
        }
        if settings.joined.is_some() {
            return Ok((NetworkMode::Sandbox, settings));
        }
        settings.ports = service.ports.iter().map(|it| self.port(it)).collect::<Result<_>>()?;
        for text in &service.expose.0 {
            let wrong = self.wrong(format!("`expose`: `{text}`"));
            settings.exposed.extend(parse_exposed(text).map_err(wrong)?);
        }
        settings.dns = self.dns()?;
        for (name, addresses) in &service.extra_hosts.0 {
            if addresses.iter().any(|address| address == "host-gateway") {
                settings.extra_hosts.push((name.clone(), HostAddress::Gateway));
            }
        }
        let links = self.replica.links.iter();
        settings.extra_hosts.extend(
            links.map(|(name, address)| (name.clone(), HostAddress::Address((*address).into()))),
        );
        Ok((NetworkMode::Sandbox, settings))
    }

    /// Those with a higher priority first, as eth0, eth1….
    fn attachments(&self) -> Result<Vec<Attachment>> {
        let empty = ServiceNetwork::default();
        let mut networks: Vec<(&String, &ServiceNetwork)> = self
            .service
            .networks
            .iter()
            .map(|(key, terms)| (key, terms.as_ref().unwrap_or(&empty)))
            .collect();
        networks.sort_by_key(|(key, terms)| (-terms.priority, *key));
        let mut attachments: Vec<Attachment> = networks
            .iter()
            .map(|(key, terms)| self.attachment(key, terms))
            .collect::<Result<_>>()?;
        if let Some(first) = attachments.first_mut()
            && !self.service.mac_address.is_empty()
        {
            let parsed = self.service.mac_address.parse();
            first.mac = Some(parsed.map_err(self.wrong("`mac_address`"))?);
        }
        Ok(attachments)
    }

    fn attachment(&self, key: &str, terms: &ServiceNetwork) -> Result<Attachment> {
        let about = |attribute: &str| format!("`networks.{key}.{attribute}`");
        for (attribute, given) in [
            ("ipv6_address", !terms.ipv6_address.is_empty()),
            ("link_local_ips", !terms.link_local_ips.is_empty()),
            ("driver_opts", !terms.driver_opts.0.is_empty()),
        ] {
            if given {
                return Err(self.unsupported(about(attribute), "not yet"));
            }
        }
        let network = self.replica.project.networks.get(key);
        let mut wanted = Attachment::to(network.map_or(key, |network| &network.name));
        if self.replica.has_names {
            wanted.aliases = self.names_for_others();
            wanted.aliases.extend(terms.aliases.iter().cloned());
        }
        if !terms.ipv4_address.is_empty() {
            let parsed = terms.ipv4_address.parse::<Ipv4Addr>();
            wanted.ipv4 = Some(parsed.map_err(self.wrong(about("ipv4_address")))?);
        }
        if !terms.mac_address.is_empty() {
            let parsed = terms.mac_address.parse();
            wanted.mac = Some(parsed.map_err(self.wrong(about("mac_address")))?);
        }
        wanted.interface = Some(terms.interface_name.clone()).filter(|name| !name.is_empty());
        wanted.gateway_priority = i32::try_from(terms.gw_priority).unwrap_or(i32::MAX);
        Ok(wanted)
    }

    /// The service's key, and what services that link to it call it.
    fn names_for_others(&self) -> Vec<String> {
        let own = self.replica.service;
        let links = self.replica.project.services.values().flat_map(|service| &service.links);
        let given = links.filter_map(|link| link.split_once(':'));
        let given = given.filter(|(service, _)| *service == own).map(|(_, name)| name.to_owned());
        let mut names: Vec<String> = std::iter::once(own.to_owned()).chain(given).collect();
        names.dedup();
        names
    }

    fn port(&self, port: &Port) -> Result<PublishedPort> {
        let about = || format!("`ports`: `{}:{}`", port.published, port.target);
        let number = |text: &str| text.parse::<u16>().map_err(self.wrong(about()));
        let protocol = match port.protocol.as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => {
                let why = format!("the protocol `{other}`: known are tcp and udp");
                return Err(self.unsupported(about(), why));
            }
        };
        let host_ports = match (port.published.as_str(), port.published.split_once('-')) {
            ("" | "0", _) => None,
            (_, Some((first, last))) => {
                Some(PortRange { first: number(first)?, last: number(last)? })
            }
            (one, None) => Some(PortRange { first: number(one)?, last: number(one)? }),
        };
        let host_ip = match port.host_ip.as_str() {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(self.wrong(about()))?),
        };
        // Docker's word for every address.
        let host_ip = host_ip.filter(|address| *address != IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let target = u16::try_from(port.target).map_err(self.wrong(about()))?;
        Ok(PublishedPort {
            host_ip,
            host_ports,
            container: ContainerPort { port: target, protocol },
        })
    }

    fn dns(&self) -> Result<DnsSettings> {
        let service = self.service;
        let server =
            |text: &String| text.parse::<IpAddr>().map_err(self.wrong(format!("`dns`: `{text}`")));
        Ok(DnsSettings {
            servers: service.dns.0.iter().map(server).collect::<Result<_>>()?,
            search: service.dns_search.0.clone(),
            options: service.dns_opt.clone(),
        })
    }
}
