//! Build checks and outlines without a build: nothing is executed, and base images need not be there.

use std::cell::RefCell;
use std::collections::BTreeSet;

use store::{ImageConfig, Platform, Reference, Store, StoreError};

use crate::error::BuildError;
use crate::plan::{self, BaseError, BaseImages, EpochSource, Outline};
use crate::progress::Warning;
use crate::request::{BuildRequest, NamedContext};
use crate::solve;

/// What is to be said about a Dockerfile.
#[derive(Debug)]
pub struct Checked {
    /// In the order of the file, also those found before the error.
    pub warnings: Vec<Warning>,
    pub error: Option<BuildError>,
}

/// The warnings of every stage (of those the target needs, when there is a target).
/// A base image the store does not have counts as an empty one; a warning without a rule says so.
pub fn check(request: &BuildRequest, store: Option<&Store>) -> Checked {
    let bases = Bases { request, store, missing: RefCell::default() };
    let mut found: Vec<Warning> = Vec::new();
    let error = check_all(request, &bases, &mut found).err();
    let mut warnings: Vec<Warning> = Vec::new();
    for warning in found {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings.sort_by_key(|warning| warning.span.map_or(usize::MAX, |span| span.start));
    warnings.extend(bases.say_missing());
    Checked { warnings, error }
}

/// What the target can be given: build arguments, secrets, agents, caches. Base images are as for [`check`];
/// those the store does not have are named in the warnings.
pub fn outline(
    request: &BuildRequest,
    store: Option<&Store>,
) -> Result<(Outline, Vec<Warning>), BuildError> {
    let bases = Bases { request, store, missing: RefCell::default() };
    let dockerfile = parser::parse(&request.dockerfile.text)?;
    // As with BuildKit: arguments do not differ by platform, their values may.
    let platforms = solve::platforms(request)?;
    let platform = platforms.into_iter().next().unwrap_or_else(Platform::host);
    let outline = plan::outline(&dockerfile, request, &platform, &bases)?;
    Ok((outline, bases.say_missing().into_iter().collect()))
}

/// The warnings of [`EXTRA_RULES`](crate::check_rules::EXTRA_RULES), which no build shows.
pub fn check_extra(request: &BuildRequest) -> Vec<Warning> {
    plan::warnings::check_extra(request)
}

fn check_all(
    request: &BuildRequest,
    bases: &Bases<'_>,
    found: &mut Vec<Warning>,
) -> Result<(), BuildError> {
    let dockerfile = parser::parse(&request.dockerfile.text)
        .inspect_err(|_| found.extend(plan::check_broken(request)))?;
    for platform in solve::platforms(request)? {
        let (warnings, result) = plan::check(&dockerfile, request, &platform, bases);
        found.extend(warnings);
        result?;
    }
    Ok(())
}

struct Bases<'a> {
    request: &'a BuildRequest,
    store: Option<&'a Store>,
    missing: RefCell<BTreeSet<String>>,
}

impl Bases<'_> {
    fn empty(&self, name: &str, platform: &Platform) -> ImageConfig {
        self.missing.borrow_mut().insert(format!("`{name}`"));
        ImageConfig::empty(platform)
    }

    fn say_missing(&self) -> Option<Warning> {
        let names: Vec<String> = self.missing.borrow().iter().cloned().collect();
        (!names.is_empty()).then(|| {
            Warning::remark(format!(
                "not in the store, checked as images without variables or settings: {}",
                names.join(", ")
            ))
        })
    }
}

impl BaseImages for Bases<'_> {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageConfig, BaseError> {
        let reference: Reference = name.parse()?;
        let Some(store) = self.store else { return Ok(self.empty(name, platform)) };
        match store.resolve_for(&reference.to_string(), platform) {
            Ok(image) => Ok(image.config),
            Err(StoreError::ImageNotFound { .. }) => Ok(self.empty(name, platform)),
            // One for another platform only: planning warns about it.
            Err(StoreError::NoPlatform { offered, .. }) if offered.len() == 1 => {
                Ok(store.resolve_for(&reference.to_string(), &offered[0])?.config)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn time_of_context(&self, _key: &str) -> Result<Option<i64>, BaseError> {
        // Nothing is fetched for a check, and no check depends on the time.
        Ok(None)
    }

    fn time_of_source(&self, _source: &EpochSource) -> Result<Option<i64>, BaseError> {
        Ok(None)
    }

    fn named(&self, key: &str, platform: &Platform) -> Result<Option<ImageConfig>, BaseError> {
        match (self.request.named_contexts.get(key), self.store) {
            (Some(NamedContext::Image(name)), _) => self.image(name, platform).map(Some),
            (Some(NamedContext::OciLayout { path, tag, digest }), Some(store)) => {
                let name = digest.as_deref().or(tag.as_deref());
                Ok(Some(store.open_layout(path, name)?.config))
            }
            (Some(NamedContext::OciLayout { .. }) | None, _) => Ok(Some(self.empty(key, platform))),
            // A directory, wherever it has to be fetched from.
            (Some(_), _) => Ok(None),
        }
    }
}
