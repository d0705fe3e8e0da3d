//! docker loads and runs what we saved, and we load and run what it saves.

use super::daemon::Daemon;
use super::image::{self, NAME, assert_same, id, load_elsewhere};
use super::{listing, members, sandbox_for};

#[test]
fn docker_loads_and_runs_every_form() {
    let Some(sandbox) = sandbox_for(&[]) else { return };
    let Some(daemon) = Daemon::start(&sandbox) else { return };
    let report = image::expected_report(&sandbox);
    for compression in ["gzip", "uncompressed"] {
        sandbox.output_again(&format!("type=docker,compression={compression},dest=ours.tar"));
        daemon.docker(&["load", "-q", "-i", "ours.tar"]).success();
        assert_eq!(daemon.id(NAME), id(&sandbox, NAME));
        daemon.report(NAME).prints(&report);
        daemon.docker(&["rmi", NAME]).success();
    }
}

/// With owners, modes, hard links and file capabilities.
#[test]
fn docker_unpacks_the_same_files() {
    let Some(sandbox) = sandbox_for(&[]) else { return };
    let Some(daemon) = Daemon::start(&sandbox) else { return };
    sandbox.rbuild(["save", "-o", "ours.tar", NAME]).success();
    daemon.docker(&["load", "-q", "-i", "ours.tar"]).success();
    let container = daemon.docker(&["create", "--network", "none", NAME]).success().stdout;
    daemon.docker(&["export", "-o", "theirs.tar", container.trim()]).success();
    sandbox.build(&format!("FROM {NAME}\n"), &["-o", "type=tar,dest=rootfs.tar"]).success();
    let [ours, theirs] = ["rootfs.tar", "theirs.tar"].map(|file| {
        let mut names = listing::of_tar(&sandbox.path(file));
        // `docker export` leaves `user.*` attributes out; and outside of `tree` it adds files of its own.
        names.retain(|name, _| name.starts_with(b"tree/") && name != b"tree/commented");
        names
    });
    listing::assert_same(&ours, &theirs);

    sandbox.rbuild(["import", "theirs.tar", "exported"]).success();
    sandbox.rbuild(["run", "--rm", "exported", "cat", "/data/seed"]).success().prints("seed\n");
    daemon.docker(&["import", "rootfs.tar", "exported"]).success();
    let cat = ["run", "--rm", "--network", "none", "exported", "cat", "/data/seed"];
    daemon.docker(&cat).success().prints("seed\n");
}

#[test]
fn what_docker_saves_comes_back() {
    let Some(sandbox) = sandbox_for(&[]) else { return };
    let Some(daemon) = Daemon::start(&sandbox) else { return };
    sandbox.rbuild(["save", "-o", "ours.tar", NAME, "busybox"]).success();
    daemon.docker(&["load", "-q", "-i", "ours.tar"]).success();
    daemon.docker(&["save", "-o", "one.tar", NAME]).success();
    assert_same(&sandbox, &load_elsewhere(&sandbox.path("one.tar")), NAME);

    daemon.docker(&["tag", NAME, "again:2"]).success();
    let flags = ["run", "--name", "changing", "--network", "none", "busybox", "sh", "-c"];
    let script = "echo new > /file; rm /etc/group";
    let args: Vec<&str> = flags.iter().chain(&[script]).copied().collect();
    daemon.docker(&args).success();
    daemon.docker(&["commit", "--change", "CMD cat /file", "changing", "changed"]).success();
    daemon.docker(&["save", "-o", "all.tar", NAME, "again:2", "busybox", "changed"]).success();
    let back = load_elsewhere(&sandbox.path("all.tar"));
    for name in [NAME, "again:2", "busybox", "changed"] {
        assert_eq!(id(&back, name), daemon.id(name));
    }
    back.rbuild(["run", "--rm", "changed"]).success().prints("new\n");
    back.rbuild(["run", "--rm", "changed", "test", "-e", "/etc/group"]).exits(1);
}

#[test]
fn docker_reads_gzip_of_several_members() {
    let Some(sandbox) = members::sandbox(&[]) else { return };
    let Some(daemon) = Daemon::start(&sandbox) else { return };
    sandbox.rbuild(["save", "-o", "members.tar", members::NAME]).success();
    daemon.docker(&["load", "-q", "-i", "members.tar"]).success();
    assert_eq!(daemon.id(members::NAME), id(&sandbox, members::NAME));
    daemon.report(members::NAME).prints("whole\n");
}
