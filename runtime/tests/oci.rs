//! Each folder of `fixtures/oci` is a config.json and the plan for it, or the error; `UPDATE_FIXTURES=1 cargo test -p
//! runtime --test oci` writes them anew.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};

use runtime::oci::{Document, translate};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/oci");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// What becomes of the document, and the file that says so.
fn outcome(case: &Path) -> (&'static str, String) {
    let text = fs::read(case.join("config.json")).unwrap();
    let document: Document = match serde_json::from_slice(&text) {
        Ok(document) => document,
        Err(error) => return ("error.txt", format!("{error}\n")),
    };
    match translate(&document, Path::new("/bundle"), "c1") {
        Ok(plan) => ("plan.json", serde_json::to_string_pretty(&plan).unwrap() + "\n"),
        Err(error) => ("error.txt", format!("{error}\n")),
    }
}

#[test]
fn documents_become_plans() {
    let update = std::env::vars().any(|(name, _)| name == "UPDATE_FIXTURES");
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 3, "{cases:?}");
    for case in cases {
        let (file, text) = outcome(&case);
        let refused = case.file_name().unwrap().to_string_lossy().starts_with("err_");
        assert_eq!(file == "error.txt", refused, "{}: {text}", case.display());
        let path = case.join(file);
        if update {
            fs::write(&path, &text).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One property each, set in a document that is fine without it.
#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (place, value, expected) in [
        ("/windows", r#"{"layerFolders": ["x"]}"#, "`windows` is not supported by this runtime"),
        ("/process/apparmorProfile", r#""x""#, "`process.apparmorProfile` is not supported"),
        ("/process/selinuxLabel", r#""x""#, "`process.selinuxLabel` is not"),
        ("/process/scheduler", r#"{"policy": "SCHED_IDLE"}"#, "`process.scheduler` is not"),
        ("/process/ioPriority", r#"{"class": "x"}"#, "`process.ioPriority` is not"),
        ("/process/rlimits", r#"[{"type": "RLIMIT_X"}]"#, "`RLIMIT_X` is no limit of processes"),
        (
            "/process/rlimits",
            r#"[{"type": "RLIMIT_CORE"}, {"type": "RLIMIT_CORE"}]"#,
            "`process.rlimits` has `RLIMIT_CORE` twice",
        ),
        ("/process/cwd", r#""x""#, "`process.cwd`: `x` must be absolute"),
        ("/process/args", "[]", "`process.args` is missing"),
        ("/ociVersion", r#""2.0.0""#, "versions 1.x are understood"),
        ("/linux/intelRdt", r#"{"closID": "x"}"#, "`linux.intelRdt` is not supported"),
        ("/linux/mountLabel", r#""x""#, "`linux.mountLabel` is not supported"),
        ("/linux/personality", r#"{"domain": "LINUX32"}"#, "`linux.personality` is not"),
        ("/linux/timeOffsets", r#"{"boottime": {"secs": 1}}"#, "`linux.timeOffsets` is not"),
        ("/linux/rootfsPropagation", r#""unbindable""#, "`unbindable` is not supported"),
        ("/linux/rootfsPropagation", r#""x""#, "`x` is no propagation"),
        ("/linux/namespaces", "[]", "`no mount namespace of its own` is not supported"),
        ("/linux/namespaces", r#"[{"type": "time"}]"#, "`linux.namespaces`: `time` is not"),
        ("/linux/namespaces", r#"[{"type": "x"}]"#, "`x` is no namespace"),
        (
            "/linux/namespaces",
            r#"[{"type": "mount"}, {"type": "pid"}, {"type": "pid"}]"#,
            "`linux.namespaces` has `pid` twice",
        ),
        ("/linux/namespaces", r#"[{"type": "ipc", "path": "x"}]"#, "`x` must be absolute"),
        ("/linux/devices", r#"[{"type": "p", "path": "/x"}]"#, "`linux.devices[0].type`: `p` is"),
        ("/linux/devices", r#"[{"type": "c", "path": "x"}]"#, "`x` must be absolute"),
        ("/linux/sysctl", r#"{"vm.swappiness": "1"}"#, "sysctl `vm.swappiness` is not"),
        (
            "/linux/seccomp",
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}"#,
            "`linux.seccomp`: unknown field `listenerPath`",
        ),
        ("/linux/resources", r#"{"unified": {"a": "b"}}"#, "`linux.resources.unified` is not"),
        ("/linux/resources", r#"{"memory": {"kernel": 5}}"#, "`linux.resources.memory.kernel`"),
        ("/linux/resources", r#"{"cpu": {"burst": 5}}"#, "`linux.resources.cpu.burst` is not"),
        ("/linux/resources", r#"{"blockIO": {"leafWeight": 5}}"#, "blockIO.leafWeight` is not"),
        (
            "/linux/resources",
            r#"{"devices": [{"allow": true, "access": "rwm"}, {"allow": false, "type": "c"}]}"#,
            "`linux.resources.devices[1]`: a rule that takes back",
        ),
        (
            "/linux/resources",
            r#"{"devices": [{"allow": true, "access": "x"}]}"#,
            "`x` is no device access",
        ),
        (
            "/mounts",
            r#"[{"destination": "/x", "type": "tmpfs", "options": ["remount"]}]"#,
            "`mounts[0].options`: `remount` is not supported",
        ),
        (
            "/mounts",
            r#"[{"destination": "/x", "source": "/y", "options": ["rbind", "idmap"]}]"#,
            "`mounts[0].options`: `idmap` is no option of a mount without maps",
        ),
        (
            "/mounts",
            r#"[{"destination": "/x", "source": "/y", "options": ["rbind", "size=1"]}]"#,
            "`mounts[0].options`: `size=1` is not supported",
        ),
        ("/mounts", r#"[{"destination": "/x", "options": ["rbind"]}]"#, "`mounts[0].source`"),
        ("/mounts", r#"[{"destination": "/x"}]"#, "`mounts[0].type`"),
        ("/hooks", r#"{"poststop": [{"path": "x"}]}"#, "`hooks.poststop[0].path`: `x` must be"),
        (
            "/hooks",
            r#"{"prestart": [{"path": "/x", "timeout": 0}]}"#,
            "`hooks.prestart[0].timeout`: `0` is no number of seconds above 0",
        ),
    ] {
        let mut document: serde_json::Value = serde_json::from_str(FINE).unwrap();
        let (parent, name) = place.rsplit_once('/').unwrap();
        let object = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        object.insert(name.to_owned(), serde_json::from_str(value).unwrap());
        let document: Document = serde_json::from_value(document).unwrap();
        let error = translate(&document, Path::new("/bundle"), "c1").unwrap_err().to_string();
        assert!(error.contains(expected), "{place}: {error}");
    }
}

const FINE: &str = r#"{
    "ociVersion": "1.1.0",
    "root": {"path": "rootfs"},
    "process": {"args": ["true"], "cwd": "/"},
    "linux": {"namespaces": [{"type": "mount"}]}
}"#;

/// Empty values ask for nothing, and the specification wants unknown properties to be ignored.
#[test]
fn nothing_is_refused_that_nobody_asked_for() {
    let mut document: serde_json::Value = serde_json::from_str(FINE).unwrap();
    document["windows"] = serde_json::json!({});
    document["com.example"] = serde_json::json!({"any": 1});
    document["process"]["apparmorProfile"] = "".into();
    document["process"]["ioPriority"] = serde_json::Value::Null;
    document["linux"]["resources"] = serde_json::json!({
        "memory": {"kernel": 0, "checkBeforeUpdate": false, "useHierarchy": true, "swappiness": null},
        "hugepageLimits": [], "network": {"classID": 0}, "unified": {},
        "blockIO": {"weight": 0, "weightDevice": []},
    });
    let document: Document = serde_json::from_value(document).unwrap();
    let plan = translate(&document, Path::new("/bundle"), "c1").unwrap();
    assert_eq!(plan.spec.limits, runtime::Limits::default());
    assert!(plan.warnings.is_empty());
}
