//! The system call filter: Docker's default profile or the user's, compiled here without libseccomp.
//!
//! | caller                 | answer                                                    |
//! |------------------------|-----------------------------------------------------------|
//! | x86_64, i386           | the profile for that table; denied calls fail with EPERM   |
//! | number not in the table| ENOSYS, as if the kernel were older (newer calls included) |
//! | x32 (bit 30 set)       | ENOSYS, as on kernels without it: stricter than Docker     |
//! | any other architecture | killed                                                    |
//! | i386 `socketcall` 1    | EPERM: the family cannot be seen; stricter than Docker     |
mod compile;
mod docker;
mod i386;
mod profile;
mod program;
mod rule;
mod x86_64;

use sys::seccomp::Instruction;

use crate::capabilities::CapabilitySet;
pub use profile::{Profile, ProfileError};
use program::Table;
use rule::{Action, Rule};

use compile::compile;

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;

/// The filter for a container that holds `capabilities`.
pub(crate) fn filter(capabilities: CapabilitySet) -> Vec<Instruction> {
    program::assemble(&[
        table(AUDIT_ARCH_X86_64, &x86_64::NUMBERS, capabilities),
        table(AUDIT_ARCH_I386, &i386::NUMBERS, capabilities),
    ])
}

/// The filter that a profile is for a container with `capabilities` on this machine's kernel.
pub(crate) fn compile_here(profile: &Profile, capabilities: CapabilitySet) -> Vec<Instruction> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    compile(profile, capabilities, &release)
}

fn table(architecture: u32, numbers: &[(&str, u32)], capabilities: CapabilitySet) -> Table {
    let unknown = Rule::Always(Action::Errno(libc::ENOSYS as u16));
    let rules = numbers.iter().map(|(name, n)| (*n, docker::rule(name, capabilities))).collect();
    Table { architecture, ranges: ranges(rules, &unknown, &unknown) }
}

/// A rule for every number, neighbours with the same rule merged: `gap` for those between, `beyond` from the
/// last one on.
fn ranges(mut rules: Vec<(u32, Rule)>, gap: &Rule, beyond: &Rule) -> Vec<(u32, Rule)> {
    rules.sort_unstable_by_key(|(number, _)| *number);
    let mut ranges: Vec<(u32, Rule)> = Vec::new();
    let mut push = |from: u32, rule: Rule| {
        if ranges.last().is_none_or(|(_, last)| *last != rule) {
            ranges.push((from, rule));
        }
    };
    let mut next = 0;
    for (number, rule) in rules {
        if number > next {
            push(next, gap.clone());
        }
        push(number, rule);
        next = number + 1;
    }
    push(next, beyond.clone());
    ranges
}

#[cfg(test)]
mod tests {
    use super::program::interpreter::{Verdict, run};
    use super::*;
    use crate::capabilities::Capability;

    const EPERM: Verdict = Verdict::Errno(libc::EPERM);
    const ENOSYS: Verdict = Verdict::Errno(libc::ENOSYS);

    fn number(table: &[(&str, u32)], name: &str) -> u32 {
        table.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn docker(name: &str, first: u64) -> Verdict {
        let filter = filter(CapabilitySet::docker_default());
        run(&filter, AUDIT_ARCH_X86_64, number(&x86_64::NUMBERS, name), [first, 0, 0, 0, 0, 0])
    }

    #[test]
    fn every_number_gets_the_verdict_of_its_rule() {
        let capabilities = CapabilitySet::docker_default();
        let filter = filter(capabilities);
        for (architecture, table) in
            [(AUDIT_ARCH_X86_64, &x86_64::NUMBERS[..]), (AUDIT_ARCH_I386, &i386::NUMBERS[..])]
        {
            for number in 0..700 {
                let name = table.iter().find(|(_, n)| *n == number).map(|(name, _)| *name);
                let expected = match name.map(|name| docker::rule(name, capabilities)) {
                    Some(Rule::Always(Action::Allow)) => Verdict::Allow,
                    Some(Rule::Always(Action::Errno(errno))) => Verdict::Errno(errno.into()),
                    Some(_) => continue,
                    None => ENOSYS,
                };
                let verdict = run(&filter, architecture, number, [0; 6]);
                assert_eq!(verdict, expected, "{number} {name:?}");
            }
        }
    }

    #[test]
    fn arguments_decide_where_docker_looks_at_them() {
        for (family, verdict) in [
            (2, Verdict::Allow),
            (16, Verdict::Allow),
            (38, EPERM),
            (39, Verdict::Allow),
            (40, EPERM),
            (41, Verdict::Allow),
            (0x1_0000_0026, EPERM),
        ] {
            assert_eq!(docker("socket", family), verdict, "{family}");
        }
        assert_eq!(docker("clone", 17), Verdict::Allow);
        assert_eq!(docker("clone", 0x1000_0000), EPERM);
        assert_eq!(docker("clone3", 0), ENOSYS);
        assert_eq!(docker("personality", 8), Verdict::Allow);
        assert_eq!(docker("personality", 0x40000), EPERM);
    }

    #[test]
    fn socketcall_is_no_way_around_the_families() {
        let filter = filter(CapabilitySet::docker_default());
        let number = number(&i386::NUMBERS, "socketcall");
        for (call, verdict) in [(1, EPERM), (2, Verdict::Allow), (17, Verdict::Allow)] {
            let arguments = [call, 0, 0, 0, 0, 0];
            assert_eq!(run(&filter, AUDIT_ARCH_I386, number, arguments), verdict, "{call}");
        }
    }

    #[test]
    fn capabilities_open_calls() {
        assert_eq!(docker("mount", 0), EPERM);
        assert_eq!(docker("chroot", 0), Verdict::Allow);
        for name in ["keyctl", "add_key", "io_uring_setup", "userfaultfd", "kexec_load"] {
            assert_eq!(docker(name, 0), EPERM, "{name}");
        }
        let admin = CapabilitySet::docker_default().with(Capability::SYS_ADMIN);
        let clone = number(&x86_64::NUMBERS, "clone");
        let flags = [0x1000_0000, 0, 0, 0, 0, 0];
        assert_eq!(run(&filter(admin), AUDIT_ARCH_X86_64, clone, flags), Verdict::Allow);
    }

    #[test]
    fn x32_and_foreign_callers() {
        let filter = filter(CapabilitySet::docker_default());
        assert_eq!(run(&filter, AUDIT_ARCH_X86_64, 0x4000_0001, [0; 6]), ENOSYS);
        assert_eq!(run(&filter, 0xc000_00b7, 1, [0; 6]), Verdict::Kill);
        assert!(filter.len() < 600, "{}", filter.len());
    }
}
