//! Docker's default profile as rules by name; what it resolves to depends on the architecture's
//! table and on the container's capabilities.
//!
//! Where Docker compares a 64-bit argument of which the kernel uses 32 bits, ours looks at the 32
//! bits only: `socket(0x1_0000_0026, …)` is AF_ALG to the kernel, and denied.
use super::rule::{Action, Clause, Comparison, Rule, Test};
use crate::capabilities::{Capability, CapabilitySet};

/// Flags of `clone` that make namespaces; refused without CAP_SYS_ADMIN.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// Allowed whatever the arguments and capabilities.
#[rustfmt::skip]
const ALWAYS: [&str; 362] = [
    // Extended attributes.
    "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "getxattr", "getxattrat", "lgetxattr",
    "listxattr", "listxattrat", "llistxattr", "lremovexattr", "lsetxattr", "removexattr",
    "removexattrat", "setxattr", "setxattrat",
    // Sockets.
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "sendmmsg", "sendmsg", "sendto",
    "setsockopt", "shutdown", "socketpair",
    // Users and groups.
    "capget", "capset", "getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32",
    "getgroups", "getgroups32", "getresgid", "getresgid32", "getresuid", "getresuid32", "getuid",
    "getuid32", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32",
    "setgroups", "setgroups32", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid",
    "setresuid32", "setreuid", "setreuid32", "setuid", "setuid32",
    // Signals.
    "alarm", "kill", "pause", "restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
    "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sigaltstack", "signalfd", "signalfd4",
    "sigprocmask", "sigreturn", "tgkill", "tkill",
    // Time.
    "adjtimex", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64",
    "clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "getitimer",
    "gettimeofday", "nanosleep", "setitimer", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64",
    "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
    "timerfd_settime64", "times",
    // Memory.
    "brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore",
    "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mremap", "mseal", "msync",
    "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "process_mrelease", "remap_file_pages",
    // Scheduling and limits.
    "getcpu", "getpriority", "getrlimit", "getrusage", "ioprio_get", "ioprio_set", "prlimit64",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr",
    "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
    "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
    "sched_setscheduler", "sched_yield", "setpriority", "setrlimit", "ugetrlimit",
    // System V and POSIX queues, semaphores, shared memory.
    "ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
    "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd",
    "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt",
    "shmget",
    // Waiting on descriptors.
    "_newselect", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "fanotify_mark",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel",
    "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit",
    "poll", "ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "select",
    // Locks.
    "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake",
    "get_robust_list", "rseq", "set_robust_list",
    // Processes and threads.
    "arch_prctl", "execve", "execveat", "exit", "exit_group", "fork", "get_thread_area", "getpgid",
    "getpgrp", "getpid", "getppid", "getrandom", "getsid", "gettid", "landlock_add_rule",
    "landlock_create_ruleset", "landlock_restrict_self", "modify_ldt", "pidfd_open",
    "pidfd_send_signal", "prctl", "process_vm_readv", "process_vm_writev", "ptrace", "seccomp",
    "set_thread_area", "set_tid_address", "setpgid", "setsid", "sysinfo", "umask", "uname",
    "uretprobe", "vfork", "wait4", "waitid", "waitpid",
    // Reading, writing and descriptors.
    "_llseek", "close", "close_range", "copy_file_range", "dup", "dup2", "dup3", "fadvise64",
    "fadvise64_64", "fallocate", "fcntl", "fcntl64", "fdatasync", "flock", "fsync", "ftruncate",
    "ftruncate64", "ioctl", "lseek", "pipe", "pipe2", "pread64", "preadv", "preadv2", "pwrite64",
    "pwritev", "pwritev2", "read", "readahead", "readv", "sendfile", "sendfile64", "splice",
    "sync", "sync_file_range", "syncfs", "tee", "truncate", "truncate64", "vmsplice", "write",
    "writev",
    // Names, metadata and mounts seen.
    "access", "cachestat", "chdir", "chmod", "chown", "chown32", "creat", "faccessat",
    "faccessat2", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat",
    "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "futimesat", "getcwd", "getdents",
    "getdents64", "lchown", "lchown32", "link", "linkat", "listmount", "lstat", "lstat64", "mkdir",
    "mkdirat", "mknod", "mknodat", "name_to_handle_at", "newfstatat", "open", "openat", "openat2",
    "readlink", "readlinkat", "rename", "renameat", "renameat2", "rmdir", "stat", "stat64",
    "statfs", "statfs64", "statmount", "statx", "symlink", "symlinkat", "unlink", "unlinkat",
    "utime", "utimensat", "utimensat_time64", "utimes",
];

/// Allowed to who holds the capability.
const WITH: [(Capability, &[&str]); 14] = [
    (Capability::DAC_READ_SEARCH, &["open_by_handle_at"]),
    (
        Capability::SYS_ADMIN,
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "lsm_get_self_attr",
            "lsm_list_modules",
            "lsm_set_self_attr",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "syslog",
            "umount",
            "umount2",
            "unshare",
        ],
    ),
    (Capability::SYS_BOOT, &["reboot"]),
    (Capability::SYS_CHROOT, &["chroot"]),
    (Capability::SYS_MODULE, &["delete_module", "init_module", "finit_module"]),
    (Capability::SYS_PACCT, &["acct"]),
    (Capability::SYS_PTRACE, &["kcmp", "pidfd_getfd", "process_madvise"]),
    (Capability::SYS_RAWIO, &["iopl", "ioperm"]),
    (Capability::SYS_TIME, &["settimeofday", "stime", "clock_settime", "clock_settime64"]),
    (Capability::SYS_TTY_CONFIG, &["vhangup"]),
    (Capability::SYS_NICE, &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
    (Capability::SYSLOG, &["syslog"]),
    (Capability::BPF, &["bpf"]),
    (Capability::PERFMON, &["perf_event_open"]),
];

/// What may be done with the call of this name by a container with these capabilities.
pub(super) fn rule(name: &str, capabilities: CapabilitySet) -> Rule {
    let allowed = ALWAYS.contains(&name)
        || WITH
            .iter()
            .any(|(needed, names)| capabilities.contains(*needed) && names.contains(&name));
    if allowed {
        return Rule::Always(Action::Allow);
    }
    match name {
        // All families but AF_ALG (38) and AF_VSOCK (40).
        "socket" => allow_if([
            Test::low(0, Comparison::Below, 38),
            Test::low(0, Comparison::Equal, 39),
            Test::low(0, Comparison::Above, 40),
        ]),
        // i386's old way to every socket call. For `socket`, call 1, the family is in memory, out of
        // a filter's sight: Docker leaves it to AppArmor, which need not be there. 32-bit programs
        // have had `socket` itself since Linux 4.3.
        "socketcall" => allow_if([Test::low(0, Comparison::Above, 1)]),
        // Linux, 32-bit Linux, each with or without randomisation switched off; and the query.
        "personality" => allow_if(
            [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff]
                .map(|value| Test::low(0, Comparison::Equal, value)),
        ),
        "clone" => allow_if([Test::low(0, Comparison::Masked(CLONE_NAMESPACES), 0)]),
        // Its flags are in memory, out of a filter's sight; the C library falls back to clone.
        "clone3" => Rule::Always(Action::Errno(libc::ENOSYS as u16)),
        _ => Rule::Always(DENIED),
    }
}

const DENIED: Action = Action::Errno(libc::EPERM as u16);

/// Allowed if any test holds.
fn allow_if<const N: usize>(tests: [Test; N]) -> Rule {
    let clause = |test| Clause { tests: vec![test], action: Action::Allow };
    Rule::First { clauses: tests.map(clause).to_vec(), otherwise: DENIED }
}

#[cfg(test)]
mod tests {
    use super::super::{i386, x86_64};
    use super::*;

    #[test]
    fn every_name_is_one_the_tables_know() {
        let known =
            |name: &str| x86_64::NUMBERS.iter().chain(&i386::NUMBERS).any(|(n, _)| *n == name);
        let named = ALWAYS.iter().chain(WITH.iter().flat_map(|(_, names)| names.iter()));
        for name in named {
            assert!(known(name), "{name}");
        }
    }
}
