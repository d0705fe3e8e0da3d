//! What the arguments and the image say about a container's life: restart, health, log, labels, how it is stopped.

use std::fs;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use engine::values::{self, signal};
use engine::{ContainerRequest, HealthRequest, LogRequest};
use runtime::containers::RestartPolicy;

use crate::args::LifecycleArgs;

/// The shortest time docker takes.
const SHORTEST: u64 = 1_000_000;

/// Makes the request say so.
pub(crate) fn apply(
    request: &mut ContainerRequest,
    args: &LifecycleArgs,
    environment: &Environment,
) -> Result<()> {
    request.auto_remove = args.rm;
    request.restart = args.restart.as_deref().unwrap_or_default().parse().context("`--restart`")?;
    if args.rm && request.restart != RestartPolicy::No {
        bail!("`--rm` and `--restart` exclude each other: what is removed cannot be started again");
    }
    match args.stop_timeout {
        None => {}
        Some(-1) => request.stop_timeout = None,
        Some(seconds) => {
            let number = u32::try_from(seconds)
                .with_context(|| format!("`--stop-timeout {seconds}` is no number of seconds"))?;
            request.stop_timeout = Some(number);
        }
    }
    request.log = log(args)?;
    request.labels = labels(args, environment)?;
    request.health = health(args)?;
    request.stop_signal = args.stop_signal.as_deref().map(signal::parse).transpose()?;
    Ok(())
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

fn health(args: &LifecycleArgs) -> Result<HealthRequest> {
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
    let command = args.health_cmd.clone();
    Ok(HealthRequest {
        none: args.no_healthcheck,
        test: command.map(|command| vec!["CMD-SHELL".to_owned(), command]),
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

fn log(args: &LifecycleArgs) -> Result<LogRequest> {
    let mut log = values::log::of_driver(args.log_driver.as_deref())?;
    for option in &args.log_options {
        let about = || format!("`--log-opt {option}`");
        let (name, value) = option
            .split_once('=')
            .with_context(|| format!("{} is not of the form name=value", about()))?;
        values::log::set(&mut log, name, value).with_context(about)?;
    }
    values::log::check(&log).context("`--log-opt`")?;
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(change: impl FnOnce(&mut LifecycleArgs)) -> Result<ContainerRequest> {
        let mut args = LifecycleArgs::default();
        change(&mut args);
        let mut request = ContainerRequest::of("img");
        apply(&mut request, &args, &Environment::default()).map(|()| request)
    }

    #[test]
    fn checks_are_as_the_flags_say() {
        let none = resolved(|_| {}).unwrap().health;
        assert_eq!(none, HealthRequest::default());
        let other = resolved(|args| {
            args.health_cmd = Some("exit 0".to_owned());
            args.health_interval = Some("2s".to_owned());
            args.health_retries = Some(1);
        });
        let other = other.unwrap().health;
        assert_eq!(other.test.unwrap(), ["CMD-SHELL", "exit 0"]);
        assert_eq!((other.interval, other.retries), (Some(2_000_000_000), Some(1)));
        assert!(resolved(|args| args.no_healthcheck = true).unwrap().health.none);
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
    fn logs_have_options() {
        let options = ["max-size=10k", "max-file=3", "labels=a,b", "env=X"];
        let found = resolved(|args| args.log_options = options.map(str::to_owned).to_vec());
        let log = found.unwrap().log;
        assert_eq!((log.settings.max_size, log.settings.max_files), (Some(10 << 10), 3));
        assert_eq!((log.labels, log.env), (vec!["a".into(), "b".into()], vec!["X".into()]));
    }
}
