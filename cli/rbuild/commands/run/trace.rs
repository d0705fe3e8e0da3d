//! `--trace-start`: how long each phase of a start took.

use std::time::{Duration, Instant};

use cli::report::Report;

/// Phases so far. Costs nothing unless it is asked for.
#[derive(Debug)]
pub(super) struct Trace {
    began: Instant,
    phases: Option<Vec<(&'static str, Duration)>>,
    /// What the kernel alone takes, if that could be found out.
    floor: Option<Duration>,
}

impl Trace {
    /// Before any thread exists.
    pub(super) fn begin(wanted: bool) -> Trace {
        let floor = wanted.then(|| runtime::start_floor().ok()).flatten();
        Trace { began: Instant::now(), phases: wanted.then(Vec::new), floor }
    }

    /// Since the one before.
    pub(super) fn phase(&mut self, name: &'static str) {
        if let Some(phases) = &mut self.phases {
            let before: Duration = phases.iter().map(|(_, took)| *took).sum();
            phases.push((name, self.began.elapsed().saturating_sub(before)));
        }
    }

    pub(super) fn print(&self) {
        let Some(phases) = &self.phases else { return };
        let line =
            |name: &str, took: Duration| format!("{:8.3} ms  {name}", took.as_secs_f64() * 1e3);
        let mut report = Report::warning("phases of the start, since the command line was read");
        for (name, took) in phases {
            report = report.note(line(name, *took));
        }
        report = report.note(line("in all", self.began.elapsed()));
        if let Some(floor) = self.floor {
            let what = "is the floor here: a process in namespaces of its own that ends at once";
            report = report.note(line(what, floor));
        }
        report.print();
    }
}
