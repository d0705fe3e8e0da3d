//! `build.cache_from` and `build.cache_to`: the cache goes to a registry, and another machine builds with it.

use super::stack::Stack;
use crate::support::{Output, Registry, Sandbox, privileged, run};

fn compose(more: &str) -> String {
    format!(
        "services: {{app: {{build: {{context: ., dockerfile_inline: \"FROM scratch\\nCOPY compose.yaml /file\\nWORKDIR /made\\n\", {more}}}}}}}"
    )
}

/// With a registry in reach.
fn build(stack: &Stack) -> Output {
    let mut command = stack.command("--progress plain build");
    command.env_remove("RBUILD_OFFLINE").env("HOME", stack.sandbox.path("home"));
    run(&mut command, "").success()
}

#[test]
fn another_machine_builds_with_the_cache_of_a_registry() {
    if !privileged() {
        return;
    }
    let first = Sandbox::new();
    let Some(registry) = Registry::start(&first, "") else { return };
    let name = registry.name("cache:1");
    let own = format!("cache_from: ['{name}'], cache_to: ['type=registry,ref={name}']");
    let (first, second) =
        (Stack::within(first, &compose(&own)), Stack::within(Sandbox::new(), &compose(&own)));
    // Before the first build there is none.
    let [made, cached] = [&first, &second].map(build);
    assert_eq!(made.stderr.matches("CACHED").count(), 0, "{made}");
    assert_eq!(cached.stderr.matches("CACHED").count(), 2, "{cached}");
}

/// By a build argument too, as before there was `cache_to`.
#[test]
fn an_image_may_have_its_cache_in_it() {
    if !privileged() {
        return;
    }
    let configuration = |more: &str| {
        let stack = Stack::within(Sandbox::new(), &compose(more));
        build(&stack);
        let out = stack.sandbox.path("out").display().to_string();
        let save = ["save", "--format", "oci-dir", "-o", &out, "shop-app"];
        stack.sandbox.rbuild(save).success();
        let blobs = std::fs::read_dir(stack.sandbox.path("out/blobs/sha256")).unwrap();
        let texts = blobs.map(|blob| std::fs::read(blob.unwrap().path()).unwrap());
        texts.filter(|text| String::from_utf8_lossy(text).contains("rbuild.cache.v1")).count()
    };
    assert_eq!(configuration("cache_to: ['type=inline']"), 1);
    assert_eq!(configuration("args: {BUILDKIT_INLINE_CACHE: 1}"), 1);
    assert_eq!(configuration("args: {BUILDKIT_INLINE_CACHE: 0}"), 0);
}

#[test]
fn caches_that_there_are_not_are_refused_by_name() {
    let stack = Stack::within(Sandbox::new(), &compose("cache_from: ['type=gha']"));
    let refused = stack.rcompose("build").exits(1);
    refused.says("service `app`").says("`build.cache_from: type=gha`").says("is not supported");
    stack.write(&compose("cache_to: ['type=inline,mode=max']"));
    stack.rcompose("build").exits(1).says("`build.cache_to: type=inline,mode=max`");
}
