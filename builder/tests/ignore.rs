//! Path patterns and .dockerignore beyond the recorded cases; and agreement with a slow, plain matcher.
#![allow(clippy::unwrap_used)] // tests

use builder::context::ignore::{Covered, Ignore, IgnoreError, read_patterns};
use builder::glob::{self, Glob, PathPattern};

fn ignore(lines: &[&str]) -> Ignore {
    Ignore::parse(lines.join("\n")).unwrap()
}

/// What a walk says about a path: each directory above it is entered first.
fn walk(ignore: &Ignore, path: &str) -> bool {
    let mut covered = Covered::default();
    let mut excluded = false;
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    for end in ends {
        let verdict = ignore.enter(&path[..end], &covered);
        (excluded, covered) = (verdict.excluded, verdict.covered);
    }
    excluded
}

#[test]
fn files_are_read_line_by_line() {
    let text = b"\xef\xbb\xbf# comment\r\n  # pattern \r\n\n/abs/\n./dot//x/../y\n! /up\n!\n\xff\n..\n/\n a b \n";
    let expected: [&[u8]; 9] =
        [b"# pattern", b"abs", b"dot/y", b"!up", b"!", b"\xff", b"..", b"/", b"a b"];
    assert_eq!(read_patterns(text), expected);
    assert!(Ignore::parse("# only\n\n   \n").unwrap().is_empty());
}

#[test]
fn unreadable_patterns_are_errors() {
    let lone = Ignore::parse("a\n!\n").unwrap_err();
    assert_eq!(lone, IgnoreError::LoneExclamation);
    assert_eq!(lone.to_string(), "illegal exclusion pattern: \"!\"");
    for pattern in ["[", "a[", "[]", "[^]", "[a-]", "[-a]", "a\\", "[z-a]", "a\\é*", "\\pL", "\\1"]
    {
        let error = Ignore::new([pattern]).unwrap_err().to_string();
        assert!(error.contains("syntax error in pattern"), "{pattern}: {error}");
    }
}

#[test]
fn the_last_match_decides() {
    let ignore = ignore(&["*", "!src", "src/*.tmp", "!src/keep.tmp"]);
    for (path, excluded) in [
        ("README", true),
        ("src", false),
        ("src/main.c", false),
        ("src/a.tmp", true),
        ("src/keep.tmp", false),
        ("src/deep/a.tmp", false),
    ] {
        assert_eq!(ignore.matches(path), excluded, "{path}");
        assert_eq!(walk(&ignore, path), excluded, "{path}");
    }
}

#[test]
fn a_matched_directory_covers_what_is_below() {
    let ignore = ignore(&["node_modules", "**/target", "docs/"]);
    for path in ["node_modules/a/b", "x/y/target/debug/z", "target", "docs/a.md"] {
        assert!(ignore.matches(path) && walk(&ignore, path), "{path}");
    }
    for path in ["x/node_modules/a", "targets", "x/docs"] {
        assert!(!ignore.matches(path) && !walk(&ignore, path), "{path}");
    }
}

#[test]
fn the_root_is_never_excluded() {
    assert!(!ignore(&["*"]).matches("."));
    assert!(!ignore(&["**", "."]).matches(""));
}

#[test]
fn a_walk_differs_where_an_exception_names_a_directory_left_alone_so_far() {
    let ignore = ignore(&["a/b", "!a"]);
    assert!(!ignore.matches("a/b"));
    assert!(walk(&ignore, "a/b"));
}

#[test]
fn excluded_directories_are_skipped_unless_an_exception_reaches_below() {
    let plain = ignore(&["vendor", "!vendor/keep/*", "!other/**"]);
    assert!(!plain.can_skip("vendor"));
    assert!(!plain.can_skip("vendor/keep"));
    assert!(plain.can_skip("vendor/drop"));
    assert!(plain.can_skip("vend"));
    assert!(!plain.can_skip("other"));
    assert!(!ignore(&["*", "!**/x"]).can_skip("anything"), "a wildcard may match anywhere");
    assert!(ignore(&["*"]).can_skip("anything"));
    // As BuildKit does it: both endings go, so this one is taken for `!a`.
    let overlooked = ignore(&["a", "!a/*/**"]);
    assert!(!overlooked.can_skip("a") && overlooked.can_skip("a/b"));
}

#[test]
fn unusual_patterns_mean_what_go_s_expressions_make_of_them() {
    for (pattern, path, expected) in [
        ("[*]", "*", false), // `[[^/]*]`: some of `[`, `^`, `/`, then `]`
        ("[*]", "[]", true),
        ("a\\d?", "a7x", true),
        ("a\\d?", "adx", false),
        ("^a*", "abc", true),
        ("a^b*", "a^b", false),
        ("[[:alpha:]]", "x", true),
        ("a?c", "a/c", false),
        ("[^a]", "\n", true),
        ("?", "\u{263a}", true),
        ("**x", "a\nb/x", true),     // a suffix
        ("**/a*", "x\ny/ab", false), // `.` does not match a newline
    ] {
        let found = PathPattern::parse(pattern).unwrap().matches(path);
        assert_eq!(found, expected, "{pattern} on {path:?}");
    }
    assert!(PathPattern::parse("a?b").unwrap().matches(b"a\xffb"));
    assert!(!PathPattern::parse("a?b").unwrap().matches(b"a\xff\xfeb"));
}

#[test]
fn globs_are_go_s() {
    for (pattern, path, expected) in [
        ("*.go", "a.go", true),
        ("*.go", "d/a.go", false),
        ("a*/b?", "ax/bc", true),
        ("[^a]", "/", true),
        ("a[/]b", "a/b", true),
        ("[a-c-]", "b", false),
        ("\\*", "*", true),
        ("*", "", true),
        ("?", "", false),
        ("", "", true),
        ("**", "ab", true),
        ("*a*b*", "xaxbx", true),
        ("*ab", "aab", true),
        ("a\\]b", "a]b", true),
    ] {
        let found = Glob::parse(pattern).is_ok_and(|glob| glob.matches(path));
        assert_eq!(found, expected, "{pattern} on {path}");
    }
}

#[test]
fn sources_are_split_before_the_first_wildcard() {
    let split = |path: &str| {
        let (directory, pattern) = glob::split_wildcards(path);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(directory), pattern.map(text))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(split("a/b"), ("a/b".into(), None));
    assert_eq!(split("a/b*/c"), ("a".into(), some("b*/c")));
    assert_eq!(split("*.c"), (".".into(), some("*.c")));
    assert_eq!(split("/*.c"), ("/".into(), some("*.c")));
    assert_eq!(split("/a//./?"), ("/a".into(), some("?")));
    assert_eq!(split("a\\*b"), ("a\\*b".into(), None));
    assert_eq!(split(""), (".".into(), None));
}

#[test]
fn paths_are_cleaned_as_go_does() {
    for (path, expected) in [
        ("", "."),
        (".", "."),
        ("/", "/"),
        ("//a//b/", "/a/b"),
        ("a/../b", "b"),
        ("a/..", "."),
        ("../a", "../a"),
        ("/../a", "/a"),
        ("a/../../b", "../b"),
        ("./a/./b", "a/b"),
    ] {
        assert_eq!(glob::clean(path), expected.as_bytes(), "{path}");
    }
}

/// A slow, plain matcher of `*`, `**` and `?`: tries everything.
fn plain_match(pattern: &[u8], path: &[u8]) -> bool {
    if let Some(rest) = pattern.strip_prefix(b"**") {
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        if rest.is_empty() {
            return true;
        }
        // At the start, or after any slash.
        let after_slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        return plain_match(rest, path)
            || after_slashes.into_iter().any(|(at, _)| plain_match(rest, &path[at + 1..]));
    }
    match (pattern.split_first(), path.split_first()) {
        (None, _) => path.is_empty(),
        (Some((b'*', rest)), first) => {
            plain_match(rest, path)
                || first.is_some_and(|(byte, after)| *byte != b'/' && plain_match(pattern, after))
        }
        (Some((b'?', rest)), Some((byte, after))) => *byte != b'/' && plain_match(rest, after),
        (Some((wanted, rest)), Some((byte, after))) => wanted == byte && plain_match(rest, after),
        (Some(_), None) => false,
    }
}

/// One pattern; a leading `**name` without further wildcards is a suffix of any kind, as in patternmatcher.
fn plain_pattern(pattern: &str, path: &str) -> bool {
    let suffix = pattern.strip_prefix("**").filter(|suffix| !suffix.contains(['*', '?']));
    if let Some(suffix) = suffix {
        return path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path);
    }
    plain_match(pattern.as_bytes(), path.as_bytes())
}

/// Every pattern on the path and every parent, the last that matches decides.
fn plain_matches(patterns: &[String], path: &str) -> bool {
    let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
    let paths: Vec<&str> = parents.chain([path]).collect();
    let mut excluded = false;
    for pattern in patterns {
        let (exception, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern.as_str()),
        };
        if paths.iter().any(|path| plain_pattern(pattern, path)) {
            excluded = !exception;
        }
    }
    excluded
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

    fn text(&mut self, parts: &[&str], most: usize) -> String {
        (0..=self.below(most)).map(|_| parts[self.below(parts.len())]).collect()
    }
}

/// A cleaned pattern, perhaps an exception.
fn random_pattern(random: &mut Random) -> String {
    let parts = ["a", "b", "/", "*", "?", "**", "/**/", "**/", "ab", "."];
    let cleaned = glob::clean(random.text(&parts, 5));
    let cleaned = String::from_utf8(cleaned).unwrap();
    let exception = if random.below(3) == 0 { "!" } else { "" };
    format!("{exception}{}", cleaned.trim_start_matches('/'))
}

#[test]
fn random_patterns_agree_with_a_plain_matcher() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..60_000 {
        let patterns: Vec<String> =
            (0..=random.below(4)).map(|_| random_pattern(&mut random)).collect();
        let Ok(ignore) = Ignore::new(&patterns) else {
            assert!(patterns.iter().any(|pattern| pattern == "!"), "{patterns:?}");
            continue;
        };
        let path = glob::clean(random.text(&["a", "b", "ab", "/", "/a", "."], 6));
        let path = String::from_utf8(path).unwrap();
        let path = path.trim_start_matches('/');
        if path.is_empty() || path == "." {
            continue;
        }
        let patterns: Vec<String> =
            patterns.into_iter().filter(|pattern| !pattern.is_empty()).collect();
        assert_eq!(ignore.matches(path), plain_matches(&patterns, path), "{patterns:?} on {path}");
        if !patterns.iter().any(|pattern| pattern.starts_with('!')) {
            assert_eq!(walk(&ignore, path), ignore.matches(path), "{patterns:?} on {path}");
        }
    }
}

#[test]
fn what_may_be_skipped_has_nothing_below_that_comes_back() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for _ in 0..60_000 {
        let patterns: Vec<String> =
            (0..=random.below(4)).map(|_| random_pattern(&mut random)).collect();
        let Ok(ignore) = Ignore::new(&patterns) else { continue };
        let directory = ["a", "b", "ab", "a/b", "b/a"][random.below(5)];
        let below = format!("{directory}/{}", ["a", "b", "a/b", "b/ab"][random.below(4)]);
        if walk(&ignore, directory) && ignore.can_skip(directory) {
            assert!(
                walk(&ignore, &below),
                "{patterns:?}: {directory} skipped, {below} is not excluded"
            );
        }
    }
}

#[test]
fn no_pattern_makes_matching_panic_or_slow() {
    let mut random = Random(0xdead_beef_cafe_f00d);
    for _ in 0..20_000 {
        let bytes = |random: &mut Random, most: usize| -> Vec<u8> {
            (0..random.below(most)).map(|_| random.below(256) as u8).collect()
        };
        let pattern = bytes(&mut random, 10);
        let path = bytes(&mut random, 12);
        if let Ok(ignore) = Ignore::new([&pattern]) {
            ignore.matches(&path);
            ignore.can_skip(&path);
        }
        if let Ok(glob) = Glob::parse(&pattern) {
            glob.matches(&path);
        }
        read_patterns(&path);
        glob::split_wildcards(&path);
    }
    let hostile = "*a".repeat(100);
    let path = "a".repeat(4_000) + "b";
    assert!(!PathPattern::parse(hostile.clone()).unwrap().matches(&path));
    assert!(!Glob::parse(hostile).unwrap().matches(&path));
    assert!(!PathPattern::parse("**/".repeat(100) + "?x").unwrap().matches("a/".repeat(1_000)));
}
