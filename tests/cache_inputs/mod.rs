//! One input of a build changes: the steps that read it miss, what follows from them may, and nothing else does.
//!
//! What reads what is told by a model of Dockerfiles of the tests' own (`model.rs`), which knows nothing of the builder.
//! A few changes of each build, some that matter and some that do not; `RBUILD_TEST_INPUTS=all` makes all.

mod change;
mod files;
mod model;
mod subject;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use change::Change;
use files::Files;
use subject::Subject;
use verdict::{Verdict, Verdicts};

use crate::support::{
    Output, Repository, Sandbox, busybox_rootfs, copy_tree, failures_of, privileged, recorded_cases,
};

/// How many changes were made, and how many of them something had to notice.
#[derive(Debug, Default)]
struct Count {
    changes: AtomicUsize,
    noticed: AtomicUsize,
    /// Builds for several platforms: the model knows one.
    left_out: AtomicUsize,
}

#[test]
fn a_changed_input_of_a_recorded_case_misses_where_it_is_read() {
    if !privileged() {
        return;
    }
    let Some((base, cases)) = recorded_cases() else { return };
    let mut unlike: BTreeMap<String, _> = BTreeMap::new();
    for case in cases {
        // Cases that differ in what they expect of the image only.
        let build = &case.expected["build"];
        let files = Files::read(&case.context(), "");
        unlike.entry(format!("{build} {:?} {files:?}", case.dockerfile())).or_insert(case);
    }
    let cases: Vec<_> = unlike.into_values().collect();
    let count = Count::default();
    let failed = failures_of(&cases, |case| {
        let sandbox = case.prepare(&base);
        let arguments = case.arguments(&sandbox);
        let (base, images) = (base.archive(), case.images().collect());
        let trial = Trial { name: case.name(), sandbox, base, images, arguments, sample: (1, 1) };
        check(trial, &count)
    });
    report(&count, cases.len(), &failed);
}

#[test]
fn a_changed_input_misses_where_it_is_read() {
    if !privileged() {
        return;
    }
    let mut cases: Vec<_> = fs::read_dir(Repository::here().path("fixtures/cache"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    let count = Count::default();
    let failed = failures_of(&cases, |case| {
        let sandbox = Sandbox::with_busybox();
        copy_tree(case, &sandbox.path(""));
        let text = sandbox.read("context/Dockerfile");
        let flags = text.lines().filter_map(|line| line.strip_prefix("#: "));
        let mut arguments: Vec<String> =
            ["build", "--progress=plain", "-f", "context/Dockerfile"].map(str::to_owned).to_vec();
        arguments.extend(flags.flat_map(|flag| flag.split(' ')).map(str::to_owned));
        arguments.push("context".to_owned());
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let (base, images) = (busybox_rootfs(), vec!["busybox".to_owned()]);
        check(Trial { name, sandbox, base, images, arguments, sample: (6, 2) }, &count)
    });
    report(&count, cases.len(), &failed);
}

fn report(count: &Count, builds: usize, failed: &[String]) {
    let read = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    let (changes, noticed) = (read(&count.changes), read(&count.noticed));
    println!(
        "changed inputs: {changes} of {builds} builds, {noticed} read by a step; {} builds for several platforms left out",
        read(&count.left_out)
    );
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(noticed > builds / 4 && noticed < changes);
}

/// A build and how much of it is tried by default.
struct Trial {
    name: String,
    sandbox: Sandbox,
    /// The root file system of the base image.
    base: PathBuf,
    /// The names the base image has.
    images: Vec<String>,
    arguments: Vec<String>,
    /// Changes that a step reads, and that none does.
    sample: (usize, usize),
}

fn check(trial: Trial, count: &Count) -> Result<(), String> {
    let Trial { name, sandbox, base, images, arguments, sample } = trial;
    let Some(mut subject) = Subject::new(sandbox, base, images, arguments) else {
        count.left_out.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    };
    let named = |why: String| format!("{name}: {why}");
    subject.build(&Change::Nothing).or_why().map_err(named)?;
    for change in chosen(&name, &subject, sample) {
        let what = change.name(&subject.sandbox.path(""));
        let named = |why: String| format!("{name}, {what}: {why}");
        let (verdicts, output) = subject.with(&change);
        if output.status != Some(0) && output.steps().is_empty() {
            // No such image or mode: there is nothing to compare.
            continue;
        }
        count.changes.fetch_add(1, Ordering::Relaxed);
        count.noticed.fetch_add(usize::from(matters(&verdicts)), Ordering::Relaxed);
        compare(&verdicts, &output).map_err(named)?;
    }
    let back = subject.build(&Change::Nothing);
    match back.steps().into_iter().find(|step| !step.cached) {
        Some(step) => Err(format!("{name}: as it was, and not from the cache: {}", step.name)),
        None => Ok(()),
    }
}

fn matters(verdicts: &Verdicts) -> bool {
    verdicts.values().any(|expected| expected.verdict == Verdict::Other)
}

/// All changes, or so many that matter and so many that do not.
fn chosen(name: &str, subject: &Subject, (most_some, most_none): (usize, usize)) -> Vec<Change> {
    let all = std::env::vars().any(|pair| pair == ("RBUILD_TEST_INPUTS".into(), "all".into()));
    let mut changes = subject.changes();
    if all {
        return changes;
    }
    // Another one for each build, the same every time.
    let start: usize = name.bytes().map(usize::from).sum();
    let start = start % changes.len();
    changes.rotate_left(start);
    let (mut some, mut none) = (Vec::new(), Vec::new());
    for change in changes {
        let (chosen, most) = match matters(&subject.foretell(&change)) {
            true => (&mut some, most_some),
            false => (&mut none, most_none),
        };
        if chosen.len() < most {
            chosen.push(change);
        }
    }
    some.into_iter().chain(none).collect()
}

/// What ran, beside what was to run.
fn compare(verdicts: &Verdicts, output: &Output) -> Result<(), String> {
    let mut steps = by_place(output)?;
    if verdicts.keys().all(|(stage, _)| stage.is_empty()) {
        // The only stage of a file has a name where there are images beside it.
        steps = steps.into_iter().map(|((_, at), step)| ((String::new(), at), step)).collect();
    }
    let mut ran: BTreeMap<&str, bool> = BTreeMap::new();
    for (place, (name, cached)) in &steps {
        let Some(expected) = verdicts.get(place) else { return Err(format!("what is {name}?")) };
        let keyword = name.split_once("] ").unwrap().1.trim_start_matches("ONBUILD ");
        if !keyword.starts_with(&expected.keyword) {
            return Err(format!("{name} is no {}", expected.keyword));
        }
        if expected.verdict == Verdict::Same && !cached {
            return Err(format!("ran, though nothing it reads changed: {name}\n{output}"));
        }
        *ran.entry(&expected.identity).or_default() |= !cached;
    }
    for (place, (name, _)) in &steps {
        let expected = &verdicts[place];
        if expected.verdict == Verdict::Other && !ran[expected.identity.as_str()] {
            return Err(format!("came from the cache: {name}\n{output}"));
        }
    }
    match output.status {
        // A command or an archive may not like the change: what reads it has failed then.
        Some(0) => Ok(()),
        _ if ran.values().any(|ran| *ran) => Ok(()),
        _ if matters(verdicts) => Ok(()),
        _ => Err(output.to_string()),
    }
}

type Steps = BTreeMap<(String, usize), (String, bool)>;

/// The steps shown, numbered in their stage: `[linux/amd64 build 2/5] RUN make`.
fn by_place(output: &Output) -> Result<Steps, String> {
    let mut stages: BTreeMap<String, BTreeMap<usize, (String, bool)>> = BTreeMap::new();
    for step in output.steps() {
        let label = step.name[1..].split_once(']').unwrap().0;
        let mut words: Vec<&str> = label.split_whitespace().collect();
        let number = words.pop().and_then(|word| word.split_once('/')).ok_or(label)?.0;
        let number = number.parse().map_err(|_| label)?;
        let stage = words.pop().filter(|word| !word.contains('/')).unwrap_or_default();
        stages.entry(stage.to_owned()).or_default().insert(number, (step.name, step.cached));
    }
    // FROM has a number where it is an image, and not all steps of a failed build are shown.
    let from: Vec<&str> = output.stderr.lines().filter(|line| line.contains("] FROM ")).collect();
    let first = |stage: &str| {
        let of_stage = |line: &&str| match line.split_once('[').unwrap().1.split_whitespace().next()
        {
            Some(word) if word.contains('/') => stage.is_empty(),
            word => word == Some(stage),
        };
        from.iter().filter(|line| of_stage(line)).take(1).count() + 1
    };
    let places = stages.into_iter().flat_map(|(stage, steps)| {
        let first = first(&stage);
        let place = move |number| (stage.clone(), number - first);
        steps.into_iter().map(move |(number, step)| (place(number), step))
    });
    Ok(places.collect())
}
