//! What flags of `run`, `build` and others change.

use std::net::TcpListener;

use super::stack::Stack;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn run_publishes_what_it_is_told_to() {
    let (own, other) = (free_port(), free_port());
    let compose = format!(
        "services: {{a: {{image: busybox, command: sleep 1000, ports: ['127.0.0.1:{own}:80']}}}}"
    );
    let Some(stack) = Stack::new(&compose) else { return };
    let port = |name: &str, port: &str| {
        let output = stack.sandbox.rbuild(["port", name, port]);
        if output.status == Some(0) { output.stdout.trim().to_owned() } else { String::new() }
    };
    stack.rcompose(&format!("run -d --name one -p 127.0.0.1:{other}:81 a")).success();
    assert_eq!(port("one", "81"), format!("127.0.0.1:{other}"));
    assert_eq!(port("one", "80"), "");
    stack.rcompose("run -d --name two --service-ports a").success();
    assert_eq!(port("two", "80"), format!("127.0.0.1:{own}"));
    stack.rcompose("run --rm -T -p nonsense a").exits(1).says("`--publish nonsense`");
    stack.assert_goes();
}

#[test]
fn run_mounts_what_it_is_told_to() {
    let compose = "services: {a: {image: busybox, command: 'true', volumes: [data:/data]}}\nvolumes: {data: {}}";
    let Some(stack) = Stack::new(compose) else { return };
    stack.sandbox.write("shop/here/note", "hello");
    assert_eq!(stack.ask("run --rm -T -v ./here:/here:ro a cat /here/note"), "hello");
    stack.rcompose("run --rm -T -v ./here:/here:ro a touch /here/x").exits(1);
    stack.rcompose("run --rm -T -v other:/other a touch /other/kept /data/kept").success();
    stack.rcompose("run --rm -T -v other:/other a test -f /other/kept -a -f /data/kept").success();
    let volumes = stack.sandbox.rbuild(["volume", "ls", "-q"]).success();
    assert_eq!(volumes.stdout, "other\nshop_data\n");
    stack.assert_goes();
}

#[test]
fn run_takes_the_names_of_its_service_if_it_is_told_to() {
    let compose = "services: {a: {image: busybox, command: sleep 1000, networks: {default: {aliases: [nick]}}}, b: {image: busybox, command: sleep 1000}}";
    let Some(stack) = Stack::new(compose) else { return };
    stack.rcompose("up -d b").success();
    stack.rcompose("run -d --name one a").success();
    stack.rcompose("exec -T b nslookup nick").exits(1);
    stack.rcompose("run -d --name two --use-aliases a").success();
    stack.rcompose("exec -T b ping -c1 -W5 nick").success();
    stack.rcompose("exec -T b ping -c1 -W5 a").success();
    stack.assert_goes();
}

const BUILT: &str = "
services:
  base: {build: {context: ., dockerfile_inline: \"FROM busybox\\nRUN echo base > /who\\n\"}, command: 'true'}
  app: {build: {context: ., dockerfile_inline: \"FROM base\\nRUN echo app >> /who\\n\", additional_contexts: {base: 'service:base'}}, command: cat /who}
  user: {image: shop-app, command: cat /who}
";

#[test]
fn images_are_built_with_those_they_take_files_from_and_for_those_that_name_them() {
    let Some(stack) = Stack::new(BUILT) else { return };
    stack.rcompose("up -d --quiet-build").success();
    assert_eq!(stack.ask("logs --no-log-prefix user"), "base\napp");
    let built = stack.rcompose("build").success();
    built.says("[app 2/2]").says("[base 2/2]").says("Image shop-base  Built");
    stack.rcompose("build --check").success();
    stack.assert_goes();
}

#[test]
fn a_build_that_fails_says_which() {
    let compose = "
services:
  good: {build: {context: ., dockerfile_inline: \"FROM busybox\\nRUN sleep 300\\n\"}}
  bad: {build: {context: ., dockerfile_inline: \"FROM busybox\\nRUN echo broken; exit 7\\n\"}}
";
    let Some(stack) = Stack::new(compose) else { return };
    // The other one does not keep it waiting.
    let build = stack.rcompose("build").exits(1);
    let build = build.says("cannot build the image of service `bad`").says("broken");
    assert!(!build.stderr.contains("service `good`"), "{build}");
    stack.assert_goes();
}

#[test]
fn an_interrupted_build_ends_with_130_and_leaves_nothing() {
    let compose = "services: {a: {build: {context: ., dockerfile_inline: \"FROM busybox\\nRUN echo begun; sleep 300\\n\"}}}";
    let Some(stack) = Stack::new(compose) else { return };
    for line in ["build", "up -d"] {
        let mut command = stack.command(line);
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        while !text.contains(" begun\n") {
            let read = std::io::BufRead::read_line(&mut stderr, &mut text).unwrap();
            assert!(read > 0, "{text}");
        }
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGINT).unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    }
    stack.assert_goes();
}

#[test]
fn what_cannot_be_asked_for_is_refused_by_name() {
    let Some(stack) = Stack::new("services: {a: {image: busybox}}") else { return };
    for (line, says) in [
        ("build --builder x", "`rcompose build --builder` is not supported"),
        ("build -m 1g", "`rcompose build --memory` is not supported"),
        ("build --sbom", "`rcompose build --sbom` is not supported"),
        ("publish x", "`rcompose publish` is not supported"),
        ("bridge convert", "`rcompose bridge` is not supported"),
        ("up --watch --no-build", "incompatible with `--watch`"),
        ("run --pull sometimes a", "`--pull sometimes`"),
        ("version --format xml", "known are pretty and json"),
    ] {
        let output = stack.rcompose(line);
        assert_ne!(output.status, Some(0), "{line}");
        output.says(says);
    }
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(stack.ask("version --short"), version);
    assert_eq!(stack.ask("-v"), format!("rcompose {version}"));
}
