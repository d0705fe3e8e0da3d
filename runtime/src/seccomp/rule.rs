//! What a filter does with one system call.

/// The decision about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Allow,
    Errno(u16),
    /// Allowed if any test holds, else EPERM.
    AllowIf(Vec<Test>),
}

/// A test of the low 32 bits of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Below {
        argument: u8,
        value: u32,
    },
    Equal {
        argument: u8,
        value: u32,
    },
    Above {
        argument: u8,
        value: u32,
    },
    /// None of these bits is set.
    NoneOf {
        argument: u8,
        bits: u32,
    },
}
