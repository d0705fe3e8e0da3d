//! The first program in every container: replaces itself by the container's own.
//!
//! A program of its own (built by runtime/build.rs, without a standard library, about 10 KB), run
//! from a sealed memfd. Whatever a container executes, `/proc/self/exe` is at that moment this
//! program and never the engine's binary: see docs/decisions/0004-zygote-and-launcher.md.
//!
//! Arguments: number of the status descriptor, path of the program, then the program's arguments
//! from its name on. On success the status descriptor is closed by exec; on failure it gets `X`
//! and the errno, four bytes in the machine's order.
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
const EXECVE: usize = 59;
const FCNTL: usize = 72;
const EXIT_GROUP: usize = 231;
const SET_FD_FLAGS: usize = 2;
const CLOSE_ON_EXEC: usize = 1;

/// # Safety
/// The arguments must be right for the system call.
unsafe fn syscall(number: usize, a: usize, b: usize, c: usize) -> isize {
    let result: isize;
    // SAFETY: the x86_64 convention; the rest is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
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
    let (status, path) = unsafe { (number(*argv.add(1) as *const u8), *argv.add(2)) };
    // Not how the engine calls it: a script's `#!/proc/self/exe` line got here.
    let Some(status) = status else { exit(126) };
    // SAFETY: argv from its third element on and envp behind its NULL are arrays ended by NULL.
    let result = unsafe {
        syscall(FCNTL, status, SET_FD_FLAGS, CLOSE_ON_EXEC);
        syscall(EXECVE, path, argv.add(3) as usize, argv.add(argc + 1) as usize)
    };
    let errno = (-result) as u32;
    let message = [b'X', errno as u8, (errno >> 8) as u8, (errno >> 16) as u8, (errno >> 24) as u8];
    // SAFETY: the message is valid for its length.
    unsafe { syscall(WRITE, status, message.as_ptr() as usize, message.len()) };
    exit(127)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(125)
}
