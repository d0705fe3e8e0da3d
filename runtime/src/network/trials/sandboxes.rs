//! Each place between the steps of a container's whole network: it is opened, changed and closed.
use std::collections::BTreeSet;

use super::super::directory::Result;
use super::super::failpoint::armed::{Outcome, places, with_fault};
use super::super::port::{ContainerPort, Protocol, PublishedPort};
use super::super::sandbox::{Owner, Sandbox, SandboxSpace};
use super::super::settings::{Attachment, NetworkSettings};
use super::faults::every_place;
use super::world::{Resident, World, within_one};

/// On these networks, with a published port.
fn settings(networks: &[&str]) -> NetworkSettings {
    let container = ContainerPort { port: 53, protocol: Protocol::Udp };
    NetworkSettings {
        attachments: networks.iter().copied().map(Attachment::to).collect(),
        ports: vec![PublishedPort { host_ip: None, host_ports: None, container }],
        ..NetworkSettings::default()
    }
}

fn open(world: &World, resident: &Resident, networks: &[&str]) -> Result<Sandbox> {
    let Resident { id, name, process: shim, .. } = resident;
    let owner = Owner { id: id.clone(), name: name.clone(), shim: *shim, administers: false };
    Sandbox::open(world.networks.clone(), owner, &settings(networks), SandboxSpace::New)
}

fn close(sandbox: Sandbox) -> Result<()> {
    sandbox.close()?.remove()
}

fn on(world: &World) -> BTreeSet<String> {
    world.endpoints().into_iter().map(|(_, network)| network).collect()
}

/// The shim has been killed, and another command looks.
#[track_caller]
fn assert_nothing_is_left(world: &World, resident: &mut Resident, when: &str) {
    resident.kill();
    world.networks.recover().unwrap();
    world.settle();
    world.assert_in_order(when);
    assert!(world.endpoints().is_empty(), "{when}");
}

#[test]
fn whatever_fails_while_a_sandbox_opens_nothing_is_left() {
    every_place(20, |world, place, fault| {
        if place == 0 {
            world.create("second");
        }
        let mut resident = world.resident("web");
        let outcome = with_fault(place, fault, || open(world, &resident, &["net", "second"]));
        let reached = match outcome {
            Outcome::NotReached(sandbox) => {
                close(sandbox.unwrap()).unwrap();
                false
            }
            Outcome::Failed(failed) => {
                let told = failed.unwrap_err().to_string();
                assert!(told.contains("a test says so"), "{told}");
                // Nothing has to be repaired.
                world.settle();
                world.assert_in_order(&format!("place {place}"));
                true
            }
            Outcome::Died => true,
        };
        assert_nothing_is_left(world, &mut resident, &format!("{fault:?} at {place}"));
        reached
    });
}

/// From one network to another. Who is told that it failed has the choice between both.
#[test]
fn whatever_fails_while_a_sandbox_changes_it_can_go_on_or_back() {
    for onward in [true, false] {
        every_place(20, move |world, place, fault| {
            if place == 0 {
                world.create("second");
            }
            let mut resident = world.resident("web");
            let mut sandbox = open(world, &resident, &["net"]).unwrap();
            let outcome =
                with_fault(place, fault, || sandbox.change(&settings(&["second"])).map(|_| ()));
            let when = format!("{fault:?} at {place}");
            if let Outcome::Failed(_) = outcome {
                let wanted = if onward { "second" } else { "net" };
                sandbox.change(&settings(&[wanted])).unwrap();
                world.networks.reload().unwrap();
                world.assert_in_order(&when);
                assert_eq!(on(world), [wanted.to_owned()].into(), "{when}");
                assert_eq!(sandbox.ports().len(), 1);
            }
            drop(sandbox);
            assert_nothing_is_left(world, &mut resident, &when);
            !matches!(outcome, Outcome::NotReached(_))
        });
    }
}

#[test]
fn whatever_fails_while_a_sandbox_closes_the_next_command_finds_it() {
    every_place(7, |world, place, fault| {
        let mut resident = world.resident("web");
        let sandbox = open(world, &resident, &["net"]).unwrap();
        let outcome = with_fault(place, fault, || close(sandbox));
        assert_nothing_is_left(world, &mut resident, &format!("{fault:?} at {place}"));
        !matches!(outcome, Outcome::NotReached(_))
    });
}

/// By which a container comes to a network that nobody is on.
const COMES: [&str; 14] = [
    "the network has a place for endpoints",
    "other firewalls let the bridge through",
    "the bridge is there without an address",
    "the bridge has its address",
    "the kernel is set",
    "the bridge is there",
    "it has an address",
    "the endpoint is written",
    "the pair is there",
    "its senders are checked",
    "the pair is connected",
    "the container's end has its address",
    "the firewall lets it through",
    "old connections are forgotten",
];
const GOES: [&str; 3] =
    ["the firewall has forgotten it", "the endpoint is gone", "its connections are forgotten"];
const NOBODY_IS_LEFT: [&str; 2] =
    ["the bridge is gone", "other firewalls have forgotten the bridge"];
const SERVED: [&str; 2] = ["its name server has sockets", "its name server runs"];

/// A step without a place beside it is tried by nobody.
#[test]
fn these_are_the_places() {
    within_one(|world| {
        world.create("net");
        world.create("second");
        let resident = world.resident("web");
        let mut sandbox = None;
        let opened = places(|| open(world, &resident, &["net"]).map(|made| sandbox = Some(made)));
        let mut sandbox = sandbox.unwrap();
        let changed = places(|| sandbox.change(&settings(&["second"])));
        let closed = places(|| close(sandbox));
        let held = ["its ports are held", "its namespace is there"];
        let new = ["it is to have a name server"];
        assert_eq!(opened, [&held[..], &COMES, &new, &SERVED].concat());
        let published = [
            "it has come to its networks",
            "its default route leads out",
            "the endpoint has other ports",
            "the old ports lead nowhere",
            "the new ports lead to it",
            "its ports are published where they should be",
        ];
        let left = [&GOES[..], &["it has left a network"], &NOBODY_IS_LEFT].concat();
        let changes = [&left[..], &["it has left its networks"], &COMES, &published, &SERVED];
        assert_eq!(changed, changes.concat());
        let kept = [&["nobody answers it any more"], &GOES[..], &["somebody keeps the bridge"]];
        assert_eq!(closed, [kept.concat(), NOBODY_IS_LEFT.to_vec()].concat());
    });
}
