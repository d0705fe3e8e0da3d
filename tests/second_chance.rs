//! A step that ran again and made what was made before, and one that did not.

use crate::support::{Sandbox, privileged};

#[test]
fn a_step_that_makes_the_same_again_keeps_later_steps() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/version", "1");
    // The state before the RUN is the same, and so its result has to be.
    let bound = "FROM busybox\nRUN --mount=type=bind,target=/src test -e /src/version; echo same > /out\n\
                 RUN cp /out /copy\n";
    sandbox.build(bound, &[]).success();
    sandbox.write("context/version", "2");
    let again = sandbox.build(bound, &["--explain"]).success();
    again.says("same result as before").says("hit  [3/3] RUN cp /out /copy");
    // What it left is no longer there: a new step stands on what was left before.
    let more = bound.to_owned() + "RUN cat /out /copy > /both; rm /out\nRUN test ! -e /out\n";
    sandbox.build(&more, &["-t", "more"]).success();
    let cat = ["run", "--rm", "--network", "none", "more", "cat", "/both"];
    sandbox.rbuild(cat).success().prints("same\nsame\n");
    sandbox.validate();
}

#[test]
fn a_copy_that_makes_the_same_again_keeps_later_steps() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/a", "the same");
    sandbox.write("context/b", "the same");
    sandbox.build("FROM busybox\nCOPY a /x\nRUN cp /x /y\n", &[]).success();
    let other = sandbox.build("FROM busybox\nCOPY b /x\nRUN cp /x /y\n", &["--explain"]).success();
    other
        .says("miss [2/3] COPY b /x")
        .says("same result as before")
        .says("hit  [3/3] RUN cp /x /y");
    // Its own layer is the same by then, so a third step that makes it is one more name for it.
    let third = sandbox
        .build("FROM busybox\nCOPY --chown=0:0 b /x\nRUN cp /x /y\n", &["--explain"])
        .success();
    third.says("hit  [3/3] RUN cp /x /y");
    sandbox.validate();
}

/// The source has another comment; what is made of it is the same.
#[test]
fn a_stage_that_makes_the_same_again_keeps_steps_of_later_stages() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let text = "FROM busybox AS made\nCOPY source /source\nRUN grep -v '^#' /source > /program\n\
                FROM busybox\nCOPY --from=made /program /program\nRUN cp /program /used\n";
    sandbox.write("context/source", "# one\ncode\n");
    sandbox.build(text, &[]).success();
    sandbox.write("context/source", "# another\ncode\n");
    let again = sandbox.build(text, &["--explain"]).success();
    let again = again.says("miss [made 2/3] COPY source /source").says("miss [made 3/3] RUN grep");
    let again = again.says("COPY --from=made /program /program");
    let hits = again.stderr.lines().filter(|line| line.starts_with("hit ")).collect::<Vec<_>>();
    assert_eq!(hits.len(), 2, "{hits:?}");
    // Another result is another one for all.
    sandbox.write("context/source", "# another\nother code\n");
    let changed = sandbox.build(text, &["--explain"]).success();
    assert!(!changed.stderr.lines().any(|line| line.starts_with("hit ")), "{changed}");
    sandbox.validate();
}

/// What another step makes is found by what it is, not by what a step that made the same once has made since.
#[test]
fn a_result_that_was_made_anew_differently_is_not_the_one_before() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let build = |script: &str, flags: &[&str]| {
        let text = format!("FROM busybox\nRUN --mount=type=cache,target=/c {script}\n");
        sandbox.write("context/Dockerfile", &text);
        let words = ["build", "-t", "image"].iter().chain(flags).chain(&["context"]);
        sandbox.rbuild(words).success()
    };
    let set = |value: &str| build(&format!("echo {value} > /c/v"), &["--no-cache"]);
    let step = "cat /c/v > /out";
    set("1");
    build(step, &[]);
    set("2");
    build(step, &["--no-cache"]);
    set("1");
    build(&format!("{step}; : other"), &[]);
    let found = sandbox.rbuild(["run", "--rm", "--network", "none", "image", "cat", "/out"]);
    assert_eq!(found.success().stdout, "1\n");
}
