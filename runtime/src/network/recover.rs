//! What shims that were killed have left on networks, and what somebody else has removed.
use std::collections::BTreeSet;
use std::fs;

use super::bridge::{set_apart, set_kernel};
use super::definition::NetworkDefinition;
use super::directory::{Guard, Networks, Result};
use super::endpoint::Endpoint;
use super::error::{Act, NetworkError};
use super::firewall::{self, Element, Firewall, foreign};
use super::netlink::Socket;
use super::netlink::link::{Link, find_link, list_links, remove_link, unless};
use super::sender::{guard, set_sender};

impl Networks {
    /// Nobody is on any network.
    pub(super) fn is_idle(&self) -> Result<bool> {
        for network in self.list()? {
            if self.count_endpoints(&network.id)? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Networks with somebody on them, and who is.
    pub(super) fn in_use(&self) -> Result<Vec<(NetworkDefinition, Vec<Endpoint>)>> {
        let mut all = Vec::new();
        for network in self.list()? {
            let endpoints = self.endpoints(&network.id)?;
            if !endpoints.is_empty() {
                all.push((network, endpoints));
            }
        }
        Ok(all)
    }

    /// The tables anew, with what is on disk.
    pub(super) fn make_tables(&self, firewall: &mut Firewall) -> Result<()> {
        let mut elements: BTreeSet<Element> = BTreeSet::new();
        for (network, endpoints) in self.in_use()? {
            elements.extend(firewall::of_network(&network, &self.bridge_name(&network)));
            let living = endpoints.iter().filter(|endpoint| self.is_living(endpoint));
            elements.extend(living.flat_map(firewall::of_endpoint));
            if network.internal {
                self.set_apart(&network)?;
            }
        }
        firewall.make(&elements.into_iter().collect::<Vec<_>>())
    }

    /// The rules know the bridge of an internal network by its group.
    fn set_apart(&self, network: &NetworkDefinition) -> Result<()> {
        let name = self.bridge_name(network);
        let mut socket = Socket::route().act("reach the kernel's interfaces")?;
        match find_link(&mut socket, &name).act(format!("find `{name}`"))? {
            Some(link) => set_apart(&mut socket, network, &link),
            None => Ok(()),
        }
    }

    /// Removes the endpoints of shims that are no more, and bridges that nobody is on or keeps. Costs nothing where no network
    /// was used since the boot.
    pub fn recover(&self) -> Result<()> {
        if !self.runtime_directory().is_dir() {
            return Ok(());
        }
        let guard = self.lock()?;
        self.remove_halves(&guard)?;
        let (mut in_use, mut needs_rules) = (false, false);
        for network in self.list()? {
            let endpoints = self.endpoints(&network.id)?;
            let (living, dead): (Vec<_>, Vec<_>) =
                endpoints.into_iter().partition(|endpoint| self.is_living(endpoint));
            let needed = !living.is_empty() || self.keeper(&network.id).is_some();
            in_use |= needed;
            needs_rules |= living.iter().any(|endpoint| endpoint.by_rules);
            let may_have_a_bridge = self.endpoints_directory(&network.id).is_dir();
            self.remove_dead(&guard, &network, &dead, may_have_a_bridge && !needed)?;
        }
        if in_use {
            return self.mend_tables(needs_rules);
        }
        self.remove_strays()?;
        let directory = self.runtime_directory();
        // Another may have come to a network that was made meanwhile.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let _not_empty = fs::remove_dir(entry.path());
        }
        let _not_empty = fs::remove_dir(directory);
        Ok(())
    }

    fn remove_dead(
        &self,
        guard: &Guard,
        network: &NetworkDefinition,
        dead: &[Endpoint],
        nobody_is_left: bool,
    ) -> Result<()> {
        for endpoint in dead {
            self.detach(guard, endpoint, false)?;
            let Endpoint { network, network_name, container, .. } = endpoint;
            self.note(network, network_name, "disconnect", Some(container));
        }
        if nobody_is_left {
            self.remove_bridge(guard, network)?;
        }
        Ok(())
    }

    /// Somebody may have flushed the ruleset, or docker may have come later than we.
    fn mend_tables(&self, needs_rules: bool) -> Result<()> {
        self.firewall(|firewall| {
            match firewall.exists()? && (!needs_rules || firewall.checks_senders()?) {
                true => Ok(()),
                false => self.make_tables(firewall),
            }
        })?;
        let others = foreign::others(&self.names.table())?;
        if !others.has_place {
            return Ok(());
        }
        for (network, _) in self.in_use()? {
            let bridge = self.bridge_name(&network);
            let rules = others.admitted.iter().filter(|admitted| **admitted == bridge).count();
            if network.bridge.asks_others && rules < foreign::RULES {
                self.firewall(|firewall| foreign::admit(firewall, &bridge, true))?;
            }
        }
        Ok(())
    }

    /// Bridges and tables that no definition knows any more.
    pub(super) fn remove_strays(&self) -> Result<()> {
        let mut socket = Socket::route().act("reach the kernel's interfaces")?;
        let prefix = self.names.bridge_prefix();
        for link in list_links(&mut socket).act("list interfaces")? {
            if link.name.starts_with(&prefix) {
                let removed = socket.request(remove_link(link.index));
                unless(libc::ENODEV, removed).act(format!("remove `{}`", link.name))?;
                self.firewall(|firewall| foreign::dismiss(firewall, &link.name))?;
            }
        }
        self.firewall(Firewall::remove)
    }

    /// Removes the bridges of networks that nobody is on.
    pub(super) fn remove_idle(&self, guard: &Guard) -> Result<()> {
        let mut socket = Socket::route().act("reach the kernel's interfaces")?;
        let links = list_links(&mut socket).act("list interfaces")?;
        for network in self.list()? {
            let bridge = self.bridge_name(&network);
            if links.iter().any(|link| link.name == bridge)
                && self.count_endpoints(&network.id)? == 0
            {
                self.remove_bridge(guard, &network)?;
            }
        }
        Ok(())
    }

    /// Removes pairs of ours that belong to nobody on any network: they are made after their endpoints are written.
    fn remove_stray_pairs(&self, socket: &mut Socket) -> Result<()> {
        let in_use = self.in_use()?;
        let known = |name: &str| {
            in_use.iter().any(|(_, ends)| ends.iter().any(|end| end.host_interface == name))
        };
        let prefix = self.names.veth_prefix();
        for link in list_links(socket).act("list interfaces")? {
            if link.name.starts_with(&prefix) && !known(&link.name) {
                let removed = socket.request(remove_link(link.index));
                unless(libc::ENODEV, removed).act(format!("remove `{}`", link.name))?;
            }
        }
        Ok(())
    }

    /// Makes what is in the kernel agree with what is on disk, whoever changed it.
    pub fn reload(&self) -> Result<()> {
        self.recover()?;
        let guard = self.lock()?;
        self.remove_idle(&guard)?;
        let mut socket = Socket::route().act("reach the kernel's interfaces")?;
        self.remove_stray_pairs(&mut socket)?;
        let mut mended = Ok(());
        for (mut network, endpoints) in self.in_use()? {
            let bridge = self.bridge(&guard, &mut network, &mut socket)?;
            set_kernel(&bridge.name)?;
            self.firewall(|firewall| {
                foreign::admit(firewall, &bridge.name, network.bridge.asks_others)
            })?;
            for endpoint in &endpoints {
                // One that somebody else is in the way of does not keep the others from being mended.
                let port = mend_port(&mut socket, &network, &bridge, endpoint);
                if matches!(port, Ok(false)) {
                    self.write_endpoint(&Endpoint { by_rules: true, ..endpoint.clone() })?;
                }
                mended = mended.and(port.map(drop));
            }
        }
        if self.is_idle()? {
            return mended;
        }
        self.firewall(|firewall| self.make_tables(firewall))?;
        mended
    }

    /// Takes a network away that nobody is on.
    pub fn remove(&self, guard: &Guard, network: &NetworkDefinition) -> Result<()> {
        if super::is_predefined(&network.name) {
            return Err(NetworkError::Predefined { name: network.name.clone() });
        }
        let endpoints = self.endpoints(&network.id)?;
        let (living, dead): (Vec<_>, Vec<_>) =
            endpoints.into_iter().partition(|endpoint| self.is_living(endpoint));
        if !living.is_empty() {
            let containers = living.into_iter().map(|endpoint| endpoint.name).collect();
            return Err(NetworkError::InUse { network: network.name.clone(), containers });
        }
        self.remove_dead(guard, network, &dead, false)?;
        let exists = find_link(
            &mut Socket::route().act("reach the kernel's interfaces")?,
            &self.bridge_name(network),
        );
        if exists.act("list interfaces")?.is_some() {
            self.remove_bridge(guard, network)?;
        }
        self.withdraw(guard, &network.id)?;
        self.note(&network.id, &network.name, "destroy", None);
        Ok(())
    }
}

/// A port that lost its bridge gets it back. False if only rules can check its senders.
fn mend_port(
    socket: &mut Socket,
    network: &NetworkDefinition,
    bridge: &Link,
    endpoint: &Endpoint,
) -> Result<bool> {
    let name = &endpoint.host_interface;
    let step = || format!("connect `{name}` to its bridge");
    let Some(link) = find_link(socket, name).act(step())? else { return Ok(true) };
    let is_guarded = guard(socket, link.index, endpoint).act(step())?;
    set_sender(socket, link.index, bridge, network, endpoint)?;
    Ok(is_guarded)
}
