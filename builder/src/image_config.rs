//! What the instructions that make no layer do to the image configuration.

use parser::ast::CommandForm;
use store::{ImageConfig, Platform};

use crate::plan::PlanErrorKind;
use crate::plan::path;
use crate::scope::split_env;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The configuration of `FROM scratch`.
pub(crate) fn empty(platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig::empty(platform);
    config.config.working_dir = "/".to_owned();
    set_default_path(&mut config);
    config
}

/// Every image has a PATH, except on Windows, where the system knows it.
pub(crate) fn set_default_path(config: &mut ImageConfig) {
    let has_path = config.config.env.iter().any(|line| split_env(line).0 == "PATH");
    if !has_path && !is_windows(config) {
        config.config.env.push(format!("PATH={DEFAULT_PATH}"));
    }
}

/// ENV: a variable keeps its place when it gets a new value.
pub(crate) fn set_env(config: &mut ImageConfig, name: &str, value: &str) {
    let env = &mut config.config.env;
    let line = format!("{name}={value}");
    match env.iter_mut().find(|existing| split_env(existing).0 == name) {
        Some(existing) => *existing = line,
        None => env.push(line),
    }
}

/// The process of a command: the shell form is handed to the shell in force.
pub(crate) fn command_line(config: &ImageConfig, command: &CommandForm) -> Vec<String> {
    match command {
        CommandForm::Exec(args) => args.clone(),
        CommandForm::Shell { text, .. } => with_shell(config, text),
    }
}

/// `text` as an argument of the shell in force.
pub(crate) fn with_shell(config: &ImageConfig, text: &str) -> Vec<String> {
    let mut args = match config.config.shell.as_slice() {
        [] if is_windows(config) => ["cmd", "/S", "/C"].map(str::to_owned).to_vec(),
        [] => ["/bin/sh", "-c"].map(str::to_owned).to_vec(),
        shell => shell.to_vec(),
    };
    args.push(text.to_owned());
    args
}

/// CMD
pub(crate) fn set_cmd(config: &mut ImageConfig, command: &CommandForm) {
    config.config.cmd = command_line(config, command);
    config.config.args_escaped = true;
}

/// ENTRYPOINT. A CMD of the base would be arguments of another program, so it goes; one of this stage stays.
pub(crate) fn set_entrypoint(config: &mut ImageConfig, command: &CommandForm, cmd_is_own: bool) {
    config.config.entrypoint = command_line(config, command);
    if !cmd_is_own {
        config.config.cmd = Vec::new();
    }
}

/// WORKDIR: the directory as the configuration keeps it. An absolute path stays as written.
pub(crate) fn set_workdir(config: &mut ImageConfig, dir: &str) {
    let current = to_slash(config, &config.config.working_dir);
    let dir = to_slash(config, dir);
    let dir = path::relative_to(if current.is_empty() { "/" } else { &current }, &dir);
    config.config.working_dir = if is_windows(config) { dir.replace('/', "\\") } else { dir };
}

/// The directory as the kernel sees it: absolute and clean.
pub(crate) fn workdir(config: &ImageConfig) -> String {
    path::clean(&to_slash(config, &config.config.working_dir))
}

fn to_slash(config: &ImageConfig, dir: &str) -> String {
    if is_windows(config) { dir.replace('\\', "/") } else { dir.to_owned() }
}

/// VOLUME
pub(crate) fn add_volumes(
    config: &mut ImageConfig,
    volumes: &[String],
) -> Result<(), PlanErrorKind> {
    if volumes.iter().any(String::is_empty) {
        return Err(PlanErrorKind::EmptyVolume);
    }
    config.config.volumes.extend(volumes.iter().cloned());
    Ok(())
}

/// STOPSIGNAL: kept as written once it is known to be a signal.
pub(crate) fn set_stop_signal(config: &mut ImageConfig, signal: &str) -> Result<(), PlanErrorKind> {
    if !is_signal(signal) {
        return Err(PlanErrorKind::InvalidSignal { signal: signal.to_owned() });
    }
    config.config.stop_signal = signal.to_owned();
    Ok(())
}

/// The target platform, when one was asked for: the image is for it whatever its base says.
pub(crate) fn set_platform(config: &mut ImageConfig, platform: &Platform) {
    let same = config.os == platform.os && config.architecture == platform.architecture;
    config.os = platform.os.clone();
    config.architecture = platform.architecture.clone();
    if platform.variant.is_some() || !same {
        config.variant = platform.variant.clone();
    }
    if platform.os_version.is_some() || !same {
        config.os_version = platform.os_version.clone();
    }
}

fn is_windows(config: &ImageConfig) -> bool {
    config.os == "windows"
}

const SIGNALS: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// A number other than 0, or a name with or without `SIG`, in any case; `RTMIN+1` … `RTMAX-1`, `RTMAX`.
fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |text: &str, range: std::ops::RangeInclusive<u8>| {
        text.parse::<u8>().is_ok_and(|n| n.to_string() == text && range.contains(&n))
    };
    if let Some(n) = name.strip_prefix("RTMIN+") {
        return offset(n, 1..=15);
    }
    if let Some(n) = name.strip_prefix("RTMAX-") {
        return offset(n, 1..=14);
    }
    name == "RTMAX" || SIGNALS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> ImageConfig {
        empty(&"linux/amd64".parse().unwrap())
    }

    fn shell(text: &str) -> CommandForm {
        CommandForm::Shell { text: text.to_owned(), heredocs: Vec::new() }
    }

    #[test]
    fn scratch_has_a_path_and_a_directory() {
        let config = scratch();
        assert_eq!(config.config.env, [format!("PATH={DEFAULT_PATH}")]);
        assert_eq!(config.config.working_dir, "/");
    }

    #[test]
    fn a_variable_keeps_its_place() {
        let mut config = scratch();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3"), ("PATH", "/x")] {
            set_env(&mut config, name, value);
        }
        assert_eq!(config.config.env, ["PATH=/x", "A=3", "B=2"]);
    }

    #[test]
    fn the_shell_form_uses_the_shell_in_force() {
        let mut config = scratch();
        set_cmd(&mut config, &shell("echo \"x\""));
        assert_eq!(config.config.cmd, ["/bin/sh", "-c", "echo \"x\""]);
        assert!(config.config.args_escaped);
        config.config.shell = vec!["/bin/bash".to_owned(), "-ec".to_owned()];
        set_entrypoint(&mut config, &shell("baz"), true);
        assert_eq!(config.config.entrypoint, ["/bin/bash", "-ec", "baz"]);
        assert_eq!(config.config.cmd.len(), 3);
        set_entrypoint(&mut config, &CommandForm::Exec(vec!["/e".to_owned()]), false);
        assert_eq!(config.config.cmd, Vec::<String>::new());
    }

    #[test]
    fn windows_has_its_own_defaults() {
        let mut config = empty(&"windows/amd64".parse().unwrap());
        assert!(config.config.env.is_empty());
        set_workdir(&mut config, "/");
        assert_eq!(config.config.working_dir, "\\");
        assert_eq!(with_shell(&config, "x"), ["cmd", "/S", "/C", "x"]);
    }

    #[test]
    fn directories_are_relative_to_the_one_before() {
        let mut config = scratch();
        for (dir, kept, clean) in [
            ("rel/dir", "/rel/dir", "/rel/dir"),
            ("../c", "/rel/c", "/rel/c"),
            ("/d/e/", "/d/e/", "/d/e"),
            ("f", "/d/e/f", "/d/e/f"),
            ("../../../..", "/", "/"),
            ("", "/", "/"),
        ] {
            set_workdir(&mut config, dir);
            assert_eq!(config.config.working_dir, kept, "{dir}");
            assert_eq!(workdir(&config), clean, "{dir}");
        }
    }

    #[test]
    fn signals() {
        for good in ["9", "SIGTERM", "term", "sigusr1", "RTMIN+3", "SIGRTMAX-14", "RTMAX", "1000"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["0", "a b", "", "SIG", "FOO", "RTMIN+16", "RTMIN+03", "SIGSIGTERM"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }

    #[test]
    fn another_platform_replaces_the_variant() {
        let mut config = empty(&"linux/arm/v6".parse().unwrap());
        set_platform(&mut config, &"linux/arm64".parse().unwrap());
        assert_eq!(config.platform().to_string(), "linux/arm64");
    }
}
