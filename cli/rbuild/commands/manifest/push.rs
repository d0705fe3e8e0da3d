//! `rbuild manifest push`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::registries::{Direction, Transfer, registries};
use cli::{Exit, image_events, output};
use store::Reference;
use store::registry::{Silent, Watch};

use super::super::open_store;
use super::super::push::AS_DOCKER;
use super::{find, list_name};
use crate::args::ManifestPushArgs;

pub(super) fn run(args: &ManifestPushArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let list = find(&store, &args.list)?;
    let to: Reference = match &args.destination {
        None => list.name.clone(),
        Some(text) => list_name(text.strip_prefix("docker://").unwrap_or(text))?,
    };
    for entry in &list.entries {
        if entry.platform.os.is_empty() || entry.platform.architecture.is_empty() {
            let (list, image) = (list.name.familiar(), entry.from.familiar());
            bail!(
                "it is not known for which machine `{image}` is: \
                 `rbuild manifest annotate --os … --arch … {list} {image}` says it"
            );
        }
    }
    if list.entries.is_empty() {
        bail!("the list `{}` is empty", list.name.familiar());
    }
    let kind = args.format.map_or_else(|| list.usual_kind(), Into::into);
    let registries = registries(environment, args.trust.verify())?;
    let transfer = Transfer::new(Direction::Push);
    let watch: &dyn Watch = if args.quiet { &Silent } else { &transfer };
    let pushed = registries.push_list(&store, &list, &to, kind, AS_DOCKER.form, watch)?;
    image_events::transferred(&store, &to, "push");
    if !args.quiet {
        for entry in &list.entries {
            let (name, digest) = (to.name(), entry.digest);
            output::line(&format!("Pushed ref {name}@{digest} with digest: {digest}"))?;
        }
    }
    output::line(&pushed.digest.to_string())?;
    if args.purge {
        store.remove_manifest_list(&list.name)?;
    }
    Ok(Exit::Success)
}
