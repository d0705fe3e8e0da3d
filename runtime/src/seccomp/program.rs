//! From rules per call number to classic BPF: a binary search over ranges of numbers.
//!
//! The kernel runs the filter on every call, and once for every number when it is installed, so
//! its depth matters more than its length.
use sys::seccomp::Instruction;

use super::rule::{Rule, Test};

/// Offsets in the kernel's `seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_ABOVE: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const JUMP_FROM: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_SET: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const RETURN_ALLOW: u32 = 0x7fff_0000;
const RETURN_ERRNO: u32 = 0x0005_0000;
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
        Rule::Allow => vec![give(RETURN_ALLOW)],
        Rule::Errno(errno) => vec![give(RETURN_ERRNO | u32::from(*errno))],
        Rule::AllowIf(tests) => {
            let mut program = Vec::new();
            for test in tests {
                program.extend(allow_if(*test));
            }
            program.push(give(RETURN_ERRNO | libc::EPERM as u32));
            program
        }
    }
}

/// Returns "allow" if the test holds, else goes on behind.
fn allow_if(test: Test) -> [Instruction; 3] {
    let (argument, jump) = match test {
        Test::Below { argument, value } => (argument, jump(JUMP_FROM, value, 1, 0)),
        Test::Equal { argument, value } => (argument, jump(JUMP_EQUAL, value, 0, 1)),
        Test::Above { argument, value } => (argument, jump(JUMP_ABOVE, value, 0, 1)),
        Test::NoneOf { argument, bits } => (argument, jump(JUMP_SET, bits, 1, 0)),
    };
    [load(ARGUMENTS + 8 * u32::from(argument)), jump, give(RETURN_ALLOW)]
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

    #[derive(Debug, PartialEq, Eq)]
    pub(in super::super) enum Verdict {
        Allow,
        Errno(i32),
        Kill,
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
                        _ => arguments[(k - ARGUMENTS) as usize / 8] as u32,
                    };
                    continue;
                }
                JUMP => {
                    at += k as usize;
                    continue;
                }
                RETURN if k == RETURN_ALLOW => return Verdict::Allow,
                RETURN if k == RETURN_KILL_PROCESS => return Verdict::Kill,
                RETURN => return Verdict::Errno((k & 0xffff) as i32),
                JUMP_EQUAL => value == k,
                JUMP_ABOVE => value > k,
                JUMP_FROM => value >= k,
                JUMP_SET => value & k != 0,
                _ => panic!("unknown instruction {code:#x}"),
            };
            at += usize::from(if condition { jump_true } else { jump_false });
        }
    }
}
