//! A container sends as itself, whoever it says it is and whatever it does with its interfaces.
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::isolation::send_raw;
use super::world::{World, thread_in};
use crate::support::{installed, until};

const GATEWAY: &str = "10.77.0.1";
const OTHER: &str = "10.77.0.99";
/// Goes on to the interface `ifb0` every other time, by chance; from there the kernel sends it as if it had been looked at.
const BY_CHANCE: &str = "4,32 0 0 4294963256,69 0 1 1,6 0 0 4294967295,6 0 0 0,";

/// A container on a network of its own, and what hears at the gateway.
struct Pair {
    world: World,
    inside: String,
    service: UdpSocket,
}

impl Pair {
    fn new(flags: &str) -> Option<Pair> {
        let world = World::new()?;
        world.rbuild("network create --subnet 10.77.0.0/24 net").success();
        let flags = format!("run -d --name aa --network net {flags} busybox");
        world.shell(&flags, "exec sleep 1000").success();
        let bind = || UdpSocket::bind("0.0.0.0:9000").unwrap();
        let service = world.host.thread(bind).join().unwrap();
        let inside = world.look("aa", "{{.NetworkSettings.SandboxKey}}");
        Some(Pair { world, inside, service })
    }

    fn send(&self, from: &str, text: &'static str) {
        let addresses = [from, GATEWAY].map(|address| address.parse::<Ipv4Addr>().unwrap());
        thread_in(&self.inside, move || send_raw(addresses, 9000, text)).join().unwrap();
    }

    /// The next that is heard within this time.
    fn heard(&self, patience: Duration) -> Option<String> {
        self.service.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 64];
        let length = self.service.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    fn within(&self, line: &str) -> bool {
        let script = format!("nsenter --net={} {line}", self.inside);
        self.world.host.command("sh", ["-c", &format!("{script} && echo done || true")]).stdout
            == "done\n"
    }

    /// Everything that has been sent when something of the container's own has come through twice.
    fn all_heard(&self) -> Vec<String> {
        let mut all = Vec::new();
        for last in ["the last", "the very last"] {
            self.send("10.77.0.2", last);
            while all.last().is_none_or(|text| text != last) {
                all.push(
                    self.heard(Duration::from_secs(30)).expect("its own packets come through"),
                );
            }
        }
        all
    }
}

#[test]
fn what_has_another_sender_does_not_come_through() {
    let Some(pair) = Pair::new("") else { return };
    pair.send(OTHER, "forged");
    assert_eq!(pair.all_heard(), ["the last", "the very last"]);
    if !installed("tc") {
        return;
    }
    // It is the program that holds it.
    let script = "tc qdisc del dev $(ip -o link show type veth | grep -o 'rv[^@]*') clsact";
    pair.world.host.command("sh", ["-c", script]);
    pair.send(OTHER, "forged");
    assert_eq!(pair.heard(Duration::from_secs(30)).as_deref(), Some("forged"));
}

#[test]
fn who_administers_its_interfaces_does_not_get_around_that() {
    let Some(pair) = Pair::new("--cap-add NET_ADMIN") else { return };
    if !installed("nft") || !installed("tc") {
        return;
    }
    let filter = format!(
        "tc filter add dev eth0 egress bpf bytecode '{BY_CHANCE}' flowid 1:1 action mirred egress redirect dev ifb0"
    );
    let steps =
        ["ip link add ifb0 type ifb", "ip link set ifb0 up", "tc qdisc add dev eth0 clsact"];
    if !steps.iter().all(|step| pair.within(step)) || !pair.within(&filter) {
        println!("skipped: this kernel does not redirect packets to an interface of the kind ifb");
        return;
    }
    let forge = || (0..40).for_each(|_| pair.send(OTHER, "forged"));
    forge();
    let heard = pair.all_heard();
    assert!(!heard.iter().any(|text| text == "forged"), "{heard:?}");
    // It is the rules that hold it.
    let tables = pair.world.host.command("nft", ["list", "tables", "bridge"]).stdout;
    let table = tables.trim().rsplit(' ').next().unwrap().to_owned();
    pair.world.host.command("nft", ["delete", "table", "bridge", &table]);
    forge();
    assert_eq!(pair.heard(Duration::from_secs(30)).as_deref(), Some("forged"));
}

/// Which of these are checked by rules too; the table is there for them alone.
fn by_rules<const N: usize>(world: &World, names: [&str; N]) -> [bool; N] {
    let said = world.rbuild("network rules").success().stdout;
    let found = names.map(|name| {
        let own = format!("container `{name}` by");
        said.lines().any(|line| line.contains(&own) && line.ends_with("by rules too"))
    });
    assert_eq!(said.contains("rules of the table `bridge"), found.contains(&true), "{said}");
    found
}

#[test]
fn whoever_comes_to_administer_a_containers_interfaces_its_senders_are_checked_by_rules_too() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    for (name, network) in [("aa", "net"), ("bb", "net"), ("cc", "net"), ("shares", "container:cc")]
    {
        let flags = format!("run -d --name {name} --network {network} busybox");
        world.shell(&flags, "exec sleep 1000").success();
    }
    let checked = || by_rules(&world, ["aa", "bb", "cc"]);
    assert_eq!(checked(), [false, false, false]);
    world.rbuild("run --rm --network container:aa busybox true").success();
    assert_eq!(checked(), [false, false, false]);
    world.rbuild("run --rm --network container:aa --cap-add NET_ADMIN busybox true").success();
    assert_eq!(checked(), [true, false, false]);
    world.rbuild("exec --privileged bb true").success();
    assert_eq!(checked(), [true, true, false]);
    // Who shares what another one shares.
    world.rbuild("run --rm --network container:shares --cap-add NET_ADMIN busybox true").success();
    assert_eq!(checked(), [true, true, true]);
    // Whatever network it comes to, and from none.
    world.rbuild("network create more").success();
    world.rbuild("network connect more bb").success();
    for verb in ["disconnect", "connect"] {
        world.rbuild(&format!("network {verb} net aa")).success();
    }
    world.rbuild("network reload").success();
    assert_eq!(checked(), [true, true, true]);
    world.rbuild("restart -t 0 aa").success();
    assert_eq!(checked(), [false, true, true]);
    // The last who need it take the table along.
    world.rbuild("rm -f bb shares cc").success();
    assert_eq!(checked(), [false, false, false]);
    world.rbuild("rm -f aa").success();
    world.rbuild("network rules").success();
}

#[test]
fn a_table_that_somebody_removed_is_there_again_with_the_next_command() {
    let Some(pair) = Pair::new("--cap-add NET_ADMIN") else { return };
    if !installed("nft") {
        return;
    }
    pair.world.host.command("nft", ["flush", "ruleset"]);
    pair.world.rbuild("ps").success();
    assert_eq!(by_rules(&pair.world, ["aa"]), [true]);
    let tables = pair.world.host.command("nft", ["list", "tables", "bridge"]).stdout;
    let table = tables.trim().rsplit(' ').next().unwrap().to_owned();
    pair.world.host.command("nft", ["delete", "table", "bridge", &table]);
    pair.world.rbuild("ps").success();
    assert_eq!(by_rules(&pair.world, ["aa"]), [true]);
}

/// Its end at the bridge goes with its owner, and not only with the last who shares it: at once where that one could send
/// without rules from then on.
#[test]
fn who_shares_a_network_does_not_keep_it_when_its_owner_ends() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    world.shell("run -d --name other --network net busybox", "exec sleep 1000").success();
    let ends = || {
        let ends = world.host.command("ip", ["-o", "link", "show", "type", "veth"]).stdout;
        ends.lines().filter(|line| line.contains(": rv")).count()
    };
    for flags in ["--cap-add NET_ADMIN", ""] {
        world.shell("run -d --name owner --network net busybox", "exec sleep 1000").success();
        let flags = format!("run -d --name shares --network container:owner {flags} busybox");
        world.shell(&flags, "exec sleep 1000").success();
        world.rbuild("rm -f owner").success();
        if flags.contains("NET_ADMIN") {
            assert_eq!(ends(), 1);
        }
        until("the owner's pair is gone", || ends() == 1);
        world.rbuild("rm -f shares").success();
    }
    world.rbuild("rm -f other").success();
}

#[test]
fn a_hardware_address_is_ones_own() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    let run = |name: &str, mac: &str| {
        let flags = format!("run -d --name {name} --network net --mac-address {mac} busybox");
        world.shell(&flags, "exec sleep 1000")
    };
    run("aa", "02:42:0a:4d:00:01")
        .exits(125)
        .says("02:42:0a:4d:00:01")
        .says("its gateway")
        .says("choose another one with `--mac-address`");
    // As with docker it is there and does not run.
    world.rbuild("rm aa").success();
    run("aa", "02:00:00:00:00:07").success();
    run("bb", "02:00:00:00:00:07").exits(125).says("that of container `aa`");
    world.rbuild("rm -f aa bb").success();
    run("bb", "02:00:00:00:00:07").success();
    // Again, and on a bridge that knew it.
    world.rbuild("network disconnect net bb").success();
    world.rbuild("network connect net bb").success();
    world.rbuild(&format!("exec bb ping -c 1 -W 5 {GATEWAY}")).success();
}

#[test]
fn a_bridge_is_told_who_is_behind_a_port_and_neither_learns_nor_asks() {
    let Some(world) = World::new() else { return };
    if !installed("bridge") {
        return;
    }
    world.rbuild("network create --subnet 10.77.0.0/24 net").success();
    world.shell("run -d --name aa --network net busybox", "exec sleep 1000").success();
    let bridge = world.look("net", "{{index .Options \"com.docker.network.bridge.name\"}}");
    let told = || {
        let ports = world.host.command("bridge", ["-d", "link"]).stdout;
        assert!(ports.contains("learning off flood off"), "{ports}");
        let known = world.host.command("bridge", ["fdb", "show", "br", &bridge]).stdout;
        let own = known.lines().find(|line| line.contains("02:42:0a:4d:00:02"));
        assert!(own.is_some_and(|line| line.contains("static")), "{known}");
    };
    told();
    world.host.command("ip", ["link", "del", &bridge]);
    world.rbuild("network reload").success();
    told();
}
