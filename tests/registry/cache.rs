//! The cache of a build goes to a registry, and another machine builds with it.

use super::with_image;
use crate::support::{Output, Registry, Sandbox, online, privileged};

const DOCKERFILE: &str = "FROM scratch AS parts\nCOPY part /part\nWORKDIR /made\n\
                          FROM scratch\nCOPY file /file\nCOPY --from=parts /part /there/\n";

/// A store with nothing in it, and the context of the build.
fn machine(dockerfile: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("context/file", "content\n");
    sandbox.write("context/part", "part\n");
    sandbox.write("context/Dockerfile", dockerfile);
    sandbox
}

fn build(sandbox: &Sandbox, args: &[&str]) -> Output {
    let words = ["build", "--progress", "plain"].iter().chain(args).chain(&["context"]);
    online(sandbox, &words.copied().collect::<Vec<_>>()).success()
}

fn cached(output: &Output) -> usize {
    output.stderr.matches(" CACHED\n").count()
}

#[test]
fn another_machine_builds_with_what_this_one_sent() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let (name, first) = (registry.name("cache:1"), machine(DOCKERFILE));
    let (to, from) =
        (format!("type=registry,ref={name},mode=max"), format!("type=registry,ref={name}"));
    // Before the first build there is none.
    let built = build(&first, &["--cache-from", &from, "--cache-to", &to, "-t", "app:1"]);
    assert!(built.stderr.contains(&format!("the cache `{name}` is not used")), "{built}");
    let id = |sandbox: &Sandbox| sandbox.rbuild(["images", "-q", "--no-trunc"]).success().stdout;

    let second = machine(DOCKERFILE);
    second.write("context/unused", "another file changes nothing\n");
    let built = build(&second, &["--cache-from", &name, "-t", "app:1"]);
    assert_eq!(cached(&built), 4, "{built}");
    let layers = |sandbox: &Sandbox| {
        let args = ["inspect", "--format", "{{.RootFS.Layers}}", "app:1"];
        sandbox.rbuild(args).success().stdout
    };
    assert_eq!(layers(&first), layers(&second));
    assert_ne!(id(&second), "");
    second.validate();
    // Layers come when a step asks for them, and only then.
    let other = machine(&format!("{DOCKERFILE}COPY part /more\n"));
    let changed = machine(DOCKERFILE);
    changed.write("context/file", "changed\n");
    assert_eq!(cached(&build(&other, &["--cache-from", &name])), 4);
    assert_eq!(cached(&build(&changed, &["--cache-from", &name])), 2);
    // Without `mode=max`: what is in the image.
    let small = registry.name("small:1");
    build(&first, &["--cache-to", &format!("type=registry,ref={small}")]);
    let third = machine(DOCKERFILE);
    let built = build(&third, &["--cache-from", &small]);
    assert_eq!(cached(&built), 2, "{built}");
}

/// The program of a RUN does not run again, and later steps go on from what it left.
#[test]
fn a_command_that_ran_elsewhere_does_not_run_here() {
    if !privileged() {
        return;
    }
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let (name, dockerfile) = (
        registry.name("cache:1"),
        "FROM busybox\nRUN mkdir /d && cat /proc/sys/kernel/random/uuid > /d/once\nRUN cp /d/once /d/twice\n",
    );
    let machine = || {
        let sandbox = Sandbox::with_busybox();
        sandbox.write("context/Dockerfile", dockerfile);
        sandbox
    };
    let (first, second) = (machine(), machine());
    let to = format!("type=registry,ref={name},mode=max,compression=zstd");
    build(&first, &["-t", "app", "--cache-to", &to]);
    second.write("context/Dockerfile", &format!("{dockerfile}RUN cp /d/twice /d/thrice\n"));
    let built = build(&second, &["-t", "app", "--cache-from", &name]);
    assert_eq!(cached(&built), 2, "{built}");
    let read = |sandbox: &Sandbox, file: &str| {
        sandbox.rbuild(["run", "--rm", "app", "cat", file]).success().stdout
    };
    assert_eq!(read(&second, "/d/thrice"), read(&first, "/d/once"));
    second.validate();
}

/// What was made on this machine's own result, which is gone, does not go with another machine's.
#[test]
fn results_of_two_machines_are_not_mixed() {
    if !privileged() {
        return;
    }
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let name = registry.name("cache:1");
    let machine = || {
        let sandbox = Sandbox::with_busybox();
        sandbox.write(
            "context/Dockerfile",
            "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\nRUN cp /once /twice\n",
        );
        sandbox
    };
    let (first, second) = (machine(), machine());
    build(&first, &["--cache-to", &format!("type=registry,ref={name},mode=max")]);
    build(&second, &[]);
    // The first step was not used for long, the second one was.
    let steps = second.root().join("cache/steps");
    let is_first = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|ending| ending == "json")
            && std::fs::read_to_string(path).unwrap().contains("random/uuid")
    };
    let paths = std::fs::read_dir(steps).unwrap().map(|entry| entry.unwrap().path());
    let record = paths.filter(is_first).collect::<Vec<_>>();
    let [record] = &record[..] else { panic!("{record:?}") };
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(48 * 3600);
    std::fs::File::open(record).unwrap().set_modified(before).unwrap();
    second.rbuild(["builder", "prune", "-a", "-f", "--filter", "unused-for=24h"]).success();
    assert!(!record.exists());
    build(&second, &["-t", "app", "--cache-from", &name]);
    let read = |file: &str| second.rbuild(["run", "--rm", "app", "cat", file]).success().stdout;
    assert_eq!(read("/once"), read("/twice"));
}

/// `--cache-to type=inline`: the image says which steps made its layers, and who names it as a cache builds with them.
#[test]
fn an_image_may_be_its_own_cache() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let (name, first, second) = (registry.name("app:1"), machine(DOCKERFILE), machine(DOCKERFILE));
    build(&first, &["--cache-to", "type=inline", "-t", &name, "--push"]);
    let built = build(&second, &["--cache-from", &name, "--cache-to", "type=inline", "-t", &name]);
    // The stage that only gives files has run: its layers are in no image.
    assert_eq!(cached(&built), 2, "{built}");
    let id = |sandbox: &Sandbox| sandbox.rbuild(["images", "-q", "--no-trunc"]).success().stdout;
    assert_eq!(id(&first), id(&second));
    second.validate();
    // As buildx had it before; and what is built on it does not say that these steps are its own.
    let old = registry.name("old:1");
    let third = machine(DOCKERFILE);
    build(&third, &["--build-arg", "BUILDKIT_INLINE_CACHE=1", "-t", &old, "--push"]);
    assert_eq!(cached(&build(&machine(DOCKERFILE), &["--cache-from", &old])), 2);
    let above = registry.name("above:1");
    third.write("context/Dockerfile", &format!("FROM {old}\nCOPY part /more\n"));
    build(&third, &["-t", &above, "--push"]);
    let other = machine(DOCKERFILE);
    let built = build(&other, &["--cache-from", &above]);
    assert!(built.stderr.contains("what is there is no cache of rbuild's"), "{built}");
    // Of an image for several platforms, what it has for the one that is built.
    let both = registry.name("both:1");
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    let args = ["--cache-to", "type=inline", "-t", both.as_str(), "--push"];
    build(&machine(DOCKERFILE), &[platforms.as_slice(), args.as_slice()].concat());
    let arm = machine(DOCKERFILE);
    let built = build(&arm, &["--platform", "linux/arm64", "--cache-from", &both]);
    assert_eq!(cached(&built), 2, "{built}");
}

#[test]
fn a_cache_that_is_none_is_told_of_and_not_used() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let image = registry.name("image:1");
    sandbox.rbuild(["tag", "small:1", &image]).success();
    online(&sandbox, &["push", "-q", &image]).success();
    let machine = machine(DOCKERFILE);
    let built = build(&machine, &["--cache-from", &image]);
    assert!(built.stderr.contains("what is there is no cache of rbuild's"), "{built}");
    let nowhere = "--cache-to=type=registry,ref=127.0.0.1:1/cache";
    let words = ["build", "--progress", "plain", nowhere, "context"];
    online(&machine, &words).exits(1).says("cannot send the cache to `127.0.0.1:1/cache:latest`");
    let ignored = format!("{nowhere},ignore-error=true");
    let built = build(&machine, &[&ignored]);
    assert!(
        built.stderr.contains("the cache was not sent to `127.0.0.1:1/cache:latest`"),
        "{built}"
    );
}
