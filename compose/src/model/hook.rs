//! Commands run around a container's life: `post_start`, `pre_stop`, `develop.watch.exec`.

use super::{Command, Environment};

record! {
    pub struct Hook {
        command: Command = "command" json_kept,
        user: String = "user",
        privileged: bool = "privileged",
        working_dir: String = "working_dir",
        environment: Environment = "environment",
        /// Of `pre_start` only: another image to run the command in.
        image: String = "image",
        /// Of `pre_start` only: once for each replica.
        per_replica: bool = "per_replica",
    }
}
