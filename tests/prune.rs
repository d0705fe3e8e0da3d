//! What `builder prune`, `image prune` and `system prune` remove, and what they keep.

use std::time::{Duration, SystemTime};

use crate::support::{Sandbox, privileged};

/// A layer that is copied, one of a stage that is not in the image, and one that is in no image at all.
const DOCKERFILE: &str = "FROM busybox AS made\nCOPY big /big\n\
     FROM busybox\nCOPY small /small\nCOPY --from=made /big /copy\n";

fn built() -> Sandbox {
    let sandbox = Sandbox::with_busybox();
    sandbox.write("context/big", &"b".repeat(300_000));
    sandbox.write("context/small", "small");
    sandbox.build(DOCKERFILE, &["-t", "app"]).success();
    sandbox
}

#[test]
fn a_tagged_image_keeps_its_cache_unless_all_goes() {
    let sandbox = built();
    let id = || sandbox.rbuild(["images", "-q", "app"]).success().stdout;
    let before = id();
    let pruned = sandbox.rbuild(["builder", "prune", "-f"]).success();
    assert!(pruned.stdout.starts_with("Deleted build cache objects:\n"), "{pruned}");
    sandbox.build(DOCKERFILE, &["-t", "app"]).success().says("CACHED");
    assert_eq!(id(), before);
    sandbox.validate();
    // What the second build made of the other stage goes, what makes the image stays.
    sandbox.rbuild(["builder", "prune", "-f"]).success();
    let again = sandbox.build("FROM busybox\nCOPY small /small\n", &[]).success();
    again.says("CACHED");

    sandbox.rbuild(["builder", "prune", "-a", "-f"]).success();
    let again = sandbox.build(DOCKERFILE, &["-t", "app"]).success();
    assert!(!again.stderr.contains("CACHED"), "{again}");
    sandbox.validate();
}

/// The index of a layer was called by the key of its step alone once. Nothing reads it by that name.
#[test]
fn indexes_under_names_of_versions_before_go() {
    let sandbox = built();
    let steps = sandbox.root().join("cache/steps");
    let names = || -> Vec<String> {
        let names = std::fs::read_dir(&steps).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    };
    let before: Vec<_> = names().into_iter().filter(|name| name.ends_with(".index")).collect();
    assert_eq!(before.len(), 3);
    for name in &before {
        let (key, _) = name.split_once('-').unwrap();
        std::fs::copy(steps.join(name), steps.join(format!("{key}.index"))).unwrap();
    }
    // Records stay, so their indexes do.
    let pruned = sandbox.rbuild(["builder", "prune", "-a", "-f", "--filter", "until=1h"]).success();
    assert!(!pruned.stdout.contains("Deleted build cache objects"), "{pruned}");
    let mut after: Vec<_> = names().into_iter().filter(|name| name.ends_with(".index")).collect();
    after.sort();
    let mut expected = before;
    expected.sort();
    assert_eq!(after, expected);
    sandbox.build(DOCKERFILE, &["-t", "app"]).success().says("CACHED");
    sandbox.validate();
}

#[test]
fn what_was_used_lately_stays_when_asked_for() {
    let sandbox = built();
    sandbox
        .rbuild(["builder", "prune", "-a", "-f", "--filter", "until=1h"])
        .success()
        .prints("Total reclaimed space: 0B\n");
    let pruned = sandbox.rbuild(["builder", "prune", "-a", "-f", "--filter=until=0s"]).success();
    assert_eq!(pruned.stdout.lines().filter(|line| line.len() == 64).count(), 3, "{pruned}");
}

/// Three images made at known times, two of them with names and labels.
fn aged() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("context/a", "a");
    let build = |file: &str, seconds: u64, tag: &[&str]| {
        let epoch = format!("SOURCE_DATE_EPOCH={seconds}");
        sandbox.build(file, &[&["--build-arg", &epoch], tag].concat()).success();
    };
    let label = "FROM scratch\nCOPY a /a\nLABEL kind=old team=red\n";
    build(label, 1_000_000_000, &["-t", "old"]);
    build(&label.replace("kind=old", "kind=new"), 1_500_000_000, &["-t", "new"]);
    build("FROM scratch\nCOPY a /b\n", 1_200_000_000, &[]);
    sandbox
}

#[test]
fn images_go_by_age_and_label() {
    let names = |sandbox: &Sandbox| {
        let listed = sandbox.rbuild(["images", "--format", "{{.Repository}}"]).success().stdout;
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let table: &[(&[&str], &[&str])] = &[
        (&["until=1100000000"], &["new", "<none>", "old"]),
        (&["until=2010-01-01"], &["new", "old"]),
        (&["label=team=red"], &["new", "<none>", "old"]),
        (&["label!=team"], &["new", "old"]),
        (&["-a", "until=1100000000"], &["new", "<none>"]),
        (&["-a", "until=24h", "label=team=red"], &["<none>"]),
        (&["-a", "label!=kind=new"], &["new"]),
        (&["-a", "label=kind=old", "label=team=blue"], &["new", "<none>", "old"]),
    ];
    for command in ["image", "system"] {
        for (filters, expected) in table {
            let sandbox = aged();
            let mut args = vec![command, "prune", "-f"];
            for word in *filters {
                args.extend(if *word == "-a" { vec!["-a"] } else { vec!["--filter", *word] });
            }
            let pruned = sandbox.rbuild(&args).success();
            assert_eq!(names(&sandbox), *expected, "{pruned}");
            let deleted = pruned.stdout.lines().filter(|line| line.starts_with("deleted: "));
            assert_eq!(deleted.count(), 3 - expected.len(), "{pruned}");
            sandbox.validate();
        }
    }
    let sandbox = aged();
    let asked = sandbox.rbuild(["image", "prune", "--filter", "label=x"]).exits(1);
    assert!(asked.stdout.contains("all dangling images, as far as it fits `label=x`."), "{asked}");
    for command in ["image", "system"] {
        let refused = sandbox.rbuild([command, "prune", "-f", "--filter", "name=x"]).exits(1);
        refused
            .says("cannot use `--filter name=x`")
            .says("the filters are `until`, `unused-for`, `label` and `label!`");
    }
}

#[test]
fn images_go_that_nobody_used_for_long() {
    let sandbox = aged();
    // All of it was there two hours ago.
    let age = || {
        let then = SystemTime::now() - Duration::from_secs(7200);
        for blob in std::fs::read_dir(sandbox.root().join("images/blobs/sha256")).unwrap() {
            let file = std::fs::File::options().write(true).open(blob.unwrap().path()).unwrap();
            file.set_modified(then).unwrap();
        }
    };
    let names = || {
        let listed = sandbox.rbuild(["images", "--format", "{{.Repository}}"]).success().stdout;
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let prune = |command: &str| {
        sandbox.rbuild([command, "prune", "-a", "-f", "--filter", "unused-for=1h"]).success()
    };
    prune("image").prints("Total reclaimed space: 0B\n");
    age();
    sandbox.build("FROM old\nLABEL a=b\n", &["-t", "child"]).success();
    prune("image");
    assert_eq!(names(), ["child", "old"]);
    age();
    // What is built again, to the same image, is used.
    sandbox.build("FROM old\nLABEL a=b\n", &["-t", "child"]).success().says("image");
    age();
    sandbox.rbuild(["tag", "child", "named"]).success();
    prune("system");
    assert_eq!(names(), ["child", "named"]);
    age();
    sandbox.rbuild(["save", "-o", "child.tar", "child"]).success();
    sandbox.rbuild(["load", "-i", "child.tar"]).success();
    prune("system");
    assert_eq!(names(), ["child", "named"]);
    sandbox.validate();
}

/// Cache has no labels, and an age: that of its last use.
#[test]
fn a_filtered_system_prune_spares_the_cache_that_does_not_fit() {
    let sandbox = built();
    sandbox.rbuild(["rmi", "app"]).success();
    let records = || {
        let steps = std::fs::read_dir(sandbox.root().join("cache/steps")).unwrap();
        let names = steps.map(|step| step.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json")).count()
    };
    let prune = |filter| sandbox.rbuild(["system", "prune", "-f", "--filter", filter]).success();
    for filter in ["label=x", "label!=x", "until=1h"] {
        prune(filter).prints("Total reclaimed space: 0B\n");
        assert_eq!(records(), 3, "{filter}");
    }
    prune("until=0s");
    assert_eq!(records(), 0);
    sandbox.validate();
}

#[test]
fn everything_goes_when_everything_is_asked_for() {
    let sandbox = built();
    sandbox.build("FROM busybox\nCOPY big /\n", &[]).success();
    let dangling = sandbox.rbuild(["image", "prune", "-f"]).success();
    assert!(dangling.stdout.starts_with("Deleted Images:\ndeleted: sha256:"), "{dangling}");
    assert_eq!(sandbox.rbuild(["images", "-q"]).success().stdout.lines().count(), 2);
    let all = sandbox.rbuild(["prune", "-a", "-f"]).success();
    assert!(all.stdout.contains("untagged: busybox:latest\n"), "{all}");
    let df = sandbox.rbuild(["df"]).success().stdout;
    let rows: Vec<Vec<&str>> = df.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    assert_eq!(rows[1], ["Images", "0", "0", "0B", "0B"]);
    assert_eq!(rows[2], ["Containers", "0", "0", "0B", "0B"]);
    assert_eq!(rows[3], ["Local", "Volumes", "0", "0", "0B", "0B"]);
    assert_eq!(rows[4], ["Build", "Cache", "0", "0", "0B", "0B"]);
    assert_eq!(rows[5][..3], ["Other", "0", "0"]);
    assert_eq!(std::fs::read_dir(sandbox.root().join("images/blobs/sha256")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(sandbox.root().join("cache/steps")).unwrap().count(), 0);
    sandbox.validate();
}

/// What the cache takes in the sense of its limit: records, their layers and mounts that no image is made of.
fn cache_bytes(sandbox: &Sandbox) -> u64 {
    let steps = sandbox.root().join("cache/steps");
    let blobs = sandbox.root().join("images/blobs/sha256");
    let allocated = |path: &std::path::Path| {
        std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap()) * 512
    };
    let files = |dir: &std::path::Path| -> u64 {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|entry| allocated(&entry.unwrap().path())).sum()
    };
    files(&steps) + files(&blobs)
}

/// A layer of 100 kB that no other build makes, in a stage whose image is not kept.
fn build_one(sandbox: &Sandbox, number: usize, cap: &str) -> crate::support::Output {
    let (dir, file) = (format!("c{number}"), format!("c{number}/big"));
    sandbox.write(&file, &format!("{number:08}").repeat(12_500));
    sandbox.write(
        &format!("{dir}/Dockerfile"),
        "FROM scratch AS a\nCOPY big /\nFROM scratch\nCOPY --from=a /none* /big /\n",
    );
    let mut command = sandbox.rbuild_command(["build", "--progress", "plain", &dir]);
    command.env("RBUILD_CACHE_CAP", cap);
    crate::support::run(&mut command, "")
}

#[test]
fn the_cache_keeps_to_its_cap_and_forgets_what_was_used_longest_ago() {
    let sandbox = Sandbox::new();
    for number in 0..12 {
        build_one(&sandbox, number, "600k").success();
        // What images are made of does not count: make them go.
        sandbox.rbuild(["image", "prune", "-f"]).success();
        build_one(&sandbox, number, "600k").success().says("CACHED");
        sandbox.rbuild(["image", "prune", "-f"]).success();
    }
    sandbox.validate();
    build_one(&sandbox, 11, "600k").success().says("CACHED");
    let first = build_one(&sandbox, 0, "600k").success();
    assert!(!first.stderr.contains("CACHED"), "{first}");
    sandbox.rbuild(["image", "prune", "-f"]).success();
    build_one(&sandbox, 20, "600k").success();
    sandbox.rbuild(["image", "prune", "-f"]).success();
    sandbox.rbuild(["builder", "prune", "-f", "--max-used-space", "600k"]).success();
    let bytes = cache_bytes(&sandbox);
    assert!((100_000..700_000).contains(&bytes), "{bytes}");
    sandbox.rbuild(["builder", "prune", "-f", "--keep-storage", "150k"]).success();
    let bytes = cache_bytes(&sandbox);
    assert!(bytes < 200_000, "{bytes}");
    sandbox
        .rbuild(["builder", "prune", "-f", "--min-free-space", "1k"])
        .success()
        .prints("Total reclaimed space: 0B\n");
    sandbox
        .rbuild(["builder", "prune", "-f", "--max-used-space", "much"])
        .exits(1)
        .says("is not a size");
    build_one(&sandbox, 1, "much").exits(1).says("RBUILD_CACHE_CAP");
    sandbox.validate();
}

#[test]
fn builds_at_once_keep_to_the_cap_together() {
    let sandbox = Sandbox::new();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                for round in 0..5 {
                    build_one(sandbox, worker * 10 + round, "400k").success();
                }
            });
        }
    });
    sandbox.rbuild(["image", "prune", "-f"]).success();
    build_one(&sandbox, 50, "400k").success();
    sandbox.rbuild(["image", "prune", "-f"]).success();
    let bytes = cache_bytes(&sandbox);
    // The last image's own layers have just ceased to be of an image.
    assert!(bytes < 400 * 1024 + 250_000, "{bytes}");
    sandbox.validate();
}

/// The bytes go in a process that nobody waits for, and that holds nothing of the command's: its output is at an end
/// when the command is.
#[test]
fn many_files_are_removed_in_the_background() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let many = "FROM busybox\nRUN mkdir /m; cd /m; for i in $(seq 3000); do echo > $i; done\n";
    sandbox.build(many, &[]).success();
    let temp = || std::fs::read_dir(sandbox.root().join("temp")).unwrap().count();
    sandbox.rbuild(["image", "prune", "-f"]).success();
    sandbox.rbuild(["builder", "prune", "-a", "-f"]).success();
    sandbox.validate();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while temp() > 0 {
        assert!(std::time::Instant::now() < end, "nobody removes it");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Killed before it had done anything, the next command starts another.
    let left = sandbox.path("left");
    std::fs::create_dir(&left).unwrap();
    (0..1000).for_each(|number| std::fs::write(left.join(number.to_string()), "").unwrap());
    std::fs::rename(left, sandbox.root().join("temp/gone.0")).unwrap();
    sandbox.rbuild(["images"]).success();
    while temp() > 0 {
        assert!(std::time::Instant::now() < end, "nobody goes on");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    sandbox.rbuild(["system", "remove-leftovers"]).success().prints("");
}

#[test]
fn nothing_goes_without_a_yes() {
    let sandbox = built();
    for command in [&["builder", "prune", "-a"][..], &["image", "prune"], &["system", "prune"]] {
        for answer in ["", "n\n", "perhaps\n"] {
            sandbox.rbuild_with_input(command, answer).exits(1).says("cancelled");
        }
    }
    let df = sandbox.rbuild(["system", "df"]).success().stdout;
    assert!(df.contains("Build Cache     3         0"), "{df}");
    let pruned = sandbox.rbuild_with_input(["builder", "prune", "-a"], "y\n").success();
    assert!(pruned.stdout.contains("Total reclaimed space: "), "{pruned}");
}

/// A step that runs again after its record was removed leads to a new state: a later step's record, which was
/// kept, must not be laid over the new result.
#[test]
fn a_kept_record_is_not_laid_over_another_result() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let dockerfile = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /a\nRUN cp /a /b\n";
    sandbox.build(dockerfile, &["-t", "app"]).success();
    let steps = sandbox.root().join("cache/steps");
    // As if the first step had not been used for a day, and the second had.
    let name = |key: &str| -> String {
        let text = std::fs::read_to_string(steps.join(key)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["name"].to_string()
    };
    let entries = std::fs::read_dir(&steps).unwrap().map(|entry| entry.unwrap().file_name());
    let records = entries.map(|name| name.into_string().unwrap()).filter(|n| n.ends_with(".json"));
    let first = records.into_iter().find(|key| name(key).contains("uuid")).unwrap();
    let day_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    let key = first.strip_suffix(".json").unwrap();
    set_time(&steps.join(&first), day_ago);
    let pruned = sandbox.rbuild(["builder", "prune", "-a", "-f", "--filter=until=1h"]).success();
    assert!(pruned.stdout.contains(key), "{pruned}");
    sandbox.build(dockerfile, &["-t", "app"]).success();
    sandbox.rbuild(["run", "--rm", "app", "cmp", "/a", "/b"]).success();
}

#[test]
fn a_cache_mount_in_use_stays() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let mount = "--mount=type=cache,target=/c";
    sandbox.build(&format!("FROM busybox\nRUN {mount} echo kept > /c/f\n"), &[]).success();
    let waiting = format!("FROM busybox\nRUN {mount} touch /c/busy; sleep 2; test -f /c/f\n");
    sandbox.write("context/Dockerfile", &waiting);
    let mut child = sandbox.spawn(&["build", "context"]);
    let busy = || {
        let mounts = std::fs::read_dir(sandbox.root().join("cache/mounts")).unwrap();
        mounts.into_iter().any(|entry| entry.unwrap().path().join("0/busy").exists())
    };
    while !busy() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    sandbox.rbuild(["system", "prune", "-a", "-f"]).success();
    assert!(child.wait().unwrap().success());
    assert!(busy());
    sandbox.rbuild(["builder", "prune", "-a", "-f"]).success();
    assert!(!busy());
    sandbox.validate();
}

/// Also where the same place of the Dockerfile has something else by then.
#[test]
fn what_was_used_a_moment_ago_is_not_old() {
    let sandbox = Sandbox::new();
    let build = |text: &str| {
        sandbox.write("context/file", text);
        sandbox.write("context/Dockerfile", "FROM scratch\nCOPY file /\n");
        sandbox.rbuild(["build", "--progress", "plain", "context"]).success()
    };
    build("one");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 24 * 3600);
    set_back(&sandbox.root().join("cache"), old);
    build("one");
    build("two");
    sandbox.rbuild(["builder", "prune", "-a", "-f", "--filter", "unused-for=24h"]).success();
    let again = build("one");
    assert!(again.stderr.contains("CACHED") || again.stdout.contains("CACHED"), "{again}");
    // What was not used goes.
    set_back(&sandbox.root().join("cache"), old);
    sandbox.rbuild(["builder", "prune", "-a", "-f", "--filter", "unused-for=24h"]).success();
    let again = build("one");
    assert!(!again.stderr.contains("CACHED") && !again.stdout.contains("CACHED"), "{again}");
}

fn set_back(directory: &std::path::Path, time: std::time::SystemTime) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => set_back(&path, time),
            false => set_time(&path, time),
        }
    }
}

fn set_time(path: &std::path::Path, time: SystemTime) {
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}
