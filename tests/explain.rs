//! `--explain`: what is said of every step after something changed, from end to end.

use crate::support::{Output, Sandbox, privileged, run};

/// What is built, what changes, and what is said of each step then: `hit STEP`, or `miss STEP` and its reasons.
struct Situation {
    before: &'static str,
    flags_before: &'static [&'static str],
    /// A script in the context.
    change: &'static str,
    now: &'static str,
    flags: &'static [&'static str],
    said: &'static [&'static str],
}

impl Situation {
    /// The script is all that changes.
    const fn files(
        text: &'static str,
        change: &'static str,
        said: &'static [&'static str],
    ) -> Self {
        Situation { before: text, flags_before: &[], change, now: text, flags: &[], said }
    }

    /// The Dockerfile is all that changes.
    const fn text(before: &'static str, now: &'static str, said: &'static [&'static str]) -> Self {
        Situation { before, flags_before: &[], change: "", now, flags: &[], said }
    }

    /// The flags are all that change.
    const fn flags(
        text: &'static str,
        flags_before: &'static [&'static str],
        flags: &'static [&'static str],
        said: &'static [&'static str],
    ) -> Self {
        Situation { before: text, flags_before, change: "", now: text, flags, said }
    }
}

const COPIES: &str = "FROM scratch\nCOPY a /a\nCOPY d /d/\nWORKDIR /w\n";

const WITHOUT_CONTAINERS: &[Situation] = &[
    Situation::files(COPIES, "", &["hit COPY a /a", "hit COPY d /d/", "hit WORKDIR /w"]),
    Situation::files(
        COPIES,
        "echo more >> a",
        &[
            "miss COPY a /a",
            "file `a` changed: content # → content #",
            "miss COPY d /d/",
            "a step before it changed: COPY a /a",
            "miss WORKDIR /w",
            "a step before it changed: COPY d /d/",
        ],
    ),
    Situation::files(
        "FROM scratch\nCOPY d /d/\n",
        "cp a d/new",
        &["miss COPY d /d/", "file `d/new` added: content #"],
    ),
    Situation::files(
        "FROM scratch\nCOPY d /d/\n",
        "rm d/one",
        &["miss COPY d /d/", "file `d/one` removed: content #"],
    ),
    Situation::files(
        "FROM scratch\nCOPY d /d/\n",
        "echo one > .dockerignore; echo d/one >> .dockerignore",
        &["miss COPY d /d/", "file `d/one` removed: content #"],
    ),
    Situation::files(
        "FROM scratch\nCOPY a /a\n",
        "chmod 755 a",
        &["miss COPY a /a", "file `a` changed: mode 644 → mode 755"],
    ),
    Situation::files(
        "FROM scratch\nCOPY d /d/\n",
        "rm d/one; ln -s two d/one",
        &[
            "miss COPY d /d/",
            "link `d/one` changed: type file, mode 644, content # → type link, mode 777, content #",
        ],
    ),
    // Times are not in the key.
    Situation::files("FROM scratch\nCOPY a /a\n", "touch -d @1 a", &["hit COPY a /a"]),
    Situation::text(
        "FROM scratch\nCOPY a /a\n",
        "FROM scratch\nCOPY a /b\n",
        &["miss COPY a /b", "setting `destination` changed: /a → /b"],
    ),
    Situation::text(
        "FROM scratch\nCOPY a /a\n",
        "FROM scratch\nCOPY --chown=1:2 --chmod=600 a /a\n",
        &[
            "miss COPY --chown=1:2 --chmod=600 a /a",
            "setting `--chmod` added: 600",
            "setting `--chown` added: 1:2",
            "file `a` changed: mode 644 → mode 600",
        ],
    ),
    Situation::text(
        "FROM scratch\nWORKDIR /a\nWORKDIR b\n",
        "FROM scratch\nWORKDIR /c\nWORKDIR b\n",
        &[
            "miss WORKDIR /c",
            "instruction: /a → /c",
            "miss WORKDIR b",
            "instruction: /a/b → /c/b",
            "a step before it changed: WORKDIR /c",
        ],
    ),
    Situation::flags(
        "FROM scratch\nARG FILE\nCOPY a /a\nCOPY $FILE /x\n",
        &["--build-arg", "FILE=a"],
        &["--build-arg", "FILE=b"],
        &[
            "hit COPY a /a",
            "miss COPY b /x",
            "instruction: /a → /b",
            "file `a` removed: content #",
            "file `b` added: content #",
            "name of `a` removed: #",
            "name of `b` added: #",
        ],
    ),
    // Inserted, removed, in another order, replaced by another instruction.
    Situation::text(
        "FROM scratch\nCOPY a /a\nWORKDIR /w\nCOPY d /d/\n",
        "FROM scratch\nCOPY a /a\nCOPY b /b\nWORKDIR /w\nCOPY d /d/\n",
        &[
            "hit COPY a /a",
            "miss COPY b /b",
            "it was not built at this place before",
            "miss WORKDIR /w",
            "it follows another step: COPY a /a → COPY b /b",
            "miss COPY d /d/",
            "a step before it changed: WORKDIR /w",
        ],
    ),
    Situation::text(
        "FROM scratch\nCOPY a /a\nCOPY b /b\nWORKDIR /w\n",
        "FROM scratch\nCOPY a /a\nWORKDIR /w\n",
        &["hit COPY a /a", "miss WORKDIR /w", "it follows another step: COPY b /b → COPY a /a"],
    ),
    Situation::text(
        "FROM scratch\nCOPY a /a\nCOPY b /b\n",
        "FROM scratch\nCOPY b /b\nCOPY a /a\n",
        &[
            "miss COPY b /b",
            "it follows another step: COPY a /a → FROM scratch",
            "miss COPY a /a",
            "it follows another step: FROM scratch → COPY b /b",
        ],
    ),
    Situation::text(
        "FROM scratch\nCOPY a /a\nCOPY b /b\nWORKDIR /w\n",
        "FROM scratch\nCOPY a /a\nWORKDIR /b\nWORKDIR /w\n",
        &[
            "hit COPY a /a",
            "miss WORKDIR /b",
            "instruction: COPY b /b → WORKDIR /b",
            "miss WORKDIR /w",
            "a step before it changed: WORKDIR /b",
        ],
    ),
    Situation::flags(
        "FROM scratch\nCOPY a /a\n",
        &["--platform", "linux/amd64"],
        &["--platform", "linux/arm64"],
        &["miss COPY a /a", "platform: linux/amd64 → linux/arm64"],
    ),
    Situation::flags(
        "FROM scratch\nCOPY a /a\n",
        &["--build-arg", "SOURCE_DATE_EPOCH=1"],
        &["--build-arg", "SOURCE_DATE_EPOCH=2"],
        &["miss COPY a /a", "setting `SOURCE_DATE_EPOCH` changed: 1 → 2"],
    ),
    Situation::flags(
        "FROM scratch\nCOPY a /a\n",
        &[],
        &["--no-cache"],
        &["miss COPY a /a", "the cache was not to be used"],
    ),
    Situation::files(
        "FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n",
        "echo more >> a",
        &[
            "miss COPY a /a",
            "file `a` changed: content # → content #",
            "miss COPY --from=one /a /b",
            "file `a` changed: content # → content #",
        ],
    ),
    Situation::files(
        "FROM scratch\nCOPY a /a\nCOPY --link b /b\n",
        "echo more >> a",
        &["miss COPY a /a", "file `a` changed: content # → content #", "hit COPY --link b /b"],
    ),
    Situation::files(
        "FROM scratch\nCOPY a /a\n",
        "rm $RBUILD_ROOT/cache/steps/*",
        &["miss COPY a /a", "its layer is no longer in the store"],
    ),
];

const WITH_CONTAINERS: &[Situation] = &[
    Situation::text(
        "FROM busybox\nRUN echo 1 > /a\nRUN echo 2 > /b\n",
        "FROM busybox\nRUN echo one > /a\nRUN echo 2 > /b\n",
        &[
            "miss RUN echo one > /a",
            "instruction: /bin/sh -c echo 1 > /a → /bin/sh -c echo one > /a",
            "miss RUN echo 2 > /b",
            "a step before it changed: RUN echo one > /a",
        ],
    ),
    Situation::text(
        "FROM busybox\nRUN echo 1 > /a\nRUN echo 3 > /c\n",
        "FROM busybox\nRUN echo 1 > /a\nRUN echo two > /b\nRUN echo 3 > /c\n",
        &[
            "hit RUN echo 1 > /a",
            "miss RUN echo two > /b",
            "it was not built at this place before",
            "miss RUN echo 3 > /c",
            "it follows another step: RUN echo 1 > /a → RUN echo two > /b",
        ],
    ),
    Situation::flags(
        "FROM busybox\nARG V\nRUN echo $V\n",
        &["--build-arg", "V=1"],
        &["--build-arg", "V=2"],
        &["miss RUN echo 2", "variable `V` changed: 1 → 2"],
    ),
    Situation::text(
        "FROM busybox\nRUN true\n",
        "FROM busybox\nENV A=1\nRUN true\n",
        &["miss RUN true", "variable `A` added: 1"],
    ),
    Situation::text(
        "FROM busybox\nWORKDIR /a\nRUN true\n",
        "FROM busybox\nWORKDIR /b\nRUN true\n",
        &[
            "miss WORKDIR /b",
            "instruction: /a → /b",
            "miss RUN true",
            "setting `working directory` changed: /a → /b",
            "a step before it changed: WORKDIR /b",
        ],
    ),
    Situation::text(
        "FROM busybox\nUSER 1\nRUN true\n",
        "FROM busybox\nUSER 2\nRUN true\n",
        &["miss RUN true", "setting `user` changed: 1 → 2"],
    ),
    Situation::files(
        "FROM busybox\nRUN --mount=type=bind,source=d,target=/src cat /src/one\n",
        "echo more >> d/one",
        &[
            "miss RUN --mount=type=bind,source=d,target=/src cat /src/one",
            "file of the mount at `/src` `d/one` changed: content # → content #",
        ],
    ),
    Situation::text(
        "FROM busybox\nRUN true\n",
        "FROM busybox\nRUN --mount=type=tmpfs,target=/t true\n",
        &[
            "miss RUN --mount=type=tmpfs,target=/t true",
            "mount `/t` added: {\"mount\":\"tmpfs\",\"target\":\"/t\",\"size\":null}",
        ],
    ),
    Situation::text(
        "FROM busybox\nRUN --network=none :\n",
        "FROM busybox\nRUN :\n",
        &["miss RUN :", "setting `network` changed: none → default"],
    ),
    Situation::text(
        "FROM busybox\nRUN <<E\necho 1\nE\n",
        "FROM busybox\nRUN <<E\necho 2\nE\n",
        &["miss RUN <<E (echo 2)", "instruction: /bin/sh -c echo 1\\n → /bin/sh -c echo 2\\n"],
    ),
    Situation::text(
        "FROM busybox\nRUN true\n",
        "FROM other\nRUN true\n",
        &["miss RUN true", "a step before it changed: FROM other"],
    ),
];

#[test]
fn changes_of_files_and_of_what_is_written() {
    let sandbox = Sandbox::new();
    check(&sandbox, WITHOUT_CONTAINERS);
}

#[test]
fn changes_of_what_commands_see() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    sandbox.build("FROM busybox\nCOPY Dockerfile /\n", &["-t", "other"]).success();
    check(&sandbox, WITH_CONTAINERS);
}

#[track_caller]
fn check(sandbox: &Sandbox, situations: &[Situation]) {
    let wrong = situations.iter().enumerate().filter_map(|pair| wrong(sandbox, pair));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong(sandbox: &Sandbox, (number, situation): (usize, &Situation)) -> Option<String> {
    // A directory of its own, because places are known by it.
    let context = format!("context{number}");
    for (name, text) in [("a", "a"), ("b", "b"), ("d/one", "1"), ("d/two", "2")] {
        sandbox.write(&format!("{context}/{name}"), &format!("{text} of {number}\n"));
    }
    let build = |text: &str, flags: &[&str]| {
        sandbox.write(&format!("{context}/Dockerfile"), text);
        let words = ["build", "--explain", "--progress=plain"].iter().chain(flags);
        sandbox.rbuild(words.chain(&[context.as_str()])).success()
    };
    build(situation.before, situation.flags_before);
    let mut change = sandbox.command("sh");
    run(change.args(["-ec", situation.change]).current_dir(sandbox.path(&context)), "").success();
    let said = said(&build(situation.now, situation.flags));
    let different = said != situation.said;
    different.then(|| format!("{:?}: {said:#?}, not {:#?}", situation.now, situation.said))
}

/// Without numbers of steps and hashes, and why there was a hit.
fn said(output: &Output) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_hit = false;
    for line in output.stderr.lines() {
        if let Some(("hit " | "miss", step)) = line.split_at_checked(4) {
            is_hit = line.starts_with("hit");
            let (_, step) = step.split_once("] ").unwrap();
            lines.push(format!("{} {step}", &line[..4].trim_end()));
        } else if let (Some(reason), false) = (line.strip_prefix("     "), is_hit) {
            // What comes of it is another test's.
            let outcome = reason.starts_with("it ran and made what it had made before");
            lines.extend((!outcome).then(|| plain(reason)));
        }
    }
    lines
}

fn plain(text: &str) -> String {
    // `a step before it changed: [1/3] COPY a /a`
    let numbered =
        text.split_once(": [").and_then(|(what, step)| Some((what, step.split_once("] ")?.1)));
    let text = numbered.map_or(text.to_owned(), |(what, step)| format!("{what}: {step}"));
    let is_hash =
        |word: &str| [12, 16].contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit());
    let plain = |word: &str| match word.split_once(',') {
        Some((hash, "")) if is_hash(hash) => "#,".to_owned(),
        _ if is_hash(word) => "#".to_owned(),
        _ => word.to_owned(),
    };
    text.split(' ').map(plain).collect::<Vec<_>>().join(" ")
}
