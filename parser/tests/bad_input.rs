//! Input that nobody wrote: changed files and words. The properties are those of `fuzz/`.

#[path = "../../fuzz/properties/cases.rs"]
mod cases;
#[path = "../../fuzz/properties/dockerfile.rs"]
mod dockerfile;
#[path = "../../fuzz/properties/words.rs"]
mod words;

#[test]
fn changed_dockerfiles_are_read_or_refused() {
    let files = cases::dockerfiles(&["dockerfile", "plan", "check", "build"]);
    cases::check("dockerfile", "dockerfile", files, 3_000, dockerfile::check);
}

#[test]
fn changed_words_are_expanded_or_refused() {
    cases::check("words", "words", Vec::new(), 3_000, words::check);
}
