//! The first program in every container: replaces itself by the container's own.
//!
//! A program of its own (built by runtime/build.rs, without a standard library, about 10 KB), run
//! from a sealed memfd. Whatever a container executes, `/proc/self/exe` is at that moment this
//! program and never the engine's binary: see docs/decisions/0004-zygote-and-launcher.md.
//!
//! Arguments: number of the status descriptor, path of the program, then the program's arguments
//! from its name on. On success the status descriptor is closed by exec; on failure it gets `X`
//! and the errno, four bytes in the machine's order.
//!
//! With an `i` before the number it stays as the container's init: the program is its child, in the foreground
//! of the terminal; signals are passed on, orphans collected, and its end is the container's.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

// The kernel enters with the stack pointer at argc, followed by argv, NULL, envp, NULL.
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call launch",
    "ud2",
);

const WRITE: usize = 1;
const CLOSE: usize = 3;
const SIGNAL_MASK: usize = 14;
const IOCTL: usize = 16;
const GETPID: usize = 39;
const CLONE: usize = 56;
const EXECVE: usize = 59;
const WAIT: usize = 61;
const KILL: usize = 62;
const FCNTL: usize = 72;
const SET_PROCESS_GROUP: usize = 109;
const WAIT_FOR_SIGNAL: usize = 128;
const PRCTL: usize = 157;
const EXIT_GROUP: usize = 231;

const SET_FD_FLAGS: usize = 2;
const CLOSE_ON_EXEC: usize = 1;
const SET_MASK: usize = 2;
const MASK_SIZE: usize = 8;
const SET_FOREGROUND_GROUP: usize = 0x5410;
const COLLECT_ORPHANS: usize = 36;
const DO_NOT_WAIT: usize = 1;
const ANY_CHILD: usize = usize::MAX;
const CHILD_ENDED: usize = 17;
/// What tells of a mistake of our own (ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS) or of the terminal's (TTIN, TTOU).
const NOT_PASSED_ON: [u32; 9] = [4, 5, 6, 7, 8, 11, 31, 21, 22];

/// # Safety
/// The arguments must be right for the system call.
unsafe fn syscall4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the x86_64 convention; the rest is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// # Safety
/// The arguments must be right for the system call.
unsafe fn syscall(number: usize, a: usize, b: usize, c: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { syscall4(number, a, b, c, 0) }
}

fn exit(code: usize) -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { syscall(EXIT_GROUP, code, 0, 0) };
    }
}

/// A decimal number that is the whole of a C string.
///
/// # Safety
/// `text` must point to a NUL-terminated string.
unsafe fn number(mut text: *const u8) -> Option<usize> {
    let mut value: usize = 0;
    loop {
        // SAFETY: up to the NUL, which is never passed.
        match unsafe { *text } {
            0 => return Some(value),
            digit @ b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_add((digit - b'0') as usize),
            _ => return None,
        }
        // SAFETY: as above.
        text = unsafe { text.add(1) };
    }
}

/// # Safety
/// Called once, by the entry point, with the stack the kernel made.
#[unsafe(no_mangle)]
unsafe extern "C" fn launch(stack: *const usize) -> ! {
    // SAFETY: the kernel's layout: argc, argv[0..argc], NULL, envp…
    let (argc, argv) = unsafe { (*stack, stack.add(1)) };
    if argc < 4 {
        exit(126);
    }
    // SAFETY: argc is at least 4, and each argument is a NUL-terminated string.
    let first = unsafe { *argv.add(1) } as *const u8;
    // SAFETY: as above; the byte behind an `i` is at worst the NUL.
    let init = unsafe { *first } == b'i';
    // SAFETY: as above.
    let (status, path) = unsafe { (number(first.add(usize::from(init))), *argv.add(2)) };
    // Not how the engine calls it: a script's `#!/proc/self/exe` line got here.
    let Some(status) = status else { exit(126) };
    if init {
        stay_as_init(status);
    }
    // SAFETY: argv from its third element on and envp behind its NULL are arrays ended by NULL.
    let result = unsafe {
        syscall(FCNTL, status, SET_FD_FLAGS, CLOSE_ON_EXEC);
        syscall(EXECVE, path, argv.add(3) as usize, argv.add(argc + 1) as usize)
    };
    fail(status, (-result) as u32)
}

fn fail(status: usize, errno: u32) -> ! {
    let message = [b'X', errno as u8, (errno >> 8) as u8, (errno >> 16) as u8, (errno >> 24) as u8];
    // SAFETY: the message is valid for its length.
    unsafe { syscall(WRITE, status, message.as_ptr() as usize, message.len()) };
    exit(127)
}

/// Returns in the child, which is to become the program.
fn stay_as_init(status: usize) {
    let all: u64 = !0;
    let mut before: u64 = 0;
    // SAFETY: both masks have the size that is passed. Nothing is delivered from here on; what comes is asked for.
    let child = unsafe {
        syscall4(SIGNAL_MASK, SET_MASK, &raw const all as usize, &raw mut before as usize, MASK_SIZE);
        syscall(PRCTL, COLLECT_ORPHANS, 1, 0);
        // Without flags or a stack of its own this is a fork.
        syscall(CLONE, CHILD_ENDED, 0, 0)
    };
    if child < 0 {
        fail(status, (-child) as u32);
    }
    if child == 0 {
        // SAFETY: the group's number is valid while it is read; without a terminal there is no foreground.
        unsafe {
            syscall(SET_PROCESS_GROUP, 0, 0, 0);
            let group = syscall(GETPID, 0, 0, 0) as i32;
            syscall(IOCTL, 0, SET_FOREGROUND_GROUP, &raw const group as usize);
            syscall4(SIGNAL_MASK, SET_MASK, &raw const before as usize, 0, MASK_SIZE);
        }
        return;
    }
    // SAFETY: only the child reports.
    unsafe { syscall(CLOSE, status, 0, 0) };
    let wanted = NOT_PASSED_ON.iter().fold(all, |mask, signal| mask & !(1 << (signal - 1)));
    loop {
        // SAFETY: the mask has the size that is passed; nothing is stored.
        let signal = unsafe {
            syscall4(WAIT_FOR_SIGNAL, &raw const wanted as usize, 0, 0, MASK_SIZE)
        };
        if signal == CHILD_ENDED as isize {
            collect(child);
        } else if signal > 0 {
            // SAFETY: takes numbers only.
            unsafe { syscall(KILL, child as usize, signal as usize, 0) };
        }
    }
}

/// Collects everything that has ended; ends with the program, and as it did.
fn collect(program: isize) {
    let mut end = None;
    loop {
        let mut how: i32 = 0;
        // SAFETY: `how` is valid; usage is not asked for.
        let ended = unsafe { syscall4(WAIT, ANY_CHILD, &raw mut how as usize, DO_NOT_WAIT, 0) };
        if ended <= 0 {
            break;
        }
        if ended == program {
            let signal = how & 0x7f;
            end = Some(if signal == 0 { how >> 8 & 0xff } else { 128 + signal });
        }
    }
    if let Some(code) = end {
        exit(code as usize);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(125)
}
