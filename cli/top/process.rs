//! One process, read from /proc.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of the times in /proc, on every machine that we run on.
const TICKS: u64 = 100;
const PAGE: u64 = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    pub(super) command: String,
    pub(super) state: char,
    pub(super) nice: i64,
    pub(super) threads: u64,
    pub(super) virtual_bytes: u64,
    pub(super) resident_bytes: u64,
    session: i32,
    group: i32,
    tty: u32,
    foreground: i32,
    cpu_ticks: u64,
    /// In ticks after the boot.
    start: u64,
}

impl Process {
    /// None if it has ended.
    pub(super) fn read(pid: i32) -> Option<Process> {
        let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
        let stat = String::from_utf8_lossy(&file("stat")?).into_owned();
        let mut process = Process::of_stat(&stat)?;
        let status = String::from_utf8_lossy(&file("status")?).into_owned();
        let id = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            // Real, effective, saved, of the file system.
            line.split_whitespace().nth(1)?.parse().ok()
        };
        process.uid = id("Uid:")?;
        process.gid = id("Gid:")?;
        let words = file("cmdline").unwrap_or_default();
        let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        process.command = words.join(" ").trim_end().to_owned();
        if process.command.is_empty() {
            process.command = format!("[{}]", process.name);
        }
        Some(process)
    }

    fn of_stat(stat: &str) -> Option<Process> {
        let (pid, rest) = stat.split_once(" (")?;
        // The name may hold anything.
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i64>().ok();
        let small = |at: usize| i32::try_from(number(at)?).ok();
        let count = |at: usize| u64::try_from(number(at)?).ok();
        Some(Process {
            pid: pid.parse().ok()?,
            parent: small(1)?,
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            group: small(2)?,
            session: small(3)?,
            tty: u32::try_from(number(4)?).ok()?,
            foreground: small(5)?,
            cpu_ticks: count(11)? + count(12)?,
            nice: number(16)?,
            threads: count(17)?,
            start: count(19)?,
            virtual_bytes: count(20)?,
            resident_bytes: count(21)?.saturating_mul(PAGE),
            ..Process::default()
        })
    }

    pub(super) fn cpu_seconds(&self) -> u64 {
        self.cpu_ticks / TICKS
    }

    pub(super) fn terminal(&self) -> String {
        let (major, minor) = (self.tty >> 8 & 0xfff, self.tty & 0xff | self.tty >> 12 & 0xfff00);
        match major {
            0 => "?".to_owned(),
            136..=143 => format!("pts/{}", minor + (major - 136) * 256),
            4 => format!("tty{minor}"),
            _ => format!("{major}:{minor}"),
        }
    }

    /// The state, and what `ps` adds to it.
    pub(super) fn flags(&self) -> String {
        let marks = [
            (self.nice < 0, '<'),
            (self.nice > 0, 'N'),
            (self.session == self.pid, 's'),
            (self.threads > 1, 'l'),
            (self.foreground == self.group && self.tty != 0, '+'),
        ];
        let marks = marks.iter().filter(|(applies, _)| *applies).map(|(_, mark)| *mark);
        std::iter::once(self.state).chain(marks).collect()
    }
}

/// What is needed to make sense of a process's numbers.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Names by user ID.
    users: HashMap<u32, String>,
    /// Seconds since 1970.
    now: u64,
    booted: u64,
    memory: u64,
}

impl Machine {
    pub(super) fn now(time: SystemTime) -> Machine {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut users = HashMap::new();
        for line in passwd.lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(uid)) = (fields.next(), fields.nth(1))
                && let Ok(uid) = uid.parse()
            {
                users.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
        let number = |path: &str, name: &str| -> u64 {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        Machine {
            users,
            now: time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            booted: number("/proc/stat", "btime "),
            memory: number("/proc/meminfo", "MemTotal:").saturating_mul(1024),
        }
    }

    pub(super) fn user(&self, uid: u32) -> String {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    fn start(&self, process: &Process) -> u64 {
        self.booted + process.start / TICKS
    }

    /// Seconds since it was started.
    pub(super) fn age(&self, process: &Process) -> u64 {
        self.now.saturating_sub(self.start(process))
    }

    /// The time on the day it was started on, else the day; in UTC, as everywhere.
    pub(super) fn started(&self, process: &Process) -> String {
        let start = self.start(process);
        let text = crate::times::rfc3339(UNIX_EPOCH + Duration::from_secs(start));
        let (day, time) = text.split_once('T').unwrap_or((&text, ""));
        if self.age(process) < 86_400 {
            return time.get(..5).unwrap_or_default().to_owned();
        }
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = day.get(5..7).and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
        format!("{}{}", MONTHS[(month + 11) % 12], day.get(8..10).unwrap_or_default())
    }

    /// Per cent of one processor, over its life.
    pub(super) fn processor(&self, process: &Process) -> f64 {
        match self.age(process) {
            0 => 0.0,
            age => process.cpu_ticks as f64 / TICKS as f64 / age as f64 * 100.0,
        }
    }

    pub(super) fn memory_share(&self, process: &Process) -> f64 {
        match self.memory {
            0 => 0.0,
            all => process.resident_bytes as f64 / all as f64 * 100.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "42 (a) b (c) S 7 42 42 34817 42 4194560 9 0 0 0 250 150 0 0 20 5 3 0 1000 8192000 25 x";
        let process = Process::of_stat(stat).unwrap();
        assert_eq!((process.pid, process.parent, process.name.as_str()), (42, 7, "a) b (c"));
        assert_eq!(
            (process.cpu_seconds(), process.threads, process.resident_bytes),
            (4, 3, 25 * PAGE)
        );
        assert_eq!((process.terminal(), process.flags()), ("pts/1".to_owned(), "SNsl+".to_owned()));
        assert!(Process::of_stat("42 (x) S 1").is_none());
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(Process::read(me).unwrap().pid, me);
    }

    #[test]
    fn older_ones_have_a_day() {
        let machine = Machine { now: 1_000_000, booted: 0, memory: 1000, ..Machine::default() };
        let at =
            |start: u64| Process { start: start * TICKS, cpu_ticks: 100, ..Process::default() };
        assert_eq!(machine.started(&at(999_000)), "13:30");
        assert_eq!(machine.started(&at(100)), "Jan01");
        assert_eq!(machine.age(&at(999_000)), 1000);
        assert!((machine.processor(&at(999_900)) - 1.0).abs() < 0.01);
    }
}
