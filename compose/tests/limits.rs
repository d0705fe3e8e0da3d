//! Hostile files cost little and end with an error.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use support::{Tree, load_error};

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let inner = format!("*a{}", level - 1);
        let list = vec![inner; 10].join(", ");
        text.push_str(&format!("x-{level}: &a{level} [{list}]\n"));
    }
    text.push_str("services: {a: {image: x}}\n");
    assert!(load_error(&text).contains("document contains excessive aliasing"));
}

#[test]
fn an_anchor_that_contains_itself_is_refused() {
    assert!(load_error("x-a: &a {b: *a}").contains("cycle detected"));
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("x-a: {}{}", "[".repeat(150), "]".repeat(150));
    assert!(load_error(&text).contains("nested deeper than 100 levels"));
    let text = format!("x-a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(load_error(&text).contains("failed to parse"));
}

#[test]
fn a_huge_file_is_refused() {
    let text = format!("x-a: {}", "a".repeat(9 << 20));
    assert!(load_error(&text).contains("the file has 9437189 bytes, more than 8388608"));
}

#[test]
fn a_hundred_includes_deep_are_refused() {
    let mut tree = Tree::default();
    for level in 0..100 {
        let text = format!("include: [f{}.yaml]\nservices: {{s{level}: {{image: x}}}}", level + 1);
        tree.add(format!("/p/f{level}.yaml"), text);
    }
    tree.add("/p/f100.yaml".to_owned(), "services: {last: {image: x}}".to_owned());
    let error = tree.load("/p/f0.yaml").unwrap_err();
    assert!(error.to_string().contains("include: more than 50 files deep"), "{error}");
}

#[test]
fn every_error_of_a_file_is_told() {
    let text = "services:\n  a: {image: 1, prots: ['80:80']}\n  b: {image: x, tty: 3}\n  c: {image: x, cgroup: prvate}";
    let error = Tree::of([("/p/compose.yaml", text)]).load("/p/compose.yaml").unwrap_err();
    let told: Vec<String> = error
        .problems
        .iter()
        .map(|it| {
            let place = error.sources.describe(it.span).unwrap();
            format!("{place} {} ({})", it.kind, it.hint().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            "/p/compose.yaml:2:14 validating /p/compose.yaml: services.a.image must be a string, not a number (put the number in quotes)",
            "/p/compose.yaml:2:17 validating /p/compose.yaml: services.a additional properties 'prots' not allowed (did you mean `ports`?)",
            "/p/compose.yaml:3:22 validating /p/compose.yaml: services.b.tty must be a boolean or string, not a number ()",
            "/p/compose.yaml:4:25 validating /p/compose.yaml: services.c.cgroup value must be one of 'host', 'private' (did you mean `private`?)",
        ]
    );
}

#[test]
fn text_that_aliases_repeat_is_bounded() {
    let text = format!("x-a: &a {}\nx-b: [{}]", "a".repeat(1 << 20), vec!["*a"; 90].join(", "));
    assert!(load_error(&text).contains("excessive aliasing"));
}

#[test]
fn variables_are_not_nested_without_end() {
    let text = format!(
        "services: {{a: {{image: \"{}x{}\"}}}}",
        "${A:-".repeat(20_000),
        "}".repeat(20_000)
    );
    assert!(load_error(&text).contains("nested deeper than 100 levels"));
}

#[test]
fn variables_that_repeat_variables_are_bounded() {
    let mut text = format!("V0={}\n", "a".repeat(1000));
    for level in 1..9 {
        text.push_str(&format!("V{level}={}\n", format!("$V{}", level - 1).repeat(10)));
    }
    let mut found = std::collections::BTreeMap::new();
    let error = compose::dotenv::parse(&text, &mut found, &|_| None).unwrap_err();
    assert!(error.to_string().contains("add more than 1048576 bytes"), "{error}");
}
