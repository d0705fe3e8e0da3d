//! What the check of a compose file found: for people, as JSON, as SARIF.

use compose::findings::{Finding, RULES, Rule};
use compose::source::Sources;
use serde_json::{Map, Value, json};

use super::checks::{pretty, uri};
use super::{Report, Style, compose as places};

/// One report for each finding, then how many there are.
pub fn text(sources: &Sources, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&report(sources, finding).render(Style::PLAIN));
        text.push_str("\n\n");
    }
    text.push_str(&match findings.len() {
        0 => "Check complete, no findings.\n".to_owned(),
        1 => "Check complete, 1 finding.\n".to_owned(),
        count => format!("Check complete, {count} findings.\n"),
    });
    text
}

fn report(sources: &Sources, finding: &Finding) -> Report {
    let mut report = Report::warning(format!("{}: {}", finding.rule.name, finding.message));
    if let Some(excerpt) = places::excerpt(sources, finding.span) {
        report = report.excerpt(excerpt);
    }
    match &finding.hint {
        Some(hint) => report.hint(hint.as_str()),
        None => report,
    }
}

pub fn json(sources: &Sources, findings: &[Finding]) -> String {
    let found = findings.iter().map(|finding| {
        let mut entry = json!({
            "rule": finding.rule.name,
            "description": finding.rule.description,
            "message": finding.message,
        });
        if let Some(hint) = &finding.hint {
            entry["hint"] = json!(hint);
        }
        if let Some(source) = sources.of(finding.span) {
            let start = finding.span.start;
            entry["location"] =
                json!({ "file": source.name, "line": start.line, "column": start.column });
        }
        entry
    });
    pretty(&json!({ "findings": found.collect::<Vec<Value>>() }))
}

/// SARIF 2.1.0 with the rules that found something.
pub fn sarif(sources: &Sources, findings: &[Finding]) -> String {
    let used = |rule: &&Rule| findings.iter().any(|finding| finding.rule.name == rule.name);
    let rules = RULES
        .iter()
        .filter(used)
        .map(|rule| json!({ "id": rule.name, "shortDescription": { "text": rule.description } }));
    let results = findings.iter().map(|finding| {
        let mut result = Map::new();
        result.insert("ruleId".to_owned(), json!(finding.rule.name));
        result.insert("level".to_owned(), json!("warning"));
        result.insert("message".to_owned(), json!({ "text": finding.message }));
        if let Some(source) = sources.of(finding.span) {
            let start = finding.span.start;
            let region = json!({ "startLine": start.line, "startColumn": start.column });
            let file = json!({ "uri": uri(&source.name) });
            let place = json!({ "artifactLocation": file, "region": region });
            result.insert("locations".to_owned(), json!([{ "physicalLocation": place }]));
        }
        Value::Object(result)
    });
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "rcompose",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<Value>>(),
            } },
            "invocations": [{ "executionSuccessful": true }],
            "results": results.collect::<Vec<Value>>(),
        }],
    }))
}
