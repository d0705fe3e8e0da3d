//! The phases of a start, and when each of them ended: what `--trace-start` shows.
//!
//! Each process that takes part notes the end of what it has done by the clock that they have in common, the container's first
//! process in a page that it shares with who made it ([`sys::marks`]).
use serde::{Deserialize, Serialize};
use sys::marks::Marks;

/// A phase that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEnd {
    /// Which process: `rbuild`, `shim` or `container`.
    pub who: String,
    pub what: String,
    /// Nanoseconds of the monotonic clock.
    pub at: u64,
}

/// Declares the phases in the order in which they come, with who they are of and what they are called.
macro_rules! phases {
    ($($name:ident $who:literal $what:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Phase {
            $($name,)*
        }

        const ALL: &[(Phase, &str, &str)] = &[$((Phase::$name, $who, $what),)*];
    };
}

phases! {
    Open "rbuild" "command line, store",
    Fork "rbuild" "clone of the shim",
    Find "rbuild" "image",
    Make "rbuild" "directory, lease, name",
    Begun "rbuild" "waits for the start",
    Heard "rbuild" "waits for the end",
    Begin "shim" "becomes one",
    Prepare "shim" "mounts, leftovers, launcher",
    Asked "shim" "waits for the container",
    TakeOver "shim" "lock, definition, log, socket",
    Network "shim" "network",
    Group "shim" "filter, cgroup",
    Rules "shim" "clone, device rules",
    Clone "container" "clone with its namespaces",
    Apart "container" "session, cgroup namespace",
    Told "container" "waits for what to be",
    Rootfs "container" "overlay",
    Base "container" "/proc, /dev, /sys",
    Cover "container" "volumes, devices, masks",
    Root "container" "change of root",
    Privileges "container" "names, limits, user, filter",
    Started "shim" "exec of launcher and program",
    Noted "shim" "state of the container",
    Ended "shim" "the program, its mounts",
    Gone "shim" "cgroup of the container",
    Over "shim" "state, network, socket",
    Withdrawn "shim" "container out of sight",
}

impl Phase {
    /// It is over now.
    pub fn ends_now(self) -> PhaseEnd {
        self.end_at(sys::marks::now())
    }

    pub(crate) fn end_at(self, at: u64) -> PhaseEnd {
        let (_, who, what) = ALL[self as usize];
        PhaseEnd { who: who.to_owned(), what: what.to_owned(), at }
    }
}

/// What is noted, if anybody asks for it.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    marks: Option<Marks>,
}

impl Phases {
    /// Nothing is noted where there is no page to be had.
    pub(crate) fn new(wanted: bool) -> Phases {
        Phases { marks: wanted.then(|| Marks::new().ok()).flatten() }
    }

    pub(crate) fn end(&self, phase: Phase) {
        if let Some(marks) = &self.marks {
            marks.note(phase as usize);
        }
    }

    pub(crate) fn at(&self, phase: Phase) -> Option<u64> {
        self.marks.as_ref()?.at(phase as usize)
    }

    /// Those that have ended; none if nobody asked.
    pub(crate) fn ended(&self) -> Vec<PhaseEnd> {
        let all = ALL.iter().filter_map(|(phase, ..)| Some(phase.end_at(self.at(*phase)?)));
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_asked_notes_nothing() {
        let phases = Phases::new(false);
        phases.end(Phase::Clone);
        assert_eq!(phases.ended(), []);
    }

    #[test]
    fn phases_are_told_in_their_order() {
        let phases = Phases::new(true);
        phases.end(Phase::Root);
        phases.end(Phase::Clone);
        let ended = phases.ended();
        let words: Vec<&str> = ended.iter().map(|phase| phase.what.as_str()).collect();
        assert_eq!(words, ["clone with its namespaces", "change of root"]);
        assert!(ended.iter().all(|phase| phase.who == "container" && phase.at > 0));
        assert!(ALL.len() <= sys::marks::MOMENTS);
        assert!(ALL.iter().enumerate().all(|(at, (phase, ..))| *phase as usize == at));
    }
}
