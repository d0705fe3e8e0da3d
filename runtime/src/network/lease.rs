//! Which address of a network belongs to which container. A container keeps its address until it is removed.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::definition::NetworkDefinition;
use super::directory::{Result, make_directory, names_in, read_json, remove_file, write_json};
use super::error::{NetworkError, file_error};

/// Of versions before: all of them in one document.
const DOCUMENT: &str = "leases.json";
/// The file whose names leases are.
const FILE: &str = "file";

/// Containers' IDs by their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Leases(BTreeMap<Ipv4Addr, String>);

impl Leases {
    /// Those below a network's place, each a name of one empty file, `ADDRESS@CONTAINER`. To give a file a name takes a tenth of
    /// what it takes to replace a document, of which the kernel writes the new one before it forgets the old.
    pub(super) fn read(place: &Path) -> Result<Leases> {
        let mut all: Leases = read_json(&place.join(DOCUMENT))?.unwrap_or_default();
        for name in names_in(&place.join("leases"))? {
            let parts = name.split_once('@');
            let lease = parts.and_then(|(address, owner)| Some((address.parse().ok()?, owner)));
            all.0.extend(lease.map(|(address, owner)| (address, owner.to_owned())));
        }
        Ok(all)
    }

    /// New ones first, so that whoever is killed in between leaves nobody without the address that it has. A document stays one
    /// while somebody is on the network: shims of that version read it.
    pub(super) fn write(&self, place: &Path, in_use: bool) -> Result<()> {
        let document = place.join(DOCUMENT);
        if in_use && document.exists() {
            return write_json(&document, self);
        }
        let directory = place.join("leases");
        make_directory(&directory)?;
        let there: BTreeSet<String> = names_in(&directory)?.into_iter().collect();
        let wanted = self.0.iter().map(|(address, owner)| format!("{address}@{owner}")).collect();
        let file = directory.join(FILE);
        if !there.contains(FILE) {
            File::create(&file).map_err(file_error("create", &file))?;
        }
        for name in BTreeSet::difference(&wanted, &there) {
            let path = directory.join(name);
            // A file of its own where a file cannot have as many names.
            fs::hard_link(&file, &path)
                .or_else(|_| File::create(&path).map(drop))
                .map_err(file_error("create", &path))?;
        }
        for name in there.difference(&wanted).filter(|name| *name != FILE) {
            remove_file(&directory.join(name))?;
        }
        remove_file(&document)
    }

    pub(super) fn of(&self, container: &str) -> Option<Ipv4Addr> {
        self.0.iter().find(|(_, owner)| *owner == container).map(|(address, _)| *address)
    }

    /// The address that `container` wants, or the one it has, or the first that is free.
    pub(super) fn take(
        &mut self,
        network: &NetworkDefinition,
        container: &str,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr> {
        let address = match (wanted, self.of(container)) {
            (Some(wanted), _) => self.checked(network, container, wanted)?,
            (None, Some(address)) if is_free(network, address) => address,
            _ => self.first_free(network)?,
        };
        self.0.retain(|_, owner| owner != container);
        self.0.insert(address, container.to_owned());
        Ok(address)
    }

    fn checked(
        &self,
        network: &NetworkDefinition,
        container: &str,
        address: Ipv4Addr,
    ) -> Result<Ipv4Addr> {
        if !network.subnet.contains(address) {
            let subnet = network.subnet;
            return Err(NetworkError::Outside {
                what: "address",
                address: address.to_string(),
                subnet,
            });
        }
        let taken = |why: String| NetworkError::AddressTaken {
            network: network.name.clone(),
            address,
            why,
        };
        if address == network.gateway {
            return Err(taken("its gateway's".to_owned()));
        }
        if address == network.subnet.network() || address == network.subnet.broadcast() {
            return Err(taken("no host's".to_owned()));
        }
        match self.0.get(&address) {
            Some(owner) if owner != container => {
                let short = owner.get(..12).unwrap_or(owner);
                Err(taken(format!("that of container {short}")))
            }
            _ => Ok(address),
        }
    }

    fn first_free(&self, network: &NetworkDefinition) -> Result<Ipv4Addr> {
        let range = network.ip_range.unwrap_or(network.subnet);
        let free = |address: &Ipv4Addr| is_free(network, *address) && !self.0.contains_key(address);
        let full = || NetworkError::NoAddress { network: network.name.clone(), range };
        // A range's own edges are usable, but not those of the subnet.
        let (first, last) = (range.network().to_bits(), range.broadcast().to_bits());
        (first..=last).map(Ipv4Addr::from_bits).find(free).ok_or_else(full)
    }

    /// Forgets the containers that are no more. False if there were none.
    pub(super) fn reclaim(&mut self, exists: impl Fn(&str) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|_, owner| exists(owner));
        self.0.len() < before
    }

    pub(super) fn release(&mut self, container: &str) -> bool {
        self.reclaim(|owner| owner != container)
    }
}

/// Nobody of the network itself has it.
fn is_free(network: &NetworkDefinition, address: Ipv4Addr) -> bool {
    network.subnet.contains(address)
        && address != network.subnet.network()
        && address != network.subnet.broadcast()
        && address != network.gateway
        && !network.reserved.values().any(|reserved| *reserved == address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::directory::tests::network;

    fn take(leases: &mut Leases, net: &NetworkDefinition, container: &str) -> String {
        let taken = leases.take(net, container, None);
        taken.map_or_else(|error| error.to_string(), |address| address.to_string())
    }

    #[test]
    fn addresses_are_given_out_in_order_and_kept() {
        let net = network("10.0.0.0/29");
        let mut leases = Leases::default();
        let given: Vec<_> = ["a", "b", "a", "c"].map(|c| take(&mut leases, &net, c)).into();
        assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.2", "10.0.0.4"]);
        assert!(leases.release("b") && !leases.release("b"));
        assert_eq!(take(&mut leases, &net, "d"), "10.0.0.3");
        assert_eq!(take(&mut leases, &net, "e"), "10.0.0.5");
        assert_eq!(take(&mut leases, &net, "f"), "10.0.0.6");
        let full = take(&mut leases, &net, "g");
        assert_eq!(full, "network `net` has no free address left in 10.0.0.0/29");
        assert!(leases.reclaim(|owner| owner != "c"));
        assert_eq!(take(&mut leases, &net, "g"), "10.0.0.4");
    }

    #[test]
    fn a_range_limits_what_is_given_out_but_not_what_is_asked_for() {
        let mut net = network("10.0.0.0/24");
        net.ip_range = Some("10.0.0.128/31".parse().unwrap());
        net.reserved.insert("router".to_owned(), [10, 0, 0, 128].into());
        let mut leases = Leases::default();
        assert_eq!(take(&mut leases, &net, "a"), "10.0.0.129");
        assert!(take(&mut leases, &net, "b").starts_with("network `net` has no free address"));
        let wanted = |text: &str| Some(text.parse().unwrap());
        let mut ask = |text| leases.take(&net, "b", wanted(text)).is_ok();
        assert!(ask("10.0.0.7") && ask("10.0.0.7") && ask("10.0.0.8"));
        for wrong in ["10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.7", "10.0.0.129"] {
            assert!(!ask(wrong), "{wrong}");
        }
        assert_eq!(leases.of("b"), wanted("10.0.0.8"));
    }
}
