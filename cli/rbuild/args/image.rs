//! Commands that look at images and name them, alone and as `rbuild image …`.

use clap::{Args, Subcommand};

use super::{BuildArgs, ImagePruneArgs, ImportArgs, LoadArgs, PullArgs, PushArgs, SaveArgs};

#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    pub(crate) command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Build an image from a Dockerfile
    Build(Box<BuildArgs>),
    /// Show the steps an image was built by
    History(HistoryArgs),
    /// Make an image of a tar archive of a root filesystem
    Import(ImportArgs),
    /// Show images in full, as JSON
    Inspect(ImageInspectArgs),
    /// Load images from an archive
    Load(LoadArgs),
    /// List images
    #[command(visible_alias = "list")]
    Ls(ImagesArgs),
    /// Remove images without names
    Prune(ImagePruneArgs),
    /// Get an image from a registry
    Pull(PullArgs),
    /// Send an image to a registry
    Push(PushArgs),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(RmiArgs),
    /// Save images to an archive
    Save(SaveArgs),
    /// Give an image another name
    Tag(TagArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImagesArgs {
    /// Only names that match, with or without tag: `app`, `app:1`, `team/*`
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
    /// Has no effect: steps leave no intermediate images, the list is always complete
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show manifest digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// Only what fits: `dangling=`, `label=`, `before=`, `since=`, `until=`, `reference=`
    #[arg(short, long = "filter", value_name = "NAME=VALUE")]
    pub(crate) filters: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Do not shorten IDs
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print image IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `rbuild image inspect`
#[derive(Debug, Args)]
pub(crate) struct ImageInspectArgs {
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// `json` (one line) or a template for each image
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// The image for this platform, where a name stands for several
    #[arg(long)]
    pub(crate) platform: Option<String>,
}

/// `rbuild inspect`: docker's finds other things than images too.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) image: ImageInspectArgs,
    /// What to look for: `container` or `image` (default: both, in this order)
    #[arg(long = "type", value_name = "TYPE", value_parser = object_type)]
    pub(crate) object_type: Option<ObjectType>,
    /// How much disk each container takes; has no effect on images
    #[arg(short, long)]
    pub(crate) size: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Sizes in units and times as ages (`--human=false`: bytes and dates)
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub(crate) human: bool,
    /// Do not shorten the steps
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print image IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The image for this platform, where a name stands for several
    #[arg(long)]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Name or ID
    #[arg(value_name = "IMAGE")]
    pub(crate) source: String,
    #[arg(value_name = "NAME")]
    pub(crate) target: String,
}

#[derive(Debug, Args)]
pub(crate) struct RmiArgs {
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Remove all names of an image given by ID; absent images are no error
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Has no effect: there are no parents without names that would go too
    #[arg(long)]
    pub(crate) no_prune: bool,
}

/// What `rbuild inspect` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectType {
    Container,
    Image,
    Network,
    Volume,
}

fn object_type(text: &str) -> Result<ObjectType, String> {
    match text {
        "container" => Ok(ObjectType::Container),
        "image" => Ok(ObjectType::Image),
        "network" => Ok(ObjectType::Network),
        "volume" => Ok(ObjectType::Volume),
        _ => Err("only containers, images, networks and volumes can be inspected".to_owned()),
    }
}
