//! Situations in which a step is not cached, and what is said about each.

use serde_json::{Value, json};
use store::{Descriptor, DiffId, Digest, Store};

use super::explain::{Asked, MissReason, explain, short};
use super::places::Moved;
use super::{Cache, Inputs, KeyBuilder, StepKey};
use crate::execute::source::{Node, NodeKind};

/// A step as it was or is.
#[derive(Clone)]
struct Step {
    platform: String,
    name: String,
    parent: StepKey,
    step: Value,
    inputs: Inputs,
}

fn key(text: &str) -> StepKey {
    KeyBuilder::new(text).finish()
}

fn node(kind: NodeKind, mode: u32) -> Node {
    let (uid, gid, mtime, xattrs) = (0, 0, 0, Default::default());
    Node { kind, mode, uid, gid, mtime, xattrs, link_group: None }
}

fn file(inputs: &mut Inputs, name: &str, content: u8) {
    inputs.node(name.to_owned(), &node(NodeKind::File { size: 1 }, 0o644), Some(&[content; 32]));
}

fn run() -> Step {
    let bind = json!({"mount": "bind", "target": "/src", "source": "/", "read_only": true});
    let step = json!({
        "step": "run", "args": ["/bin/sh", "-c", "make"], "env": ["PATH=/bin", "VERSION=1"],
        "cwd": "/", "user": "", "mounts": [bind], "network": "default",
    });
    let mut inputs = Inputs::default();
    file(&mut inputs, "mount /src: a.c", 1);
    inputs.fact("mount /tools".to_owned(), key("tools"));
    inputs.fact("cache /root/.cache".to_owned(), key("start"));
    Step {
        platform: "linux/amd64".to_owned(),
        name: "RUN make".to_owned(),
        parent: key("parent"),
        step,
        inputs,
    }
}

fn copy() -> Step {
    let step = json!({"step": "copy", "sources": [{"path": "/src"}], "dest": "/app/", "link": false, "unpack": false});
    let mut inputs = Inputs::default();
    inputs.fact("src/".to_owned(), key("directory"));
    for (number, name) in ["src/a", "src/b", "src/c"].iter().enumerate() {
        file(&mut inputs, name, number as u8);
    }
    let link = node(NodeKind::Symlink { target: b"a".to_vec() }, 0o777);
    inputs.node("src/l".to_owned(), &link, None);
    inputs.fact("source 2: https://host/file".to_owned(), key("etag 1"));
    inputs.fact("destination app".to_owned(), key("there"));
    Step { name: "COPY src /app/".to_owned(), step, inputs, ..run() }
}

/// What is said of `now` after `before` was built at the same place; its short form first.
fn told(before: Option<&Step>, now: &Step) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), &dir.path().join("state")).unwrap();
    let cache = Cache::open(&store).unwrap();
    if let Some(Step { platform, name, parent, step, inputs }) = before {
        let digest = Digest::of(b"layer");
        let record = Cache::record(key("before"), *parent, name, step.clone());
        let mut record = record(0, DiffId(digest), Descriptor::new("layer", digest, 5), None);
        record.platform = Some(platform.clone());
        cache.write(&record, &Default::default(), inputs).unwrap();
    }
    let former = key("before").to_string();
    let reasons = explain(
        &cache,
        &Asked {
            former: before.map(|_| former.as_str()),
            moved: None,
            base: "FROM busybox",
            platform: &now.platform,
            name: &now.name,
            parent: now.parent,
            parent_name: "FROM busybox",
            step: &now.step,
            inputs: &now.inputs,
        },
    );
    let long = reasons.iter().map(ToString::to_string);
    std::iter::once(short(&reasons)).chain(long).collect()
}

#[track_caller]
fn check(step: fn() -> Step, change: impl FnOnce(&mut Step), expected: &[&str]) {
    let (before, mut now) = (step(), step());
    change(&mut now);
    assert_eq!(told(Some(&before), &now), expected);
}

fn set(step: &mut Step, field: &str, value: Value) {
    step.step[field] = value;
}

#[test]
fn a_step_that_is_new_or_lost() {
    assert_eq!(told(None, &run()), ["", "it was not built at this place before"]);
    let lost = "its layer is no longer in the store";
    check(run, |_| {}, &[lost, lost]);
}

#[test]
fn a_change_before_it() {
    check(
        run,
        |step| step.parent = key("other"),
        &["a step before it changed", "a step before it changed: FROM busybox"],
    );
    let platform = "platform: linux/amd64 → linux/arm64";
    check(run, |step| step.platform = "linux/arm64".to_owned(), &[platform, platform]);
}

#[test]
fn another_step_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), &dir.path().join("state")).unwrap();
    let cache = Cache::open(&store).unwrap();
    let Step { step, inputs, .. } = run();
    let digest = Digest::of(b"layer");
    for name in ["[1/2] RUN removed", "[2/2] RUN make"] {
        let record = Cache::record(key(name), key("before"), name, step.clone());
        let record = record(0, DiffId(digest), Descriptor::new("layer", digest, 5), None);
        cache.write(&record, &Default::default(), &inputs).unwrap();
    }
    let former = key("[2/2] RUN make").to_string();
    for (followed, before) in [
        (Some(key("[1/2] RUN removed").to_string()), "RUN removed"),
        (Some(key("unknown").to_string()), "a step that is forgotten"),
        (None, "FROM busybox"),
    ] {
        let asked = Asked {
            former: Some(&former),
            moved: Some(Moved { followed }),
            base: "[1/3] FROM busybox",
            platform: "linux/amd64",
            name: "[2/3] RUN make",
            parent: key("now"),
            parent_name: "[1/3] RUN inserted",
            step: &step,
            inputs: &inputs,
        };
        let reasons = explain(&cache, &asked);
        let (before, now) = (before.to_owned(), "RUN inserted".to_owned());
        assert_eq!(reasons, [MissReason::Order { before, now }]);
        assert_eq!(short(&reasons), "it follows another step");
    }
}

#[test]
fn an_instruction_that_changed() {
    check(
        run,
        |step| set(step, "args", json!(["/bin/sh", "-c", "make all"])),
        &["the instruction changed", "instruction: /bin/sh -c make → /bin/sh -c make all"],
    );
    check(
        run,
        |step| *step = copy(),
        &["the instruction changed", "instruction: RUN make → COPY src /app/"],
    );
}

#[test]
fn variables_and_settings_that_changed() {
    let env = |value: Value| move |step: &mut Step| set(step, "env", value);
    check(
        run,
        env(json!(["PATH=/bin", "VERSION=2"])),
        &["variable changed: VERSION", "variable `VERSION` changed: 1 → 2"],
    );
    check(
        run,
        env(json!(["PATH=/bin", "VERSION=1", "DEBUG=yes"])),
        &["variable changed: DEBUG", "variable `DEBUG` added: yes"],
    );
    check(
        run,
        env(json!(["PATH=/bin"])),
        &["variable changed: VERSION", "variable `VERSION` removed: 1"],
    );
    for (field, value, short, long) in [
        ("user", json!("app"), "user", "setting `user` changed:  → app"),
        (
            "cwd",
            json!("/src"),
            "working directory",
            "setting `working directory` changed: / → /src",
        ),
        ("network", json!("none"), "network", "setting `network` changed: default → none"),
        ("hostname", json!("box"), "hostname", "setting `hostname` added: box"),
        ("shm_size", json!(64), "--shm-size", "setting `--shm-size` added: 64"),
    ] {
        let short = format!("setting changed: {short}");
        check(run, |step| set(step, field, value), &[&short, long]);
    }
    for (field, value, short, long) in [
        ("dest", json!("/srv/"), "destination", "setting `destination` changed: /app/ → /srv/"),
        ("chown", json!("1:1"), "--chown", "setting `--chown` added: 1:1"),
        ("chmod", json!("u+x"), "--chmod", "setting `--chmod` added: u+x"),
        ("link", json!(true), "--link", "setting `--link` changed: false → true"),
        ("excludes", json!(["*.o"]), "--exclude", "setting `--exclude` added: *.o"),
        ("created", json!(5), "SOURCE_DATE_EPOCH", "setting `SOURCE_DATE_EPOCH` added: 5"),
    ] {
        let short = format!("setting changed: {short}");
        check(copy, |step| set(step, field, value), &[&short, long]);
    }
}

#[test]
fn mounts_that_changed() {
    let tmpfs = json!({"mount": "tmpfs", "target": "/tmp", "size": null});
    check(
        run,
        |step| step.step["mounts"].as_array_mut().unwrap().push(tmpfs),
        &[
            "mount changed: /tmp",
            "mount `/tmp` added: {\"mount\":\"tmpfs\",\"target\":\"/tmp\",\"size\":null}",
        ],
    );
    check(
        run,
        |step| file(&mut step.inputs, "mount /src: a.c", 2),
        &[
            "changed: a.c",
            "file of the mount at `/src` `a.c` changed: content 010101010101 → content 020202020202",
        ],
    );
    let told = |name: &'static str| {
        let (before, mut now) = (run(), run());
        now.inputs.fact(name.to_owned(), key("other"));
        told(Some(&before), &now).swap_remove(1)
    };
    assert!(told("mount /tools").starts_with("state of the mount at `/tools` changed: "));
    assert!(
        told("cache /root/.cache").starts_with("start of the cache at `/root/.cache` changed: ")
    );
}

#[test]
fn files_that_changed() {
    check(
        copy,
        |step| file(&mut step.inputs, "src/b", 9),
        &["changed: src/b", "file `src/b` changed: content 010101010101 → content 090909090909"],
    );
    check(
        copy,
        |step| file(&mut step.inputs, "src/new", 9),
        &["added: src/new", "file `src/new` added: content 090909090909"],
    );
    check(
        copy,
        |step| assert!(step.inputs.remove("src/c")),
        &["removed: src/c", "file `src/c` removed: content 020202020202"],
    );
    let mode = |step: &mut Step| {
        let node = node(NodeKind::File { size: 1 }, 0o755);
        step.inputs.node("src/a".to_owned(), &node, Some(&[0; 32]));
    };
    check(copy, mode, &["changed: src/a", "file `src/a` changed: mode 644 → mode 755"]);
    let owner = |step: &mut Step| {
        let node = Node { uid: 7, ..node(NodeKind::File { size: 1 }, 0o644) };
        step.inputs.node("src/a".to_owned(), &node, Some(&[0; 32]));
    };
    check(copy, owner, &["changed: src/a", "file `src/a` changed: owner 0:0 → owner 7:0"]);
    let attribute = |step: &mut Step| {
        let mut node = node(NodeKind::File { size: 1 }, 0o644);
        node.xattrs.insert(b"user.x".to_vec(), b"1".to_vec());
        step.inputs.node("src/a".to_owned(), &node, Some(&[0; 32]));
    };
    let (before, mut now) = (copy(), copy());
    attribute(&mut now);
    let line = told(Some(&before), &now).swap_remove(1);
    assert!(line.starts_with("file `src/a` changed: attributes - → attributes "), "{line}");
    let becomes_directory = |step: &mut Step| {
        step.inputs.node("src/a".to_owned(), &node(NodeKind::Dir, 0o644), None);
    };
    check(
        copy,
        becomes_directory,
        &[
            "changed: src/a",
            "directory `src/a` changed: type file, content 000000000000 → type directory, content -",
        ],
    );
    let link = |step: &mut Step| {
        let link = node(NodeKind::Symlink { target: b"b".to_vec() }, 0o777);
        step.inputs.node("src/l".to_owned(), &link, None);
    };
    let (before, mut now) = (copy(), copy());
    link(&mut now);
    let line = told(Some(&before), &now).swap_remove(1);
    assert!(line.starts_with("link `src/l` changed: content "), "{line}");
}

#[test]
fn servers_and_destinations_that_changed() {
    let line = |name: &str| {
        let (before, mut now) = (copy(), copy());
        now.inputs.fact(name.to_owned(), key("other"));
        told(Some(&before), &now).swap_remove(1)
    };
    assert!(
        line("source 2: https://host/file").starts_with("source `https://host/file` changed: ")
    );
    assert!(line("destination app").starts_with("directory below the destination `app` changed: "));
}

#[test]
fn several_changes_at_once_are_all_told() {
    let change = |step: &mut Step| {
        set(step, "chown", json!("1:1"));
        file(&mut step.inputs, "src/a", 9);
        assert!(step.inputs.remove("src/b"));
        for number in 0..30 {
            file(&mut step.inputs, &format!("src/new{number:02}"), 1);
        }
        step.parent = key("other");
    };
    let (before, mut now) = (copy(), copy());
    change(&mut now);
    let told = told(Some(&before), &now);
    assert_eq!(
        told[0],
        "setting changed: --chown; changed: src/a; added: src/new00, src/new01, src/new02 and 27 more; \
         removed: src/b"
    );
    assert_eq!(told.len(), 1 + 1 + 20 + 1 + 1);
    assert_eq!(told[22], "and 12 more inputs");
    assert_eq!(told[23], "a step before it changed: FROM busybox");
}

#[test]
fn inputs_written_down_by_earlier_versions_are_compared_by_their_hash() {
    let mut before = std::collections::BTreeMap::new();
    for (name, input) in copy().inputs.iter() {
        let text = input.to_string();
        before.insert(name.clone(), text.rsplit(' ').next().unwrap().to_owned());
    }
    for (name, input) in copy().inputs.iter() {
        assert!(input.is(&before[&name]), "{name}");
    }
}
