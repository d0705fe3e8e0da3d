//! Random texts: nothing panics, and what is written is read back.
//!
//! The same every time; `RBUILD_TEST_CASES` tries more, `RBUILD_TEST_SEED` others.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use compose::render::{Data, yaml};
use compose::source::Sources;
use compose::yaml as tree;
use support::Tree;

/// xorshift: good enough to mix pieces.
struct Random(u64);

impl Random {
    fn new() -> Random {
        Random(number("RBUILD_TEST_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn mix(&mut self, pieces: &[&str], longest: usize) -> String {
        let count = 1 + self.below(longest);
        (0..count).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::vars().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok())
}

fn cases() -> u64 {
    number("RBUILD_TEST_CASES").unwrap_or(1_000)
}

#[test]
fn yaml_of_any_kind_ends_with_a_tree_or_an_error() {
    let pieces = [
        "a",
        ": ",
        "\n",
        "- ",
        "  ",
        "&x ",
        "*x",
        "<<: ",
        "!reset ",
        "!override ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "#c",
        "services:\n",
        "---\n",
        "\t",
        "é",
        "0x1f",
        "? ",
        "!!int ",
        "%",
        "2020-01-01",
        "~",
    ];
    let mut random = Random::new();
    for _ in 0..cases() {
        let text = random.mix(&pieces, 40);
        let _either = Tree::of([("/p/compose.yaml", text.as_str())]).load("/p/compose.yaml");
    }
}

#[test]
fn broken_compose_files_end_with_a_project_or_an_error() {
    let good = "name: n\nx-a: &a {image: x, ports: ['80:80']}\nservices:\n  a:\n    <<: *a\n    \
                environment: [A=1, B]\n    volumes: ['v:/v:ro', ./d:/d]\n    deploy: {replicas: 2}\n  \
                b: {extends: a, depends_on: {a: {condition: service_started}}}\nvolumes: {v: }\n";
    let mut random = Random::new();
    for _ in 0..cases() {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, b" :-[]{}&*!|'\"\n$#@0a"[random.below(19)]),
                _ => bytes[at] = b" :-[]{}&*!|'\"\n$#@0a"[random.below(19)],
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _either = Tree::of([("/p/compose.yaml", text.as_str())]).load("/p/compose.yaml");
    }
}

#[test]
fn text_that_is_written_is_read_back() {
    let pieces = [
        "a", " ", "\n", ":", "#", "-", "'", "\"", "\\", "\t", "é", "😀", "{", "}", "[", "]", ",",
        "&", "*", "!", "|", ">", "%", "@", "`", "0", "1.5", "true", "null", "~", "y", "=", "<<",
        "?", "...", "---", "\u{1}", "\u{a0}", "\u{2028}", "\r",
    ];
    let mut random = Random::new();
    for _ in 0..cases() {
        let (key, value) = (random.mix(&pieces, 4), random.mix(&pieces, 8));
        // A merge key is one whatever it stands for: yaml.v3 writes it plain.
        if key == "<<" {
            continue;
        }
        let document = Data::Map(vec![
            (key.clone(), Data::text(&value)),
            ("list".to_owned(), Data::List(vec![Data::text(&value), Data::Null])),
        ]);
        let text = yaml(&document);
        let file = Sources::default().add("f", text.as_str());
        let documents = tree::parse(&text, file);
        let documents = documents.unwrap_or_else(|it| panic!("{it:?}\n{value:?}\n{text}"));
        let root = &documents[0].root;
        assert_eq!(root.get(&key).and_then(|it| it.as_str()), Some(value.as_str()), "{text}");
        let list = root.get("list").and_then(|it| it.as_list()).unwrap();
        assert_eq!(list[0].as_str(), Some(value.as_str()), "{text}");
    }
}

#[test]
fn long_keys_and_keys_of_several_lines_have_lines_of_their_own() {
    let long = "k".repeat(129);
    let inner = Data::Map(vec![("a".to_owned(), Data::Int(1)), ("b".to_owned(), Data::Null)]);
    let list = Data::List(vec![Data::Int(1), Data::Int(2)]);
    let fields = [(long.clone(), inner), ("k".repeat(128), list), ("m\nn".to_owned(), Data::Null)];
    let text = yaml(&Data::Record(fields.into()));
    let expected = format!(
        "? {long}\n: a: 1\n  b: null\n{}:\n  - 1\n  - 2\n? |-\n  m\n  n\n: null\n",
        "k".repeat(128)
    );
    assert_eq!(text, expected);
}
