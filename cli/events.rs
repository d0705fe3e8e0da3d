//! What happens to containers, as it is noted: `events` of both programs.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use runtime::events::{Event, EventReader};

use crate::times::{self, Instant};
use crate::{Exit, output};

/// So often it is looked for new ones.
const PAUSE: Duration = Duration::from_millis(100);

/// Between which moments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Window {
    /// Of the flags `--since` and `--until`: times, or how long ago.
    pub fn parse(since: Option<&str>, until: Option<&str>) -> Result<Window> {
        let now = SystemTime::now();
        let moment = |flag: &str, text: Option<&str>| -> Result<Option<Instant>> {
            let Some(text) = text else { return Ok(None) };
            let moment = times::moment(text, now);
            let wrong = || format!("`--{flag} {text}` is no time and no duration");
            Ok(Some(moment.with_context(wrong)?))
        };
        Ok(Window { since: moment("since", since)?, until: moment("until", until)? })
    }
}

/// Prints what `line` makes of each event of the window, and of those to come until it is over.
pub fn show(
    state: &Path,
    window: Window,
    line: &dyn Fn(&Event) -> Result<Option<String>>,
) -> Result<Exit> {
    let now = times::of_system(SystemTime::now());
    let from_now = window.since.is_none() && window.until.is_none_or(|until| until > now);
    let mut reader = EventReader::open(state, from_now).context("cannot read what has happened")?;
    loop {
        while let Some(event) = reader.next_event().context("cannot read what has happened")? {
            let at = times::instant(Some(&event.time));
            if window.until.is_some_and(|until| at > until) {
                return Ok(Exit::Success);
            }
            if window.since.is_some_and(|since| at < since) {
                continue;
            }
            if let Some(text) = line(&event)?
                && !output::again(&text, false)?
            {
                return Ok(Exit::Success);
            }
        }
        if window.until.is_some_and(|until| times::of_system(SystemTime::now()) > until) {
            return Ok(Exit::Success);
        }
        sleep(PAUSE);
    }
}
