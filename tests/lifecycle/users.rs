//! `--userns auto`: containers whose root is nobody of this machine's.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::place::Place;

const WAITS: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

#[test]
fn root_inside_is_not_root_outside() {
    let Some(place) = Place::new() else { return };
    let text = "id -u; cat /proc/self/uid_map | tr -s ' '; hostname; ls /dev; touch /made /etc/made && stat -c %u:%g /made; \
        mount -t tmpfs none /mnt 2>/dev/null || echo refused; cat /proc/keys; echo x >/dev/null && echo fine; \
        su -s /bin/sh nobody -c 'id -u; touch /tmp/by-nobody; stat -c %u /tmp/by-nobody'; ls -n /proc/1/root/made | tr -s ' ' | cut -d' ' -f3,4; \
        touch /sys/kernel/x 2>/dev/null || echo read-only";
    let line = [
        "run",
        "--name",
        "c1",
        "--userns",
        "auto",
        "--network",
        "none",
        "--hostname",
        "box",
        "busybox",
        "sh",
        "-c",
        text,
    ];
    let output = place.sandbox.rbuild(line).success();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[0], "0", "{output}");
    let map: Vec<u32> = lines[1].split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert_eq!((map[0], map[2]), (0, 65_536), "{output}");
    assert!(map[1] >= 0x7000_0000, "{output}");
    assert_eq!(lines[2], "box", "{output}");
    let rest = lines[3..].join(" ");
    for expected in ["0:0", "refused", "fine", "65534 65534", "0 0", "read-only"] {
        assert!(rest.contains(expected), "{expected}: {output}");
    }
    // On the disk files belong to whom they belong to inside.
    let id = place.look("c1", "{{.Id}}");
    let containers = place.sandbox.root().join("containers").join(id.trim());
    let made = find(&containers, "made").expect("the file that was made");
    let found = fs::metadata(made).unwrap();
    assert_eq!((found.uid(), found.gid()), (0, 0));
    place.rbuild("diff c1").success();
    place.rbuild("cp c1:/made out").success();
    place.rbuild("commit c1 kept").success();
    place.rbuild("run --rm kept stat -c %u:%g /made").success().prints("0:0\n");
    place.rbuild("start -a c1").success();
    assert_eq!(place.look("c1", "{{.HostConfig.UsernsMode}}"), "auto");
    place.rbuild("rm c1").success();
    place.assert_nothing_left();
}

fn find(directory: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    entries.map(|entry| entry.path()).find_map(|path| match path.file_name()? == name {
        true => Some(path),
        false if path.is_dir() && !path.is_symlink() => find(&path, name),
        false => None,
    })
}

#[test]
fn processes_are_somebody_elses_outside() {
    let Some(place) = Place::new() else { return };
    let create = [
        "run",
        "-d",
        "--name",
        "c1",
        "--userns",
        "auto",
        "--network",
        "none",
        "--memory",
        "64m",
        "-v",
        "data:/data",
    ];
    let line = [&create[..], &["busybox", "sh", "-c", WAITS]].concat();
    place.sandbox.rbuild(line).success();
    place.rbuild("run -d --name d1 --userns auto --network none busybox sleep 1000").success();
    let owner = |name: &str| {
        let pid = place.look(name, "{{.State.Pid}}");
        let pid = pid.trim().to_owned();
        let spaces = fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
        assert_ne!(spaces, fs::read_link("/proc/self/ns/user").unwrap());
        fs::metadata(format!("/proc/{pid}/root/bin")).unwrap().uid()
    };
    let (one, other) = (owner("c1"), owner("d1"));
    assert!(one >= 0x7000_0000 && other >= 0x7000_0000 && one != other, "{one} {other}");
    // Programs that are started later are in there too; a volume has the owners of inside.
    let text = "id -u; touch /data/root; su -s /bin/sh nobody -c 'touch /data/x' || chmod 777 /data; \
        su -s /bin/sh nobody -c 'touch /data/nobody'; kill -0 1 && echo signals";
    let exec = ["exec", "c1", "sh", "-c", text];
    let output = place.sandbox.rbuild(exec).success();
    assert!(output.stdout.starts_with("0\n") && output.stdout.contains("signals"), "{output}");
    let seen = ["exec", "c1", "sh", "-c", "stat -c %u:%g /data/nobody /bin"];
    place.sandbox.rbuild(seen).success().prints("65534:65534\n0:0\n");
    let data = place.sandbox.root().join("volumes/data/_data");
    assert_eq!(fs::metadata(data.join("root")).unwrap().uid(), 0);
    assert_eq!(fs::metadata(data.join("nobody")).unwrap().uid(), 65_534);
    place
        .rbuild("run --rm -v data:/data busybox stat -c %u /data/nobody")
        .success()
        .prints("65534\n");
    place.rbuild("exec -t c1 tty").success();
    // Of directories of the host's nothing belongs to it.
    fs::create_dir(place.sandbox.path("host")).unwrap();
    let bind = format!("{}:/host", place.sandbox.path("host").display());
    let line = [
        "run",
        "--rm",
        "--userns",
        "auto",
        "--network",
        "none",
        "-v",
        &bind,
        "busybox",
        "touch",
        "/host/x",
    ];
    place.sandbox.rbuild(line).exits(1).says("Permission denied");
    copies_are_whose_they_were(&place);
    place.rbuild("stop c1").success();
    copies_are_whose_they_were(&place);
    place.rbuild("rm -f c1 d1").success();
    place.rbuild("volume rm data").success();
    place.assert_nothing_left();
}

/// Into the container and out of it, whether it runs or not: as if it had no users of its own.
fn copies_are_whose_they_were(place: &Place) {
    let owner = |path: &str| {
        let found = fs::symlink_metadata(place.sandbox.path(path)).unwrap();
        (found.uid(), found.gid())
    };
    place.sandbox.write("in/file", "text");
    std::os::unix::fs::chown(place.sandbox.path("in/file"), Some(5), Some(6)).unwrap();
    place.rbuild("cp in c1:/of-root").success();
    place.rbuild("cp -a in c1:/of-five").success();
    for (path, archive, expected) in [
        ("/of-root/file", true, (0, 0)),
        ("/of-five/file", true, (5, 6)),
        ("/of-five/file", false, (0, 0)),
    ] {
        let flags = if archive { "-a " } else { "" };
        place.rbuild(&format!("cp {flags}c1:{path} out")).success();
        assert_eq!(owner("out"), expected, "{path}");
        assert_eq!(place.sandbox.read("out"), "text");
    }
    let archive = place.sandbox.rbuild_command(["cp", "c1:/of-five", "-"]).output().unwrap();
    let mut archive = tar::Archive::new(archive.stdout.as_slice());
    let owners: Vec<u64> =
        archive.entries().unwrap().map(|entry| entry.unwrap().header().uid().unwrap()).collect();
    assert_eq!(owners[..2], [0, 5]);
}

#[test]
fn what_cannot_be_had_with_it_is_refused() {
    let Some(place) = Place::new() else { return };
    for (flags, expected) in [
        ("--privileged", "privileges on the machine exclude each other"),
        ("--pid host", "the processes of others"),
        ("--ipc host", "the IPC namespace of others"),
        ("--uts host", "the names of the host"),
        ("-v /tmp:/x:rshared", "mounts that spread to the host"),
        ("--security-opt writable-cgroups", "cgroups that it may write to"),
    ] {
        let line = format!("create --network none --userns auto {flags} busybox true");
        place.rbuild(&line).exits(125).says(expected);
    }
    let line = "create --userns auto --network host busybox true";
    place.rbuild(line).exits(125).says("the host's network");
    for mode in ["keep-id", "nomap", "private", "container:x", "auto:size=5"] {
        let line = format!("create --userns {mode} busybox true");
        place.rbuild(&line).exits(125).says(&format!("`--userns {mode}` is not supported"));
    }
    let line = "run --rm --userns host busybox cat /proc/self/uid_map";
    let whole = place.rbuild(line).success().stdout;
    assert_eq!(whole.split_whitespace().collect::<Vec<_>>(), ["0", "0", "4294967295"]);
    place.assert_nothing_left();
}

/// As with users of the machine's: names, ports, links between containers, volumes of several.
/// They hold for its program, and not for what is done before.
#[test]
fn limits_may_be_low() {
    let Some(place) = Place::new() else { return };
    let line = "run --rm --userns auto --network bridge --ulimit nofile=64:64 --ulimit fsize=10:10";
    let text = "ulimit -n; ulimit -Hn; ulimit -f; wc -c </etc/hosts >/dev/null && echo written";
    let output = place.shell(line, text).success();
    assert!(
        output.stdout.starts_with("64\n64\n") && output.stdout.ends_with("written\n"),
        "{output}"
    );
}

#[test]
fn networks_and_volumes_are_as_usual() {
    let Some(place) = Place::new() else { return };
    place.rbuild("network create front").success();
    let serves =
        "echo served >/data/page && cd /data && ip link set dev lo mtu 1400 && httpd -f -p 80";
    let line =
        "run -d --name web --userns auto --cap-add NET_ADMIN --network front -v pages:/data -p 80";
    place.shell(line, serves).success();
    let asks = "for _ in $(seq 600); do wget -qO- http://web/page 2>/dev/null && exit; sleep 0.1; done; exit 1";
    for users in ["auto", "host"] {
        let line = format!("run --rm --userns {users} --network front");
        place.shell(&line, asks).success().prints("served\n");
    }
    // What the published port leads to.
    let port = place.rbuild("port web 80/tcp").success().stdout;
    let address = port.lines().next().unwrap().replace("0.0.0.0", "127.0.0.1");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /page HTTP/1.0\r\n\r\n").unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
    assert!(said.ends_with("served\n"), "{said}");
    // Of two containers with users of their own each sees what the other made as its own kind's.
    let line = "run --rm --userns auto --network none -v pages:/data --tmpfs /t:uid=7 --user 7";
    place
        .shell(line, "stat -c %u:%g /data/page; touch /t/x && stat -c %u /t; id -u; touch /data/y")
        .exits(1)
        .prints("0:0\n7\n7\n");
    place.rbuild("network create back").success();
    place.rbuild("network connect back web").success();
    let inside = "ip -o -4 addr show dev eth1 | wc -l";
    place.sandbox.rbuild(["exec", "web", "sh", "-c", inside]).success().prints("1\n");
    place.rbuild("restart -t 0 web").success();
    place.shell("run --rm --network front", asks).success().prints("served\n");
    place.rbuild("rm -f web").success();
    place.rbuild("network rm front back").success();
    place.rbuild("volume rm pages").success();
    place.assert_nothing_left();
}

/// Of shims and commands that are killed no range stays taken: it is free with its container.
#[test]
fn ranges_are_free_again() {
    let Some(place) = Place::new() else { return };
    let first = |name: &str| -> u32 {
        let map = place.rbuild(&format!("exec {name} cat /proc/self/uid_map")).success().stdout;
        map.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    place.rbuild("run -d --name one --userns auto --network none busybox sleep 1000").success();
    let of_a = first("one");
    let shim = rustix::process::Pid::from_raw(place.shim("one")).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    place.until("one", "{{.State.Status}}", "exited");
    // It keeps its range as long as it is there, and another one has another.
    place.rbuild("run -d --name two --userns auto --network none busybox sleep 1000").success();
    assert_ne!(first("two"), of_a);
    place.rbuild("start one").success();
    assert_eq!(first("one"), of_a);
    place.rbuild("rm -f one").success();
    place.rbuild("run -d --name three --userns auto --network none busybox sleep 1000").success();
    assert_eq!(first("three"), of_a);
    place.rbuild("rm -f two three").success();
    place.assert_nothing_left();
}

/// Whoever may drop a group can read what is withheld from it, and whoever keeps one of ours can read what is ours. So groups are
/// those of the image's user, whoever starts it, and nobody inside makes a user namespace in which to have others.
#[test]
fn cve_2014_8989_groups_are_those_of_the_user() {
    let Some(place) = Place::new() else { return };
    let script = "grep Groups /proc/self/status; unshare -U true 2>/dev/null || echo refused";
    for flags in ["--user 5:5", "--user 0:0", "--userns auto", "--userns auto --user 5:5"] {
        let line = format!("run --rm --network none {flags} busybox sh -c");
        let words = || line.split(' ').chain([script]);
        let expected = place.sandbox.rbuild(words()).success().stdout;
        assert!(expected.ends_with("refused\n"), "{expected}");
        let plain = place.sandbox.rbuild_command(words());
        let mut command = std::process::Command::new("setpriv");
        command.args(["--groups", "4242,0"]).arg(plain.get_program()).args(plain.get_args());
        command.env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(plain.get_current_dir().unwrap());
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{flags}: {output:?}");
        assert!(!expected.contains("4242"), "{expected}");
    }
    place.assert_nothing_left();
}
