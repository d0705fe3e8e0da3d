//! Images that docker builds, with its old builder and with the BuildKit inside dockerd, are loaded and run by us.

use super::cannot_work;
use super::daemon::Daemon;
use super::image::{id, load_elsewhere};
use crate::support::{Sandbox, privileged};

const DOCKERFILE: &str = r#"
FROM busybox AS first
RUN echo one > /one && mkdir /many && touch /many/a /many/b
FROM busybox
COPY --from=first /one /many /copied/
RUN rm -r /etc/group /home && mkdir /home && ln /copied/one /copied/linked
COPY file /file
ENV A=b
USER nobody
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["cat /copied/one /file; ls /copied; echo $A; id -un; test ! -e /etc/group"]
"#;
const PRINTED: &str = "one\nfrom the context\na\nb\nlinked\none\nb\nnobody\n";

/// A daemon that has our busybox, and a context.
fn start(sandbox: &Sandbox) -> Option<Daemon<'_>> {
    let daemon = Daemon::start(sandbox)?;
    sandbox.rbuild(["save", "-o", "busybox.tar", "busybox"]).success();
    daemon.docker(&["load", "-q", "-i", "busybox.tar"]).success();
    sandbox.write("build/Dockerfile", DOCKERFILE);
    sandbox.write("build/file", "from the context\n");
    Some(daemon)
}

fn build(daemon: &Daemon<'_>, client: &str, buildkit: &str, name: &str) {
    let env = [("DOCKER_BUILDKIT", buildkit)];
    let args = ["build", "--network", "none", "-t", name, "build"];
    daemon.client(client, &env, &args).success();
}

fn comes_back(sandbox: &Sandbox, daemon: &Daemon<'_>, name: &str) {
    daemon.docker(&["save", "-o", "built.tar", name]).success();
    let back = load_elsewhere(&sandbox.path("built.tar"));
    assert_eq!(id(&back, name), daemon.id(name));
    back.rbuild(["run", "--rm", name]).success().prints(PRINTED);
}

#[test]
fn images_of_the_old_builder_are_loaded() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let Some(daemon) = start(&sandbox) else { return };
    build(&daemon, "docker", "0", "old");
    comes_back(&sandbox, &daemon, "old");
}

/// Needs a client that speaks BuildKit without a plug-in, as Debian's does.
#[test]
fn images_of_buildkit_are_loaded() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let Some(daemon) = start(&sandbox) else { return };
    sandbox.write("own/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let able = |client: &&str| {
        let args = ["build", "-q", "own"];
        daemon.client(client, &[("DOCKER_BUILDKIT", "1")], &args).status == Some(0)
    };
    let Some(client) = ["docker", "/usr/bin/docker"].into_iter().find(able) else {
        cannot_work("docker build with BuildKit", "no client without a missing plug-in");
        return;
    };
    build(&daemon, client, "1", "new");
    comes_back(&sandbox, &daemon, "new");
}
