//! The command lines themselves: help, refusals, exit statuses, images by name.

use crate::support::Sandbox;

#[test]
fn versions_and_help_go_to_stdout() {
    let sandbox = Sandbox::new();
    let version = format!("rbuild {}\n", env!("CARGO_PKG_VERSION"));
    sandbox.rbuild(["--version"]).success().prints(&version);
    sandbox.rbuild(["version"]).success().prints(&version);
    let help = sandbox.rbuild(["build", "--help"]).success();
    assert!(help.stdout.contains("--build-arg"), "{help}");
    assert!(!sandbox.root().exists(), "help needs no store");
}

#[test]
fn commands_of_rcompose_that_are_not_there_are_refused_by_name() {
    let sandbox = Sandbox::new();
    for (name, hint) in [
        ("publish", "`rcompose push` sends the images"),
        ("bridge", "`rcompose config` prints the whole project"),
        ("alpha", "`viz` is `rcompose graph`"),
    ] {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
        let output = crate::support::run(command.args([name, "x"]), "").exits(1);
        output.says(&format!("error: `rcompose {name}` is not supported")).says(hint);
    }
}

#[test]
fn flags_that_cannot_be_honoured_are_refused_by_name() {
    let sandbox = Sandbox::new();
    for (flag, hint) in [
        ("--policy=x", "source policies are not supported yet"),
        ("--memory=1g", "resource limits of RUN steps are not supported yet"),
        ("--cgroup-parent=x", "resource limits of RUN steps are not supported yet"),
        ("--provenance=mode=max", "attestations are not made yet"),
        ("--squash", "classic builder"),
    ] {
        let name = flag.split('=').next().unwrap();
        let output = sandbox.rbuild(["build", flag, "."]).exits(1);
        output.says(&format!("error: `rbuild build {name}` is not supported")).says(hint);
    }
    sandbox.write("Dockerfile", "FROM scratch\n");
    sandbox
        .rbuild(["build", "--cache-from=type=local,src=x", "."])
        .exits(1)
        .says("`--cache-from type=local,src=x`")
        .says("`type=local` is not supported: the store keeps the cache");
    sandbox.rbuild(["run", "--ip6", "::2", "busybox"]).exits(1).says("`rbuild run --ip6`");
    sandbox.rbuild(["run", "--gpus", "all", "busybox"]).exits(1).says("`rbuild run --gpus`");
    sandbox.rbuild(["build", "--nonsense", "."]).exits(2).says("--nonsense");
}

#[test]
fn a_refused_flag_set_to_false_asks_for_nothing() {
    let sandbox = Sandbox::new();
    let output = sandbox.rbuild(["build", "--provenance=false", "--push=false", "absent"]);
    output.exits(1).says("cannot read the build context `absent`");
}

#[test]
fn images_are_tagged_listed_and_removed() {
    let sandbox = Sandbox::with_busybox();
    sandbox.rbuild(["tag", "busybox", "example.com/box:1"]).success();
    let list = sandbox.rbuild(["images"]).success().stdout;
    assert_eq!(list.lines().count(), 3, "{list}");
    let ids = sandbox.rbuild(["images", "-q", "--no-trunc"]).success().stdout;
    let ids: Vec<&str> = ids.lines().collect();
    assert_eq!(ids[0], ids[1], "both names are one image");
    let removed = sandbox.rbuild(["rmi", "example.com/box:1"]).success();
    removed.prints("Untagged: example.com/box:1\n");
    sandbox.rbuild(["rmi", "busybox"]).success();
    sandbox.rbuild(["images", "-q"]).success().prints("");
    sandbox.rbuild(["rmi", "busybox"]).exits(1).says("error: image `busybox` does not exist");
    sandbox.rbuild(["rmi", "-f", "busybox"]).success();
    let blobs = std::fs::read_dir(sandbox.root().join("images/blobs/sha256")).unwrap().count();
    assert_eq!(blobs, 0, "the layers of a removed image are gone");
    sandbox.validate();
}

#[test]
fn images_survive_save_and_load() {
    let sandbox = Sandbox::with_busybox();
    let id = sandbox.rbuild(["images", "-q", "--no-trunc"]).success().stdout;
    for format in ["oci", "docker"] {
        sandbox.rbuild(["save", "--format", format, "-o", "a.tar", "busybox"]).success();
        sandbox.rbuild(["rmi", "busybox"]).success();
        let loaded = sandbox.rbuild(["load", "-i", "a.tar"]).success();
        loaded.prints("Loaded image: busybox:latest\n");
        sandbox.rbuild(["images", "-q", "--no-trunc"]).success().prints(&id);
        sandbox.validate();
    }
}

#[test]
fn layers_are_saved_uncompressed_when_asked() {
    let sandbox = Sandbox::with_busybox();
    sandbox.rbuild(["save", "-o", "gzip.tar", "busybox"]).success();
    sandbox.rbuild(["rmi", "-f", "busybox"]).success();
    sandbox.rbuild(["load", "-q", "-i", "gzip.tar"]).success();
    for format in ["oci", "docker"] {
        let flags = ["save", "--uncompressed", "--format", format, "-o", "plain.tar", "busybox"];
        sandbox.rbuild(flags).success();
        let archive = std::fs::read(sandbox.path("plain.tar")).unwrap();
        let text = String::from_utf8_lossy(&archive);
        assert!(text.contains("layer.v1.tar\"") && !text.contains("layer.v1.tar+gzip\""));
    }
    sandbox.validate();
}

#[test]
fn other_tools_read_what_is_saved() {
    if !crate::support::installed("skopeo") {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.rbuild(["save", "--format", "oci", "-o", "oci.tar", "busybox"]).success();
    sandbox.rbuild(["save", "-o", "docker.tar", "busybox"]).success();
    let store = format!("oci:{}", sandbox.root().join("images").display());
    for image in ["oci-archive:oci.tar", "docker-archive:docker.tar", &store] {
        let output = crate::support::run(sandbox.command("skopeo").args(["inspect", image]), "");
        assert!(output.success().stdout.contains("\"Architecture\""));
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let sandbox = Sandbox::with_busybox();
    let line = format!("{} images | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_rbuild"));
    let mut command = sandbox.command("bash");
    crate::support::run(command.args(["-c", &line]), "").success().prints("0\n");
}

/// As a shell would have them when `WORDS` are typed and the last is to be completed.
fn completed(sandbox: &Sandbox, program: &str, words: &str) -> String {
    let count = words.split(' ').count() - 1;
    let function = format!("_{program}");
    let last = words.rsplit(' ').next().unwrap();
    let before = words.split(' ').rev().nth(1).unwrap();
    let script = format!(
        "source ./{program}.bash && COMP_WORDS=({words}) COMP_CWORD={count} && \
         {function} {program} \"{last}\" {before} && printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    crate::support::run(sandbox.command("bash").args(["-c", &script]), "").success().stdout
}

#[test]
fn shells_complete_commands_and_flags() {
    let sandbox = Sandbox::new();
    for (program, path) in
        [("rbuild", env!("CARGO_BIN_EXE_rbuild")), ("rcompose", env!("CARGO_BIN_EXE_rcompose"))]
    {
        for shell in ["bash", "zsh", "fish"] {
            let mut command = sandbox.command(path);
            let script = crate::support::run(command.args(["completion", shell]), "").success();
            std::fs::write(sandbox.path(&format!("{program}.{shell}")), &script.stdout).unwrap();
            if !crate::support::installed(shell) {
                continue;
            }
            // It is understood.
            let script = format!("{program}.{shell}");
            let mut check = sandbox.command(shell);
            crate::support::run(check.args(["-n", &script]), "").success();
        }
    }
    let flags = completed(&sandbox, "rbuild", "rbuild run --volume");
    assert_eq!(flags, "--volume\n--volumes-from\n--volume-driver\n");
    let commands = completed(&sandbox, "rbuild", "rbuild volume i");
    assert_eq!(commands, "import\ninspect\n");
    assert_eq!(completed(&sandbox, "rcompose", "rcompose conf"), "config\n");
}

#[test]
fn manual_pages_are_written() {
    let sandbox = Sandbox::new();
    sandbox.rbuild(["man", "man1"]).success();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
    crate::support::run(command.args(["man", "man1"]), "").success();
    for (page, text) in [
        ("rbuild", "rbuild\\-build(1)"),
        ("rbuild-run", "\\-\\-volumes\\-from"),
        ("rbuild-volume-ls", "dangling"),
        ("rcompose-config", "\\-\\-services"),
    ] {
        let found = sandbox.read(&format!("man1/{page}.1"));
        assert!(found.starts_with(".ie") && found.contains(text), "{page}: {found}");
    }
}
