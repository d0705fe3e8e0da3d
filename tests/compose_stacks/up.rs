//! What `up` and the commands around it do when nothing goes wrong, and what they say when something does.

use std::process::Stdio;

use super::stack::Stack;

const SHOP: &str = "
services:
  db:
    image: busybox
    command: sh -c 'cat /data/rows 2>/dev/null || echo empty; echo row > /data/rows; touch /ready; exec sleep 1000'
    healthcheck: {test: test -f /ready, interval: 50ms}
    volumes: [rows:/data]
    secrets: [password]
  web:
    image: busybox
    command: sleep 1000
    environment: {COLOUR: '${COLOUR:-red}'}
    depends_on: {db: {condition: service_healthy}}
    configs: [{source: page, target: /www/index.html}]
volumes: {rows: {}}
secrets: {password: {environment: PASSWORD}}
configs: {page: {content: 'hello ${COLOUR:-red}'}}
";

fn shop() -> Option<Stack> {
    let stack = Stack::new(SHOP)?;
    stack.sandbox.write("shop/.env", "PASSWORD=guess\n");
    Some(stack)
}

#[test]
fn a_stack_comes_up_in_order_and_goes_without_a_trace() {
    let Some(stack) = shop() else { return };
    let up = stack.rcompose("up -d --wait").success();
    let at = |text: &str| up.stderr.find(text).unwrap_or_else(|| panic!("no {text}: {up}"));
    assert!(at("shop-db-1  Started") < at("Service db  Healthy"), "{up}");
    assert!(at("Service db  Healthy") < at("shop-web-1  Starting"), "{up}");
    assert_eq!(
        stack.ask("ps --format {{.Service}}:{{.State}}:{{.Health}}"),
        "db:running:healthy\nweb:running:"
    );
    assert_eq!(stack.ask("exec -T web cat /www/index.html"), "hello red");
    assert_eq!(stack.ask("exec -T db cat /run/secrets/password"), "guess");
    stack.rcompose("exec -T web ping -c1 -W5 db").success();
    assert_eq!(stack.ask("ls -q"), "shop");
    stack.rcompose("up -d").success().prints("");
    stack.assert_goes();
}

#[test]
fn data_of_a_named_volume_outlives_the_stack() {
    let Some(stack) = shop() else { return };
    stack.rcompose("up -d --wait db").success();
    assert_eq!(stack.ask("logs --no-log-prefix db"), "empty");
    stack.rcompose("down -t 0").success();
    stack.rcompose("up -d --wait db").success();
    assert_eq!(stack.ask("logs --no-log-prefix db"), "row");
    assert_eq!(stack.ask("volumes -q"), "shop_rows");
    stack.assert_goes();
}

#[test]
fn only_what_changed_is_made_anew_and_the_reason_is_told() {
    let Some(stack) = shop() else { return };
    stack.rcompose("up -d --wait").success();
    let (db, web) = (stack.ask("ps -q db"), stack.ask("ps -q web"));
    stack.sandbox.write("shop/.env", "PASSWORD=guess\nCOLOUR=blue\n");
    let planned = stack.rcompose("--dry-run up -d -t 0").success();
    planned.says("environment.COLOUR: red → blue").says("recreate container `shop-web-1`");
    assert_eq!(stack.ask("ps -q web"), web);
    stack.rcompose("up -d -t 0").success().says("environment.COLOUR: red → blue");
    assert_eq!(stack.ask("ps -q db"), db);
    assert_ne!(stack.ask("ps -q web"), web);
    assert!(stack.ask("exec -T web env").contains("COLOUR=blue"));
    assert_eq!(stack.ask("exec -T web cat /www/index.html"), "hello blue");
    stack.assert_goes();
}

#[test]
fn numbers_of_containers_follow_what_is_asked_for() {
    let Some(stack) = Stack::new("services: {a: {image: busybox, command: sleep 1000}}") else {
        return;
    };
    stack.rcompose("up -d --scale a=3").success();
    assert_eq!(stack.ask("ps --format {{.Name}}"), "shop-a-1\nshop-a-2\nshop-a-3");
    let hosts = ["1", "2"].map(|n| stack.ask(&format!("exec -T --index {n} a hostname")));
    assert_ne!(hosts[0], hosts[1]);
    stack.rcompose("exec -T --index 9 a true").exits(1).says("no container with index 9");
    stack.rcompose("up -d -t 0").success();
    assert_eq!(stack.ask("ps --format {{.Name}}"), "shop-a-1");
    stack.assert_goes();
}

#[test]
fn a_dependency_that_does_not_come_up_says_why() {
    let compose = "
services:
  web: {image: busybox, command: sleep 1000, depends_on: {db: {condition: service_healthy}}}
  db:
    image: busybox
    command: sh -c 'echo no disk; sleep 1000'
    healthcheck: {test: 'echo cannot connect; exit 3', interval: 50ms, retries: 2}
";
    let Some(stack) = Stack::new(compose) else { return };
    let up = stack.rcompose("up -d").exits(1);
    let up = up.says("dependency failed to start: container shop-db-1 is unhealthy");
    up.says("cannot connect").says("ended with 3").says("no disk");
    assert_eq!(stack.ask("ps --services --status running"), "db");
    stack.assert_goes();
}

#[test]
fn attached_output_has_names_and_the_exit_code_is_the_services() {
    let compose = "
services:
  long-name: {image: busybox, command: sh -c 'echo out; echo err >&2; exit 4'}
  b: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
";
    let Some(stack) = Stack::new(compose) else { return };
    let up = stack.rcompose("up --exit-code-from long-name").exits(4);
    assert!(up.stdout.contains("long-name-1  | out\n"), "{up}");
    assert!(up.stderr.contains("long-name-1  | err\n"), "{up}");
    assert!(up.stdout.contains("long-name-1 exited with code 4\n"), "{up}");
    assert_eq!(stack.ask("ps -q"), "");
    stack.assert_goes();
}

#[test]
fn one_program_runs_beside_the_stack() {
    let compose = "
services:
  job: {image: busybox, command: 'echo usual', depends_on: [db], environment: {A: '1'}}
  db: {image: busybox, command: sleep 1000}
";
    let Some(stack) = Stack::new(compose) else { return };
    assert_eq!(stack.ask("run --rm job"), "usual");
    assert_eq!(stack.ask("ps --services"), "db");
    stack.rcompose("run --rm --no-deps job sh /exit.sh").exits(2);
    stack.rcompose("run --rm --no-deps job false").exits(1);
    assert!(stack.ask("run --rm -e A=2 job env").contains("A=2"));
    stack.rcompose("run --rm job no-such-program").exits(127);
    assert_eq!(stack.ask("ps -a --format {{.Service}}"), "db");
    stack.assert_goes();
}

#[test]
fn containers_stop_stand_still_and_start_again() {
    let Some(stack) = shop() else { return };
    stack.rcompose("up -d --wait").success();
    let ids = stack.ask("ps -q");
    stack.rcompose("pause web").success();
    assert_eq!(stack.ask("ps --services --status paused"), "web");
    stack.rcompose("pause web").exits(1).says("already paused");
    stack.rcompose("unpause").success();
    stack.rcompose("stop -t 0").success();
    assert_eq!(stack.ask("ps -q"), "");
    stack.rcompose("start").success();
    stack.until("ps -q", &ids);
    stack.rcompose("kill -s KILL web").success();
    stack.until("ps --services", "db");
    stack.rcompose("rm -f").success();
    assert_eq!(stack.ask("ps -a --services"), "db");
    stack.rcompose("stop nosuch").exits(1).says("no such service: nosuch");
    stack.assert_goes();
    stack.rcompose("start").exits(1).says("has no container to start");
}

#[test]
fn images_are_built_before_what_needs_them() {
    let compose = "
services:
  app: {build: {context: ., args: {WHO: world}}, command: cat /greeting}
";
    let Some(stack) = Stack::new(compose) else { return };
    let dockerfile = "FROM busybox\nARG WHO\nRUN echo hello $WHO > /greeting\n";
    stack.sandbox.write("shop/Dockerfile", dockerfile);
    assert_eq!(stack.ask("run --rm app"), "hello world");
    stack.rcompose("build --build-arg WHO=you app").success();
    assert_eq!(stack.ask("run --rm app"), "hello you");
    stack.rcompose("down --rmi local -t 0").success();
    let images = stack.sandbox.rbuild(["images", "--format", "{{.Repository}}"]).success();
    assert!(!images.stdout.contains("shop-app"), "{images}");
    stack.assert_goes();
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    for (service, says) in [
        ("uts: 'service:b'", "`uts: service:b` is not supported"),
        ("userns_mode: keep-id", "`userns_mode: keep-id` is not supported"),
        ("logging: {driver: syslog}", "the log driver `syslog` is not supported"),
        ("volumes: [{type: npipe, source: x, target: /x}]", "there are no mounts of type `npipe`"),
        ("security_opt: ['apparmor=strict']", "AppArmor"),
        ("platform: linux/s390x", "asks for `platform: linux/s390x`, but image `busybox` is for"),
    ] {
        let compose = format!(
            "services: {{a: {{image: busybox, command: sleep 9, {service}}}, b: {{image: busybox, command: sleep 9}}}}"
        );
        let Some(stack) = Stack::new(&compose) else { return };
        stack.rcompose("up -d").exits(1).says(says);
        stack.assert_goes();
    }
}

#[test]
fn services_may_have_users_of_their_own() {
    let compose = "services: {a: {image: busybox, command: sleep 1000, userns_mode: auto, volumes: ['data:/d']}}\n\
        volumes: {data: {}}";
    let Some(stack) = Stack::new(compose) else { return };
    stack.rcompose("up -d").success();
    let map = stack.ask("exec -T a cat /proc/self/uid_map");
    let map: Vec<u32> = map.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(map[0] == 0 && map[1] >= 0x7000_0000 && map[2] == 65_536, "{map:?}");
    stack.rcompose("exec -T a touch /d/x").success();
    stack.rcompose("cp a:/d/x out").success();
    // Nothing has changed.
    let again = stack.rcompose("up -d").success();
    assert!(!again.stderr.contains("Recreate"), "{again}");
    stack.rcompose("down -v -t 0").success();
    stack.assert_goes();
}

/// Whoever looks on does not keep others from changing the project.
#[test]
fn a_stack_that_is_looked_at_can_be_taken_down_by_another() {
    let Some(stack) = Stack::new("services: {a: {image: busybox, command: sleep 1000}}") else {
        return;
    };
    let mut attached = stack.command("up").stdout(Stdio::null()).spawn().unwrap();
    stack.until("ps --format {{.State}}", "running");
    let down = stack.rcompose("down -t 0").success();
    assert!(!down.stderr.contains("waiting for another"), "{down}");
    assert!(attached.wait().unwrap().success());
    let mut program = stack.command("run --rm -T --name one a sleep 1000");
    let mut program = program.stdout(Stdio::null()).spawn().unwrap();
    stack.until("ps -a --format {{.State}}", "running");
    let up = stack.rcompose("up -d").success();
    assert!(!up.stderr.contains("waiting for another"), "{up}");
    stack.rcompose("down -t 0 --remove-orphans").success();
    program.wait().unwrap();
    stack.assert_goes();
}

#[test]
fn rm_takes_anonymous_volumes_if_it_is_told_to() {
    let Some(stack) =
        Stack::new("services: {a: {image: busybox, command: 'true', volumes: [/data]}}")
    else {
        return;
    };
    let volumes = || stack.sandbox.rbuild(["volume", "ls", "-q"]).success().stdout.lines().count();
    stack.rcompose("up --no-start").success();
    stack.rcompose("rm -f").success();
    assert_eq!(volumes(), 1);
    stack.rcompose("up --no-start").success();
    stack.rcompose("rm -f -v").success();
    assert_eq!(volumes(), 1);
    stack.sandbox.rbuild(["volume", "prune", "-a", "-f"]).success();
    stack.assert_goes();
}

#[test]
fn flags_that_would_change_nothing_are_refused() {
    let Some(stack) = Stack::new("services: {a: {image: busybox, command: sleep 9}}") else {
        return;
    };
    stack.rcompose("up -d --menu=true").exits(1).says("there is no menu");
    stack.rcompose("--dry-run run a true").exits(1).says("`--dry-run` of `rcompose run`");
    let quiet = stack.rcompose("run --rm -T --quiet a echo hello").success();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("hello\n", ""));
    stack.rcompose("down").success();
    stack.assert_goes();
}

#[test]
fn output_of_a_service_without_a_log_is_shown_while_attached() {
    let compose = "services: {a: {image: busybox, command: sh -c 'echo out; echo err >&2', logging: {driver: none}}}";
    let Some(stack) = Stack::new(compose) else { return };
    let up = stack.rcompose("up").success();
    assert!(up.stdout.contains("a-1  | out\n") && up.stderr.contains("a-1  | err\n"), "{up}");
    stack.rcompose("logs").exits(1).says("keeps no log");
    stack.assert_goes();
}

#[test]
fn configs_and_secrets_that_no_project_owns_are_kept_and_used() {
    let compose = "
services:
  a: {image: busybox, command: sleep 1000, stop_grace_period: 0s, secrets: [{source: key, uid: '1000', mode: 0400}], configs: [{source: page, target: /page}]}
secrets: {key: {external: true, name: shop.key}}
configs: {page: {external: true}}
";
    let Some(stack) = Stack::new(compose) else { return };
    let up = stack.rcompose("up -d").exits(1);
    up.says("config \"page\" not found").says("rcompose external create config page FILE");
    stack.sandbox.write("shop/page", "hello");
    stack.rcompose("external create config page page").success();
    let mut create = stack.command("external create secret shop.key -");
    crate::support::run(create.stdin(Stdio::piped()), "sesame").success();
    stack.rcompose("external create config page page").exits(1).says("already");
    assert_eq!(stack.ask("external ls"), "config  page\nsecret  shop.key");
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("exec -T a cat /page"), "hello");
    let secret = "exec -T a stat -c %a:%u /run/secrets/key";
    assert_eq!(
        (stack.ask(secret), stack.ask("exec -T a cat /run/secrets/key")),
        ("400:1000".into(), "sesame".into())
    );
    // Another content is another container.
    stack.rcompose("external rm config page").success();
    stack.sandbox.write("shop/page", "bye");
    stack.rcompose("external create config page page").success();
    stack.rcompose("up -d").success().says("content of configs.page");
    assert_eq!(stack.ask("exec -T a cat /page"), "bye");
    stack.assert_goes();
}

#[test]
fn the_list_is_shown_again_when_it_changes() {
    let Some(stack) =
        Stack::new("services: {a: {image: busybox, command: sleep 1000, stop_grace_period: 0s}}")
    else {
        return;
    };
    let mut follow = stack.command("ps -a --follow --format {{.Name}}:{{.State}}");
    let mut child = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut hear = |expected: &str| {
        let heard = lines.find(|line| line.as_ref().unwrap() == expected);
        assert!(heard.is_some(), "{expected}");
    };
    stack.rcompose("up -d").success();
    hear("shop-a-1:running");
    stack.rcompose("kill").success();
    hear("shop-a-1:exited");
    child.kill().unwrap();
    child.wait().unwrap();
    stack.assert_goes();
}

#[test]
fn a_container_of_another_project_is_found_by_the_name_of_the_link() {
    let Some(stack) = Stack::new(
        "services: {a: {image: busybox, command: sleep 1000, networks: [shared], external_links: ['other-db-1:database']}}\nnetworks: {shared: {external: true}}",
    ) else {
        return;
    };
    stack.sandbox.write(
        "other/compose.yaml",
        "services: {db: {image: busybox, command: sleep 1000, networks: [shared]}}\nnetworks: {shared: {external: true}}",
    );
    stack.sandbox.rbuild(["network", "create", "shared"]).success();
    stack.rcompose("up -d").exits(1).says("other-db-1");
    stack.rcompose("-f ../other/compose.yaml up -d").success();
    stack.rcompose("up -d").success();
    stack.rcompose("exec -T a ping -c1 -W5 database").success();
    stack.rcompose("down -t 0").success();
    stack.rcompose("-f ../other/compose.yaml down -t 0").success();
    stack.sandbox.rbuild(["network", "rm", "shared"]).success();
}

#[test]
fn what_a_service_cannot_have_is_told_before_anything_is_made() {
    let web = "{image: busybox, command: sleep 1000, volumes: [rows:/data]}";
    let Some(stack) = Stack::new(&format!("services: {{web: {web}}}\nvolumes: {{rows: {{}}}}"))
    else {
        return;
    };
    for (attributes, expected) in [
        ("ports: [{target: 80, protocol: sctp}]", "the protocol `sctp`: known are tcp and udp"),
        ("volumes: [{type: npipe, target: /pipe}]", "there are no mounts of type `npipe` here"),
        ("uts: 'service:web'", "only processes, IPC and the network of other containers"),
        ("networks: {default: {ipv6_address: 'fd00::5'}}", "`networks.default.ipv6_address`"),
        ("stop_signal: SIGNOPE", "`stop_signal`"),
        ("devices: ['/dev/absent:/dev/x']", "/dev/absent"),
    ] {
        let other = format!("{{image: busybox, depends_on: [web], {attributes}}}");
        stack.write(&format!("services: {{web: {web}, other: {other}}}\nvolumes: {{rows: {{}}}}"));
        let up = stack.rcompose("up -d").exits(1).says(expected).says("service `other`");
        assert_eq!(stack.ask("ps -aq"), "", "{up}");
        for kind in ["network", "volume"] {
            let all = stack.sandbox.rbuild([kind, "ls", "--format", "{{.Name}}"]).success();
            assert!(!all.stdout.contains("shop"), "{attributes}: {all}");
        }
    }
    stack.assert_goes();
}
