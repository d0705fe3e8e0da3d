//! Prints how a container confines what runs in it: capabilities, system calls, mounts, devices, keyring.
//!
//! Built static and run inside by bench/confinement; docs/security.md has what it prints. Every system call is asked
//! for without being made: a filter of our own hands whatever the container's filter lets through to a listener, which answers
//! with an errno that nobody else gives.
#![allow(unsafe_code, clippy::print_stdout)] // system calls by number, and their result on stdout
use std::fs;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Numbers that x86_64 has, or may have soon.
const CALLS: usize = 470;
/// What the listener answers.
const LET_THROUGH: i32 = libc::EXFULL;

static ASKED: AtomicUsize = AtomicUsize::new(usize::MAX);
static ANSWERS: [AtomicI64; CALLS] = [const { AtomicI64::new(0) }; CALLS];
static LISTENER: AtomicI64 = AtomicI64::new(-1);

fn main() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for field in ["CapEff", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"] {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        println!("{field}: {}", line.unwrap_or("?").trim());
    }
    mounts();
    devices();
    keyring();
    calls();
}

fn mounts() {
    let text = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut masked = Vec::new();
    let mut read_only = Vec::new();
    let mut writable = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (target, kind, options) = (fields[1], fields[2], fields[3]);
        if !target.starts_with("/proc") && !target.starts_with("/sys") {
            continue;
        }
        let list = match (kind, options.starts_with("ro")) {
            ("proc" | "sysfs" | "cgroup" | "cgroup2", true) => &mut read_only,
            ("proc" | "sysfs" | "cgroup" | "cgroup2", false) => &mut writable,
            _ => &mut masked,
        };
        list.push(target);
    }
    println!("mounts: {}", text.lines().count());
    println!("masked: {}", masked.join(" "));
    println!("read-only of proc and sys: {}", read_only.join(" "));
    println!("writable of proc and sys: {}", writable.join(" "));
    let writable =
        ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"];
    let open = |path: &&&str| fs::OpenOptions::new().write(true).open(path).is_ok();
    println!("host settings that can be written: {}", writable.iter().filter(open).count());
}

fn devices() {
    let mut names: Vec<String> = fs::read_dir("/dev")
        .map(|entries| {
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    names.sort();
    println!("dev: {}", names.join(" "));
}

fn keyring() {
    let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
    println!("keys seen: {}", keys.lines().count());
}

/// One thread asks, another listens.
fn calls() {
    std::thread::spawn(ask);
    while LISTENER.load(Ordering::SeqCst) == -1 {
        std::thread::yield_now();
    }
    let listener = LISTENER.load(Ordering::SeqCst) as RawFd;
    if listener < 0 {
        println!("calls: this container allows no listener");
        return;
    }
    std::thread::spawn(move || listen(listener));
    while ASKED.load(Ordering::SeqCst) != CALLS {
        std::thread::yield_now();
    }
    let answers: Vec<i64> = ANSWERS.iter().map(|answer| answer.load(Ordering::SeqCst)).collect();
    let count = |errno: i32| answers.iter().filter(|a| **a == -i64::from(errno)).count();
    println!("calls allowed: {}", count(LET_THROUGH));
    println!("calls denied: {} (EPERM), {} (ENOSYS)", count(libc::EPERM), count(libc::ENOSYS));
    let list: Vec<String> = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| **answer == -i64::from(LET_THROUGH))
        .map(|(number, _)| number.to_string())
        .collect();
    println!("allowed numbers: {}", list.join(","));
    // SAFETY: ends the process; the asking thread must make no call any more.
    unsafe { libc::_exit(0) };
}

fn ask() {
    // Everything goes to the listener. What the container's own filter denies never gets there.
    let mut program = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fc0_0000 }];
    let filter = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    // SAFETY: the program lives until it is installed.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, 1, 1 << 3, &raw const filter)
    };
    LISTENER.store(if listener < 0 { -2 } else { listener }, Ordering::SeqCst);
    if listener < 0 {
        return;
    }
    // `uretprobe` and `uprobe` pass every filter, and kill whoever makes them from elsewhere than the kernel's trampoline.
    for number in (0..CALLS).filter(|number| ![335, 336].contains(number)) {
        ANSWERS[number].store(raw_call(number), Ordering::SeqCst);
    }
    ASKED.store(CALLS, Ordering::SeqCst);
    loop {
        std::hint::spin_loop();
    }
}

/// Without the C library, whose errno and cancellation are not for such numbers.
fn raw_call(number: usize) -> i64 {
    let result: i64;
    // SAFETY: the call is not made: either filter answers it.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as i64 => result,
            in("rdi") 0, in("rsi") 0, in("rdx") 0, in("r10") 0, in("r8") 0, in("r9") 0,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// The kernel's `seccomp_notif` and `seccomp_notif_resp`.
#[repr(C)]
#[derive(Default)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    architecture: u32,
    instruction: u64,
    arguments: [u64; 6],
}

#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

fn listen(listener: RawFd) {
    const RECEIVE: u64 = 0xc050_2100;
    const SEND: u64 = 0xc018_2101;
    loop {
        let mut asked = Notification::default();
        // SAFETY: both structures have the kernel's layout.
        let received = unsafe { libc::ioctl(listener, RECEIVE as _, &raw mut asked) };
        if received != 0 {
            continue;
        }
        let answer = Response { id: asked.id, value: 0, error: -LET_THROUGH, flags: 0 };
        // SAFETY: as above.
        unsafe { libc::ioctl(listener, SEND as _, &raw const answer) };
    }
}
