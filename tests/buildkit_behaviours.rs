//! What BuildKit's own tests of its Dockerfile front end ask for and no other test here does (docs/buildkit-tests.md).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::support::{Output, Sandbox, installed, privileged, run};

/// An archive of a link, or of files whose directories it does not have.
fn archive(path: &Path, files: &[(&str, &str)], links: &[(&str, &str)]) {
    let mut archive = tar::Builder::new(fs::File::create(path).unwrap());
    let header = |kind, size: usize| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size as u64);
        header
    };
    for (name, target) in links {
        let mut header = header(tar::EntryType::Symlink, 0);
        archive.append_link(&mut header, name, target).unwrap();
    }
    for (name, content) in files {
        let mut header = header(tar::EntryType::Regular, content.len());
        header.set_uid(7);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}

fn build(sandbox: &Sandbox, dockerfile: &str) -> Output {
    sandbox.build(dockerfile, &["-o", "out"])
}

fn ran(output: &Output) -> Vec<String> {
    let steps = output.steps().into_iter().filter(|step| !step.cached);
    steps.map(|step| step.name.split_once("] ").unwrap().1.to_owned()).collect()
}

/// AddArchiveWithImpliedParentDir, AddArchiveThroughAbsoluteSymlink, SymlinkDestination
#[test]
fn archives_with_implied_directories_and_links() {
    let sandbox = Sandbox::new();
    sandbox.write("context/foo", "foo");
    archive(&sandbox.path("context/files.tar"), &[("a/b/file", "deep")], &[]);
    archive(
        &sandbox.path("context/links.tar"),
        &[],
        &[("up", "../tmp/target"), ("absolute", "/real/place")],
    );
    let text = "FROM scratch\nADD links.tar /\nADD files.tar /absolute/inner/\nADD files.tar /absolute\n\
                COPY foo /up/\nADD files.tar /plain/\n";
    build(&sandbox, text).success();
    let read = |name: &str| sandbox.read(&format!("out/{name}"));
    assert_eq!(read("tmp/target/foo"), "foo");
    for place in ["real/place/inner", "real/place", "plain"] {
        assert_eq!(read(&format!("{place}/a/b/file")), "deep");
        for parent in ["a", "a/b"] {
            let metadata = fs::metadata(sandbox.path(&format!("out/{place}/{parent}"))).unwrap();
            assert_eq!(metadata.mode() & 0o7777, 0o755, "{place}/{parent}");
        }
    }
    let link = fs::read_link(sandbox.path("out/absolute")).unwrap();
    assert_eq!(link, Path::new("/real/place"));
    sandbox.validate();
}

/// WildcardRenameCache: the content of a file is not all there is about it.
#[test]
fn a_renamed_file_that_a_wildcard_matches_is_another() {
    let sandbox = Sandbox::new();
    sandbox.write("context/file1", "foo");
    let text = "FROM scratch\nCOPY file* /files/\n";
    build(&sandbox, text).success();
    fs::rename(sandbox.path("context/file1"), sandbox.path("context/file2")).unwrap();
    fs::remove_dir_all(sandbox.path("out")).unwrap();
    let output = build(&sandbox, text).success();
    assert_eq!(ran(&output), ["COPY file* /files/"]);
    let names = fs::read_dir(sandbox.path("out/files")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["file2"]);
}

/// CmdShell: an ENTRYPOINT of its own takes the base's CMD away, and SHELL is what its shell form is for.
#[test]
fn an_entrypoint_resets_the_command_of_the_base() {
    let sandbox = Sandbox::new();
    sandbox.build("FROM scratch\nCMD [\"test\"]\n", &["-t", "base"]).success();
    let text = "FROM base\nSHELL [\"ls\"]\nENTRYPOINT my entrypoint\n";
    sandbox.build(text, &["-t", "img"]).success();
    let output = sandbox.rbuild(["inspect", "img"]).success();
    let images: Value = serde_json::from_str(&output.stdout).unwrap();
    let config = &images[0]["Config"];
    assert_eq!(config["Entrypoint"], serde_json::json!(["ls", "my entrypoint"]));
    assert!(config["Cmd"].is_null());
}

/// MultiStageCaseInsensitive, DockerfileLowercase
#[test]
fn names_of_stages_and_of_the_dockerfile_in_any_case() {
    let sandbox = Sandbox::new();
    let text = "FROM scratch AS STAge0\nCOPY foo bar\nFROM scratch AS staGE1\n\
                COPY --from=staGE0 bar baz\nFROM scratch\nCOPY --from=stage1 baz bax\n";
    sandbox.write("context/foo", "contents");
    sandbox.write("context/dockerfile", text);
    sandbox.rbuild(["build", "-o", "out", "context"]).success();
    assert_eq!(sandbox.read("out/bax"), "contents");
    // The one with the capital letter goes first.
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY foo /other\n");
    sandbox.rbuild(["build", "-o", "other", "context"]).success();
    assert_eq!(sandbox.read("other/other"), "contents");
}

/// CopyChownExistingDir: what is there keeps its owner; what is new has that of `--chown`, or of the stage it is from.
#[test]
fn chown_leaves_directories_that_exist() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let text = |flag: &str, inner: &str, file: &str, made: &str| {
        format!(
            "FROM busybox AS source\n\
             RUN mkdir -p /dir/sub && touch /dir/sub/file && chown 100:200 /dir && chown 101:201 /dir/sub \
                 && chown 102:202 /dir/sub/file\n\
             FROM busybox\n\
             RUN mkdir -p /there/inner && touch /there/file && chown 500:600 /there && chown 501:601 /there/*\n\
             COPY --from=source {flag} /dir /new\n\
             COPY --from=source {flag} /dir/. /there\n\
             RUN stat -c '%u:%g %n' /there /there/inner /there/file /there/sub /there/sub/file \
                 /new /new/sub /new/sub/file > /is && \
                 printf '500:600 /there\\n501:601 /there/inner\\n501:601 /there/file\\n{inner} /there/sub\\n\
{file} /there/sub/file\\n{made} /new\\n{inner} /new/sub\\n{file} /new/sub/file\\n' | diff - /is\n"
        )
    };
    build(&sandbox, &text("", "101:201", "102:202", "0:0")).success();
    build(&sandbox, &text("--chown=300:400", "300:400", "300:400", "300:400")).success();
}

/// IgnoreEntrypoint, OnBuildHeredoc, OnBuildWithCacheMount, MountEnvAcrossStages
#[test]
fn run_has_no_entrypoint_and_triggers_are_whole() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let base = "FROM busybox\nENTRYPOINT [\"/nosuchcmd\"]\nENV ID=mine TYPE=cache\n\
        ONBUILD RUN --mount=type=cache,id=mine,target=/cache echo 42 >> /cache/foo\n\
        ONBUILD RUN <<EOF\necho \"hello world\" >> /dest\nEOF\n";
    sandbox.build(base, &["-t", "base"]).success();
    let child = "FROM base AS stage1\nRUN [\"ls\"]\nRUN grep -x 'hello world' /dest\n\
        RUN --mount=type=$TYPE,id=$ID,target=/one test \"$(cat /one/foo)\" = 42\n\
        FROM stage1\nRUN --mount=type=$TYPE,id=$ID,target=/two test \"$(cat /two/foo)\" = 42\n";
    build(&sandbox, child).success();
}

/// MountRWCache: a step is found again while what it mounts is the same, whatever was written to that.
#[test]
fn what_is_written_to_a_mount_does_not_count() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/bust", "0");
    let mount = "RUN --mount=from=build,src=out,target=/out,rw touch /out/bar && cat /proc/uptime > /unique";
    let text = format!(
        "from busybox AS build\ncopy bust /\nrun mkdir out && echo foo > out/foo\n\
         from busybox as second\n{mount}\nfrom scratch\nCOPY --from=second /unique /unique\n"
    );
    build(&sandbox, &text).success();
    let first = sandbox.read("out/unique");
    sandbox.write("context/bust", "1");
    let output = build(&sandbox, &text).success();
    assert_eq!(ran(&output), ["COPY bust /", "RUN mkdir out && echo foo > out/foo"]);
    assert_eq!(sandbox.read("out/unique"), first);
}

/// NamedFilteredContext: of a named context, as of the context, only what is named is opened.
#[test]
fn files_that_nobody_names_are_not_read() {
    if !privileged() || !installed("strace") {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    for directory in ["context", "other"] {
        for name in ["wanted", "unwanted", "ignored/file"] {
            sandbox.write(&format!("{directory}/{name}"), name);
        }
    }
    sandbox.write("other/.dockerignore", "ignored\n");
    let text = "FROM busybox\nCOPY wanted /a\nCOPY --from=other wanted /b\n\
        RUN --mount=from=other,source=wanted,target=/c --mount=source=wanted,target=/d cat /c /d\n";
    sandbox.write("context/Dockerfile", text);
    let mut command = sandbox.command("strace");
    command.args(["-f", "-qq", "-o", "calls", "-e", "trace=open,openat,openat2"]);
    command.arg(env!("CARGO_BIN_EXE_rbuild"));
    command.args(["build", "--build-context", "other=other", "context"]);
    run(&mut command, "").success();
    let calls = sandbox.read("calls");
    assert!(calls.contains("wanted\""), "{calls}");
    let opened =
        |name: &str| calls.lines().any(|line| line.contains(name) && !line.contains("= -1"));
    assert!(
        !opened("unwanted\"") && !opened("\"ignored\"") && !opened("ignored/file\""),
        "{calls}"
    );
}
