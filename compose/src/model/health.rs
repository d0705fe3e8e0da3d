//! `healthcheck`

use super::{Duration, HealthTest};

record! {
    /// How to find out whether a container is healthy.
    pub struct Healthcheck {
        test: HealthTest = "test",
        timeout: Option<Duration> = "timeout",
        interval: Option<Duration> = "interval",
        retries: Option<u64> = "retries",
        start_period: Option<Duration> = "start_period",
        start_interval: Option<Duration> = "start_interval",
        disable: bool = "disable",
    }
}
