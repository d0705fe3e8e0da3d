//! Device access programs of cgroup v2.
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::{Call, Result, SysError};

/// One eBPF instruction, as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    /// Destination in the low half, source in the high half.
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// The beginning of the kernel's `bpf_attr` for BPF_PROG_LOAD; what follows is optional.
#[repr(C)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

#[repr(C)]
struct AttachAttributes {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// Loads `program` and lets it decide about every device opened or made in `cgroup`, a directory
/// of a cgroup v2 hierarchy. It stays for as long as the cgroup.
pub fn attach_device_program(cgroup: impl AsFd, program: &[Instruction]) -> Result<()> {
    let load = LoadAttributes {
        program_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
    };
    // SAFETY: the instructions and the licence outlive the call; the kernel verifies the program.
    let number = unsafe { bpf(BPF_PROG_LOAD, &load) }
        .map_err(|error| SysError::new(Call::new("bpf").text("BPF_PROG_LOAD"), error))?;
    // SAFETY: BPF_PROG_LOAD returned a new descriptor that nobody else owns.
    let loaded = unsafe { OwnedFd::from_raw_fd(number) };
    let attach = AttachAttributes {
        target: cgroup.as_fd().as_raw_fd() as u32,
        program: loaded.as_raw_fd() as u32,
        attach_type: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    // SAFETY: integers only; both descriptors are open.
    unsafe { bpf(BPF_PROG_ATTACH, &attach) }
        .map(drop)
        .map_err(|error| SysError::new(Call::new("bpf").text("BPF_PROG_ATTACH").fd(&cgroup), error))
}

/// # Safety
/// `attributes` must be the kernel's attributes of `command`, with valid pointers in them.
unsafe fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<i32> {
    // SAFETY: the size of the attributes is passed; the rest is the caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            std::mem::size_of::<T>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
