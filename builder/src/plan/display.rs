//! A plan as text: what tests compare and people read.

use std::fmt;

use super::{Base, BuildPlan, PlannedStage};
use crate::fetch::git::FileTimes;
use crate::step::{
    BindMount, CacheMount, CopySource, CopyStep, GitSource, PlannedStep, RunMount, RunStep,
    SecretMount, Source, SshMount, StageId, Step,
};

impl fmt::Display for BuildPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, stage) in self.stages.iter().enumerate() {
            let target = if self.target == StageId(number) { " (target)" } else { "" };
            stage_text(f, number, stage, target)?;
        }
        if let Some(epoch) = self.source_date_epoch {
            writeln!(f, "epoch {epoch}")?;
        }
        for warning in &self.warnings {
            match warning.name() {
                Some(rule) => writeln!(f, "warning {rule}: {}", warning.message)?,
                None => writeln!(f, "warning: {}", warning.message)?,
            }
        }
        Ok(())
    }
}

fn stage_text(
    f: &mut fmt::Formatter<'_>,
    number: usize,
    stage: &PlannedStage,
    target: &str,
) -> fmt::Result {
    let name = if stage.name.is_empty() { "(only)" } else { &stage.name };
    let base = match &stage.base {
        Base::Scratch => "scratch".to_owned(),
        Base::Stage(StageId(id)) => format!("stage {id}"),
        Base::Image(name) => format!("image {name}"),
        Base::Named(key) => format!("context {key}"),
    };
    let no_cache = if stage.no_cache { " no cache" } else { "" };
    writeln!(f, "stage {number} {name} from {base} for {}{no_cache}{target}", stage.platform)?;
    if let Some(step) = &stage.base_step {
        writeln!(f, "  {step}")?;
    }
    for step in &stage.steps {
        step_text(f, step)?;
    }
    config_text(f, stage)?;
    for entry in &stage.config.history {
        let layer = if entry.empty_layer { "-" } else { "+" };
        let created = entry.created.as_ref().map_or(String::new(), |time| format!(" {time}"));
        writeln!(f, "  history {layer}{created} {:?}", entry.created_by)?;
    }
    Ok(())
}

fn config_text(f: &mut fmt::Formatter<'_>, stage: &PlannedStage) -> fmt::Result {
    let config = &stage.config;
    let text = serde_json::to_string(&config.config).map_err(|_| fmt::Error)?;
    writeln!(f, "  config {} {text}", config.platform())?;
    if !config.author.is_empty() {
        writeln!(f, "  author {}", config.author)?;
    }
    Ok(())
}

fn step_text(f: &mut fmt::Formatter<'_>, planned: &PlannedStep) -> fmt::Result {
    writeln!(f, "  {}", planned.name)?;
    match &planned.step {
        Step::Run(run) => run_text(f, run),
        Step::Copy(copy) => copy_text(f, copy),
        Step::Workdir(workdir) => {
            writeln!(f, "    workdir {} user {:?}", workdir.path, workdir.user)
        }
    }
}

fn run_text(f: &mut fmt::Formatter<'_>, run: &RunStep) -> fmt::Result {
    writeln!(f, "    run {:?}", run.args)?;
    writeln!(f, "    in {} as {:?} network {:?}", run.cwd, run.user, run.network)?;
    writeln!(f, "    env {:?}", run.env)?;
    if !run.proxy_env.is_empty() {
        writeln!(f, "    proxies {:?}", run.proxy_env)?;
    }
    if let Some(script) = &run.script {
        writeln!(f, "    script {} {:?}", script.name, script.content)?;
    }
    for mount in &run.mounts {
        writeln!(f, "    mount {}", mount_text(mount))?;
    }
    if let Some(hostname) = &run.hostname {
        writeln!(f, "    hostname {hostname}")?;
    }
    for host in &run.add_hosts {
        writeln!(f, "    host {} {}", host.host, host.address)?;
    }
    if let Some(size) = run.shm_size {
        writeln!(f, "    shm {size}")?;
    }
    for limit in &run.ulimits {
        writeln!(f, "    ulimit {}={}:{}", limit.name, limit.soft, limit.hard)?;
    }
    Ok(())
}

fn mount_text(mount: &RunMount) -> String {
    match mount {
        RunMount::Bind(BindMount { target, from, source, read_only }) => {
            let mode = if *read_only { "ro" } else { "rw" };
            format!("bind {target} from {} {source} {mode}", source_text(from))
        }
        RunMount::Cache(cache) => cache_text(cache),
        RunMount::Tmpfs { target, size, read_only } => {
            let mode = if *read_only { " ro" } else { "" };
            format!("tmpfs {target} size {size:?}{mode}")
        }
        RunMount::Secret(SecretMount { id, target, env, required, mode, uid, gid }) => {
            let required = if *required { " required" } else { "" };
            format!("secret {id} {target:?} env {env:?} {mode:04o} {uid}:{gid}{required}")
        }
        RunMount::Ssh(SshMount { id, target, required, mode, uid, gid }) => {
            let required = if *required { " required" } else { "" };
            format!("ssh {id} {target} {mode:04o} {uid}:{gid}{required}")
        }
    }
}

fn cache_text(cache: &CacheMount) -> String {
    let CacheMount { target, id, sharing, from, source, read_only, mode, uid, gid } = cache;
    let access = if *read_only { "ro" } else { "rw" };
    let from = source_text(from);
    format!(
        "cache {target} id {id} {sharing:?} from {from} {source} {access} mode {mode:?} owner {uid:?}:{gid:?}"
    )
}

fn copy_text(f: &mut fmt::Formatter<'_>, copy: &CopyStep) -> fmt::Result {
    writeln!(f, "    copy from {} to {}", source_text(&copy.from), copy.dest)?;
    for source in &copy.sources {
        match source {
            CopySource::Path(path) => writeln!(f, "    source {path}")?,
            CopySource::Parents { root, pattern, required } => {
                writeln!(f, "    source {root} pattern {pattern} required {required:?}")?;
            }
            CopySource::Url { url, checksum, unpack } => {
                let checksum = checksum.as_ref().map(|sum| format!(" checksum {sum}"));
                let unpack = if *unpack { " unpack" } else { "" };
                let url = crate::fetch::url::redacted(url);
                writeln!(f, "    url {url}{}{unpack}", checksum.unwrap_or_default())?;
            }
            CopySource::Git(git) => writeln!(f, "    git {}", git_text(git))?,
            CopySource::Inline { name, content } => writeln!(f, "    inline {name} {content:?}")?,
        }
    }
    let options = [("chown", &copy.chown), ("chmod", &copy.chmod)];
    for (name, value) in options.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        writeln!(f, "    {name} {value}")?;
    }
    for exclude in &copy.excludes {
        writeln!(f, "    exclude {exclude}")?;
    }
    for (name, on) in [("link", copy.link), ("unpack", copy.unpack)] {
        if on {
            writeln!(f, "    {name}")?;
        }
    }
    Ok(())
}

fn git_text(git: &GitSource) -> String {
    let mut text = crate::fetch::url::redacted(&git.reference.with_name());
    if git.subdir != "/" {
        text.push_str(&format!(" directory {}", git.subdir));
    }
    if !git.reference.checksum.is_empty() {
        text.push_str(&format!(" checksum {}", git.reference.checksum));
    }
    let by_commit = git.reference.fetch_by_commit;
    let checkout = git.times == FileTimes::Checkout;
    for (words, on) in [
        (" by commit", by_commit),
        (" with .git", git.keep_git_dir),
        (" without submodules", !git.submodules),
        (" as new as the checkout", checkout),
    ] {
        text.push_str(if on { words } else { "" });
    }
    text
}

fn source_text(source: &Source) -> String {
    match source {
        Source::Context => "the build context".to_owned(),
        Source::Stage(StageId(id)) => format!("stage {id}"),
        Source::Image(name) => format!("image {name}"),
        Source::Named(key) => format!("context {key}"),
        Source::Scratch => "scratch".to_owned(),
    }
}
