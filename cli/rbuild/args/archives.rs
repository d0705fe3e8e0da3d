//! Arguments of the commands that bring images in and out: `load`, `save`, `import`, `export`,
//! `convert`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct LoadArgs {
    /// Archive (compressed or not) or directory of an OCI layout; `-` or nothing for stdin
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Show no progress; there is none, and the names are printed with it too, as by docker
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Of images for several platforms, load only this one
    #[arg(long)]
    pub(crate) platform: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchiveFormat {
    /// An OCI image layout in a tar archive
    #[value(alias = "oci-archive")]
    Oci,
    /// The same layout with docker's manifest.json beside it
    #[value(alias = "docker-archive")]
    Docker,
    /// An OCI image layout in a directory, which must be empty or not exist
    OciDir,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SaveArgs {
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Archive or directory; `-` or nothing for stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "docker")]
    pub(crate) format: ArchiveFormat,
    /// Write plain layers, whatever form they have in the store (default: as they came, built ones as gzip)
    #[arg(long, conflicts_with_all = ["compression", "compression_level", "force_compression"])]
    pub(crate) uncompressed: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    /// Of images for several platforms, save only this one
    #[arg(long)]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    /// Tar archive, compressed or not, or `-` for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Name of the new image
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Dockerfile instructions that describe the image; may be repeated
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    pub(crate) changes: Vec<String>,
    /// Text of the image's history entry
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Platform of the programs in the archive (default: this machine's)
    #[arg(long)]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    /// Name or ID of a container, or else of an image
    #[arg(value_name = "CONTAINER | IMAGE")]
    pub(crate) name: String,
    /// Tar archive; `-` or nothing for stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Of an image for several platforms, this one (default: this machine's)
    #[arg(long)]
    pub(crate) platform: Option<String>,
}

/// How layers are written.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct FormArgs {
    /// What layers that are not compressed get, and with `--force-compression` all: `gzip`, `zstd` or `uncompressed`
    /// (default: gzip; `convert` leaves layers as they are)
    #[arg(long, value_name = "TYPE")]
    pub(crate) compression: Option<String>,
    /// 0 to 9 for gzip, 1 to 22 for zstd
    #[arg(long, value_name = "NUMBER")]
    pub(crate) compression_level: Option<i32>,
    /// Layers that are compressed in another way get this compression too
    #[arg(long)]
    pub(crate) force_compression: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConvertArgs {
    /// `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` or `store:NAME`, where FILE may
    /// be `-` for stdin; without NAME all images there
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// The same; NAME replaces the names of the source, and only `store:NAME` changes the store's
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: String,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    /// Of images for several platforms, convert only this one (default: all of them)
    #[arg(long)]
    pub(crate) platform: Option<String>,
}
