//! `develop.watch`: which changes of which files mean what.
//!
//! | file       | what                                                        |
//! |------------|-------------------------------------------------------------|
//! | `rule.rs`  | a trigger of a service: which paths it is about               |
//! | `files.rs` | what changes below directories, told by inotify               |
//! | `work.rs`  | a batch of changes to what has to be done                     |

mod files;
mod rule;
mod work;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use files::FileWatcher;
pub use rule::{Action, Rule, Rules, rules};
pub use work::{Sync, Work};

/// Why nothing can be watched.
#[derive(Debug, Error)]
pub enum WatchError {
    #[error(
        "none of the selected services is configured for watch, consider setting a 'develop' section"
    )]
    Nothing,
    #[error("can't watch service \"{service}\" with action {action} without a build context")]
    NoBuild { service: String, action: String },
    #[error("service `{service}`: `develop.watch`: `{action}` is no action")]
    Action { service: String, action: String },
    #[error("service `{service}`: `develop.watch`: action {action} needs a `target`")]
    NoTarget { service: String, action: String },
    #[error("service `{service}`: `develop.watch`: action sync+exec needs `exec.command`")]
    NoCommand { service: String },
    #[error("service `{service}`: `develop.watch`: bad pattern")]
    Pattern { service: String, source: builder::context::ignore::IgnoreError },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot watch `{}`", path.display())]
    Watch { path: PathBuf, source: io::Error },
    #[error("too many directories to watch: `{}` is one more than the system allows", path.display())]
    TooMany { path: PathBuf },
}

impl WatchError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            WatchError::TooMany { .. } => Some(
                "raise the limit: `sysctl fs.inotify.max_user_watches=524288`, or ignore some"
                    .to_owned(),
            ),
            WatchError::Action { .. } => {
                Some("known are sync, rebuild, restart, sync+restart and sync+exec".to_owned())
            }
            _ => None,
        }
    }
}
