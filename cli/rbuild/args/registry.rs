//! Commands that ask registries.

use clap::{ArgAction, Args, ValueEnum};

use super::FormArgs;

/// When `run` and `create` ask a registry for the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullPolicy {
    /// Every time
    Always,
    /// When it is not in the store
    #[default]
    Missing,
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Images, each by a tag (`latest` where there is none) or by its digest
    #[arg(required = true, value_name = "NAME[:TAG|@DIGEST]")]
    pub(crate) names: Vec<String>,
    /// The image for this platform (default: this machine's)
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Print the name only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// An image of the store, named as it is to be in the registry (see `rbuild tag`)
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: String,
    /// Only the image for this platform, where a name stands for several
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Print the name only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// How sure a command has to be of whom it talks to.
#[derive(Clone, Debug, Args)]
pub(crate) struct TlsArgs {
    /// `--tls-verify=false`: take any certificate, and plain HTTP where there is no TLS
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL")]
    pub(crate) tls_verify: bool,
    /// Has no effect: signatures of docker's content trust are not looked at
    #[arg(long, num_args = 0..=1, require_equals = true, hide = true)]
    pub(crate) disable_content_trust: Option<Option<bool>>,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Registry (default: docker's)
    #[arg(value_name = "SERVER")]
    pub(crate) server: Option<String>,
    /// Who logs in (asked for on a terminal)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Password, which other users of this machine can see; better is `--password-stdin`
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) password: Option<String>,
    /// Take the password from stdin
    #[arg(long, conflicts_with = "password")]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// Registry (default: docker's)
    #[arg(value_name = "SERVER")]
    pub(crate) server: Option<String>,
}
