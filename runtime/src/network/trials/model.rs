//! Random changes of networks and of who is on them, faults and other people's changes among them; after each one the
//! kernel has what a model says, and nothing else.
//!
//! `RBUILD_TEST_CASES` says how many sequences (100 by default), `RBUILD_TEST_SEED` where to begin.
use std::collections::{BTreeMap, BTreeSet};

use super::super::error::NetworkError;
use super::super::failpoint::armed::{Fault, Outcome, with_fault};
use super::super::firewall::Firewall;
use super::super::netlink::Socket;
use super::super::netlink::conntrack::count_udp;
use super::super::netlink::link::{find_link, remove_link};
use super::super::port::{BoundPort, ContainerPort, Protocol};
use super::world::{Resident, World, within_one};

const NETWORKS: [&str; 3] = ["one", "two", "three"];
const RESIDENTS: [&str; 4] = ["aa", "bb", "cc", "dd"];
const LENGTH: usize = 6;
/// Sequences that share a namespace and a store: what one leaves, the next one finds.
const TOGETHER: usize = 10;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) >> 1).unwrap() % limit
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }
}

/// What should be.
#[derive(Debug, Default)]
struct Model {
    networks: BTreeSet<&'static str>,
    /// Container, network, and the port it has published there.
    attached: BTreeMap<(&'static str, &'static str), Option<u16>>,
}

struct Sequence<'a> {
    world: &'a World,
    residents: BTreeMap<&'static str, Resident>,
    model: Model,
    random: Random,
    next_port: u16,
    log: Vec<String>,
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::vars().find(|(found, _)| found == name)?.1;
    Some(value.parse().unwrap())
}

#[test]
fn after_any_changes_the_kernel_has_what_the_model_says() {
    let first = number("RBUILD_TEST_SEED");
    let count = number("RBUILD_TEST_CASES").unwrap_or(if first.is_some() { 1 } else { 100 });
    let first = first.unwrap_or(0);
    let seeds: Vec<u64> = (first..first + count).collect();
    // The kernel takes its time to remove interfaces: most of each sequence is waiting.
    std::thread::scope(|scope| {
        for some in seeds.chunks(TOGETHER) {
            let some = some.to_vec();
            scope.spawn(|| {
                within_one(move |world| some.into_iter().for_each(|seed| run(world, seed)))
            });
        }
    });
}

fn run(world: &World, seed: u64) {
    let known = world.networks.list().unwrap();
    let networks = NETWORKS.into_iter().filter(|name| known.iter().any(|it| it.name == *name));
    let mut sequence = Sequence {
        world,
        residents: BTreeMap::new(),
        model: Model { networks: networks.collect(), ..Model::default() },
        random: Random(seed),
        next_port: 20_000,
        log: vec![format!("RBUILD_TEST_SEED={seed}")],
    };
    for _ in 0..LENGTH {
        sequence.step();
        sequence.check();
    }
    let names: Vec<&'static str> = sequence.residents.keys().copied().collect();
    names.into_iter().for_each(|name| sequence.kill(name));
    sequence.check();
}

impl Sequence<'_> {
    fn step(&mut self) {
        let network = self.random.pick(&NETWORKS);
        let name = self.random.pick(&RESIDENTS);
        match self.random.below(12) {
            0 => self.create(network),
            1..=4 => self.attach(name, network),
            5 | 6 => self.detach(name, network),
            7 => self.kill(name),
            8 => self.flush(),
            9 => self.delete_bridge(network),
            10 => self.remove_network(network),
            _ => {
                self.log.push("reload".to_owned());
                self.world.networks.reload().unwrap();
            }
        }
    }

    fn fault(&mut self) -> Option<(usize, Fault)> {
        match self.random.below(4) {
            0 => Some((self.random.below(14), Fault::Fails)),
            1 => Some((self.random.below(14), Fault::Dies)),
            _ => None,
        }
    }

    fn create(&mut self, network: &'static str) {
        if self.model.networks.insert(network) {
            self.log.push(format!("create {network}"));
            self.world.create(network);
        }
    }

    fn attach(&mut self, name: &'static str, network: &'static str) {
        self.create(network);
        if !self.residents.contains_key(name) {
            self.residents.insert(name, self.world.resident(name));
        }
        let is_there = self.model.attached.contains_key(&(name, network));
        // One of its networks leads out, and there its port is published.
        let publishes =
            !self.model.attached.iter().any(|((n, _), port)| *n == name && port.is_some());
        self.next_port += 1;
        let port = publishes.then_some(self.next_port);
        let ports = port.map(published).into_iter().collect();
        let fault = if is_there { None } else { self.fault() };
        self.log.push(format!("attach {name} to {network}, {port:?}, {fault:?}"));
        let resident = &self.residents[name];
        let outcome = match fault {
            Some((place, fault)) => {
                with_fault(place, fault, || self.world.attach(resident, network, ports))
            }
            None => Outcome::NotReached(self.world.attach(resident, network, ports)),
        };
        match outcome {
            Outcome::NotReached(attached) if is_there => {
                assert!(matches!(attached, Err(NetworkError::Attached { .. })), "{:#?}", self.log);
            }
            Outcome::NotReached(attached) => {
                attached.unwrap();
                self.model.attached.insert((name, network), port);
            }
            Outcome::Failed(failed) => drop(failed.unwrap_err()),
            Outcome::Died => self.kill(name),
        }
    }

    fn detach(&mut self, name: &'static str, network: &'static str) {
        if !self.model.attached.contains_key(&(name, network)) {
            return;
        }
        let fault = self.fault();
        self.log.push(format!("detach {name} from {network}, {fault:?}"));
        let found = self.world.networks.find(network).unwrap();
        let ends = self.world.networks.endpoints(&found.id).unwrap();
        let endpoint = ends.into_iter().find(|end| end.name == name).unwrap();
        let outcome = match fault {
            Some((place, fault)) => with_fault(place, fault, || self.world.detach(&endpoint)),
            None => Outcome::NotReached(self.world.detach(&endpoint)),
        };
        match outcome {
            Outcome::NotReached(done) => done.unwrap(),
            Outcome::Failed(failed) => {
                drop(failed.unwrap_err());
                self.world.networks.reload().unwrap();
                // Its file says whether it has gone.
                if self.world.endpoints().contains(&(name.to_owned(), network.to_owned())) {
                    return;
                }
            }
            Outcome::Died => return self.kill(name),
        }
        self.model.attached.remove(&(name, network));
    }

    /// The container is removed too, so that its addresses are free.
    fn kill(&mut self, name: &'static str) {
        let Some(mut resident) = self.residents.remove(name) else { return };
        self.log.push(format!("kill {name}"));
        resident.kill();
        self.world.networks.recover().unwrap();
        let guard = self.world.networks.lock().unwrap();
        self.world.networks.release(&guard, &resident.id).unwrap();
        drop(guard);
        self.model.attached.retain(|(owner, _), _| *owner != name);
        self.world.settle();
    }

    fn flush(&mut self) {
        self.log.push("flush ruleset".to_owned());
        let table = self.world.networks.names.table();
        Firewall::open(table).unwrap().remove().unwrap();
        // What the next command does.
        self.world.networks.recover().unwrap();
    }

    fn delete_bridge(&mut self, network: &'static str) {
        let Ok(found) = self.world.networks.find(network) else { return };
        let mut socket = Socket::route().unwrap();
        let name = self.world.networks.bridge_name(&found);
        let Some(link) = find_link(&mut socket, &name).unwrap() else { return };
        self.log.push(format!("delete the bridge of {network}"));
        socket.request(remove_link(link.index)).unwrap();
        self.world.networks.reload().unwrap();
    }

    fn remove_network(&mut self, network: &'static str) {
        if !self.model.networks.contains(network) {
            return;
        }
        self.log.push(format!("remove {network}"));
        let is_used = self.model.attached.keys().any(|(_, used)| *used == network);
        let guard = self.world.networks.lock().unwrap();
        let found = self.world.networks.find(network).unwrap();
        let removed = self.world.networks.remove(&guard, &found);
        match removed {
            Ok(()) if !is_used => {
                self.model.networks.remove(network);
            }
            Err(NetworkError::InUse { .. }) if is_used => {}
            other => panic!("{other:?} after {:#?}", self.log),
        }
    }

    fn check(&self) {
        let when = format!("after {:#?}", self.log);
        let expected = self.model.attached.keys();
        let expected: BTreeSet<(String, String)> =
            expected.map(|(name, network)| ((*name).to_owned(), (*network).to_owned())).collect();
        assert_eq!(self.world.endpoints(), expected, "{when}");
        self.world.assert_in_order(&when);
        let names: BTreeSet<String> =
            self.world.networks.list().unwrap().into_iter().map(|found| found.name).collect();
        let wanted: BTreeSet<String> =
            self.model.networks.iter().map(ToString::to_string).collect();
        assert_eq!(names, wanted, "{when}");
        self.check_leases(&when);
        self.check_connections(&when);
    }

    /// Everybody has the address that the leases say, and nobody has one who is no more.
    fn check_leases(&self, when: &str) {
        let living: BTreeSet<&str> =
            self.residents.values().map(|resident| resident.id.as_str()).collect();
        for network in self.world.networks.list().unwrap() {
            let leases = self.world.networks.leases(&network.id).unwrap();
            for end in self.world.networks.endpoints(&network.id).unwrap() {
                assert_eq!(leases.of(&end.container), Some(end.address), "{when}");
            }
            let mut strangers = leases.clone();
            assert!(!strangers.reclaim(|owner| living.contains(owner)), "{when}: {leases:?}");
        }
    }

    /// A packet to each port that was ever published is remembered only if somebody has it now.
    fn check_connections(&self, when: &str) {
        let mut socket = Socket::netfilter().unwrap();
        let published: BTreeSet<u16> = self.model.attached.values().flatten().copied().collect();
        for port in 20_001..=self.next_port {
            let count = count_udp(&mut socket, port).unwrap();
            assert!(count == 0 || published.contains(&port), "port {port} {when}");
        }
        // Makes the kernel remember something, for the checks that follow.
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for port in published {
            // Nobody answers, which the next one may be told.
            let _refused = sender.send_to(b"x", ("127.0.0.1", port));
        }
    }
}

fn published(host_port: u16) -> BoundPort {
    let container = ContainerPort { port: 53, protocol: Protocol::Udp };
    BoundPort { host_ip: None, host_port, container }
}
