//! Environment variables: `--env` and `--env-file`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use engine::Variable;

/// Files first, then single ones, which win; a name without value is taken from our own environment.
pub(crate) fn read(
    files: &[PathBuf],
    given: &[String],
    environment: &Environment,
) -> Result<Vec<Variable>> {
    let mut variables = Vec::new();
    for path in files {
        variables.extend(of_file(path, environment)?);
    }
    for text in given {
        if text.is_empty() || text.starts_with('=') {
            bail!("`--env {text}`: the variable has no name");
        }
        variables.push(match text.contains('=') {
            true => Variable::Set(text.clone()),
            false => taken(text, environment).unwrap_or_else(|| Variable::Removed(text.clone())),
        });
    }
    Ok(variables)
}

fn of_file(path: &Path, environment: &Environment) -> Result<Vec<Variable>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut variables = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        // What follows the value belongs to it, what precedes the name to nothing.
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() || name.contains(char::is_whitespace) {
            let number = number + 1;
            bail!(
                "{}:{number}: `{name}` is no name of a variable; write NAME=VALUE",
                path.display()
            );
        }
        match line.contains('=') {
            true => variables.push(Variable::Set(line.to_owned())),
            false => variables.extend(taken(name, environment)),
        }
    }
    Ok(variables)
}

fn taken(name: &str, environment: &Environment) -> Option<Variable> {
    let value = environment.os(name)?.to_str()?;
    Some(Variable::Set(format!("{name}={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Vec<Variable>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("env");
        fs::write(&path, text).unwrap();
        of_file(&path, &Environment::of([("HERE", "ours")]))
    }

    #[test]
    fn files_are_read_as_docker_reads_them() {
        let set = |text: &str| Variable::Set(text.to_owned());
        let text = "\u{feff}# note\n\n  A=1 \nHERE\nABSENT\nB=\nC=x=y # no comment\n\t# note\n";
        let expected = [set("A=1 "), set("HERE=ours"), set("B="), set("C=x=y # no comment")];
        assert_eq!(file(text).unwrap(), expected);
        for wrong in ["A B=1\n", "=1\n", "A =1\n"] {
            let error = file(wrong).unwrap_err().to_string();
            assert!(error.contains("env:1: `"), "{error}");
        }
    }

    #[test]
    fn a_name_alone_takes_the_variable_over_or_away() {
        let environment = Environment::of([("HERE", "ours")]);
        let given = ["HERE".to_owned(), "GONE".to_owned()];
        let mut env = vec!["HERE=image".to_owned(), "GONE=image".to_owned(), "X=1".to_owned()];
        for variable in read(&[], &given, &environment).unwrap() {
            engine::set_variable(&mut env, &variable);
        }
        assert_eq!(env, ["HERE=ours", "X=1"]);
        assert!(read(&[], &["=x".to_owned()], &environment).is_err());
    }
}
