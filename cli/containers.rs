//! How containers are shown in lists.

use std::ffi::OsStr;
use std::time::SystemTime;

use runtime::containers::{Container, HealthStatus, Status};

use crate::times;

/// Characters of a command, and of a list of mounts, that are shown.
const SHOWN: usize = 20;

/// The program and its arguments, in quotes.
pub fn command(container: &Container, whole: bool) -> String {
    let definition = &container.definition;
    let words = definition.entrypoint.iter().chain(&definition.command);
    let words: Vec<_> = words.map(|word| OsStr::to_string_lossy(word)).collect();
    let text = words.join(" ");
    format!("\"{}\"", if whole { text } else { shortened(&text) })
}

/// Cut to what a column holds.
pub fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}

/// `Up 5 minutes (healthy)`, `Exited (0) 3 hours ago`.
pub fn status_text(container: &Container, now: SystemTime) -> String {
    let state = &container.state;
    let age = |time: &str| times::since(Some(time), now);
    let bare = |time: &str| age(time).trim_end_matches(" ago").to_owned();
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Restarting => format!("Restarting ({}) {}", state.exit_code, age(&state.finished)),
        Status::Exited => format!("Exited ({}) {}", state.exit_code, age(&state.finished)),
        Status::Running => {
            let health = match state.health.as_ref().map(|health| health.status) {
                None => "",
                Some(HealthStatus::Starting) => " (health: starting)",
                Some(HealthStatus::Healthy) => " (healthy)",
                Some(HealthStatus::Unhealthy) => " (unhealthy)",
            };
            format!("Up {}{health}", bare(&state.started))
        }
        Status::Paused => format!("Up {} (Paused)", bare(&state.started)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_cut() {
        assert_eq!(shortened("sleep 10"), "sleep 10");
        assert_eq!(shortened("12345678901234567890"), "12345678901234567890");
        assert_eq!(shortened("123456789012345678901"), "1234567890123456789…");
    }
}
