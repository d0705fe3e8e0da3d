//! Images of services from registries and to them: `rcompose pull`, `push`, and what `up` needs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use cli::registries::registries;
use cli::report::{self, Report};
use cli::{Exit, image_events};
use compose::Project;
use compose::model::Service;
use compose::stack::Host;
use store::registry::{PullOptions, PushOptions, Silent};
use store::{FormOptions, LayerForm, Platform, Reference};

use super::display::Look;
use super::pulls;
use super::stack::Call;
use crate::args::{PullArgs, PushArgs};

/// Layers that are plain in the store travel compressed; others go as they came.
const AS_DOCKER: PushOptions =
    PushOptions { form: FormOptions { form: LayerForm::GZIP, force: false }, by_digest: false };

/// Brings an image into the store, whether it is there or not.
pub(super) fn bring(call: Call<'_>, host: &Host, image: &str, platform: &str) -> Result<()> {
    let name: Reference = image.parse()?;
    let platform = Some(platform).filter(|text| !text.is_empty());
    let platform = platform.map(str::parse::<Platform>).transpose()?;
    let options = PullOptions { platform, unpack: true };
    tell(call, image, "Pulling")?;
    let pulled = registries(call.environment, true)?.pull(&host.store, &name, &options, &Silent);
    pulled.with_context(|| format!("cannot bring in the image `{image}`"))?;
    image_events::transferred(&host.store, &name, "pull");
    pulls::note(host, image);
    tell(call, image, "Pulled")
}

fn tell(call: Call<'_>, image: &str, word: &str) -> Result<()> {
    if call.look()? != Look::Quiet {
        report::print(&format!(" Image {image}  {word}"));
    }
    Ok(())
}

/// The images of the services that are meant, with a service for each.
fn images(project: &Project, built: bool) -> BTreeMap<String, &Service> {
    let services = project.services.iter();
    let meant = services.filter(|(_, service)| built || service.build.is_none());
    let named = meant.filter(|(_, service)| !service.image.is_empty());
    named.map(|(_, service)| (service.image.clone(), service)).collect()
}

pub(super) fn pull(args: &PullArgs, call: Call<'_>) -> Result<Exit> {
    let quiet = call.quiet_manner();
    let call = if args.quiet { Call { manner: &quiet, ..call } } else { call };
    let mut project = call.project()?;
    project.select(&args.services)?;
    if !args.include_deps && !args.services.is_empty() {
        project.services.retain(|name, _| args.services.contains(name));
    }
    let host = call.host()?;
    let images = images(&project, !args.ignore_buildable);
    let mut failure = None;
    for (image, service) in images {
        let is_there = host.store.resolve(&image).is_ok();
        let missing = args.policy.as_deref() == Some("missing");
        if service.build.is_some() || service.pull_policy == "never" || (missing && is_there) {
            tell(call, &image, "Skipped")?;
            continue;
        }
        if call.manner.dry_run {
            report::print(&format!(" DRY-RUN MODE -  pull image `{image}`"));
        } else if let Err(error) = bring(call, &host, &image, &service.platform) {
            match args.ignore_pull_failures {
                true => Report::warning(format!("{error:#}")).print(),
                false => failure = failure.or(Some(error)),
            }
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(Exit::Success),
    }
}

/// Those that have a build and a name.
pub(super) fn push(args: &PushArgs, call: Call<'_>) -> Result<Exit> {
    let quiet = call.quiet_manner();
    let call = if args.quiet { Call { manner: &quiet, ..call } } else { call };
    let mut project = call.project()?;
    project.select(&args.services)?;
    if !args.include_deps && !args.services.is_empty() {
        project.services.retain(|name, _| args.services.contains(name));
    }
    let host = call.host()?;
    for (image, service) in images(&project, true) {
        if service.build.is_none() {
            continue;
        }
        if call.manner.dry_run {
            report::print(&format!(" DRY-RUN MODE -  push image `{image}`"));
            continue;
        }
        let name: Reference = image.parse()?;
        let target = host.store.listed(&name.to_string())?.1;
        tell(call, &image, "Pushing")?;
        let pushed = registries(call.environment, true)?.push(
            &host.store,
            &target,
            &name,
            &AS_DOCKER,
            &Silent,
        );
        match (pushed, args.ignore_push_failures) {
            (Ok(_), _) => tell(call, &image, "Pushed")?,
            (Err(error), true) => Report::warning(error.to_string()).print(),
            (Err(error), false) => return Err(error.into()),
        }
    }
    Ok(Exit::Success)
}
