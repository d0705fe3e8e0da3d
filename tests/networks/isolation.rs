//! Who reaches whom, and who does not.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType};

use super::world::{HOST, OUTSIDE, World, thread_in};

#[test]
fn a_container_reaches_its_network_and_the_world_as_its_host() {
    let Some(world) = World::new() else { return };
    world.outside.serve_address(OUTSIDE, 8000);
    world.serve("aa", "");
    world.serve("bb", "");
    let address = world.address("bb");
    assert_eq!(world.fetch_in("aa", &address, 80).as_deref(), Some("hello bb"));
    assert_eq!(world.fetch_in("aa", OUTSIDE, 8000).as_deref(), Some(HOST));
    // The gateway is the host, its bridge has what the default route carries.
    let routes = world.rbuild("exec aa ip route").success().stdout;
    let gateway = world.look("aa", "{{.NetworkSettings.Gateway}}");
    assert!(routes.starts_with(&format!("default via {gateway} dev eth0")), "{routes}");
    world.rbuild(&format!("exec aa ping -c 1 -W 2 {gateway}")).success();
}

#[test]
fn networks_do_not_reach_each_other() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create one").success();
    world.rbuild("network create two").success();
    world.rbuild("network create --internal inner").success();
    world.outside.serve_address(OUTSIDE, 8000);
    world.serve("aa", "--network one");
    world.serve("bb", "--network two");
    world.serve("cc", "--network inner");
    world.serve("dd", "--network inner");
    let reach = |from: &str, to: &str| world.fetch_in(from, &world.address(to), 80);
    for (from, to) in [("aa", "bb"), ("bb", "aa"), ("aa", "cc"), ("cc", "aa")] {
        assert_eq!(reach(from, to), None, "{from} to {to}");
    }
    assert_eq!(reach("cc", "dd").as_deref(), Some("hello dd"));
    assert_eq!(world.fetch_in("cc", OUTSIDE, 8000), None);
    assert_eq!(world.fetch_in("aa", OUTSIDE, 8000).as_deref(), Some(HOST));
    // On both, it is reached from both.
    world.rbuild("network connect two aa").success();
    let second = world.look("aa", "{{.NetworkSettings.Networks.two.IPAddress}}");
    assert_eq!(world.fetch_in("bb", &second, 80).as_deref(), Some("hello aa"));
}

#[test]
fn an_isolated_network_leads_out_only() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --opt isolation=true --opt masquerade=false alone").success();
    world.outside.serve_address(OUTSIDE, 8000);
    world.serve("aa", "--network alone");
    world.serve("bb", "--network alone -p 8080:80");
    for bridged in ["1", "0"] {
        let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        let set = format!("[ ! -e {file} ] || echo {bridged} > {file}");
        world.host.command("sh", ["-c", &set]);
        assert_eq!(world.fetch_in("aa", &world.address("bb"), 80), None, "bridged {bridged}");
    }
    // Without the host's address the answers need a way back.
    let (address, route) = (world.address("aa"), format!("172.16.0.0/12 via {HOST}"));
    world.outside.command("ip", "route add".split(' ').chain(route.split(' ')));
    assert_eq!(world.fetch_in("aa", OUTSIDE, 8000), Some(address));
    assert_eq!(world.fetch_in("aa", HOST, 8080).as_deref(), Some("hello bb"));
}

#[test]
fn what_is_not_published_is_not_reached_from_outside() {
    let Some(world) = World::new() else { return };
    world.serve("web", "-p 8080:80");
    let address = world.address("web");
    // A neighbour that knows the way.
    world.outside.command("ip", format!("route add {address} via {HOST}").split(' '));
    assert!(!world.outside.connects(&address, 80));
    assert!(world.outside.connects(HOST, 8080));
    assert!(world.host.connects(&address, 80), "the host itself reaches it");
}

#[test]
fn the_hosts_loopback_is_its_own() {
    let Some(world) = World::new() else { return };
    world.host.serve_address("127.0.0.1", 9000);
    let flags =
        "run -d --name aa --cap-add NET_ADMIN --sysctl net.ipv4.conf.all.route_localnet=1 busybox";
    world.shell(flags, "exec sleep 1000").success();
    let gateway = world.look("aa", "{{.NetworkSettings.Gateway}}");
    assert_eq!(world.fetch_in("aa", &gateway, 9000), None);
    // To the bridge's hardware address, as if 127.0.0.1 were beyond it.
    let script = format!(
        "ip route del table local 127.0.0.0/8 dev lo; ip route del table local 127.0.0.1 dev lo; \
         ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {gateway} dev eth0; ip route get 127.0.0.1"
    );
    let way = world.shell("exec aa", &script).success();
    assert!(way.stdout.contains("dev eth0"), "{way}");
    assert_eq!(world.fetch_in("aa", "127.0.0.1", 9000), None);
    assert!(world.host.connects("127.0.0.1", 9000));
}

/// Packets of the container's own making, with an address of the loopback as sender, as receiver, and as both. What comes after
/// them on the same way does arrive, so they have been looked at.
#[test]
fn packets_of_the_loopback_do_not_come_from_a_container() {
    let Some(world) = World::new() else { return };
    if !crate::support::installed("nft") {
        return;
    }
    let flags =
        "run -d --name aa --cap-add NET_ADMIN --sysctl net.ipv4.conf.all.route_localnet=1 busybox";
    world.shell(flags, "exec sleep 1000").success();
    let gateway = world.look("aa", "{{.NetworkSettings.Gateway}}");
    let script = format!(
        "ip route del table local 127.0.0.0/8 dev lo; ip route del table local 127.0.0.1 dev lo; \
         ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {gateway} dev eth0"
    );
    world.shell("exec aa", &script).success();
    let bind = || UdpSocket::bind("0.0.0.0:9000").unwrap();
    let service = world.host.thread(bind).join().unwrap();
    service.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let heard = || {
        let mut buffer = [0; 64];
        let length = service.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let own = world.address("aa");
    let inside = world.look("aa", "{{.NetworkSettings.SandboxKey}}");
    let send = |from: &str, to: &str, text: &'static str| {
        let addresses = [from, to].map(|address| address.parse::<Ipv4Addr>().unwrap());
        thread_in(&inside, move || send_raw(addresses, 9000, text)).join().unwrap();
    };
    for round in ["first", "second"] {
        send("127.0.0.1", &gateway, "from the loopback");
        send(&own, "127.0.0.1", "to the loopback");
        send("127.0.0.1", "127.0.0.1", "from and to the loopback");
        send(&own, &gateway, round);
        assert_eq!(heard(), round);
    }
    // It is the rules that hold them.
    let listed = world.host.command("nft", ["list", "tables"]).stdout;
    let table = listed.split_whitespace().find(|word| word.starts_with("rbuild-")).unwrap();
    world.host.command("nft", ["flush", "chain", "ip", table, "martians"]);
    send(&own, "127.0.0.1", "to the loopback");
    assert_eq!(heard(), "to the loopback");
}

/// A UDP packet with these addresses, whosever they are.
pub(super) fn send_raw([from, to]: [Ipv4Addr; 2], port: u16, text: &str) {
    let length = u16::try_from(28 + text.len()).unwrap();
    // Version and length of the header, no fragments, 64 hops, UDP; the kernel adds up the header.
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    // Without a sum of its own.
    for word in [9001, port, length - 20, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(text.as_bytes());
    let raw = Protocol::from_raw(255.try_into().unwrap());
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(raw)).unwrap();
    let there = SocketAddrV4::new(to, 0);
    let sent = rustix::net::sendto(&socket, &packet, SendFlags::empty(), &there).unwrap();
    assert_eq!(sent, packet.len());
}

#[test]
fn nobody_says_that_anothers_address_is_its_own() {
    let Some(world) = World::new() else { return };
    if !crate::support::installed("nft") {
        return;
    }
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    for name in ["aa", "bb", "cc"] {
        let flags = format!("run -d --name {name} --network net --cap-add NET_ADMIN busybox");
        world.shell(&flags, "exec sleep 1000").success();
    }
    let third = "10.77.0.4";
    let known = || {
        let script = format!("grep '^{third} ' /proc/net/arp");
        world.shell("exec bb", &script).success().stdout
    };
    world.rbuild(&format!("exec bb ping -c 1 -W 2 {third}")).success();
    let before = known();
    assert!(before.contains("02:42:0a:4d:00:04"), "{before}");
    world.rbuild(&format!("exec aa ip addr add {third}/24 dev eth0")).success();
    // Answers that nobody asked for.
    let lie = || world.rbuild(&format!("exec aa arping -A -c 2 -w 3 -I eth0 -s {third} {third}"));
    lie();
    assert_eq!(known(), before);
    // Without our program and our rules it would be believed.
    let script = "for end in $(ip -o link show type veth | grep -o 'rv[^@]*'); do tc qdisc del dev $end clsact; done";
    world.host.command("sh", ["-c", script]);
    let tables = world.host.command("nft", ["list", "tables", "bridge"]).stdout;
    let table = tables.trim().rsplit(' ').next().unwrap().to_owned();
    world.host.command("nft", ["delete", "table", "bridge", &table]);
    lie();
    assert!(known().contains("02:42:0a:4d:00:02"), "{}", known());
}

#[test]
fn senders_are_who_they_say() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    world
        .shell("run -d --name aa --network net --cap-add NET_ADMIN busybox", "exec sleep 1000")
        .success();
    world.rbuild("exec aa ping -c 1 -W 2 10.77.0.1").success();
    world.rbuild("exec aa ip addr add 10.77.0.99/24 dev eth0").success();
    let other = world.rbuild("exec aa ping -c 1 -W 2 -I 10.77.0.99 10.77.0.1");
    assert_eq!(other.status, Some(1), "an address of one's own choice: {other}");
    world.rbuild("exec aa ping -c 1 -W 2 10.77.0.1").success();
    let script =
        "ip link set eth0 down; ip link set eth0 address 02:42:00:00:00:99; ip link set eth0 up";
    world.shell("exec aa", script).success();
    let other = world.rbuild("exec aa ping -c 1 -W 2 10.77.0.1");
    assert_eq!(other.status, Some(1), "a hardware address of one's own choice: {other}");
}
