//! Docker's states of health, and when to look next.
use std::time::{Duration, Instant};

use crate::containers::{Health, HealthCheck, HealthRun, HealthStatus};

/// Runs that are remembered.
const REMEMBERED: usize = 5;
/// Bytes of a run's output that are.
pub(super) const OUTPUT: usize = 4096;

/// The health of a container that was started at `began`.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) check: HealthCheck,
    pub(super) health: Health,
    began: Instant,
    pub(super) next: Instant,
}

impl Monitor {
    pub(super) fn new(check: HealthCheck, now: Instant) -> Monitor {
        let health = Health { status: HealthStatus::Starting, failing_streak: 0, log: Vec::new() };
        let mut monitor = Monitor { check, health, began: now, next: now };
        monitor.schedule(now);
        monitor
    }

    /// While it starts up, looks are more frequent and failures do not count.
    fn is_starting_up(&self, now: Instant) -> bool {
        self.health.status == HealthStatus::Starting
            && now.duration_since(self.began) < Duration::from_nanos(self.check.start_period)
    }

    pub(super) fn schedule(&mut self, now: Instant) {
        let pause = match self.is_starting_up(now) {
            true => self.check.start_interval,
            false => self.check.interval,
        };
        self.next = now + Duration::from_nanos(pause);
    }

    /// The program and its arguments, as the image or the command line wrote them.
    pub(super) fn command(&self) -> Vec<String> {
        let mut words = self.check.test.iter();
        match words.next().map(String::as_str) {
            Some("CMD-SHELL") => self.check.shell.iter().chain(words).cloned().collect(),
            _ => words.cloned().collect(),
        }
    }

    /// Takes the result of a run that began at `began` and has just ended. What began while the container started up
    /// belongs to that, as with docker.
    pub(super) fn note(&mut self, run: HealthRun, began: Instant, now: Instant) {
        if run.exit_code == 0 {
            self.health.failing_streak = 0;
            self.health.status = HealthStatus::Healthy;
        } else if !self.is_starting_up(began) {
            self.health.failing_streak += 1;
            if self.health.failing_streak >= self.check.retries {
                self.health.status = HealthStatus::Unhealthy;
            }
        }
        self.health.log.push(run);
        let surplus = self.health.log.len().saturating_sub(REMEMBERED);
        self.health.log.drain(..surplus);
        self.schedule(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn monitor(start_period: u64, now: Instant) -> Monitor {
        let check = HealthCheck {
            test: vec!["CMD-SHELL".to_owned(), "true".to_owned()],
            shell: vec!["/bin/sh".to_owned(), "-c".to_owned()],
            interval: 30 * SECOND,
            timeout: 30 * SECOND,
            start_period: start_period * SECOND,
            start_interval: 5 * SECOND,
            retries: 3,
        };
        Monitor::new(check, now)
    }

    fn run(exit_code: i32) -> HealthRun {
        HealthRun { start: String::new(), end: String::new(), exit_code, output: String::new() }
    }

    /// Results at seconds after the start, and the status and streak after each.
    #[track_caller]
    fn goes(start_period: u64, steps: &[(u64, i32, HealthStatus, u32)]) {
        let began = Instant::now();
        let mut monitor = monitor(start_period, began);
        for (second, code, status, streak) in steps {
            let now = began + Duration::from_secs(*second);
            monitor.note(run(*code), now, now);
            let health = &monitor.health;
            assert_eq!((health.status, health.failing_streak), (*status, *streak), "at {second}");
        }
    }

    #[test]
    fn three_failures_in_a_row_are_unhealthy() {
        use HealthStatus::{Healthy, Starting, Unhealthy};
        goes(0, &[(30, 1, Starting, 1), (60, 1, Starting, 2), (90, 1, Unhealthy, 3)]);
        goes(0, &[(30, 0, Healthy, 0), (60, 1, Healthy, 1), (90, -1, Healthy, 2)]);
        goes(0, &[(30, 1, Starting, 1), (60, 0, Healthy, 0), (90, 1, Healthy, 1)]);
        goes(
            0,
            &[(1, 1, Starting, 1), (2, 1, Starting, 2), (3, 2, Unhealthy, 3), (4, 0, Healthy, 0)],
        );
    }

    #[test]
    fn failures_while_it_starts_up_do_not_count() {
        use HealthStatus::{Healthy, Starting};
        goes(60, &[(5, 1, Starting, 0), (59, 1, Starting, 0), (61, 1, Starting, 1)]);
        // Once healthy it has started up.
        goes(60, &[(5, 0, Healthy, 0), (10, 1, Healthy, 1)]);
    }

    #[test]
    fn a_failure_counts_by_when_the_look_began() {
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        let mut monitor = monitor(60, began);
        monitor.note(run(1), at(59), at(61));
        assert_eq!(monitor.health.failing_streak, 0);
        // The next look comes as late as if it had started up.
        assert_eq!(monitor.next, at(91));
        monitor.note(run(1), at(60), at(62));
        assert_eq!(monitor.health.failing_streak, 1);
    }

    #[test]
    fn looks_are_frequent_while_it_starts_up() {
        let began = Instant::now();
        let after = |monitor: &Monitor| monitor.next.duration_since(began).as_secs();
        let mut starting = monitor(60, began);
        assert_eq!(after(&starting), 5);
        starting.note(run(0), began + Duration::from_secs(5), began + Duration::from_secs(6));
        assert_eq!(after(&starting), 36);
        assert_eq!(after(&monitor(0, began)), 30);
    }

    #[test]
    fn the_last_five_runs_are_remembered() {
        let now = Instant::now();
        let mut monitor = monitor(0, now);
        (0..9).for_each(|code| monitor.note(run(code), now, now));
        let codes: Vec<i32> = monitor.health.log.iter().map(|run| run.exit_code).collect();
        assert_eq!(codes, [4, 5, 6, 7, 8]);
    }

    #[test]
    fn shells_run_lines() {
        let now = Instant::now();
        let mut monitor = monitor(0, now);
        assert_eq!(monitor.command(), ["/bin/sh", "-c", "true"]);
        monitor.check.test = vec!["CMD".to_owned(), "/check".to_owned(), "-v".to_owned()];
        assert_eq!(monitor.command(), ["/check", "-v"]);
    }
}
