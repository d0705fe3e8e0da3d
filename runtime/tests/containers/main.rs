//! Containers on a real kernel: needs root and busybox, else every case is skipped with the reason.
//!
//! Its own harness, because the zygote has to be forked before any thread: prints what libtest
//! would print, takes a filter as libtest does.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test program without libtest
mod crash;
mod cve;
mod mounts;
mod probe;
mod process;
mod security;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use support::World;

type Case = (&'static str, fn(&World));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("probe") => return probe::main(&arguments[1..]),
        Some("null") => return cve::another_null(&arguments[1..]),
        Some("busy") => return crash::busy_victim(&arguments[1..]),
        Some("neighbour") => return crash::neighbour(&arguments[1..]),
        Some("victim") => return crash::victim(&arguments[1..]),
        _ => {}
    }
    let filter: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let cases: Vec<Case> =
        [process::CASES, mounts::CASES, security::CASES, cve::CASES, crash::CASES]
            .concat()
            .into_iter()
            .filter(|(name, _)| filter.is_empty() || filter.iter().any(|f| name.contains(*f)))
            .collect();
    println!("\nrunning {} tests", cases.len());
    let world = match World::new() {
        Ok(world) => world,
        Err(reason) => {
            println!("skipped: {reason}");
            println!("\ntest result: ok. 0 passed; 0 failed; {} ignored", cases.len());
            return ExitCode::SUCCESS;
        }
    };
    let mut failed = Vec::new();
    for (name, case) in &cases {
        let passed = catch_unwind(AssertUnwindSafe(|| case(&world))).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    let passed = cases.len() - failed.len();
    println!("\ntest result: {verdict}. {passed} passed; {} failed; 0 ignored\n", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
