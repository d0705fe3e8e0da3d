//! From rules per call number to classic BPF: a binary search over ranges of numbers.
//!
//! The kernel runs the filter on every call, and once for every number when it is installed, so
//! its depth matters more than its length.
use sys::seccomp::Instruction;

use super::rule::{Action, Clause, Comparison, Rule, Test};

/// Offsets in the kernel's `seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_ABOVE: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const JUMP_FROM: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const RETURN_ALLOW: u32 = 0x7fff_0000;
const RETURN_LOG: u32 = 0x7ffc_0000;
const RETURN_TRACE: u32 = 0x7ff0_0000;
const RETURN_ERRNO: u32 = 0x0005_0000;
const RETURN_TRAP: u32 = 0x0003_0000;
const RETURN_KILL_THREAD: u32 = 0;
const RETURN_KILL_PROCESS: u32 = 0x8000_0000;

/// The rules of one architecture: each holds from its number up to the next one's.
pub(super) struct Table {
    /// The kernel's AUDIT_ARCH_ number.
    pub(super) architecture: u32,
    /// Sorted; the first number is 0.
    pub(super) ranges: Vec<(u32, Rule)>,
}

/// A filter for processes of these architectures; any other one is killed.
pub(super) fn assemble(tables: &[Table]) -> Vec<Instruction> {
    let mut program = vec![load(ARCHITECTURE)];
    for table in tables {
        let mut body = vec![load(NUMBER)];
        body.extend(search(&table.ranges));
        // A body is longer than a conditional jump reaches.
        program.push(jump(JUMP_EQUAL, table.architecture, 1, 0));
        program.push(jump(JUMP, body.len() as u32, 0, 0));
        program.extend(body);
    }
    program.push(give(RETURN_KILL_PROCESS));
    program
}

fn search(ranges: &[(u32, Rule)]) -> Vec<Instruction> {
    let [_, .., _] = ranges else {
        return ranges.first().map(|(_, rule)| decide(rule)).unwrap_or_default();
    };
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let border = high[0].0;
    let low = search(low);
    let mut program = match u8::try_from(low.len()) {
        Ok(length) => vec![jump(JUMP_FROM, border, length, 0)],
        Err(_) => vec![jump(JUMP_FROM, border, 0, 1), jump(JUMP, low.len() as u32, 0, 0)],
    };
    program.extend(low);
    program.extend(search(high));
    program
}

fn decide(rule: &Rule) -> Vec<Instruction> {
    match rule {
        Rule::Always(action) => vec![give(code(*action))],
        Rule::First { clauses, otherwise } => {
            let mut program: Vec<_> = clauses.iter().flat_map(try_clause).collect();
            program.push(give(code(*otherwise)));
            program
        }
    }
}

fn code(action: Action) -> u32 {
    match action {
        Action::Allow => RETURN_ALLOW,
        Action::Log => RETURN_LOG,
        Action::Errno(errno) => RETURN_ERRNO | u32::from(errno),
        Action::Trap => RETURN_TRAP,
        Action::Trace(number) => RETURN_TRACE | u32::from(number),
        Action::KillThread => RETURN_KILL_THREAD,
        Action::KillProcess => RETURN_KILL_PROCESS,
    }
}

/// Returns the clause's action if all tests hold, else goes on behind.
fn try_clause(clause: &Clause) -> Vec<Instruction> {
    let tests: Vec<Vec<Line>> = clause.tests.iter().map(lines).collect();
    let mut left: usize = tests.iter().map(Vec::len).sum();
    let mut program = Vec::new();
    for test in tests {
        for (position, line) in test.iter().enumerate() {
            left -= 1;
            let rest_of_test = test.len() - position - 1;
            // A clause has at most six tests of six lines: every distance fits.
            let distance = |to: To| match to {
                To::Next => 0,
                To::Holds => rest_of_test as u8,
                To::Fails => left as u8 + 1,
            };
            program.push(match line {
                Line::Do(instruction) => *instruction,
                Line::Jump(code, k, yes, no) => jump(*code, *k, distance(*yes), distance(*no)),
            });
        }
    }
    program.push(give(code(clause.action)));
    program
}

/// An instruction whose distances are not known yet.
enum Line {
    Do(Instruction),
    /// Code, value, and where to go if it is so and if not.
    Jump(u16, u32, To, To),
}

#[derive(Clone, Copy)]
enum To {
    Next,
    Holds,
    Fails,
}

fn lines(test: &Test) -> Vec<Line> {
    let (low, high) = (test.value as u32, (test.value >> 32) as u32);
    let at = ARGUMENTS + 8 * u32::from(test.argument);
    let mut lines = Vec::new();
    if test.wide {
        // The machine is little-endian: the high half comes second.
        lines.push(Line::Do(load(at + 4)));
        lines.extend(high_half(test.comparison, high));
    }
    lines.push(Line::Do(load(at)));
    if let Comparison::Masked(mask) = test.comparison {
        lines.push(Line::Do(and(mask as u32)));
    }
    lines.push(match test.comparison {
        Comparison::Equal | Comparison::Masked(_) => {
            Line::Jump(JUMP_EQUAL, low, To::Holds, To::Fails)
        }
        Comparison::NotEqual => Line::Jump(JUMP_EQUAL, low, To::Fails, To::Holds),
        Comparison::Below => Line::Jump(JUMP_FROM, low, To::Fails, To::Holds),
        Comparison::UpTo => Line::Jump(JUMP_ABOVE, low, To::Fails, To::Holds),
        Comparison::Above => Line::Jump(JUMP_ABOVE, low, To::Holds, To::Fails),
        Comparison::From => Line::Jump(JUMP_FROM, low, To::Holds, To::Fails),
    });
    lines
}

/// Decides by the high half where that is enough, else goes on to the low half.
fn high_half(comparison: Comparison, high: u32) -> Vec<Line> {
    let equal = |no| Line::Jump(JUMP_EQUAL, high, To::Next, no);
    match comparison {
        Comparison::Equal => vec![equal(To::Fails)],
        Comparison::NotEqual => vec![equal(To::Holds)],
        Comparison::Masked(mask) => vec![Line::Do(and((mask >> 32) as u32)), equal(To::Fails)],
        Comparison::Above | Comparison::From => {
            vec![Line::Jump(JUMP_ABOVE, high, To::Holds, To::Next), equal(To::Fails)]
        }
        Comparison::Below | Comparison::UpTo => {
            vec![Line::Jump(JUMP_ABOVE, high, To::Fails, To::Next), equal(To::Holds)]
        }
    }
}

fn and(mask: u32) -> Instruction {
    Instruction { code: AND, jump_true: 0, jump_false: 0, k: mask }
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, jump_true: 0, jump_false: 0, k: offset }
}

fn give(action: u32) -> Instruction {
    Instruction { code: RETURN, jump_true: 0, jump_false: 0, k: action }
}

fn jump(code: u16, k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, k }
}

#[cfg(test)]
pub(super) mod interpreter {
    //! Runs a filter as the kernel would, for tests.
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in super::super) enum Verdict {
        Allow,
        Errno(i32),
        Kill,
        /// Any other answer, as the kernel sees it.
        Other(u32),
    }

    pub(in super::super) fn run(
        program: &[Instruction],
        architecture: u32,
        number: u32,
        arguments: [u64; 6],
    ) -> Verdict {
        let (mut at, mut value) = (0, 0);
        loop {
            let Instruction { code, jump_true, jump_false, k } = program[at];
            at += 1;
            let condition = match code {
                LOAD => {
                    value = match k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        _ => {
                            let argument = arguments[(k - ARGUMENTS) as usize / 8];
                            (argument >> (8 * (k % 8))) as u32
                        }
                    };
                    continue;
                }
                AND => {
                    value &= k;
                    continue;
                }
                JUMP => {
                    at += k as usize;
                    continue;
                }
                RETURN if k == RETURN_ALLOW => return Verdict::Allow,
                RETURN if k == RETURN_KILL_PROCESS => return Verdict::Kill,
                RETURN if k & 0xffff_0000 == RETURN_ERRNO => {
                    return Verdict::Errno((k & 0xffff) as i32);
                }
                RETURN => return Verdict::Other(k),
                JUMP_EQUAL => value == k,
                JUMP_ABOVE => value > k,
                JUMP_FROM => value >= k,
                _ => panic!("unknown instruction {code:#x}"),
            };
            at += usize::from(if condition { jump_true } else { jump_false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::interpreter::{Verdict, run};
    use super::*;

    /// Every comparison, against the obvious way to compute it.
    #[test]
    fn comparisons_are_of_all_bits_or_of_the_low_ones() {
        let values = [0, 1, 5, 0xffff_ffff, 1 << 32, (1 << 32) + 5, (5 << 32) + 1, u64::MAX];
        let comparisons = [
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Below,
            Comparison::UpTo,
            Comparison::Above,
            Comparison::From,
            Comparison::Masked(0xff),
            Comparison::Masked(0xff << 32),
        ];
        for wide in [true, false] {
            for comparison in comparisons {
                for value in values {
                    let test = Test { argument: 2, comparison, value, wide };
                    for given in values {
                        let holds = expected(test, given);
                        assert_eq!(verdict(vec![test], given), holds, "{test:?} {given:#x}");
                    }
                }
            }
        }
    }

    fn expected(test: Test, given: u64) -> bool {
        let cut = |number: u64| if test.wide { number } else { number & 0xffff_ffff };
        let (given, value) = (cut(given), cut(test.value));
        match test.comparison {
            Comparison::Equal => given == value,
            Comparison::NotEqual => given != value,
            Comparison::Below => given < value,
            Comparison::UpTo => given <= value,
            Comparison::Above => given > value,
            Comparison::From => given >= value,
            Comparison::Masked(mask) => given & cut(mask) == value,
        }
    }

    fn verdict(tests: Vec<Test>, given: u64) -> bool {
        let clause = Clause { tests, action: Action::Allow };
        let rule = Rule::First { clauses: vec![clause], otherwise: Action::Trap };
        let program = assemble(&[Table { architecture: 1, ranges: vec![(0, rule)] }]);
        match run(&program, 1, 7, [0, 0, given, given, 0, 0]) {
            Verdict::Allow => true,
            Verdict::Other(RETURN_TRAP) => false,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_clause_needs_all_its_tests() {
        let test = |argument, comparison| Test { argument, comparison, value: 10, wide: true };
        let both = vec![test(2, Comparison::Above), test(3, Comparison::Below)];
        assert!(!verdict(both, 11));
        let both = vec![test(2, Comparison::From), test(3, Comparison::UpTo)];
        assert!(verdict(both.clone(), 10) && !verdict(both, 9));
    }
}
