//! The files of containers: copied, compared, made an image of.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;

use super::place::Place;
use crate::support::{Output, run, run_bytes};

const CHANGES: &str = "mkdir /new /new/deep && echo text >/new/deep/f && ln /new/deep/f /new/same && ln -s f /new/deep/link && \
    echo more >>/etc/passwd && rm -r /etc/group && chown 7:8 /new/deep/f && chmod 4750 /new/deep/f && rm -rf /tmp && mkdir /tmp";

const CHANGED: &str = "C /etc\nD /etc/group\nC /etc/passwd\nA /new\nA /new/deep\nA /new/deep/f\nA /new/deep/link\nA /new/same\nC /tmp\n";

#[test]
fn changes_are_those_of_the_container_alone() {
    let Some(place) = Place::new() else { return };
    place.rbuild("create --name made busybox true").success();
    place.rbuild("diff made").success().prints("");
    place
        .shell("run --name box -v /vol -v /deep/vol --mount type=tmpfs,target=/mem", CHANGES)
        .success();
    place.rbuild("diff box").success().prints(CHANGED);
    // What is mounted in one that runs is not its own.
    let script = format!("{CHANGES} && sleep 100");
    place.shell("run -d --name runs -v /vol -v /deep/vol -v /tmp:/bound/here", &script).success();
    place.until("runs", "{{.State.Status}}", "running");
    let began = std::time::Instant::now();
    loop {
        let found = place.rbuild("diff runs").success().stdout;
        if found == CHANGED {
            break;
        }
        assert!(began.elapsed().as_secs() < 30, "{found}");
    }
    place.rbuild("diff absent").exits(1).says("container `absent` does not exist");
    place.rbuild("rm -fv made box runs").success();
    place.assert_nothing_left();
}

#[test]
fn a_commit_is_an_image_that_runs_and_can_be_saved() {
    let Some(place) = Place::new() else { return };
    let flags = "run --name box -e A=1 -e TERM=mine -w /etc -u nobody --label l=1 --stop-signal INT -h host -v /vol";
    place.shell(&flags.replace("-u nobody ", ""), CHANGES).success();
    let words = [
        "commit",
        "-a",
        "me",
        "-m",
        "why",
        "-c",
        "CMD [\"cat\", \"/new/deep/f\"]",
        "-c",
        "ENV B=$A",
        "box",
        "mine:1",
    ];
    let id = place.sandbox.rbuild(words).success().stdout;
    assert!(id.starts_with("sha256:"), "{id}");
    place.rbuild("run --rm mine:1").success().prints("text\n");
    let config = |template: &str| {
        let shown = place.sandbox.rbuild(["image", "inspect", "-f", template, "mine:1"]).success();
        shown.stdout.trim_end().to_owned()
    };
    let env = config("{{.Config.Env}}");
    assert!(env.contains("A=1") && env.contains("B=1") && env.contains("TERM=mine"), "{env}");
    assert!(!env.contains("HOSTNAME"), "{env}");
    let rest = "{{.Config.WorkingDir}} {{.Config.StopSignal}} {{.Config.Labels}} {{.Config.Volumes}} {{.Author}}";
    assert_eq!(config(rest), "/etc SIGINT map[l:1] map[/vol:{}] me");
    let history =
        place.rbuild("history --format {{.Comment}}|{{.CreatedBy}} --no-trunc mine:1").success();
    assert!(history.stdout.starts_with("why|sh -c mkdir /new"), "{history}");
    let script = "cd /new; stat -c '%n %a %u:%g %h' deep/f same; readlink deep/link; ls /etc/group /vol 2>&1; tail -n 1 /etc/passwd";
    let shown = place.sandbox.rbuild(["run", "--rm", "mine:1", "sh", "-c", script]);
    let shown = shown.success().stdout;
    assert!(shown.starts_with("deep/f 4750 7:8 2\nsame 4750 7:8 2\nf\n"), "{shown}");
    assert!(shown.contains("/etc/group: No such file") && shown.ends_with("more\n"), "{shown}");
    // Where the layer has only what changed, the image has all.
    place.rbuild("save -o image.tar mine:1").success();
    place.rbuild("rmi mine:1").success();
    place.rbuild("load -q -i image.tar").success();
    place.rbuild("run --rm mine:1").success().prints("text\n");
    // Of one that runs and whose image has lost its name; it stands still meanwhile and goes on then.
    let waits = "echo here >/f; while :; do sleep 0.05; done";
    place.shell("run -d --name runs", waits).success();
    place.rbuild("rmi -f busybox").success();
    place.rbuild("commit runs from-running").success();
    place.until("runs", "{{.State.Status}}", "running");
    place.rbuild("run --rm --entrypoint cat from-running /f").success().prints("here\n");
    place.sandbox.rbuild(["commit", "-c", "RUN x", "runs"]).exits(1).says("1 | RUN x");
    place.rbuild("commit --pause=false runs").success();
    place.rbuild("rm -fv box runs").success();
    place.sandbox.validate();
}

#[test]
fn export_has_all_files_but_mounted_ones() {
    let Some(place) = Place::new() else { return };
    place.shell("run --name box -v /vol", &format!("{CHANGES} && echo x >/vol/x")).success();
    place.rbuild("export -o files.tar box").success();
    let mut command = place.sandbox.command("tar");
    let list = run(command.args(["-tf", "files.tar"]), "").success().stdout;
    for name in ["new/deep/f\n", "new/same\n", "bin/busybox\n", "etc/passwd\n"] {
        assert!(list.contains(name), "{name}: {list}");
    }
    assert!(!list.contains("etc/group\n") && !list.contains("vol/x"), "{list}");
    place.rbuild("import files.tar again").success();
    place.rbuild("run --rm again cat /new/same").success().prints("text\n");
    place.rbuild("rm -v box").success();
}

/// With a volume at `/vol`, and links that lead out of it if they are followed by the wrong side.
fn containers(place: &Place) {
    let script = "mkdir -p /d/e && echo text >/d/f && chown 7:8 /d/f && chmod 640 /d/f && ln -s /etc/passwd /d/out && \
        ln -s /d /to-d && ln -s ../../../../../outside /escape && echo in >/vol/in";
    place.shell("run --name ended -v data:/vol", script).success();
    let waits = format!("{script}; while :; do sleep 0.05; done");
    place.shell("run -d --name runs -v data:/vol", &waits).success();
    place.until("runs", "{{.State.Status}}", "running");
    while place.rbuild("exec runs cat /vol/in /escape").stdout.is_empty() {}
}

#[track_caller]
fn cp(place: &Place, from: &str, to: &str) -> Output {
    place.sandbox.rbuild(["cp", "-q", from, to])
}

#[test]
fn files_are_copied_both_ways_whether_it_runs_or_not() {
    let Some(place) = Place::new() else { return };
    containers(&place);
    let here = |name: &str| place.sandbox.path(name);
    for name in ["ended", "runs"] {
        let of = |path: &str| format!("{name}:{path}");
        // Out: a file, a directory under a new name, into one that is there, and what is in it.
        cp(&place, &of("/d/f"), "file").success();
        assert_eq!(place.sandbox.read("file"), "text\n");
        let metadata = fs::metadata(here("file")).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (0, 0o640));
        cp(&place, &of("d"), "new").success();
        assert_eq!(place.sandbox.read("new/f"), "text\n");
        cp(&place, &of("/d"), "new").success();
        assert!(here("new/d/e").is_dir());
        fs::create_dir(here("into")).unwrap();
        cp(&place, &of("/d/."), "into").success();
        assert!(here("into/e").is_dir() && !here("into/d").exists());
        assert_eq!(fs::read_link(here("into/out")).unwrap().to_str(), Some("/etc/passwd"));
        place.sandbox.rbuild(["cp", "-a", &of("/d/f"), "kept"]).success();
        assert_eq!(fs::metadata(here("kept")).unwrap().uid(), 7);
        cp(&place, &of("/vol/in"), "volume").success();
        assert_eq!(place.sandbox.read("volume"), "in\n");
        let said = place.sandbox.rbuild(["cp", &of("/d/f"), "file"]).success();
        said.says("Successfully copied 5B to file");
        // Links: themselves, or what they lead to, inside the container only.
        cp(&place, &of("/d/out"), "link").success();
        assert!(here("link").is_symlink());
        place.sandbox.rbuild(["cp", "-qL", &of("/d/out"), "followed"]).success();
        assert!(place.sandbox.read("followed").contains("root:"));
        cp(&place, &of("/to-d/f"), "through").success();
        // In.
        place.sandbox.write("source/a/b", "inside\n");
        symlink("a/b", here("source/link")).unwrap();
        cp(&place, "source", &of("/copied")).success();
        cp(&place, "source/a/b", &of("/to-d/e")).success();
        cp(&place, "source/a/b", &of("/d/f")).success();
        cp(&place, "source/a/b", &of("/vol/from-here")).success();
        cp(&place, "source/a/b", &of("/d/absent/")).exits(1).says("`/d/absent/` does not exist");
        cp(&place, "source/a/b", &of("/absent/x")).exits(1).says("`/absent` does not exist");
        cp(&place, "source", &of("/d/f")).exits(1).says("cannot copy a directory over `/d/f`");
        cp(&place, "source/a", &of("/d/f/")).exits(1);
        cp(&place, &of("/absent"), "x").exits(1).says("`/absent` does not exist");
        // An absolute link of the container's leads to the container's files, not to ours.
        cp(&place, "source/a/b", &of("/escape")).success();
        assert!(!std::path::Path::new("/outside").exists());
        for left in
            ["file", "new", "into", "kept", "volume", "link", "followed", "through", "source"]
        {
            let path = here(left);
            let _gone = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    }
    let script =
        "cat /copied/a/b /copied/link /d/e/b /d/f /vol/from-here /outside && stat -c %u:%g /d/f";
    place.rbuild("start ended").success();
    let expected = format!("{}0:0\n", "inside\n".repeat(6));
    place.sandbox.rbuild(["exec", "runs", "sh", "-c", script]).success().prints(&expected);
    place.rbuild("commit ended after").success();
    place.sandbox.rbuild(["run", "--rm", "-v", "data:/vol", "after", "sh", "-c", script]).success();
    place.rbuild("cp /etc/passwd /tmp/x").exits(1).says("one side must be in a container");
    place.rbuild("cp ended:/d runs:/d").exits(1).says("from container to container");
    place.rbuild("cp absent:/d x").exits(1).says("container `absent` does not exist");
    place.rbuild("rm -f ended runs").success();
    place.rbuild("volume rm data").success();
    place.assert_nothing_left();
}

/// A program in the container exchanges directories for links to the host's while files are copied there.
#[test]
fn cp_into_a_running_container_stays_inside() {
    let Some(place) = Place::new() else { return };
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display();
    let script = format!(
        "mkdir -p {target} /real; while :; do ln -sfn {target} /d; rm /d; mkdir /d; rm -rf /d; done"
    );
    place.sandbox.rbuild(["run", "-d", "--name", "box", "busybox", "sh", "-c", &script]).success();
    place.sandbox.write("file", "copied\n");
    place.sandbox.write("source/file", "copied\n");
    let mut copied = 0;
    for number in 0..20 {
        // Whether there is a place for it depends on the moment.
        for (from, to) in [("file", format!("box:/d/f{number}")), ("source/.", "box:/d".to_owned())]
        {
            copied += usize::from(cp(&place, from, &to).status == Some(0));
        }
    }
    assert!(copied > 0, "nothing was copied");
    // And by a link that stays.
    place.sandbox.rbuild(["exec", "box", "ln", "-s", &target.to_string(), "/stays"]).success();
    cp(&place, "file", "box:/stays/f").success();
    let inside = format!("{target}/f");
    place.sandbox.rbuild(["exec", "box", "cat", &inside]).success().prints("copied\n");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}

#[test]
fn archives_go_through_stdin_and_stdout() {
    let Some(place) = Place::new() else { return };
    containers(&place);
    for name in ["ended", "runs"] {
        let mut command = place.sandbox.rbuild_command(["cp", &format!("{name}:/d"), "-"]);
        let output = command.stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success());
        fs::write(place.sandbox.path("d.tar"), &output.stdout).unwrap();
        let mut command = place.sandbox.command("tar");
        let list = run(command.args(["-tf", "d.tar"]), "").success().stdout;
        assert_eq!(list, "d/\nd/e/\nd/f\nd/out\n");
        let command = place.sandbox.rbuild_command(["cp", "-", &format!("{name}:/root")]);
        run_bytes(command, &output.stdout).success();
        let command = place.sandbox.rbuild_command(["cp", "-", &format!("{name}:/absent")]);
        run_bytes(command, &output.stdout).exits(1).says("`/absent` does not exist");
        let command = place.sandbox.rbuild_command(["cp", "-", &format!("{name}:/root")]);
        run_bytes(command, b"no archive").exits(1);
        let copied = format!("{name}:/root/d/f");
        cp(&place, &copied, "f").success();
        place.sandbox.rbuild(["cp", "-qa", &copied, "f"]).success();
        assert_eq!(fs::metadata(place.sandbox.path("f")).unwrap().gid(), 8);
    }
    place.rbuild("run -d --name reads --read-only busybox sleep 100").success();
    cp(&place, "f", "reads:/x").exits(1).says("read-only");
    place.rbuild("create --name will-read --read-only busybox true").success();
    cp(&place, "f", "will-read:/x").exits(1).says("read-only");
    place.rbuild("rm -f ended runs reads will-read").success();
    place.rbuild("volume rm data").success();
    place.assert_nothing_left();
}
