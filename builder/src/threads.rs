//! The same work on many things, on all processors.

use std::sync::{Mutex, PoisonError};

/// More would get in each other's way.
const MOST: usize = 8;

/// Does the same to all of them and keeps their order; each thread gets `few` at least.
pub(crate) fn map<T: Sync, R: Send>(
    all: &[T],
    few: usize,
    one: &(dyn Fn(&T) -> R + Sync),
) -> Vec<R> {
    let threads = wanted(all.len() / few);
    if threads == 1 {
        return all.iter().map(one).collect();
    }
    let (first, rest) = all.split_at(all.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let parts = rest.chunks(first.len());
        let parts = parts.map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<R>>()));
        let parts: Vec<_> = parts.collect();
        let mut results: Vec<R> = first.iter().map(one).collect();
        for part in parts {
            let part = part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            results.extend(part);
        }
        results
    })
}

/// Works on each of `things` until one fails. `count` of them are expected; they are handed out in parts of `few`.
pub(crate) fn each<T: Send>(
    things: &mut (dyn Iterator<Item = T> + Send),
    count: usize,
    few: usize,
    work: &(dyn Fn(T) -> bool + Sync),
) {
    let things = Mutex::new(things);
    let run = || {
        loop {
            let mut things = things.lock().unwrap_or_else(PoisonError::into_inner);
            let part: Vec<T> = (&mut **things).take(few).collect();
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

/// At least one. Asking for the number of processors reads a dozen files.
fn wanted(most: usize) -> usize {
    match most {
        0 | 1 => 1,
        _ => std::thread::available_parallelism().map_or(1, |n| n.get()).min(MOST).min(most),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_order_stays() {
        for count in [0, 1, 7, 100, 1001] {
            let all: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = (0..count).map(|number| number * 2).collect();
            assert_eq!(map(&all, 3, &|number| number * 2), doubled);
        }
    }

    #[test]
    fn each_is_done_once() {
        let done: Vec<AtomicUsize> = (0..1001).map(|_| AtomicUsize::default()).collect();
        each(&mut (0..1001), 1001, 8, &|number: usize| {
            done[number].fetch_add(1, Ordering::Relaxed);
            true
        });
        assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_failure_ends_the_work() {
        let done = AtomicUsize::default();
        each(&mut (0..), 1, 8, &|_: u32| done.fetch_add(1, Ordering::Relaxed) < 10);
        assert_eq!(done.load(Ordering::Relaxed), 11);
    }
}
