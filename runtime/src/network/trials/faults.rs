//! Each place between the steps of attaching, detaching and publishing fails once, and once the process dies there.
use super::super::definition::NetworkRequest;
use super::super::directory::Result;
use super::super::failpoint::armed::{Fault, Outcome, with_fault};
use super::super::port::{BoundPort, ContainerPort, Protocol};
use super::world::{World, within_one};

/// More than anything has.
const MOST: usize = 100;

pub(super) fn port(host_port: u16) -> BoundPort {
    let container = ContainerPort { port: 53, protocol: Protocol::Udp };
    BoundPort { host_ip: None, host_port, container }
}

/// Tries every place, of which there are at least `least`; `act` gets a fresh world each time, in which it arms the fault.
pub(super) fn every_place(
    least: usize,
    act: impl Fn(&World, usize, Fault) -> bool + Clone + Send + 'static,
) {
    for fault in [Fault::Fails, Fault::Dies] {
        let act = act.clone();
        within_one(move |world| {
            world.create("net");
            let count = (0..MOST).take_while(|place| act(world, *place, fault)).count();
            assert!((least..MOST).contains(&count), "{count} places");
            world.networks.recover().unwrap();
            world.assert_in_order("at the end");
            assert!(world.endpoints().is_empty());
        });
    }
}

#[test]
fn whatever_fails_while_one_comes_nothing_is_left() {
    every_place(10, |world, place, fault| {
        let mut resident = world.resident("late");
        let outcome = with_fault(place, fault, || world.attach(&resident, "net", vec![port(5353)]));
        match &outcome {
            Outcome::NotReached(attached) => {
                attached.as_ref().unwrap();
            }
            Outcome::Failed(failed) => {
                let told = failed.as_ref().unwrap_err().to_string();
                assert!(told.contains("a test says so"), "{told}");
                // Nothing has to be repaired.
                world.assert_in_order(&format!("place {place}"));
                assert!(world.endpoints().is_empty(), "place {place}");
            }
            Outcome::Died => {}
        }
        resident.kill();
        world.networks.recover().unwrap();
        world.settle();
        world.assert_in_order(&format!("{fault:?} at {place}, recovered"));
        assert!(world.endpoints().is_empty());
        !matches!(outcome, Outcome::NotReached(_))
    });
}

#[test]
fn whatever_fails_while_one_goes_the_others_are_not_touched() {
    every_place(3, |world, place, fault| {
        let (stays, mut goes) = (world.resident("stays"), world.resident("goes"));
        world.create(&format!("own{place}"));
        world.attach(&stays, "net", Vec::new()).unwrap();
        world.attach(&goes, &format!("own{place}"), Vec::new()).unwrap();
        let endpoint = world.attach(&goes, "net", vec![port(5353)]).unwrap();
        let outcome = with_fault(place, fault, || world.detach(&endpoint));
        if let Outcome::NotReached(done) = &outcome {
            done.as_ref().unwrap();
        }
        let on_net = ("stays".to_owned(), "net".to_owned());
        match &outcome {
            Outcome::Died => goes.kill(),
            _ => world.networks.reload().unwrap(),
        }
        world.networks.recover().unwrap();
        world.settle();
        world.assert_in_order(&format!("{fault:?} at {place}"));
        assert!(world.endpoints().contains(&on_net));
        for mut resident in [stays, goes] {
            resident.kill();
        }
        world.networks.recover().unwrap();
        world.settle();
        !matches!(outcome, Outcome::NotReached(_))
    });
}

#[test]
fn whatever_fails_while_ports_change_a_reload_mends_it() {
    every_place(3, |world, place, fault| {
        let mut resident = world.resident("web");
        let mut endpoint = world.attach(&resident, "net", vec![port(5353)]).unwrap();
        let outcome = with_fault(place, fault, || {
            let guard = world.networks.lock()?;
            world.networks.publish(&guard, &mut endpoint, vec![port(5354), port(5355)])
        });
        if let Outcome::NotReached(done) = &outcome {
            done.as_ref().unwrap();
        }
        world.networks.reload().unwrap();
        world.assert_in_order(&format!("{fault:?} at {place}"));
        resident.kill();
        world.networks.recover().unwrap();
        world.settle();
        !matches!(outcome, Outcome::NotReached(_))
    });
}

#[test]
fn whatever_fails_while_a_network_is_made_or_removed_it_is_there_or_not() {
    every_place(3, |world, place, fault| {
        let names = || -> Vec<String> {
            world.networks.list().unwrap().into_iter().map(|network| network.name).collect()
        };
        let request = NetworkRequest { name: "new".to_owned(), ..NetworkRequest::default() };
        let make = || world.networks.create(&world.networks.lock()?, &request);
        let outcome = with_fault(place, fault, make);
        // Whoever was told that it failed may try again.
        if !names().contains(&"new".to_owned()) {
            make().unwrap();
        }
        assert_eq!((names(), world.halves()), (vec!["net".to_owned(), "new".to_owned()], 0));
        remove(world, "new").unwrap();
        !matches!(outcome, Outcome::NotReached(_))
    });
    every_place(2, |world, place, fault| {
        world.create("old");
        let outcome = with_fault(place, fault, || remove(world, "old"));
        let found = world.networks.find("old");
        match outcome {
            Outcome::NotReached(_) => assert!(found.is_err()),
            _ if found.is_ok() => remove(world, "old").unwrap(),
            _ => {}
        }
        world.create("another");
        assert_eq!(world.halves(), 0);
        remove(world, "another").unwrap();
        !matches!(outcome, Outcome::NotReached(_))
    });
}

fn remove(world: &World, name: &str) -> Result<()> {
    let guard = world.networks.lock()?;
    world.networks.remove(&guard, &world.networks.find(name)?)
}

/// The first who comes to a network whose subnet the host has a route to by now.
#[test]
fn whatever_fails_while_a_subnet_gives_way_it_has_one() {
    every_place(11, |world, place, fault| {
        let name = format!("moves{place}");
        let subnet = world.create(&name).subnet;
        world.route("add", subnet);
        let mut resident = world.resident("late");
        let outcome = with_fault(place, fault, || world.attach(&resident, &name, Vec::new()));
        resident.kill();
        world.networks.recover().unwrap();
        world.settle();
        let mut resident = world.resident("later");
        let endpoint = world.attach(&resident, &name, Vec::new()).unwrap();
        assert!(!subnet.contains(endpoint.address), "{endpoint:?}");
        resident.kill();
        world.networks.recover().unwrap();
        world.settle();
        remove(world, &name).unwrap();
        world.route("del", subnet);
        !matches!(outcome, Outcome::NotReached(_))
    });
}
