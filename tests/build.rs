//! `rbuild build` from end to end.

use serde_json::Value;

use crate::support::{Output, Sandbox, privileged, run};

const APP: &str = "FROM busybox AS build\nCOPY source.txt /src/\n\
                   RUN tr a-z A-Z < /src/source.txt > /out\n\
                   FROM busybox\nARG NAME=app\nCOPY --from=build /out /app/$NAME\nCMD [\"cat\", \"/app/app\"]\n";

fn app() -> Sandbox {
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/source.txt", "hello\n");
    sandbox
}

fn image_id(sandbox: &Sandbox, name: &str) -> String {
    let inspected = sandbox.rbuild(["inspect", name]).success().stdout;
    let images: Value = serde_json::from_str(&inspected).unwrap();
    images[0]["Id"].as_str().unwrap().to_owned()
}

fn count(output: &Output, what: &str) -> usize {
    output.stderr.lines().filter(|line| line.ends_with(what)).count()
}

#[test]
fn a_build_without_run_needs_no_base() {
    let sandbox = Sandbox::new();
    sandbox.write("context/a.txt", "a\n");
    let output = sandbox.build("FROM scratch\nCOPY a.txt /\n", &["-t", "a"]).success();
    output.prints("").says("COPY a.txt /");
    sandbox.validate();
}

#[test]
fn the_second_build_is_fully_cached_and_gives_the_same_image() {
    if !privileged() {
        return;
    }
    let sandbox = app();
    let first = sandbox.build(APP, &["-t", "app:1"]).success();
    assert!(first.stderr.contains("DONE"), "{first}");
    let second = sandbox.build(APP, &["-t", "app:2"]).success();
    assert!(count(&second, " CACHED") >= 3, "{second}");
    assert_eq!(image_id(&sandbox, "app:1"), image_id(&sandbox, "app:2"));
    sandbox.rbuild(["run", "--rm", "app:2"]).success().prints("HELLO\n");
    sandbox.validate();
}

#[test]
fn a_touched_file_is_no_change_and_a_changed_one_is() {
    if !privileged() {
        return;
    }
    let sandbox = app();
    sandbox.build(APP, &["-t", "app:1"]).success();
    sandbox.write("context/source.txt", "hello\n");
    sandbox.write("context/unread.txt", "not copied\n");
    sandbox.build(APP, &["-t", "app:2"]).success();
    assert_eq!(image_id(&sandbox, "app:1"), image_id(&sandbox, "app:2"));
    sandbox.write("context/source.txt", "other\n");
    sandbox.build(APP, &["-t", "app:3"]).success().says("source.txt");
    sandbox.rbuild(["run", "--rm", "app:3"]).success().prints("OTHER\n");
}

#[test]
fn results_are_written_where_asked() {
    let sandbox = Sandbox::new();
    sandbox.write("context/dir/a.txt", "a\n");
    let text = "FROM scratch\nCOPY dir /dir\n";
    let args = ["-q", "-t", "a", "--iidfile", "id", "--metadata-file", "meta.json"];
    let output = sandbox.build(text, &args).success();
    let id = image_id(&sandbox, "a");
    assert_eq!(output.stdout, format!("{id}\n"));
    assert_eq!(output.stderr, "");
    assert_eq!(sandbox.read("id"), id);
    let metadata: Value = serde_json::from_str(&sandbox.read("meta.json")).unwrap();
    assert_eq!(metadata["containerimage.config.digest"].as_str(), Some(id.as_str()));

    sandbox.build(text, &["-o", "files"]).success();
    assert_eq!(sandbox.read("files/dir/a.txt"), "a\n");
    sandbox.build(text, &["-o", "type=tar,dest=files.tar"]).success();
    let mut names = Vec::new();
    let file = std::fs::File::open(sandbox.path("files.tar")).unwrap();
    for entry in tar::Archive::new(file).entries().unwrap() {
        names.push(entry.unwrap().path().unwrap().display().to_string());
    }
    assert_eq!(names, ["dir/", "dir/a.txt"]);
    sandbox.build(text, &["-o", "type=oci,tar=false,dest=layout"]).success();
    assert!(sandbox.path("layout/index.json").is_file());
    let again = sandbox.build(text, &["-o", "type=oci,tar=false,dest=layout"]);
    again.exits(1).says("layout` is not empty");
}

#[test]
fn archives_have_the_same_bytes_every_time() {
    let sandbox = Sandbox::new();
    sandbox.write("context/a.txt", "a\n");
    let text = "FROM scratch\nCOPY a.txt /\n";
    for (name, format) in [("oci", "gzip"), ("docker", "gzip"), ("oci", "zstd")] {
        let output = |file: &str| format!("type={name},dest={file},compression={format}");
        let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1", "--no-cache"];
        sandbox.build(text, &[&["-o", &output("1.tar")], &epoch[..]].concat()).success();
        sandbox.build(text, &[&["-o", &output("2.tar")], &epoch[..]].concat()).success();
        let [first, second] =
            ["1.tar", "2.tar"].map(|name| std::fs::read(sandbox.path(name)).unwrap());
        assert!(first == second, "{name} {format}");
    }
}

#[test]
fn a_failed_step_shows_where_what_and_why() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let output = sandbox.build("FROM busybox\nRUN echo last words; exit 3\n", &[]).exits(1);
    let output = output.says("last words\n------\n").says(" --> Dockerfile:2:1\n");
    output.says(
        "error: process \"/bin/sh -c echo last words; exit 3\" did not complete successfully: exit code: 3",
    );
    sandbox.rbuild(["images", "-q"]).success();
    sandbox.validate();
}

#[test]
fn progress_is_live_on_a_terminal() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/Dockerfile", "FROM busybox\nRUN echo working; sleep 0.4\n");
    let rbuild = env!("CARGO_BIN_EXE_rbuild");
    let shown = |variables: &str| {
        let line = format!("stty rows 24 cols 60; {variables} {rbuild} build --no-cache context");
        let mut script = sandbox.command("script");
        script.env("TERM", "xterm").args(["-qec", &line, "/dev/null"]);
        run(&mut script, "").success().stdout
    };
    let text = shown("");
    assert!(text.contains(" => [2/2] RUN echo working"), "{text}");
    assert!(text.contains(" => => working") && text.contains("\u{1b}[34m"), "{text}");
    assert!(text.contains("[+] Building") && text.contains(") FINISHED"), "{text}");
    assert!(text.contains("A\u{1b}[J"), "lines are rewritten: {text:?}");
    assert!(!shown("NO_COLOR=1").contains("\u{1b}[34m"), "no colour when not wanted");
    assert!(!shown("BUILDKIT_PROGRESS=plain").contains('\u{1b}'));
}

#[test]
fn a_dockerfile_may_come_from_stdin() {
    let sandbox = Sandbox::new();
    sandbox.write("context/a.txt", "a\n");
    let text = "FROM scratch\nCOPY a.txt /\n";
    sandbox.rbuild_with_input(["build", "-q", "-f", "-", "context"], text).success();
    let output = sandbox.rbuild_with_input(["build", "-q", "-"], "FROM scratch\nLABEL a=b\n");
    output.success();
    let output = sandbox.rbuild_with_input(["build", "-"], text);
    output.exits(1).says("\"/a.txt\": not found");
}

#[test]
fn the_dockerfile_has_its_own_ignore_file() {
    let sandbox = Sandbox::new();
    for name in ["a", "b", "c"] {
        sandbox.write(&format!("context/{name}"), name);
    }
    sandbox.write("context/.dockerignore", "a\n");
    sandbox.write("other/image", "FROM scratch\nCOPY . /\n");
    sandbox.write("other/image.dockerignore", "b\n");
    sandbox.rbuild(["build", "-f", "other/image", "-o", "out", "context"]).success();
    assert!(sandbox.path("out/a").exists() && sandbox.path("out/c").exists());
    assert!(!sandbox.path("out/b").exists());
}

#[test]
fn wrong_arguments_are_found_before_anything_is_built() {
    let sandbox = Sandbox::new();
    sandbox.write("context/Dockerfile", "FROM scratch\nLABEL a=b\n");
    for (arg, words) in [
        ("--tag=UPPER", "UPPER"),
        ("--output=type=registry", "an image without a name cannot be pushed"),
        ("--push", "an image without a name cannot be pushed"),
        ("--output=type=oci,dest=x,color=red", "the setting `color` is not supported"),
        ("--secret=src=x", "`id` is missing"),
        ("--secret=id=a,src=absent", "cannot open `absent`"),
        ("--ulimit=nofile", "not of the form name=soft[:hard]"),
        ("--shm-size=lots", "`lots` is not a size"),
        ("--add-host=db:nowhere", "`nowhere` is not an IP address"),
        ("--network=bridge", "`--network bridge` is not supported"),
        ("--build-context=a=ftp://example.com/x", "unsupported context source"),
        ("--build-context=a=https://example.com/x.git?x=1", "unexpected query \"x\""),
    ] {
        sandbox.rbuild(["build", arg, "context"]).exits(1).says(words);
    }
    sandbox.rbuild(["images", "-q"]).success().prints("");
}

#[test]
fn a_named_context_may_be_an_image_of_the_store_or_of_a_layout() {
    let sandbox = Sandbox::new();
    sandbox.write("context/a", "a\n");
    let layout = ["-t", "x:1", "-o", "type=oci,tar=false,dest=layout"];
    sandbox.build("FROM scratch\nCOPY a /\n", &layout).success();
    let text = "FROM base\nCOPY --from=base /a /b\n";
    for source in ["docker-image://x:1", "oci-layout://layout:1", "oci-layout://layout"] {
        let context = format!("--build-context=base={source}");
        sandbox.build(text, &[&context, "-o", "out"]).success();
        assert_eq!((sandbox.read("out/a"), sandbox.read("out/b")), ("a\n".into(), "a\n".into()));
    }
    let absent = sandbox.build(text, &["--build-context=base=docker-image://absent"]).exits(1);
    absent.says("docker.io/library/absent:latest").says("no registry is asked");
}
