//! How a RUN ends that does not end well.
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use builder::{BuildError, Cancel, RunError};

use super::Case;
use super::world::{Log, World, request};

pub(crate) const CASES: &[Case] = &[
    ("endings::failures_show_the_last_lines", failures_show_the_last_lines),
    ("endings::programs_that_are_not_there", programs_that_are_not_there),
    ("endings::long_commands_are_cut", long_commands_are_cut),
    ("endings::signals", signals),
    ("endings::processes_left_behind_end", processes_left_behind_end),
    ("endings::cancelling_leaves_nothing", cancelling_leaves_nothing),
    ("endings::one_failure_stops_other_stages", one_failure_stops_other_stages),
    (
        "endings::a_step_without_its_record_leads_to_a_new_state",
        a_step_without_its_record_leads_to_a_new_state,
    ),
    ("endings::steps_are_recorded_in_their_order", steps_are_recorded_in_their_order),
];

fn failures_show_the_last_lines(world: &World) {
    let error = world.failure("RUN exec 2>&1; seq 100; echo \"oh no\"; exit 7");
    let text = "process \"/bin/sh -c exec 2>&1; seq 100; echo \\\"oh no\\\"; exit 7\" \
                did not complete successfully: exit code: 7";
    assert_eq!(error.to_string(), text);
    let RunError::Exit { code: 7, tail, .. } = error else { panic!("{error:?}") };
    let tail = String::from_utf8(tail).unwrap();
    assert!(tail.contains("99\n100\n") && tail.contains("oh no\n"), "{tail}");
    assert_eq!(tail.lines().count(), 20);
}

fn programs_that_are_not_there(world: &World) {
    for (program, code) in [("/nope", 127), ("nope", 127), ("/etc/passwd", 126), ("/etc", 126)] {
        let error = world.failure(&format!("RUN [\"{program}\", \"x\"]"));
        let text =
            format!("process \"{program} x\" did not complete successfully: exit code: {code}");
        assert_eq!(error.to_string(), text);
        let RunError::Exit { tail, .. } = error else { panic!("{error:?}") };
        assert!(String::from_utf8(tail).unwrap().contains(program));
    }
}

fn long_commands_are_cut(world: &World) {
    let error = world.failure(&format!("RUN <<E\n{}\nE", "# ö\n".repeat(60_000))).to_string();
    assert!(error.ends_with("…\" did not complete successfully: exit code: 126"), "{error}");
    assert!(error.len() < 3000, "{error}");
}

fn signals(world: &World) {
    let error = world.failure("RUN sh -c 'kill -9 $$'; exit $?");
    assert!(error.to_string().ends_with("exit code: 137"), "{error}");
}

fn processes_left_behind_end(world: &World) {
    let began = Instant::now();
    assert_eq!(world.output("RUN (sleep 60; echo late) & echo first"), "first\n");
    assert!(began.elapsed() < Duration::from_secs(20));
}

fn cancelling_leaves_nothing(world: &World) {
    let (log, cancel) = (Log::default(), Cancel::default());
    let request = request("RUN touch /x; echo started; sleep 60");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while log.text().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            cancel.cancel();
        });
        let began = Instant::now();
        let built = builder::build(&request, &world.store, Some(&world.zygote), &log, &cancel);
        assert!(matches!(built, Err(BuildError::Cancelled)), "{built:?}");
        assert!(began.elapsed() < Duration::from_secs(20));
    });
    let left = std::fs::read_dir(world.store.root().join("temp")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn one_failure_stops_other_stages(world: &World) {
    let stages = "RUN sleep 60\nFROM base AS b\nRUN exit 3 # stops\nFROM base\n\
                  COPY --from=0 /etc /a\nCOPY --from=b /etc /b";
    let began = Instant::now();
    let error = world.failure(stages);
    assert!(error.to_string().ends_with("exit code: 3"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// What a kill between two records leaves: the later step's, and the mark that the earlier one ran.
fn a_step_without_its_record_leads_to_a_new_state(world: &World) {
    let text = "RUN cat /proc/sys/kernel/random/uuid | tee /a\nRUN cat /a";
    let steps = world.directory.path().join("store/cache/steps");
    let files = |extension: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(&steps).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
    };
    assert_eq!(world.output(text).lines().count(), 2);
    assert_eq!(files("gone"), Vec::<PathBuf>::new());
    let is_first = |path: &PathBuf| fs::read_to_string(path).unwrap().contains("random/uuid");
    for record in files("json").into_iter().filter(is_first) {
        fs::rename(&record, record.with_extension("gone")).unwrap();
    }
    let again = world.output(text);
    let lines: Vec<&str> = again.lines().collect();
    assert!(lines.len() == 2 && lines[0] == lines[1], "both run again: {again}");
    // Only `prune` knows when nothing can stand on the first result any more.
    assert_eq!(files("gone").len(), 1);
}

/// A record of the later step alone would be on a result that nobody has, if the build were killed just then.
fn steps_are_recorded_in_their_order(world: &World) {
    let steps = world.directory.path().join("store/cache/steps");
    let written = |wanted: &str| -> SystemTime {
        let paths = fs::read_dir(&steps).unwrap().map(|entry| entry.unwrap().path());
        let mut records = paths.filter(|path| {
            path.extension().is_some_and(|extension| extension == "json")
                && fs::read_to_string(path).unwrap().contains(wanted)
        });
        records.next().unwrap().metadata().unwrap().modified().unwrap()
    };
    // On a state of its own: on one with earlier results a layer is sealed at once. The first takes longer to be sealed
    // than the second takes to run.
    world.output(
        "RUN echo apart >/apart\nRUN seq 2000000 >/first-of-two\nRUN echo second-of-two >/s\nWORKDIR /third-of-two",
    );
    assert!(written("first-of-two") <= written("echo second-of-two"));
    assert!(written("echo second-of-two") <= written("third-of-two"));
}
