//! How far the blobs of an image are: on a terminal a line with a bar for each, rewritten in place; elsewhere a line for
//! each change.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::Digest;
use store::registry::{BlobEvent, Watch};

use crate::terminal_text::fit;
use crate::{output, report};

const PAUSE: Duration = Duration::from_millis(100);
const BAR: usize = 30;
/// Where the terminal does not say.
const COLUMNS: usize = 80;
const ROWS: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Pull,
    Push,
}

/// Shows one transfer.
#[derive(Debug)]
pub struct Transfer {
    direction: Direction,
    live: bool,
    errors: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    drawn: usize,
    last: Option<Instant>,
}

/// One blob.
#[derive(Debug)]
struct Line {
    digest: Digest,
    /// When what it says began, and how far it was then.
    begun: Instant,
    from: u64,
    text: String,
    /// It is here; what is told now is how far it is unpacked.
    has_come: bool,
    is_unpacked_now: bool,
    has_ended: bool,
    /// Above the lines that are rewritten, for good.
    is_past: bool,
}

impl Transfer {
    /// On stdout, as a result.
    pub fn new(direction: Direction) -> Transfer {
        Transfer::on(direction, false, io::stdout().is_terminal())
    }

    pub fn on_stderr(direction: Direction) -> Transfer {
        Transfer::on(direction, true, io::stderr().is_terminal())
    }

    fn on(direction: Direction, errors: bool, live: bool) -> Transfer {
        Transfer { direction, live, errors, state: Mutex::default() }
    }

    /// Columns and rows.
    fn screen(&self) -> (usize, usize) {
        let size = match self.errors {
            true => rustix::termios::tcgetwinsize(io::stderr()),
            false => rustix::termios::tcgetwinsize(io::stdout()),
        };
        let size = size.ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or((COLUMNS, ROWS), |size| (size.ws_col.into(), size.ws_row.into()))
    }
}

impl Watch for Transfer {
    fn event(&self, digest: Digest, event: BlobEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (changed, at) = state.apply(self.direction, digest, &event, Instant::now());
        let due = state.last.is_none_or(|last| last.elapsed() >= PAUSE);
        // Amounts are shown now and then, and where there is no terminal never.
        let is_amount = matches!(event, BlobEvent::Moved { .. } | BlobEvent::Unpacking { .. });
        if !changed || (is_amount && !(self.live && due)) {
            return;
        }
        let text = match self.live {
            true => {
                state.last = Some(Instant::now());
                state.picture(self.screen())
            }
            false => state.lines[at].shown() + "\n",
        };
        // A reader that went away does not stop the transfer.
        match self.errors {
            true => report::print_part(&text),
            false => drop(output::write(&text)),
        }
    }
}

impl State {
    /// Whether the text of a line has changed, and of which.
    fn apply(
        &mut self,
        direction: Direction,
        digest: Digest,
        event: &BlobEvent,
        now: Instant,
    ) -> (bool, usize) {
        let at = self.lines.iter().position(|line| line.digest == digest);
        let at = at.unwrap_or_else(|| {
            self.lines.push(Line::new(digest, now));
            self.lines.len() - 1
        });
        let line = &mut self.lines[at];
        match event {
            BlobEvent::Unpacking { .. } if !line.has_come || line.has_ended => return (false, at),
            BlobEvent::Exists | BlobEvent::Mounted { .. } | BlobEvent::Done => {
                line.has_come = true;
                line.has_ended = direction == Direction::Push || *event == BlobEvent::Exists;
            }
            BlobEvent::Unpacked => line.has_ended = true,
            // It may have waited long for the layers below.
            BlobEvent::Unpacking { done, .. } if !line.is_unpacked_now => {
                (line.begun, line.from, line.is_unpacked_now) = (now, *done, true);
            }
            BlobEvent::Moved { done, .. } if line.text.is_empty() || line.text == AWAITED => {
                (line.begun, line.from) = (now, *done);
            }
            _ => {}
        }
        line.text = line.words(direction, event, now);
        (true, at)
    }

    /// What makes the lines on the terminal those of now. No more than fit: what has ended goes above, for good.
    fn picture(&mut self, (columns, rows): (usize, usize)) -> String {
        let mut text = match self.drawn {
            0 => String::new(),
            drawn => format!("\x1b[{drawn}A"),
        };
        let room = rows.saturating_sub(1).max(1);
        let mut too_many =
            self.lines.iter().filter(|line| !line.is_past).count().saturating_sub(room);
        let mut put = |line: &Line| {
            let shown = fit(&line.shown(), columns.saturating_sub(1));
            text.push_str(&format!("\r\x1b[2K{shown}\n"));
        };
        for line in self.lines.iter_mut().filter(|line| line.has_ended && !line.is_past) {
            if too_many == 0 {
                break;
            }
            put(line);
            line.is_past = true;
            too_many -= 1;
        }
        let live = self.lines.iter().filter(|line| !line.is_past).take(room);
        self.drawn = live.map(put).count();
        text + "\x1b[J"
    }
}

const AWAITED: &str = "Pulling fs layer";

impl Line {
    fn new(digest: Digest, begun: Instant) -> Line {
        Line {
            digest,
            begun,
            from: 0,
            text: String::new(),
            has_come: false,
            is_unpacked_now: false,
            has_ended: false,
            is_past: false,
        }
    }

    fn shown(&self) -> String {
        format!("{}: {}", self.digest.short(), self.text)
    }

    /// Those of docker.
    fn words(&self, direction: Direction, event: &BlobEvent, now: Instant) -> String {
        let pull = direction == Direction::Pull;
        let amount = |verb, done, total| self.amount(verb, done, total, now);
        match event {
            BlobEvent::Awaited => AWAITED.to_owned(),
            BlobEvent::Exists if pull => "Already exists".to_owned(),
            BlobEvent::Exists => "Layer already exists".to_owned(),
            BlobEvent::Mounted { from } => format!("Mounted from {from}"),
            BlobEvent::Moved { done, total } => {
                amount(if pull { "Downloading" } else { "Pushing" }, *done, *total)
            }
            BlobEvent::Unpacking { done, total } => amount("Extracting", *done, *total),
            BlobEvent::Retried { attempt } => format!("Retrying (attempt {attempt})"),
            BlobEvent::Done if pull => "Download complete".to_owned(),
            BlobEvent::Unpacked => "Pull complete".to_owned(),
            BlobEvent::Done => "Pushed".to_owned(),
        }
    }

    /// With a rate as soon as there is one.
    fn amount(&self, verb: &str, done: u64, total: u64, now: Instant) -> String {
        let part = if total == 0 { 1.0 } else { done.min(total) as f64 / total as f64 };
        let full = (part * BAR as f64) as usize;
        let bar = match full {
            BAR => "=".repeat(BAR),
            full => format!("{}>{}", "=".repeat(full), " ".repeat(BAR - full - 1)),
        };
        let (moved, elapsed) =
            (done.saturating_sub(self.from), now.saturating_duration_since(self.begun));
        let rate = match elapsed.is_zero() {
            true => String::new(),
            false => {
                format!("  {}/s", output::size((moved as f64 / elapsed.as_secs_f64()) as u64))
            }
        };
        format!("{verb} [{bar}] {}/{}{rate}", output::size(done), output::size(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> Digest {
        Digest::of(number.to_string().as_bytes())
    }

    #[test]
    fn a_line_tells_how_far_its_blob_is() {
        let begun = Instant::now();
        let mut state = State::default();
        let mut tell = |event: BlobEvent, after: u64| {
            let now = begun + Duration::from_secs(after);
            let (changed, at) = state.apply(Direction::Pull, digest(1), &event, now);
            changed.then(|| state.lines[at].text.clone())
        };
        let (done, total) = (0, 30_000_000);
        assert_eq!(tell(BlobEvent::Awaited, 0).unwrap(), "Pulling fs layer");
        let first = tell(BlobEvent::Moved { done, total }, 1).unwrap();
        assert!(first.ends_with("] 0B/30MB"), "{first}");
        let half = tell(BlobEvent::Moved { done: 15_000_000, total }, 4).unwrap();
        assert_eq!(half, "Downloading [===============>              ] 15MB/30MB  5MB/s");
        // It is unpacked while it comes; what is told is what takes longer.
        assert_eq!(tell(BlobEvent::Unpacking { done: 10, total }, 3), None);
        assert_eq!(tell(BlobEvent::Done, 5).unwrap(), "Download complete");
        // It waits for the layers below; then the rate is that of unpacking alone.
        let begun = tell(BlobEvent::Unpacking { done: 6_000_000, total }, 60).unwrap();
        assert!(begun.ends_with("] 6MB/30MB"), "{begun}");
        let rest = tell(BlobEvent::Unpacking { done: total, total }, 62).unwrap();
        assert_eq!(rest, "Extracting [==============================] 30MB/30MB  12MB/s");
        assert_eq!(tell(BlobEvent::Unpacked, 62).unwrap(), "Pull complete");
    }

    #[test]
    fn lines_that_do_not_fit_go_above_once_they_have_ended() {
        let mut state = State::default();
        let now = Instant::now();
        for number in 0..5 {
            state.apply(Direction::Push, digest(number), &BlobEvent::Retried { attempt: 2 }, now);
        }
        let first = state.picture((20, 4));
        assert_eq!((first.matches('\n').count(), state.drawn), (3, 3));
        assert!(first.lines().all(|line| line.len() < 20 + "\r\x1b[2K…".len()), "{first:?}");
        state.apply(Direction::Push, digest(1), &BlobEvent::Done, now);
        let second = state.picture((80, 4));
        assert!(second.starts_with("\x1b[3A\r\x1b[2K"), "{second:?}");
        let above = format!("{}: Pushed\n", digest(1).short());
        assert!(second.contains(&above) && state.drawn == 3, "{second:?}");
        assert!(!state.picture((80, 4)).contains(&above), "it is above, for good");
    }
}
