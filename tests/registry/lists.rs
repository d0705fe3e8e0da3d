//! `rbuild manifest`: one name for images of several platforms, and what others see of it.

use serde_json::Value;

use super::{digest_there, skopeo, with_image};
use crate::support::{Registry, Sandbox, installed, online};

const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// Images for two platforms, in the store only.
fn with_platforms() -> Sandbox {
    let sandbox = with_image();
    for arch in PLATFORMS {
        let (platform, tag) = (format!("linux/{arch}"), format!("app:{arch}"));
        let flags = ["--platform", &platform, "-t", &tag];
        sandbox
            .build("FROM scratch\nARG TARGETARCH\nCOPY file /\nENV A=$TARGETARCH\n", &flags)
            .success();
    }
    sandbox
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn architectures(index: &Value) -> Vec<&str> {
    let entries = index["manifests"].as_array().unwrap().iter();
    entries.map(|entry| entry["platform"]["architecture"].as_str().unwrap()).collect()
}

fn raw(sandbox: &Sandbox, name: &str) -> Value {
    let name = format!("docker://{name}");
    json(&skopeo(sandbox, &["inspect", "--raw", "--tls-verify=false", &name]).success().stdout)
}

#[test]
fn a_list_of_images_of_the_store_is_made_changed_and_pushed() {
    let sandbox = with_platforms();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    if !installed("skopeo") {
        return;
    }
    let list = registry.name("app:all");
    online(&sandbox, &["manifest", "create", &list, "app:amd64"])
        .success()
        .prints(&format!("Created manifest list {list}\n"));
    online(&sandbox, &["manifest", "create", &list, "app:arm64"])
        .exits(1)
        .says("`--amend` goes on with it");
    online(&sandbox, &["manifest", "create", "--amend", &list, "app:arm64"]).success();
    online(&sandbox, &["manifest", "exists", &list]).success();
    let annotate = ["manifest", "annotate", "--variant", "v9", "--os-features", "a,b"];
    let more = ["--annotation", "org.example.a=b", &list, "app:arm64"];
    online(&sandbox, &[&annotate[..], &more].concat()).success();
    let shown = json(&online(&sandbox, &["manifest", "inspect", &list]).success().stdout);
    assert_eq!(architectures(&shown), PLATFORMS);
    let arm = &shown["manifests"][1];
    assert_eq!(arm["platform"]["variant"], "v9");
    assert_eq!(arm["platform"]["os.features"], json("[\"a\", \"b\"]"));
    assert_eq!(arm["annotations"]["org.example.a"], "b");
    let digests =
        ["manifest", "inspect", "--format", "{{range .manifests}}{{.digest}} {{end}}", &list];
    let digests = online(&sandbox, &digests).success().stdout;
    assert_eq!(digests.matches("sha256:").count(), 2, "{digests}");

    let pushed = online(&sandbox, &["manifest", "push", &list]).success();
    let digest = pushed.stdout.lines().last().unwrap().to_owned();
    assert_eq!(digest_there(&sandbox, &list), digest);
    assert_eq!(raw(&sandbox, &list), shown, "what was pushed is what was shown");
    // Each platform can be had.
    let other = Sandbox::new();
    for arch in PLATFORMS {
        let platform = format!("linux/{arch}");
        online(&other, &["pull", "-q", "--platform", &platform, &list]).success();
        let args = ["inspect", "--platform", &platform, "--format", "{{.Config.Env}}", &list];
        assert!(online(&other, &args).success().stdout.contains(&format!("A={arch}")));
    }
    other.validate();
    // Once more under another name, with what is there already, and then it is forgotten.
    let to = format!("docker://{}", registry.name("other:all"));
    let again = online(&sandbox, &["manifest", "push", "-q", "--rm", &list, &to]).success();
    again.prints(&format!("{digest}\n"));
    online(&sandbox, &["manifest", "exists", &list]).exits(1);
    sandbox.validate();
}

#[test]
fn images_of_registries_are_listed_without_being_pulled() {
    let sandbox = with_platforms();
    let (Some(first), Some(second)) =
        (Registry::start(&sandbox, ""), Registry::start(&sandbox, ""))
    else {
        return;
    };
    if !installed("skopeo") {
        return;
    }
    for arch in PLATFORMS {
        let name = first.name(&format!("{arch}/app:1"));
        sandbox.rbuild(["tag", &format!("app:{arch}"), &name]).success();
        online(&sandbox, &["push", "-q", &name]).success();
    }
    let other = Sandbox::new();
    let [amd, arm] = PLATFORMS.map(|arch| first.name(&format!("{arch}/app:1")));
    // Beside them: the registry mounts. In another registry: it all has to be carried.
    for target in [first.name("app:all"), second.name("app:all")] {
        online(&other, &["manifest", "create", &target, &amd, &arm]).success();
        let pushed = online(&other, &["manifest", "push", &target]).success();
        let mounted = pushed.stdout.contains(": Mounted from a");
        assert_eq!(mounted, target == first.name("app:all"), "{pushed}");
        let index = raw(&sandbox, &target);
        assert_eq!(architectures(&index), PLATFORMS);
        let there = digest_there(&sandbox, &amd);
        assert_eq!(index["manifests"][0]["digest"], Value::String(there));
        online(&Sandbox::new(), &["pull", "-q", &target]).success();
    }
    assert_eq!(other.rbuild(["images", "-q"]).success().stdout, "", "nothing was pulled");
    // A list of a list.
    let whole = second.name("app:all");
    let nested = second.name("nested:1");
    online(&other, &["manifest", "create", &nested, &whole]).success();
    let shown = json(&online(&other, &["manifest", "inspect", &nested]).success().stdout);
    assert_eq!(architectures(&shown).len(), 1, "this machine's alone");
    online(&other, &["manifest", "add", "--all", &nested, &whole]).success();
    let shown = json(&online(&other, &["manifest", "inspect", &nested]).success().stdout);
    assert_eq!(architectures(&shown), PLATFORMS);
    let removed = shown["manifests"][0]["digest"].as_str().unwrap();
    online(&other, &["manifest", "remove", &nested, removed])
        .success()
        .prints(&format!("{removed}\n"));
    online(&other, &["manifest", "rm", &nested]).success();
    online(&other, &["manifest", "push", &nested]).exits(1).says("there is no list");
}

#[test]
fn manifests_of_registries_are_shown() {
    let sandbox = with_platforms();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "app:amd64", &name]).success();
    let pushed = online(&sandbox, &["push", &name]).success().stdout;
    let digest = pushed.split("digest: ").nth(1).unwrap().split(' ').next().unwrap();
    let shown = json(&online(&sandbox, &["manifest", "inspect", &name]).success().stdout);
    assert_eq!(shown["layers"].as_array().unwrap().len(), 1);
    let full = json(&online(&sandbox, &["manifest", "inspect", "-v", &name]).success().stdout);
    assert_eq!(full["Descriptor"]["digest"], digest);
    assert_eq!(full["Descriptor"]["platform"]["architecture"], "amd64");
    assert_eq!(full["OCIManifest"], shown);
    online(&sandbox, &["manifest", "inspect", &registry.name("missing:1")])
        .exits(1)
        .says("cannot look up `missing:1` in the registry")
        .says("there is no manifest 1");
}

/// Docker's kind, from images of docker's kind; podman and docker understand it.
#[test]
fn lists_of_dockers_images_are_dockers_lists() {
    let sandbox = with_platforms();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    if !installed("skopeo") {
        return;
    }
    let (ours, theirs) = (registry.name("ours:1"), registry.name("theirs:1"));
    sandbox.rbuild(["tag", "app:amd64", &ours]).success();
    online(&sandbox, &["push", "-q", &ours]).success();
    let (from, to) = (format!("docker://{ours}"), format!("docker://{theirs}"));
    let copy =
        ["copy", "-q", "--format", "v2s2", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&sandbox, &[&copy[..], &[&from, &to]].concat()).success();
    let list = registry.name("list:1");
    online(&sandbox, &["manifest", "create", &list, &theirs]).success();
    online(&sandbox, &["manifest", "push", "-q", &list]).success();
    let kind = "application/vnd.docker.distribution.manifest.list.v2+json";
    assert_eq!(raw(&sandbox, &list)["mediaType"], kind);
    online(&sandbox, &["manifest", "push", "-q", "--format", "oci", &list]).success();
    assert_eq!(raw(&sandbox, &list)["mediaType"], "application/vnd.oci.image.index.v1+json");
}
