//! Eight processes that build, load, tag, remove and prune at once on one store: nothing that succeeded may be
//! wrong, nothing may fail for another reason than that somebody removed what was asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Output, Sandbox, privileged, run, until as until_is};

const WORKERS: usize = 8;
/// `RBUILD_TEST_SECONDS` says how long instead.
const LONGEST: u64 = 20;

const COPIES: &str = "FROM busybox AS a\nCOPY shared /shared\nCOPY own-{N} /own\n\
     FROM busybox\nCOPY --from=a /shared /own /x/\nWORKDIR /w/{N}\n";
const RUNS: &str = "FROM busybox\nCOPY shared /shared\nRUN --mount=type=cache,target=/c date > /c/{N}; cat /shared > /y\n";

#[test]
fn many_at_once_leave_a_valid_store() {
    let sandbox = Sandbox::with_busybox();
    sandbox.rbuild(["save", "-o", "busybox.tar", "busybox"]).success();
    sandbox.write("context/shared", &"shared\n".repeat(20_000));
    for number in 0..WORKERS {
        sandbox.write(&format!("context/own-{number}"), &format!("{number}\n").repeat(5000));
        let runs = privileged() && number == 0;
        let text = if runs { RUNS } else { COPIES };
        sandbox.write(
            &format!("context/Dockerfile.{number}"),
            &text.replace("{N}", &number.to_string()),
        );
    }
    let built = AtomicUsize::new(0);
    let wanted = std::env::vars().find(|(name, _)| name == "RBUILD_TEST_SECONDS");
    let seconds = wanted.map_or(LONGEST, |(_, value)| value.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let (sandbox, built) = (&sandbox, &built);
            scope.spawn(move || {
                for round in 0.. {
                    if Instant::now() > end {
                        break;
                    }
                    built.fetch_add(usize::from(act(sandbox, number, round)), Ordering::Relaxed);
                }
            });
        }
    });
    sandbox.validate();
    let built = built.into_inner();
    assert!(built >= WORKERS, "only {built} builds succeeded");
    println!("{built} builds succeeded");
    sandbox.rbuild(["load", "-i", "busybox.tar"]).success();
    for number in 0..2 {
        build(&sandbox, number).success();
    }
    sandbox.rbuild(["builder", "prune", "-f"]).success();
    sandbox.rbuild(["save", "-o", "app.tar", "app-0", "app-1"]).success();
    sandbox.validate();
}

fn build(sandbox: &Sandbox, number: usize) -> Output {
    let (file, name) = (format!("context/Dockerfile.{number}"), format!("app-{number}"));
    sandbox.rbuild(["build", "--progress", "plain", "-f", &file, "-t", &name, "context"])
}

/// Says whether it was a build that succeeded.
fn act(sandbox: &Sandbox, number: usize, round: usize) -> bool {
    let own = format!("app-{number}");
    match (number, round % 4) {
        (0..=4, _) => {
            let built = done(build(sandbox, number), true);
            // Names are this worker's own; only a pruner may take them away.
            done(sandbox.rbuild(["tag", &own, "shared-name"]), true);
            done(sandbox.rbuild(["inspect", &own]), true);
            return built;
        }
        (5, 0) => done(sandbox.rbuild(["image", "prune", "-f"]), false),
        (5, 1) => done(sandbox.rbuild(["builder", "prune", "-a", "-f"]), false),
        (5, 2) => done(sandbox.rbuild(["system", "df"]), false),
        (5, _) => done(sandbox.rbuild(["system", "prune", "-a", "-f"]), false),
        (6, 0) => done(sandbox.rbuild(["rmi", "-f", "shared-name"]), false),
        (6, _) => done(sandbox.rbuild(["builder", "prune", "-f"]), false),
        _ => done(sandbox.rbuild(["load", "-i", "busybox.tar"]), false),
    };
    false
}

/// Fails the test unless the command succeeded. The only excuse is that an image is gone, for those that use one.
#[track_caller]
fn done(output: Output, uses_image: bool) -> bool {
    if output.status == Some(0) {
        return true;
    }
    let gone = output.stderr.contains("image `") && output.stderr.contains("` does not exist");
    let excused = uses_image && gone;
    assert!(excused, "{output}");
    false
}

/// Each waits for the other in its first step.
#[test]
fn builds_without_the_cache_do_not_wait_for_each_other() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let meet = "mkdir /c/$(cat /proc/sys/kernel/random/uuid); n=0; \
         while [ $(ls /c | wc -l) -lt 2 ]; do sleep 0.1; n=$((n+1)); [ $n -lt 600 ] || exit 1; done; \
         cat /proc/sys/kernel/random/uuid > /one";
    let text = format!("FROM busybox\nRUN --mount=type=cache,target=/c {meet}\nRUN cp /one /two\n");
    sandbox.write("context/Dockerfile", &text);
    let build = |name: &str| sandbox.rbuild(["build", "--no-cache", "-t", name, "context"]);
    std::thread::scope(|scope| {
        let both = ["a", "b"].map(|name| scope.spawn(move || build(name).success()));
        for one in both {
            one.join().unwrap();
        }
    });
    // Each has its own result, and whoever comes then has one of both.
    let then = sandbox.rbuild(["build", "-t", "c", "--progress", "plain", "context"]).success();
    assert_eq!(then.stderr.matches("CACHED").count(), 2, "{then}");
    sandbox.validate();
    let files = ["a", "b", "c"].map(|name| {
        let print = ["run", "--rm", "--network", "none", name, "cat", "/one", "/two"];
        let printed = sandbox.rbuild(print).success().stdout;
        let (one, two) = printed.split_at(printed.len() / 2);
        assert_eq!(one, two, "{name}");
        printed
    });
    assert_ne!(files[0], files[1]);
    assert!(files[..2].contains(&files[2]));
}

const UNTIL: &str =
    "n=0; while CONDITION; do sleep 0.1; n=$((n+1)); [ $n -lt 600 ] || exit 1; done";

/// Stages of one command each, which may use a directory that all share, and their names.
fn stages(count: usize, script: &str) -> String {
    let stage = |number| {
        let script = script.replace("{N}", &format!("{number}"));
        format!("FROM busybox AS s{number}\nRUN --mount=type=cache,target=/c {script}\n")
    };
    (0..count).map(stage).collect()
}

/// The stage that needs them all.
fn joined(count: usize) -> String {
    let copies = (0..count).map(|number| format!("COPY --from=s{number} /{number} /\n"));
    format!("FROM busybox\n{}", copies.collect::<String>())
}

/// All sixteen wait for each other.
#[test]
fn as_many_commands_run_at_once_as_there_are_stages() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let until = UNTIL.replace("CONDITION", "[ $(ls /c | wc -l) -lt 16 ]");
    let stages = stages(16, &format!("touch /c/{{N}} /{{N}}; {until}"));
    sandbox.write("context/Dockerfile", &(stages + &joined(16)));
    sandbox.rbuild(["build", "context"]).success();
}

/// More of its stages than it works on at once wait for those of another build, which wait for one more of its own.
#[test]
fn a_build_that_waits_for_another_one_goes_on_elsewhere() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let count = 2 * std::thread::available_parallelism().unwrap().get().max(4);
    let until = UNTIL.replace("CONDITION", "[ ! -e /c/go ]");
    let stages = stages(count, &format!("touch /{{N}} /c/began-{{N}}; {until}"));
    sandbox.write("context/Dockerfile.first", &format!("{stages}{}", joined(count)));
    let own = "FROM busybox AS own\nRUN --mount=type=cache,target=/c touch /c/go /own\n";
    let last = format!("{}COPY --from=own /own /\n", joined(count));
    sandbox.write("context/Dockerfile", &format!("{stages}{own}{last}"));
    let first = ["build", "-f", "context/Dockerfile.first", "context"];
    std::thread::scope(|scope| {
        let first = scope.spawn(|| sandbox.rbuild(first).success());
        until_is("all commands of the first build run", || {
            let found =
                run(sandbox.command("find").arg(sandbox.root()).args(["-name", "began-*"]), "");
            found.stdout.lines().count() == count
        });
        sandbox.rbuild(["build", "context"]).success();
        first.join().unwrap();
    });
}
