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

/// A program that decides about devices. The kernel checks it when it is loaded, which takes longer than all else about
/// it.
#[derive(Debug)]
pub struct DeviceProgram(OwnedFd);

impl DeviceProgram {
    pub fn load(program: &[Instruction]) -> Result<DeviceProgram> {
        let load = load_attributes(program);
        // SAFETY: the instructions and the licence outlive the call; the kernel verifies the program.
        let number = unsafe { bpf(BPF_PROG_LOAD, &load) }
            .map_err(|error| SysError::new(Call::new("bpf").text("BPF_PROG_LOAD"), error))?;
        // SAFETY: BPF_PROG_LOAD returned a new descriptor that nobody else owns.
        Ok(DeviceProgram(unsafe { OwnedFd::from_raw_fd(number) }))
    }

    /// Lets it decide about every device opened or made in `cgroup`, a directory of a cgroup v2 hierarchy. It stays for
    /// as long as the cgroup.
    pub fn attach(&self, cgroup: impl AsFd) -> Result<()> {
        let attach = AttachAttributes {
            target: cgroup.as_fd().as_raw_fd() as u32,
            program: self.0.as_raw_fd() as u32,
            attach_type: BPF_CGROUP_DEVICE,
            flags: BPF_F_ALLOW_MULTI,
        };
        let call = || Call::new("bpf").text("BPF_PROG_ATTACH").fd(&cgroup);
        // SAFETY: integers only; both descriptors are open.
        let attached = unsafe { bpf(BPF_PROG_ATTACH, &attach) };
        attached.map(drop).map_err(|error| SysError::new(call(), error))
    }
}

fn load_attributes(program: &[Instruction]) -> LoadAttributes {
    LoadAttributes {
        program_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
    }
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
