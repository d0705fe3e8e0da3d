//! Which form of snapshots the store takes: overlayfs' where it works, else whole copies.
//!
//! `RBUILD_SNAPSHOTTER` decides. Without it the file system does, if it is a known one; otherwise a container
//! on an overlay is tried, once for each place and kernel, and the store remembers the answer. That copies are
//! made is said when it is found out, not at each command.

use anyhow::{Context, Result, bail};
use runtime::{ContainerSpec, Rootfs, RuntimeError, StartFailure, Stdio, Zygote};
use store::snapshot::OverlaySnapshotter;
use store::{OverlaySupport, RootfsMount, SnapshotForm, Snapshotter, Store};

use crate::environment::Environment;
use crate::report::Report;

const VARIABLE: &str = "RBUILD_SNAPSHOTTER";

/// To be called before the store's snapshots are used.
pub fn choose(store: &Store, zygote: Option<&Zygote>, environment: &Environment) -> Result<()> {
    if let Some(form) = wanted(environment)? {
        store.use_snapshot_form(form);
        return Ok(());
    }
    let remembered = store.remembered_snapshot_form();
    match (store.overlay_support()?, remembered, zygote) {
        (OverlaySupport::Works, None, _) => store.use_snapshot_form(SnapshotForm::Overlay),
        (OverlaySupport::Works, Some(_), _) => {
            store.forget_snapshot_form()?;
            store.use_snapshot_form(SnapshotForm::Overlay);
        }
        (OverlaySupport::Fails { file_system }, None, _) => {
            let reason = format!("overlayfs cannot keep its layers on {file_system}");
            copies_from_now_on(store, &reason)?;
        }
        (OverlaySupport::Fails { .. } | OverlaySupport::Unknown, Some(form), _) => {
            store.use_snapshot_form(form);
        }
        (OverlaySupport::Unknown, None, Some(zygote)) => match try_overlay(store, zygote)? {
            None => {
                store.remember_snapshot_form(SnapshotForm::Overlay)?;
                store.use_snapshot_form(SnapshotForm::Overlay);
            }
            Some(problem) => copies_from_now_on(store, &problem)?,
        },
        // Nothing is ever mounted without a zygote.
        (OverlaySupport::Unknown, None, None) => {}
    }
    Ok(())
}

/// Whether [`choose`] has to try it, for which it needs a zygote.
pub fn must_try(store: &Store, environment: &Environment) -> Result<bool> {
    Ok(wanted(environment)?.is_none()
        && store.remembered_snapshot_form().is_none()
        && matches!(store.overlay_support()?, OverlaySupport::Unknown))
}

/// What `inspect` and `info` call the form, without trying what was not tried yet.
pub fn driver(store: &Store, environment: &Environment) -> Result<&'static str> {
    let form = wanted(environment)?.unwrap_or_else(|| store.snapshot_form());
    Ok(match form {
        SnapshotForm::Overlay => "overlay",
        SnapshotForm::Copy => "copy",
    })
}

fn wanted(environment: &Environment) -> Result<Option<SnapshotForm>> {
    match environment.os(VARIABLE).map(|value| value.to_string_lossy()).as_deref() {
        None | Some("") => Ok(None),
        Some("overlay") => Ok(Some(SnapshotForm::Overlay)),
        Some("copy") => Ok(Some(SnapshotForm::Copy)),
        Some(other) => bail!("{VARIABLE} is `{other}`; known are overlay and copy"),
    }
}

fn copies_from_now_on(store: &Store, reason: &str) -> Result<()> {
    store.remember_snapshot_form(SnapshotForm::Copy)?;
    store.use_snapshot_form(SnapshotForm::Copy);
    let root = store.root().display();
    Report::warning(format!("in the store `{root}` every RUN and container works on a whole copy"))
        .note(reason)
        .hint("set RBUILD_ROOT to a directory on a local file system such as ext4 or xfs")
        .print();
    Ok(())
}

/// Why no container can be started on an overlay whose layers are in the store; none if one can.
fn try_overlay(store: &Store, zygote: &Zygote) -> Result<Option<String>> {
    let snapshotter = OverlaySnapshotter::new(store.clone());
    let active = snapshotter.prepare(&[]).context("cannot try overlayfs in the store")?;
    if let Err(error) = snapshotter.try_marks(&active) {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        return Ok(Some(format!("{error}: {}", cause.unwrap_or_default())));
    }
    let RootfsMount::Overlay { lowers, upper, work, volatile } = active.mount.clone() else {
        return Ok(None);
    };
    let rootfs = Rootfs::Overlay { lowers, upper, work, volatile };
    let program = vec!["/does-not-exist".into()];
    let spec = ContainerSpec::new("overlay-trial", rootfs, program);
    match zygote.spawn(&spec, Stdio::Pipes { stdin: false }) {
        // It came as far as looking for its program.
        Err(RuntimeError::Start { failure: StartFailure::NotFound, .. }) => Ok(None),
        Err(RuntimeError::Start { step, cause, .. }) => {
            Ok(Some(format!("overlayfs does not work here: {step}: {cause}")))
        }
        Err(error) => Err(error).context("cannot try overlayfs in the store"),
        Ok(container) => {
            container.wait().context("cannot try overlayfs in the store")?;
            Ok(None)
        }
    }
}
