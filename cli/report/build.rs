//! Why a build failed: the place in the Dockerfile, what the step wrote last, what to do.

use builder::BuildError;
use parser::Source;

use super::{self as report, Report, dockerfile};
use crate::progress::FailedStep;

const RULE: &str = "------";

pub fn print(error: &BuildError, source: &Source, failed: &[FailedStep]) {
    if let BuildError::Parse(errors) = error {
        dockerfile::parse_errors(source, errors);
        return;
    }
    failed.iter().filter(|step| !step.output.is_empty()).for_each(last_output);
    report(error, source).print();
}

fn report(error: &BuildError, source: &Source) -> Report {
    let mut report = Report::of(error);
    if let Some(span) = error.span() {
        report = report.excerpt(dockerfile::excerpt(source, span));
    }
    if let Some(disk) = error.full_disk() {
        report = report.note(report::space::when_it_ended(&disk));
    }
    match error.hint() {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

fn last_output(step: &FailedStep) {
    let mut text = format!("{RULE}\n > {}:\n", step.name);
    for line in &step.output {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(RULE);
    report::print(&text);
}
