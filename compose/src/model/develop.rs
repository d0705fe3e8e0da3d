//! `develop.watch`: what to do when files change.

use super::Hook;

record! {
    pub struct Develop {
        watch: Vec<Watch> = "watch",
    }
}

record! {
    pub struct Watch {
        path: String = "path",
        /// `sync`, `rebuild`, `restart`, `sync+restart` or `sync+exec`.
        action: String = "action",
        target: String = "target",
        exec: Hook = "exec",
        include: Vec<String> = "include",
        ignore: Vec<String> = "ignore",
        initial_sync: bool = "initial_sync",
    }
}
