//! A build that was cancelled does not wait for a registry.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use builder::Cancel;
use store::registry::{Pace, RealPace, Registries};

/// Waits for registries until the build is cancelled; what is tried then fails soon.
#[derive(Debug)]
struct Pausing(Cancel);

/// Registries that are waited for until then.
pub fn until_cancelled(registries: Registries, cancel: &Cancel) -> Registries {
    registries.with_pace(Arc::new(Pausing(cancel.clone())))
}

impl Pace for Pausing {
    fn wait(&self, time: Duration) {
        const LOOK: Duration = Duration::from_millis(50);
        let end = Instant::now() + time;
        while !self.0.is_cancelled() {
            match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return,
                left => thread::sleep(left.min(LOOK)),
            }
        }
    }

    fn chance(&self) -> f64 {
        RealPace.chance()
    }
}
