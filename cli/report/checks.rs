//! What the build checks found: for people, as docker's JSON, as SARIF.

use builder::BuildError;
use builder::check_rules::{EXTRA_RULES, RULES, Rule};
use builder::progress::Warning;
use parser::Source;
use serde_json::{Map, Value, json};

use super::{Report, Style, dockerfile};

/// One report for each warning, then how many there are. `complete` is false when an error ended the check.
pub fn text(source: &Source, warnings: &[&Warning], complete: bool) -> String {
    let mut text = String::new();
    for warning in warnings {
        text.push_str(&report(source, warning).render(Style::PLAIN));
        text.push_str("\n\n");
    }
    text.push_str(&match warnings.len() {
        _ if !complete => return text,
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    });
    text
}

/// A warning with its lines, and the page about its rule.
pub fn report(source: &Source, warning: &Warning) -> Report {
    let name = warning.name().map(|name| format!("{name}: ")).unwrap_or_default();
    let mut report = Report::warning(format!("{name}{}", warning.message));
    if let Some(span) = warning.span {
        report = report.excerpt(dockerfile::excerpt(source, span));
    }
    let Some(rule) = rule(warning) else { return report };
    if rule.says_more {
        report = report.note(rule.description);
    }
    match rule.url() {
        Some(url) => report.note(format!("see {url}")),
        None => report,
    }
}

fn rule(warning: &Warning) -> Option<&'static Rule> {
    Rule::find(warning.rule?)
}

/// The document of `docker build --call check,format=json`. As there, a number that is 0 is left out.
pub fn json(source: &Source, warnings: &[&Warning], error: Option<&BuildError>) -> String {
    let found = warnings.iter().filter_map(|warning| {
        let rule = rule(warning)?;
        let mut entry = json!({
            "ruleName": rule.name,
            "description": rule.description,
        });
        if let Some(url) = rule.url() {
            entry["url"] = json!(url);
        }
        entry["detail"] = json!(warning.message);
        if let Some(lines) = warning.lines(source) {
            entry["location"] = location(lines);
        }
        Some(entry)
    });
    let mut document = json!({
        "warnings": found.collect::<Vec<Value>>(),
        "sources": [{
            "filename": source.name(),
            "language": "Dockerfile",
            "data": base64(source.text().as_bytes()),
        }],
    });
    if let Some(error) = error {
        document["buildError"] = build_error(source, error);
    }
    pretty(&document)
}

fn build_error(source: &Source, error: &BuildError) -> Value {
    let span = match error {
        BuildError::Parse(errors) => errors.errors.first().map(|error| error.span),
        error => error.span(),
    };
    let mut value = json!({ "message": error.to_string() });
    if let Some(span) = span {
        value["location"] = location(source.lines(span));
    }
    value
}

pub(super) fn location((first, last): (usize, usize)) -> Value {
    json!({ "ranges": [{ "start": { "line": first }, "end": { "line": last } }] })
}

/// SARIF 2.1.0 with the rules that were broken. `complete` is false when an error ended the check.
pub fn sarif(source: &Source, warnings: &[&Warning], complete: bool) -> String {
    let broken = |rule: &&Rule| warnings.iter().any(|warning| warning.rule == Some(rule.name));
    let rules = RULES.iter().chain(&EXTRA_RULES).filter(broken).map(|rule| {
        let mut entry = json!({
            "id": rule.name,
            "shortDescription": { "text": rule.description },
        });
        if let Some(url) = rule.url() {
            entry["helpUri"] = json!(url);
        }
        entry
    });
    let results = warnings.iter().map(|warning| sarif_result(source, warning));
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "rbuild",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<Value>>(),
            } },
            "invocations": [{ "executionSuccessful": complete }],
            "results": results.collect::<Vec<Value>>(),
        }],
    }))
}

fn sarif_result(source: &Source, warning: &Warning) -> Value {
    let mut result = Map::new();
    result.insert("ruleId".to_owned(), json!(warning.rule));
    result.insert("level".to_owned(), json!("warning"));
    result.insert("message".to_owned(), json!({ "text": warning.message }));
    let mut place = json!({ "artifactLocation": { "uri": uri(source.name()) } });
    if let Some(span) = warning.span {
        let (first, last) = source.lines(span);
        place["region"] = json!({ "startLine": first, "endLine": last });
    }
    result.insert("locations".to_owned(), json!([{ "physicalLocation": place }]));
    Value::Object(result)
}

/// A file name as a relative reference.
pub(super) fn uri(name: &str) -> String {
    let mut uri = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

pub(super) fn pretty(document: &Value) -> String {
    format!("{document:#}\n")
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn names_become_relative_references() {
        assert_eq!(uri("a b/Dockerfile"), "a%20b/Dockerfile");
    }
}
