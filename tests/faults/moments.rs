//! kill -9 at random moments of every command that changes a store, one after the other on the same store: what a killed
//! command leaves is what the next one finds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::operations::{Operation, World, operation};
use crate::support::{all_faults, privileged};

/// Five times as many if all faults are tried.
const KILLS: usize = 200;
/// Stores that are worked on at once: a killed command waits for nothing, so more than there are processors.
const WORLDS: usize = 4;

/// None removes what the others are tried on for good.
const OPERATIONS: [Operation; 18] = [
    operation(&["build", "--no-cache", "-f", "context/run", "-t", "new", "context"]),
    operation(&["build", "--no-cache", "-f", "context/stages", "-t", "new", "context"]),
    operation(&["build", "-f", "context/copy", "-t", "new", "context"]),
    operation(&[
        "build",
        "-f",
        "context/old",
        "-t",
        "new",
        "-o",
        "type=oci,dest=built.tar",
        "context",
    ]),
    operation(&["load", "-i", "load.tar"]),
    operation(&["run", "--rm", "packed", "true"]),
    operation(&["save", "-o", "out.tar", "kept", "old"]),
    operation(&["import", "context/rootfs.tar", "new"]),
    operation(&["convert", "--compression", "zstd", "oci-archive:load.tar", "store:new"]),
    operation(&["export", "-o", "out.tar", "packed"]),
    operation(&["tag", "old", "new"]),
    operation(&["rmi", "-f", "new", "loaded"]),
    operation(&["image", "prune", "-f"]),
    operation(&["image", "prune", "-a", "-f", "--filter", "label=x=y"]),
    operation(&["builder", "prune", "-a", "-f"]),
    operation(&["builder", "prune", "-f", "--max-used-space", "100k"]),
    operation(&["system", "prune", "-f"]),
    operation(&["store", "check", "--repair"]),
];

/// xorshift: the same moments, as shares of a command's time, every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn commands_killed_at_random_moments_leave_a_valid_store() {
    if !privileged() {
        return;
    }
    let kills = if all_faults() { 5 * KILLS } else { KILLS };
    std::thread::scope(|scope| {
        let workers = (0..WORLDS as u64).map(|number| {
            scope.spawn(move || kill_again_and_again(kills / WORLDS, Random(0x9e37_79b9 + number)))
        });
        let mut cut: BTreeMap<String, usize> = BTreeMap::new();
        for worker in workers.collect::<Vec<_>>() {
            for (command, count) in worker.join().unwrap() {
                *cut.entry(command).or_default() += count;
            }
        }
        println!("killed: {cut:?}");
        assert_eq!(cut.values().sum::<usize>(), kills);
        // Tagging is short, but not all of them.
        assert!(cut.len() > OPERATIONS.len() / 2, "{cut:?}");
    });
}

/// Says which commands were cut short how often.
fn kill_again_and_again(kills: usize, mut random: Random) -> BTreeMap<String, usize> {
    let world = World::new();
    let lengths = OPERATIONS.map(|operation| length(&world, &operation));
    let mut cut = BTreeMap::new();
    let mut left = kills;
    while left > 0 {
        let which = random.below(OPERATIONS.len() as u64) as usize;
        let operation = &OPERATIONS[which];
        let share = random.below(1000) as u32;
        let mut child = world.sandbox.spawn(operation.args);
        std::thread::sleep(lengths[which] * share / 1000);
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        // Else it had ended before its moment came.
        if ended.code().is_none() {
            left -= 1;
            *cut.entry(operation.args[..2].join(" ")).or_default() += 1;
        }
        let problem = world.problem_now(operation);
        assert_eq!(problem, None, "after {:?} at {share} of 1000", operation.args);
    }
    // Nothing is in their way.
    for operation in &OPERATIONS {
        world.sandbox.rbuild(operation.args).success();
    }
    world.sandbox.validate();
    assert_eq!(world.left_after_prune(), [] as [String; 0]);
    cut
}

/// How long the command takes undisturbed.
fn length(world: &World, operation: &Operation) -> Duration {
    let started = Instant::now();
    world.sandbox.rbuild(operation.args).success();
    started.elapsed()
}
