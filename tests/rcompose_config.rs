//! `rcompose config` and `rcompose check` as typed: files, flags, lists, errors.

use std::fs;
use std::process::Stdio;

use crate::support::{Output, Sandbox, run};

const FILE: &str = "name: shop
services:
  web:
    image: web:${TAG:-1}
    ports: ['8080:80']
    depends_on: [db]
    env_file: [web.env]
    environment: {PRICE: '5$$'}
  db:
    build: ./db
    profiles: [all]
    volumes: ['data:/data']
  job: {image: job, profiles: [all, later]}
volumes: {data: , unused: }
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("compose.yaml"), FILE).unwrap();
    fs::write(sandbox.path("web.env"), "GREETING=hello\n").unwrap();
    sandbox
}

fn rcompose(sandbox: &Sandbox, args: &[&str]) -> Output {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
    run(command.args(args).current_dir(sandbox.path("")), "")
}

#[test]
fn the_project_is_shown_as_it_was_understood() {
    let sandbox = sandbox();
    let directory = sandbox.path("").canonicalize().unwrap();
    let output = rcompose(&sandbox, &["--profile", "all", "config"]).success();
    let expected = format!(
        "name: shop
services:
  db:
    profiles:
      - all
    build:
      context: {directory}/db
      dockerfile: Dockerfile
    networks:
      default: null
    volumes:
      - type: volume
        source: data
        target: /data
        volume: {{}}
  job:
    profiles:
      - all
      - later
    image: job
    networks:
      default: null
  web:
    depends_on:
      db:
        condition: service_started
        required: true
    environment:
      GREETING: hello
      PRICE: 5$$
    image: web:1
    networks:
      default: null
    ports:
      - mode: ingress
        target: 80
        published: \"8080\"
        protocol: tcp
networks:
  default:
    name: shop_default
volumes:
  data:
    name: shop_data
",
        directory = directory.display()
    );
    assert_eq!(output.stdout, expected);
    // What was printed means the same.
    fs::write(sandbox.path("again.yaml"), &expected).unwrap();
    let again = rcompose(&sandbox, &["-f", "again.yaml", "--profile", "all", "config"]);
    assert_eq!(again.success().stdout, expected);
}

#[test]
fn lists_are_one_name_a_line() {
    let sandbox = sandbox();
    for (args, expected) in [
        (&["--services"][..], "db\njob\nweb\n"),
        (&["--images"], "shop-db\njob\nweb:1\n"),
        (&["--volumes"], "data\n"),
        (&["--networks"], "default\n"),
        (&["--profiles"], "all\nlater\n"),
        (&["--models"], ""),
        (&["-q"], ""),
    ] {
        let args = [&["--profile", "*", "config"], args].concat();
        rcompose(&sandbox, &args).success().prints(expected);
    }
    rcompose(&sandbox, &["--all-resources", "--profile", "all", "config", "--volumes"])
        .success()
        .prints("data\nunused\n");
    let hash = rcompose(&sandbox, &["--profile", "*", "config", "--hash", "job,web"]).success();
    let lines: Vec<&str> = hash.stdout.lines().collect();
    assert!(lines[0].starts_with("job ") && lines[0].len() == 4 + 64, "{hash}");
    let table = rcompose(&sandbox, &["--profile", "all", "config", "--variables"]).success();
    assert!(table.stdout.contains("TAG                 false               1 "), "{table}");
    let environment = rcompose(&sandbox, &["--profile", "all", "config", "--environment"]);
    assert!(environment.success().stdout.contains("COMPOSE_PROJECT_NAME=shop\n"));
}

#[test]
fn stages_can_be_left_out_and_output_goes_to_a_file() {
    let sandbox = sandbox();
    let config = |args: &[&str]| {
        rcompose(&sandbox, &[&["--profile", "all", "config"], args].concat()).success().stdout
    };
    assert!(config(&["--no-interpolate"]).contains("image: web:${TAG:-1}"));
    assert!(config(&["--no-path-resolution"]).contains("context: ./db"));
    assert!(!config(&["--no-normalize"]).contains("shop_default"));
    assert!(!config(&["--no-env-resolution"]).contains("GREETING"));
    assert!(!config(&["job"]).contains("web:"));
    assert_eq!(config(&["-o", "out.json", "--format", "json"]), "");
    let text = fs::read_to_string(sandbox.path("out.json")).unwrap();
    assert!(text.starts_with("{\n  \"name\": \"shop\",\n  \"networks\": {"), "{text}");
    let web = rcompose(&sandbox, &["config", "--no-consistency", "--resolve-image-digests"]);
    web.exits(1).says("cannot find the digest of `web:1` of service `web`");
}

#[test]
fn errors_have_places_and_hints() {
    let sandbox = sandbox();
    rcompose(&sandbox, &["config"])
        .exits(1)
        .says("error: service \"web\" depends on undefined service \"db\"\n --> ");
    let text = "services:\n  web:\n    image: x\n    prots: ['80:80']\n    command: {a: 1}\n";
    fs::write(sandbox.path("bad.yaml"), text).unwrap();
    let output = rcompose(&sandbox, &["-f", "bad.yaml", "config"]).exits(1);
    let output = output.says("services.web additional properties 'prots' not allowed");
    let output = output.says(
        "bad.yaml:4:5\n  |\n4 |     prots: ['80:80']\n  |     ^^^^^\nhint: did you mean `ports`?",
    );
    output
        .says("services.web.command must be a list, null or string, not a mapping")
        .says("2 errors");
    rcompose(&sandbox, &["-f", "none.yaml", "config"])
        .exits(1)
        .says("none.yaml: no such file or directory");
    rcompose(&sandbox, &["config", "wbe"]).exits(1);
}

#[test]
fn a_check_ends_with_failure_when_it_finds_something() {
    let sandbox = sandbox();
    let good = "services: {a: {image: x}}";
    fs::write(sandbox.path("good.yaml"), good).unwrap();
    rcompose(&sandbox, &["-f", "good.yaml", "check"])
        .success()
        .prints("Check complete, no findings.\n");
    let bad = "services:\n  a: {image: x, ports: ['80:80']}\n  b: {image: x, ports: ['80:81']}\n";
    fs::write(sandbox.path("bad.yaml"), bad).unwrap();
    let text = rcompose(&sandbox, &["-f", "bad.yaml", "check"]).exits(1);
    assert!(text.stdout.contains("port-published-twice: `a` and `b` both publish"), "{text}");
    assert!(text.stdout.contains("bad.yaml:3:25"), "{text}");
    let json = rcompose(&sandbox, &["-f", "bad.yaml", "check", "--format", "json"]).exits(1);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["findings"][0]["location"]["line"], 3);
    let sarif = rcompose(&sandbox, &["-f", "bad.yaml", "check", "--format", "sarif"]).exits(1);
    let sarif: serde_json::Value = serde_json::from_str(&sarif.stdout).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "port-published-twice");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 3);
    // The same file is a good one for config.
    rcompose(&sandbox, &["-f", "bad.yaml", "config", "-q"]).success();
}

#[test]
fn standard_input_and_variables_name_the_project() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
    command.args(["-f", "-", "config", "--format", "json"]).current_dir(sandbox.path(""));
    command.env("COMPOSE_PROJECT_NAME", "named").stdin(Stdio::piped());
    let output = run(&mut command, "services: {a: {image: x}}").success();
    assert!(output.stdout.contains("\"name\": \"named\""), "{output}");
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
    command.args(["-p", "Bad Name", "-f", "-", "config"]).current_dir(sandbox.path(""));
    command.stdin(Stdio::piped());
    run(&mut command, "services: {a: {image: x}}")
        .exits(1)
        .says("invalid project name \"Bad Name\"");
}

#[test]
fn pinned_images_keep_their_registry_and_lists_go_where_asked() {
    let sandbox = Sandbox::new();
    let digest = format!("sha256:{}", "a".repeat(64));
    sandbox.write(
        "compose.yaml",
        &format!("services: {{a: {{image: \"reg.example/foo/bar@{digest}\", tty: true}}}}\n"),
    );
    let config = |args: &[&str]| {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
        crate::support::run(command.arg("config").args(args), "")
    };
    for flag in ["--normalize", "--no-interpolate"] {
        let flags = ["--lock-image-digests", flag];
        let flags = if flag == "--normalize" { &flags[..1] } else { &flags[..] };
        config(flags)
            .success()
            .prints(&format!("services:\n  a:\n    image: reg.example/foo/bar@{digest}\n"));
    }
    config(&["--services", "-o", "names"]).success().prints("");
    assert_eq!(sandbox.read("names"), "a\n");
    config(&["--services", "-q"]).success().prints("");
    config(&["--no-interpolate", "-q", "a"]).success().says("shows all services");
}

#[test]
fn a_file_without_end_is_refused() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
    crate::support::run(command.args(["-f", "/dev/zero", "config"]), "")
        .exits(1)
        .says("more than 8 MiB");
}
