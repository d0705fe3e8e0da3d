//! The root filesystem, /dev, /etc, and every kind of mount.
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use runtime::{Mount, MountSource, NetworkMode, Outcome, Rootfs, Tmpfs};

use super::Case;
use super::support::{World, bind, success};

pub(crate) const CASES: &[Case] = &[
    ("mounts::changes_land_in_the_upper", changes_land_in_the_upper),
    ("mounts::dev_is_dockers", dev_is_dockers),
    ("mounts::etc_files_leave_no_trace", etc_files_leave_no_trace),
    ("mounts::binds", binds),
    ("mounts::mounts_go_neither_in_nor_out", mounts_go_neither_in_nor_out),
    ("mounts::subpaths_stay_inside", subpaths_stay_inside),
    ("mounts::trees_tmpfs_and_files", trees_tmpfs_and_files),
    ("mounts::files_can_be_programs", files_can_be_programs),
    ("mounts::targets_stay_inside", targets_stay_inside),
    ("mounts::read_only_root", read_only_root),
    ("mounts::five_hundred_lowers", five_hundred_lowers),
    ("mounts::networks", networks),
];

fn changes_land_in_the_upper(world: &World) {
    let spec = world.shell("echo new >/etc/new; rm /plain; mkdir /d");
    success(world.run(&spec));
    let upper = world.upper(&spec);
    assert_eq!(fs::read(upper.join("etc/new")).unwrap(), b"new\n");
    assert_eq!(fs::metadata(upper.join("plain")).unwrap().rdev(), 0);
    assert!(upper.join("d").is_dir());
    assert!(world.path("base/plain").exists());
    let mut names: Vec<_> = fs::read_dir(&upper).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["d", "etc", "plain"]);
    // Others on this machine may have some.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(world.directory.path().to_str().unwrap()), "{mounts}");
}

fn dev_is_dockers(world: &World) {
    let text = world.output("cd /dev; ls; for l in core fd ptmx stdin; do readlink $l; done; stat -c '%n %t:%T %a' null tty full; df -k /dev/shm /dev; cat /proc/mounts");
    assert!(text.starts_with("core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"), "{text}");
    for expected in [
        "/proc/kcore\n/proc/self/fd\npts/ptmx\n/proc/self/fd/0\n",
        "null 1:3 666\ntty 5:0 666\nfull 1:7 666\n",
        "65536",
        "devpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666 0 0",
        "sysfs /sys sysfs ro,nosuid,nodev,noexec",
        "proc /proc proc rw,nosuid,nodev,noexec",
        "mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

fn etc_files_leave_no_trace(world: &World) {
    fs::write(world.path("base/etc/hostname"), "image's").unwrap();
    let mut spec =
        world.shell("cat /etc/hosts /etc/resolv.conf /etc/hostname; echo x >>/etc/hosts");
    spec.etc.hosts = Some(runtime::etc::hosts("box", &[("db".into(), [10, 1, 2, 3].into())]));
    spec.etc.resolv_conf = Some(b"nameserver 192.0.2.1\n".to_vec());
    spec.etc.read_only = true;
    let output = world.run(&spec);
    assert!(output.stdout.contains("10.1.2.3\tdb\nnameserver 192.0.2.1\nimage's"), "{output:?}");
    assert!(output.stderr.contains("Read-only"), "{output:?}");
    assert_eq!(fs::read_dir(world.upper(&spec)).unwrap().count(), 0);

    // What the container does in the same directories stays, without the stubs; the directory's time is that of the
    // image unless its entries changed.
    let table = [
        ("chmod 711 /etc", 0, true),
        ("echo more >>/etc/hostname", 1, true),
        ("touch /etc/mine", 1, false),
    ];
    for (script, left, as_before) in table {
        let mut spec = world.shell(script);
        spec.etc.hosts = Some(Vec::new());
        success(world.run(&spec));
        let etc = world.upper(&spec).join("etc");
        assert_eq!(fs::read_dir(&etc).unwrap().count(), left, "{script}");
        let image = fs::metadata(world.path("base/etc")).unwrap();
        let found = fs::metadata(&etc).unwrap();
        let same_time = (found.mtime(), found.mtime_nsec()) == (image.mtime(), image.mtime_nsec());
        assert_eq!(same_time, as_before, "{script}");
    }
}

fn binds(world: &World) {
    let source = world.path("bound");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let mut spec = world.shell("cat /m/ro/file /m/one; echo x >/m/rw/new; echo x >/m/ro/no");
    spec.mounts.push(bind(&source, "/m/ro"));
    spec.mounts.push(bind(&source.join("file"), "/m/one"));
    spec.mounts.push(Mount { read_only: false, ..bind(&source, "/m/rw") });
    let output = world.run(&spec);
    assert_eq!(output.stdout, "contentcontent");
    assert!(output.stderr.contains("/m/ro/no: Read-only file system"), "{output:?}");
    assert_eq!(fs::read(source.join("new")).unwrap(), b"x\n");
    assert!(!world.upper(&spec).join("m").exists());
    spec.mounts = vec![bind(Path::new("/no/such/source"), "/x")];
    let text = world.start(&spec).unwrap_err().to_string();
    assert!(text.contains("mount `/x`: open `/no/such/source`"), "{text}");
}

fn mounts_go_neither_in_nor_out(world: &World) {
    let here = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = here();
    assert!(before.contains(" shared:"), "{before}");
    let mut spec = world.shell("cat /proc/self/mountinfo; echo; sleep 60");
    spec.mounts.push(bind(&world.path("base"), "/m"));
    let mut container = world.start(&spec).unwrap();
    let mut text = String::new();
    let mut lines = BufReader::new(container.take_stdout().unwrap());
    while lines.read_line(&mut text).unwrap() > 1 {}
    assert!(text.contains(" /m ") && !text.contains(" shared:"), "{text}");
    assert!(!text.contains(" master:"), "{text}");
    assert_eq!(here(), before);
}

fn subpaths_stay_inside(world: &World) {
    let source = world.path("tricky");
    fs::create_dir_all(source.join("inner")).unwrap();
    fs::write(source.join("inner/f"), "inner").unwrap();
    std::os::unix::fs::symlink("/inner", source.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../../../etc", source.join("out")).unwrap();
    let mount = |subpath: &str| Mount {
        target: "/m".into(),
        source: MountSource::path(source.clone(), Some(subpath.into())),
        read_only: true,
    };
    for subpath in ["inner", "absolute", "/inner/../../inner"] {
        let mut spec = world.shell("cat /m/f");
        spec.mounts.push(mount(subpath));
        assert_eq!(success(world.run(&spec)), "inner", "{subpath}");
    }
    let mut spec = world.shell("true");
    spec.mounts.push(mount("out"));
    assert!(world.start(&spec).is_err());
}

fn trees_tmpfs_and_files(world: &World) {
    for name in ["t1", "t2", "tu", "tw"] {
        fs::create_dir_all(world.path(name).join("d")).unwrap();
    }
    fs::write(world.path("t1/d/a"), "a").unwrap();
    fs::write(world.path("t2/d/b"), "b").unwrap();
    let tree = |upper: bool, lowers: &[&str]| Rootfs::Overlay {
        lowers: lowers.iter().map(|name| world.path(name)).collect(),
        upper: upper.then(|| world.path("tu")),
        work: upper.then(|| world.path("tw")),
        volatile: true,
    };
    let mount = |target: &str, source| Mount { target: target.into(), source, read_only: false };
    let mut spec = world.shell(
        "cat /view/a /view/b /one/a; echo x >/view/no 2>/dev/null || echo ro; echo x >/edit/d/new; \
         stat -c '%a %u:%g' /run/secret; cat /run/secret; df -k /t | grep -c 1024; \
         stat -c %a /t; touch /t/x; mount | grep -c files",
    );
    let sub = |tree| MountSource::Tree { tree, subpath: Some("d".into()) };
    spec.mounts = vec![
        mount("/view", sub(tree(false, &["t1", "t2"]))),
        mount("/one", sub(tree(false, &["t1"]))),
        mount("/edit", MountSource::Tree { tree: tree(true, &["t1"]), subpath: None }),
        mount("/t", MountSource::Tmpfs(Tmpfs { size: Some(1 << 20), ..Tmpfs::default() })),
        mount(
            "/run/secret",
            MountSource::File { content: b"hush\n".to_vec(), mode: 0o400, uid: 5, gid: 6 },
        ),
    ];
    let output = world.run(&spec);
    assert_eq!(output.stdout, "abaro\n400 5:6\nhush\n1\n1777\n0\n", "{output:?}");
    assert_eq!(output.outcome, Outcome::Exited(1));
    assert!(world.path("tu/d/new").exists());
    assert_eq!(fs::read_dir(world.upper(&spec)).unwrap().count(), 0);
}

/// A RUN with a here-document that begins with `#!` is such a file.
fn files_can_be_programs(world: &World) {
    let mut spec = world.command(&["/dev/pipes/EOF"]);
    spec.user = "web".to_owned();
    for (mode, code) in [(0o755, None), (0o644, Some(126))] {
        spec.mounts = vec![Mount {
            target: "/dev/pipes/EOF".into(),
            source: MountSource::File {
                content: b"#!/bin/sh\necho script\n".to_vec(),
                mode,
                uid: 0,
                gid: 0,
            },
            read_only: true,
        }];
        match code {
            None => assert_eq!(success(world.run(&spec)), "script\n"),
            Some(_) => assert_eq!(world.start(&spec).unwrap_err().exit_code(), code),
        }
    }
}

fn targets_stay_inside(world: &World) {
    let outside = world.path("outside");
    fs::create_dir_all(&outside).unwrap();
    let prepare = format!("ln -s {} /link; ln -s /proc/self /p", outside.display());
    let mut spec = world.shell(&prepare);
    success(world.run(&spec));
    let source = world.path("base");
    for target in ["/link/x", "../../link/y"] {
        spec.args[2] = "true".into();
        spec.mounts = vec![bind(&source, target)];
        success(world.run(&spec));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{target}");
    }
    for target in ["/proc", "/p/attr", "/proc/sys/kernel", "/"] {
        spec.mounts = vec![bind(&source, target)];
        assert!(world.start(&spec).is_err(), "{target}");
    }
    let hostile = world.shell("rm -r /dev; ln -s /tmp /dev");
    std::os::unix::fs::symlink("/tmp", world.upper(&hostile).join("dev")).unwrap();
    let text = world.start(&hostile).unwrap_err().to_string();
    assert!(text.contains("mount /dev"), "{text}");
}

fn read_only_root(world: &World) {
    let mut spec = world.shell("echo x >/no; echo x >/dev/shm/yes && echo shm");
    spec.read_only_rootfs = true;
    let output = world.run(&spec);
    assert_eq!(output.stdout, "shm\n");
    assert!(output.stderr.contains("/no: Read-only file system"), "{output:?}");
    let mut spec = world.shell("cat /plain");
    spec.rootfs = Rootfs::Directory { path: world.path("base"), read_only: true };
    assert_eq!(success(world.run(&spec)), "no program");
}

fn five_hundred_lowers(world: &World) {
    let mut spec = world.shell("cat /n499 /n7");
    let Rootfs::Overlay { lowers, .. } = &mut spec.rootfs else { unreachable!() };
    for number in 1..500 {
        let path = world.path(&format!("deep/{}/{number}", "long".repeat(30)));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(format!("n{number}")), format!("{number};")).unwrap();
        lowers.insert(0, path);
    }
    assert_eq!(success(world.run(&spec)), "499;7;");
}

fn networks(world: &World) {
    let script = "ls /sys/class/net; ip addr show lo";
    let text = world.output(script);
    assert!(text.starts_with("lo\n1: lo: <LOOPBACK,UP") && text.contains("127.0.0.1/8"), "{text}");
    let mut spec = world.shell("cat /proc/net/dev");
    spec.network = NetworkMode::Host;
    let inside = success(world.run(&spec));
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|l| Some(l.split_once(':')?.0.trim().to_owned())).collect()
    };
    assert_eq!(names(&inside), names(&fs::read_to_string("/proc/net/dev").unwrap()));
}
