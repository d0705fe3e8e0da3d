//! Values that do not mean anything.

use std::io;
use std::path::PathBuf;

use runtime::{DeviceRuleError, ProfileError, UnknownCapability};

/// What is wrong with the text of a value. Whose value it is, whoever asks knows.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    #[error("`{text}` is not a size; write `64m` or `1g`")]
    Size { text: String },
    #[error("there is no signal {number}; they are 1 to {last}")]
    SignalNumber { number: i32, last: i32 },
    #[error("`{text}` is no signal; names are as in `kill -l`: TERM, INT, KILL, USR1")]
    Signal { text: String },
    #[error("the target `{text}` is not an absolute path")]
    RelativeTarget { text: String },
    #[error("the target cannot be `/`")]
    RootTarget,
    #[error("write a path from the root of the cgroups, without `..`")]
    CgroupParent,

    #[error(
        "the option `{option}` is not known; known are size=, mode=, uid=, gid=, nr_inodes=, ro, rw, \
         [no]exec, [no]suid, [no]dev, relatime, noatime, strictatime"
    )]
    TmpfsOption { option: String },
    #[error("`{option}`: `{value}` is no number")]
    Number { option: String, value: String },
    #[error("`{option}`: parts of the memory are not supported; write bytes, as in `64m`")]
    PartOfMemory { option: String },
    #[error("`{text}` is no octal mode")]
    Mode { text: String },

    #[error("expected PATH[:PATH_INSIDE][:rwm]")]
    DeviceForm,
    #[error("`{text}` is not an absolute path; devices by other names (CDI) are not supported")]
    DeviceName { text: String },
    #[error("cannot find `{}`", path.display())]
    Find { path: PathBuf, source: io::Error },
    #[error("cannot list `{}`", path.display())]
    List { path: PathBuf, source: io::Error },
    #[error("`{}` is no device", path.display())]
    NoDevice { path: PathBuf },
    #[error("`{}` is no disk", path.display())]
    NoDisk { path: PathBuf },
    #[error(transparent)]
    DeviceAccess(#[from] DeviceRuleError),

    #[error(transparent)]
    Capability(#[from] UnknownCapability),
    #[error("`{value}`: write `true` or `false`")]
    Switch { value: String },
    #[error("AppArmor profiles cannot be set yet; `unconfined` can")]
    AppArmor,
    #[error("SELinux labels cannot be set yet; `disable` can")]
    Selinux,
    #[error("it needs a value: `{name}=unconfined`")]
    SecurityValue { name: String },
    #[error(
        "it is not known; known are no-new-privileges, seccomp=FILE|unconfined, \
         systempaths=unconfined, writable-cgroups, apparmor=unconfined, label=disable"
    )]
    SecurityOption,
    #[error("cannot read `{path}`")]
    ReadProfile { path: String, source: io::Error },
    #[error("`{path}` is no seccomp profile")]
    Profile { path: String, source: ProfileError },

    #[error("the log driver `{name}` is not supported; known are json-file and none")]
    LogDriver { name: String },
    #[error("the log driver `none` has no options")]
    LogOptionOfNone,
    #[error("a log of no size holds nothing")]
    LogSize,
    #[error("it is no number above 0")]
    LogFiles,
    #[error("it is not supported; known are max-size, max-file, labels and env")]
    LogOption,
    #[error("`max-file={files}` needs `max-size`")]
    LogFilesWithoutSize { files: u32 },

    #[error("it is not an IP address")]
    Address,
    #[error("it is empty or has spaces; give each by itself")]
    ResolverWord,
}
