//! `rcompose config --variables`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, report};
use compose::interpolate::{Variable, variables};
use compose::load::load_model;
use compose::render::{Data, json, yaml};

use super::{config, find};
use crate::args::{ConfigArgs, DocumentFormat, ProjectArgs};
use crate::disk::Disk;

pub(super) fn run(
    args: &ConfigArgs,
    project: &ProjectArgs,
    environment: &Environment,
) -> Result<Exit> {
    let mut options = config::options(args, project);
    options.interpolate = false;
    config::warn_of_all(args, "--variables");
    let found = find(project, options, environment)?;
    let (tree, warnings) = load_model(&found.request, &Disk)?;
    report::compose::warnings(&warnings);
    let variables: Vec<(String, Variable)> = variables(&tree).into_iter().collect();
    let text = match args.format {
        None => table(&variables),
        Some(DocumentFormat::Yaml) => yaml(&document(&variables, true)),
        Some(DocumentFormat::Json) => json(&document(&variables, false), 4) + "\n",
    };
    config::deliver(args, &text)
}

/// Docker's YAML has the names of Go's fields in lower case.
fn document(variables: &[(String, Variable)], lower: bool) -> Data {
    let field =
        |name: &str, data: Data| (if lower { name.to_lowercase() } else { name.to_owned() }, data);
    let entries = variables.iter().map(|(name, variable)| {
        let fields = vec![
            field("Name", Data::text(name)),
            field("DefaultValue", Data::text(&variable.default)),
            field("PresenceValue", Data::text(&variable.alternative)),
            field("Required", Data::Bool(variable.required)),
        ];
        (name.clone(), Data::Record(fields))
    });
    Data::Map(entries.collect())
}

fn table(variables: &[(String, Variable)]) -> String {
    let mut rows = vec![[
        "NAME".to_owned(),
        "REQUIRED".to_owned(),
        "DEFAULT VALUE".to_owned(),
        "ALTERNATE VALUE".to_owned(),
    ]];
    rows.extend(variables.iter().map(|(name, variable)| {
        let required = variable.required.to_string();
        [name.clone(), required, variable.default.clone(), variable.alternative.clone()]
    }));
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        (longest + 3).max(20)
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(&format!("{cell:width$}"));
        }
        text.push_str(&row[3]);
        text.push('\n');
    }
    text
}
