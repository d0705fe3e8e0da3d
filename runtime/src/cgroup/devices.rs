//! Docker's rules for devices, as lines for the v1 controller and as a program for v2.
use sys::bpf::Instruction;

/// Making any node is allowed; using is for these: kind, major, minor (`None`: all).
pub(super) const USABLE: [(char, u32, Option<u32>); 9] = [
    ('c', 1, Some(3)), // null
    ('c', 1, Some(5)), // zero
    ('c', 1, Some(7)), // full
    ('c', 1, Some(8)), // random
    ('c', 1, Some(9)), // urandom
    ('c', 5, Some(0)), // tty
    ('c', 5, Some(1)), // console
    ('c', 5, Some(2)), // ptmx
    ('c', 136, None),  // pts
];

/// Lines for `devices.allow`, after `a` went to `devices.deny`.
pub(super) fn v1_lines() -> Vec<String> {
    let mut lines = vec!["c *:* m".to_owned(), "b *:* m".to_owned()];
    for (kind, major, minor) in USABLE {
        let minor = minor.map_or("*".to_owned(), |minor| minor.to_string());
        lines.push(format!("{kind} {major}:{minor} rwm"));
    }
    lines
}

const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const COPY: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
const AND: u8 = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
const SHIFT_RIGHT: u8 = 0x77; // BPF_ALU64 | BPF_RSH | BPF_K
const JUMP_NOT_EQUAL: u8 = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

/// BPF_DEVCG_DEV_CHAR and BPF_DEVCG_ACC_MKNOD.
const CHARACTER: i32 = 2;
const MAKE: i32 = 1;

fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate }
}

/// The same rules over the kernel's `bpf_cgroup_dev_ctx`: access << 16 | kind, major, minor.
pub(super) fn v2_program() -> Vec<Instruction> {
    let answer = |value| [instruction(MOVE, 0, 0, 0, value), instruction(EXIT, 0, 0, 0, 0)];
    let mut program = vec![
        instruction(LOAD_WORD, 2, 1, 0, 0),
        instruction(COPY, 3, 2, 0, 0),
        instruction(AND, 2, 0, 0, 0xffff),     // r2: kind
        instruction(SHIFT_RIGHT, 3, 0, 0, 16), // r3: access
        instruction(LOAD_WORD, 4, 1, 4, 0),    // r4: major
        instruction(LOAD_WORD, 5, 1, 8, 0),    // r5: minor
        instruction(JUMP_NOT_EQUAL, 3, 0, 2, MAKE),
    ];
    program.extend(answer(1));
    for (_, major, minor) in USABLE {
        let tests =
            [Some((2, CHARACTER)), Some((4, major as i32)), minor.map(|minor| (5, minor as i32))];
        let tests: Vec<(u8, i32)> = tests.into_iter().flatten().collect();
        for (position, (register, value)) in tests.iter().enumerate() {
            let behind = (tests.len() - position - 1 + 2) as i16;
            program.push(instruction(JUMP_NOT_EQUAL, *register, 0, behind, *value));
        }
        program.extend(answer(1));
    }
    program.extend(answer(0));
    program
}
