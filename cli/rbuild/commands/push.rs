//! `rbuild push`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::registries::{Direction, Transfer, registries};
use cli::report::Report;
use cli::{Exit, image_events, output};
use store::archive::{FormOptions, LayerForm};
use store::registry::{PushOptions, Silent};
use store::{Platform, Reference};

use super::open_store;
use crate::args::PushArgs;

/// Layers that are plain in the store travel compressed; others go as they came.
pub(super) const AS_DOCKER: PushOptions =
    PushOptions { form: FormOptions { form: LayerForm::GZIP, force: false }, by_digest: false };

pub(crate) fn run(args: &PushArgs, environment: &Environment) -> Result<Exit> {
    let name: Reference = args.name.parse()?;
    if name.digest().is_some() {
        bail!("`{}` has a digest: an image is pushed by name and tag", args.name);
    }
    let options = PushOptions { form: args.form.or_gzip()?, ..AS_DOCKER };
    let registries = registries(environment, args.tls.tls_verify)?;
    let store = open_store(environment)?;
    let target = match &args.platform {
        None => store.listed(&name.to_string())?.1,
        Some(platform) => {
            let platform: Platform = platform.parse()?;
            super::resolve(&store, &name.to_string(), Some(&platform.to_string()))?.descriptor
        }
    };
    if args.quiet {
        registries.push(&store, &target, &name, &options, &Silent)?;
        image_events::transferred(&store, &name, "push");
        output::line(&name.to_string())?;
        return Ok(Exit::Success);
    }
    output::line(&format!("The push refers to repository [{}]", name.name()))?;
    let transfer = Transfer::new(Direction::Push);
    let pushed = registries.push(&store, &target, &name, &options, &transfer)?;
    image_events::transferred(&store, &name, "push");
    if let Some(platform) = &pushed.only {
        let text = format!(
            "of the platforms of `{}` only {platform} is here, so only that was pushed",
            name.familiar()
        );
        Report::warning(text).print();
    }
    let (digest, size) = (pushed.manifest.digest, pushed.manifest.size);
    let tag = name.tag().unwrap_or_default();
    output::line(&format!("{tag}: digest: {digest} size: {size}"))?;
    Ok(Exit::Success)
}
