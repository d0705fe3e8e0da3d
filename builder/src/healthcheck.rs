//! HEALTHCHECK in an image configuration, and how Docker's history shows it.

use std::time::Duration;

use parser::ast::{self, CommandForm};
use store::Healthcheck;

/// The configuration of a HEALTHCHECK.
pub(crate) fn to_config(healthcheck: &ast::Healthcheck) -> Healthcheck {
    let check = match healthcheck {
        ast::Healthcheck::None => {
            return Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() };
        }
        ast::Healthcheck::Check(check) => check,
    };
    Healthcheck {
        test: test(&check.command),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        start_period: nanoseconds(check.start_period),
        start_interval: nanoseconds(check.start_interval),
        retries: i64::from(check.retries.unwrap_or(0)),
        ..Healthcheck::default()
    }
}

fn test(command: &CommandForm) -> Vec<String> {
    match command {
        CommandForm::Shell { text, .. } => vec!["CMD-SHELL".to_owned(), text.clone()],
        CommandForm::Exec(args) => {
            std::iter::once("CMD".to_owned()).chain(args.iter().cloned()).collect()
        }
    }
}

fn nanoseconds(time: Option<Duration>) -> i64 {
    let nanoseconds = time.unwrap_or_default().as_nanos();
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

/// `{Test:[CMD-SHELL true] Interval:30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}`
pub(crate) fn for_history(check: &Healthcheck) -> String {
    format!(
        "{{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        check.test.join(" "),
        go_duration(check.interval),
        go_duration(check.timeout),
        go_duration(check.start_period),
        go_duration(check.start_interval),
        check.retries
    )
}

/// A time in Go's form: `1h0m0.5s`, `1.5ms`, `0s`.
fn go_duration(nanoseconds: i64) -> String {
    let total = nanoseconds.max(0);
    if total == 0 {
        return "0s".to_owned();
    }
    if total < 1_000 {
        return format!("{total}ns");
    }
    if total < 1_000_000 {
        return format!("{}µs", fraction(total, 1_000));
    }
    if total < 1_000_000_000 {
        return format!("{}ms", fraction(total, 1_000_000));
    }
    let seconds = fraction(total % 60_000_000_000, 1_000_000_000);
    let minutes = total / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / unit` without zeros at the end.
fn fraction(value: i64, unit: i64) -> String {
    let rest = value % unit;
    if rest == 0 {
        return (value / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{}.{}", value / unit, digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_does() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_500_000_000, "1.5s"),
            (30_000_000_000, "30s"),
            (60_000_000_000, "1m0s"),
            (3_600_500_000_000, "1h0m0.5s"),
        ];
        for (nanoseconds, expected) in table {
            assert_eq!(go_duration(nanoseconds), expected);
        }
    }

    #[test]
    fn none_and_the_two_forms() {
        assert_eq!(to_config(&ast::Healthcheck::None).test, ["NONE"]);
        let check = |command| ast::Check {
            interval: Some(Duration::from_secs(5)),
            timeout: None,
            start_period: None,
            start_interval: None,
            retries: Some(3),
            command,
        };
        let exec = CommandForm::Exec(vec!["/bin/x".to_owned(), "a".to_owned()]);
        let config = to_config(&ast::Healthcheck::Check(check(exec)));
        assert_eq!(config.test, ["CMD", "/bin/x", "a"]);
        assert_eq!((config.interval, config.retries), (5_000_000_000, 3));
        let shell = CommandForm::Shell { text: "a | b".to_owned(), heredocs: Vec::new() };
        let config = to_config(&ast::Healthcheck::Check(check(shell)));
        assert_eq!(config.test, ["CMD-SHELL", "a | b"]);
        assert_eq!(
            for_history(&config),
            "{Test:[CMD-SHELL a | b] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}"
        );
    }
}
