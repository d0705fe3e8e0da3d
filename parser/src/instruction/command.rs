//! CMD, ENTRYPOINT, SHELL and HEALTHCHECK: what containers run.

use std::num::IntErrorKind;
use std::time::Duration;

use crate::ast::{Check, CommandForm, Healthcheck, Warning, WarningKind, Word};
use crate::duration;
use crate::error::ErrorKind;
use crate::expand;
use crate::flag::{FlagKind, Flags};
use crate::syntax::Arguments;

use super::Request;

/// Docker refuses shorter intervals.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn command(request: &mut Request<'_>) -> Option<CommandForm> {
    request.flags(&[]);
    Some(form(request, &request.node.arguments))
}

/// The shell form when the arguments are no JSON array.
pub(super) fn form(request: &Request<'_>, arguments: &Arguments) -> CommandForm {
    match arguments {
        Arguments::Json(words) => {
            CommandForm::Exec(words.iter().map(|word| word.text.clone()).collect())
        }
        other => CommandForm::Shell {
            text: other.texts().join(" "),
            heredocs: request.node.heredocs.clone(),
        },
    }
}

pub(super) fn shell(request: &mut Request<'_>) -> Option<Vec<String>> {
    request.flags(&[]);
    let instruction = request.name();
    match &request.node.arguments {
        Arguments::Json(words) if !words.is_empty() => {
            Some(words.iter().map(|word| word.text.clone()).collect())
        }
        Arguments::Text(word) => {
            let words = expand::delimiter_words(&word.text, false).unwrap_or_default();
            let words: Vec<String> = words.iter().map(|part| format!("{part:?}")).collect();
            let suggestion = format!("[{}]", words.join(", "));
            request.error(ErrorKind::NotJson { instruction, suggestion }, word.span);
            None
        }
        _ => request.fail(ErrorKind::AtLeastOneArgument { instruction }),
    }
}

pub(super) fn healthcheck(request: &mut Request<'_>) -> Option<Healthcheck> {
    let Arguments::Health { kind, command } = &request.node.arguments else {
        let instruction = request.name();
        return request.fail(ErrorKind::AtLeastOneArgument { instruction });
    };
    match kind.text.to_uppercase().as_str() {
        "NONE" => none(request, command),
        "CMD" => check(request, command).map(Healthcheck::Check),
        other => {
            options(request);
            request.error(ErrorKind::HealthcheckKind { kind: other.to_owned() }, kind.span);
            None
        }
    }
}

/// Flags mean nothing here; BuildKit does not even read them.
fn none(request: &mut Request<'_>, command: &Arguments) -> Option<Healthcheck> {
    for flag in &request.node.flags {
        let kind = WarningKind::IgnoredFlag { flag: flag.text.clone() };
        request.findings.warnings.push(Warning { kind, span: flag.span });
    }
    if !command.texts().is_empty() {
        return request.fail(ErrorKind::HealthcheckNoneArguments);
    }
    Some(Healthcheck::None)
}

fn options(request: &mut Request<'_>) -> Flags {
    request.flags(&[
        ("interval", FlagKind::Text),
        ("timeout", FlagKind::Text),
        ("start-period", FlagKind::Text),
        ("start-interval", FlagKind::Text),
        ("retries", FlagKind::Text),
    ])
}

fn check(request: &mut Request<'_>, command: &Arguments) -> Option<Check> {
    let flags = options(request);
    if command.texts().is_empty() {
        request.fail::<()>(ErrorKind::HealthcheckNoCommand);
    }
    Some(Check {
        interval: interval(request, &flags, "interval"),
        timeout: interval(request, &flags, "timeout"),
        start_period: interval(request, &flags, "start-period"),
        start_interval: interval(request, &flags, "start-interval"),
        retries: retries(request, &flags),
        command: form(request, command),
    })
}

fn interval(request: &mut Request<'_>, flags: &Flags, flag: &'static str) -> Option<Duration> {
    let word = flags.text(flag)?;
    let nanoseconds = match duration::parse(&word.text) {
        Ok(nanoseconds) => nanoseconds,
        Err(error) => {
            request.error(ErrorKind::BadDuration { flag, cause: error.to_string() }, word.span);
            return None;
        }
    };
    let duration = u64::try_from(nanoseconds).map(Duration::from_nanos);
    match duration {
        Ok(Duration::ZERO) => None,
        Ok(duration) if duration >= SHORTEST => Some(duration),
        _ => {
            request.error(ErrorKind::ShortInterval { flag }, word.span);
            None
        }
    }
}

fn retries(request: &mut Request<'_>, flags: &Flags) -> Option<u32> {
    let Word { text, span } = flags.text("retries")?;
    let value = match text.parse::<i32>() {
        Ok(value) => value,
        Err(error) => {
            let cause = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            request.error(ErrorKind::BadRetries { value: text, cause }, span);
            return None;
        }
    };
    if value < 0 {
        request.error(ErrorKind::NegativeRetries { value: value.into() }, span);
    }
    u32::try_from(value).ok().filter(|retries| *retries > 0)
}
