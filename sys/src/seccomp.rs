//! Installs a system call filter.
use crate::{Call, Result, SysError};

/// One classic BPF instruction, as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub k: u32,
}

/// How a filter is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Whatever is not allowed goes to the kernel's log.
    pub log: bool,
    /// No mitigation of speculative store bypass.
    pub allow_speculation: bool,
}

/// Filters this process's system calls from now on, for good. Needs CAP_SYS_ADMIN or
/// no_new_privs; the kernel checks the program.
pub fn install(program: &[Instruction], flags: Flags) -> Result<()> {
    let call = || Call::new("seccomp").text(format_args!("{} instructions", program.len()));
    let len = u16::try_from(program.len())
        .map_err(|_| SysError::new(call(), rustix::io::Errno::INVAL))?;
    let mut bits = 0;
    for (wanted, bit) in [
        (flags.log, libc::SECCOMP_FILTER_FLAG_LOG),
        (flags.allow_speculation, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
    ] {
        bits |= if wanted { bit } else { 0 };
    }
    let filter = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `Instruction` has the layout of `sock_filter`; the kernel only reads `len` of them
    // while the slice is borrowed.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, bits, &raw const filter)
    };
    if result == 0 {
        return Ok(());
    }
    Err(SysError::new(call(), std::io::Error::last_os_error()))
}
