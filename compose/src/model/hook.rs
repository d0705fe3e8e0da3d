//! Commands run around a container's life: `post_start`, `pre_stop`, `develop.watch.exec`.

use super::{Command, Environment};

record! {
    pub struct Hook {
        command: Command = "command",
        user: String = "user",
        privileged: bool = "privileged",
        working_dir: String = "working_dir",
        environment: Environment = "environment",
    }
}
