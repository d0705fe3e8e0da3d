//! Docker's rules for devices, as lines for the v1 controller and as a program for v2.
use sys::bpf::Instruction;

use crate::spec::{DeviceAccess, DeviceKind, DeviceRule};

/// Making any node is allowed; using is for these character devices: major, minor (`None`: all).
const USABLE: [(u32, Option<u32>); 9] = [
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(1)), // console
    (5, Some(2)), // ptmx
    (136, None),  // pts
];

/// Docker's rules, then the specification's.
fn rules(more: &[DeviceRule]) -> Vec<DeviceRule> {
    let make = |kind| DeviceRule {
        kind: Some(kind),
        major: None,
        minor: None,
        access: DeviceAccess { make: true, ..DeviceAccess::default() },
    };
    let usable = USABLE.map(|(major, minor)| DeviceRule {
        kind: Some(DeviceKind::Character),
        major: Some(major),
        minor,
        access: DeviceAccess::ALL,
    });
    let makable = [make(DeviceKind::Character), make(DeviceKind::Block)];
    [&makable[..], &usable, more].concat()
}

/// Lines for `devices.allow`, after `a` went to `devices.deny`.
pub(super) fn v1_lines(more: &[DeviceRule]) -> Vec<String> {
    rules(more).iter().flat_map(v1_lines_of).collect()
}

/// The kernel takes no `a` with numbers, and reads `a` alone as everything.
fn v1_lines_of(rule: &DeviceRule) -> Vec<String> {
    if rule.kind.is_some() {
        return vec![rule.to_string()];
    }
    [DeviceKind::Character, DeviceKind::Block]
        .map(|kind| DeviceRule { kind: Some(kind), ..*rule }.to_string())
        .to_vec()
}

const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const COPY: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
const AND: u8 = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
const SHIFT_RIGHT: u8 = 0x77; // BPF_ALU64 | BPF_RSH | BPF_K
const JUMP: u8 = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL: u8 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_NOT_EQUAL: u8 = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

/// BPF_DEVCG_DEV_BLOCK and BPF_DEVCG_DEV_CHAR.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
/// BPF_DEVCG_ACC_MKNOD, _READ, _WRITE.
const MAKE: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;

fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate }
}

/// The same rules over the kernel's `bpf_cgroup_dev_ctx`: access << 16 | kind, major, minor. The kernel checks every way through
/// it at each start, so rules that begin alike have that in common. Of more rules than a jump leads over it is empty, which the
/// kernel refuses.
pub(super) fn v2_program(more: &[DeviceRule]) -> Vec<Instruction> {
    let answer = |value| [instruction(MOVE, 0, 0, 0, value), instruction(EXIT, 0, 0, 0, 0)];
    let mut program = vec![
        instruction(LOAD_WORD, 2, 1, 0, 0),
        instruction(COPY, 3, 2, 0, 0),
        instruction(AND, 2, 0, 0, 0xffff),     // r2: kind
        instruction(SHIFT_RIGHT, 3, 0, 0, 16), // r3: access
        instruction(LOAD_WORD, 4, 1, 4, 0),    // r4: major
        instruction(LOAD_WORD, 5, 1, 8, 0),    // r5: minor
    ];
    // The kernel takes no instructions that nothing leads to.
    if !compare(&mut program, &rules(more), Part::Access) {
        program.extend(answer(0));
    }
    let allowed = program.len();
    program.extend(answer(1));
    if program.len() >= TO_THE_END as usize {
        return Vec::new();
    }
    for (at, one) in program[..allowed].iter_mut().enumerate() {
        if one.offset == TO_THE_END {
            one.offset = (allowed - at - 1) as i16;
        }
    }
    program
}

/// What rules say, in the order in which it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Access,
    Kind,
    Major,
    Minor,
}

/// Until it is known where the program allows.
const TO_THE_END: i16 = i16::MAX;

impl Part {
    /// The register, and with what it is compared, if the rule asks.
    fn of(self, rule: &DeviceRule) -> Option<(u8, i32)> {
        let number = |number: Option<u32>| number.map(|number| number as i32);
        match self {
            Part::Access => None,
            Part::Kind => rule.kind.map(|kind| match kind {
                DeviceKind::Character => (2, CHARACTER),
                DeviceKind::Block => (2, BLOCK),
            }),
            Part::Major => number(rule.major).map(|major| (4, major)),
            Part::Minor => number(rule.minor).map(|minor| (5, minor)),
        }
    }

    fn is_alike(self, one: &DeviceRule, other: &DeviceRule) -> bool {
        match self {
            Part::Access => one.access == other.access,
            part => part.of(one) == part.of(other),
        }
    }

    fn next(self) -> Option<Part> {
        match self {
            Part::Access => Some(Part::Kind),
            Part::Kind => Some(Part::Major),
            Part::Major => Some(Part::Minor),
            Part::Minor => None,
        }
    }
}

/// Goes to the end where one of the rules allows, to what follows where none does. True if nothing gets that far.
fn compare(program: &mut Vec<Instruction>, rules: &[DeviceRule], part: Part) -> bool {
    for alike in rules.chunk_by(|one, other| part.is_alike(one, other)) {
        let wanted = part.of(&alike[0]);
        let refuses = match (part, wanted) {
            (Part::Access, _) if alike[0].access != DeviceAccess::ALL => {
                // r6: what is wanted beyond what the rules give
                program.push(instruction(COPY, 6, 3, 0, 0));
                program.push(instruction(AND, 6, 0, 0, !access(alike[0].access)));
                Some((6, 0))
            }
            (Part::Minor, Some((register, minor))) => {
                program.push(instruction(JUMP_EQUAL, register, 0, TO_THE_END, minor));
                continue;
            }
            (_, wanted) => wanted,
        };
        let at = program.len();
        program.extend(
            refuses.map(|(register, value)| instruction(JUMP_NOT_EQUAL, register, 0, 0, value)),
        );
        let is_all = match part.next() {
            Some(next) => compare(program, alike, next),
            None => {
                program.push(instruction(JUMP, 0, 0, TO_THE_END, 0));
                true
            }
        };
        if refuses.is_some() {
            program[at].offset = (program.len() - at - 1) as i16;
        } else if is_all {
            return true;
        }
    }
    false
}

fn access(access: DeviceAccess) -> i32 {
    let bit = |wanted, bit| if wanted { bit } else { 0 };
    bit(access.make, MAKE) | bit(access.read, READ) | bit(access.write, WRITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program answers to this access, kind, major and minor.
    fn allowed(program: &[Instruction], access: i32, kind: i32, major: i32, minor: i32) -> bool {
        let mut registers = [0i64; 10];
        let mut at = 0;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            at += 1;
            match code {
                LOAD_WORD => {
                    let context = [access << 16 | kind, major, minor];
                    registers[to] = i64::from(context[offset as usize / 4]);
                }
                COPY => registers[to] = registers[from],
                MOVE => registers[to] = i64::from(immediate),
                AND => registers[to] &= i64::from(immediate),
                SHIFT_RIGHT => registers[to] >>= immediate,
                JUMP_NOT_EQUAL if registers[to] != i64::from(immediate) => at += offset as usize,
                JUMP_EQUAL if registers[to] == i64::from(immediate) => at += offset as usize,
                JUMP => at += offset as usize,
                JUMP_EQUAL | JUMP_NOT_EQUAL => {}
                EXIT => return registers[0] == 1,
                _ => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    /// What the rules answer, one by one.
    fn allowed_by(rules: &[DeviceRule], wanted: i32, kind: i32, major: i32, minor: i32) -> bool {
        rules.iter().any(|rule| {
            let kind_of = |kind| if kind == DeviceKind::Block { BLOCK } else { CHARACTER };
            let is = |number: Option<u32>, found: i32| number.is_none_or(|n| n as i32 == found);
            wanted & !access(rule.access) == 0
                && rule.kind.is_none_or(|of| kind_of(of) == kind)
                && is(rule.major, major)
                && is(rule.minor, minor)
        })
    }

    #[test]
    fn whatever_rules_have_in_common_each_means_what_it_says() {
        let lists = [
            &[][..],
            &["a *:* rwm"],
            &["c *:* rwm", "c 5:1 r", "b 8:1 rwm"],
            &["c *:5 rwm", "c 5:* rwm", "c 5:5 rwm"],
            &["b 8:0 rw", "b 8:1 rw", "b 9:1 rw", "c 8:1 rw", "a 7:* rwm", "a *:7 m"],
        ];
        for list in lists {
            let more: Vec<DeviceRule> = list.iter().map(|text| text.parse().unwrap()).collect();
            let (program, all) = (v2_program(&more), rules(&more));
            for wanted in 1..8 {
                for (kind, major, minor) in [BLOCK, CHARACTER].into_iter().flat_map(|kind| {
                    let numbers = [0, 1, 3, 5, 7, 8, 9, 136];
                    numbers.into_iter().flat_map(move |a| numbers.map(|b| (kind, a, b)))
                }) {
                    assert_eq!(
                        allowed(&program, wanted, kind, major, minor),
                        allowed_by(&all, wanted, kind, major, minor),
                        "{list:?}: {wanted} {kind} {major}:{minor}"
                    );
                }
            }
        }
        assert_eq!(v2_program(&[]).len(), 30);
        let many: Vec<DeviceRule> =
            (0..40_000).map(|minor| format!("c 7:{minor} rw").parse().unwrap()).collect();
        assert!(v2_program(&many).is_empty());
    }

    #[test]
    fn the_program_gives_what_the_rules_say() {
        let more: Vec<DeviceRule> =
            ["c 10:200 r", "b 8:* rw", "a 7:1 w"].map(|text| text.parse().unwrap()).to_vec();
        let program = v2_program(&more);
        for (access, kind, major, minor, expected) in [
            (READ | WRITE, CHARACTER, 1, 3, true),
            (READ, CHARACTER, 1, 1, false),
            (MAKE, CHARACTER, 1, 1, true),
            (MAKE, BLOCK, 8, 0, true),
            (MAKE | READ, CHARACTER, 1, 1, false),
            (READ, CHARACTER, 136, 77, true),
            (READ, CHARACTER, 10, 200, true),
            (WRITE, CHARACTER, 10, 200, false),
            (READ, CHARACTER, 10, 201, false),
            (READ | WRITE, BLOCK, 8, 17, true),
            (READ, BLOCK, 9, 0, false),
            (WRITE, BLOCK, 7, 1, true),
            (WRITE, CHARACTER, 7, 1, true),
            (READ, BLOCK, 1, 3, false),
        ] {
            assert_eq!(
                allowed(&program, access, kind, major, minor),
                expected,
                "{access} {kind} {major}:{minor}"
            );
        }
        assert_eq!(v1_lines(&more)[..3], ["c *:* m", "b *:* m", "c 1:3 rwm"]);
        assert_eq!(v1_lines(&more)[11..], ["c 10:200 r", "b 8:* rw", "c 7:1 w", "b 7:1 w"]);
    }
}
