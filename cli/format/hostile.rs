//! Mangled templates: whatever is typed, the answer is a text or an error, never a panic.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::report::Style;

use super::{MissingKey, Shape, Template, Value};

/// What is put in the place of each character, and in front of it.
const PIECES: [&str; 16] =
    ["", "{{", "}}", " -}}", "{{- ", "(", ")", "\"", "\\", "'", "é", ".", "$", "|", "-", "9"];

#[test]
fn mangled_templates_are_answered() {
    let data = json!({ "s": "é", "l": ["a", [1]], "n": null, "m": { "k": 1 }, "i": -1 });
    let data = Value::new(data, Shape::Any);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format");
    let mut tried = 0_u32;
    for entry in fs::read_dir(folder).unwrap() {
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let Some((template, _)) = line.split_once("  =>  ") else { continue };
            for mangled in mangled(template) {
                tried += 1;
                // Whether it is right is not known; that there is an answer is the point.
                let answer = Template::parse(&mangled)
                    .and_then(|template| template.execute(&data, MissingKey::NoValue));
                if let Err(error) = answer {
                    // Drawing is slow; what it draws from is checked for all.
                    assert!(error.span.start <= error.span.end && error.span.end <= mangled.len());
                    if tried.is_multiple_of(16) {
                        error.report().render(Style::PLAIN);
                    }
                }
            }
        }
    }
    assert!(tried > 50_000, "{tried}");
}

fn mangled(template: &str) -> impl Iterator<Item = String> + '_ {
    template.char_indices().flat_map(move |(at, char)| {
        let (before, after) = (&template[..at], &template[at + char.len_utf8()..]);
        PIECES.iter().flat_map(move |piece| {
            [format!("{before}{piece}{after}"), format!("{before}{piece}{char}{after}")]
        })
    })
}

#[test]
fn depth_has_a_limit() {
    let nested = |open: &str, close: &str, depth| {
        let template = format!("{}{{{{.}}}}{}", open.repeat(depth), close.repeat(depth));
        Template::parse(&template).map(|_| ()).map_err(|error| error.message)
    };
    let parentheses = |depth| {
        let template = format!("{{{{{}1{}}}}}", "(".repeat(depth), ")".repeat(depth));
        Template::parse(&template).map(|_| ()).map_err(|error| error.message)
    };
    let too_deep = Err("more than 100 blocks or parentheses in each other".to_owned());
    assert_eq!(nested("{{if .}}", "{{end}}", 100), Ok(()));
    assert_eq!(nested("{{if .}}", "{{end}}", 101), too_deep);
    assert_eq!(nested("{{if .}}{{else if .}}", "{{end}}", 40_000), too_deep);
    assert_eq!(parentheses(100), Ok(()));
    assert_eq!(parentheses(100_000), too_deep);
    let many = "{{if .}}{{(1)}}{{end}}".repeat(1000);
    assert!(Template::parse(&many).is_ok(), "one after the other they are not deep");
}
