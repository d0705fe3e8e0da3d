//! What a shim and its clients say to each other. See `docs/decisions/0007` for what may change.
//!
//! Frames are eight bytes of length and JSON ([`crate::zygote::channel`]). The client begins with [`Hello`]; the
//! shim answers [`Welcome`]. Then requests and replies; every request gets a reply, and replies that nobody asked for
//! are [`Reply::Ended`] only, and [`Reply::Phases`] to who has made a shim for that.
use serde::{Deserialize, Serialize};

use crate::error::StartFailure;
use crate::phases::PhaseEnd;

/// The versions spoken here.
pub(crate) const LOWEST: u32 = 1;
pub(crate) const HIGHEST: u32 = 1;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) lowest: u32,
    pub(crate) highest: u32,
}

/// The version to speak, none if there is no common one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) version: Option<u32>,
    pub(crate) lowest: u32,
    pub(crate) highest: u32,
}

impl Welcome {
    pub(crate) fn to(hello: Hello) -> Welcome {
        let version = hello.highest.min(HIGHEST);
        let common = version >= LOWEST && version >= hello.lowest;
        Welcome { version: common.then_some(version), lowest: LOWEST, highest: HIGHEST }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Starts the container; the first request to a new shim, and only then.
    Begin {
        /// The size of the terminal, if it gets one.
        rows: u16,
        columns: u16,
    },
    /// With the far ends of pipes, in this order: what is read from as standard input, what is written to as
    /// standard output and as standard error, as far as they are asked for.
    Attach { input: bool, output: bool, errors: bool },
    /// The container's terminal is this large now.
    Resize { rows: u16, columns: u16 },
    /// A signal to the container's first process.
    Signal { signal: i32 },
    /// Ends it: `signal` or else the one of its definition, then SIGKILL after so many seconds (-1: never; none: as its definition says).
    Stop { signal: Option<i32>, timeout: Option<i64> },
    /// All its processes stand still.
    Pause,
    /// They go on.
    Unpause,
    /// Its definition has other limits or another restart policy now.
    Reload,
    /// Nobody sees any more what it writes: it is to notice.
    CloseOutput,
    /// [`Reply::Ended`] whenever the container ends from now on.
    Wait,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(crate) enum Reply {
    Done,
    /// The container could not be started.
    Failed {
        step: String,
        cause: String,
        failure: StartFailure,
    },
    /// A request that could not be fulfilled.
    Error {
        message: String,
    },
    /// The container has ended; `last` if it will not be started again by itself.
    Ended {
        exit_code: i32,
        error: String,
        last: bool,
    },
    /// Only to who has made the shim and asked for it, before [`Reply::Done`] of the start and before the last
    /// [`Reply::Ended`]: the phases that are over.
    Phases {
        ended: Vec<PhaseEnd>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_spoken() {
        let table = [
            ((1, 1), Some(1)),
            // A later client that still speaks ours.
            ((1, 7), Some(1)),
            ((2, 7), None),
            ((0, 0), None),
        ];
        for ((lowest, highest), expected) in table {
            assert_eq!(Welcome::to(Hello { lowest, highest }).version, expected);
        }
    }

    #[test]
    fn requests_of_later_clients_are_read_as_far_as_they_are_known() {
        let text = r#"{"request":"signal","signal":15,"reason":"new in version 2"}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(request, Request::Signal { signal: 15 });
        assert!(serde_json::from_str::<Request>(r#"{"request":"freeze"}"#).is_err());
    }
}
