//! From a parsed Dockerfile to the steps of every stage the target needs. Touches nothing: the configurations
//! of base images come through [`BaseImages`].

mod error;

use parser::{Dockerfile, Span};
use store::{ImageConfig, Platform};

pub use error::{PlanError, PlanErrorKind};

use crate::progress::Warning;
use crate::request::BuildRequest;
use crate::step::{PlannedStep, StageId};

/// Everything the build does, stages in an order in which each comes after those it reads from.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildPlan {
    pub stages: Vec<PlannedStage>,
    /// The stage whose state and configuration become the image.
    pub target: StageId,
    pub platform: Platform,
    /// Seconds since 1970: times in the image, when given.
    pub source_date_epoch: Option<i64>,
    pub warnings: Vec<Warning>,
}

/// One stage, for one platform.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStage {
    /// The name in the Dockerfile, else `stage-N`; empty when the file has only one stage.
    pub name: String,
    pub base: Base,
    pub platform: Platform,
    /// `--no-cache`: its steps run even when the cache has them.
    pub no_cache: bool,
    pub steps: Vec<PlannedStep>,
    /// The configuration after the last instruction, history included. `rootfs` is the base's, `created` is empty.
    pub config: ImageConfig,
    /// The FROM instruction.
    pub span: Span,
}

/// What a stage starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    Scratch,
    Stage(StageId),
    /// By the name given to [`BaseImages`].
    Image(String),
    /// A named context (directory, OCI layout or image), by its key in the request.
    Named(String),
}

/// The images a Dockerfile starts from.
pub trait BaseImages {
    /// The configuration of an image by the name in the Dockerfile (`busybox`, `debian:12@sha256:…`).
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageConfig, BaseError>;

    /// The configuration of a named context by its key in the request; none for a plain directory.
    fn named(&self, name: &str, platform: &Platform) -> Result<Option<ImageConfig>, BaseError>;
}

/// Why a base image is not available; becomes the source of a [`PlanError`] with the place of its FROM.
pub type BaseError = Box<dyn std::error::Error + Send + Sync>;

/// Plans a build for one platform.
pub fn plan(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    platform: &Platform,
    images: &dyn BaseImages,
) -> Result<BuildPlan, PlanError> {
    let _ = (dockerfile, request, platform, images);
    Err(PlanError::new(PlanErrorKind::NoStages))
}
