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
    // Who joined keeps the old one, which leads nowhere, until it is started again.
    assert_ne!(namespace("joined"), namespace("web"));
    assert_eq!(world.fetch_in("joined", HOST, 8080), None);
    world.rbuild("restart -t 0 joined").success();
    assert_eq!(namespace("joined"), namespace("web"));
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

/// The pair of before goes with its namespace, which nothing is to keep.
#[test]
fn after_a_restart_there_is_one_port_with_the_containers_address() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    world.serve("web", "--network net");
    world.rbuild("run -d --name other --network net busybox sleep 1000").success();
    let address = world.look("web", "{{.NetworkSettings.Networks.net.IPAddress}}");
    for _ in 0..5 {
        world.rbuild("restart -t 0 web").success();
        until("the server answers", || {
            world.fetch_in("other", &address, 80).as_deref() == Some("hello web")
        });
        until("the old port is gone", || {
            let links = world.host.command("ip", ["-brief", "link"]).stdout;
            links.lines().filter(|line| line.starts_with("rv")).count() == 2
        });
    }
}

#[test]
fn who_cannot_come_to_a_network_is_where_it_was() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    world.rbuild("run -d --name aa --network net --ip 10.77.0.9 busybox sleep 1000").success();
    world.rbuild("run -d --name bb busybox sleep 1000").success();
    let refused = world.rbuild("network connect --ip 10.77.0.9 net bb");
    refused.exits(1).says("10.77.0.9");
    let template = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    assert_eq!(world.look("bb", template), "bridge");
    world.rbuild("network connect net bb").success();
    world.rbuild("rm -f aa bb").success();
    world.rbuild("network rm net").success();
    world.until_nothing_is_left();
}

#[test]
fn the_default_route_goes_by_the_network_of_the_highest_priority() {
    let Some(world) = World::new() else { return };
    for number in 1..=3 {
        world.rbuild(&format!("network create --subnet 10.7{number}.0.0/24 net{number}")).success();
    }
    let flags =
        "run -d --name aa --network net1 --network name=net2,gw-priority=5 busybox sleep 1000";
    world.rbuild(flags).success();
    let way_out =
        || world.rbuild("exec aa ip route").success().stdout.lines().next().unwrap().to_owned();
    assert_eq!(way_out(), "default via 10.72.0.1 dev eth1 ");
    world.rbuild("network connect --gw-priority 9 net3 aa").success();
    assert_eq!(way_out(), "default via 10.73.0.1 dev eth2 ");
    world.rbuild("network disconnect net3 aa").success();
    assert_eq!(way_out(), "default via 10.72.0.1 dev eth1 ");
    world.rbuild("network disconnect net2 aa").success();
    assert_eq!(way_out(), "default via 10.71.0.1 dev eth0 ");
}

#[test]
fn a_hardware_address_of_ones_choice_is_used_and_let_through() {
    let Some(world) = World::new() else { return };
    world.serve("web", "--mac-address 02:42:00:00:00:99 -p 8080:80");
    let shown = world.rbuild("exec web cat /sys/class/net/eth0/address").success().stdout;
    assert_eq!(shown, "02:42:00:00:00:99\n");
    assert_eq!(world.look("web", "{{.NetworkSettings.MacAddress}}"), "02:42:00:00:00:99");
    assert!(world.outside.fetch(&format!("http://{HOST}:8080/")).is_some());
    world
        .rbuild("run --rm --mac-address 02:42 busybox true")
        .exits(125)
        .says("`--mac-address 02:42`");
}

#[test]
fn the_environment_says_which_network_is_the_default() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    let shown = |value: &str| {
        let setting = format!("RBUILD_NETWORK={value}");
        let words = "run --rm busybox ip -4 -o address".split(' ');
        crate::support::run(&mut world.rbuild_through(&["env", &setting], words), "")
    };
    assert!(shown("net").success().stdout.contains("inet 10.77.0.2/24"));
    assert!(shown("host").success().stdout.contains(&format!("inet {HOST}/24")));
    let alone = shown("none").success().stdout;
    assert!(alone.lines().count() == 1 && alone.contains("127.0.0.1/8"), "{alone}");
    shown("nowhere").exits(125).says("network `nowhere` does not exist");
}

#[test]
fn on_the_hosts_network_interfaces_and_ports_are_shared_and_nothing_else() {
    let Some(world) = World::new() else { return };
    let script = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8088 -h /www";
    let started = world.shell("run -d --name web --network host -p 80:8088 busybox", script);
    started.success().says("`--publish` and `--publish-all` have no effect");
    until("it answers at a port of the host's", || {
        world.host.fetch("http://127.0.0.1:8088/").as_deref() == Some("hello\n")
    });
    assert_eq!(world.outside.fetch(&format!("http://{HOST}:8088/")).as_deref(), Some("hello\n"));
    let own = std::fs::read_link(world.host.path()).unwrap();
    let namespaces = world.rbuild("exec web readlink /proc/self/ns/net").success().stdout;
    assert_eq!(namespaces.trim(), own.to_str().unwrap());
    // Neither processes nor the right to change what is shared.
    assert_eq!(world.rbuild("exec web cat /proc/1/comm").success().stdout, "httpd\n");
    assert_ne!(world.rbuild("exec web ip link set up0 down").status, Some(0));
    world.rbuild("rm -f web").success();
    assert!(!world.host.connects("127.0.0.1", 8088));
}
