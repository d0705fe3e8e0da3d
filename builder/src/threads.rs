//! The same work on many things, on all processors.

use std::num::NonZero;
use std::sync::{Mutex, OnceLock, PoisonError};

/// More would get in each other's way.
const MOST: usize = 8;
static WORKERS: OnceLock<NonZero<usize>> = OnceLock::new();
static PROCESSORS: OnceLock<usize> = OnceLock::new();

/// Reads and hashes files on so many threads from now on, in all builds of this process, instead of on all processors. What
/// is made stays the same. Only the first call counts.
pub fn set_workers(count: NonZero<usize>) {
    let _decided = WORKERS.set(count);
}

/// What [`map`] makes: of each thread its own, so that nothing is moved together.
pub(crate) type Mapped<R> = std::iter::Flatten<std::vec::IntoIter<Vec<R>>>;

/// Does the same to all of them and keeps their order; each thread gets `few` at least.
pub(crate) fn map<T: Sync, R: Send>(
    all: &[T],
    few: usize,
    one: &(dyn Fn(&T) -> R + Sync),
) -> Mapped<R> {
    parts(all, few, &|part| part.iter().map(one).collect::<Vec<R>>()).into_iter().flatten()
}

/// Gives each thread a part of them, `few` at least, and keeps the order of the parts.
pub(crate) fn parts<T: Sync, R: Send>(
    all: &[T],
    few: usize,
    work: &(dyn Fn(&[T]) -> R + Sync),
) -> Vec<R> {
    let threads = wanted(all.len() / few);
    if threads == 1 {
        return vec![work(all)];
    }
    let (first, rest) = all.split_at(all.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let parts = rest.chunks(first.len()).map(|part| scope.spawn(move || work(part)));
        let parts: Vec<_> = parts.collect();
        let mut results = vec![work(first)];
        for part in parts {
            results.push(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

/// Works on each of `things` until one fails. `count` of them are expected, `few` are worth a thread; they are handed out in
/// parts of `part`.
pub(crate) fn each<T: Send>(
    things: &mut (dyn Iterator<Item = T> + Send),
    count: usize,
    few: usize,
    part: usize,
    work: &(dyn Fn(T) -> bool + Sync),
) {
    let things = Mutex::new(things);
    let run = || {
        loop {
            let mut things = things.lock().unwrap_or_else(PoisonError::into_inner);
            let part: Vec<T> = (&mut **things).take(part).collect();
            drop(things);
            let is_last = part.is_empty();
            if is_last || !part.into_iter().all(work) {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        (1..wanted(count / few)).for_each(|_| drop(scope.spawn(run)));
        run();
    });
}

fn wanted(most: usize) -> usize {
    bounded(most, WORKERS.get().copied())
}

/// At least one.
fn bounded(most: usize, workers: Option<NonZero<usize>>) -> usize {
    // Asking for it reads a dozen files.
    let ask = || std::thread::available_parallelism().map_or(1, |n| n.get()).min(MOST);
    let processors = || *PROCESSORS.get_or_init(ask);
    match most {
        0 | 1 => 1,
        _ => workers.map_or_else(processors, NonZero::get).min(most),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn as_many_as_are_asked_for_and_have_work() {
        for (most, workers, threads) in
            [(100, 1, 1), (100, 2, 2), (100, 5, 5), (100, 20, 20), (3, 5, 3), (1, 5, 1), (0, 5, 1)]
        {
            assert_eq!(bounded(most, NonZero::new(workers)), threads, "{most} {workers}");
        }
        assert!((1..=MOST).contains(&bounded(100, None)));
    }

    #[test]
    fn the_order_stays() {
        for count in [0, 1, 7, 100, 1001] {
            let all: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = (0..count).map(|number| number * 2).collect();
            let mapped: Vec<usize> = map(&all, 3, &|number| number * 2).collect();
            assert_eq!(mapped, doubled);
        }
    }

    #[test]
    fn each_is_done_once() {
        let done: Vec<AtomicUsize> = (0..1001).map(|_| AtomicUsize::default()).collect();
        each(&mut (0..1001), 1001, 8, 3, &|number: usize| {
            done[number].fetch_add(1, Ordering::Relaxed);
            true
        });
        assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_failure_ends_the_work() {
        let done = AtomicUsize::default();
        each(&mut (0..), 1, 8, 8, &|_: u32| done.fetch_add(1, Ordering::Relaxed) < 10);
        assert_eq!(done.load(Ordering::Relaxed), 11);
    }
}
