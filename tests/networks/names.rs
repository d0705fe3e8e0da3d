//! The name server of containers, and their files in /etc.

use std::io::{Read, Write};

use super::world::{OUTSIDE, World, thread_in, until};

/// The addresses that the container gets for a name, sorted.
fn addresses(world: &World, container: &str, name: &str) -> Vec<String> {
    let output = world.rbuild(&format!("exec {container} nslookup -type=a {name}"));
    let mut found: Vec<String> = output
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("Name:"))
        .filter_map(|line| Some(line.strip_prefix("Address: ")?.trim().to_owned()))
        .collect();
    found.sort();
    found
}

#[test]
fn containers_of_a_network_find_each_other() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    world.rbuild("network create other").success();
    for (name, ip) in [("web-1", "10.77.0.11"), ("web-2", "10.77.0.12")] {
        world.serve(name, &format!("--network net --network-alias web --ip {ip}"));
    }
    world.serve("stranger", "--network other");
    let of = |name: &str| addresses(&world, "web-1", name);
    for (name, expected) in [
        ("web-2", &["10.77.0.12"][..]),
        ("WEB-2", &["10.77.0.12"]),
        ("web-2.net", &["10.77.0.12"]),
        ("web", &["10.77.0.11", "10.77.0.12"]),
        ("stranger", &[]),
    ] {
        assert_eq!(of(name), expected, "{name}");
    }
    let id = world.look("web-2", "{{.Id}}");
    assert_eq!(of(&id[..12]), ["10.77.0.12"]);
    let back = world.rbuild("exec web-1 nslookup 10.77.0.12").success();
    assert!(back.stdout.contains("name = web-2.net"), "{back}");
    // Who comes and goes is known at once.
    world.serve("late", "--network net --network-alias web");
    assert_eq!(of("web").len(), 3);
    world.rbuild("rm -f late web-2").success();
    assert_eq!(of("web"), ["10.77.0.11"]);
    world.rbuild("network connect --alias x net stranger").success();
    assert_eq!(of("stranger").len(), 1);
    assert_eq!(of("x"), of("stranger"));
    world.rbuild("network disconnect net stranger").success();
    assert!(of("stranger").is_empty());
    assert_eq!(addresses(&world, "stranger", "stranger").len(), 1);
}

/// Asks the container's server by TCP: the code of the answer and how many records there are.
fn ask_by_tcp(world: &World, container: &str, name: &str, kind: u8) -> (u8, u8) {
    let namespace = world.look(container, "{{.NetworkSettings.SandboxKey}}");
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.bytes());
    }
    question.extend([0, 0, kind, 0, 1]);
    let asking = thread_in(&namespace, move || {
        let mut stream = std::net::TcpStream::connect("127.0.0.11:53").unwrap();
        let length = question.len() as u16;
        stream.write_all(&[&length.to_be_bytes()[..], &question].concat()).unwrap();
        let mut answer = [0; 14];
        stream.read_exact(&mut answer).unwrap();
        (answer[5] & 0xf, answer[9])
    });
    asking.join().unwrap()
}

#[test]
fn names_are_told_by_tcp_and_what_is_not_there_is_said_so() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    world.serve("web", "--network net");
    world.rbuild("network create --internal inner").success();
    world.serve("shut", "--network inner");
    let (address, six, pointer) = (1, 28, 12);
    for (container, name, kind, expected) in [
        ("web", "web", address, (0, 1)),
        // The name is there, but has no address of IPv6.
        ("web", "web", six, (0, 0)),
        ("web", "2.0.77.10.in-addr.arpa", pointer, (0, 1)),
        ("web", "99.0.77.10.in-addr.arpa", pointer, (3, 0)),
        // Nobody is asked from within an internal network.
        ("shut", "web", address, (2, 0)),
        ("shut", "example.org", address, (2, 0)),
    ] {
        assert_eq!(
            ask_by_tcp(&world, container, name, kind),
            expected,
            "{container} {name} {kind}"
        );
    }
}

#[test]
fn replicas_take_turns() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    world.serve("web-1", "--network net --network-alias web");
    world.serve("web-2", "--network net --network-alias web");
    // A C library would prefer its own address.
    world.serve("client", "--network net");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        seen_by(&world, &mut seen);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

fn seen_by(world: &World, seen: &mut std::collections::BTreeSet<String>) {
    seen.extend(world.fetch_in("client", "web", 80));
}

#[test]
fn what_is_not_known_is_asked_of_the_hosts_servers() {
    let Some(world) = World::new() else { return };
    world.outside.serve_names(OUTSIDE, [192, 0, 2, 7]);
    world.rbuild("network create net").success();
    world.rbuild("network create --internal inner").success();
    world.serve("aa", &format!("--network net --dns {OUTSIDE}"));
    world.serve("bb", &format!("--network inner --dns {OUTSIDE}"));
    world.serve("cc", &format!("--dns {OUTSIDE} --dns-search x.example --dns-option ndots:3"));
    assert_eq!(addresses(&world, "aa", "anything.example"), ["192.0.2.7"]);
    assert!(addresses(&world, "bb", "anything.example").is_empty());
    // On the default network there are no names, and the servers are asked directly.
    let file = world.rbuild("exec cc cat /etc/resolv.conf").success().stdout;
    assert_eq!(file, format!("nameserver {OUTSIDE}\nsearch x.example\noptions ndots:3\n"));
    let file = world.rbuild("exec aa cat /etc/resolv.conf").success().stdout;
    assert!(file.starts_with("nameserver 127.0.0.11\n") && file.contains("ndots:0"), "{file}");
    // Port 53 is free for a server of the container's own.
    world.shell("exec -d aa", "exec nc -ll -p 53 -e true").success();
    until("something listens at port 53", || {
        world.rbuild("exec aa nc -w 1 127.0.0.1 53 -e true").status == Some(0)
    });
    assert_eq!(addresses(&world, "aa", "anything.example"), ["192.0.2.7"]);
}

#[test]
fn hosts_and_resolv_conf_follow_when_a_container_comes_to_a_network() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    world.serve("db", "--network net");
    world.shell("run -d --name aa --hostname box busybox", "exec sleep 1000").success();
    let cat = |file: &str| world.rbuild(&format!("exec aa cat /etc/{file}")).success().stdout;
    let (hosts, servers) = (cat("hosts"), cat("resolv.conf"));
    world.shell("exec aa", "echo 10.9.9.9 mine >> /etc/hosts").success();
    world.rbuild("network connect --ip 10.77.0.9 net aa").success();
    assert_eq!(cat("hosts"), format!("{hosts}10.9.9.9 mine\n10.77.0.9\tbox\n"));
    assert!(cat("resolv.conf").starts_with("nameserver 127.0.0.11\n"), "{}", cat("resolv.conf"));
    assert_eq!(addresses(&world, "aa", "db").len(), 1);
    world.rbuild("network disconnect net aa").success();
    assert_eq!(cat("hosts"), format!("{hosts}10.9.9.9 mine\n"));
    assert_eq!(cat("resolv.conf"), servers);
    // What was changed by hand stays.
    world.shell("exec aa", "echo nameserver 10.9.9.9 > /etc/resolv.conf").success();
    world.rbuild("network connect net aa").success();
    assert_eq!(cat("resolv.conf"), "nameserver 10.9.9.9\n");
}

#[test]
fn answers_of_others_are_kept_for_a_moment() {
    let Some(world) = World::new() else { return };
    let asked = world.outside.serve_names(OUTSIDE, [192, 0, 2, 7]);
    world.rbuild("network create net").success();
    world.serve("aa", &format!("--network net --dns {OUTSIDE}"));
    let count = || asked.load(std::sync::atomic::Ordering::Relaxed);
    // By one program: the moment is five seconds, and to start a program takes its time.
    let script = "for i in 1 2 3 4 5; do nslookup -type=a anything.example; done";
    let told = world.sandbox.rbuild(["exec", "aa", "sh", "-c", script]).success().stdout;
    assert_eq!(told.matches("Address: 192.0.2.7").count(), 5, "{told}");
    assert_eq!(count(), 1);
    assert_eq!(addresses(&world, "aa", "other.example"), ["192.0.2.7"]);
    assert_eq!(count(), 2);
}

#[test]
fn hosts_has_the_containers_own_names() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    let flags = "run --rm --network net --ip 10.77.0.9 --hostname box --domainname x.example \
                 --add-host db:10.1.1.1 --add-host machine:host-gateway busybox cat /etc/hosts";
    let hosts = world.rbuild(flags).success().stdout;
    let lines: Vec<&str> = hosts.lines().collect();
    assert_eq!(lines[0], "127.0.0.1\tlocalhost");
    assert_eq!(
        lines[lines.len() - 3..],
        ["10.1.1.1\tdb", "10.77.0.1\tmachine", "10.77.0.9\tbox.x.example box"]
    );
}

#[test]
fn a_server_that_fails_leaves_it_to_the_next() {
    let Some(world) = World::new() else { return };
    world.outside.command("ip", ["addr", "add", "10.99.0.3/24", "dev", "up1"]);
    world.outside.serve_failures("10.99.0.2", 2);
    world.outside.serve_names("10.99.0.3", [192, 0, 2, 7]);
    world.rbuild("network create net").success();
    let flags = "run -d --name aa --network net --dns 10.99.0.2 --dns 10.99.0.3 busybox";
    world.shell(flags, "exec sleep 1000").success();
    let found = world.rbuild("exec aa nslookup -type=a far.example 127.0.0.11");
    assert!(found.stdout.contains("192.0.2.7"), "{found}");
}

/// The socket of a client that is never closed, as those of nginx, is answered whatever networks the container comes to.
#[test]
fn a_client_is_answered_before_and_after_a_change_of_networks() {
    let Some(world) = World::new() else { return };
    for network in ["one", "two"] {
        world.rbuild(&format!("network create {network}")).success();
    }
    world.rbuild("run -d --name aa --network one busybox sleep 1000").success();
    let namespace = world.look("aa", "{{.NetworkSettings.SandboxKey}}");
    let open = || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect("127.0.0.11:53").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        socket
    };
    let socket = super::world::thread_in(&namespace, open).join().unwrap();
    let asks = || {
        socket.send(b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x02aa\0\0\x01\0\x01").unwrap();
        let mut answer = [0; 512];
        socket.recv(&mut answer).map(|_| answer[7]).ok()
    };
    assert_eq!(asks(), Some(1));
    world.rbuild("network connect two aa").success();
    assert_eq!(asks(), Some(2));
    world.rbuild("network disconnect one aa").success();
    assert_eq!(asks(), Some(1));
}

#[test]
fn who_gets_another_name_is_known_by_that() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    world.serve("web", "--network net --network-alias www");
    world.serve("other", "--network net");
    world.rbuild("rename web front").success();
    let reach = |name: &str| world.fetch_in("other", name, 80);
    for name in ["front", "www"] {
        assert_eq!(reach(name).as_deref(), Some("hello web"), "{name}");
    }
    assert_eq!(reach("web"), None);
    // Also where it comes to later.
    world.rbuild("network create later").success();
    world.rbuild("network connect later front").success();
    world.rbuild("network connect later other").success();
    assert_eq!(reach("front.later").as_deref(), Some("hello web"));
}
