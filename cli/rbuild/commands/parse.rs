//! `rbuild parse`

use std::path::Path;

use anyhow::Result;
use cli::{Exit, output, report};
use parser::{Dockerfile, Source};

use super::dockerfile;
use crate::args::{ParseArgs, TreeFormat};

pub(crate) fn run(args: &ParseArgs) -> Result<Exit> {
    let bytes = dockerfile::read(&args.file)?;
    let source = Source::new(name(&args.file), String::from_utf8_lossy(&bytes));
    let tree = match args.format {
        TreeFormat::Sexpr => parser::sexpr::dump(&bytes),
        TreeFormat::Json => match parser::parse(&bytes) {
            Ok(tree) => {
                warn(&source, &tree);
                Ok(serde_json::to_string_pretty(&tree)? + "\n")
            }
            Err(errors) => Err(errors),
        },
    };
    match tree {
        Ok(text) => {
            output::write(&text)?;
            Ok(Exit::Success)
        }
        Err(errors) => {
            report::dockerfile::parse_errors(&source, &errors);
            Ok(Exit::Failure)
        }
    }
}

fn warn(source: &Source, tree: &Dockerfile) {
    for warning in &tree.warnings {
        let message = warning.kind.to_string();
        report::dockerfile::warning(source, warning.kind.rule(), &message, Some(warning.span));
    }
}

fn name(file: &Path) -> String {
    if file.as_os_str() == "-" { "<stdin>".to_owned() } else { file.display().to_string() }
}
