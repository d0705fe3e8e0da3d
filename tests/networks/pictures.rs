//! `rbuild network rules` and `rbuild network inspect --graph`.

use super::world::World;
use crate::support::installed;

/// Two networks and an internal one: a container on two of them with ports, one beside it, one that shares.
fn furnish(world: &World) {
    world.rbuild("network create --subnet 10.77.0.0/24 front").success();
    world.rbuild("network create --internal --opt isolation=true inner").success();
    world.serve("web", "--network front --network-alias www -p 8080:80 -p 127.0.0.1:5353:53/udp");
    world.rbuild("network connect inner web").success();
    world.serve("db", "--network inner");
    let flags = "run -d --name side --network container:web busybox";
    world.shell(flags, "exec sleep 1000").success();
    world.rbuild("run -d --name alone --network none busybox sleep 1000").success();
}

#[test]
fn rules_are_said_in_words_and_are_what_they_should_be() {
    let Some(world) = World::new() else { return };
    let none = world.rbuild("network rules").success();
    assert_eq!(none.stdout, "no container is on a network, so there are no rules\n");
    furnish(&world);
    let said = world.rbuild("network rules").success().stdout;
    for expected in [
        "networks:\n",
        "  network `front` (10.77.0.0/24) on `rb",
        "its containers reach each other; what goes out has this machine's address\n",
        "its containers do not reach each other; nothing goes in or out\n",
        "  tcp 8080 of every address: to 10.77.0.2 port 80, container `web`\n",
        "  udp 5353 of 127.0.0.1: to 10.77.0.2 port 53, container `web`\n",
        "  container `web` by `rv",
        "sends as 02:42:0a:4d:00:02 and 10.77.0.2 only\n",
        "  what passes through this machine (forwarded)\n",
        "    to a bridge otherwise: dropped\n",
        "  net.ipv4.ip_forward = 1\n",
    ] {
        assert!(said.contains(expected), "{expected:?} in {said}");
    }
    // Every rule that was made is read back.
    let rules = said.lines().filter(|line| line.starts_with("    ")).count();
    assert_eq!(rules, 3 + 2 + 2 + 5 + 9, "{said}");
}

/// A bridge stays for a second after its last container, and its rules with it.
#[test]
fn a_network_that_goes_takes_its_own_rules_only() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create one").success();
    for network in ["bridge", "one"] {
        world.rbuild(&format!("run --rm --network {network} busybox true")).success();
    }
    world.rbuild("network rm one").success();
    world.rbuild("network rules").success();
}

#[test]
fn what_is_not_as_it_should_be_is_said_and_mended() {
    let Some(world) = World::new() else { return };
    if !installed("nft") {
        return;
    }
    furnish(&world);
    let table = world.host.command("nft", ["list", "tables", "ip"]).stdout;
    let table = table.trim().rsplit(' ').next().unwrap().to_owned();
    let bridge = world.look("front", "{{index .Options \"com.docker.network.bridge.name\"}}");
    let inner = world.look("inner", "{{index .Options \"com.docker.network.bridge.name\"}}");
    let shell = |script: &str| {
        let script = script.replace("TABLE", &table).replace("BRIDGE", &bridge);
        let script = script.replace("INNER", &inner);
        world.host.command("sh", ["-c", &script]);
    };
    for (script, expected) in [
        (
            "nft flush chain ip TABLE forwarded",
            "the chain `forwarded` lacks the rule: to a bridge otherwise: dropped",
        ),
        (
            "nft insert rule ip TABLE outgoing counter accept",
            "the chain `outgoing` has a rule that is none of ours (counter, immediate)",
        ),
        ("nft add chain ip TABLE extra", "the chain `extra` of the table `ip` is none of ours"),
        ("nft flush set ip TABLE masqueraded", "hides behind this machine's address"),
        (
            "nft add element ip TABLE internal '{ BRIDGE }'",
            "nobody needs: network `front` (10.77.0.0/24) on `",
        ),
        (
            "nft flush map ip TABLE any-ports",
            "missing: the port tcp 8080 leads to 10.77.0.2 port 80",
        ),
        (
            "tc qdisc del dev $(ip -o link show master BRIDGE | grep -o 'rv[^@]*' | head -n 1) clsact",
            "may send as another",
        ),
        ("nft flush ruleset", "the table `ip rbuild-"),
        ("ip link set BRIDGE down", "of network `front` is down"),
        ("ip link set INNER group 7", "of network `inner` is in the group 7, not 29282"),
        ("ip link del BRIDGE", "of network `front` is missing"),
        ("echo 0 > /proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward is 0, not 1"),
    ] {
        shell(script);
        let said = world.rbuild("network rules").exits(1);
        assert!(said.stdout.contains("not as it should be"), "{script}: {said}");
        assert!(said.stdout.contains(expected), "{script}: {said}");
        world.rbuild("network reload").success();
        let mended = world.rbuild("network rules").success();
        assert!(!mended.stdout.contains("not as it should be"), "{script}: {mended}");
    }
    assert!(world.outside.fetch(&format!("http://{}:8080/", super::world::HOST)).is_some());
}

#[test]
fn the_picture_shows_what_the_kernel_has() {
    let Some(world) = World::new() else { return };
    furnish(&world);
    world.host.fetch("http://127.0.0.1:8080/").unwrap();
    let text = world.rbuild("network inspect --graph").success().stdout;
    // `5: eth0@if6: …`
    let index = |inside: &str, name: &str| {
        let shown = match inside {
            "" => world.host.command("ip", ["-o", "link", "show", name]).stdout,
            inside => {
                world.rbuild(&format!("exec {inside} ip -o link show {name}")).success().stdout
            }
        };
        shown.split(':').next().unwrap().to_owned()
    };
    let bridge = world.look("front", "{{index .Options \"com.docker.network.bridge.name\"}}");
    let pid = world.look("web", "{{.State.Pid}}");
    let namespace = world.rbuild("exec web readlink /proc/self/ns/net").success().stdout;
    for expected in [
        format!("up0 #{}", index("", "up0")),
        "route default via 10.99.0.2 dev up0".to_owned(),
        format!("bridge {bridge} #{}, mtu 1500, 10.77.0.1/24", index("", &bridge)),
        format!("══ eth0 #{} (", index("web", "eth0")),
        "port *:8080 → 80/tcp".to_owned(),
        "port 127.0.0.1:5353 → 53/udp".to_owned(),
        format!("namespace {}: web + side", namespace.trim()),
        "eth0 10.77.0.2/24, 02:42:0a:4d:00:02, network front".to_owned(),
        "route default via 10.77.0.1 dev eth0".to_owned(),
        format!("process {pid} httpd -f -p 80 -h /www"),
        "namespace net:[".to_owned(),
        "internal: no way in or out, containers kept apart".to_owned(),
        ": alone".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected:?} in {text}");
    }
    assert!(text.contains("names web, ") && text.contains(", www"), "{text}");
    // Bytes are those of the interface at this moment.
    assert!(!text.contains(&format!("{bridge} #{} (↓ 0B ↑ 0B)", index("", &bridge))), "{text}");
    let of_inner = world.rbuild("network inspect --graph inner").success().stdout;
    assert!(of_inner.contains(": db") && !of_inner.contains("alone"), "{of_inner}");
    let dot = world.rbuild("network inspect --graph=dot").success().stdout;
    assert!(dot.starts_with("graph networks {\n") && dot.ends_with("}\n"), "{dot}");
    world.rbuild("network inspect").exits(2);
    world.rbuild("network inspect --graph=png").exits(2);
    world.rbuild("network inspect --graph nobody").exits(1).says("network `nobody` does not exist");
}

#[test]
fn the_drawing_can_be_drawn() {
    let Some(world) = World::new() else { return };
    furnish(&world);
    let svg = world.rbuild("network inspect --graph=svg").success().stdout;
    assert!(!svg.contains("href") && !svg.contains("url("), "it needs something else: {svg}");
    if !installed("rsvg-convert") {
        return;
    }
    world.sandbox.write("picture.svg", &svg);
    let (from, to) = (world.sandbox.path("picture.svg"), world.sandbox.path("picture.png"));
    let args = ["--output".as_ref(), to.as_os_str(), from.as_os_str()];
    world.host.command("rsvg-convert", args);
    let png = std::fs::read(to).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000, "{} bytes", png.len());
}
