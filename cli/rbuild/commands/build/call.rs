//! `--call` and `--check`: another question about the Dockerfile than what it builds.

use anyhow::{Context, Result, bail};
use builder::BuildRequest;
use cli::environment::Environment;
use cli::report::{checks, outline};
use cli::{Exit, fields, output};
use store::Store;

use super::{check, failure, look_at, source};
use crate::args::{BuildArgs, CheckFormat};

/// What is asked, and how the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Check {
        format: CheckFormat,
        /// `ignorestatus=true`: whatever is found is no failure.
        lenient: bool,
    },
    /// What the target can be given.
    Outline(Form),
    /// Which stages can be built.
    Targets(Form),
    /// Which questions there are.
    Describe(Form),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

const METHODS: &str = "build, check, outline, targets and subrequests.describe";

/// What is asked for instead of a build.
pub(super) fn asked(args: &BuildArgs) -> Result<Option<Call>> {
    let check = args.check.is_some_and(|value| value.unwrap_or(true));
    let text = args.call.as_deref().unwrap_or_default();
    parse(text, check).with_context(|| format!("`--call {text}`"))
}

fn parse(text: &str, check: bool) -> Result<Option<Call>> {
    let (mut method, mut format, mut lenient) = (None, None, None);
    for (name, value) in fields::parse(text)? {
        match (name.as_str(), value) {
            ("format", Some(value)) => format = Some(value),
            ("ignorestatus", value) => lenient = Some(fields::boolean(&name, value.as_deref())?),
            (_, Some(_)) => bail!("unknown setting `{name}`; known are format and ignorestatus"),
            ("", None) => {}
            (_, None) if method.is_some() => bail!("one method at a time"),
            (_, None) => method = Some(name),
        }
    }
    let method = match method.as_deref() {
        None | Some("build") if check => "check",
        None => "build",
        Some("lint") => "check",
        Some(_) if check && method.as_deref() != Some("check") => {
            bail!("`--check` asks for something else")
        }
        Some(method) => method,
    };
    if method != "check" && lenient.is_some() {
        bail!("`ignorestatus` belongs to `check`");
    }
    Ok(Some(match method {
        "check" => Call::Check { format: check_format(format)?, lenient: lenient == Some(true) },
        "outline" => Call::Outline(form(format)?),
        "targets" => Call::Targets(form(format)?),
        "subrequests.describe" => Call::Describe(form(format)?),
        "build" if format.is_none() => return Ok(None),
        "build" => bail!("a build has no `format`"),
        _ => bail!("there is no method `{method}`; known are {METHODS}"),
    }))
}

fn check_format(format: Option<String>) -> Result<CheckFormat> {
    match format.as_deref() {
        None | Some("text") => Ok(CheckFormat::Text),
        Some("json") => Ok(CheckFormat::Json),
        Some("sarif") => Ok(CheckFormat::Sarif),
        Some(other) => bail!("unknown format `{other}`; known are text, json and sarif"),
    }
}

fn form(format: Option<String>) -> Result<Form> {
    match format.as_deref() {
        None | Some("text") => Ok(Form::Text),
        Some("json") => Ok(Form::Json),
        Some(other) => bail!("unknown format `{other}`; known are text and json"),
    }
}

pub(super) fn answer(args: &BuildArgs, call: Call, environment: &Environment) -> Result<Exit> {
    match call {
        Call::Check { format, lenient } => {
            check::check(args, format, lenient, check::Rules::BuildKits, environment)
        }
        Call::Outline(form) => look_at(args, environment, |request| {
            show_outline(request, form, check::existing_store(environment).as_ref())
        }),
        Call::Targets(form) => look_at(args, environment, |request| show_targets(request, form)),
        Call::Describe(form) => {
            output::write(&match form {
                Form::Text => outline::describe_text(),
                Form::Json => outline::describe_json(),
            })?;
            Ok(Exit::Success)
        }
    }
}

fn show_outline(request: &BuildRequest, form: Form, store: Option<&Store>) -> Result<Exit> {
    let source = source(request);
    let (found, remarks) = match builder::outline(request, store) {
        Ok(found) => found,
        Err(error) => {
            failure::print(&error, &source, &[]);
            return Ok(Exit::Failure);
        }
    };
    for remark in &remarks {
        checks::report(&source, remark).print();
    }
    output::write(&match form {
        Form::Text => outline::text(&found),
        Form::Json => outline::json(&source, &found),
    })?;
    Ok(Exit::Success)
}

fn show_targets(request: &BuildRequest, form: Form) -> Result<Exit> {
    let source = source(request);
    let dockerfile = match parser::parse(&request.dockerfile.text) {
        Ok(dockerfile) => dockerfile,
        Err(errors) => {
            failure::print(&errors.into(), &source, &[]);
            return Ok(Exit::Failure);
        }
    };
    output::write(&match form {
        Form::Text => outline::targets_text(&dockerfile),
        Form::Json => outline::targets_json(&source, &dockerfile),
    })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_formats() {
        let check = |format, lenient| Some(Call::Check { format, lenient });
        let table = [
            ("", None),
            ("build", None),
            ("check", check(CheckFormat::Text, false)),
            ("lint,format=sarif", check(CheckFormat::Sarif, false)),
            ("format=json,check,ignorestatus=true", check(CheckFormat::Json, true)),
            ("outline", Some(Call::Outline(Form::Text))),
            ("targets,format=json", Some(Call::Targets(Form::Json))),
            ("subrequests.describe", Some(Call::Describe(Form::Text))),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text, false).unwrap(), expected, "{text}");
        }
        assert_eq!(parse("", true).unwrap(), check(CheckFormat::Text, false));
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for text in [
            "outlines",
            "outline,targets",
            "outline,format=sarif",
            "check,format=xml",
            "build,format=json",
            "outline,ignorestatus=true",
            "check,x=y",
        ] {
            assert!(parse(text, false).is_err(), "{text}");
        }
        assert!(parse("outline", true).is_err());
    }
}
