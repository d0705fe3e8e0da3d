//! What the arguments and the image say about a container's life: restart, health, log, labels, how it is stopped.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use runtime::containers::{HealthCheck, LogDriver, LogSettings, RestartPolicy};
use store::ImageConfig;

use super::signal;
use crate::args::LifecycleArgs;
use crate::commands::settings;

const SECOND: u64 = 1_000_000_000;
/// Docker's, where neither the image nor the command line says anything.
const INTERVAL: u64 = 30 * SECOND;
const TIMEOUT: u64 = 30 * SECOND;
const START_INTERVAL: u64 = 5 * SECOND;
const RETRIES: u32 = 3;
/// The shortest time docker takes.
const SHORTEST: u64 = 1_000_000;
const STOP_TIMEOUT: u32 = 10;

/// What the arguments alone say, checked before anything is made.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(super) restart: RestartPolicy,
    labels: Vec<(String, String)>,
    health: HealthArgs,
    stop_signal: Option<i32>,
    pub(super) stop_timeout: Option<u32>,
    log: LogSettings,
    log_labels: Vec<String>,
    log_env: Vec<String>,
}

#[derive(Debug, Default)]
struct HealthArgs {
    none: bool,
    command: Option<String>,
    interval: Option<u64>,
    timeout: Option<u64>,
    start_period: Option<u64>,
    start_interval: Option<u64>,
    retries: Option<u32>,
}

pub(crate) fn lifecycle(args: &LifecycleArgs, environment: &Environment) -> Result<Lifecycle> {
    let restart: RestartPolicy =
        args.restart.as_deref().unwrap_or_default().parse().context("`--restart`")?;
    if args.rm && restart != RestartPolicy::No {
        bail!("`--rm` and `--restart` exclude each other: what is removed cannot be started again");
    }
    let stop_timeout = match args.stop_timeout {
        None => Some(STOP_TIMEOUT),
        Some(-1) => None,
        Some(seconds) => Some(
            u32::try_from(seconds)
                .with_context(|| format!("`--stop-timeout {seconds}` is no number of seconds"))?,
        ),
    };
    let (log, log_labels, log_env) = log(args)?;
    Ok(Lifecycle {
        restart,
        labels: labels(args, environment)?,
        health: health(args)?,
        stop_signal: args.stop_signal.as_deref().map(signal::parse).transpose()?,
        stop_timeout,
        log,
        log_labels,
        log_env,
    })
}

fn labels(args: &LifecycleArgs, _environment: &Environment) -> Result<Vec<(String, String)>> {
    let mut lines = Vec::new();
    for path in &args.label_file {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let meant = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        lines.extend(text.lines().filter(meant).map(str::to_owned));
    }
    lines.extend(args.labels.iter().cloned());
    let mut labels = Vec::new();
    for line in lines {
        let (name, value) = line.split_once('=').unwrap_or((&line, ""));
        if name.is_empty() {
            bail!("the label `{line}` has no name");
        }
        labels.push((name.to_owned(), value.to_owned()));
    }
    Ok(labels)
}

fn health(args: &LifecycleArgs) -> Result<HealthArgs> {
    let others = args.health_cmd.is_some()
        || args.health_interval.is_some()
        || args.health_timeout.is_some()
        || args.health_retries.is_some()
        || args.health_start_period.is_some()
        || args.health_start_interval.is_some();
    if args.no_healthcheck && others {
        bail!("`--no-healthcheck` and the other `--health-…` flags exclude each other");
    }
    let retries = args.health_retries.map(|number| {
        u32::try_from(number)
            .with_context(|| format!("`--health-retries {number}`: it cannot be negative"))
    });
    Ok(HealthArgs {
        none: args.no_healthcheck,
        command: args.health_cmd.clone(),
        interval: duration("--health-interval", args.health_interval.as_deref())?,
        timeout: duration("--health-timeout", args.health_timeout.as_deref())?,
        start_period: duration("--health-start-period", args.health_start_period.as_deref())?,
        start_interval: duration("--health-start-interval", args.health_start_interval.as_deref())?,
        retries: retries.transpose()?.filter(|retries| *retries > 0),
    })
}

/// None for 0, which means the default.
fn duration(flag: &str, text: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    let nanos = parser::duration::parse(text)
        .map_err(|_| anyhow::anyhow!("`{flag} {text}` is no duration; write `30s` or `1m30s`"))?;
    match u64::try_from(nanos) {
        Ok(0) => Ok(None),
        Ok(nanos) if nanos >= SHORTEST => Ok(Some(nanos)),
        Ok(_) => bail!("`{flag} {text}` is less than a millisecond"),
        Err(_) => bail!("`{flag} {text}` is negative"),
    }
}

fn log(args: &LifecycleArgs) -> Result<(LogSettings, Vec<String>, Vec<String>)> {
    let driver = match args.log_driver.as_deref() {
        None | Some("json-file") => LogDriver::JsonFile,
        Some("none") => LogDriver::None,
        Some(other) => {
            bail!("the log driver `{other}` is not supported; known are json-file and none")
        }
    };
    let mut settings = LogSettings { driver, ..LogSettings::default() };
    let (mut labels, mut env) = (Vec::new(), Vec::new());
    for option in &args.log_options {
        let (name, value) = option
            .split_once('=')
            .with_context(|| format!("`--log-opt {option}` is not of the form name=value"))?;
        if settings.driver == LogDriver::None {
            bail!("`--log-opt {option}`: the log driver `none` has no options");
        }
        match name {
            "max-size" if value == "-1" => settings.max_size = None,
            "max-size" => settings.max_size = Some(size(option, value)?),
            "max-file" => {
                let number = value.parse().ok().filter(|number| *number > 0);
                settings.max_files = number
                    .with_context(|| format!("`--log-opt {option}`: it is no number above 0"))?;
            }
            "labels" => labels.extend(value.split(',').map(str::to_owned)),
            "env" => env.extend(value.split(',').map(str::to_owned)),
            _ => bail!(
                "`--log-opt {option}` is not supported; known are max-size, max-file, labels and env"
            ),
        }
        settings.options.insert(name.to_owned(), value.to_owned());
    }
    if settings.max_files > 1 && settings.max_size.is_none() {
        bail!("`--log-opt max-file={}` needs `--log-opt max-size=`", settings.max_files);
    }
    Ok((settings, labels, env))
}

fn size(option: &str, value: &str) -> Result<u64> {
    let bytes = settings::bytes(value).with_context(|| format!("`--log-opt {option}`"))?;
    if bytes == 0 {
        bail!("`--log-opt {option}`: a log of no size holds nothing");
    }
    Ok(bytes)
}

impl Lifecycle {
    /// The image's, then the command line's.
    pub(super) fn labels(&self, image: &ImageConfig) -> BTreeMap<String, String> {
        let image = image.config.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
        image.chain(self.labels.iter().cloned()).collect()
    }

    pub(super) fn stop_signal(&self, image: &ImageConfig) -> Result<i32> {
        match (self.stop_signal, image.config.stop_signal.as_str()) {
            (Some(signal), _) => Ok(signal),
            (None, "") => Ok(signal::TERM),
            (None, text) => signal::parse(text).context("the image's stop signal"),
        }
    }

    /// The image's check with what the command line says otherwise.
    pub(super) fn health(&self, image: &ImageConfig) -> Result<Option<HealthCheck>> {
        let args = &self.health;
        let own = image.config.healthcheck.clone().unwrap_or_default();
        let test = match &args.command {
            Some(command) => vec!["CMD-SHELL".to_owned(), command.clone()],
            None => own.test.clone(),
        };
        if args.none || test.first().is_none_or(|kind| kind == "NONE") {
            return Ok(None);
        }
        if !["CMD", "CMD-SHELL"].contains(&test[0].as_str()) || test.len() < 2 {
            bail!(
                "the image's health check `{test:?}` is neither CMD nor CMD-SHELL with a command"
            );
        }
        let shell = match image.config.shell.as_slice() {
            [] => vec!["/bin/sh".to_owned(), "-c".to_owned()],
            own => own.to_vec(),
        };
        let time = |arg: Option<u64>, image: i64, default: u64| {
            arg.or(u64::try_from(image).ok().filter(|nanos| *nanos > 0)).unwrap_or(default)
        };
        Ok(Some(HealthCheck {
            test,
            shell,
            interval: time(args.interval, own.interval, INTERVAL),
            timeout: time(args.timeout, own.timeout, TIMEOUT),
            start_period: time(args.start_period, own.start_period, 0),
            start_interval: time(args.start_interval, own.start_interval, START_INTERVAL),
            retries: args
                .retries
                .or(u32::try_from(own.retries).ok().filter(|retries| *retries > 0))
                .unwrap_or(RETRIES),
        }))
    }

    /// With what is shown beside each line on request.
    pub(super) fn log(&self, labels: &BTreeMap<String, String>, env: &[String]) -> LogSettings {
        let mut settings = self.log.clone();
        for name in &self.log_labels {
            if let Some(value) = labels.get(name) {
                settings.attributes.insert(name.clone(), value.clone());
            }
        }
        for variable in env {
            if let Some((name, value)) = variable.split_once('=')
                && self.log_env.iter().any(|wanted| wanted == name)
            {
                settings.attributes.insert(name.to_owned(), value.to_owned());
            }
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use store::{Healthcheck, Platform};

    use super::*;

    fn resolved(change: impl FnOnce(&mut LifecycleArgs)) -> Result<Lifecycle> {
        let mut args = LifecycleArgs::default();
        change(&mut args);
        lifecycle(&args, &Environment::default())
    }

    fn image(test: &[&str]) -> ImageConfig {
        let mut image = ImageConfig::empty(&Platform::host());
        let test = test.iter().map(ToString::to_string).collect();
        image.config.healthcheck =
            Some(Healthcheck { test, interval: 7_000_000_000, ..Healthcheck::default() });
        image
    }

    #[test]
    fn the_command_line_changes_the_images_check() {
        let image = image(&["CMD", "/check"]);
        let none = resolved(|_| {}).unwrap().health(&image).unwrap().unwrap();
        assert_eq!((none.test[1].as_str(), none.interval, none.retries), ("/check", 7 * SECOND, 3));
        let other = resolved(|args| {
            args.health_cmd = Some("exit 0".to_owned());
            args.health_interval = Some("2s".to_owned());
            args.health_retries = Some(1);
        });
        let other = other.unwrap().health(&image).unwrap().unwrap();
        assert_eq!(other.test, ["CMD-SHELL", "exit 0"]);
        assert_eq!((other.interval, other.retries, other.timeout), (2 * SECOND, 1, TIMEOUT));
        let off = resolved(|args| args.no_healthcheck = true).unwrap();
        assert_eq!(off.health(&image).unwrap(), None);
    }

    #[test]
    fn images_may_have_no_check_or_a_wrong_one() {
        let plain = resolved(|_| {}).unwrap();
        assert_eq!(plain.health(&image(&["NONE"])).unwrap(), None);
        assert_eq!(plain.health(&image(&[])).unwrap(), None);
        for wrong in [&["CMD"][..], &["RUN", "x"]] {
            assert!(plain.health(&image(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        type Change = fn(&mut LifecycleArgs);
        let wrong: [(&str, Change); 11] = [
            ("restart", |args| args.restart = Some("sometimes".to_owned())),
            ("exclude", |args| (args.rm, args.restart) = (true, Some("always".to_owned()))),
            ("duration", |args| args.health_interval = Some("soon".to_owned())),
            ("millisecond", |args| args.health_timeout = Some("1us".to_owned())),
            ("exclude", |args| (args.no_healthcheck, args.health_retries) = (true, Some(1))),
            ("negative", |args| args.health_retries = Some(-1)),
            ("syslog", |args| args.log_driver = Some("syslog".to_owned())),
            ("max-size", |args| args.log_options = vec!["max-file=3".to_owned()]),
            ("size", |args| args.log_options = vec!["max-size=big".to_owned()]),
            ("compress", |args| args.log_options = vec!["compress=true".to_owned()]),
            ("SIGNOPE", |args| args.stop_signal = Some("SIGNOPE".to_owned())),
        ];
        for (expected, change) in wrong {
            let error = format!("{:#}", resolved(change).unwrap_err());
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn logs_carry_what_is_asked_for() {
        let options = ["max-size=10k", "max-file=3", "labels=a,b", "env=X"];
        let found = resolved(|args| args.log_options = options.map(str::to_owned).to_vec());
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let log = found.unwrap().log(&labels, &["X=2".to_owned(), "Y=3".to_owned()]);
        assert_eq!((log.max_size, log.max_files), (Some(10 << 10), 3));
        let pairs: Vec<_> = log.attributes.iter().map(|(a, b)| format!("{a}={b}")).collect();
        assert_eq!(pairs, ["X=2", "a=1"]);
    }
}
