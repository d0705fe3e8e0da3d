//! The live display: a thread that redraws a few times a second. Finished steps scroll away as
//! one line each; what runs now stays below them and is rewritten in place.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::Board;
use super::frame::{self, Line, Screen};
use super::lock;

const INTERVAL: Duration = Duration::from_millis(100);

/// The drawing thread; it ends when its sender is dropped.
#[derive(Debug)]
pub(super) struct Tty {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Tty {
    pub(super) fn start(board: Arc<Mutex<Board>>, colour: bool) -> Tty {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut painter = Painter { below: Vec::new(), colour };
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                painter.draw(&board, false);
            }
            painter.draw(&board, true);
        });
        Tty { stop, thread }
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        // A painter that panicked has nothing left to draw.
        let _ended = self.thread.join();
    }
}

struct Painter {
    /// Columns of each line below the finished ones, as drawn last.
    below: Vec<usize>,
    colour: bool,
}

impl Painter {
    fn draw(&mut self, board: &Mutex<Board>, last: bool) {
        let screen = self.screen();
        let now = Instant::now();
        let (finished, live) = {
            let mut board = lock(board);
            let finished = board.take_finished();
            let finished: Vec<Line> =
                finished.iter().map(|step| frame::finished(step, screen)).collect();
            let live = if last {
                vec![frame::header(&board, now, screen)]
            } else {
                frame::live(&board, now, screen)
            };
            (finished, live)
        };
        let mut out = erase(&self.below, screen.columns);
        for line in finished.iter().chain(&live) {
            out.push_str(&line.text);
            out.push('\n');
        }
        self.below = live.iter().map(|line| line.columns).collect();
        let mut stderr = io::stderr().lock();
        let _unseen = stderr.write_all(out.as_bytes()).and_then(|()| stderr.flush());
    }

    /// Asked anew for each frame, so that a resized terminal is noticed.
    fn screen(&self) -> Screen {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        let (columns, rows) = match size {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => (80, 24),
        };
        Screen { columns: columns.into(), rows: rows.into(), colour: self.colour }
    }
}

/// Moves to the first of the lines drawn last and clears from there, wherever the `^C` that a
/// terminal echoes has left the cursor. After the terminal became narrower a line may take several
/// rows.
fn erase(below: &[usize], columns: usize) -> String {
    let rows: usize = below.iter().map(|line| line.div_ceil(columns.max(1)).max(1)).sum();
    if rows == 0 { String::new() } else { format!("\r\u{1b}[{rows}A\u{1b}[J") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_are_erased_whole() {
        assert_eq!(erase(&[], 80), "");
        assert_eq!(erase(&[80, 0, 10], 80), "\r\u{1b}[3A\u{1b}[J");
        assert_eq!(erase(&[80, 0, 10], 40), "\r\u{1b}[4A\u{1b}[J");
    }
}
