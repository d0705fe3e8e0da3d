//! Whether and when a container is started again: docker's rules and its back-off.
use std::time::Duration;

use crate::containers::RestartPolicy;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// A container that ran so long has recovered.
const RECOVERED: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Restarter {
    pub(super) policy: RestartPolicy,
    wait: Option<Duration>,
}

impl Restarter {
    pub(super) fn new(policy: RestartPolicy) -> Restarter {
        Restarter { policy, wait: None }
    }

    /// After an end: how long to wait before it is started again, or none if it stays as it is.
    pub(super) fn after(
        &mut self,
        exit_code: i32,
        ran_for: Duration,
        restarts: u32,
        stopped_by_hand: bool,
    ) -> Option<Duration> {
        let again = !stopped_by_hand
            && match self.policy {
                RestartPolicy::No => false,
                RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
                RestartPolicy::OnFailure { most } => {
                    exit_code != 0 && (most == 0 || restarts < most)
                }
            };
        if !again {
            return None;
        }
        if ran_for >= RECOVERED {
            self.wait = None;
        }
        let wait = self.wait.map_or(SHORTEST, |wait| (wait * 2).min(LONGEST));
        self.wait = Some(wait);
        Some(wait)
    }
}

/// Whether a container that does not run is to be started at boot. As with docker, `always` also starts what was
/// stopped by hand, and what was started again as often as it may be stays as it is.
pub fn starts_at_boot(
    policy: RestartPolicy,
    exit_code: i32,
    restarts: u32,
    stopped_by_hand: bool,
) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always => true,
        RestartPolicy::UnlessStopped => !stopped_by_hand,
        RestartPolicy::OnFailure { most } => {
            !stopped_by_hand && exit_code != 0 && (most == 0 || restarts < most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(restarter: &mut Restarter, seconds: u64) -> Option<u128> {
        let wait = restarter.after(1, Duration::from_secs(seconds), 0, false);
        wait.map(|wait| wait.as_millis())
    }

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew_after_a_good_run() {
        let mut restarter = Restarter::new(RestartPolicy::Always);
        let waits: Vec<_> = (0..12).filter_map(|_| millis(&mut restarter, 0)).collect();
        let expected =
            [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000];
        assert_eq!(waits, expected);
        assert_eq!(millis(&mut restarter, 9), Some(60_000));
        assert_eq!(millis(&mut restarter, 10), Some(100));
    }

    #[test]
    fn policies_differ_in_what_they_respect() {
        let failing = RestartPolicy::OnFailure { most: 2 };
        for (policy, code, restarts, by_hand, expected) in [
            (RestartPolicy::No, 1, 0, false, false),
            (RestartPolicy::Always, 0, 9, false, true),
            (RestartPolicy::Always, 0, 0, true, false),
            (RestartPolicy::UnlessStopped, 0, 0, false, true),
            (RestartPolicy::UnlessStopped, 0, 0, true, false),
            (failing, 0, 0, false, false),
            (failing, 1, 1, false, true),
            (failing, 1, 2, false, false),
            (failing, 137, 0, true, false),
            (RestartPolicy::OnFailure { most: 0 }, 1, 1000, false, true),
        ] {
            let mut restarter = Restarter::new(policy);
            let wait = restarter.after(code, Duration::ZERO, restarts, by_hand);
            assert_eq!(wait.is_some(), expected, "{policy:?} {code} {restarts} {by_hand}");
        }
    }

    #[test]
    fn boot_starts_what_the_policy_says() {
        for (policy, code, restarts, by_hand, expected) in [
            (RestartPolicy::No, 255, 0, false, false),
            (RestartPolicy::Always, 0, 9, true, true),
            (RestartPolicy::UnlessStopped, 255, 9, false, true),
            (RestartPolicy::UnlessStopped, 255, 0, true, false),
            (RestartPolicy::OnFailure { most: 3 }, 255, 2, false, true),
            (RestartPolicy::OnFailure { most: 3 }, 255, 3, false, false),
            (RestartPolicy::OnFailure { most: 0 }, 255, 1000, false, true),
            (RestartPolicy::OnFailure { most: 3 }, 0, 0, false, false),
        ] {
            let starts = starts_at_boot(policy, code, restarts, by_hand);
            assert_eq!(starts, expected, "{policy:?} {code} {restarts} {by_hand}");
        }
    }
}
