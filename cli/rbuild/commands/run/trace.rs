//! `--trace-start`: how long each phase of a start took, in every process that took part, beside what the kernel alone takes
//! for it on this machine.

use cli::environment::Environment;
use cli::report;
use runtime::shim::{Connection, ToldPhases};
use runtime::{Phase, PhaseEnd, monotonic};

use super::floor;

/// Phases so far. Costs nothing unless it is asked for.
#[derive(Debug)]
pub(super) struct Trace {
    began: u64,
    ended: Option<Vec<PhaseEnd>>,
    told: ToldPhases,
}

impl Trace {
    pub(super) fn begin(wanted: bool) -> Trace {
        Trace { began: monotonic(), ended: wanted.then(Vec::new), told: ToldPhases::default() }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.ended.is_some()
    }

    /// It is over.
    pub(super) fn end(&mut self, phase: Phase) {
        if let Some(ended) = &mut self.ended {
            ended.push(phase.ends_now());
        }
    }

    /// What this shim tells belongs to it.
    pub(super) fn listen(&mut self, connection: &Connection) {
        self.told = connection.phases();
    }

    pub(super) fn print(self, environment: &Environment) {
        let Some(mut ended) = self.ended else { return };
        let took = monotonic() - self.began;
        ended.append(&mut self.told.lock().unwrap_or_else(|error| error.into_inner()));
        // Now, when nothing is held up by it.
        let (floors, why) = match floor::measure(environment) {
            Ok(floors) => (floors, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        report::print("phases of the start, and what the kernel alone takes for each here, in ms");
        report::print("      at     took    floor");
        for row in rows(self.began, ended, &floors) {
            report::print(&row.line(self.began));
        }
        let floor = (!floors.is_empty()).then(|| floors.iter().map(|floor| floor.at).sum());
        report::print(&format!("{:8}{}{}  in all", "", column(Some(took)), column(floor)));
        if let Some(why) = why {
            report::print(&format!("the floor is not known: {why:#}"));
        }
    }
}

/// Nanoseconds as milliseconds.
fn column(time: Option<u64>) -> String {
    time.map_or_else(|| " ".repeat(9), |time| format!("{:9.3}", time as f64 / 1e6))
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    began: u64,
    phase: PhaseEnd,
    floor: Option<u64>,
}

impl Row {
    fn line(&self, start: u64) -> String {
        let at = column(Some(self.began.saturating_sub(start)));
        let took = column(Some(self.phase.at.saturating_sub(self.began)));
        let PhaseEnd { who, what, .. } = &self.phase;
        format!("{}{took}{}  {who:<10} {what}", &at[1..], column(self.floor))
    }
}

/// In the order in which they began. A phase begins when the one before of the same process ends, and the first one of a process
/// with what its parent did last.
fn rows(start: u64, mut ended: Vec<PhaseEnd>, floors: &[PhaseEnd]) -> Vec<Row> {
    ended.sort_by_key(|phase| phase.at);
    let last = |who: &str, before: &[PhaseEnd]| {
        before.iter().rev().find(|phase| phase.who == who).map(|phase| phase.at)
    };
    let row = |number: usize| {
        let (phase, before) = (&ended[number], &ended[..number]);
        let parent = if phase.who == "container" { "shim" } else { "rbuild" };
        let began = last(&phase.who, before).or_else(|| last(parent, before)).unwrap_or(start);
        let same = |floor: &&PhaseEnd| (&floor.who, &floor.what) == (&phase.who, &phase.what);
        Row { began, phase: phase.clone(), floor: floors.iter().find(same).map(|it| it.at) }
    };
    let mut rows: Vec<Row> = (0..ended.len()).map(row).collect();
    rows.sort_by_key(|row| row.began);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(who: &str, what: &str, at: u64) -> PhaseEnd {
        PhaseEnd { who: who.to_owned(), what: what.to_owned(), at }
    }

    #[test]
    fn phases_begin_where_those_of_their_process_end() {
        let ended = vec![
            end("rbuild", "find", 1_100_000),
            end("rbuild", "wait", 9_000_000),
            end("shim", "exec", 3_000_000),
            end("shim", "made", 8_000_000),
            end("container", "clone", 3_500_000),
            end("container", "root", 5_000_000),
        ];
        let floors = [end("container", "clone", 400_000)];
        let shown: Vec<String> =
            rows(1_000_000, ended, &floors).iter().map(|row| row.line(1_000_000)).collect();
        assert_eq!(
            shown,
            [
                "   0.000    0.100           rbuild     find",
                "   0.100    1.900           shim       exec",
                "   0.100    7.900           rbuild     wait",
                "   2.000    0.500    0.400  container  clone",
                "   2.000    5.000           shim       made",
                "   2.500    1.500           container  root",
            ]
        );
    }
}
