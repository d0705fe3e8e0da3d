//! A bridge that somebody keeps stays, and goes with its keeper.
use std::fs;

use super::super::definition::NetworkDefinition;
use super::super::netlink::Socket;
use super::super::netlink::link::find_link;
use super::world::{Resident, World, within_one};

fn has_bridge(world: &World, network: &NetworkDefinition) -> bool {
    let name = world.networks.bridge_name(network);
    find_link(&mut Socket::route().unwrap(), &name).unwrap().is_some()
}

/// As a shim does whose container was the last one.
fn leave(world: &World, resident: &Resident, network: &NetworkDefinition) {
    let endpoint = world.networks.endpoints(&network.id).unwrap().remove(0);
    let guard = world.networks.lock().unwrap();
    world.networks.detach(&guard, &endpoint, true).unwrap();
    world.networks.keep_bridge(network, resident.process).unwrap();
}

#[test]
fn a_bridge_is_kept_for_as_long_as_its_keeper_lives() {
    within_one(|world| {
        let network = world.create("net");
        let mut keeper = world.resident("keeper");
        world.attach(&keeper, "net", Vec::new()).unwrap();
        leave(world, &keeper, &network);
        world.networks.recover().unwrap();
        assert!(has_bridge(world, &network));
        keeper.kill();
        world.networks.recover().unwrap();
        assert!(!has_bridge(world, &network));
        assert!(!world.networks.runtime_directory().exists());
    });
}

#[test]
fn who_is_on_the_network_has_no_keeper() {
    within_one(|world| {
        let network = world.create("net");
        let (keeper, guest) = (world.resident("keeper"), world.resident("guest"));
        world.attach(&keeper, "net", Vec::new()).unwrap();
        leave(world, &keeper, &network);
        world.attach(&guest, "net", Vec::new()).unwrap();
        // The keeper's time is over.
        let guard = world.networks.lock().unwrap();
        world.networks.remove_bridge(&guard, &network).unwrap();
        assert!(has_bridge(world, &network));
        // Another one does not become it while somebody is there.
        world.networks.leave_endpoints(&guard, &network.id).unwrap();
        world.networks.keep_bridge(&network, keeper.process).unwrap();
        assert_eq!(world.networks.keeper(&network.id), None);
    });
}

#[test]
fn what_was_half_written_goes_with_the_bridge() {
    within_one(|world| {
        let network = world.create("net");
        let mut guest = world.resident("guest");
        world.attach(&guest, "net", Vec::new()).unwrap();
        let half = world.networks.endpoints_directory(&network.id).join("x.writing");
        fs::write(&half, "{").unwrap();
        guest.kill();
        world.networks.recover().unwrap();
        assert!(!half.exists());
        assert!(!world.networks.runtime_directory().exists());
    });
}
