//! A real distribution, a real server: Debian's packages installed by their own scripts, built
//! twice, saved, read by skopeo and run. Needs the network for Debian packages.

use serde_json::Value;

use crate::support::{Repository, Sandbox, debian_rootfs, installed, privileged, run};

/// Asks the server inside the container for its page, as soon as it answers.
const FETCH_PAGE: &str = r#"
nginx -g "daemon off;" & server=$!
for attempt in $(seq 50); do
    if exec 3<>/dev/tcp/127.0.0.1/8080; then break; fi
    sleep 0.1
done 2>/dev/null
printf 'GET / HTTP/1.0\r\n\r\n' >&3
grep -o 'built without a daemon' <&3
id -un
kill -QUIT $server
"#;

#[test]
fn a_debian_server_is_built_cached_saved_and_run() {
    if !(privileged() && installed("skopeo")) {
        return;
    }
    let Some(archive) = debian_rootfs() else { return };
    let sandbox = Sandbox::new();
    sandbox.rbuild(["import".as_ref(), archive.as_os_str(), "debian:bookworm".as_ref()]).success();
    let context = Repository::here().path("fixtures/debian-server");
    let context = context.to_str().unwrap();
    let build = |image: &str| {
        let args = ["build", "--progress", "plain", "-t", "server", "--iidfile", image, context];
        sandbox.rbuild(args).success()
    };
    build("first.id");
    let again = build("second.id");
    assert_eq!(again.stderr.matches("CACHED").count(), 5, "every step is cached: {again}");
    assert_eq!(sandbox.read("first.id"), sandbox.read("second.id"));

    sandbox.rbuild(["save", "--format", "oci", "-o", "server.tar", "server"]).success();
    let mut skopeo = sandbox.command("skopeo");
    let inspected =
        run(skopeo.args(["inspect", "--config", "oci-archive:server.tar"]), "").success();
    let config: Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(config["config"]["User"], "web");
    assert_eq!(config["config"]["ExposedPorts"], serde_json::json!({"8080/tcp": {}}));

    let page = ["run", "--rm", "--network", "none", "server", "bash", "-c", FETCH_PAGE];
    sandbox.rbuild(page).success().prints("built without a daemon\nweb\n");
    sandbox.validate();
}
