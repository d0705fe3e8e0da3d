//! What counts as a git repository, and how its parts are read, against BuildKit's recorded behaviour.

#[path = "../../parser/tests/support/mod.rs"]
mod support;

use builder::fetch::git::{FileTimes, GitRef};
use serde_json::{Value, json};
use support::{run_table, same, str_of};

/// A repository with the names of fields that BuildKit has.
fn fields(found: &GitRef) -> Value {
    let GitRef { remote, name, checksum, subdir, .. } = found;
    let times = match found.times {
        None => "",
        Some(FileTimes::Commit) => "commit",
        Some(FileTimes::Checkout) => "checkout",
    };
    let remote = match found.without_scheme {
        true => remote.strip_prefix("https://").unwrap_or(remote),
        false => remote,
    };
    json!({
        "Checksum": checksum,
        "FetchByCommit": found.fetch_by_commit,
        "IndistinguishableFromLocal": found.without_scheme,
        "KeepGitDir": found.keep_git_dir,
        "MTime": times,
        "Ref": name,
        "Remote": remote,
        "ShortName": found.short_name(),
        "SubDir": subdir,
        "Submodules": found.submodules,
        "UnencryptedTCP": found.transport.is_unencrypted(),
    })
}

#[test]
fn cases_git_ref() {
    run_table("git_ref", &[], |case| {
        let expected = str_of(case, "error");
        match GitRef::parse(str_of(case, "ref")) {
            Ok(found) if expected.is_empty() => {
                same(found.as_ref().map_or(Value::Null, fields), case["expected"].clone())
            }
            Ok(found) => Err(format!("found {found:?}, expected an error")),
            Err(error) if !expected.is_empty() && error.to_string().contains(expected) => Ok(()),
            Err(error) => Err(format!("`{error}`")),
        }
    });
}

#[test]
fn cases_git_fragment_format() {
    run_table("git_fragment_format", &[], |case| {
        let text = str_of(case, "ref");
        // `github.com/…` is not told from a directory here.
        let found = GitRef::parse(text).ok().flatten().filter(|found| !found.without_scheme);
        same(found.is_some(), case["ok"] == true)?;
        let with_directory = str_of(case, "id").contains("WithSubdir");
        let shown = found.map_or(text.to_owned(), |found| match with_directory {
            true => found.with_name_and_directory(),
            false => found.with_name(),
        });
        same(shown, str_of(case, "expected").to_owned())
    });
}
