//! `registries.toml`: mirrors, other addresses, registries that are insecure or blocked.

use super::{digest_there, with_image};
use crate::support::{Registry, Sandbox, certify, online, online_with};

/// Runs rbuild with the sandbox's `registries.toml`.
fn ruled(sandbox: &Sandbox, args: &[&str]) -> crate::support::Output {
    let file = sandbox.path("registries.toml").display().to_string();
    online_with(sandbox, &[("RBUILD_REGISTRIES", &file)], args)
}

/// A registry with `small:1` under this name.
fn with_registry(name: &str) -> Option<(Sandbox, Registry, String)> {
    let sandbox = with_image();
    let registry = Registry::start(&sandbox, "")?;
    let there = registry.name(name);
    sandbox.rbuild(["tag", "small:1", &there]).success();
    online(&sandbox, &["push", "-q", &there]).success();
    sandbox.rbuild(["rmi", &there]).success();
    Some((sandbox, registry, there))
}

#[test]
fn a_mirror_is_asked_first_and_the_registry_if_it_has_nothing() {
    let Some((sandbox, mirror, there)) = with_registry("hub/library/app:1") else { return };
    let digest = digest_there(&sandbox, &there);
    // `.invalid` never has an address: whatever comes has come from the mirror.
    sandbox.write(
        "registries.toml",
        &format!(
            "[[registry]]\nprefix = \"hub.invalid\"\nlocation = \"hub.invalid\"\n\
             [[registry.mirror]]\nlocation = \"127.0.0.1:1\"\n\
             [[registry.mirror]]\nlocation = \"{}\"\n",
            mirror.name("hub")
        ),
    );
    let pulled = ruled(&sandbox, &["pull", "hub.invalid/library/app:1"]).success();
    assert!(pulled.stdout.contains(&format!("Digest: {digest}\n")), "{pulled}");
    sandbox.rbuild(["inspect", "hub.invalid/library/app:1"]).success();
    // Mirrors are for pulling alone, and not for what they do not have.
    ruled(&sandbox, &["push", "hub.invalid/library/app:1"])
        .exits(1)
        .says("cannot push `library/app:1` to the registry `hub.invalid`")
        .says("cannot reach");
    ruled(&sandbox, &["pull", "hub.invalid/library/other:1"])
        .exits(1)
        .says("no mirror has it (`127.0.0.1:1`: cannot reach")
        .says("there is no manifest 1")
        .says("nor the registry itself");
}

#[test]
fn what_is_elsewhere_is_pulled_and_pushed_there() {
    let Some((sandbox, registry, there)) = with_registry("team/app:1") else { return };
    let digest = digest_there(&sandbox, &there);
    let rule = "[[registry]]\nprefix = \"old.invalid/group\"\nlocation = ";
    sandbox.write("registries.toml", &format!("{rule}\"{}\"\n", registry.name("team")));
    let pulled = ruled(&sandbox, &["pull", "old.invalid/group/app:1"]).success();
    assert!(pulled.stdout.contains(&format!("Digest: {digest}\n")), "{pulled}");
    sandbox.rbuild(["tag", "old.invalid/group/app:1", "old.invalid/group/more:2"]).success();
    ruled(&sandbox, &["push", "-q", "old.invalid/group/more:2"]).success();
    assert_eq!(digest_there(&sandbox, &registry.name("team/more:2")), digest);
    // A build goes the same way.
    sandbox.write("context/Dockerfile", "FROM old.invalid/group/more:2\nENV A=b\n");
    sandbox.rbuild(["rmi", "old.invalid/group/more:2"]).success();
    ruled(&sandbox, &["build", "-t", "old.invalid/group/new:1", "--push", "context"]).success();
    digest_there(&sandbox, &registry.name("team/new:1"));
}

#[test]
fn what_is_blocked_is_not_asked() {
    let sandbox = with_image();
    sandbox.write("registries.toml", "[[registry]]\nlocation = \"bad.invalid\"\nblocked = true\n");
    let why =
        format!("`bad.invalid` is blocked by `{}`", sandbox.path("registries.toml").display());
    for args in [
        &["pull", "bad.invalid/x"][..],
        &["login", "-u", "a", "-p", "b", "bad.invalid"],
        &["manifest", "inspect", "bad.invalid/x"],
    ] {
        ruled(&sandbox, args).exits(1).says(&why);
    }
    sandbox.rbuild(["tag", "small:1", "bad.invalid/x"]).success();
    ruled(&sandbox, &["push", "bad.invalid/x"]).exits(1).says(&why);
    sandbox.write("context/Dockerfile", "FROM bad.invalid/y\n");
    ruled(&sandbox, &["build", "context"]).exits(1).says(&why);
}

/// Certificates of one registry, without a directory for it; and none at all.
#[test]
fn a_rule_says_whom_to_trust() {
    let sandbox = with_image();
    if !certify(&sandbox, "r", "IP:127.0.0.1") || !certify(&sandbox, "client", "DNS:client") {
        return;
    }
    let path = |name: &str| sandbox.path(name).display().to_string();
    let tls = format!(
        ", tls: {{certificate: {}, key: {}, clientcas: [{}]}}",
        path("r.crt"),
        path("r.key"),
        path("ca.crt")
    );
    let Some(registry) = Registry::start(&sandbox, &tls) else { return };
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "small:1", &name]).success();
    let rule = |more: &str| {
        let text = format!("[[registry]]\nlocation = \"{}\"\n{more}", registry.address);
        sandbox.write("registries.toml", &text);
        ruled(&sandbox, &["push", "-q", &name])
    };
    rule("").exits(1).says("certificate");
    // Files are looked for beside the one that names them.
    rule("ca = [\"ca.crt\"]\n").exits(1);
    rule("ca = [\"ca.crt\"]\ncert = \"client.crt\"\nkey = \"client.key\"\n").success();
    rule("insecure = true\n").exits(1);
    rule("insecure = true\ncert = \"client.crt\"\nkey = \"client.key\"\n").success();
    rule("ca = [\"missing.crt\"]\n").exits(1).says("missing.crt");
}

#[test]
fn a_file_with_mistakes_is_told_of_only_where_it_is_needed() {
    let sandbox = with_image();
    sandbox.write("registries.toml", "[[registry]]\nlocation = \"a.invalid\"\nblok = true\n");
    ruled(&sandbox, &["pull", "a.invalid/x"])
        .exits(1)
        .says("is not valid: unknown field `blok`")
        .says("registries.toml:3:1")
        .says("3 | blok = true\n  | ^^^^");
    ruled(&sandbox, &["create", "small:1"]).success();
    let missing = [("RBUILD_REGISTRIES", "/nowhere.toml")];
    online_with(&sandbox, &missing, &["pull", "a.invalid/x"]).exits(1).says("/nowhere.toml");
}
