//! `rbuild network`

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::World;

#[test]
fn networks_are_made_listed_and_removed() {
    let Some(world) = World::new() else { return };
    let id = world.rbuild("network create --label a=1 --subnet 10.77.0.0/16 --ip-range 10.77.9.0/24 --gateway 10.77.0.254 net");
    let id = id.success().stdout.trim().to_owned();
    assert_eq!(id.len(), 64);
    let list = |flags: &str| world.rbuild(&format!("network ls {flags}")).success().stdout;
    assert_eq!(list("--format {{.Name}}"), "bridge\nhost\nnet\nnone\n");
    assert_eq!(list("-q --no-trunc --filter type=custom"), format!("{id}\n"));
    assert_eq!(list("--format {{.Name}} --filter label=a=2"), "");
    let pool =
        world.look("net", "{{(index .IPAM.Config 0).Gateway}} {{(index .IPAM.Config 0).IPRange}}");
    assert_eq!(pool, "10.77.0.254 10.77.9.0/24");
    world.rbuild("run -d --name aa --network net busybox sleep 1000").success();
    assert_eq!(world.address("aa"), "10.77.9.0");
    world.rbuild("network rm net").exits(1).says("network `net` is in use by aa");
    world.rbuild("network prune -f").success().prints("");
    world.rbuild("rm -f aa").success();
    world.rbuild("network prune -f").success().prints("Deleted Networks:\nnet\n\n");
    world.rbuild("network rm net").exits(1).says("network `net` does not exist");
    world.rbuild("network rm -f net").success();
    world
        .rbuild("run --rm --network net busybox true")
        .exits(125)
        .says("network `net` does not exist");
    world.until_nothing_is_left();
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    for (line, reason) in [
        ("network create net", "a network of the name `net` exists already"),
        ("network create bridge", "`bridge` is a network that is always there"),
        (
            "network create --subnet 10.77.0.128/25 x",
            "overlaps with that of network `net`, 10.77.0.0/24",
        ),
        ("network create --subnet 10.99.0.0/16 x", "overlaps with the host's route 10.99.0.0/24"),
        ("network create --driver macvlan x", "the network driver `macvlan` is not supported"),
        ("network create --opt parent=eth0 x", "network option `parent` is not supported"),
        ("network create --gateway 10.1.0.1 x", "need a `--subnet`"),
        ("create --network nowhere busybox true", "network `nowhere` does not exist"),
        ("network rm bridge", "`bridge` is a network that is always there"),
        (
            "run --rm --ip 172.17.0.9 busybox true",
            "only on networks with a subnet of the user's choice",
        ),
        ("run --rm --network net --ip 10.77.0.1 busybox true", "its gateway's"),
        ("run --rm --network-alias x busybox true", "containers have no names on network `bridge`"),
        (
            "run --rm --network net --network name=bridge,alias=x busybox true",
            "containers have no names on network `bridge`",
        ),
        ("network create --ipv6 x", "`rbuild network create --ipv6` is not supported"),
        ("network create --attachable x", "every container of this machine may come"),
        ("network connect --ip6 ::1 net x", "`rbuild network connect --ip6` is not supported"),
        ("run --rm --link x busybox true", "`rbuild run --link` is not supported"),
        ("run --rm --network host --network net busybox true", "cannot be one of several networks"),
    ] {
        let output = world.rbuild(line);
        assert!(output.status != Some(0), "{output}");
        output.says(reason);
    }
}

#[test]
fn of_many_who_make_one_network_one_does() {
    let Some(world) = World::new() else { return };
    std::thread::scope(|scope| {
        let each: Vec<_> =
            (0..8).map(|_| scope.spawn(|| world.rbuild("network create net"))).collect();
        let done = each.into_iter().map(|one| one.join().unwrap());
        let (made, refused): (Vec<_>, Vec<_>) = done.partition(|one| one.status == Some(0));
        assert_eq!(made.len(), 1, "{made:?}");
        refused.into_iter().for_each(|one| {
            one.exits(1).says("a network of the name `net` exists already");
        });
    });
    // Many come to it at once, and its bridge is made once.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| world.rbuild("run --rm --network net busybox true").success());
        }
    });
    world.until_nothing_is_left();
}

#[test]
fn the_default_subnet_gives_way_to_the_hosts_routes() {
    let Some(world) = World::new() else { return };
    world.rbuild("run --rm busybox true").success();
    let subnet = || world.look("bridge", "{{(index .IPAM.Config 0).Subnet}}");
    assert_eq!(subnet(), "172.17.0.0/16");
    world.until_nothing_is_left();
    world.host.command("ip", "route add 172.17.5.0/24 via 10.99.0.2".split(' '));
    world.rbuild("run --rm busybox true").success();
    assert_eq!(subnet(), "172.18.0.0/16");
}

#[test]
fn two_stores_do_not_touch_each_other() {
    let Some(one) = World::new() else { return };
    let two = one.beside();
    one.serve("aa", "-p 8080:80");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| two.rbuild("run --rm busybox true").success());
            scope.spawn(|| one.rbuild("run --rm busybox true").success());
        }
    });
    assert!(one.host.fetch("http://127.0.0.1:8080/").is_some());
}

#[test]
fn a_small_packet_size_is_taken_from_the_default_route() {
    let Some(world) = World::new() else { return };
    world.host.command("ip", "link set up0 mtu 1400".split(' '));
    let shown = world.shell("run --rm busybox", "cat /sys/class/net/eth0/mtu").success().stdout;
    assert_eq!(shown, "1400\n");
    world.until_nothing_is_left();
    world.host.command("ip", "route change default via 10.99.0.2 mtu 1350".split(' '));
    let shown = world.shell("run --rm busybox", "cat /sys/class/net/eth0/mtu").success().stdout;
    assert_eq!(shown, "1350\n");
    world.rbuild("network create --opt mtu=1300 net").success();
    let shown =
        world.shell("run --rm --network net busybox", "cat /sys/class/net/eth0/mtu").success();
    assert_eq!(shown.stdout, "1300\n");
}

#[test]
fn two_networks_do_not_share_a_bridge() {
    let Some(world) = World::new() else { return };
    let make = "network create --opt com.docker.network.bridge.name=brown";
    world.rbuild(&format!("{make} one")).success();
    let taken = world.rbuild(&format!("{make} two"));
    taken.exits(1).says("the bridge `brown` is that of network `one`");
    // Nor do two stores.
    let other = world.beside();
    other.rbuild(&format!("{make} one")).success();
    world.rbuild("run -d --name aa --network one busybox sleep 1000").success();
    let refused = other.rbuild("run --rm --network one busybox true");
    refused.exits(125).says("the interface `brown` exists and is none of rbuild's");
    let gateway = world.look("aa", "{{(index .NetworkSettings.Networks \"one\").Gateway}}");
    world.rbuild(&format!("exec aa ping -c 1 -W 2 {gateway}")).success();
    world.rbuild("rm -f aa").success();
    world.until_nothing_is_left();
}

#[test]
fn a_container_is_taken_from_a_network_whether_its_shim_answers_or_not() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    world.serve("web", "--network net -p 8080:80");
    world.serve("other", "--network net");
    let refused = world.rbuild("network connect --alias x bridge web");
    refused.exits(1).says("containers have no names on network `bridge`");
    world.rbuild("network disconnect bridge web").exits(1).says("is not on the network `bridge`");
    let address = world.look("web", "{{.NetworkSettings.Networks.net.IPAddress}}");
    let shim = Pid::from_raw(world.shim("web"));
    kill(shim, Signal::SIGSTOP).unwrap();
    world.rbuild("network disconnect -f net web").success();
    assert_eq!(world.fetch_in("other", &address, 80), None);
    let url = format!("http://{}:8080/", super::world::HOST);
    assert_eq!(world.outside.fetch(&url), None);
    kill(shim, Signal::SIGCONT).unwrap();
    world.rbuild("network connect net web").success();
    assert_eq!(world.fetch_in("other", "web", 80).as_deref(), Some("hello web"));
    assert!(world.outside.fetch(&url).is_some());
    // It follows by itself where it can.
    world.rbuild("network disconnect --force net web").success();
    assert_eq!(world.fetch_in("other", &address, 80), None);
    world.rbuild("network rules").success();
    world.rbuild("rm -f web other").success();
    world.until_nothing_is_left();
}

#[test]
fn the_network_is_a_phase_of_a_start() {
    let Some(world) = World::new() else { return };
    let traced = world.rbuild("run --rm --trace-start busybox true").success();
    traced.says("  shim       network\n").says("  container  clone with its namespaces\n");
    let traced = world.rbuild("run --rm --network none --trace-start busybox true").success();
    assert!(!traced.stderr.contains("  shim       network\n"), "{traced}");
}
