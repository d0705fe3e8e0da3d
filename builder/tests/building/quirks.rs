//! What BuildKit takes in silence: a warning, also for steps the cache has; an error when the build is strict.

use builder::{BuildError, BuildEvent, BuildRequest};

use super::{Bench, Told};

/// Name, the instruction, and how it is written right.
const CASES: [(&str, &str, &str); 10] = [
    ("UnknownOwner", "COPY --chown=nobody f /", "COPY --chown=5:6 f /"),
    ("UnknownOwner", "COPY --chown=5:staff f /", "COPY --chown=5:6 f /"),
    ("WildcardWithoutMatch", "COPY nomatch* /x/", "COPY f* /x/"),
    ("WildcardWithoutMatch", "COPY --parents d/no* /x/", "COPY --parents d/* /x/"),
    ("SeveralFilesToOne", "COPY f d/f /last", "COPY f d/f /here"),
    ("SeveralFilesToOne", "ADD f? /last", "ADD f? /last/"),
    ("LinkBesideChmod", "COPY --link --chmod=600 f /", "COPY --link f /"),
    ("MistakenJson", "CMD ['a', 'b']", "CMD [ \"$a\" = b ]"),
    ("IgnoredFlag", "HEALTHCHECK --interval=5s NONE", "HEALTHCHECK NONE"),
    ("BrokenTrigger", "ONBUILD CPOY a b", "ONBUILD COPY a b"),
];

fn quirks(told: &Told) -> Vec<&'static str> {
    let events = told.0.lock().unwrap();
    let name = |event: &BuildEvent| match event {
        BuildEvent::Warning(warning) => warning.quirk.map(|quirk| quirk.name()),
        _ => None,
    };
    events.iter().filter_map(name).collect()
}

#[test]
fn quirks_are_warnings_and_strictly_errors() {
    let bench = Bench::new();
    for name in ["f", "f1", "f2", "d/f"] {
        bench.file(name, name);
    }
    for (name, wrong, right) in CASES {
        let request = |line: &str, strict| {
            let text = format!("FROM scratch\nWORKDIR /here\n{line}\n");
            BuildRequest { strict, ..bench.request(&text) }
        };
        for time in ["first", "cached"] {
            let (_, told) = bench.build(&request(wrong, false));
            assert_eq!(quirks(&told), [name], "{wrong}, {time}");
        }
        let (result, told) = bench.try_build(&request(wrong, true));
        let error = result.expect_err(wrong);
        assert!(error.to_string().starts_with(&format!("{name}: ")), "{wrong}: {error}");
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{wrong}");
        assert!(quirks(&told).is_empty(), "said once: {wrong}");
        assert_place(&error, wrong);
        let (_, told) = bench.build(&request(right, true));
        assert!(quirks(&told).is_empty(), "{right}");
    }
}

/// The error points at the instruction, or at the flag in it.
fn assert_place(error: &BuildError, line: &str) {
    let start = "FROM scratch\nWORKDIR /here\n".len();
    let span = error.span().expect(line);
    assert!(span.start >= start && span.end <= start + line.len(), "{line}: {span:?}");
}

#[test]
fn what_looks_strange_but_is_meant_is_no_quirk() {
    let bench = Bench::new();
    for name in ["f", "g", "d/f", "e/f"] {
        bench.file(name, name);
    }
    for lines in [
        // Directories are merged.
        "COPY d e /merged",
        "COPY f g .",
        "COPY --exclude=f --parents d/* /x/",
        "COPY <<a <<b /x/\nA\na\nB\nb",
        "ENTRYPOINT [ -f /x ]",
        "CMD [\"a\"] && [ b ] # no",
    ] {
        let text = format!("FROM scratch\nWORKDIR /here\n{lines}\n");
        let (_, told) = bench.build(&BuildRequest { strict: true, ..bench.request(&text) });
        assert!(quirks(&told).is_empty(), "{lines}");
    }
}
