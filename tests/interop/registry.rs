//! Through a registry: what skopeo, docker and buildah push we pull and run, and what we push on they pull as the same.

use super::buildah::{buildah, prove};
use super::daemon::Daemon;
use super::image::{self, NAME, id};
use super::{cannot_work, sandbox_for};
use crate::support::{Output, Registry, Sandbox, online, run};

fn skopeo(sandbox: &Sandbox, args: &[&str]) -> Output {
    run(sandbox.command("skopeo").args(args), "")
}

/// The image `rich:1`, and a registry that has it from us as `ours:1`.
fn with_registry(programs: &[&str]) -> Option<(Sandbox, Registry)> {
    let programs: Vec<&str> = programs.iter().copied().chain(["skopeo"]).collect();
    let sandbox = sandbox_for(&programs)?;
    let registry = Registry::start(&sandbox, "")?;
    let ours = registry.name("ours:1");
    sandbox.rbuild(["tag", NAME, &ours]).success();
    online(&sandbox, &["push", "-q", &ours]).success();
    Some((sandbox, registry))
}

fn digest(sandbox: &Sandbox, name: &str) -> String {
    let name = format!("docker://{name}");
    let args = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &name];
    skopeo(sandbox, &args).success().stdout.trim().to_owned()
}

/// We pull what a neighbour pushed under `theirs`, run it and push it on under `back`; every digest is the one of before.
fn there_and_back(sandbox: &Sandbox, theirs: &str, back: &str) {
    let other = Sandbox::new();
    let there = digest(sandbox, theirs);
    let pulled = online(&other, &["pull", theirs]).success();
    assert!(pulled.stdout.contains(&format!("Digest: {there}\n")), "{pulled}");
    assert_eq!(id(&other, theirs), id(sandbox, NAME));
    image::report(&other, theirs).prints(&image::expected_report(sandbox));
    other.validate();
    other.rbuild(["tag", theirs, back]).success();
    let pushed = online(&other, &["push", back]).success();
    assert!(pushed.stdout.contains(&format!("digest: {there} size: ")), "{pushed}");
    assert_eq!(digest(sandbox, back), there);
}

#[test]
fn skopeo_through_a_registry() {
    let Some((sandbox, registry)) = with_registry(&[]) else { return };
    let names =
        [registry.name("ours:1"), registry.name("skopeo:1"), registry.name("docker-form:1")];
    let [ours, theirs, converted] = &names;
    let docker = |name: &str| format!("docker://{name}");
    let flags = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&sandbox, &[&flags[..], &[&docker(ours), &docker(theirs)]].concat()).success();
    assert_eq!(digest(&sandbox, ours), digest(&sandbox, theirs));
    there_and_back(&sandbox, theirs, &registry.name("back/skopeo:1"));
    // Docker schema 2, made of ours.
    let more = ["--format", "v2s2", &docker(ours), &docker(converted)];
    skopeo(&sandbox, &[&flags[..], &more].concat()).success();
    let other = Sandbox::new();
    online(&other, &["pull", "-q", converted]).success();
    image::report(&other, converted).prints(&image::expected_report(&sandbox));
    // By way of a directory, all of it from us.
    let back = registry.name("back/skopeo:1");
    let flags = ["copy", "-q", "--preserve-digests", "--src-tls-verify=false"];
    skopeo(&sandbox, &[&flags[..], &[&docker(&back), "dir:copy"]].concat()).success();
}

#[test]
fn docker_through_a_registry() {
    let Some((sandbox, registry)) = with_registry(&[]) else { return };
    let Some(daemon) = Daemon::start(&sandbox) else { return };
    let [ours, theirs, back] =
        ["ours:1", "docker:1", "back/docker:1"].map(|name| registry.name(name));
    daemon.docker(&["pull", "-q", &ours]).success();
    assert_eq!(daemon.id(&ours), id(&sandbox, NAME));
    daemon.docker(&["tag", &ours, &theirs]).success();
    daemon.docker(&["push", "-q", &theirs]).success();
    there_and_back(&sandbox, &theirs, &back);
    daemon.docker(&["rmi", &ours, &theirs]).success();
    daemon.docker(&["pull", "-q", &back]).success();
    assert_eq!(daemon.id(&back), id(&sandbox, NAME));
    daemon.report(&back).prints(&image::expected_report(&sandbox));
}

#[test]
fn buildah_through_a_registry() {
    let Some((sandbox, registry)) = with_registry(&["buildah"]) else { return };
    if let Err(why) = prove(&sandbox) {
        cannot_work("buildah", &why);
        return;
    }
    let [ours, theirs, back] =
        ["ours:1", "buildah:1", "back/buildah:1"].map(|name| registry.name(name));
    let pull = |name: &str| {
        let pulled =
            buildah(&sandbox, &["pull", "-q", "--tls-verify=false", name]).success().stdout;
        format!("sha256:{}", pulled.trim())
    };
    assert_eq!(pull(&ours), id(&sandbox, NAME));
    let to = format!("docker://{theirs}");
    buildah(&sandbox, &["push", "-q", "--tls-verify=false", &ours, &to]).success();
    there_and_back(&sandbox, &theirs, &back);
    buildah(&sandbox, &["rmi", "--force", &ours]).success();
    assert_eq!(pull(&back), id(&sandbox, NAME));
    // What it builds by itself, too.
    let container = buildah(&sandbox, &["from", &back]).success().stdout;
    let own = registry.name("own:1");
    buildah(&sandbox, &["config", "--user", "root", "--env", "GREETING=hi", container.trim()])
        .success();
    buildah(&sandbox, &["commit", "-q", container.trim(), &own]).success();
    let to = format!("docker://{own}");
    buildah(&sandbox, &["push", "-q", "--tls-verify=false", &own, &to]).success();
    let other = Sandbox::new();
    online(&other, &["pull", "-q", &own]).success();
    let report = image::report(&other, &own).stdout;
    assert!(report.starts_with("first second word hi\nuid=0(root)"), "{report}");
}
