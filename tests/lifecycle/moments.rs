//! kill -9 at random moments of the commands about containers, of the command, of the shim or of the container's first
//! process: the next command finds a true state, and nothing is left.

use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::place::Place;

/// A command about the container `box`, and those that make it what it is before.
#[derive(Clone, Copy, Debug)]
struct Act {
    before: &'static [&'static str],
    command: &'static str,
}

const MADE: &str = "create --name box busybox sleep 600";
const RUNS: &str = "run -d --name box busybox sleep 600";
const ACTS: [Act; 9] = [
    Act { before: &[], command: MADE },
    Act { before: &[], command: RUNS },
    Act { before: &[], command: "run --name box busybox true" },
    Act { before: &[], command: "run --rm --name box busybox true" },
    Act { before: &[MADE], command: "start box" },
    Act { before: &[RUNS], command: "stop -t 0 box" },
    Act { before: &[RUNS], command: "kill box" },
    Act { before: &[RUNS], command: "rm -f box" },
    Act { before: &[RUNS], command: "exec box true" },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Command,
    Shim,
    Init,
}

const VICTIMS: [Victim; 3] = [Victim::Command, Victim::Shim, Victim::Init];
const PATIENCE: Duration = Duration::from_secs(60);

/// `RBUILD_TEST_KILLS=200` kills so many.
fn kills() -> usize {
    let wanted = std::env::vars().find(|(name, _)| name == "RBUILD_TEST_KILLS");
    wanted.and_then(|(_, value)| value.parse().ok()).unwrap_or(48)
}

/// xorshift: the same moments, as shares of a command's time, every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn whoever_is_killed_at_any_moment_leaves_nothing_behind() {
    let Some(place) = Place::new() else { return };
    let (count, mut random) = (kills(), Random(0x9e37_79b9));
    let lengths = ACTS.map(|act| length(&place, act));
    let mut killed: BTreeMap<Victim, usize> = BTreeMap::new();
    // Some come too late, and some moments have no such victim.
    for _ in 0..20 * count {
        let which = random.below(ACTS.len());
        let victim = VICTIMS[random.below(VICTIMS.len())];
        let share = random.below(1000) as u32;
        prepare(&place, ACTS[which]);
        let mut child = place.sandbox.spawn(&words(ACTS[which].command));
        std::thread::sleep(lengths[which] * share / 1000);
        let met = kill_at_once(&place, victim, &mut child);
        let ended = end_of(&mut child, ACTS[which]);
        if met && (victim != Victim::Command || ended.code().is_none()) {
            *killed.entry(victim).or_default() += 1;
        }
        assert_true_state(&place, &format!("{victim:?} of {:?} at {share} of 1000", ACTS[which]));
        if killed.values().sum::<usize>() == count {
            break;
        }
    }
    println!("killed: {killed:?}");
    assert_eq!(killed.values().sum::<usize>(), count, "{killed:?}");
    assert!(killed.len() == VICTIMS.len(), "{killed:?}");
    clear(&place);
    place.assert_nothing_left();
}

fn words(line: &'static str) -> Vec<&'static str> {
    line.split(' ').collect()
}

/// How long the command takes undisturbed.
fn length(place: &Place, act: Act) -> Duration {
    prepare(place, act);
    let began = Instant::now();
    place.rbuild(act.command).success();
    began.elapsed()
}

#[track_caller]
fn prepare(place: &Place, act: Act) {
    clear(place);
    for line in act.before {
        place.rbuild(line).success();
    }
}

/// Who was interrupted may still be at it.
#[track_caller]
fn clear(place: &Place) {
    let began = Instant::now();
    loop {
        let removed = place.rbuild("rm -f box");
        if place.rbuild("ps -aq").success().stdout.is_empty() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{removed}");
    }
}

/// Whether there was somebody to kill.
fn kill_at_once(place: &Place, victim: Victim, child: &mut Child) -> bool {
    let shims = || shims_of(place);
    let victims: Vec<i32> = match victim {
        Victim::Command => {
            child.kill().unwrap();
            return true;
        }
        Victim::Shim => shims(),
        Victim::Init => shims().into_iter().flat_map(children_of).collect(),
    };
    let hit = |pid: &i32| kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).is_ok();
    victims.iter().filter(|pid| hit(pid)).count() > 0
}

pub(super) fn shims_of(place: &Place) -> Vec<i32> {
    let own = place.sandbox.root().display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of_ours = processes.filter(|process| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains("container-shim") && command.contains(&own)
    });
    of_ours.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}

fn children_of(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

#[track_caller]
fn end_of(child: &mut Child, act: Act) -> std::process::ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "{act:?} does not end");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What is said of the container is so, and it can be used accordingly. What a killed command has asked of the shim comes later,
/// so it is asked again what it is.
#[track_caller]
fn assert_true_state(place: &Place, when: &str) {
    let began = Instant::now();
    loop {
        let list = place.rbuild("ps -a --format {{.Names}}:{{.State}}").success().stdout;
        let tried = match list.trim_end() {
            "" => return,
            "box:running" => place.rbuild("exec box true"),
            "box:created" | "box:exited" => place.rbuild("start box"),
            other => panic!("after {when} there is `{other}`"),
        };
        if tried.status == Some(0) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "after {when} there is `{list}`, but {tried}");
    }
}
