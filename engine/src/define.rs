//! From a request and the image's configuration to the definition of a container.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use runtime::containers::{Definition, LogSettings, Origin, SCHEMA};
use runtime::network::{HostAddress, NetworkSettings, parse_exposed};
use runtime::{ContainerSpec, EtcFiles, MachineAccess, Rootfs, clock, etc};
use store::{Image, ImageConfig};

use crate::mounts::Prepared;
use crate::request::{ContainerRequest, Variable, set_variable};
use crate::values::signal;
use crate::{EngineError, Result, health, hosts};

pub(crate) const DEFAULT_PATH: &str =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The definition of the container `id`, which has no name yet.
pub(crate) fn definition(
    request: &ContainerRequest,
    image: &Image,
    id: &str,
    rootfs: Rootfs,
    prepared: &Prepared,
) -> Result<Definition> {
    let config = &image.config;
    let mut spec = specification(request, config, id, rootfs)?;
    spec.mounts = prepared.mounts.clone();
    keep_its_files(&mut spec, request.auto_remove);
    let labels = config.config.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    let labels = labels.chain(request.labels.iter().cloned()).collect();
    let (entrypoint, command) = words(request, config);
    Ok(Definition {
        schema: SCHEMA,
        id: id.to_owned(),
        name: String::new(),
        created: clock::now(),
        image: Origin { name: request.image.clone(), id: image.id().to_string() },
        entrypoint,
        command,
        terminal: request.program.terminal,
        open_stdin: request.program.open_stdin,
        stdin_once: request.program.stdin_once,
        auto_remove: request.auto_remove,
        restart: request.restart,
        health: health::check(&request.health, config)?,
        stop_signal: stop_signal(request, config)?,
        stop_timeout: request.stop_timeout,
        log: log(request, &labels, &spec.env),
        volumes: prepared.volumes.uses.clone(),
        network: connections(request, config, &spec.hostname)?,
        labels,
        spec,
    })
}

/// With the names that go into its /etc/hosts, and the image's ports.
fn connections(
    request: &ContainerRequest,
    image: &ImageConfig,
    hostname: &str,
) -> Result<NetworkSettings> {
    let mut settings = request.connections.clone();
    settings.host_names = match &request.names.domainname {
        Some(domain) => vec![format!("{hostname}.{domain}"), hostname.to_owned()],
        None => vec![hostname.to_owned()],
    };
    let hosts = request.names.hosts.iter();
    let hosts = hosts.map(|(name, address)| (name.clone(), HostAddress::Address(*address)));
    settings.extra_hosts.splice(0..0, hosts);
    for text in &image.config.exposed_ports {
        let ports = parse_exposed(text)
            .map_err(|source| EngineError::ExposedPort { text: text.clone(), source })?;
        settings.exposed.extend(ports);
    }
    settings.exposed.sort_unstable();
    settings.exposed.dedup();
    Ok(settings)
}

/// Files of a container that is kept have to reach the disk as others do; those of one that goes at its end need not.
fn keep_its_files(spec: &mut ContainerSpec, goes: bool) {
    if let Rootfs::Overlay { volatile, .. } = &mut spec.rootfs {
        *volatile &= goes;
    }
}

fn stop_signal(request: &ContainerRequest, image: &ImageConfig) -> Result<i32> {
    match (request.stop_signal, image.config.stop_signal.as_str()) {
        (Some(signal), _) => Ok(signal),
        (None, "") => Ok(signal::TERM),
        (None, text) => {
            signal::parse(text).map_err(|source| EngineError::Image { what: "stop signal", source })
        }
    }
}

/// With what is shown beside each line on request.
fn log(
    request: &ContainerRequest,
    labels: &std::collections::BTreeMap<String, String>,
    env: &[String],
) -> LogSettings {
    let mut settings = request.log.settings.clone();
    for name in &request.log.labels {
        if let Some(value) = labels.get(name) {
            settings.attributes.insert(name.clone(), value.clone());
        }
    }
    for variable in env {
        if let Some((name, value)) = variable.split_once('=')
            && request.log.env.iter().any(|wanted| wanted == name)
        {
            settings.attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    settings
}

fn specification(
    request: &ContainerRequest,
    image: &ImageConfig,
    id: &str,
    rootfs: Rootfs,
) -> Result<ContainerSpec> {
    let hostname = hosts::own_name(request, id)?;
    let mut spec = ContainerSpec::new(id, rootfs, process(request, image)?);
    let program = &request.program;
    spec.env = environment(request, image, &hostname);
    spec.cwd = working_directory(request, image);
    spec.user = program.user.clone().unwrap_or_else(|| image.config.user.clone());
    spec.groups = program.groups.clone();
    spec.init = program.init;
    let resolv_conf = request.names.resolv_conf.clone().unwrap_or_else(etc::host_resolv_conf);
    spec.etc = EtcFiles {
        hosts: Some(hosts::file(&request.names, &hostname)),
        resolv_conf: Some(resolv_conf),
        hostname: Some(format!("{hostname}\n").into_bytes()),
        read_only: false,
    };
    spec.hostname = hostname;
    spec.domainname = request.names.domainname.clone();
    spec.network = request.connections.mode(request.network);
    confine(request, &mut spec);
    spec.check()?;
    Ok(spec)
}

fn confine(request: &ContainerRequest, spec: &mut ContainerSpec) {
    let given = &request.confinement;
    spec.read_only_rootfs = given.read_only_rootfs;
    spec.shm_size = given.shm_size.unwrap_or(spec.shm_size);
    spec.ulimits = given.ulimits.clone();
    spec.sysctls = given.sysctls.clone();
    spec.namespaces = given.namespaces.clone();
    spec.devices = given.devices.clone();
    spec.device_rules = given.device_rules.clone();
    spec.limits = given.limits.clone();
    spec.oom_score_adj = given.oom_score_adj;
    spec.cgroup_parent = given.cgroup_parent.clone();
    let security = &given.security;
    spec.capabilities = security.capabilities;
    spec.seccomp = security.seccomp.clone();
    spec.no_new_privileges = security.no_new_privileges;
    spec.open_system_paths = security.open_system_paths;
    spec.writable_cgroups = security.writable_cgroups;
    if security.privileged {
        spec.machine = MachineAccess::Privileged;
    }
}

fn process(request: &ContainerRequest, image: &ImageConfig) -> Result<Vec<OsString>> {
    let (mut words, command) = words(request, image);
    words.extend(command);
    if words.is_empty() {
        return Err(EngineError::NoProgram);
    }
    Ok(words)
}

/// Entry point and command as docker combines them: a new entry point drops the image's command.
fn words(request: &ContainerRequest, image: &ImageConfig) -> (Vec<OsString>, Vec<OsString>) {
    let strings = |list: &[String]| list.iter().map(OsString::from).collect::<Vec<_>>();
    let (entrypoint, default_command) = match &request.program.entrypoint {
        None => (strings(&image.config.entrypoint), strings(&image.config.cmd)),
        Some(words) => (words.clone(), Vec::new()),
    };
    (entrypoint, request.program.command.clone().unwrap_or(default_command))
}

fn working_directory(request: &ContainerRequest, image: &ImageConfig) -> PathBuf {
    let given = request.program.working_directory.as_deref();
    Path::new("/").join(given.unwrap_or(&image.config.working_dir))
}

/// Later ones win: the image's, ours, those asked for.
fn environment(request: &ContainerRequest, image: &ImageConfig, hostname: &str) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned()];
    env.push(format!("HOSTNAME={hostname}"));
    if request.program.terminal {
        env.push("TERM=xterm".to_owned());
    }
    for variable in &image.config.env {
        set_variable(&mut env, &Variable::Set(variable.clone()));
    }
    for variable in &request.program.env {
        set_variable(&mut env, variable);
    }
    env
}

#[cfg(test)]
mod tests {
    use store::Platform;

    use super::*;

    fn image(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
        let mut config = ImageConfig::empty(&Platform::host());
        config.config.entrypoint = entrypoint.iter().map(ToString::to_string).collect();
        config.config.cmd = cmd.iter().map(ToString::to_string).collect();
        config.config.env = vec!["A=image".to_owned(), "B=image".to_owned()];
        config
    }

    fn request(entrypoint: Option<&[&str]>, command: Option<&[&str]>) -> ContainerRequest {
        let words = |list: &[&str]| list.iter().map(OsString::from).collect();
        let mut request = ContainerRequest::of("img");
        request.program.entrypoint = entrypoint.map(words);
        request.program.command = command.map(words);
        request
    }

    #[test]
    fn a_request_replaces_what_the_image_says() {
        let image = image(&["/entry"], &["default"]);
        for (entrypoint, command, expected) in [
            (None, None, vec!["/entry", "default"]),
            (None, Some(&["x", "-y"][..]), vec!["/entry", "x", "-y"]),
            (Some(&["/other"][..]), None, vec!["/other"]),
            (Some(&[]), Some(&["x"]), vec!["x"]),
        ] {
            assert_eq!(process(&request(entrypoint, command), &image).unwrap(), expected);
        }
        assert!(process(&request(Some(&[]), None), &image).is_err());
    }

    #[test]
    fn later_variables_win() {
        let mut request = request(None, None);
        let set = |text: &str| Variable::Set(text.to_owned());
        request.program.env = vec![set("B=mine"), set("C=1"), Variable::Removed("D".to_owned())];
        let env = environment(&request, &image(&[], &[]), "box");
        assert_eq!(env[1..], ["HOSTNAME=box", "A=image", "B=mine", "C=1"]);
    }

    #[test]
    fn logs_carry_what_is_asked_for() {
        let mut request = request(None, None);
        request.log.labels = vec!["a".to_owned(), "b".to_owned()];
        request.log.env = vec!["X".to_owned()];
        let labels = [("a".to_owned(), "1".to_owned())].into();
        let settings = log(&request, &labels, &["X=2".to_owned(), "Y=3".to_owned()]);
        let pairs: Vec<_> = settings.attributes.iter().map(|(a, b)| format!("{a}={b}")).collect();
        assert_eq!(pairs, ["X=2", "a=1"]);
    }
}
