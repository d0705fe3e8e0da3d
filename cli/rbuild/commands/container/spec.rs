//! From the arguments and the image's configuration to the container: the one place where flags of `run` and
//! `create` become a [`ContainerSpec`].

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cli::environment::Environment;
use runtime::{ContainerSpec, EtcFiles, NetworkMode, ProcessView, Rootfs, Ulimit, etc};
use store::ImageConfig;

use super::confinement::{self, Confinement};
use super::host_names;
use super::variables::{self, Variable};
use crate::args::ContainerArgs;
use crate::commands::settings;

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the arguments say, checked before anything is started.
#[derive(Debug)]
pub(crate) struct Settings {
    env: Vec<Variable>,
    confinement: Confinement,
    hosts: Vec<(String, IpAddr)>,
    network: NetworkMode,
    shm_size: Option<u64>,
    ulimits: Vec<Ulimit>,
}

pub(crate) fn settings(args: &ContainerArgs, environment: &Environment) -> Result<Settings> {
    if let Some(path) = args.workdir.as_deref().filter(|path| !path.starts_with('/')) {
        bail!("`--workdir {path}`: it must be an absolute path");
    }
    let network = network(args.network.as_deref())?;
    let gateway = host_names::gateway(network);
    let hosts = args.add_hosts.iter().map(|text| settings::host(text, gateway));
    Ok(Settings {
        env: variables::read(&args.env_file, &args.env, environment)?,
        confinement: confinement::resolve(args)?,
        hosts: hosts.map(|host| host.map(|h| (h.host, h.address))).collect::<Result<_>>()?,
        network,
        shm_size: args.shm_size.as_deref().map(settings::bytes).transpose()?,
        ulimits: args.ulimits.iter().map(|text| Ok(text.parse()?)).collect::<Result<_>>()?,
    })
}

/// Known before the specification is, because the shim is forked before.
pub(crate) fn process_view(settings: &Settings) -> ProcessView {
    settings.confinement.process_view()
}

pub(crate) fn container(
    args: &ContainerArgs,
    settings: &Settings,
    image: &ImageConfig,
    id: &str,
    rootfs: Rootfs,
) -> Result<ContainerSpec> {
    let hostname = host_names::own(args, &settings.confinement, id)?;
    let mut spec = ContainerSpec::new(id, rootfs, process(args, image)?);
    spec.read_only_rootfs = args.read_only;
    spec.env = environment(args, settings, image, &hostname);
    spec.cwd = working_directory(args, image);
    spec.user = args.user.clone().unwrap_or_else(|| image.config.user.clone());
    spec.etc = EtcFiles {
        hosts: Some(host_names::file(args, &settings.confinement, &hostname, &settings.hosts)),
        resolv_conf: Some(etc::host_resolv_conf()),
        hostname: Some(format!("{hostname}\n").into_bytes()),
        read_only: false,
    };
    spec.hostname = hostname;
    spec.network = settings.network;
    spec.shm_size = settings.shm_size.unwrap_or(spec.shm_size);
    spec.ulimits = settings.ulimits.clone();
    settings.confinement.apply(&mut spec, image)?;
    Ok(spec)
}

fn process(args: &ContainerArgs, image: &ImageConfig) -> Result<Vec<OsString>> {
    let (mut words, command) = words(args, image);
    words.extend(command);
    if words.is_empty() {
        bail!("the image names no program to run, and neither does the command line");
    }
    Ok(words)
}

/// Entry point and command as docker combines them: a new entry point drops the image's command.
pub(crate) fn words(args: &ContainerArgs, image: &ImageConfig) -> (Vec<OsString>, Vec<OsString>) {
    let strings = |list: &[String]| list.iter().map(OsString::from).collect::<Vec<_>>();
    let (entrypoint, default_command) = match args.entrypoint.as_deref() {
        None => (strings(&image.config.entrypoint), strings(&image.config.cmd)),
        Some("") => (Vec::new(), Vec::new()),
        Some(program) => (vec![OsString::from(program)], Vec::new()),
    };
    let command = if args.command.is_empty() { default_command } else { args.command.clone() };
    (entrypoint, command)
}

fn working_directory(args: &ContainerArgs, image: &ImageConfig) -> PathBuf {
    let path = args.workdir.as_deref().unwrap_or(&image.config.working_dir);
    Path::new("/").join(path)
}

/// Later ones win: the image's, ours, the command line's.
fn environment(
    args: &ContainerArgs,
    settings: &Settings,
    image: &ImageConfig,
    hostname: &str,
) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned()];
    env.push(format!("HOSTNAME={hostname}"));
    if args.tty {
        env.push("TERM=xterm".to_owned());
    }
    for variable in &image.config.env {
        variables::set(&mut env, &Variable::Set(variable.clone()));
    }
    for variable in &settings.env {
        variables::set(&mut env, variable);
    }
    env
}

fn network(mode: Option<&str>) -> Result<NetworkMode> {
    match mode {
        None | Some("host") => Ok(NetworkMode::Host),
        Some("none") => Ok(NetworkMode::None),
        Some(other) => bail!("`--network {other}` is not supported yet; known are host and none"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use store::Platform;

    use super::*;
    use crate::args::{Args, Command};

    fn args(words: &[&str]) -> ContainerArgs {
        let words = ["rbuild", "run", "--rm"].iter().chain(words);
        let Command::Run(args) = Args::parse_from(words).command else { panic!("run") };
        args.container
    }

    fn image(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
        let mut config = ImageConfig::empty(&Platform::host());
        config.config.entrypoint = entrypoint.iter().map(ToString::to_string).collect();
        config.config.cmd = cmd.iter().map(ToString::to_string).collect();
        config.config.env = vec!["A=image".to_owned(), "B=image".to_owned()];
        config
    }

    #[test]
    fn the_command_line_replaces_what_the_image_says() {
        let image = image(&["/entry"], &["default"]);
        for (words, expected) in [
            (vec!["img"], vec!["/entry", "default"]),
            (vec!["img", "x", "-y"], vec!["/entry", "x", "-y"]),
            (vec!["--entrypoint", "/other", "img"], vec!["/other"]),
            (vec!["--entrypoint", "", "img", "x"], vec!["x"]),
        ] {
            assert_eq!(process(&args(&words), &image).unwrap(), expected, "{words:?}");
        }
        assert!(process(&args(&["--entrypoint", "", "img"]), &image).is_err());
    }

    #[test]
    fn variables_of_the_command_line_win() {
        let args = args(&["-e", "B=mine", "-e", "C=1", "-e", "ABSENT", "img"]);
        let settings = settings(&args, &Environment::default()).unwrap();
        let env = environment(&args, &settings, &image(&[], &[]), "box");
        assert_eq!(env[1..], ["HOSTNAME=box", "A=image", "B=mine", "C=1"]);
    }
}
