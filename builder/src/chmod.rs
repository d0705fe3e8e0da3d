//! `--chmod`: octal (`0644`) or symbolic (`u=rwX,go=rX`).
//!
//! Symbolic modes are BSD's, as BuildKit reads them: `X` looks at the file as it was before, means nothing
//! after `-`, and where nobody is named (`+w`) the bits of the umask 022 stay untouched.

const SET_ID: u32 = 0o6000;
const STICKY: u32 = 0o1000;
const EXECUTE: u32 = 0o111;
const OTHERS: u32 = 0o007;
const ALL_BUT_STICKY: u32 = 0o6777;
const NOT_UMASK: u32 = 0o7755;

/// What to do to the mode of each file and directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Chmod {
    /// The same mode for everything.
    Absolute(u32),
    /// Changes one after the other.
    Changes(Vec<Change>),
}

/// One step of a symbolic mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Add(u32),
    Remove(u32),
    /// For directories, and for files that anyone could execute before.
    AddIfExecutable(u32),
    /// `g=u`: the three bits of a class, where the classes in `to` have theirs.
    Copy {
        from: Class,
        to: u32,
        operator: Operator,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    User,
    Group,
    Others,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    Add,
    Remove,
    Set,
}

/// A mode nobody can read. The first text is BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChmodError {
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777")]
    NotOctal(String),
    #[error(
        "invalid chmod parameter: '{0}': invalid syntax. it should be octal string and between 0 and 07777, or symbolic like u=rwX,go=rX"
    )]
    NotSymbolic(String),
}

impl Chmod {
    pub fn parse(text: &str) -> Result<Chmod, ChmodError> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let digits = text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o7777);
            let error = || ChmodError::NotOctal(text.to_owned());
            return mode.map(Chmod::Absolute).ok_or_else(error);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            read_clause(clause, &mut changes)
                .ok_or_else(|| ChmodError::NotSymbolic(text.to_owned()))?;
        }
        Ok(Chmod::Changes(changes))
    }

    /// The new permission bits (07777) of a file that has `mode`.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let changes = match self {
            Chmod::Absolute(mode) => return *mode,
            Chmod::Changes(changes) => changes,
        };
        let executable = is_dir || mode & EXECUTE != 0;
        let mode = mode & 0o7777;
        changes.iter().fold(mode, |mode, change| match *change {
            Change::Add(bits) => mode | bits,
            Change::Remove(bits) => mode & !bits,
            Change::AddIfExecutable(bits) if executable => mode | bits,
            Change::AddIfExecutable(_) => mode,
            Change::Copy { from, to, operator } => {
                let bits = (mode >> from.shift()) & OTHERS;
                let everywhere = (bits * 0o111) & to;
                match operator {
                    Operator::Add => mode | everywhere,
                    Operator::Remove => mode & !everywhere,
                    Operator::Set => (mode & !to) | everywhere,
                }
            }
        })
    }
}

impl Class {
    fn shift(self) -> u32 {
        match self {
            Class::User => 6,
            Class::Group => 3,
            Class::Others => 0,
        }
    }
}

/// `[ugoa]*([-+=][rwxXstugo]*)+`
fn read_clause(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    let operations = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    let who = clause[..clause.len() - operations.len()].chars().fold(0, |who, class| {
        who | match class {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => OTHERS,
            _ => ALL_BUT_STICKY,
        }
    });
    let mut rest = operations;
    loop {
        let operator = match rest.chars().next()? {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        let permissions = &rest[1..];
        let end = permissions.find(['+', '-', '=']).unwrap_or(permissions.len());
        Operation { who, operator, bits: 0, execute_if: false, set_done: false }
            .read(&permissions[..end], changes)?;
        rest = &permissions[end..];
        if rest.is_empty() {
            return Some(());
        }
    }
}

/// One operator and the permissions after it, as far as read.
struct Operation {
    who: u32,
    operator: Operator,
    bits: u32,
    /// `X` was read.
    execute_if: bool,
    /// The clearing that `=` does is done.
    set_done: bool,
}

impl Operation {
    fn read(mut self, permissions: &str, changes: &mut Vec<Change>) -> Option<()> {
        // The bits that only apply to others have no set-ID and no sticky bit.
        let only_others = self.who != 0 && self.who & !OTHERS == 0;
        for permission in permissions.chars() {
            match permission {
                'r' => self.bits |= 0o444,
                'w' => self.bits |= 0o222,
                'x' => self.bits |= EXECUTE,
                'X' => self.execute_if = self.operator != Operator::Remove,
                's' if !only_others => self.bits |= SET_ID,
                't' if !only_others => {
                    self.who |= STICKY;
                    self.bits |= STICKY;
                }
                's' | 't' => {}
                'u' => self.copy(Class::User, changes),
                'g' => self.copy(Class::Group, changes),
                'o' => self.copy(Class::Others, changes),
                _ => return None,
            }
        }
        if self.bits != 0 || (self.operator == Operator::Set && !self.set_done) {
            self.flush(changes);
        }
        self.flush_execute_if(changes);
        Some(())
    }

    fn copy(&mut self, from: Class, changes: &mut Vec<Change>) {
        if self.bits != 0 {
            self.flush(changes);
        }
        self.set_done = true;
        self.flush_execute_if(changes);
        let to = match self.who {
            0 => NOT_UMASK & 0o777,
            who => [0o700, 0o070, 0o007].into_iter().filter(|class| who & class != 0).sum(),
        };
        changes.push(Change::Copy { from, to, operator: self.operator });
    }

    /// The bits read so far as a change.
    fn flush(&mut self, changes: &mut Vec<Change>) {
        if self.operator == Operator::Set {
            changes.push(Change::Remove(if self.who == 0 { ALL_BUT_STICKY } else { self.who }));
            self.set_done = true;
        }
        let bits = self.masked(self.bits);
        changes.push(match self.operator {
            Operator::Remove => Change::Remove(bits),
            Operator::Add | Operator::Set => Change::Add(bits),
        });
        self.bits = 0;
    }

    fn flush_execute_if(&mut self, changes: &mut Vec<Change>) {
        if std::mem::take(&mut self.execute_if) {
            changes.push(Change::AddIfExecutable(self.masked(EXECUTE)));
        }
    }

    fn masked(&self, bits: u32) -> u32 {
        bits & if self.who == 0 { NOT_UMASK } else { self.who }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str, mode: u32) -> u32 {
        Chmod::parse(text).unwrap().apply(mode, false)
    }

    #[test]
    fn octal_sets_everything() {
        assert_eq!(apply("0644", 0o4755), 0o644);
        assert_eq!(apply("4755", 0), 0o4755);
        assert_eq!(apply("0", 0o777), 0);
        assert_eq!(Chmod::parse("711").unwrap().apply(0o700, true), 0o711);
    }

    #[test]
    fn numbers_that_are_none_name_the_parameter() {
        for text in ["64a", "9", "10000", "0o644", "77777777777777"] {
            let expected = format!(
                "invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            );
            assert_eq!(Chmod::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn symbolic_changes_go_one_after_the_other() {
        assert_eq!(apply("a+x,g+s", 0o644), 0o2755);
        assert_eq!(apply("go-rwx", 0o755), 0o700);
        assert_eq!(apply("u=rw,go=r", 0o777), 0o644);
        assert_eq!(apply("u=rwx,go=u-w", 0o600), 0o755);
        assert_eq!(apply("go=", 0o777), 0o700);
        assert_eq!(apply("u+r-w+x", 0o200), 0o500);
        assert_eq!(apply("g=u", 0o640), 0o660);
        assert_eq!(apply("o+g", 0o051), 0o055);
        assert_eq!(apply("g-u", 0o570), 0o520);
        assert_eq!(apply("u=g,g=o", 0o741), 0o411);
    }

    #[test]
    fn capital_x_is_for_directories_and_what_was_executable() {
        let mode = Chmod::parse("u=rwX,go=rX").unwrap();
        assert_eq!(mode.apply(0o600, false), 0o644);
        assert_eq!(mode.apply(0o610, false), 0o755);
        assert_eq!(mode.apply(0o700, true), 0o755);
        assert_eq!(apply("a-x+X", 0o755), 0o755);
        assert_eq!(apply("a-X", 0o755), 0o755);
        assert_eq!(apply("a+x,a-x,a+X", 0o644), 0o644);
    }

    #[test]
    fn set_id_and_sticky_bits() {
        assert_eq!(apply("u+s", 0o755), 0o4755);
        assert_eq!(apply("ug+s", 0o755), 0o6755);
        assert_eq!(apply("o+s", 0o755), 0o755);
        assert_eq!(apply("+t", 0o755), 0o1755);
        assert_eq!(apply("a-t", 0o1777), 0o777);
        assert_eq!(apply("u=rwx", 0o4644), 0o744);
        assert_eq!(apply("a=rx", 0o7777), 0o1555);
    }

    #[test]
    fn nobody_named_leaves_the_umask_alone() {
        assert_eq!(apply("+w", 0o444), 0o644);
        assert_eq!(apply("+x", 0o644), 0o755);
        assert_eq!(apply("=rw", 0o777), 0o644);
        assert_eq!(apply("-w", 0o666), 0o466);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "u", "u+q", "u+r,", ",u+r", "x+u", "u+7", "+755", "foo", "u +r", "ü+x"] {
            assert!(Chmod::parse(text).is_err(), "{text:?}");
        }
        let error = Chmod::parse("u+q").unwrap_err().to_string();
        assert!(error.contains("invalid chmod parameter: 'u+q'"), "{error}");
    }
}
