//! The command lines that bring a project up, and take it down.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct UpArgs {
    /// Leave the containers to themselves
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Wait until services are healthy or running, and leave them to themselves
    #[arg(long)]
    pub(crate) wait: bool,
    /// Seconds that `--wait` waits at most
    #[arg(long, value_name = "SECONDS")]
    pub(crate) wait_timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) make: MakeArgs,
    /// Do not start what is made
    #[arg(long)]
    pub(crate) no_start: bool,
    /// Leave out what the services depend on
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Make anew what the services depend on as well
    #[arg(long)]
    pub(crate) always_recreate_deps: bool,
    /// Make anonymous volumes anew
    #[arg(short = 'V', long)]
    pub(crate) renew_anon_volumes: bool,
    /// Stop all when a container ends
    #[arg(long, conflicts_with = "detach")]
    pub(crate) abort_on_container_exit: bool,
    /// Stop all when a container fails
    #[arg(long, conflicts_with = "detach")]
    pub(crate) abort_on_container_failure: bool,
    /// Stop all when a container ends, and end with the exit code of this service's
    #[arg(long, value_name = "SERVICE", conflicts_with = "detach")]
    pub(crate) exit_code_from: Option<String>,
    /// Show output of these services only
    #[arg(long, value_name = "SERVICE", conflicts_with = "detach")]
    pub(crate) attach: Vec<String>,
    /// Show no output of these services
    #[arg(long, value_name = "SERVICE", conflicts_with = "detach")]
    pub(crate) no_attach: Vec<String>,
    /// Show output of what the services depend on as well
    #[arg(long, conflicts_with = "detach")]
    pub(crate) attach_dependencies: bool,
    /// Output without colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// Output without the names of containers
    #[arg(long)]
    pub(crate) no_log_prefix: bool,
    /// Output with times
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Say nothing of builds
    #[arg(long)]
    pub(crate) quiet_build: bool,
    /// Bring what changes in the files here into the containers
    #[arg(short, long, conflicts_with = "detach")]
    pub(crate) watch: bool,
    /// Has no effect: nothing is asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Has no effect when `false`: there is no menu while attached
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true, action = clap::ArgAction::Set)]
    pub(crate) menu: Option<bool>,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

/// What `up` and `create` have in common.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct MakeArgs {
    /// Build images first
    #[arg(long)]
    pub(crate) build: bool,
    /// Build no image
    #[arg(long, conflicts_with = "build")]
    pub(crate) no_build: bool,
    /// When to pull images: `always`, `missing` or `never`
    #[arg(long, value_name = "POLICY")]
    pub(crate) pull: Option<String>,
    /// Do not say what is pulled
    #[arg(long)]
    pub(crate) quiet_pull: bool,
    /// Make containers anew even if nothing changed
    #[arg(long)]
    pub(crate) force_recreate: bool,
    /// Leave containers as they are even if something changed
    #[arg(long, conflicts_with = "force_recreate")]
    pub(crate) no_recreate: bool,
    /// Remove containers of services that the project does not have
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// Number of containers: `SERVICE=N`
    #[arg(long, value_name = "SERVICE=N")]
    pub(crate) scale: Vec<String>,
    /// Seconds to wait for containers that are stopped
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) make: MakeArgs,
    /// Has no effect: nothing is asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct DownArgs {
    /// Remove volumes too: named ones of the project, and anonymous ones
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// Remove images of services
    #[arg(long, value_name = "WHICH")]
    pub(crate) rmi: Option<RemovedImages>,
    /// Remove containers of services that the project does not have
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// Seconds to wait for containers that are stopped
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RemovedImages {
    /// Those without a name of their own
    Local,
    All,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Leave it to itself and print its name
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// Name of the container
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Leave out what the service depends on
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Build the image first
    #[arg(long)]
    pub(crate) build: bool,
    /// Set an environment variable
    #[arg(short, long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Add or override a label
    #[arg(short, long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Program instead of the entry point
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// User, as name or number: `user[:group]`
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Keep stdin open
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub(crate) interactive: bool,
    /// Give it no terminal
    #[arg(short = 'T', long = "no-TTY", alias = "no-tty")]
    pub(crate) no_tty: bool,
    /// As `-i`, `-t` of docker; a terminal is given whenever there is one
    #[arg(short = 't', long = "tty", hide = true)]
    pub(crate) tty: bool,
    /// Publish a port
    #[arg(short, long, value_name = "PORT")]
    pub(crate) publish: Vec<String>,
    /// Publish the service's ports
    #[arg(short = 'P', long)]
    pub(crate) service_ports: bool,
    /// Give it the service's names on its networks
    #[arg(long)]
    pub(crate) use_aliases: bool,
    /// Mount something: `SOURCE:TARGET[:OPTIONS]`
    #[arg(short, long = "volume", value_name = "SPEC")]
    pub(crate) volumes: Vec<String>,
    /// Add capabilities
    #[arg(long)]
    pub(crate) cap_add: Vec<String>,
    /// Take capabilities away
    #[arg(long)]
    pub(crate) cap_drop: Vec<String>,
    /// Read environment variables from a file
    #[arg(long = "env-from-file", value_name = "FILE")]
    pub(crate) env_files: Vec<PathBuf>,
    /// Remove containers of services that the project does not have
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// When to pull images: `always`, `missing` or `never`
    #[arg(long, value_name = "POLICY")]
    pub(crate) pull: Option<String>,
    /// Say nothing of builds
    #[arg(long)]
    pub(crate) quiet_build: bool,
    /// Do not say what is pulled
    #[arg(long)]
    pub(crate) quiet_pull: bool,
    /// Say nothing of what is done before
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct PullArgs {
    /// Leave out images that can be built
    #[arg(long)]
    pub(crate) ignore_buildable: bool,
    /// Go on when an image cannot be pulled
    #[arg(long)]
    pub(crate) ignore_pull_failures: bool,
    /// Those of what the services depend on as well
    #[arg(long)]
    pub(crate) include_deps: bool,
    /// `missing` or `always`
    #[arg(long, value_name = "POLICY", value_parser = ["missing", "always"])]
    pub(crate) policy: Option<String>,
    /// Do not say what is pulled
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct PushArgs {
    /// Go on when an image cannot be pushed
    #[arg(long)]
    pub(crate) ignore_push_failures: bool,
    /// Those of what the services depend on as well
    #[arg(long)]
    pub(crate) include_deps: bool,
    /// Do not say what is pushed
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}
