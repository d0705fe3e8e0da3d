//! What the process sees: environment, user, names, limits, network.
use builder::request::{ExtraHost, NetworkMode, Ulimit};

use super::Case;
use super::world::{World, request};

pub(crate) const CASES: &[Case] = &[
    ("process::environment", environment),
    ("process::users", users),
    ("process::directory", directory),
    ("process::names", names),
    ("process::limits", limits),
    ("process::no_network", no_network),
    ("process::scripts", scripts),
    ("process::only_changes_are_kept", only_changes_are_kept),
    ("process::an_empty_base", an_empty_base),
    ("process::times_that_were_set", times_that_were_set),
];

fn environment(world: &World) {
    let mut request = request("ARG A=1\nENV B=\"2 3\"\nRUN env");
    request.build_args.insert("HTTP_PROXY".to_owned(), "http://proxy".to_owned());
    let text = world.output_of(&request);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let proxies = ["HTTP_PROXY=http://proxy", "http_proxy=http://proxy"];
    let expected = ["A=1", "B=2 3", "HOME=/root", proxies[0], path, proxies[1]];
    let without_shells: Vec<&str> =
        lines.into_iter().filter(|l| !["PWD=/", "SHLVL=1"].contains(l)).collect();
    assert_eq!(without_shells, expected);
}

fn users(world: &World) {
    let text = world.output("USER web\nRUN id; echo $HOME\nUSER 7:8\nRUN id -u; id -g; echo $HOME");
    let expected = "uid=33(web) gid=34(www) groups=9(logs),34(www)\n/home/web\n7\n8\n/\n";
    assert_eq!(text, expected);
    let error = world.failure("USER nobody-there\nRUN id");
    assert!(error.to_string().starts_with("process \"/bin/sh -c id\" did not"), "{error}");
    assert!(error.to_string().contains("nobody-there"), "{error}");
}

fn directory(world: &World) {
    assert_eq!(world.output("WORKDIR /a/b\nRUN pwd; stat -c '%a %u' ."), "/a/b\n755 0\n");
}

fn names(world: &World) {
    let mut request =
        request("RUN exec 2>&1; hostname; cat /etc/hosts; echo x >/etc/hosts || true");
    request.add_hosts.push(ExtraHost { host: "db".to_owned(), address: [10, 1, 2, 3].into() });
    let text = world.output_of(&request);
    let hosts = "buildkitsandbox\n127.0.0.1\tlocalhost buildkitsandbox\n\
                 ::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tdb\n";
    assert!(text.contains(hosts) && text.contains("Read-only"), "{text}");
    request.build_args.insert("BUILDKIT_SANDBOX_HOSTNAME".to_owned(), "box".to_owned());
    assert!(world.output_of(&request).starts_with("box\n127.0.0.1\tlocalhost box\n"));
}

fn limits(world: &World) {
    let mut request = request("RUN df -k /dev/shm | grep -c 2048; ulimit -n; ulimit -Hn");
    request.shm_size = Some(2 << 20);
    request.ulimits.push(Ulimit { name: "nofile".to_owned(), soft: 100, hard: 200 });
    assert_eq!(world.output_of(&request), "1\n100\n200\n");
}

fn no_network(world: &World) {
    assert_eq!(world.output("RUN --network=none ls /sys/class/net"), "lo\n");
    let mut without = request("RUN ls /sys/class/net # all");
    without.network = NetworkMode::None;
    assert_eq!(world.output_of(&without), "lo\n");
}

fn scripts(world: &World) {
    let text = world.output("RUN <<EOF\n#!/bin/cat\nline\nEOF\nRUN <<A cat\nfrom a\nA\n");
    assert_eq!(text, "#!/bin/cat\nline\nfrom a\n");
}

fn only_changes_are_kept(world: &World) {
    let mounts = "--mount=type=tmpfs,target=/t/u --mount=type=cache,target=/etc/cache \
                  --mount=type=secret,id=s,target=/etc/s/t";
    let mut changes = request(&format!("RUN {mounts} echo x >/new; touch /t/u/x /etc/cache/x"));
    changes.secrets.push(super::world::secret("s", "hush"));
    assert_eq!(world.top_layer(&changes), ["new"]);
    assert_eq!(world.top_layer(&request("RUN true # nothing")), [""; 0]);
    assert_eq!(world.top_layer(&request("RUN rm /etc/group")), ["etc", "etc/group"]);
}

fn an_empty_base(world: &World) {
    let text = "FROM scratch\nCOPY --from=base /bin/busybox /busybox\nRUN [\"/busybox\", \"touch\", \"/made\"]";
    let top = world.top_layer(&request(text));
    let stubs = ["dev", "proc", "sys", "etc"];
    let made: Vec<_> = top.iter().filter(|path| !stubs.contains(&path.as_str())).collect();
    assert_eq!(made, ["made"]);
}

/// The second chance lets a new time of writing pass, not a time that the command set.
fn times_that_were_set(world: &World) {
    let set = |time: u32| {
        world.output(&format!(
            "RUN mkdir -p /x/d\nRUN echo now > /x/d/n; touch -d @{time} /x/d/f\nRUN stat -c %Y /x/d/f"
        ))
    };
    assert_eq!(set(1000), "1000\n");
    assert_eq!(set(2000), "2000\n");
    let written = |more: &str| {
        world.output(&format!(
            "RUN mkdir -p /y/d\nRUN echo > /y/d/f {more}\nRUN echo seen $(ls /y/d)"
        ))
    };
    assert_eq!(written(""), "seen f\n");
    assert_eq!(written("&& true"), "");
}
