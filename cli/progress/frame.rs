//! One picture of the live display: the lines that are shown now. Pure.

use std::time::{Duration, Instant};

use super::board::{Board, End, Finished, Step};
use crate::terminal_text::{fit, width};

/// Output lines shown below a running step.
const LOG_LINES: usize = 5;

#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) colour: bool,
}

/// A line and the columns it takes without its colours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) columns: usize,
}

/// The line that stays when a step has ended.
pub(super) fn finished(step: &Finished, screen: Screen) -> Line {
    let (mark, colour) = match step.end {
        End::Done => ("", None),
        End::Cached => ("CACHED ", Some("36")),
        End::Failed => ("ERROR ", Some("31")),
        End::Cancelled => ("CANCELED ", Some("33")),
    };
    timed(&format!(" => {mark}{}", step.name), step.elapsed, screen, colour)
}

/// The header and the steps in progress; never more rows than the screen has.
pub(super) fn live(board: &Board, now: Instant, screen: Screen) -> Vec<Line> {
    let mut lines = vec![header(board, now, screen)];
    let rows = screen.rows.saturating_sub(2);
    let steps = board.running();
    let shown = steps.len().min(rows);
    // What is left after one line each is shared by the steps' output.
    let log_lines = (rows - shown).checked_div(shown).unwrap_or(0).min(LOG_LINES);
    for step in steps.take(shown) {
        running(step, now, log_lines, screen, &mut lines);
    }
    lines
}

pub(super) fn header(board: &Board, now: Instant, screen: Screen) -> Line {
    let (completed, planned) = board.totals();
    let done = board.running().len() == 0 && completed == planned && planned > 0;
    let state = if done { " FINISHED" } else { "" };
    let seconds = seconds(board.elapsed(now));
    let text = format!("[+] Building {seconds} ({completed}/{planned}){state}");
    line(fit(&text, screen.columns), screen, None)
}

fn running(step: &Step, now: Instant, log_lines: usize, screen: Screen, lines: &mut Vec<Line>) {
    let name = match &step.note {
        Some(note) => format!(" => {} ({note})", step.name),
        None => format!(" => {}", step.name),
    };
    lines.push(timed(&name, now.saturating_duration_since(step.started), screen, Some("34")));
    for text in step.last_lines(log_lines) {
        let text = fit(&format!(" => => {text}"), screen.columns);
        lines.push(line(text, screen, Some("2")));
    }
}

/// The text at the left, the time at the right.
fn timed(text: &str, elapsed: Duration, screen: Screen, colour: Option<&str>) -> Line {
    let time = seconds(elapsed);
    let room = screen.columns.saturating_sub(time.len() + 1);
    let text = fit(text, room);
    let gap = " ".repeat(room.saturating_sub(width(&text)) + 1);
    line(format!("{text}{gap}{time}"), screen, colour)
}

fn line(text: String, screen: Screen, colour: Option<&str>) -> Line {
    let columns = width(&text);
    let text = match colour.filter(|_| screen.colour) {
        Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        None => text,
    };
    Line { text, columns }
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1}s", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use builder::progress::{BuildEvent, LogStream, ProgressId};

    use super::*;

    const SCREEN: Screen = Screen { columns: 40, rows: 24, colour: false };

    fn board(started: Instant, steps: u64) -> Board {
        let mut board = Board::new(started);
        board.apply(BuildEvent::Planned { steps: 9, runs: true }, started);
        for number in 1..=steps {
            let id = ProgressId(number);
            let name = format!("[{number}/9] RUN make");
            board.apply(BuildEvent::StepStarted { id, name }, started);
            let bytes = b"one\ntwo\nthree\nfour\nfive\nsix\nseven\n".to_vec();
            board.apply(BuildEvent::StepLog { id, stream: LogStream::Stdout, bytes }, started);
        }
        board
    }

    #[test]
    fn shows_running_steps_with_their_last_lines() {
        let started = Instant::now();
        let lines = live(&board(started, 1), started + Duration::from_millis(1500), SCREEN);
        let text: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            text,
            [
                "[+] Building 1.5s (0/9)",
                " => [1/9] RUN make                  1.5s",
                " => => three",
                " => => four",
                " => => five",
                " => => six",
                " => => seven",
            ]
        );
    }

    #[test]
    fn never_taller_than_the_screen() {
        let started = Instant::now();
        for steps in 0..20 {
            for rows in 3..12 {
                let screen = Screen { rows, ..SCREEN };
                let lines = live(&board(started, steps), started, screen);
                assert!(lines.len() < rows, "{steps} steps, {rows} rows: {}", lines.len());
                assert!(lines.iter().all(|line| line.columns <= SCREEN.columns));
            }
        }
    }

    #[test]
    fn finished_steps_are_one_line() {
        let elapsed = Duration::from_millis(120);
        let step = Finished { name: "[1/2] COPY a b".to_owned(), end: End::Cached, elapsed };
        assert_eq!(finished(&step, SCREEN).text, " => CACHED [1/2] COPY a b           0.1s");
        let line = finished(&step, Screen { colour: true, ..SCREEN });
        assert!(line.text.starts_with("\u{1b}[36m") && line.columns == 40);
    }
}
