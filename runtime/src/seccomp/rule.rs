//! What a filter does with one system call.

/// The decision about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Always(Action),
    /// That of the first clause that holds.
    First {
        clauses: Vec<Clause>,
        otherwise: Action,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    Log,
    Errno(u16),
    Trap,
    /// Reported to a tracer with this number; ENOSYS without one.
    Trace(u16),
    KillThread,
    KillProcess,
}

/// Holds if every test does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) tests: Vec<Test>,
    pub(super) action: Action,
}

/// A test of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) argument: u8,
    pub(super) comparison: Comparison,
    pub(super) value: u64,
    /// All 64 bits; else the low 32, which is all that the kernel looks at for many calls, and all that a
    /// 32-bit program has.
    pub(super) wide: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Below,
    UpTo,
    Above,
    From,
    /// Equal in these bits.
    Masked(u64),
}

impl Test {
    /// Of the low 32 bits.
    pub(super) fn low(argument: u8, comparison: Comparison, value: u32) -> Test {
        Test { argument, comparison, value: value.into(), wide: false }
    }
}
