//! The command lines about indexes: docker's, and podman's where docker has none.

use clap::{Args, Subcommand, ValueEnum};
use store::registry::ListKind;

#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    #[command(subcommand)]
    pub(crate) command: ManifestCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ManifestCommand {
    /// Put more images into a list
    Add(ManifestAddArgs),
    /// Say of an image in a list for which machine it is
    Annotate(ManifestAnnotateArgs),
    /// Begin a list, of images of the store or of registries
    Create(ManifestCreateArgs),
    /// Whether there is such a list, by the exit status
    Exists(ManifestExistsArgs),
    /// Show a list, or the manifest or index of a registry
    Inspect(ManifestInspectArgs),
    /// Send a list to its registry, with the images it lists
    Push(ManifestPushArgs),
    /// Take an image out of a list
    Remove(ManifestRemoveArgs),
    /// Forget lists
    Rm(ManifestRmArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ManifestCreateArgs {
    /// Name of the list, as it is to be in the registry
    #[arg(value_name = "LIST")]
    pub(crate) list: String,
    /// Of the store, else of a registry
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Go on with a list that is there
    #[arg(short, long)]
    pub(crate) amend: bool,
    /// Of an image for several platforms all of them, not only that of this machine
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestAddArgs {
    /// Name of the list, as it is to be in the registry
    #[arg(value_name = "LIST")]
    pub(crate) list: String,
    /// Of the store, else of a registry
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Of an image for several platforms all of them, not only that of this machine
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) described: DescribedArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestAnnotateArgs {
    /// Name of the list, as it is to be in the registry
    #[arg(value_name = "LIST")]
    pub(crate) list: String,
    /// The name it was put in by, or its digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) described: DescribedArgs,
}

/// What a list says of an image.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DescribedArgs {
    #[arg(long, value_name = "ARCHITECTURE")]
    pub(crate) arch: Option<String>,
    #[arg(long, value_name = "SYSTEM")]
    pub(crate) os: Option<String>,
    #[arg(long, value_name = "VERSION")]
    pub(crate) os_version: Option<String>,
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    pub(crate) os_features: Vec<String>,
    #[arg(long, value_name = "VARIANT")]
    pub(crate) variant: Option<String>,
    #[arg(long = "annotation", value_name = "NAME=VALUE")]
    pub(crate) annotations: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestInspectArgs {
    /// A list or a name in a registry; or a list and an image in it
    #[arg(required = true, num_args = 1..=2, value_name = "[LIST] MANIFEST")]
    pub(crate) names: Vec<String>,
    /// Manifests too, and where they come from
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// What refers to it in its registry: signatures, provenance
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) referrers: bool,
    /// Of that only what has this type
    #[arg(long, requires = "referrers", value_name = "TYPE")]
    pub(crate) artifact_type: Option<String>,
    /// `json` (one line) or a template
    #[arg(long)]
    pub(crate) format: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestPushArgs {
    /// Name of the list, as it is to be in the registry
    #[arg(value_name = "LIST")]
    pub(crate) list: String,
    /// Under another name than its own (`docker://` before it may be there)
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: Option<String>,
    /// Forget the list then
    #[arg(short, long, visible_alias = "rm")]
    pub(crate) purge: bool,
    /// Whose kind of index it is to be (default: docker's if all images are of docker's kind)
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) format: Option<IndexFormat>,
    /// Has no effect: the images of the list go along always
    #[arg(long, hide = true)]
    pub(crate) all: bool,
    /// Print the digest only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestRemoveArgs {
    /// Name of the list, as it is to be in the registry
    #[arg(value_name = "LIST")]
    pub(crate) list: String,
    /// The name it was put in by, or its digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestRmArgs {
    /// Name of the list, as it is to be in the registry
    #[arg(required = true, value_name = "LIST")]
    pub(crate) lists: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestExistsArgs {
    /// Name of the list, as it is to be in the registry
    #[arg(value_name = "LIST")]
    pub(crate) list: String,
}

/// How sure to be of whom one talks to, in docker's word and in podman's.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrustArgs {
    /// Take any certificate, and plain HTTP where there is no TLS
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    tls: super::registry::TlsArgs,
}

impl TrustArgs {
    /// Whether certificates are checked.
    pub(crate) fn verify(&self) -> bool {
        !self.insecure && self.tls.tls_verify
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IndexFormat {
    Oci,
    #[value(alias = "docker")]
    V2s2,
}

impl From<IndexFormat> for ListKind {
    fn from(format: IndexFormat) -> ListKind {
        match format {
            IndexFormat::Oci => ListKind::Oci,
            IndexFormat::V2s2 => ListKind::Docker,
        }
    }
}
