//! How long to wait before something is tried again: longer from attempt to attempt, and never as long as others who were
//! turned away at the same time.
use std::fmt;
use std::time::Duration;

use crate::lease;

/// No longer than this, whatever a server asks for.
const LONGEST: Duration = Duration::from_secs(30);
/// It doubles so often.
const DOUBLINGS: u32 = 8;

/// Time and chance, which tests make up.
pub trait Pace: fmt::Debug + Send + Sync {
    fn wait(&self, time: Duration);
    /// From 0 to 1.
    fn chance(&self) -> f64;
}

/// As they are.
#[derive(Clone, Copy, Debug)]
pub struct RealPace;

impl Pace for RealPace {
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn chance(&self) -> f64 {
        f64::from((lease::random() >> 32) as u32) / f64::from(u32::MAX)
    }
}

/// After attempt number `attempt`, the first of which is 1; `wanted` is what the server asks for. The shortest after one
/// attempt is as long as the longest after the attempt before.
pub(super) fn pause(
    first: Duration,
    attempt: u32,
    chance: f64,
    wanted: Option<Duration>,
) -> Duration {
    let longest = first * (1 << attempt.min(DOUBLINGS));
    longest.mul_f64(0.5 + chance / 2.0).max(wanted.unwrap_or_default()).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(250);

    #[test]
    fn pauses_grow_and_are_spread() {
        for attempt in 1..6 {
            let [least, middle, most] =
                [0.0, 0.5, 1.0].map(|chance| pause(FIRST, attempt, chance, None));
            assert!(least < middle && middle < most, "{attempt}");
            assert_eq!(most, 2 * least);
            assert!(pause(FIRST, attempt + 1, 0.0, None) >= most, "{attempt}");
        }
        assert_eq!(pause(FIRST, 1, 0.0, None), FIRST);
    }

    #[test]
    fn a_server_may_ask_for_more_but_not_for_ever() {
        let asked = |seconds| pause(FIRST, 1, 0.0, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(0), FIRST);
        assert_eq!(asked(1 << 40), LONGEST);
        assert_eq!(pause(FIRST, u32::MAX, 1.0, None), LONGEST);
    }

    #[test]
    fn chance_is_between_nothing_and_all() {
        let drawn: Vec<f64> = (0..1000).map(|_| RealPace.chance()).collect();
        assert!(drawn.iter().all(|chance| (0.0..=1.0).contains(chance)));
        for half in [0.0..0.5, 0.5..1.0] {
            assert!(drawn.iter().any(|chance| half.contains(chance)), "{half:?}");
        }
    }
}
