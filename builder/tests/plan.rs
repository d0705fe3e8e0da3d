//! Golden plans: `fixtures/plan/NAME/{Dockerfile,plan.txt}`. `UPDATE_FIXTURES=1` writes them anew.
//!
//! Lines `#: option=value` of the Dockerfile set options of the request: `build-arg:K`, `target`, `platform`, …

mod planning;

use std::path::{Path, PathBuf};

use planning::{FakeImages, busybox, plans, request, set_option};
use store::Platform;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/plan")
}

/// An image with triggers, a user, a directory and a shell.
fn images() -> FakeImages {
    let mut images = FakeImages::default();
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    let mut onbuild = busybox(&platform);
    onbuild.config.on_build =
        ["ARG BUILDER=none", "COPY --from=tools /bin/tool /bin/", "RUN echo $BUILDER"]
            .map(str::to_owned)
            .to_vec();
    images.known.insert("onbuild".to_owned(), onbuild);
    let mut furnished = busybox(&platform);
    furnished.config.env.extend(["LANG=C".to_owned(), "EMPTY".to_owned()]);
    furnished.config.user = "app".to_owned();
    furnished.config.working_dir = "/srv".to_owned();
    furnished.config.shell = ["/bin/bash", "-ec"].map(str::to_owned).to_vec();
    furnished.config.entrypoint = vec!["/init".to_owned()];
    images.known.insert("furnished".to_owned(), furnished);
    images
}

fn planned(text: &str) -> String {
    let mut request = request(text.as_bytes());
    for line in text.lines() {
        if let Some((name, value)) = line.strip_prefix("#: ").and_then(|line| line.split_once('='))
        {
            set_option(&mut request, name, value);
        }
    }
    match plans(&request, &images()) {
        Ok(plans) => plans.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => format!("error: {error}\n"),
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // the switch of the golden tests
fn plans_are_as_recorded() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut different = Vec::new();
    for case in &cases {
        let text = std::fs::read_to_string(case.join("Dockerfile")).unwrap();
        let (found, file) = (planned(&text), case.join("plan.txt"));
        if update {
            std::fs::write(&file, &found).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != found {
            different.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(!cases.is_empty());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Half of each file, lines left out, twice, in reverse: an error or a plan, never a panic.
#[test]
fn mangled_files_do_not_panic() {
    for case in std::fs::read_dir(fixtures()).unwrap() {
        let text = std::fs::read_to_string(case.unwrap().path().join("Dockerfile")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for left_out in 0..lines.len() {
            let rest = lines.iter().enumerate().filter(|(at, _)| *at != left_out);
            planned(&rest.map(|(_, line)| format!("{line}\n")).collect::<String>());
        }
        for (end, _) in text.char_indices().step_by(3) {
            planned(&text[..end]);
        }
        planned(&lines.iter().rev().map(|line| format!("{line}\n")).collect::<String>());
        planned(&format!("{text}\n{text}"));
    }
}

#[test]
fn long_chains_of_stages_are_planned() {
    let mut text = "FROM scratch AS s0\nCOPY a /\n".to_owned();
    for number in 1..2_000 {
        let before = number - 1;
        text.push_str(&format!("FROM scratch AS s{number}\nCOPY --from=s{before} / /\n"));
    }
    assert!(planned(&text).contains("stage 1999"));
    let runs = "RUN true\n".repeat(600);
    assert!(planned(&format!("FROM busybox\n{runs}")).contains("[601/601] RUN true"));
}

#[test]
fn long_circles_are_found() {
    let mut text = String::new();
    for number in 0..20_000 {
        let next = (number + 1) % 20_000;
        text.push_str(&format!("FROM scratch AS s{number}\nCOPY --from=s{next} / /\n"));
    }
    assert!(planned(&text).starts_with("error: circular dependency detected on stage: s0"));
}

/// A few lines that double a variable have no end otherwise.
#[test]
fn variables_of_variables_end() {
    let doubling =
        format!("FROM scratch\nENV a=0123456789\n{}", "ENV a=$a$a$a$a$a$a$a$a\n".repeat(12));
    let error = plans(&request(doubling.as_bytes()), &FakeImages::default()).unwrap_err();
    assert!(error.contains("its variables make it longer by more than 1 MiB"), "{error}");
    let long = format!("FROM scratch\nENV a={}\n", "x".repeat(60_000));
    let runs = format!("{long}{}", "RUN true\n".repeat(1200));
    let error = plans(&request(runs.as_bytes()), &FakeImages::default()).unwrap_err();
    assert!(error.contains("the variables of this file make more than 64 MiB of text"), "{error}");
}
