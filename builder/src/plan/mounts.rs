//! `RUN --mount`, with words expanded and sources resolved.

use parser::Word;
use parser::ast::Run;
use parser::expand;
use parser::mount::{self, MountKind, MountSpec};

use super::stage::StagePlanner;
use super::{Base, PlanError, PlanErrorKind, ResultExt, path};
use crate::image_config;
use crate::stage_graph::GraphBase;
use crate::step::{BindMount, CacheMount, RunMount, SecretMount, Sharing, Source, SshMount};

const SECRETS_DIR: &str = "/run/secrets";
const SECRET_MODE: u32 = 0o400;
const SOCKETS: &str = "/run/buildkit/ssh_agent";
const SOCKET_MODE: u32 = 0o600;
/// Where programs look for the agent's socket.
const AGENT_VARIABLE: &str = "SSH_AUTH_SOCK";

impl StagePlanner<'_> {
    pub(super) fn mounts(&mut self, run: &Run) -> Result<Vec<RunMount>, PlanError> {
        let mut mounts = Vec::new();
        for word in &run.mounts {
            let spec = self.mount_spec(word)?;
            let sockets = mounts.iter().filter(|mount| matches!(mount, RunMount::Ssh(_))).count();
            mounts.push(self.mount(&spec, sockets).at(word.span)?);
        }
        Ok(mounts)
    }

    /// Values of a mount see ENV and ARG; its keys are as written.
    fn mount_spec(&mut self, word: &Word) -> Result<MountSpec, PlanError> {
        let (escape, scope, room) = (self.context.escape(), &self.scope, &self.context.room);
        let mut unmatched = expand::Expanded::default();
        let spec = mount::parse::<PlanErrorKind>(&word.text, |value| {
            let expanded = expand::expand_word(value, word.span, escape, scope)?;
            room.take(expanded.value.len())?;
            unmatched.unmatched.extend(expanded.unmatched);
            Ok(expanded.value)
        });
        let spec = spec.at(word.span)?;
        self.warn_undefined(&unmatched, word.span);
        Ok(spec)
    }

    /// `sockets` says how many agents the mounts before it forward.
    fn mount(&self, spec: &MountSpec, sockets: usize) -> Result<RunMount, PlanErrorKind> {
        match spec.kind {
            MountKind::Secret => secret(spec).map(RunMount::Secret),
            MountKind::Ssh => Ok(RunMount::Ssh(ssh(spec, sockets))),
            MountKind::Tmpfs => Ok(RunMount::Tmpfs {
                target: self.mount_target(spec)?,
                size: spec.size,
                read_only: spec.read_only,
            }),
            MountKind::Bind => Ok(RunMount::Bind(BindMount {
                target: self.mount_target(spec)?,
                from: self.mount_source(spec, Source::Context)?,
                source: source_path(spec),
                read_only: spec.read_only,
            })),
            MountKind::Cache => self.cache(spec).map(RunMount::Cache),
        }
    }

    fn cache(&self, spec: &MountSpec) -> Result<CacheMount, PlanErrorKind> {
        let target = spec.target.as_deref().unwrap_or_default();
        let id = spec.id.clone().unwrap_or_else(|| default_cache_id(target));
        let id = match self.context.build_args.get("BUILDKIT_CACHE_MOUNT_NS") {
            Some(namespace) if !namespace.is_empty() => format!("{namespace}/{id}"),
            _ => id,
        };
        Ok(CacheMount {
            target: self.mount_target(spec)?,
            id,
            sharing: match spec.sharing {
                None | Some(mount::Sharing::Shared) => Sharing::Shared,
                Some(mount::Sharing::Private) => Sharing::Private,
                Some(mount::Sharing::Locked) => Sharing::Locked,
            },
            from: self.mount_source(spec, Source::Scratch)?,
            source: source_path(spec),
            read_only: spec.read_only,
            mode: spec.mode,
            uid: spec.uid,
            gid: spec.gid,
        })
    }

    fn mount_target(&self, spec: &MountSpec) -> Result<String, PlanErrorKind> {
        let target = spec.target.as_deref().unwrap_or_default();
        let target = path::clean(&path::relative_to(&image_config::workdir(&self.config), target));
        if target == "/" {
            return Err(PlanErrorKind::MountTarget { target });
        }
        Ok(target)
    }

    fn mount_source(&self, spec: &MountSpec, default: Source) -> Result<Source, PlanErrorKind> {
        let Some(name) = spec.from.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(default);
        };
        let source = self.graph.mount_source(name, self.context.request);
        self.source(&source).ok_or_else(|| PlanErrorKind::MountFromLater {
            from: name.to_owned(),
            target: spec.target.clone().unwrap_or_default(),
        })
    }

    /// Where files come from; none for a stage that comes later.
    pub(super) fn source(&self, source: &GraphBase) -> Option<Source> {
        Some(match self.done.base(source)? {
            Base::Scratch => Source::Scratch,
            Base::Stage(id) => Source::Stage(id),
            Base::Image(name) => Source::Image(name),
            Base::Named(key) => Source::Named(key),
        })
    }
}

fn source_path(spec: &MountSpec) -> String {
    path::clean(spec.source.as_deref().unwrap_or_default())
}

/// The target as written, cleaned: relative targets share a cache whatever the directory.
fn default_cache_id(target: &str) -> String {
    let clean = path::clean(target);
    if target.starts_with('/') { clean } else { clean.trim_start_matches('/').to_owned() }
}

fn secret(spec: &MountSpec) -> Result<SecretMount, PlanErrorKind> {
    let written = spec.target.clone().filter(|target| !target.is_empty());
    let named = spec.source.as_ref().or(spec.id.as_ref()).filter(|id| !id.is_empty());
    let id = match (named, &written) {
        (Some(id), _) => id.clone(),
        (None, Some(target)) => path::base_name(target).to_owned(),
        (None, None) => return Err(PlanErrorKind::SecretWithoutName),
    };
    let default = || format!("{SECRETS_DIR}/{}", path::base_name(&id));
    let target = match (&spec.env, written) {
        (_, Some(target)) => Some(target),
        (None, None) => Some(default()),
        (Some(_), None) => None,
    };
    let env = spec.env.clone().map(|name| match name.as_str() {
        "" => path::base_name(&id).to_owned(),
        _ => name,
    });
    Ok(SecretMount {
        target: target.map(|target| path::clean(&target)),
        id,
        env,
        required: spec.required,
        mode: spec.mode.unwrap_or(SECRET_MODE),
        uid: spec.uid.unwrap_or(0),
        gid: spec.gid.unwrap_or(0),
    })
}

fn ssh(spec: &MountSpec, sockets: usize) -> SshMount {
    let target = spec.target.as_deref().map(path::clean);
    SshMount {
        id: spec.id.clone().unwrap_or_else(|| "default".to_owned()),
        target: target.unwrap_or_else(|| format!("{SOCKETS}.{sockets}")),
        required: spec.required,
        mode: spec.mode.unwrap_or(SOCKET_MODE),
        uid: spec.uid.unwrap_or(0),
        gid: spec.gid.unwrap_or(0),
    }
}

/// SSH_AUTH_SOCK, unless the Dockerfile sets it itself: the first of the agents, as with BuildKit.
pub(super) fn agent_variable(mounts: &[RunMount], env: &[String]) -> Option<String> {
    let socket = mounts.iter().find_map(|mount| match mount {
        RunMount::Ssh(ssh) => Some(&ssh.target),
        _ => None,
    })?;
    let given = env.iter().any(|known| known.split('=').next() == Some(AGENT_VARIABLE));
    (!given).then(|| format!("{AGENT_VARIABLE}={socket}"))
}
