//! What docker compose's own end-to-end tests assert and no recorded scenario has: one test for each of their files, with stacks
//! of our own.

use std::process::Stdio;

use super::stack::Stack;

const SLEEP: &str = "image: busybox, command: sleep 1000, stop_grace_period: 0s";

fn sleeping(services: &[(&str, &str)], rest: &str) -> String {
    let line = |(name, more): &(&str, &str)| format!("  {name}: {{{SLEEP}{more}}}\n");
    format!("services:\n{}{rest}", services.iter().map(line).collect::<String>())
}

#[test]
fn build_secrets_tags_escapes_and_subsets() {
    let compose = "
services:
  a:
    image: shop-named
    command: sleep 1000
    stop_grace_period: 0s
    build:
      context: .
      dockerfile_inline: |
        FROM busybox
        ARG WORD
        RUN --mount=type=secret,id=file --mount=type=secret,id=variable cat /run/secrets/file /run/secrets/variable > /secrets
        RUN echo $$WORD > /word
      args: {WORD: 'a$$b'}
      secrets: [file, variable]
      tags: [shop-second, shop-third:1]
  b: {build: {context: ., dockerfile_inline: 'FROM absent-image'}, profiles: [never]}
  c:
    profiles: [extra]
    build: {context: ., dockerfile_inline: \"FROM busybox\\nRUN touch /c\\n\"}
    command: test -f /c
secrets: {file: {file: secret.txt}, variable: {environment: WORD_OF_ENV}}
";
    let Some(stack) = Stack::new(compose) else { return };
    stack.sandbox.write("shop/secret.txt", "one ");
    stack.sandbox.write("shop/.env", "WORD_OF_ENV=two\n");
    stack.rcompose("build a").success();
    let images = stack.sandbox.rbuild(["images", "--format", "{{.Repository}}:{{.Tag}}"]).success();
    for name in ["shop-named:latest", "shop-second:latest", "shop-third:1"] {
        assert!(images.stdout.lines().any(|line| line == name), "{images}");
    }
    assert_eq!(stack.ask("run --rm -T a cat /secrets"), "one two");
    assert_eq!(stack.ask("run --rm -T a cat /word"), "a$b");
    // What is named is built, whatever its profile says.
    stack.rcompose("build c").success().says("shop-c  Built");
    stack.rcompose("run --rm -T c").success();
    // Nothing changed: neither the image nor the container.
    stack.rcompose("up -d --build a").success();
    let (id, up) = (stack.ask("ps -aq a"), stack.rcompose("up -d --build a").success());
    assert_eq!(stack.ask("ps -aq a"), id, "{up}");
    stack.assert_goes();
}

#[test]
fn cascade_of_ends() {
    let compose = "
services:
  good: {image: busybox, command: 'true'}
  bad: {image: busybox, command: sh -c 'sleep 0.3; exit 111'}
  long: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
";
    let Some(stack) = Stack::new(compose) else { return };
    let up = stack.rcompose("up --abort-on-container-failure").exits(111);
    up.says("Aborting on container exit");
    stack.rcompose("up --abort-on-container-exit good long").success();
    // What the abort has ended with a signal.
    stack.rcompose("up --exit-code-from long bad long").exits(137);
    // A container of `run` is none of theirs.
    let mut run = stack.command("run --rm -T bad sh -c true");
    let mut up = stack.command("up --abort-on-container-exit bad long").spawn().unwrap();
    run.output().unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(111));
    stack.assert_goes();
}

#[test]
fn commit_and_export_of_one_replica() {
    let Some(stack) = Stack::new(&sleeping(&[("a", ", deploy: {replicas: 2}")], "")) else {
        return;
    };
    stack.rcompose("up -d").success();
    for index in ["1", "2"] {
        stack.rcompose(&format!("exec -T --index {index} a sh -c echo>/number-{index}")).success();
        let image = format!("shop-committed:{index}");
        stack.rcompose(&format!("commit --index {index} a {image}")).success();
        let test = format!("/number-{index}");
        stack.sandbox.rbuild(["run", "--rm", &image, "test", "-f", &test]).success();
        stack.rcompose(&format!("export --index {index} -o {index}.tar a")).success();
        let mut tar = stack.sandbox.command("tar");
        let list =
            crate::support::run(tar.args(["-tf", &format!("shop/{index}.tar")]), "").success();
        assert!(
            list.stdout.lines().any(|line| line.ends_with(&format!("number-{index}"))),
            "{list}"
        );
    }
    stack.assert_goes();
}

#[test]
fn environment_priorities() {
    let compose = "
services:
  a:
    build: {context: ., dockerfile_inline: \"FROM busybox\\nENV WHERE=image\\n\"}
    command: env
    environment: {WHERE: file}
    env_file: [a.env]
  b:
    build: {context: ., dockerfile_inline: \"FROM busybox\\nENV WHERE=image\\n\"}
    command: env
    environment: [WHERE]
";
    let Some(stack) = Stack::new(compose) else { return };
    stack.sandbox.write("shop/.env", "OTHER=dotenv # a comment\nQUOTED='dotenv # none'\n");
    stack.sandbox.write("shop/a.env", "OTHER=env_file\nWHERE=env_file\n");
    let says = |line: &str, shell: Option<&str>, expected: &str| {
        let mut command = stack.command(line);
        if let Some(value) = shell {
            command.env("WHERE", value);
        }
        let output = crate::support::run(&mut command, "").success();
        assert!(output.stdout.lines().any(|line| line == expected), "{expected}: {output}");
    };
    says("run --rm -T a", None, "WHERE=file");
    says("run --rm -T -e WHERE a", Some("shell"), "WHERE=shell");
    says("run --rm -T -e WHERE=flag a", Some("shell"), "WHERE=flag");
    says("run --rm -T a", None, "OTHER=env_file");
    says("run --rm -T -e OTHER a", None, "OTHER=dotenv");
    says("run --rm -T -e QUOTED a", None, "QUOTED=dotenv # none");
    says("run --rm -T b", Some("shell"), "WHERE=shell");
    assert!(!stack.ask("run --rm -T b").contains("WHERE"), "the image's goes, too");
    stack.assert_goes();
}

#[test]
fn exec_and_run_at_the_edge() {
    let Some(stack) = Stack::new(&sleeping(&[("a", ", init: true"), ("db", "")], "")) else {
        return;
    };
    stack.rcompose("up -d").success();
    stack.rcompose("exec -T a true").success();
    stack.rcompose("exec -T a sh -c exit${IFS}7").exits(7);
    let mut exec = stack.command("exec -T -e FOO a env");
    let set = crate::support::run(exec.env("FOO", "BAR"), "").success();
    assert!(set.stdout.contains("FOO=BAR"), "{set}");
    assert!(!stack.ask("exec -T -e FOO a env").contains("FOO"));
    // A pipe is no terminal.
    let mut run = stack.command("run --rm a cat");
    let piped = crate::support::run(run.stdin(Stdio::piped()), "through").success();
    assert_eq!(piped.stdout, "through");
    // It goes, however it is ended.
    let mut child = stack.command("run --rm -T --name gone a sleep 1000").spawn().unwrap();
    let status = "ps -a --status running --format {{.Name}}";
    stack.until(status, "shop-a-1\ngone\nshop-db-1");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM).unwrap();
    child.wait().unwrap();
    stack.until("ps -a --format {{.Name}}", "shop-a-1\nshop-db-1");
    stack.assert_goes();
}

#[test]
fn files_of_the_project_are_found_as_variables_say() {
    let Some(stack) = Stack::new(&sleeping(&[("a", "")], "")) else { return };
    stack.sandbox.write("shop/other.yaml", &sleeping(&[("b", "")], ""));
    stack.sandbox.write("shop/.env", "COMPOSE_FILE=other.yaml\nCOMPOSE_PROFILES=x\n");
    assert_eq!(stack.ask("config --services"), "b");
    stack.sandbox.write("shop/named.env", "COMPOSE_FILE=compose.yaml:other.yaml\n");
    assert_eq!(stack.ask("--env-file named.env config --services"), "a\nb");
    stack.sandbox.write("sub/compose.yaml", &sleeping(&[("c", "")], ""));
    stack.sandbox.write("shop/.env", "");
    assert_eq!(stack.ask("--project-directory ../sub config --services"), "c");
    // The old separator, for those who ask for it.
    stack.rcompose("--compatibility up -d").success();
    assert_eq!(stack.ask("ps --format {{.Name}}"), "shop_a_1");
    let hash = stack.ask("config --hash a");
    let label = "{{index .Config.Labels \"com.docker.compose.config-hash\"}}";
    let label = stack.sandbox.rbuild(["inspect", "-f", label, "shop_a_1"]).success();
    assert_eq!(hash, format!("a {}", label.stdout.trim()));
    stack.assert_goes();
}

#[test]
fn networks_addresses_and_names() {
    let compose = |subnet: &str, label: &str| {
        let mut text = sleeping(
            &[
                (
                    "a",
                    ", networks: {n: {aliases: [nick], mac_address: '02:00:00:00:00:07', interface_name: shop0}}",
                ),
                ("b", ", networks: [n], links: ['a:other'], expose: ['3000-3005', '80/udp']"),
                ("c", ", network_mode: bridge"),
            ],
            "",
        );
        text.push_str(&format!(
            "networks: {{n: {{labels: {{colour: {label}}}, ipam: {{config: [{{subnet: {subnet}}}]}}}}}}\n"
        ));
        text
    };
    let Some(stack) = Stack::new(&compose("10.211.1.0/24", "red")) else { return };
    stack.rcompose("up -d").success();
    for name in ["a", "nick", "other", "shop-a-1"] {
        stack.rcompose(&format!("exec -T b ping -c1 -W5 {name}")).success();
    }
    let address = || stack.ask("exec -T a ip -4 -o addr show shop0");
    assert!(address().contains("10.211.1."), "{}", address());
    assert_eq!(stack.ask("exec -T a cat /sys/class/net/shop0/address"), "02:00:00:00:00:07");
    let ids = stack.ask("ps -q");
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("ps -q"), ids);
    // Another definition is another network, with the containers on it again.
    for (subnet, label) in [("10.211.2.0/24", "red"), ("10.211.2.0/24", "blue")] {
        stack.write(&compose(subnet, label));
        stack.rcompose("up -d").success();
        assert!(address().contains("10.211.2."), "{}", address());
        stack.rcompose("exec -T b ping -c1 -W5 nick").success();
    }
    // One that is missing is the trouble of those that use it.
    let missing = sleeping(
        &[("a", ""), ("b", ", networks: [absent]")],
        "networks: {absent: {external: true}}\n",
    );
    stack.write(&missing);
    stack
        .rcompose("up -d")
        .exits(1)
        .says("network absent declared as external, but could not be found");
    stack.rcompose("up -d a").success();
    stack.rcompose("down -t 0").success();
    stack.write(&compose("10.211.2.0/24", "blue"));
    stack.assert_goes();
}

#[test]
fn what_others_share_must_be_there() {
    for attribute in ["network_mode: 'service:donor'", "volumes_from: [donor]"] {
        let services =
            [("a", format!(", {attribute}")), ("donor", ", volumes: [/data]".to_owned())];
        let services = services.each_ref().map(|(name, more)| (*name, more.as_str()));
        let Some(stack) = Stack::new(&sleeping(&services, "")) else { return };
        stack.rcompose("up -d").success();
        stack.rcompose("up -d --no-deps --force-recreate a").success();
        stack.sandbox.rbuild(["rm", "-f", "shop-donor-1"]).success();
        let up = stack.rcompose("up -d --no-deps --force-recreate a").exits(1);
        up.says("service `donor` has no container");
        stack.assert_goes();
    }
}

#[test]
fn pausing() {
    let Some(stack) = Stack::new(&sleeping(&[("a", ""), ("b", "")], "")) else { return };
    stack.rcompose("pause").success();
    stack.rcompose("up -d").success();
    stack.rcompose("pause a").success();
    assert_eq!(stack.ask("ps --format {{.Service}}:{{.State}}"), "a:paused\nb:running");
    stack.rcompose("pause a").exits(1).says("already paused");
    stack.rcompose("pause c").exits(1).says("no such service: c");
    stack.rcompose("unpause a").success();
    stack.rcompose("exec -T a true").success();
    stack.assert_goes();
}

#[test]
fn profiles_and_dependencies() {
    let services = [
        ("a", ""),
        ("b", ", profiles: [extra]"),
        ("c", ", profiles: [extra], depends_on: [a]"),
        ("d", ", depends_on: {e: {condition: service_healthy, required: false}}"),
        ("e", ", healthcheck: {test: 'false', interval: 50ms, retries: 1}"),
    ];
    let Some(stack) = Stack::new(&sleeping(&services, "")) else { return };
    let running = || stack.ask("ps --services --status running");
    stack.rcompose("up -d c").success();
    assert_eq!(running(), "a\nc");
    stack.rcompose("--profile extra restart b c").success();
    // What is not required does not keep others from starting.
    stack.rcompose("up -d d").success().says("Service e  Skipped");
    assert_eq!(running(), "a\nc\nd\ne");
    stack.sandbox.write("shop/.env", "COMPOSE_PROFILES=extra\n");
    stack.rcompose("up -d a b").success();
    assert_eq!(running(), "a\nb\nc\nd\ne");
    stack.assert_goes();
}

#[test]
fn numbers_of_containers() {
    let services = [
        ("a", ", depends_on: [b], deploy: {replicas: 0}"),
        ("b", ", deploy: {replicas: 2}, environment: {X: '${X:-1}'}"),
    ];
    let Some(stack) = Stack::new(&sleeping(&services, "")) else { return };
    let names = || stack.ask("ps --format {{.Name}}").replace("shop-", "").replace('\n', " ");
    stack.rcompose("up -d").success();
    assert_eq!(names(), "b-1 b-2");
    let first = stack.ask("ps -q b");
    stack.rcompose("scale a=2 b=3").success();
    assert_eq!(names(), "a-1 a-2 b-1 b-2 b-3");
    assert!(stack.ask("ps -q b").starts_with(&first), "those that were there stay");
    stack.rcompose("scale --no-deps a=1").success();
    assert_eq!(names(), "a-1 b-1 b-2 b-3");
    stack.rcompose("scale a=1").success();
    assert_eq!(names(), "a-1 b-1 b-2");
    stack.rcompose("scale a=0 b=1").success();
    assert_eq!(names(), "b-1");
    stack.rcompose("scale b=2").success();
    assert_eq!(names(), "b-1 b-2");
    // Up to date is better than old: the new one stays.
    let mut up = stack.command("up -d --no-recreate --scale b=3");
    crate::support::run(up.env("X", "2"), "").success();
    let mut up = stack.command("up -d --no-recreate --scale b=1");
    crate::support::run(up.env("X", "2"), "").success();
    assert_eq!(names(), "b-3");
    stack.assert_goes();
}

#[test]
fn secrets_of_the_environment_and_of_included_projects() {
    let compose = sleeping(
        &[("a", ", secrets: [{source: key, uid: '1005', gid: '1006', mode: 0440}]")],
        "secrets: {key: {environment: KEY}}\ninclude: [{path: ../sub/compose.yaml, env_file: ../sub/sub.env}]\n",
    );
    let Some(stack) = Stack::new(&compose) else { return };
    stack.sandbox.write("shop/.env", "KEY=mine\n");
    stack.sandbox.write("sub/sub.env", "KEY=not this\nTHEIR_KEY=theirs\n");
    let sub =
        sleeping(&[("b", ", secrets: [other]")], "secrets: {other: {environment: THEIR_KEY}}\n");
    stack.sandbox.write("sub/compose.yaml", &sub);
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("exec -T a cat /run/secrets/key"), "mine");
    assert_eq!(stack.ask("exec -T a stat -c %u:%g:%a /run/secrets/key"), "1005:1006:440");
    assert_eq!(stack.ask("exec -T b cat /run/secrets/other"), "theirs");
    stack.assert_goes();
}

#[test]
fn start_and_stop_of_some() {
    let services = [("a", ", depends_on: [b]"), ("b", ""), ("c", "")];
    let Some(stack) = Stack::new(&sleeping(&services, "")) else { return };
    let running = || stack.ask("ps --services --status running").replace('\n', " ");
    stack.rcompose("up -d --no-deps a").success();
    assert_eq!(running(), "a");
    stack.rcompose("up -d").success();
    stack.rcompose("start").success();
    stack.rcompose("run -d --name one c").success();
    stack.rcompose("stop a").success();
    assert_eq!(running(), "b c");
    stack.rcompose("stop").success();
    stack.rcompose("stop").success();
    assert_eq!(running(), "");
    let one = stack.sandbox.rbuild(["ps", "--format", "{{.Names}}"]).success();
    assert_eq!(one.stdout, "one\n", "it is nobody's business");
    stack.rcompose("start a").success();
    assert_eq!(running(), "a b");
    stack.rcompose("stop b c").success();
    assert_eq!(running(), "a");
    stack.sandbox.write("shop/second.yaml", &sleeping(&[("d", "")], ""));
    stack.rcompose("-f second.yaml -p second up -d").success();
    stack.rcompose("-f second.yaml -p second stop").success();
    assert_eq!(running(), "a");
    stack.rcompose("-f second.yaml -p second down -t 0").success();
    // One service goes, and leaves the others alone.
    stack.rcompose("up -d").success();
    stack.rcompose("down --remove-orphans -t 0 c").success();
    assert_eq!(running(), "a b");
    stack.assert_goes();
}

#[test]
fn volumes_and_their_changes() {
    let compose = |volume: &str, rest: &str| {
        sleeping(&[("a", &format!(", volumes: ['{volume}:/v', ./here:/here]"))], rest)
    };
    let both = "volumes: {one: {external: true}, two: {external: true}}\n";
    let Some(stack) = Stack::new(&compose("one", both)) else { return };
    for name in ["one", "two"] {
        stack.sandbox.rbuild(["volume", "create", name]).success();
    }
    stack.rcompose("up -d").success();
    let id = stack.ask("ps -q");
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("ps -q"), id, "binds are no changes");
    stack.write(&compose("two", both));
    stack.rcompose("up -d").success();
    assert_ne!(stack.ask("ps -q"), id);
    let mounts = "{{range .Mounts}}{{.Name}} {{end}}";
    let mounts = stack.sandbox.rbuild(["inspect", "-f", mounts, "shop-a-1"]).success();
    assert!(mounts.stdout.contains("two") && !mounts.stdout.contains("one"), "{mounts}");
    // A directory of this machine as a volume.
    let directory = stack.sandbox.path("shop/kept");
    std::fs::create_dir_all(&directory).unwrap();
    let bound = format!(
        "volumes: {{bound: {{driver_opts: {{type: none, o: bind, device: {}}}}}}}\n",
        directory.display()
    );
    stack.write(&compose("bound", &bound));
    stack.rcompose("up -d").success();
    stack.rcompose("exec -T a touch /v/file").success();
    assert!(directory.join("file").exists());
    // What nobody uses is made if it is asked for.
    stack.write(&sleeping(&[("a", "")], "volumes: {unused: {}}\nnetworks: {lonely: {}}\n"));
    stack.rcompose("--all-resources up -d").success();
    stack.sandbox.rbuild(["volume", "inspect", "shop_unused"]).success();
    stack.sandbox.rbuild(["network", "inspect", "shop_lonely"]).success();
    stack.rcompose("--all-resources down -v -t 0").success();
    for name in ["one", "two", "shop_bound"] {
        stack.sandbox.rbuild(["volume", "rm", name]).success();
    }
    stack.assert_goes();
}

#[test]
fn images_as_volumes_and_by_their_ids() {
    let compose = |text: &str| {
        format!(
            "
services:
  source: {{image: shop-source, build: {{context: ., dockerfile_inline: \"FROM busybox\\nRUN mkdir /content && echo {text} > /content/file\\n\"}}, command: 'true'}}
  user:
    {SLEEPING}
    volumes: [{{type: image, source: shop-source, target: /i, image: {{subpath: content}}}}]
",
            SLEEPING = "image: busybox\n    command: sleep 1000\n    stop_grace_period: 0s"
        )
    };
    let Some(stack) = Stack::new(&compose("first")) else { return };
    stack.rcompose("build").success();
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("exec -T user cat /i/file"), "first");
    let id = stack.ask("ps -q user");
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("ps -q user"), id);
    stack.write(&compose("second"));
    stack.rcompose("build").success();
    stack.rcompose("up -d").success();
    assert_eq!(stack.ask("exec -T user cat /i/file"), "second");
    stack.rcompose("down -t 0").success();
    let image = stack.sandbox.rbuild(["images", "-q", "--no-trunc", "busybox"]).success();
    stack.write(&format!(
        "services: {{a: {{image: '{}', command: sleep 1000}}}}",
        image.stdout.trim()
    ));
    stack.rcompose("up -d").success();
    stack.rcompose("down -t 0").success();
    // The image has lost its name meanwhile.
    stack.sandbox.rbuild(["tag", "busybox", "shop-short"]).success();
    stack.write(&sleeping(&[], "  a: {image: shop-short, command: sleep 1000}\n"));
    stack.rcompose("up -d").success();
    stack.sandbox.rbuild(["rmi", "shop-short"]).success();
    assert!(stack.ask("images").contains("shop-a-1"));
    stack.assert_goes();
}

#[test]
fn waiting_for_ends_and_for_health() {
    let services = [("slow", ", healthcheck: {test: 'false', interval: 1s, retries: 100}")];
    let Some(stack) = Stack::new(&sleeping(&services, "")) else { return };
    stack.rcompose("up -d --wait --wait-timeout 1").exits(1).says("within 1 seconds");
    let interval = [(
        "quick",
        ", healthcheck: {test: 'true', interval: 30s, start_interval: 100ms, start_period: 30s}",
    )];
    stack.write(&sleeping(&interval, ""));
    stack.rcompose("up -d --wait --wait-timeout 20 --remove-orphans").success();
    let compose = "
services:
  one: {image: busybox, command: sh -c 'sleep 0.4; exit 3'}
  two: {image: busybox, command: 'true'}
  three: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
  init: {image: busybox, command: sh -c 'sleep 0.2; echo ready > /shared/x', volumes: [v:/shared]}
  after: {image: busybox, command: cat /shared/x, volumes: [v:/shared], depends_on: {init: {condition: service_completed_successfully}}}
volumes: {v: {}}
";
    stack.write(compose);
    stack.rcompose("up -d --remove-orphans").success();
    stack.rcompose("wait one").exits(3);
    stack.until("ps -a --format {{.State}} after", "exited");
    assert_eq!(stack.ask("logs --no-log-prefix after"), "ready");
    let mut waiting = stack.command("wait three").stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(waiting.try_wait().unwrap().is_none());
    stack.rcompose("kill three").success();
    assert_eq!(waiting.wait().unwrap().code(), Some(137));
    stack.assert_goes();
}

#[test]
fn attached_output_of_a_container_that_restarts() {
    let compose = "
services:
  a: {image: busybox, command: sh -c 'echo again; exit 1', restart: 'on-failure:2'}
  b: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
";
    let Some(stack) = Stack::new(compose) else { return };
    stack.rcompose("up -d b").success();
    let up = stack.rcompose("up a").success();
    assert_eq!(up.stdout.matches("a-1  | again\n").count(), 3, "{up}");
    // What another command has started goes on.
    assert_eq!(stack.ask("ps --services --status running"), "b");
    stack.assert_goes();
}
