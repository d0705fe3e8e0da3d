//! `--secret id=ID[,src=FILE][,env=NAME]`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use builder::request::{Secret, SecretSource};
use cli::environment::Environment;

use cli::fields;

pub(super) fn parse(text: &str, environment: &Environment) -> Result<Secret> {
    let about = || format!("`--secret {text}`");
    let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
    for (name, value) in fields::parse(text).with_context(about)? {
        let value = value.with_context(|| format!("{}: `{name}` needs a value", about()))?;
        match name.as_str() {
            "id" => id = Some(value),
            "src" | "source" => file = Some(value),
            "env" => variable = Some(value),
            "type" => kind = Some(value),
            _ => bail!("{}: unknown setting `{name}`; known are id, src, env, type", about()),
        }
    }
    let id =
        id.filter(|id| !id.is_empty()).with_context(|| format!("{}: `id` is missing", about()))?;
    match kind.as_deref() {
        None => {}
        Some("file") if variable.is_none() => {}
        // `type=env,src=NAME` is another way to write `env=NAME`.
        Some("env") => variable = variable.or_else(|| file.take()).or_else(|| Some(id.clone())),
        Some(other) => bail!("{}: unsupported type `{other}`", about()),
    }
    let source = match (file, variable) {
        (Some(_), Some(_)) => bail!("{}: `src` and `env` exclude each other", about()),
        (Some(file), None) => readable(PathBuf::from(file)).with_context(about)?,
        (None, Some(name)) => from_variable(&name, environment).with_context(about)?,
        (None, None) if environment.os(&id).is_some() => from_variable(&id, environment)?,
        (None, None) => readable(PathBuf::from(&id)).with_context(about)?,
    };
    Ok(Secret { id, source })
}

/// The file is looked at now, so that a wrong path is not found out in the middle of the build.
fn readable(path: PathBuf) -> Result<SecretSource> {
    std::fs::File::open(&path).with_context(|| format!("cannot open `{}`", path.display()))?;
    Ok(SecretSource::File(path))
}

fn from_variable(name: &str, environment: &Environment) -> Result<SecretSource> {
    use std::os::unix::ffi::OsStrExt;
    match environment.os(name) {
        Some(value) => Ok(SecretSource::Value(value.as_bytes().to_vec())),
        None => bail!("the environment has no variable `{name}`"),
    }
}
