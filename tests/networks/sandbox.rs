//! The network of a container outlives its program, and nothing outlives its shim.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::{HOST, World, until};

#[test]
fn a_restart_keeps_address_ports_and_who_joined() {
    let Some(world) = World::new() else { return };
    world.serve("web", "--restart always -p 8080:80");
    let address = world.address("web");
    world
        .shell("run -d --name joined --network container:web busybox", "exec sleep 1000")
        .success();
    let namespace =
        |name: &str| world.rbuild(&format!("exec {name} readlink /proc/self/ns/net")).stdout;
    let before = namespace("web");
    assert_eq!(namespace("joined"), before);
    assert_eq!(world.fetch_in("joined", "127.0.0.1", 80).as_deref(), Some("hello web"));
    // Only the network is shared.
    let hosts = world.rbuild("exec joined cat /etc/hosts").success().stdout;
    assert!(hosts.contains(&address), "{hosts}");
    assert_eq!(world.rbuild("exec joined ls /www").status, Some(1));
    let process = world.look("web", "{{.State.Pid}}").parse().unwrap();
    kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
    until("it is started again", || {
        world.look("web", "{{.RestartCount}}") == "1"
            && world.fetch_in("joined", "127.0.0.1", 80).is_some()
    });
    assert_eq!((namespace("web"), namespace("joined")), (before.clone(), before));
    assert_eq!(world.address("web"), address);
    assert!(world.outside.fetch(&format!("http://{HOST}:8080/")).is_some());
    // With another shim it is another namespace, but the same address.
    world.rbuild("restart -t 0 web").success();
    assert_eq!(world.address("web"), address);
    let missing = world.rbuild("run --rm --network container:nobody busybox true");
    missing.exits(125).says("container `nobody` does not exist");
    world.rbuild("rm -f joined").success();
    world.rbuild("stop -t 0 web").success();
    let gone = world.rbuild("run --rm --network container:web busybox true");
    gone.exits(125).says("it is not running");
}

#[test]
fn addresses_are_kept_until_the_container_goes() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/29 net").success();
    for name in ["aa", "bb", "cc", "dd", "ee"] {
        world.rbuild(&format!("run -d --name {name} --network net busybox sleep 1000")).success();
    }
    assert_eq!(
        (world.address("aa"), world.address("ee")),
        ("10.77.0.2".into(), "10.77.0.6".into())
    );
    let full = world.rbuild("run --rm --network net busybox true");
    full.exits(125).says("network `net` has no free address left in 10.77.0.0/29");
    world.rbuild("stop -t 0 bb").success();
    // A container that is stopped has not given its address back.
    world.rbuild("run --rm --network net busybox true").exits(125);
    world
        .rbuild("run --rm --network net --ip 10.77.0.3 busybox true")
        .exits(125)
        .says("that of container");
    world.rbuild("start bb").success();
    assert_eq!(world.address("bb"), "10.77.0.3");
    world.rbuild("rm -f bb").success();
    world.rbuild("run --rm --network net busybox true").success();
}

#[test]
fn nothing_is_left_whatever_dies() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    world.serve("web", "--network net -p 8080:80");
    world.serve("stays", "");
    let shim = world.shim("web");
    kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
    until("it is seen as dead", || world.look("web", "{{.State.Status}}") == "exited");
    let left = world.left();
    assert_eq!(left.iter().filter(|name| name.starts_with("rb")).count(), 1, "{left:?}");
    assert!(!world.host.connects("127.0.0.1", 8080));
    // Its port and address are free again, for itself.
    world.rbuild("start web").success();
    until("it is back", || world.host.fetch("http://127.0.0.1:8080/").is_some());
    world.rbuild("rm -f web stays").success();
    world.until_nothing_is_left();
    world.rbuild("run --rm busybox true").success();
    world.until_nothing_is_left();
}

#[test]
fn what_others_remove_is_made_again() {
    let Some(world) = World::new() else { return };
    world.serve("web", "-p 8080:80");
    let url = format!("http://{HOST}:8080/");
    if crate::support::installed("nft") {
        world.host.command("nft", ["flush", "ruleset"]);
        // The next command repairs it.
        world.rbuild("ps").success();
        world.rbuild("network rules").success();
        assert!(world.outside.fetch(&url).is_some());
    }
    let bridge = world.look("bridge", "{{index .Options \"com.docker.network.bridge.name\"}}");
    world.host.command("ip", ["link", "del", &bridge]);
    assert!(world.outside.fetch(&url).is_none());
    world.rbuild("network reload").success();
    assert!(world.outside.fetch(&url).is_some());
}

#[test]
fn another_firewall_that_drops_is_told_of_or_has_a_chain_for_us() {
    let Some(world) = World::new() else { return };
    if !crate::support::installed("nft") {
        return;
    }
    let nft = |line: &str| {
        world.host.command("nft", [line]);
    };
    nft("add table ip filter");
    nft("add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }");
    let refused = world.rbuild("run --rm busybox true");
    refused.exits(125).says("the chain `filter FORWARD` of another firewall drops");
    nft("add chain ip filter DOCKER-USER");
    nft("add rule ip filter FORWARD jump DOCKER-USER");
    world.serve("web", "-p 8080:80");
    world.serve("other", "");
    assert!(world.outside.fetch(&format!("http://{HOST}:8080/")).is_some());
    assert!(world.fetch_in("other", &world.address("web"), 80).is_some());
    let rules = world.host.command("nft", ["list", "chain", "ip", "filter", "DOCKER-USER"]).stdout;
    assert_eq!(rules.matches("comment \"rbuild-").count(), 4, "{rules}");
    world.rbuild("rm -f web other").success();
    until("the rules are gone", || {
        let chain = ["list", "chain", "ip", "filter", "DOCKER-USER"];
        !world.host.command("nft", chain).stdout.contains("rbuild-")
    });
}

/// The last shim of a network removes its bridge a moment after the end has been told.
#[test]
fn a_store_that_is_removed_leaves_no_bridge_and_does_not_come_back() {
    let Some(world) = World::new() else { return };
    world.rbuild("run --rm busybox true").success();
    std::fs::remove_dir_all(world.sandbox.root()).unwrap();
    world.until_nothing_is_left();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!world.sandbox.root().exists());
}

#[test]
fn a_bridge_that_is_kept_is_as_it_should_be() {
    let Some(world) = World::new() else { return };
    for _ in 0..3 {
        world.rbuild("run --rm busybox true").success();
        world.rbuild("network rules").success();
    }
}
