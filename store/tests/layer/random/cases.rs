//! Seeded random cases: as many as asked for, and of one that fails the smallest part that still does.
//!
//! `RBUILD_TEST_CASES` says how many (the default is chosen for seconds), `RBUILD_TEST_SEED` where to begin:
//! a failure prints the seed that repeats it alone.

use std::fmt::{Debug, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// SplitMix64: every seed gives another sequence, the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap() % limit
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A case: steps (layers), each a list of changes. Leaving any of them out gives another valid case.
pub(crate) type Case<T> = Vec<Vec<T>>;

/// Checks `default` cases, or as many as asked for.
pub(crate) fn check_cases<T: Clone + Debug>(
    default: u64,
    make: impl Fn(&mut Random) -> Case<T>,
    check: impl Fn(&Case<T>) -> Result<(), String>,
) {
    let first = number("RBUILD_TEST_SEED");
    let count = number("RBUILD_TEST_CASES").unwrap_or(if first.is_some() { 1 } else { default });
    let first = first.unwrap_or(0);
    let failure = |case: &Case<T>| match catch_unwind(AssertUnwindSafe(|| check(case))) {
        Ok(result) => result.err(),
        Err(panic) => Some(match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(_) => "it panics".to_owned(),
        }),
    };
    for seed in first..first + count {
        let case = make(&mut Random::new(seed));
        if failure(&case).is_some() {
            let case = smaller(case, &failure);
            let reason = failure(&case).unwrap_or_default();
            panic!("RBUILD_TEST_SEED={seed} fails, reduced to\n{}{reason}", show(&case));
        }
    }
}

/// Leaves out whatever is not needed for the failure.
fn smaller<T: Clone>(mut case: Case<T>, failure: &impl Fn(&Case<T>) -> Option<String>) -> Case<T> {
    loop {
        let before: usize = case.iter().map(|step| step.len() + 1).sum();
        for step in (0..case.len()).rev() {
            let mut without = case.clone();
            without.remove(step);
            if failure(&without).is_some() {
                case = without;
                continue;
            }
            for change in (0..case[step].len()).rev() {
                let mut without = case.clone();
                without[step].remove(change);
                if failure(&without).is_some() {
                    case = without;
                }
            }
        }
        if case.iter().map(|step| step.len() + 1).sum::<usize>() == before {
            return case;
        }
    }
}

fn show<T: Debug>(case: &Case<T>) -> String {
    let mut text = String::new();
    for (number, step) in case.iter().enumerate() {
        writeln!(text, "step {number}:").unwrap();
        step.iter().for_each(|change| writeln!(text, "    {change:?}").unwrap());
    }
    text
}

/// A number from the environment.
#[allow(clippy::disallowed_methods)] // nobody else could tell a test how much to do
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{name}` must be a number, not `{text}`")))
}

#[test]
fn a_failing_case_is_reduced_to_what_fails() {
    let case = vec![vec![1, 2, 3], vec![4, 5], vec![6]];
    let failure = |case: &Case<i32>| {
        let all: Vec<i32> = case.concat();
        (all.contains(&2) && all.contains(&6)).then(String::new)
    };
    assert_eq!(smaller(case, &failure), [vec![2], vec![6]]);
}
