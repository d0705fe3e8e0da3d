//! The command lines about containers that exist.

use clap::Args as ClapArgs;

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ServicesArgs {
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct StartArgs {
    /// Wait until services are healthy or running
    #[arg(long)]
    pub(crate) wait: bool,
    /// Seconds that `--wait` waits at most
    #[arg(long, value_name = "SECONDS")]
    pub(crate) wait_timeout: Option<u64>,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct StopArgs {
    /// Seconds until SIGKILL; -1 is never
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct RestartArgs {
    /// Seconds until SIGKILL; -1 is never
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
    /// Leave alone what depends on the services
    #[arg(long)]
    pub(crate) no_deps: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct KillArgs {
    /// Signal to send
    #[arg(short, long, default_value = "SIGKILL")]
    pub(crate) signal: String,
    /// Those of services that the project does not have as well
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct RmArgs {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Stop those that run
    #[arg(short, long)]
    pub(crate) stop: bool,
    /// Remove anonymous volumes too
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// Has no effect: containers of `run` are left alone
    #[arg(short, long, hide = true)]
    pub(crate) all: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct WaitArgs {
    /// Take the project down when the first has ended
    #[arg(long)]
    pub(crate) down_project: bool,
    #[arg(required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ScaleArgs {
    /// Leave out what the services depend on
    #[arg(long)]
    pub(crate) no_deps: bool,
    #[arg(required = true, value_name = "SERVICE=N")]
    pub(crate) scale: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ExecArgs {
    /// Do not wait for it
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Set an environment variable
    #[arg(short, long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Which container of the service
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u32>,
    /// Give it no terminal
    #[arg(short = 'T', long = "no-TTY", alias = "no-tty")]
    pub(crate) no_tty: bool,
    /// Stdin is open in any case
    #[arg(short, long, hide = true)]
    pub(crate) interactive: bool,
    /// A terminal is given whenever there is one
    #[arg(short = 't', long, hide = true)]
    pub(crate) tty: bool,
    /// Give it all capabilities and no seccomp filter
    #[arg(long)]
    pub(crate) privileged: bool,
    /// User, as name or number: `user[:group]`
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct AttachArgs {
    /// Which container of the service
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<u32>,
    /// Do not attach to its standard input
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Pass signals on to the container
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) sig_proxy: Option<bool>,
    /// Keys that detach from the container (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
}
