//! Programs that look at what comes in by an interface: classic BPF at the stage `clsact` of traffic control.
use std::io;

use super::Socket;
use super::message::{Message, find};

/// The length of the family's own header.
const HEADER: usize = 20;
/// The stage before everything else, and where in it: TC_H_CLSACT and TC_H_MIN_INGRESS of linux/pkt_sched.h.
const STAGE: &str = "clsact";
const STAGE_PARENT: u32 = 0xffff_fff1;
const STAGE_HANDLE: u32 = 0xffff_0000;
const INCOMING: u32 = 0xffff_fff2;
/// The first of its stage, for every protocol.
const FIRST: u32 = 1 << 16 | (libc::ETH_P_ALL as u16).to_be() as u32;
const HANDLE: u32 = 1;

const KIND: u16 = 1; // TCA_KIND
const OPTIONS: u16 = 2; // TCA_OPTIONS
const LENGTH: u16 = 4; // TCA_BPF_OPS_LEN
const PROGRAM: u16 = 5; // TCA_BPF_OPS
const FLAGS: u16 = 8; // TCA_BPF_FLAGS
/// What the program returns is what becomes of the packet.
const DIRECT: u32 = 1; // TCA_BPF_FLAG_ACT_DIRECT
const CLASSIFIER: &str = "bpf";

/// What a program does. What a comparison refuses goes to the last instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) enum Instruction {
    /// Loads four bytes, two bytes, the packet's length, whether it has a VLAN tag.
    Word(u32),
    Half(u32),
    Length,
    VlanTag,
    /// Goes on if what was loaded is equal to it, is no less.
    Equal(u32),
    AtLeast(u32),
    /// Goes on if it is equal, else leaves out so many.
    Unless {
        value: u32,
        skip: u8,
    },
    /// The packet goes on, to other programs.
    Pass,
    Drop,
}

impl Instruction {
    /// As `struct sock_filter` of linux/filter.h; `left` instructions are between it and the last.
    fn encode(self, left: u8) -> [u8; 8] {
        const TAG_IS_THERE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
        let (code, yes, no, value) = match self {
            Instruction::Word(at) => (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at),
            Instruction::Half(at) => (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, at),
            Instruction::Length => (libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0),
            Instruction::VlanTag => {
                (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, TAG_IS_THERE)
            }
            Instruction::Equal(value) => (libc::BPF_JMP | libc::BPF_JEQ, 0, left, value),
            Instruction::AtLeast(value) => (libc::BPF_JMP | libc::BPF_JGE, 0, left, value),
            Instruction::Unless { value, skip } => (libc::BPF_JMP | libc::BPF_JEQ, 0, skip, value),
            Instruction::Pass => (libc::BPF_RET, 0, 0, u32::MAX), // TC_ACT_UNSPEC
            Instruction::Drop => (libc::BPF_RET, 0, 0, 2),        // TC_ACT_SHOT
        };
        let [a, b, c, d] = value.to_ne_bytes();
        let [e, f] = (code as u16).to_ne_bytes();
        [e, f, yes, no, a, b, c, d]
    }
}

fn encode(program: &[Instruction]) -> Vec<u8> {
    let last = program.len().saturating_sub(1);
    let left = |at: usize| last.saturating_sub(at + 1) as u8;
    program.iter().enumerate().flat_map(|(at, one)| one.encode(left(at))).collect()
}

fn header(index: u32, handle: u32, parent: u32, info: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    for (at, value) in [index, handle, parent, info].into_iter().enumerate() {
        header[4 + 4 * at..8 + 4 * at].copy_from_slice(&value.to_ne_bytes());
    }
    header
}

/// The stage at which programs are; refused with `EEXIST` where it is already.
pub(in crate::network) fn add_stage(index: u32) -> Message {
    Message::new(libc::RTM_NEWQDISC, libc::NLM_F_CREATE | libc::NLM_F_EXCL)
        .raw(&header(index, STAGE_HANDLE, STAGE_PARENT, 0))
        .text(KIND, STAGE)
}

/// The first program of what comes in, instead of the one that may be there.
pub(in crate::network) fn add_filter(index: u32, program: &[Instruction]) -> Message {
    let length = program.len() as u16;
    Message::new(libc::RTM_NEWTFILTER, libc::NLM_F_CREATE | libc::NLM_F_REPLACE)
        .raw(&header(index, HANDLE, INCOMING, FIRST))
        .text(KIND, CLASSIFIER)
        .nest(OPTIONS, |options| {
            options
                .bytes(LENGTH, &length.to_ne_bytes())
                .bytes(PROGRAM, &encode(program))
                .u32(FLAGS, DIRECT)
        })
}

/// The programs of what comes in by an interface, as the kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::network) struct Filters(Vec<Vec<u8>>);

impl Filters {
    pub(in crate::network) fn contains(&self, program: &[Instruction]) -> bool {
        self.0.contains(&encode(program))
    }
}

pub(in crate::network) fn list_filters(socket: &mut Socket, index: u32) -> io::Result<Filters> {
    let ask = Message::new(libc::RTM_GETTFILTER, 0).raw(&header(index, 0, INCOMING, 0));
    let replies = socket.dump(ask)?;
    let program = |reply: &super::message::Received| {
        let options = find(&reply.parts(HEADER).1, OPTIONS)?.nested();
        let flags = find(&options, FLAGS)?.u32()?;
        let program = find(&options, PROGRAM)?.value.to_vec();
        (flags & DIRECT != 0).then_some(program)
    };
    Ok(Filters(replies.iter().filter_map(program).collect()))
}

#[cfg(test)]
pub(in crate::network) mod tests {
    use super::*;

    /// What the kernel makes of a program, from the bytes that it gets.
    pub(in crate::network) fn passes(
        program: &[Instruction],
        frame: &[u8],
        is_tagged: bool,
    ) -> bool {
        let code = encode(program);
        let instruction = |at: usize| -> [u8; 8] { code[8 * at..8 * at + 8].try_into().unwrap() };
        let load = |at: u32, length: usize| {
            let bytes = frame.get(at as usize..at as usize + length)?;
            Some(bytes.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
        };
        let (mut loaded, mut at) = (0_u32, 0);
        loop {
            let [a, b, yes, no, value @ ..] = instruction(at);
            let value = u32::from_ne_bytes(value);
            at += 1;
            let jump = |is: bool| usize::from(if is { yes } else { no });
            match u16::from_ne_bytes([a, b]) {
                0x20 if value == 0xffff_f030 => loaded = u32::from(is_tagged),
                0x20 | 0x28 => match load(value, if a == 0x20 { 4 } else { 2 }) {
                    Some(word) => loaded = word,
                    // Behind the end: it returns 0, and the packet goes on.
                    None => return true,
                },
                0x80 => loaded = frame.len() as u32,
                0x15 => at += jump(loaded == value),
                0x35 => at += jump(loaded >= value),
                0x06 => return value != 2,
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn a_comparison_that_refuses_goes_to_the_end() {
        use Instruction::{Drop, Equal, Half, Pass, Unless};
        let program =
            [Half(0), Unless { value: 1, skip: 2 }, Half(2), Pass, Half(2), Equal(7), Pass, Drop];
        for (frame, through) in [([0, 1, 0, 0], true), ([0, 2, 0, 7], true), ([0, 2, 0, 8], false)]
        {
            assert_eq!(passes(&program, &frame, false), through, "{frame:?}");
        }
    }
}
