//! Input that nobody wrote: changed compose files, env files and short forms. The properties are those of `fuzz/`.

#[path = "../../fuzz/properties/cases.rs"]
mod cases;
#[path = "../../fuzz/properties/compose_files.rs"]
mod compose_files;
#[path = "../../fuzz/properties/dotenv.rs"]
mod dotenv;
#[path = "../../fuzz/properties/interpolation.rs"]
mod interpolation;
#[path = "../../fuzz/properties/short_forms.rs"]
mod short_forms;

#[test]
fn changed_compose_files_are_projects_or_refused() {
    cases::check("compose_files", "compose", Vec::new(), 1_000, compose_files::check);
}

#[test]
fn changed_texts_are_filled_in_or_refused() {
    cases::check("interpolation", "interpolation", Vec::new(), 3_000, interpolation::check);
}

#[test]
fn changed_env_files_are_read_or_refused() {
    cases::check("dotenv", "interpolation", Vec::new(), 3_000, dotenv::check);
}

#[test]
fn changed_short_forms_are_read_or_refused() {
    cases::check("short_forms", "short_forms", Vec::new(), 3_000, short_forms::check);
}
