//! From a profile to a filter.
//!
//! | in the profile                      | in the filter                                                         |
//! |-------------------------------------|-----------------------------------------------------------------------|
//! | several rules for a call            | one without arguments wins; else the first whose arguments fit          |
//! | several arguments in a rule         | all must fit; but two tests of one argument are alternatives            |
//! | an action that is the default one   | no rule                                                               |
//! | names that this kernel has not      | nothing                                                               |
//! | numbers above all that are named    | ENOSYS if the default denies: programs fall back to older calls         |
//! | i386 not among the architectures    | 32-bit programs are killed                                             |
//! | x32                                 | ENOSYS: calls of 64-bit programs through it are never allowed            |
use sys::seccomp::Instruction;

use super::profile::{ActionName, Calls, Operator, Place, Profile, version};
use super::program::{self, Table};
use super::rule::{Action, Clause, Comparison, Rule, Test};
use super::{AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, i386, ranges, x86_64};
use crate::capabilities::CapabilitySet;

const NATIVE: &str = "SCMP_ARCH_X86_64";
const I386: &str = "SCMP_ARCH_X86";
/// x32 numbers have this bit.
const X32: u32 = 0x4000_0000;

/// The filter that `profile` is for a container with `capabilities` on a kernel of this release.
pub(crate) fn compile(
    profile: &Profile,
    capabilities: CapabilitySet,
    release: &str,
) -> Vec<Instruction> {
    let place = Place { capabilities, kernel: version(release).unwrap_or_default() };
    let mut tables = vec![table(profile, place, AUDIT_ARCH_X86_64, &x86_64::NUMBERS)];
    if includes_i386(profile) {
        tables.push(table(profile, place, AUDIT_ARCH_I386, &i386::NUMBERS));
    }
    program::assemble(&tables)
}

fn includes_i386(profile: &Profile) -> bool {
    let of_map = profile
        .arch_map
        .iter()
        .filter(|entry| entry.architecture == NATIVE)
        .flat_map(|entry| entry.sub_architectures.iter().flatten());
    profile.architectures.iter().chain(of_map).any(|name| name == I386)
}

fn table(
    profile: &Profile,
    place: Place,
    architecture: u32,
    numbers: &[(&'static str, u32)],
) -> Table {
    let default = action(profile.default_action, profile.default_errno_ret);
    let wide = architecture == AUDIT_ARCH_X86_64;
    let calls: Vec<&Calls> = profile.syscalls.iter().filter(|calls| calls.holds(place)).collect();
    let named = |name: &str| calls.iter().any(|calls| calls.all_names().any(|n| n == name));
    let last = numbers.iter().filter(|(name, _)| named(name)).map(|(_, number)| *number).max();
    let denies = !matches!(default, Action::Allow | Action::Log);
    let known = |number: u32| !denies || last.is_some_and(|last| number <= last);
    let rules = numbers
        .iter()
        .filter(|(_, number)| known(*number))
        .map(|(name, number)| (*number, rule(&calls, name, default, wide)))
        .collect();
    let absent = Rule::Always(Action::Errno(libc::ENOSYS as u16));
    let default = Rule::Always(default);
    let mut ranges = ranges(rules, &default, if denies { &absent } else { &default });
    if wide && !denies {
        ranges.push((X32, absent));
    }
    Table { architecture, ranges }
}

fn rule(calls: &[&Calls], name: &str, default: Action, wide: bool) -> Rule {
    let mut clauses = Vec::new();
    for calls in calls.iter().filter(|calls| calls.all_names().any(|known| known == name)) {
        let action = action(calls.action, calls.errno_ret);
        if action == default {
            continue;
        }
        let tests: Vec<Test> = calls.args.iter().flatten().map(|arg| test(arg, wide)).collect();
        if tests.is_empty() {
            return Rule::Always(action);
        }
        clauses.extend(alternatives(tests).into_iter().map(|tests| Clause { tests, action }));
    }
    if clauses.is_empty() {
        return Rule::Always(default);
    }
    Rule::First { clauses, otherwise: default }
}

/// runc's reading: when an argument is tested twice, each test is a rule of its own.
fn alternatives(tests: Vec<Test>) -> Vec<Vec<Test>> {
    let twice = (0..6).any(|n| tests.iter().filter(|test| test.argument == n).count() > 1);
    if twice { tests.into_iter().map(|test| vec![test]).collect() } else { vec![tests] }
}

fn test(argument: &super::profile::Argument, wide: bool) -> Test {
    let comparison = match argument.op {
        Operator::NotEqual => Comparison::NotEqual,
        Operator::Below => Comparison::Below,
        Operator::UpTo => Comparison::UpTo,
        Operator::Equal => Comparison::Equal,
        Operator::From => Comparison::From,
        Operator::Above => Comparison::Above,
        Operator::MaskedEqual => Comparison::Masked(argument.value),
    };
    let masked = argument.op == Operator::MaskedEqual;
    let value = if masked { argument.value_two } else { argument.value };
    Test { argument: argument.index, comparison, value, wide }
}

fn action(name: ActionName, errno: Option<u16>) -> Action {
    let errno = errno.unwrap_or(libc::EPERM as u16);
    match name {
        ActionName::Allow => Action::Allow,
        ActionName::Log => Action::Log,
        ActionName::Errno => Action::Errno(errno),
        ActionName::Trap => Action::Trap,
        ActionName::Trace => Action::Trace(errno),
        ActionName::KillThread => Action::KillThread,
        ActionName::KillProcess => Action::KillProcess,
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::interpreter::{Verdict, run};
    use super::super::{docker, filter};
    use super::*;
    use crate::capabilities::Capability;

    const EPERM: Verdict = Verdict::Errno(libc::EPERM);
    const ENOSYS: Verdict = Verdict::Errno(libc::ENOSYS);
    const RELEASE: &str = "6.18.0-test";

    fn number(name: &str) -> u32 {
        x86_64::NUMBERS.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// The answer of a profile to a call with these arguments.
    fn ask(profile: &str, name: &str, first: u64, second: u64) -> Verdict {
        let profile = Profile::parse(profile).unwrap();
        let program = compile(&profile, CapabilitySet::docker_default(), RELEASE);
        run(&program, AUDIT_ARCH_X86_64, number(name), [first, second, 0, 0, 0, 0])
    }

    #[test]
    fn rules_decide_as_dockers_do() {
        let profile = r#"{
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13,
            "syscalls": [
                {"names": ["read", "write", "absent_on_this_kernel"], "action": "SCMP_ACT_ALLOW"},
                {"name": "kill", "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
                {"name": "mkdir", "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
                {"name": "close", "action": "SCMP_ACT_KILL_PROCESS", "args":
                    [{"index": 0, "value": 7, "op": "SCMP_CMP_EQ"}]},
                {"name": "close", "action": "SCMP_ACT_ALLOW"},
                {"name": "dup", "action": "SCMP_ACT_KILL_PROCESS", "args":
                    [{"index": 0, "value": 7, "op": "SCMP_CMP_EQ"}]},
                {"name": "dup", "action": "SCMP_ACT_ALLOW", "args":
                    [{"index": 0, "value": 9, "op": "SCMP_CMP_LT"}]},
                {"name": "dup2", "action": "SCMP_ACT_ALLOW", "args": [
                    {"index": 0, "value": 3, "op": "SCMP_CMP_GE"},
                    {"index": 1, "value": 5, "op": "SCMP_CMP_LE"}]},
                {"name": "fcntl", "action": "SCMP_ACT_ALLOW", "args": [
                    {"index": 1, "value": 3, "op": "SCMP_CMP_EQ"},
                    {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}]},
                {"name": "mmap", "action": "SCMP_ACT_ALLOW", "args": [
                    {"index": 1, "value": 12, "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}]}
            ]}"#;
        let denied = Verdict::Errno(13);
        for (name, first, second, expected) in [
            ("read", 0, 0, Verdict::Allow),
            ("open", 0, 0, denied),
            ("kill", 0, 0, ENOSYS),
            ("mkdir", 0, 0, denied),
            ("close", 7, 0, Verdict::Allow),
            ("dup", 7, 0, Verdict::Kill),
            ("dup", 8, 0, Verdict::Allow),
            ("dup", 9, 0, denied),
            ("dup2", 3, 5, Verdict::Allow),
            ("dup2", 2, 5, denied),
            ("dup2", 3, 6, denied),
            ("dup2", 1 << 32, 5, Verdict::Allow),
            ("fcntl", 0, 3, Verdict::Allow),
            ("fcntl", 0, 5, Verdict::Allow),
            ("fcntl", 0, 4, denied),
            ("mmap", 0, 8, Verdict::Allow),
            ("mmap", 0, 9, Verdict::Allow),
            ("mmap", 0, 12, denied),
            ("clone3", 0, 0, ENOSYS),
        ] {
            assert_eq!(ask(profile, name, first, second), expected, "{name} {first} {second}");
        }
    }

    #[test]
    fn what_is_denied_by_name_leaves_the_rest() {
        let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_ERRNO"}]}"#;
        assert_eq!(ask(profile, "mkdir", 0, 0), EPERM);
        assert_eq!(ask(profile, "clone3", 0, 0), Verdict::Allow);
        let parsed = Profile::parse(profile).unwrap();
        let program = compile(&parsed, CapabilitySet::default(), RELEASE);
        assert_eq!(run(&program, AUDIT_ARCH_X86_64, 9999, [0; 6]), Verdict::Allow);
        assert_eq!(run(&program, AUDIT_ARCH_X86_64, X32 + 83, [0; 6]), ENOSYS);
        assert_eq!(run(&program, AUDIT_ARCH_I386, 39, [0; 6]), Verdict::Kill);
    }

    #[test]
    fn conditions_look_at_capabilities_kernel_and_architecture() {
        let ask = |condition: &str, capabilities: CapabilitySet, release: &str| {
            let profile = format!(
                r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                    {{"name": "mkdir", "action": "SCMP_ACT_ALLOW", {condition}}},
                    {{"name": "clone3", "action": "SCMP_ACT_ALLOW"}}]}}"#
            );
            let profile = Profile::parse(&profile).unwrap();
            let program = compile(&profile, capabilities, release);
            run(&program, AUDIT_ARCH_X86_64, number("mkdir"), [0; 6]) == Verdict::Allow
        };
        let none = CapabilitySet::default();
        let admin = none.with(Capability::SYS_ADMIN);
        let caps = r#""includes": {"caps": ["CAP_SYS_ADMIN"]}"#;
        assert!(ask(caps, admin, RELEASE) && !ask(caps, none, RELEASE));
        let caps = r#""excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}"#;
        assert!(!ask(caps, admin, RELEASE) && ask(caps, none, RELEASE));
        let kernel = r#""includes": {"minKernel": "4.8"}"#;
        assert!(
            ask(kernel, none, "4.8.0") && ask(kernel, none, "10.0") && !ask(kernel, none, "4.7.9")
        );
        let kernel = r#""excludes": {"minKernel": "4.8"}"#;
        assert!(!ask(kernel, none, "4.8.0") && ask(kernel, none, "4.7"));
        assert!(ask(r#""includes": {"arches": ["arm64", "amd64"]}"#, none, RELEASE));
        assert!(!ask(r#""includes": {"arches": ["arm64"]}"#, none, RELEASE));
        assert!(!ask(r#""excludes": {"arches": ["amd64"]}"#, none, RELEASE));
    }

    /// Two independent statements of the same profile: the published file through this compiler, and ours.
    #[test]
    fn dockers_file_means_what_ours_does() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/reference/moby-seccomp-default.json"
        );
        let Ok(text) = std::fs::read_to_string(path) else {
            return println!("skipped: {path} is not there");
        };
        let profile = Profile::parse(&text).unwrap();
        let default = CapabilitySet::docker_default();
        for capabilities in [
            default,
            CapabilitySet::default(),
            default.with(Capability::SYS_ADMIN),
            default.with(Capability::SYS_PTRACE).with(Capability::BPF),
            default.with(Capability::SYS_MODULE).with(Capability::SYS_TIME),
            default.with(Capability::SYS_NICE).with(Capability::SYSLOG),
        ] {
            compare(&profile, capabilities);
        }
    }

    fn compare(profile: &Profile, capabilities: CapabilitySet) {
        let theirs = compile(profile, capabilities, RELEASE);
        let ours = filter(capabilities);
        let mut compared = 0;
        for (architecture, numbers) in
            [(AUDIT_ARCH_X86_64, &x86_64::NUMBERS[..]), (AUDIT_ARCH_I386, &i386::NUMBERS[..])]
        {
            for (name, number) in numbers {
                // Stricter than Docker's, see the table in mod.rs.
                let stricter = *name == "socketcall";
                for first in [0, 1, 8, 17, 38, 39, 40, 41, 0x2_0008, 0x1000_0000, 0xffff_ffff] {
                    let arguments = [first, 0, 0, 0, 0, 0];
                    let wanted = run(&theirs, architecture, *number, arguments);
                    let given = run(&ours, architecture, *number, arguments);
                    // Beyond the last that the file names; calls that ours knows and denies.
                    let newer = wanted == ENOSYS && given == EPERM;
                    assert!(
                        wanted == given || stricter || newer,
                        "{name} {number} {first:#x}: {wanted:?} {given:?}"
                    );
                    compared += usize::from(wanted == given);
                }
            }
        }
        let all = 11 * (x86_64::NUMBERS.len() + i386::NUMBERS.len());
        assert!(compared + 200 > all, "{compared} of {all}");
        assert!(docker::rule("read", capabilities) == Rule::Always(Action::Allow));
    }
}
