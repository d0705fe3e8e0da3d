//! `docker-credential-*`: programs that keep credentials where the system keeps secrets.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use store::registry::Credential;

/// A name that stands for a token.
const TOKEN: &str = "<token>";
/// What they say when they know nothing; some to their output, some to their errors.
const UNKNOWN: [&str; 2] = ["credentials not found", "The specified item could not be found"];

#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    #[error("cannot run `{program}`")]
    Run { program: String, source: io::Error },
    #[error("`{program} {act}` failed: {message}")]
    Failed { program: String, act: &'static str, message: String },
    #[error("the answer of `{program}` is not valid")]
    Answer { program: String },
}

pub(super) fn get(name: &str, key: &str) -> Result<Option<Credential>, HelperError> {
    let answer = match run(name, "get", key) {
        Err(HelperError::Failed { message, .. })
            if UNKNOWN.iter().any(|text| message.contains(text)) =>
        {
            return Ok(None);
        }
        answer => answer?,
    };
    let answer: Option<Value> = serde_json::from_slice(&answer).ok();
    let text = |field: &str| Some(answer.as_ref()?.get(field)?.as_str()?.to_owned());
    match (text("Username"), text("Secret")) {
        (Some(user), Some(token)) if user == TOKEN => Ok(Some(Credential::IdentityToken(token))),
        (Some(user), Some(password)) if user.is_empty() && password.is_empty() => Ok(None),
        (Some(user), Some(password)) => Ok(Some(Credential::Password { user, password })),
        _ => Err(HelperError::Answer { program: program(name) }),
    }
}

pub(super) fn store(name: &str, key: &str, user: &str, password: &str) -> Result<(), HelperError> {
    let entry = json!({ "ServerURL": key, "Username": user, "Secret": password });
    run(name, "store", &entry.to_string()).map(drop)
}

pub(super) fn erase(name: &str, key: &str) -> Result<(), HelperError> {
    run(name, "erase", key).map(drop)
}

fn run(name: &str, act: &'static str, input: &str) -> Result<Vec<u8>, HelperError> {
    let program = program(name);
    let failed = |source| HelperError::Run { program: program.clone(), source };
    let mut command = Command::new(&program);
    command.arg(act).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says why by its status.
        let _unread = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    let message = String::from_utf8_lossy(&said).trim().to_owned();
    Err(HelperError::Failed { program, act, message })
}

fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}
