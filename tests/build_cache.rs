//! The build cache from end to end: what it believes, what it says, what it shares, what it keeps.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{Archive, Output, Sandbox, privileged, run};

/// Small files of words, and a large one.
fn files(sandbox: &Sandbox) {
    for number in 0..600_u32 {
        let length = (number.wrapping_mul(2_654_435_761) >> 19) as usize;
        let text = format!("line {number} of a file\n").repeat(length / 20 + 1);
        sandbox.write(&format!("context/src/f{number:03}"), &text);
    }
    let large: String = (0..150_000).map(|number| format!("{number} is a number\n")).collect();
    sandbox.write("context/large", &large);
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY . /\n");
}

/// The bytes of an archive that a store of its own makes on so many threads.
fn archive(sandbox: &Sandbox, store: &str, workers: &str, setting: &str) -> Vec<u8> {
    let output = format!("type=oci,dest=out.tar{setting}");
    let mut command = sandbox.rbuild_command(["build", "-q", "-t", "a", "-o", &output, "context"]);
    command.env("RBUILD_ROOT", sandbox.path(store)).env("RBUILD_WORKERS", workers);
    run(command.env("SOURCE_DATE_EPOCH", "1700000000"), "").success();
    fs::read(sandbox.path("out.tar")).unwrap()
}

#[test]
fn an_archive_depends_neither_on_threads_nor_on_what_was_compressed_before() {
    let sandbox = Sandbox::new();
    files(&sandbox);
    let settings = [
        "",
        ",compression=gzip,compression-level=1",
        ",compression=zstd",
        ",compression=uncompressed",
    ];
    for (number, setting) in settings.into_iter().enumerate() {
        let one = archive(&sandbox, &format!("one{number}"), "1", setting);
        for workers in ["2", "5"] {
            let store = format!("store{workers}-{number}");
            assert!(archive(&sandbox, &store, workers, setting) == one, "{workers} {setting}");
        }
        let layers = Archive::open(&sandbox.path("out.tar")).layers();
        assert!(!layers.is_empty());
        // Compressed when the layer is there already, not while it is written.
        let later = format!("later{number}");
        let mut command = sandbox.rbuild_command(["build", "-q", "-t", "a", "context"]);
        command.env("RBUILD_ROOT", sandbox.path(&later)).env("SOURCE_DATE_EPOCH", "1700000000");
        run(&mut command, "").success();
        assert!(archive(&sandbox, &later, "2", setting) == one, "{setting}");
        sandbox.write("context/src/f300", &format!("changed for {number}"));
        let known = archive(&sandbox, &format!("one{number}"), "2", setting);
        assert!(known != one);
        assert!(archive(&sandbox, &format!("new{number}"), "2", setting) == known, "{setting}");
        if !setting.contains("uncompressed") {
            let pieces = fs::read_dir(sandbox.path(&format!("one{number}/cache/pieces"))).unwrap();
            assert_eq!(pieces.count(), 2);
        }
    }
    run(sandbox.rbuild_command(["build", "."]).env("RBUILD_WORKERS", "0"), "").exits(1);
}

/// Files that did not change are read from the layer of before, unless that is damaged.
#[test]
fn a_damaged_layer_of_before_is_not_copied() {
    let sandbox = Sandbox::new();
    files(&sandbox);
    let build = |store: &str| {
        let mut command = sandbox.rbuild_command(["build", "-q", "context"]);
        command.env("RBUILD_ROOT", sandbox.path(store)).env("SOURCE_DATE_EPOCH", "1700000000");
        run(&mut command, "").success().stdout
    };
    build("store");
    let blobs = fs::read_dir(sandbox.path("store/images/blobs/sha256")).unwrap();
    let sizes =
        blobs.map(|entry| entry.unwrap().path()).map(|path| (path.metadata().unwrap().len(), path));
    let (size, layer) = sizes.max().unwrap();
    let layer = File::options().write(true).open(layer).unwrap();
    for part in 0..8 {
        layer.write_all_at(b"damage", size / 9 * (part + 1)).unwrap();
    }
    sandbox.write("context/src/f300", "changed");
    assert_eq!(build("store"), build("new"));
}

#[test]
fn a_damaged_piece_is_compressed_again() {
    let sandbox = Sandbox::new();
    files(&sandbox);
    archive(&sandbox, "store", "2", "");
    let lists = fs::read_dir(sandbox.path("store/cache/pieces")).unwrap();
    let list = lists.into_iter().next().unwrap().unwrap().file_name().into_string().unwrap();
    let blob = sandbox.path("store/images/blobs/sha256").join(list.split_once('.').unwrap().0);
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    sandbox.write("context/src/f300", "changed");
    let known = archive(&sandbox, "store", "2", "");
    assert!(archive(&sandbox, "new", "2", "") == known);
}

#[test]
fn pruning_forgets_the_pieces_of_what_it_removes() {
    let sandbox = Sandbox::new();
    sandbox.write("context/a", "a");
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY a /\n");
    archive(&sandbox, "store", "1", "");
    sandbox.rbuild(["rmi", "a"]).success();
    sandbox.rbuild(["builder", "prune", "-a", "-f"]).success();
    assert_eq!(fs::read_dir(sandbox.path("store/cache/pieces")).unwrap().count(), 0);
    sandbox.validate();
}

/// What the file is in the image.
fn built(sandbox: &Sandbox) -> String {
    let output = sandbox.rbuild(["build", "-q", "-o", "out", "context"]).success();
    assert_eq!(output.stderr, "");
    let read = |name: &str| fs::read_to_string(sandbox.path("out").join(name)).unwrap_or_default();
    read("a/f") + &read("b/f")
}

/// Whether the new file of that name has the inode of the old one: the file system decides, and others may take it.
fn replaced_with_its_inode(path: &Path, text: &str, time: SystemTime) -> bool {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let inode = fs::metadata(path).unwrap().ino();
        fs::remove_file(path).unwrap();
        write_at(path.to_owned(), text, time);
        if fs::metadata(path).unwrap().ino() == inode {
            return true;
        }
    }
    false
}

fn write_at(path: PathBuf, text: &str, time: SystemTime) {
    fs::write(&path, text).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_change_is_seen_whatever_it_looks_like() {
    let sandbox = Sandbox::new();
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY . /\n");
    let (a, b) = (sandbox.path("context/a/f"), sandbox.path("context/b/f"));
    sandbox.write("context/a/f", "");
    sandbox.write("context/b/f", "");
    let time = SystemTime::now() - Duration::from_secs(1000);
    write_at(a.clone(), "one", time);
    write_at(b.clone(), "two", time);
    assert_eq!(built(&sandbox), "onetwo");
    // The size stays, and the time is set back.
    for text in ["aaa", "bbb", "ccc"] {
        write_at(a.clone(), text, time);
        assert_eq!(built(&sandbox), format!("{text}two"));
    }
    // Another file that gets the same inode.
    if !replaced_with_its_inode(&a, "ddd", time) {
        println!(
            "not tried: a file with the inode of another, which this file system does not give again"
        );
    }
    assert_eq!(built(&sandbox), "dddtwo");
    // Long enough that the index believes what it knows.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(built(&sandbox), "dddtwo");
    let directory = |name: &str| sandbox.path("context").join(name);
    fs::rename(directory("a"), directory("c")).unwrap();
    fs::rename(directory("b"), directory("a")).unwrap();
    fs::rename(directory("c"), directory("b")).unwrap();
    assert_eq!(built(&sandbox), "twoddd");
}

#[test]
fn an_index_that_is_not_this_directorys_is_not_believed() {
    let sandbox = Sandbox::new();
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY . /\n");
    let time = SystemTime::now() - Duration::from_secs(1000);
    for (name, text) in [("context/a/f", "one"), ("context/b/f", "two"), ("context/c", "")] {
        sandbox.write(name, text);
        write_at(sandbox.path(name), text, time);
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(built(&sandbox), "onetwo");
    let indexes = fs::read_dir(sandbox.root().join("cache/files")).unwrap();
    let index = indexes.into_iter().next().unwrap().unwrap().path();
    let good = fs::read(&index).unwrap();
    // As if the store had come from a machine where the same paths hold something else.
    fs::rename(sandbox.path("context"), sandbox.path("other")).unwrap();
    for (name, text) in [("context/a/f", "ONE"), ("context/b/f", "TWO")] {
        sandbox.write(name, text);
        write_at(sandbox.path(name), text, time);
    }
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY . /\n");
    assert_eq!(built(&sandbox), "ONETWO");
    for damaged in [&good[..good.len() / 2], b"", b"rbfidx01 of an earlier version"] {
        fs::write(&index, damaged).unwrap();
        assert_eq!(built(&sandbox), "ONETWO");
        assert_ne!(fs::read(&index).unwrap(), damaged);
    }
}

#[test]
fn a_build_explains_every_step() {
    let sandbox = Sandbox::new();
    sandbox.write("context/a", "1");
    sandbox.write("context/b", "1");
    let text = "FROM scratch\nCOPY a /a\nCOPY b /b\nWORKDIR /w\n";
    let explained = |output: Output| {
        let lines = output.stderr.lines().filter(|line| {
            line.starts_with("hit ") || line.starts_with("miss ") || line.starts_with("     ")
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = explained(sandbox.build(text, &["--explain"]).success());
    assert_eq!(first[0], "miss [1/3] COPY a /a");
    assert_eq!(first[1], "     it was not built at this place before");
    assert_eq!(first.len(), 6);
    sandbox.write("context/b", "2");
    let output = sandbox.build(text, &["--explain"]).success().says("not cached: changed: b");
    let second = explained(output);
    assert_eq!(second[0], "hit  [1/3] COPY a /a");
    assert!(
        second[1].starts_with("     the same instruction, the 2 things it reads"),
        "{second:?}"
    );
    assert_eq!(second[2], "miss [2/3] COPY b /b");
    assert!(second[3].starts_with("     file `b` changed: content "), "{second:?}");
    assert_eq!(second[5], "     a step before it changed: [2/3] COPY b /b");
    let quiet = sandbox.build(text, &["--explain", "-q"]).success();
    assert_eq!(quiet.stderr.lines().filter(|line| line.starts_with("hit ")).count(), 3);
    let unwanted = explained(sandbox.build(text, &["--explain", "--no-cache"]).success());
    assert_eq!(unwanted[1], "     the cache was not to be used");
}

#[test]
fn builds_at_once_make_a_step_once() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let mount = "--mount=type=cache,id=log,target=/c";
    let text =
        format!("FROM busybox\nRUN {mount} echo ran >> /c/log; sleep 0.5\nRUN cat /etc/passwd\n");
    sandbox.write("context/Dockerfile", &text);
    let builds: Vec<_> = (0..8).map(|_| sandbox.spawn(&["build", "-t", "a", "context"])).collect();
    for mut build in builds {
        assert!(build.wait().unwrap().success());
    }
    sandbox.rbuild(["cache", "export", "log", "-o", "log.tar"]).success();
    let mut archive = tar::Archive::new(File::open(sandbox.path("log.tar")).unwrap());
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let mut log = String::new();
    std::io::Read::read_to_string(&mut entry, &mut log).unwrap();
    assert_eq!(log, "ran\n");
    // However many steps there are.
    let locks = fs::read_dir(sandbox.root().join("cache/locks")).unwrap();
    assert_eq!(locks.count(), 1);
    sandbox.validate();
}

#[test]
fn no_build_waits_for_a_step_it_does_not_need() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let mount = "--mount=type=cache,id=gate,target=/c";
    let waits = format!("FROM busybox\nRUN {mount} while [ ! -e /c/go ]; do sleep 0.02; done\n");
    sandbox.write("waiting/Dockerfile", &waits);
    let mut waiting = sandbox.spawn(&["build", "waiting"]);
    for number in 0..7 {
        sandbox.build(&format!("FROM busybox\nRUN echo {number}\n"), &[]).success();
    }
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for what no other build has made");
    sandbox.build(&format!("FROM busybox\nRUN {mount} touch /c/go\n"), &[]).success();
    assert!(waiting.wait().unwrap().success());
}

/// More stages wait than there are threads for stages; the one they wait for waits for the last.
#[test]
fn stages_that_wait_leave_their_threads_to_others() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let mount = "--mount=type=cache,id=gate,target=/c";
    let wait =
        "i=0; while [ ! -e /c/go ]; do i=$((i+1)); [ $i -lt 3000 ] || exit 1; sleep 0.02; done";
    let mut text = format!("FROM busybox AS slow\nRUN {mount} {wait}\n");
    // More than a build has threads.
    let many = 3 * std::thread::available_parallelism().map_or(4, std::num::NonZero::get).max(8);
    for number in 0..many {
        text += &format!("FROM scratch AS s{number}\nCOPY --from=slow /etc/passwd /p{number}\n");
    }
    text +=
        &format!("FROM busybox AS opens\nRUN {mount} touch /c/go; echo 1 > /done\nFROM scratch\n");
    (0..many).for_each(|number| text += &format!("COPY --from=s{number} /p{number} /\n"));
    text += "COPY --from=opens /done /\n";
    sandbox.build(&text, &[]).success();
    sandbox.validate();
}

#[test]
fn cache_mounts_go_from_store_to_store_by_their_id() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let mount = "--mount=type=cache,id=deps,target=/c";
    let script = "mkdir /c/d; echo kept > /c/d/f; chown 7:8 /c/d/f; ln /c/d/f /c/l; ln -s d /c/s";
    sandbox.build(&format!("FROM busybox\nRUN {mount} {script}\n"), &[]).success();
    let list = sandbox.rbuild(["cache", "ls", "--mounts", "--format", "{{.ID}} {{.Description}}"]);
    let list = list.success().stdout;
    let (name, id) = list.trim().split_once(' ').unwrap();
    assert_eq!(id, "deps");
    let all = sandbox.rbuild(["cache", "ls"]).success();
    assert!(all.stdout.contains("RUN --mount=type=cache,id=deps"), "{all}");
    for known in ["deps", name] {
        sandbox.rbuild(["cache", "export", known, "-o", "deps.tar"]).success();
    }
    let check = "test $(stat -c %u:%g /c/d/f) = 7:8 && cat /c/l /c/s/f";
    let uses = format!("FROM busybox\nRUN {mount} {check}\n");
    sandbox.rbuild(["cache", "prune", "-f", "--mount", "deps"]).success().says("");
    sandbox.rbuild(["cache", "ls", "--mounts", "-q"]).success().prints("");
    sandbox.build(&uses, &[]).exits(1);
    sandbox.rbuild(["cache", "import", "deps", "deps.tar"]).success();
    sandbox.build(&uses, &[]).success().says("kept");
    // In place of what is there now, whatever it is.
    sandbox.rbuild(["cache", "import", name, "deps.tar"]).success();
    sandbox.build(&uses, &["--no-cache"]).success();
    // An owner makes it another mount.
    let owned = "--mount=type=cache,id=deps,target=/c,uid=7,gid=8";
    sandbox.build(&format!("FROM busybox\nRUN {owned} test ! -e /c/d\n"), &[]).success();
    sandbox.rbuild(["cache", "export", "deps", "-o", "x"]).exits(1).says("means several");
    sandbox.rbuild(["cache", "prune", "-f", "--mount", "deps"]).success();
    sandbox.rbuild(["cache", "import", "deps", "--uid=7", "--gid=8", "deps.tar"]).success();
    sandbox.build(&format!("FROM busybox\nRUN {owned} cat /c/d/f\n"), &[]).success();
    sandbox
        .rbuild(["cache", "export", "nothing"])
        .exits(1)
        .says("there is no cache mount `nothing`");
    sandbox.rbuild(["cache", "prune", "-f", "--mount", "nothing"]).exits(1).says("rbuild cache ls");
    sandbox.rbuild(["cache", "import", "deps", "Dockerfile"]).exits(1).says("cannot open");
    sandbox.write("broken", "no archive");
    sandbox.rbuild(["cache", "import", "other", "broken"]).exits(1);
    sandbox.validate();
}

#[test]
fn a_mount_in_use_is_neither_exported_nor_removed() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let mount = "--mount=type=cache,id=busy,target=/c";
    let text =
        format!("FROM busybox\nRUN {mount} touch /c/f; while [ -e /c/f ]; do sleep 0.02; done\n");
    sandbox.write("context/Dockerfile", &text);
    let mut build = sandbox.spawn(&["build", "context"]);
    let mounts = sandbox.root().join("cache/mounts");
    let file = loop {
        let found = fs::read_dir(&mounts).into_iter().flatten();
        let files = found.map(|entry| entry.unwrap().path().join("0/f"));
        if let Some(file) = files.into_iter().find(|file| file.exists()) {
            break file;
        }
        assert!(build.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    };
    let listed = sandbox.rbuild(["cache", "ls", "--mounts", "--format", "{{.InUse}}"]).success();
    listed.prints("true\n");
    sandbox.rbuild(["cache", "export", "busy", "-o", "x"]).exits(1).says("is in use");
    sandbox.rbuild(["cache", "prune", "-f", "--mount", "busy"]).exits(1).says("is in use");
    fs::remove_file(file).unwrap();
    assert!(build.wait().unwrap().success());
    sandbox.rbuild(["cache", "prune", "-f", "--mount", "busy"]).success();
}

/// Times of access are those of the last reading, where the file system keeps them.
#[test]
fn what_is_cached_is_not_read() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::new();
    let context = sandbox.path("context");
    fs::create_dir(&context).unwrap();
    let _mounted = Mounted::new(&context);
    files(&sandbox);
    let read = || {
        let mut times = vec![fs::metadata(context.join("large")).unwrap().accessed().unwrap()];
        let small = fs::read_dir(context.join("src")).unwrap().map(|entry| entry.unwrap().path());
        let mut small: Vec<PathBuf> = small.collect();
        small.sort();
        times.extend(small.iter().map(|path| fs::metadata(path).unwrap().accessed().unwrap()));
        times
    };
    let build = || {
        // Long enough that the index believes what it knows, and that another time is another one.
        std::thread::sleep(Duration::from_millis(50));
        sandbox.rbuild(["build", "-q", "context"]).success();
        read()
    };
    let written = read();
    let first = build();
    assert!(written.iter().zip(&first).all(|(before, after)| before < after), "times are not kept");
    let known = build();
    assert!(known == build() && known == build(), "files were read though nothing changed");
    // The one that changed, and no other.
    sandbox.write("context/src/f300", "changed");
    let written = read();
    let changed = build();
    let read_again = written.iter().zip(&changed).filter(|(before, after)| before != after);
    assert_eq!(read_again.count(), 1);
}

/// A file system in memory that keeps every time of access.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: &Path) -> Mounted {
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "strictatime", "tmpfs"]).arg(path);
        assert!(command.status().unwrap().success());
        Mounted(path.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ended = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Two projects in which somebody says `.` have nothing to do with each other.
#[test]
fn a_place_is_a_directory_and_not_what_it_is_called() {
    let sandbox = Sandbox::new();
    let build = |project: &str| {
        let mut command = sandbox.command("sh");
        let script = format!("cd {project} && exec \"$0\" build --explain .");
        run(command.args(["-c", &script, env!("CARGO_BIN_EXE_rbuild")]), "").success()
    };
    for project in ["one", "two"] {
        sandbox.write(&format!("{project}/Dockerfile"), "FROM scratch\nCOPY file /\n");
        sandbox.write(&format!("{project}/file"), project);
    }
    build("one");
    let other = build("two");
    assert!(!format!("{other}").contains("changed"), "{other}");
    sandbox.write("two/file", "something else");
    build("two").says("file");
    assert!(format!("{}", build("one")).contains("CACHED"));
}
