//! Our own rules for words, beyond the recorded cases; and that no text makes expansion panic or hang.
#![allow(clippy::unwrap_used)] // tests

use std::collections::BTreeMap;

use parser::Span;
use parser::expand::{
    ExpandErrorKind, Expanded, Lookup, expand_for_display, expand_heredoc, expand_word,
};
use parser::word::{self, Modifier, Piece, SyntaxError};

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A fixed set of variables: `u` is not set.
fn vars() -> BTreeMap<String, String> {
    env(&[
        ("a", "alpha"),
        ("e", ""),
        ("p", "/usr/local/bin"),
        ("l", "one\ntwo"),
        ("s", "x  y"),
        ("star", "*"),
    ])
}

fn value(text: &str) -> String {
    expand_word(text, Span::new(0, text.len()), '\\', &vars()).unwrap().value
}

fn error(text: &str) -> String {
    let error = expand_word(text, Span::new(0, text.len()), '\\', &vars()).unwrap_err();
    error.kind.to_string()
}

#[test]
fn quotes_go_and_escapes_are_taken_back() {
    assert_eq!(value(r#"a"b c"'d $a'"#), "ab cd $a");
    assert_eq!(value(r#""\$a \" \\ \n""#), r#"$a " \ \n"#);
    assert_eq!(value(r"\$a \q \\"), r"$a q \");
    assert_eq!(value(r"end\"), "end");
    assert_eq!(value("\u{feff}bom"), "bom");
}

#[test]
fn the_escape_character_is_the_file_s() {
    let expand = |text: &str| expand_word(text, Span::default(), '`', &vars()).unwrap().value;
    assert_eq!(expand(r"C:\dir\$a"), r"C:\dir\alpha");
    assert_eq!(expand("`$a ``"), "$a `");
    assert_eq!(expand("\"`\" `x\""), "\" `x");
}

#[test]
fn names_end_where_they_cannot_go_on() {
    assert_eq!(value("$a-b ${a}b $ab $12x $$a $é_"), "alpha-b alphab  x a ");
    assert_eq!(value("$ $. a$"), "$ $. a$");
}

#[test]
fn defaults_and_alternatives() {
    assert_eq!(value("${a:-d} ${e:-d} ${u:-d}"), "alpha d d");
    assert_eq!(value("${a-d} ${e-d} ${u-d}"), "alpha  d");
    assert_eq!(value("${a:+x} ${e:+x} ${u:+x}"), "x  ");
    assert_eq!(value("${a+x} ${e+x} ${u+x}"), "x x ");
    assert_eq!(value(r#"${u:-"a } b"}${u:-\}}"#), "a } b}");
}

#[test]
fn required_variables_say_what_is_missing() {
    assert_eq!(error("${u?}"), "u: is not allowed to be unset");
    assert_eq!(error("${e:?}"), "e: is not allowed to be empty");
    assert_eq!(error("${u:?set $a first}"), "u: set alpha first");
    assert_eq!(value("${e?}"), "");
}

#[test]
fn a_default_that_is_not_needed_is_still_evaluated() {
    assert_eq!(error("${a:-${u?needed}}"), "u: needed");
    let expanded = expand_word("${a:-$u}", Span::default(), '\\', &vars()).unwrap();
    assert_eq!(expanded.value, "alpha");
    assert!(expanded.used.contains("a") && expanded.unmatched.contains("u"));
}

#[test]
fn prefixes_and_suffixes_are_trimmed() {
    assert_eq!(value("${p#*/}"), "usr/local/bin");
    assert_eq!(value("${p##*/}"), "bin");
    assert_eq!(value("${p%/*}"), "/usr/local");
    assert_eq!(value("${p%%/*}"), "");
    assert_eq!(value("${a#al}${a%ha}"), "phaalp");
    assert_eq!(value("${a#?}${a%?}"), "lphaalph");
    assert_eq!(value("${l##*}|${l%%*}"), "\ntwo|one\n", "wildcards stop at a newline");
    assert_eq!(value("${u#x}${e%x}"), "");
}

#[test]
fn parts_are_replaced() {
    assert_eq!(value("${a/a/A}"), "Alpha");
    assert_eq!(value("${a//a/A}"), "AlphA");
    assert_eq!(value(r"${p//\//-}"), "-usr-local-bin");
    assert_eq!(value("${a/l*h/}"), "aa");
    assert_eq!(value("${a/x/y}"), "alpha");
    assert_eq!(value("${a/$star/y}"), "y", "a pattern from a variable");
    assert_eq!(value("${a//$e/.}"), ".a.l.p.h.a.");
}

#[test]
fn broken_words_are_named() {
    for (text, expected) in [
        ("'abc", "unexpected end of statement while looking for matching single-quote"),
        ("\"abc", "unexpected end of statement while looking for matching double-quote"),
        ("${", "syntax error: missing '}'"),
        ("${a", "syntax error: missing '}'"),
        ("${a:", "syntax error: missing '}'"),
        ("${a:-\"x}", "syntax error: missing '}'"),
        ("${a/x}", "syntax error: missing '/' in ${}"),
        ("${a/x/y", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${:-x}", "syntax error: bad substitution"),
        ("${a!b}", "unsupported modifier (!) in substitution"),
        ("${a:x}", "unsupported modifier (:x) in substitution"),
        ("${a:#x}", "unsupported modifier (:#) in substitution"),
        (r"${a#\x}", r"invalid pattern (\x) in substitution: invalid escape '\x'"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn the_first_error_of_the_text_is_reported() {
    assert_eq!(error("${u?first} ${}"), "u: first");
    assert_eq!(error("${} ${u?second}"), "syntax error: bad substitution");
}

#[test]
fn errors_point_into_the_word() {
    let text = "x ${u?m} y";
    let error = expand_word(text, Span::new(100, 100 + text.len()), '\\', &vars()).unwrap_err();
    assert_eq!(error.span, Span::new(102, 108));
    assert_eq!(error.to_string(), r#"failed to process "x ${u?m} y": u: m"#);
    let elsewhere = Span::new(5, 99); // the source has it in another form
    let error = expand_word(text, elsewhere, '\\', &vars()).unwrap_err();
    assert_eq!(error.span, elsewhere);
}

#[test]
fn splitting_respects_quotes_escapes_and_values() {
    let words = |text: &str| expand_word(text, Span::default(), '\\', &vars()).unwrap().words;
    assert_eq!(words("  80 $s  \"$s\" a\\ b '' "), ["80", "x", "y", "x  y", "a b"]);
    assert!(words("$e \"\" ").is_empty());
}

#[test]
fn heredocs_keep_quotes() {
    let expanded = expand_heredoc("'$a' \"$a\" \\$a it's\n", Span::default(), &vars()).unwrap();
    assert_eq!(expanded.value, "'alpha' \"alpha\" $a it's\n");
}

#[test]
fn what_is_shown_stays_as_written_where_nothing_is_known() {
    let shown = |text: &str| expand_for_display(text, '\\', &vars());
    assert_eq!(
        shown(r#"COPY "$a" '$a' \$x $u ${u} ${u:-$a}"#),
        r#"COPY "alpha" '$a' \$x $u ${u} ${u:-alpha}"#
    );
    assert_eq!(shown("${u//a/b}"), "${u//a/b}");
    assert_eq!(shown("echo ${"), "echo ${");
}

#[test]
fn environment_lines_are_a_lookup() {
    let lines = ["A=1".to_owned(), "AB=2".to_owned(), "A=3".to_owned(), "C".to_owned()];
    assert_eq!(lines.lookup("A"), Some("3"));
    assert_eq!(lines.lookup("C"), Some(""));
    assert_eq!(lines.lookup("B"), None);
}

#[test]
fn a_word_is_a_tree_with_spans() {
    let pieces = word::parse("x${a:-'b'}", '\\', true);
    let [Piece::Literal(literal), Piece::Variable(variable)] = pieces.as_slice() else {
        panic!("{pieces:?}");
    };
    assert_eq!((literal.value.as_str(), literal.span), ("x", Span::new(0, 1)));
    assert_eq!((variable.name.value.as_str(), variable.name.span), ("a", Span::new(3, 4)));
    assert_eq!(variable.span, Span::new(1, 10));
    let Some(Modifier::Sign { colon: true, sign: '-', word }) = &variable.modifier else {
        panic!("{variable:?}");
    };
    assert!(matches!(word.as_slice(), [Piece::Single(single)] if single.value == "b"));
}

#[test]
fn nesting_has_a_limit_instead_of_a_stack_overflow() {
    let deep = |levels: usize| format!("{}x{}", "${u:-".repeat(levels), "}".repeat(levels));
    assert_eq!(value(&deep(100)), "x");
    let text = deep(20_000);
    let error = expand_word(&text, Span::default(), '\\', &vars()).unwrap_err();
    assert_eq!(error.kind, ExpandErrorKind::Syntax(SyntaxError::TooDeep));
}

/// Small deterministic random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

fn check_all_ways(text: &str) {
    let span = Span::new(0, text.len());
    let env = vars();
    for escape in ['\\', '`'] {
        match expand_word(text, span, escape, &env) {
            Ok(Expanded { words, .. }) => assert!(words.iter().all(|word| !word.is_empty())),
            Err(error) => {
                assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                assert!(text.get(error.span.start..error.span.end).is_some(), "{text:?}");
            }
        }
        expand_for_display(text, escape, &env);
    }
    let _ = expand_heredoc(text, span, &env);
}

#[test]
fn no_text_makes_expansion_panic() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.below(24)).map(|_| random.below(256) as u8).collect();
        check_all_ways(&String::from_utf8_lossy(&bytes));
    }
    let parts = [
        "$", "{", "}", "${a", "${u", ":-", ":?", "#", "%", "/", "//", "*", "?", "\\", "`", "'",
        "\"", "a", "é", " ", "\n", "$p", "${p/", "${l%%", "\u{feff}", "\0",
    ];
    for _ in 0..40_000 {
        let text: String =
            (0..random.below(12)).map(|_| parts[random.below(parts.len())]).collect();
        check_all_ways(&text);
    }
}

#[test]
fn hostile_patterns_stay_fast() {
    let env = env(&[("v", &"a".repeat(2_000))]);
    for text in [
        format!("${{v#{}b}}", "*a".repeat(200)),
        format!("${{v%%{}b}}", "a*".repeat(200)),
        format!("${{v//{}b/x}}", "*".repeat(20)),
    ] {
        let expanded = expand_word(&text, Span::default(), '\\', &env).unwrap();
        assert_eq!(expanded.value.len(), 2_000);
    }
}
