//! The checks that BuildKit does not have: what they find, and what they let pass.

mod planning;

use planning::request;

/// Names of the rules that are broken, in the order of the file.
fn found(dockerfile: &str) -> Vec<&'static str> {
    let warnings = builder::check_extra(&request(dockerfile.as_bytes()));
    warnings.iter().filter_map(|warning| warning.rule).collect()
}

fn of_run(script: &str) -> Vec<&'static str> {
    found(&format!("FROM a:1\nRUN {script}\n"))
}

#[test]
fn bases_without_a_version_float() {
    assert_eq!(
        found("FROM debian\nFROM debian:latest\nFROM debian:12\n"),
        ["FloatingBaseImage"; 2]
    );
    let fine = "ARG B=debian\nFROM scratch AS x\nFROM x\nFROM $B\nFROM a@sha256:";
    assert_eq!(found(&format!("{fine}{}\n", "0".repeat(64))), [] as [&str; 0]);
}

#[test]
fn relative_destinations_need_a_workdir_of_the_file() {
    assert_eq!(found("FROM a:1\nCOPY x .\nADD x y/\n"), ["CopyRelativeToBase"; 2]);
    let fine = "FROM a:1 AS b\nWORKDIR /w\nCOPY x .\nFROM b\nCOPY x .\nCOPY x /y\nCOPY x $D\nFROM scratch\nCOPY x .\n";
    assert_eq!(found(fine), [] as [&str; 0]);
}

#[test]
fn downloads_into_pipes_hide_failures() {
    assert_eq!(of_run("curl -f u | sh"), ["PipedDownload"]);
    assert_eq!(of_run("set -e; wget -O- u | tar x"), ["PipedDownload"]);
    for fine in
        ["set -o pipefail; curl u | sh", "curl -o f u || true", "echo 'curl u | sh'", "ls | sh"]
    {
        assert_eq!(of_run(fine), [] as [&str; 0], "{fine}");
    }
    let shell = "FROM a:1\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nRUN curl u | sh\n";
    assert_eq!(found(shell), [] as [&str; 0]);
    let other = "FROM a:1\nSHELL [\"powershell\", \"-c\"]\nRUN curl u | sh\n";
    assert_eq!(found(other), [] as [&str; 0]);
    assert_eq!(found("FROM a:1\nRUN <<EOF\ncurl u | sh\nEOF\n"), ["PipedDownload"]);
}

#[test]
fn nobody_answers_an_installation() {
    assert_eq!(of_run("apt-get install git"), ["InstallAsks"]);
    assert_eq!(of_run("if true; then dnf install git && dnf clean all; fi"), ["InstallAsks"]);
    for fine in [
        "apt-get install -y git",
        "apt-get -qqy install git",
        "apt-get install --yes git",
        "yes | apt-get install git",
        "apt-get -o APT::Get::Assume-Yes=true install git",
    ] {
        assert_eq!(of_run(fine), [] as [&str; 0], "{fine}");
    }
}

#[test]
fn caches_of_package_managers_are_waste_in_a_layer_that_is_kept() {
    assert_eq!(of_run("apt-get update && apt-get install -y git"), ["PackageCacheKept"]);
    assert_eq!(of_run("apk add -U git"), ["PackageCacheKept"]);
    assert_eq!(of_run("dnf install -y git"), ["PackageCacheKept"]);
    assert_eq!(of_run("pip install x"), ["PackageCacheKept"]);
    for fine in [
        "apt-get update && apt-get install -y git && rm -rf /var/lib/apt/lists/*",
        "--mount=type=cache,target=/var/lib/apt apt-get update",
        "apk add --no-cache git",
        "dnf install -y git && dnf clean all",
        "pip install --no-cache-dir x",
        "--mount=type=cache,target=/root/.cache pip install x",
    ] {
        assert_eq!(of_run(fine), [] as [&str; 0], "{fine}");
    }
    let thrown_away =
        "FROM a:1 AS build\nRUN apt-get update\nFROM scratch\nCOPY --from=build /x /x\n";
    assert_eq!(found(thrown_away), [] as [&str; 0]);
    let kept = "FROM a:1 AS build\nRUN apt-get update\nFROM build\n";
    assert_eq!(found(kept), ["PackageCacheKept"]);
}

#[test]
fn settings_end_with_their_shell() {
    assert_eq!(of_run("cd /x"), ["RunWithoutEffect"]);
    assert_eq!(of_run("export A=1 && . /y"), ["RunWithoutEffect"]);
    assert_eq!(of_run("cd /x && make"), [] as [&str; 0]);
}

#[test]
fn they_are_skipped_like_others() {
    assert_eq!(found("# check=skip=RunWithoutEffect\nFROM a:1\nRUN cd /x\n"), [] as [&str; 0]);
    assert_eq!(
        found("FROM a:1\n# check=skip=all // here\nRUN cd /x\nRUN cd /y\n"),
        ["RunWithoutEffect"]
    );
}
