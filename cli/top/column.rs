//! Columns by the names that `ps` has for them.

use anyhow::{Result, bail};

use super::process::{Machine, Process};

/// What `-ef`, `aux` and `ax` show.
pub(super) const EF: &str = "uname:UID,pid,ppid,c,stime,tty,time,cmd";
pub(super) const AUX: &str = "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,bsdtime:TIME,args";
pub(super) const AX: &str = "pid,tty,stat,bsdtime:TIME,args";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    kind: Kind,
    title: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pid,
    Parent,
    User,
    UserId,
    GroupId,
    Name,
    Command,
    Flags,
    State,
    Time,
    ShortTime,
    Elapsed,
    Started,
    Terminal,
    Virtual,
    Resident,
    Processor,
    WholeProcessor,
    Memory,
    Nice,
    Threads,
}

/// Names, and the title that each has.
const KNOWN: &[(&str, &str, Kind)] = &[
    ("pid", "PID", Kind::Pid),
    ("ppid", "PPID", Kind::Parent),
    ("user", "USER", Kind::User),
    ("euser", "EUSER", Kind::User),
    ("uname", "USER", Kind::User),
    ("uid", "UID", Kind::UserId),
    ("euid", "EUID", Kind::UserId),
    ("gid", "GID", Kind::GroupId),
    ("egid", "EGID", Kind::GroupId),
    ("comm", "COMMAND", Kind::Name),
    ("ucmd", "CMD", Kind::Name),
    ("args", "COMMAND", Kind::Command),
    ("command", "COMMAND", Kind::Command),
    ("cmd", "CMD", Kind::Command),
    ("stat", "STAT", Kind::Flags),
    ("state", "S", Kind::State),
    ("s", "S", Kind::State),
    ("time", "TIME", Kind::Time),
    ("cputime", "TIME", Kind::Time),
    ("bsdtime", "TIME", Kind::ShortTime),
    ("etime", "ELAPSED", Kind::Elapsed),
    ("stime", "STIME", Kind::Started),
    ("start", "START", Kind::Started),
    ("start_time", "START", Kind::Started),
    ("tty", "TTY", Kind::Terminal),
    ("tt", "TT", Kind::Terminal),
    ("tname", "TTY", Kind::Terminal),
    ("vsz", "VSZ", Kind::Virtual),
    ("rss", "RSS", Kind::Resident),
    ("%cpu", "%CPU", Kind::Processor),
    ("pcpu", "%CPU", Kind::Processor),
    ("c", "C", Kind::WholeProcessor),
    ("%mem", "%MEM", Kind::Memory),
    ("pmem", "%MEM", Kind::Memory),
    ("ni", "NI", Kind::Nice),
    ("nice", "NI", Kind::Nice),
    ("nlwp", "NLWP", Kind::Threads),
    ("thcount", "THCNT", Kind::Threads),
];

/// Titles that are not the column's own.
const OTHER_TITLES: [&str; 2] = ["UID", "TIME"];

impl Column {
    /// `pid,comm`; a title of its own stands behind a colon.
    pub(super) fn list(text: &str) -> Result<Vec<Column>> {
        let names = text.split([',', ' ']).filter(|name| !name.is_empty());
        let columns: Vec<Column> = names.map(Column::named).collect::<Result<_>>()?;
        if columns.is_empty() {
            bail!("the list of columns is empty");
        }
        Ok(columns)
    }

    fn named(text: &str) -> Result<Column> {
        let (name, title) = text.split_once(':').unwrap_or((text, ""));
        let Some((_, usual, kind)) = KNOWN.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<_> = KNOWN.iter().map(|(name, ..)| *name).collect();
            bail!("the column `{name}` is not known; known are {}", known.join(", "));
        };
        let other = OTHER_TITLES.iter().find(|other| **other == title);
        Ok(Column { kind: *kind, title: other.unwrap_or(usual) })
    }

    pub(super) fn title(self) -> &'static str {
        self.title
    }

    pub(super) fn of(self, process: &Process, machine: &Machine) -> String {
        match self.kind {
            Kind::Pid => process.pid.to_string(),
            Kind::Parent => process.parent.to_string(),
            Kind::User => machine.user(process.uid),
            Kind::UserId => process.uid.to_string(),
            Kind::GroupId => process.gid.to_string(),
            Kind::Name => process.name.clone(),
            Kind::Command => process.command.clone(),
            Kind::Flags => process.flags(),
            Kind::State => process.state.to_string(),
            Kind::Time => hours(process.cpu_seconds()),
            Kind::ShortTime => {
                format!("{}:{:02}", process.cpu_seconds() / 60, process.cpu_seconds() % 60)
            }
            Kind::Elapsed => elapsed(machine.age(process)),
            Kind::Started => machine.started(process),
            Kind::Terminal => process.terminal(),
            Kind::Virtual => (process.virtual_bytes / 1024).to_string(),
            Kind::Resident => (process.resident_bytes / 1024).to_string(),
            Kind::Processor => format!("{:.1}", machine.processor(process)),
            Kind::WholeProcessor => format!("{:.0}", machine.processor(process).floor()),
            Kind::Memory => format!("{:.1}", machine.memory_share(process)),
            Kind::Nice => process.nice.to_string(),
            Kind::Threads => process.threads.to_string(),
        }
    }
}

fn hours(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `[[days-]hours:]minutes:seconds`
fn elapsed(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let rest = format!("{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => rest,
        (0, hours) => format!("{hours:02}:{rest}"),
        (days, hours) => format!("{days}-{hours:02}:{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_ps_writes_them() {
        assert_eq!(hours(3_723), "01:02:03");
        assert_eq!(
            [elapsed(63), elapsed(3_723), elapsed(90_063)],
            ["01:03", "01:02:03", "1-01:01:03"]
        );
    }
}
