//! Snapshots as whole copies: the same images as with overlayfs, and stores where overlayfs cannot work.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Output, Sandbox, privileged, run};

const WARNING: &str = "works on a whole copy";

/// Changes of every kind, with the times that would differ set.
const CHANGES: &str = r#"FROM busybox
RUN mkdir -p /d/sub /keep /gone && echo 1 >/d/a && echo 2 >/d/b && echo 22 >/d/c && echo 5 >/d/e && ln /d/a /d/hard && \
    ln -s a /d/link && mkfifo /d/pipe && echo x >/d/sub/x && echo x >/gone/x && echo y >/keep/y && \
    touch -h -d @1000000000 /d/a /d/b /d/c /d/e /d/link /d/pipe /d/sub/x /d/sub /d /keep/y /keep /gone/x /gone
WORKDIR /work
RUN rm /d/b /bin/vi && chmod 700 /d/sub && rm -rf /keep /gone && mkdir /keep && echo z >/keep/z && \
    mv /d/sub /d/moved && ln /d/e /d/e2 && mkdir -p /new/deep && chown 7:8 /new && \
    touch -h -d @1000000000 /d/moved/x /d/moved /d /bin /keep/z /keep /new/deep /new
RUN printf 3 | dd of=/d/c bs=1 conv=notrunc && touch -d @1000000000 /d/c /d
RUN rm -rf /d/moved && echo file >/d/moved && mkdir /d/b && ln -s /new /work/link && chmod g+s /work && \
    touch -h -d @1000000000 /d/moved /d/b /d /work/link /work
RUN true
"#;

fn layers(sandbox: &Sandbox, name: &str) -> Value {
    let inspected = sandbox.rbuild(["inspect", name]).success().stdout;
    let images: Value = serde_json::from_str(&inspected).unwrap();
    images[0]["RootFS"]["Layers"].clone()
}

#[test]
fn both_forms_make_the_same_layers() {
    if !privileged() {
        return;
    }
    let built = ["overlay", "copy"].map(|form| {
        let mut sandbox = Sandbox::with_busybox();
        sandbox.snapshotter = form;
        let output =
            sandbox.build(CHANGES, &["-t", "x", "--build-arg", "SOURCE_DATE_EPOCH=1000000000"]);
        assert!(!output.success().stderr.contains(WARNING), "it was asked for");
        sandbox.validate();
        layers(&sandbox, "x")
    });
    assert_eq!(built[0].as_array().unwrap().len(), 7);
    assert_eq!(built[0], built[1]);
}

/// Wherever a store is moved to, what it remembers of steps holds; snapshots are made again.
#[test]
fn a_store_that_changes_its_form_goes_on_with_its_cache() {
    if !privileged() {
        return;
    }
    let mut sandbox = Sandbox::with_busybox();
    let mut dockerfile = "FROM busybox\nRUN echo 0 >/0\n".to_owned();
    for (number, form) in ["overlay", "copy", "overlay", "copy"].into_iter().enumerate() {
        sandbox.snapshotter = form;
        dockerfile += &format!("RUN cat /{number} && echo {number} >/{}\n", number + 1);
        let output = sandbox.build(&dockerfile, &["-t", "x"]).success();
        let cached = output.stderr.lines().filter(|line| line.ends_with(" CACHED")).count();
        assert_eq!(cached, if number == 0 { 0 } else { number + 1 }, "{output}");
        let last = format!("/{}", number + 1);
        let printed = sandbox.rbuild(["run", "--rm", "x", "cat", &last]).success();
        printed.prints(&format!("{number}\n"));
        sandbox.validate();
    }
    sandbox.snapshotter = "something";
    sandbox.rbuild(["run", "--rm", "x", "true"]).exits(125).says("known are overlay and copy");
}

/// More than the kernel takes lower directories.
#[test]
fn six_hundred_runs_are_stacked() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let runs: String =
        (0..600).map(|n| format!("RUN echo {n} >>/log && rm -f /f* && >/f{n}\n")).collect();
    sandbox.build(&format!("FROM busybox\n{runs}"), &["-t", "deep"]).success();
    let script = "wc -l </log; tail -n 1 /log; echo /f*";
    let shown = sandbox.rbuild(["run", "--rm", "deep", "sh", "-c", script]).success();
    shown.prints("600\n599\n/f599\n");
    // Again from what others made of it.
    let save = ["save", "-o", "deep.tar", "deep"];
    sandbox.rbuild(save).success();
    sandbox.rbuild(["system", "prune", "-a", "-f"]).success();
    sandbox.rbuild(["load", "-i", "deep.tar"]).success();
    sandbox
        .rbuild(["run", "--rm", "deep", "sh", "-c", script])
        .success()
        .prints("600\n599\n/f599\n");
    sandbox.validate();
}

#[test]
fn sixty_runs_are_stacked() {
    if !privileged() {
        return;
    }
    let mut sandbox = Sandbox::with_busybox();
    sandbox.snapshotter = "copy";
    let runs: String = (0..60).map(|n| format!("RUN echo {n} >>/log && rm -f /{n}\n")).collect();
    sandbox.build(&format!("FROM busybox\n{runs}"), &["-t", "deep"]).success();
    let expected: String = (0..60).map(|n| format!("{n}\n")).collect();
    sandbox.rbuild(["run", "--rm", "deep", "cat", "/log"]).success().prints(&expected);
}

/// A sandbox whose directory `here` is an overlay, mounted for each command anew and for it alone.
struct OnOverlay(Sandbox);

impl OnOverlay {
    fn new() -> OnOverlay {
        let sandbox = Sandbox::with_busybox();
        for name in ["lower", "upper", "work", "here"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox.rbuild(["save", "-o", "busybox.tar", "busybox"]).success();
        OnOverlay(sandbox)
    }

    /// `script` gets the arguments; the working directory is the sandbox's.
    fn shell<A: AsRef<OsStr>>(&self, script: &str, args: impl IntoIterator<Item = A>) -> Output {
        let mut command: Command = self.0.command("unshare");
        let options = "lowerdir=lower,upperdir=upper,workdir=work";
        let script = format!("set -e; mount -t overlay overlay -o {options} here; {script}");
        command.args(["--mount", "--pid", "--fork", "sh", "-c", &script, "sh"]).args(args);
        command.env("RBUILD_ROOT", self.0.path("here/store"));
        run(&mut command, "")
    }

    fn rbuild(&self, args: &[&str]) -> Output {
        self.shell("exec \"$@\"", [env!("CARGO_BIN_EXE_rbuild")].iter().chain(args))
    }

    fn build(&self, dockerfile: &str, args: &[&str]) -> Output {
        self.0.write("context/Dockerfile", dockerfile);
        let fixed = ["build", "--progress", "plain", "context"];
        self.rbuild(&[&fixed, args].concat())
    }

    fn validate(&self) {
        self.rbuild(&["system", "check"]).success().prints("");
    }
}

const EVERYTHING: &str = r#"FROM busybox AS build
WORKDIR /src
COPY text .
RUN --mount=type=cache,target=/cache echo cached >>/cache/log && tr a-z A-Z <text >/out
FROM busybox
COPY --from=build /out /app/
RUN --mount=from=build,target=/b,rw rm /b/out && cp /b/src/text /app/
RUN --mount=target=/ctx,rw rm /ctx/text
RUN --mount=target=/ctx cp /ctx/text /app/again
COPY --link text /linked
RUN --mount=type=cache,target=/cache test "$(cat /cache/log)" = cached && rm -r /var /linked
"#;

#[test]
fn a_store_on_overlayfs_builds_runs_and_is_kept_in_order() {
    if !privileged() {
        return;
    }
    let place = OnOverlay::new();
    place.0.write("context/text", "text\n");
    place.rbuild(&["load", "-i", "busybox.tar"]).success();
    // Said once.
    let first = place.build(EVERYTHING, &["-t", "x"]).success();
    let first = first.says(WARNING).says("overlayfs cannot keep its layers on overlayfs");
    let second = place.build(EVERYTHING, &["-t", "y"]).success();
    assert!(!second.stderr.contains(WARNING), "{second}");
    assert_eq!(second.stderr.matches(" CACHED").count(), 9, "{first}{second}");
    let shown =
        place.rbuild(&["run", "--rm", "x", "sh", "-c", "cat /app/*; ls / >/listing; cat /listing"]);
    let root = "app\nbin\ndev\netc\nhome\nlisting\nproc\nroot\nrun\nsbin\nsys\ntmp\nusr\n";
    shown.success().prints(&format!("text\nTEXT\ntext\n{root}"));
    place.build(EVERYTHING, &["-o", "type=local,dest=out"]).success();
    assert_eq!(place.0.read("out/app/again"), "text\n");
    place.build(EVERYTHING, &["-o", "type=docker,dest=out.tar,name=z,compression=gzip"]).success();
    place.validate();

    // Layers that came compressed, and then all that nothing needs any more.
    place.rbuild(&["rmi", "x", "y"]).success();
    place.rbuild(&["builder", "prune", "--all", "--force"]).success();
    place.rbuild(&["load", "-i", "out.tar"]).success();
    place.rbuild(&["run", "--rm", "z", "cat", "/app/out"]).success().prints("TEXT\n");
    place.validate();
    place.rbuild(&["rmi", "z", "busybox"]).success();
    place.rbuild(&["system", "prune", "--all", "--force"]).success();
    let left = fs::read_dir(place.0.path("upper/store/snapshots/fs")).unwrap().count();
    assert_eq!(left, 0, "snapshots that nothing leads to");
    // Asked for, overlays are tried and fail with the kernel's reason.
    place.rbuild(&["load", "-i", "busybox.tar"]).success();
    let forced = "RBUILD_SNAPSHOTTER=overlay exec \"$@\"";
    let run = [env!("CARGO_BIN_EXE_rbuild"), "run", "--rm", "busybox", "true"];
    place.shell(forced, run).exits(125).says("mount overlay");
}

/// A file system that nothing is known of: ramfs takes no attributes.
#[test]
fn elsewhere_a_trial_tells_and_is_remembered() {
    if !privileged() {
        return;
    }
    let place = OnOverlay::new();
    place.0.write("context/Dockerfile", "FROM busybox\nRUN echo made >/made\n");
    let script = "mount -t ramfs ramfs here; \"$1\" load -q -i busybox.tar
        for turn in 1 2; do
            \"$1\" build -q --no-cache -t x context; echo turn $turn >&2
            \"$1\" run --rm x cat /made
        done";
    let output = place.shell(script, [env!("CARGO_BIN_EXE_rbuild")]).success();
    assert_eq!(output.stdout.matches("made\n").count(), 2, "{output}");
    let (first, second) = output.stderr.split_once("turn 1").unwrap();
    assert!(first.contains(WARNING) && first.contains("cannot mark for overlayfs"), "{first}");
    assert!(!second.contains(WARNING), "{second}");
}

/// What a container with its root on an overlay has, and of privileges what docker gives by default and
/// CAP_SYS_ADMIN.
#[test]
fn a_container_builds_and_runs_containers() {
    if !privileged() {
        return;
    }
    let place = OnOverlay::new();
    fill_root(&place.0);
    let names = "chown dac_override fsetid fowner mknod net_raw setgid setuid setfcap setpcap \
                 net_bind_service sys_chroot kill audit_write sys_admin";
    let capabilities: String = names.split_whitespace().map(|name| format!(",+{name}")).collect();
    let inside = "cd /; export PATH=/bin RBUILD_ROOT= RBUILD_STATE=
        rbuild load -i busybox.tar
        rbuild build -t x --progress plain context
        rbuild run --rm x cat /made";
    let script =
        "mount -t proc proc here/proc; mount --rbind /sys here/sys; mount -t tmpfs tmpfs here/dev
        for device in null zero full random urandom tty; do cp -a /dev/$device here/dev/; done
        mkdir here/dev/pts here/dev/shm
        exec setpriv --bounding-set \"$1\" chroot here /bin/sh -ec \"$2\"";
    let output = place.shell(script, [&format!("-all{capabilities}"), inside]);
    let output = output.success().says(WARNING);
    assert!(output.stdout.ends_with("\nmade inside\n"), "{output}");
}

/// The program with its libraries, busybox, an image and a context.
fn fill_root(sandbox: &Sandbox) {
    let root = sandbox.path("lower");
    for name in ["bin", "dev", "proc", "run", "sys", "tmp", "var/lib", "context"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_rbuild");
    let libraries = run(Command::new("ldd").arg(program), "").success().stdout;
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        let copy = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(library, copy).unwrap();
    }
    fs::copy(program, root.join("bin/rbuild")).unwrap();
    let busybox = std::env::split_paths(&std::env::vars_os().find(|(n, _)| n == "PATH").unwrap().1)
        .map(|dir| dir.join("busybox"))
        .find(|path| Path::exists(path));
    fs::copy(busybox.unwrap(), root.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", root.join("bin/sh")).unwrap();
    fs::copy(sandbox.path("busybox.tar"), root.join("busybox.tar")).unwrap();
    let dockerfile = "FROM busybox\nRUN echo made inside >/made && rm /bin/vi\nCOPY Dockerfile /\nRUN ! test -e /bin/vi\n";
    fs::write(root.join("context/Dockerfile"), dockerfile).unwrap();
}
