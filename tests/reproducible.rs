//! Same inputs, same bytes: whenever, wherever and by whomever an image is built, given a time for it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Archive, Sandbox, installed, privileged, run};

/// One file for each way a layer comes about.
const DOCKERFILE: &str = "FROM busybox AS build\n\
    WORKDIR /src\n\
    COPY . .\n\
    RUN mkdir -p out/deep && cat a/* >out/all && ln out/all out/same && ln -s all out/link && chmod 700 out/deep && \\\n\
        date >/tmp/changing && touch -d '2001-02-03 04:05:06' out/old && rm /tmp/changing a/1\n\
    RUN <<EOF\n\
    #!/bin/sh\n\
    for n in 9 3 7 1 5; do echo $n >out/deep/$n; done\n\
    echo ${SOURCE_DATE_EPOCH-unset} >out/epoch\n\
    EOF\n\
    FROM busybox\n\
    ADD files.tar /added/\n\
    COPY --from=build --chown=7:8 /src/out /out\n\
    COPY --link a /linked\n\
    COPY <<EOF /etc/note\n\
    written here\n\
    EOF\n\
    RUN echo someone:x:7:8::/:/bin/sh >>/etc/passwd && rm -rf /added/sub\n\
    USER someone\n\
    WORKDIR /home/new/dir\n\
    LABEL a=b\n\
    CMD [\"sh\"]\n";

/// How one build differs from another.
#[derive(Clone, Copy, Default)]
struct Circumstances<'a> {
    /// Where the context and the store are; a temporary directory else.
    place: Option<&'a Path>,
    /// Files are made in the other order, with other times.
    reversed: bool,
    snapshotter: &'static str,
    /// Words before the command.
    prefix: &'a [&'a str],
    flags: &'a [&'a str],
    environment: &'a [(&'a str, &'a str)],
}

/// The base image, as an archive: its own times are inputs.
fn base(sandbox: &Sandbox) -> PathBuf {
    sandbox.rbuild(["save", "-o", "base.tar", "busybox"]).success();
    sandbox.path("base.tar")
}

/// What was built.
#[derive(Debug, PartialEq, Eq)]
struct Built {
    digest: String,
    image: Vec<u8>,
}

fn build(base: &Path, dockerfile: &str, circumstances: Circumstances<'_>) -> (Built, Sandbox) {
    let mut sandbox = match circumstances.place {
        Some(place) => Sandbox::within(place),
        None => Sandbox::new(),
    };
    sandbox.snapshotter = circumstances.snapshotter;
    sandbox.rbuild(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), base.as_os_str()]).success();
    write_context(&sandbox, dockerfile, circumstances.reversed);
    let built = again(&sandbox, circumstances);
    (built, sandbox)
}

fn again(sandbox: &Sandbox, circumstances: Circumstances<'_>) -> Built {
    let rbuild = env!("CARGO_BIN_EXE_rbuild");
    let mut words = circumstances.prefix.iter().copied().chain([rbuild]);
    let mut command = sandbox.command(words.next().unwrap());
    command.args(words).args(["build", "--metadata-file=metadata.json"]);
    command.args(circumstances.flags).args(["-o", "type=oci,dest=image.tar", "context"]);
    command.envs(circumstances.environment.iter().copied());
    run(&mut command, "").success();
    let metadata: Value = serde_json::from_str(&sandbox.read("metadata.json")).unwrap();
    let digest = metadata["containerimage.digest"].as_str().unwrap().to_owned();
    Built { digest, image: fs::read(sandbox.path("image.tar")).unwrap() }
}

fn write_context(sandbox: &Sandbox, dockerfile: &str, reversed: bool) {
    let mut files: Vec<(String, String)> =
        (1..8).map(|n| (format!("context/a/{n}"), format!("file {n}\n"))).collect();
    files.push(("context/Dockerfile".to_owned(), dockerfile.to_owned()));
    files.push(("context/.dockerignore".to_owned(), "ignored\nfiles.tar.gz\n".to_owned()));
    files.push(("context/b/c/d".to_owned(), "deep\n".to_owned()));
    if reversed {
        files.push(("context/ignored".to_owned(), "of this one only\n".to_owned()));
        files.reverse();
    }
    for (name, text) in &files {
        sandbox.write(name, text);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(if reversed { 1 } else { 1 << 30 });
        let file = fs::File::options().write(true).open(sandbox.path(name)).unwrap();
        file.set_modified(time).unwrap();
        fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    for directory in ["context", "context/a", "context/b", "context/b/c"] {
        fs::set_permissions(sandbox.path(directory), fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink("b/c/d", sandbox.path("context/link")).unwrap();
    // The archive is an input as it is, times and all.
    let mut archive =
        tar::Builder::new(fs::File::create(sandbox.path("context/files.tar")).unwrap());
    for (name, mtime) in [("one", 5), ("sub/two", 2_000_000_000)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(2);
        header.set_mode(0o640);
        header.set_mtime(mtime);
        archive.append_data(&mut header, name, &b"x\n"[..]).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn circumstances_do_not_matter() {
    if !privileged() {
        return;
    }
    let maker = Sandbox::with_busybox();
    let base = base(&maker);
    let epoch = [("SOURCE_DATE_EPOCH", "1600000000")];
    let usual = Circumstances { environment: &epoch, ..Circumstances::default() };
    let (first, sandbox) = build(&base, DOCKERFILE, usual);
    // Times have whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let without_cache = Circumstances { flags: &["--no-cache"], ..usual };
    assert!(again(&sandbox, without_cache) == first, "later, without the cache");
    assert!(again(&sandbox, usual) == first, "from the cache");
    sandbox.validate();
    let elsewhere = TempDir::new_in("/dev/shm");
    let place = elsewhere.as_ref().ok().map(TempDir::path);
    let home = [epoch[0], ("HOME", "/nonexistent"), ("TZ", "Asia/Tokyo"), ("LANG", "tr_TR.UTF-8")];
    let table = [
        ("other order, times and file system", Circumstances { place, reversed: true, ..usual }),
        ("whole copies", Circumstances { snapshotter: "copy", ..usual }),
        ("umask", Circumstances { prefix: &["sh", "-c", "umask 077; exec \"$@\"", "sh"], ..usual }),
        (
            "no umask, one processor",
            Circumstances {
                prefix: &["sh", "-c", "umask 0; exec taskset 1 \"$@\"", "sh"],
                ..usual
            },
        ),
        ("environment", Circumstances { environment: &home, ..usual }),
        (
            "given otherwise",
            Circumstances {
                flags: &["--reproducible", "--build-arg=SOURCE_DATE_EPOCH=1600000000"],
                ..Circumstances::default()
            },
        ),
    ];
    for (what, circumstances) in table {
        let (built, sandbox) = build(&base, DOCKERFILE, circumstances);
        assert_eq!(built.digest, first.digest, "{what}");
        assert!(built.image == first.image, "{what}: the archive differs");
        sandbox.validate();
    }
    check_times(&sandbox, &base);
}

/// Nothing of ours is newer than the epoch, and the base is as it came.
fn check_times(sandbox: &Sandbox, base: &Path) {
    sandbox.rbuild(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), base.as_os_str()]).success();
    let plain = "type=oci,dest=plain.tar,compression=uncompressed,force-compression=true";
    let epoch = "--build-arg=SOURCE_DATE_EPOCH=1600000000";
    sandbox.rbuild(["build", "-q", epoch, "-o", plain, "context"]).success();
    let archive = Archive::open(&sandbox.path("plain.tar"));
    let config = archive.config();
    assert_eq!(config["created"], "2020-09-13T12:26:40Z");
    let layers = archive.layers();
    let inspected = sandbox.rbuild(["inspect", "busybox"]).success().stdout;
    let busybox: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], busybox[0]["RootFS"]["Layers"][0]);
    for layer in &layers[1..] {
        for (path, mtime) in layer.times() {
            assert!(mtime <= 1_600_000_000, "{path}: {mtime}");
        }
    }
    let times: Vec<(String, u64)> = layers.iter().flat_map(|layer| layer.times()).collect();
    assert!(times.contains(&("added/one".to_owned(), 5)), "{times:?}");
}

#[test]
fn another_user_builds_the_same() {
    if !privileged() || !installed("setpriv") {
        return;
    }
    let text = "FROM scratch\nWORKDIR /w\nCOPY --chown=5 a a\nCOPY --chmod=u+s b /b\n";
    let flags = ["--reproducible"];
    let usual = Circumstances { flags: &flags, ..Circumstances::default() };
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let [root, other] = [&[][..], &nobody].map(|prefix| {
        let sandbox = Sandbox::new();
        write_context(&sandbox, text, !prefix.is_empty());
        fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        again(&sandbox, Circumstances { prefix, ..usual })
    });
    assert!(root == other, "{} {}", root.digest, other.digest);
}

const SHORT: &str = "FROM busybox\nRUN echo x >/made\nCOPY a/1 /copied\n";

/// BuildKit's behaviour: only what the build itself writes has the time.
#[test]
fn times_of_run_can_be_left_as_they_are() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    write_context(&sandbox, SHORT, false);
    let epoch = ["build", "-q", "--build-arg=SOURCE_DATE_EPOCH=77"];
    let made = |output: &[&str]| {
        let id = sandbox.rbuild(epoch.iter().chain(output).chain(&["context"])).success().stdout;
        let archive = Archive::open(&sandbox.path("out.tar"));
        let times = archive.layers().iter().flat_map(|layer| layer.times()).collect::<Vec<_>>();
        let of = |name: &str| times.iter().find(|(path, _)| path == name).unwrap().1;
        assert_eq!(of("copied"), 77);
        (id, of("made"))
    };
    let output = |more: &str| format!("type=oci,dest=out.tar,compression=uncompressed{more}");
    let (rewritten, time) = made(&["-o", &output("")]);
    assert_eq!(time, 77);
    let (same, time) = made(&["-o", &output(",rewrite-timestamp=false")]);
    assert!(time > 1_600_000_000, "{time}");
    assert_eq!(same, rewritten, "the output is another image than the store's");
    let both = ["-o", "type=image,rewrite-timestamp=false", "-o", &output("")];
    let (other, time) = made(&both);
    assert!(time > 1_600_000_000, "{time}");
    assert_ne!(other, rewritten);
    let (_, time) = made(&[
        "-o",
        "type=docker,rewrite-timestamp=false",
        "-o",
        &output(",rewrite-timestamp=true"),
    ]);
    assert_eq!(time, 77);
    sandbox.validate();
    // A new time makes nothing again.
    let later = ["build", "--progress=plain", "--build-arg=SOURCE_DATE_EPOCH=78", "context"];
    let later = sandbox.rbuild(later).success();
    assert_eq!(later.stderr.matches("CACHED").count(), 1, "RUN, but not COPY: {later}");
    let without = ["build", "-o", &output(",rewrite-timestamp=true"), "context"];
    sandbox.rbuild(without).success().says("`rewrite-timestamp` has no effect");
}

#[test]
fn the_time_comes_from_the_first_that_says_one() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let created = |text: &str, flags: &[&str]| {
        sandbox.build(text, &[flags, &["-t", "app"]].concat()).success();
        let format = "{{.Created}}";
        sandbox.rbuild(["inspect", "--format", format, "app"]).success().stdout.trim().to_owned()
    };
    let plain = "FROM scratch\nCOPY Dockerfile /\n";
    let with_default = format!("ARG SOURCE_DATE_EPOCH=60\n{plain}");
    let (zero, minute) = ("1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z");
    assert_eq!(created(plain, &["--reproducible"]), zero);
    assert_eq!(created(&with_default, &["--reproducible"]), minute);
    assert_eq!(created(&with_default, &[]), minute);
    let given = "--build-arg=SOURCE_DATE_EPOCH=3600";
    assert_eq!(created(&with_default, &["--reproducible", given]), "1970-01-01T01:00:00Z");
    // Of a directory there is no time.
    let context = format!("ARG SOURCE_DATE_EPOCH=context\n{plain}");
    assert_eq!(created(&context, &["--reproducible"]), zero);
    let empty = "--build-arg=SOURCE_DATE_EPOCH=";
    assert_eq!(created(&with_default, &["--reproducible", empty]), zero);
    assert!(created(&with_default, &[empty]).as_str() > "2020", "reset");
    // Programs that ask for it are told.
    let told = "FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN test $SOURCE_DATE_EPOCH = 0\n";
    created(told, &["--reproducible"]);
    let invalid = sandbox.build(plain, &["--build-arg=SOURCE_DATE_EPOCH=never"]).exits(1);
    invalid.says("invalid SOURCE_DATE_EPOCH: never");
}
