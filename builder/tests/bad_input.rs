//! Input that nobody wrote: changed Dockerfiles, .dockerignore files and cache records. The properties are those of
//! `fuzz/`.

#[path = "../../fuzz/properties/cache.rs"]
mod cache;
#[path = "../../fuzz/properties/cases.rs"]
mod cases;
#[path = "../../fuzz/properties/ignore.rs"]
mod ignore;
#[path = "../../fuzz/properties/plan.rs"]
mod plan;

#[test]
fn changed_dockerfiles_are_planned_or_refused() {
    let files = cases::dockerfiles(&["plan", "check", "build"]);
    cases::check("plan", "dockerfile", files, 1_000, plan::check);
}

#[test]
fn changed_ignore_files_answer_or_are_refused() {
    cases::check("ignore", "ignore", Vec::new(), 3_000, ignore::check);
}

#[test]
fn a_damaged_cache_never_changes_an_image() {
    cases::check("cache", "documents", Vec::new(), 40, cache::check);
}
