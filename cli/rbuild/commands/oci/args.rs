//! The command line of an OCI runtime, as runc's callers type it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs containers of OCI bundles.
#[derive(Debug, Parser)]
#[command(
    name = "rbuild-oci",
    version = concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.2.0"),
    disable_help_subcommand = true
)]
pub(super) struct OciArgs {
    /// Where the state of containers is kept
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) root: Option<PathBuf>,
    /// Where errors and warnings are written, beside standard error
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// How they are written there
    #[arg(long, value_enum, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Write what is asked for, too
    #[arg(long)]
    pub(super) debug: bool,
    #[arg(long, hide = true)]
    pub(super) systemd_cgroup: bool,
    #[command(subcommand)]
    pub(super) command: OciCommand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum OciCommand {
    /// Make a container that waits to be started
    Create(BundleArgs),
    /// Start the program of a container that waits
    Start(IdArgs),
    /// Create and start a container
    Run(RunArgs),
    /// Run another program in a container
    Exec(Box<ExecArgs>),
    /// Show the state of a container, as JSON
    State(IdArgs),
    /// Send a signal to a container
    Kill(KillArgs),
    /// Remove a container that has stopped
    Delete(DeleteArgs),
    /// List containers
    List(ListArgs),
    /// List the processes of a container
    Ps(PsArgs),
    /// Stop all processes of a container where they are
    Pause(IdArgs),
    /// Let them go on
    Resume(IdArgs),
    /// Change the limits of a container
    Update(UpdateArgs),
    /// Show what a container uses
    Events(EventsArgs),
    /// Write an example of a config.json
    Spec(SpecArgs),
    /// Show what this runtime can do, as JSON
    Features,
}

#[derive(Debug, Args)]
pub(super) struct IdArgs {
    pub(super) id: String,
}

/// What passes between a program and who starts it.
#[derive(Debug, Args)]
pub(super) struct ProgramArgs {
    /// A socket that takes the terminal
    #[arg(long, value_name = "SOCKET")]
    pub(super) console_socket: Option<PathBuf>,
    /// Where the number of its process is written
    #[arg(long, value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on the program inherits
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(super) preserve_fds: u32,
}

#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    /// The directory with config.json
    #[arg(long, short, value_name = "DIRECTORY", default_value = ".")]
    pub(super) bundle: PathBuf,
    #[command(flatten)]
    pub(super) program: ProgramArgs,
    #[arg(long, hide = true)]
    pub(super) no_pivot: bool,
    #[arg(long, hide = true)]
    pub(super) no_new_keyring: bool,
    pub(super) id: String,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Do not wait for its end
    #[arg(long, short)]
    pub(super) detach: bool,
    /// Do not delete it after its end
    #[arg(long)]
    pub(super) keep: bool,
    #[command(flatten)]
    pub(super) bundle: BundleArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// The program, as `process` of a config.json
    #[arg(long, short, value_name = "FILE")]
    pub(super) process: Option<PathBuf>,
    /// Do not wait for its end
    #[arg(long, short)]
    pub(super) detach: bool,
    /// Give it a terminal
    #[arg(long, short)]
    pub(super) tty: bool,
    #[command(flatten)]
    pub(super) program: ProgramArgs,
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) cwd: Option<PathBuf>,
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,
    /// UID[:GID]
    #[arg(long, short, value_name = "UID[:GID]")]
    pub(super) user: Option<String>,
    #[arg(long, short = 'g', value_name = "GID")]
    pub(super) additional_gids: Vec<u32>,
    /// More capabilities
    #[arg(long, short, value_name = "NAME")]
    pub(super) cap: Vec<String>,
    #[arg(long)]
    pub(super) no_new_privs: bool,
    #[arg(long, hide = true)]
    pub(super) apparmor: Option<String>,
    #[arg(long, hide = true)]
    pub(super) process_label: Option<String>,
    #[arg(long, hide = true)]
    pub(super) cgroup: Option<String>,
    pub(super) id: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct KillArgs {
    /// All its processes
    #[arg(long, short)]
    pub(super) all: bool,
    pub(super) id: String,
    #[arg(default_value = "SIGTERM")]
    pub(super) signal: String,
}

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// End it first; one that is not there is no error
    #[arg(long, short)]
    pub(super) force: bool,
    pub(super) id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TableOrJson {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[arg(long, short, value_enum, default_value = "table")]
    pub(super) format: TableOrJson,
    /// Only IDs
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct PsArgs {
    #[arg(long, short, value_enum, default_value = "table")]
    pub(super) format: TableOrJson,
    pub(super) id: String,
    /// Options of `ps` that choose columns
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) options: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// `linux.resources` of a config.json; `-` is standard input
    #[arg(long, short, value_name = "FILE")]
    pub(super) resources: PathBuf,
    pub(super) id: String,
}

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// Once, and no more
    #[arg(long)]
    pub(super) stats: bool,
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub(super) interval: String,
    pub(super) id: String,
}

#[derive(Debug, Args)]
pub(super) struct SpecArgs {
    /// The directory it is written into
    #[arg(long, short, value_name = "DIRECTORY", default_value = ".")]
    pub(super) bundle: PathBuf,
    #[arg(long, hide = true)]
    pub(super) rootless: bool,
}

/// Whether this program was called as an OCI runtime: by the name of its file, or by a hidden word.
pub(super) fn words(all: impl IntoIterator<Item = OsString>) -> Option<Vec<OsString>> {
    let mut all = all.into_iter();
    let program = all.next()?;
    let own_name = PathBuf::from(&program);
    let is_runtime = own_name.file_name().is_some_and(|name| name == super::FILE_NAME);
    let rest: Vec<OsString> = all.collect();
    match rest.split_first() {
        _ if is_runtime => Some([vec![program], rest].concat()),
        Some((word, rest)) if word == super::VERB => {
            Some([std::slice::from_ref(&program), rest].concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<usize> {
        words(line.split(' ').map(OsString::from)).map(|words| words.len())
    }

    #[test]
    fn a_word_or_a_file_name_make_it_a_runtime() {
        assert_eq!(found("/usr/bin/rbuild oci state c1"), Some(3));
        assert_eq!(found("/usr/bin/rbuild-oci state c1"), Some(3));
        assert_eq!(found("rbuild ps"), None);
        assert_eq!(found("rbuild"), None);
        assert_eq!(found("rbuild-oci"), Some(1));
    }
}
