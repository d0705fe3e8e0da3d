//! Volumes: what is in them, who has them, and when they go.

use std::fs;
use std::path::Path;

use super::place::Place;
use crate::support::{installed, run};

const WAITS: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

/// An image with files of all kinds in `/data`, which is a volume.
fn image(place: &Place) {
    let dockerfile = "FROM busybox\n\
        RUN mkdir -p /data/deep && echo first >/data/f && ln /data/f /data/deep/same && ln -s f /data/link && \
            mkfifo /data/fifo && chown -R 7:8 /data && chmod 4755 /data/f && chmod 1770 /data\n\
        VOLUME /data\n";
    place.sandbox.build(dockerfile, &["-t", "full"]).success();
}

const SHOW: &str = "cd /data && stat -c '%n %a %u:%g %h %F' . f deep deep/same link fifo && cat f";
const SHOWN: &str = ". 1770 7:8 3 directory\n\
    f 4755 7:8 2 regular file\n\
    deep 755 7:8 2 directory\n\
    deep/same 4755 7:8 2 regular file\n\
    link 777 7:8 1 symbolic link\n\
    fifo 644 7:8 1 fifo\n\
    first\n";

fn volumes(place: &Place) -> Vec<String> {
    let list = place.rbuild("volume ls -q").success().stdout;
    list.lines().map(str::to_owned).collect()
}

#[test]
fn a_named_volume_takes_what_the_image_has_and_outlives_its_containers() {
    let Some(place) = Place::new() else { return };
    image(&place);
    place.rbuild("run --rm --network none -v db:/data full true").success();
    assert_eq!(volumes(&place), ["db"]);
    let line = ["run", "--rm", "-v", "db:/data", "full", "sh", "-c", SHOW];
    place.sandbox.rbuild(line).success().prints(SHOWN);
    // What is in it is not covered by another image's files.
    place.rbuild("run --rm -v db:/data busybox rm /data/f").success();
    place.rbuild("run --rm -v db:/data full ls /data").success().prints("deep\nfifo\nlink\n");
    place.rbuild("run --rm -v none:/data:nocopy full ls /data").success().prints("");
    place.rbuild("run --rm -v db:/x:ro busybox touch /x/y").exits(1).says("Read-only");
    let mount = "--mount type=volume,src=db,dst=/x,volume-subpath=deep";
    place.rbuild(&format!("run --rm {mount} busybox ls /x")).success().prints("same\n");
    let outside = "--mount type=volume,src=db,dst=/x,volume-subpath=absent";
    place.rbuild(&format!("run --rm {outside} busybox ls /x")).exits(125).says("absent");
    // As a tar archive and back.
    place.rbuild("volume export -o backup.tar db").success();
    place.rbuild("volume import copy backup.tar").success();
    let line = ["run", "--rm", "-v", "copy:/data", "full", "sh", "-c", SHOW];
    place.sandbox.rbuild(line).exits(1);
    place
        .rbuild("run --rm -v copy:/x busybox stat -c %a-%u-%g /x/deep/same")
        .success()
        .prints("4755-7-8\n");
    let same = place.rbuild("run --rm -v copy:/x busybox ls /x").success();
    same.prints("deep\nfifo\nlink\n");
    place.rbuild("volume rm db copy none").success().prints("db\ncopy\nnone\n");
    assert!(volumes(&place).is_empty());
    place.assert_nothing_left();
}

#[test]
fn anonymous_volumes_go_with_rm_and_stay_otherwise() {
    let Some(place) = Place::new() else { return };
    image(&place);
    let line = ["run", "--rm", "-v", "/more", "full", "sh", "-c", SHOW];
    place.sandbox.rbuild(line).success().prints(SHOWN);
    assert!(volumes(&place).is_empty());
    place.rbuild("create --name one -v /more full true").success();
    let two = volumes(&place);
    assert_eq!(two.len(), 2);
    assert!(two.iter().all(|name| name.len() == 64), "{two:?}");
    place.rbuild("create --name other --volumes-from one full true").success();
    assert_eq!(volumes(&place), two);
    place.rbuild("rm -v one").success();
    assert_eq!(volumes(&place), two, "another container has them");
    place.rbuild("rm other").success();
    assert_eq!(volumes(&place), two, "nobody asked for their removal");
    place.rbuild("volume create kept").success().prints("kept\n");
    let pruned = place.rbuild("volume prune -f").success();
    assert!(pruned.stdout.starts_with("Deleted Volumes:\n"), "{pruned}");
    assert_eq!(volumes(&place), ["kept"]);
    place.rbuild("create --name one full true").success();
    place.rbuild("rm -v one").success();
    place.rbuild("volume prune -af").success().says("");
    assert!(volumes(&place).is_empty());
    // A container that is not made leaves none.
    place.rbuild("create -v /x -v /tmp:/x full").exits(125).says("two mounts have the same target");
    place.rbuild("create --name one busybox true").success();
    place.rbuild("create --name one -v /x full true").exits(125).says("is in use by container");
    assert!(volumes(&place).is_empty(), "{:?}", volumes(&place));
    place.rbuild("rm one").success();
    place.assert_nothing_left();
}

#[test]
fn volumes_in_use_stay_and_are_shown() {
    let Some(place) = Place::new() else { return };
    place.rbuild("volume create -d local --label a=1 --label b db").success().prints("db\n");
    place.rbuild("volume create db").success().prints("db\n");
    place.rbuild("volume create --label a=2 db").exits(1).says("exists with other labels");
    place.rbuild("volume create -d nfs x").exits(1).says("the volume driver `nfs`");
    place.rbuild("volume create -o size=1 x").exits(1).says("the option `size`");
    place
        .rbuild("volume create --scope single x")
        .exits(1)
        .says("`--scope` is about volumes of a swarm");
    place
        .rbuild("volume create --type=block x")
        .exits(1)
        .says("`--type` is about volumes of a swarm");
    place.rbuild("volume create a/b").exits(1).says("`a/b` cannot name a volume");
    place.rbuild("run -d --name web -v db:/data -v /own busybox sleep 100").success();
    place.rbuild("volume rm db").exits(1).says("volume `db` is in use by container `web` (");
    place.rbuild("volume rm absent").exits(1).says("volume `absent` does not exist");
    place.rbuild("volume rm -f absent").success();
    let list = place
        .rbuild("volume ls --filter name=db --filter label=b --filter dangling=false")
        .success();
    list.prints("DRIVER    VOLUME NAME\nlocal     db\n");
    place.rbuild("volume ls -q --filter label=a=1").success().prints("db\n");
    place.rbuild("volume ls -q --filter dangling=true").success().prints("");
    place.rbuild("volume ls --filter colour=red").exits(1).says("the filters are");
    let format = "{{.Name}} {{.Driver}} {{.Labels}} {{.Options}} {{.Scope}}";
    let shown = place.sandbox.rbuild(["volume", "inspect", "-f", format, "db"]).success();
    shown.prints("db local map[a:1 b:] map[] local\n");
    place.rbuild("inspect --type volume -f {{.Name}} db").success().prints("db\n");
    // `db` could begin the ID of an image.
    place.rbuild("volume create other").success();
    place.rbuild("inspect -f {{.Name}} other").success().prints("other\n");
    place.rbuild("volume rm other").success();
    let data = place.sandbox.root().join("volumes/db/_data");
    let mountpoint = place.rbuild("volume inspect -f {{.Mountpoint}} db").success();
    mountpoint.prints(&format!("{}\n", data.display()));
    let mounts = "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}\n{{end}}";
    assert_eq!(place.look("web", mounts).trim(), "volume /data true\nvolume /own true");
    assert_eq!(place.look("web", "{{.HostConfig.Binds}}"), "[db:/data]");
    let format = "{{.LocalVolumes}}";
    place.sandbox.rbuild(["ps", "--format", format]).success().prints("2\n");
    place.rbuild("ps -q --filter volume=db --format {{.Names}}").success().prints("web\n");
    place.rbuild("rm -fv web").success();
    assert_eq!(volumes(&place), ["db"]);
    let df = place.rbuild("system df --format {{.Type}}:{{.TotalCount}}:{{.Active}}").success();
    assert!(df.stdout.contains("Local Volumes:1:0\n"), "{df}");
    place.rbuild("system prune -f --volumes").success();
    assert_eq!(volumes(&place), ["db"], "it has a name");
    place.rbuild("volume rm db").success();
    place.assert_nothing_left();
}

#[test]
fn two_containers_share_a_volume() {
    let Some(place) = Place::new() else { return };
    image(&place);
    place.shell("run -d --name first -v shared:/s", WAITS).success();
    // It is empty, so it takes what the second has; the first sees it too.
    place.rbuild("run --rm -v shared:/data full true").success();
    place.rbuild("exec first cat /s/deep/same").success().prints("first\n");
    place.rbuild("exec first stat -c %a-%u-%g /s").success().prints("1770-7-8\n");
    place.rbuild("exec first touch /s/new").success();
    place.rbuild("run --rm --volumes-from first:ro busybox ls /s/new").success().prints("/s/new\n");
    place.rbuild("run --rm --volumes-from first:ro busybox rm /s/new").exits(1);
    place.rbuild("run --rm --volumes-from first:xx busybox true").exits(125).says("neither `ro`");
    place.rbuild("run --rm --volumes-from absent busybox true").exits(125).says("`absent`");
    place.rbuild("rm -f first").success();
    place.rbuild("volume rm shared").success();
    place.assert_nothing_left();
}

#[test]
fn drivers_options_say_where_the_files_are() {
    let Some(place) = Place::new() else { return };
    fs::create_dir(place.sandbox.path("elsewhere")).unwrap();
    let device = format!("device={}", place.sandbox.path("elsewhere").display());
    place.rbuild(&format!("volume create -o type=none -o o=bind -o {device} bound")).success();
    place.rbuild("run --rm -v bound:/b busybox touch /b/x").success();
    assert!(place.sandbox.path("elsewhere/x").exists());
    place
        .rbuild("volume create -o type=tmpfs -o device=tmpfs -o o=size=64k,mode=1750,noexec mem")
        .success();
    let script = "grep ' /m ' /proc/mounts | cut -d' ' -f3,4; stat -c %a /m";
    let shown = place.shell("run --rm -v mem:/m", script).success();
    assert!(shown.stdout.contains("tmpfs rw,noexec,relatime,size=64k,mode=1750"), "{shown}");
    place.rbuild("volume create -o type=nonsense -o device=x wrong").success();
    place.rbuild("run --rm -v wrong:/m busybox true").exits(125).says("nonsense");
    place.rbuild("volume export mem").exits(1).says("only its containers see");
    place.rbuild("volume rm bound mem wrong").success();
    assert!(place.sandbox.path("elsewhere/x").exists(), "it is not the volume's to remove");
    place.assert_nothing_left();
}

/// The kernel mounts it for each container, and nothing is mounted on this machine.
#[test]
fn a_volume_is_a_disk() {
    let Some(place) = Place::new() else { return };
    if !(Path::new("/dev/loop-control").exists() && installed("mkfs.ext4")) {
        return println!("skipped: no file system can be made and mounted");
    }
    let file = place.sandbox.path("disk");
    fs::File::create(&file).unwrap().set_len(16 << 20).unwrap();
    let file = file.to_str().unwrap();
    let tool = |program: &str, args: &[&str]| run(place.sandbox.command(program).args(args), "");
    tool("mkfs.ext4", &["-q", "-F", file]).success();
    let device = tool("losetup", &["--find", "--show", file]).success().stdout;
    let device = device.trim();
    let create = format!("volume create -o type=ext4 -o device={device} -o o=noexec disk");
    place.rbuild(&create).success();
    place.rbuild("run --rm -v disk:/d busybox touch /d/kept").success();
    let shown =
        place.shell("run --rm -v disk:/d", "ls /d; grep -c ' /d ext4 rw,noexec' /proc/mounts");
    shown.success().prints("kept\nlost+found\n1\n");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(device), "{mounts}");
    // The container itself may not open the disk.
    place.shell("run --rm -v disk:/d --cap-add MKNOD", "mknod /x b 7 0 && cat /x").exits(1);
    let mapped = "run --rm --userns auto --network none -v disk:/d";
    place.shell(mapped, "stat -c %u /d/kept; touch /d/more").success().prints("0\n");
    place.rbuild("run --rm -v disk:/d busybox stat -c %u /d/more").success().prints("0\n");
    place.rbuild("volume rm disk").success();
    tool("losetup", &["--detach", device]).success();
    // A server that nobody is.
    let server = "volume create -o type=nfs -o device=:/x -o o=addr=127.0.0.1,vers=4 share";
    place.rbuild(server).success();
    place.rbuild("run --rm -v share:/d busybox true").exits(125).says("cannot start").says("nfs");
    place.rbuild("volume rm share").success();
    let server = "volume create -o type=nfs -o device=:/x -o o=addr=no..name share";
    place.rbuild(server).success();
    let run = place.rbuild("run --rm -v share:/d busybox true").exits(125);
    run.says("mount `/d`").says("cannot find the server `no..name`");
    place.rbuild("volume rm share").success();
    for flag in ["--scope=single", "--type=block", "--group=x", "--secret=a=b"] {
        let name = flag.split('=').next().unwrap();
        let line = format!("volume create {flag} x");
        place.rbuild(&line).exits(1).says(&format!("`{name}` is about volumes of a swarm"));
    }
    place.assert_nothing_left();
}

#[test]
fn files_of_images_are_mounted_to_read() {
    let Some(place) = Place::new() else { return };
    image(&place);
    let mount = "--mount type=image,source=full,target=/i";
    place.rbuild(&format!("run --rm {mount} busybox cat /i/data/f")).success().prints("first\n");
    place.rbuild(&format!("run --rm {mount} busybox touch /i/x")).exits(1).says("Read-only");
    let part = format!("create --name user {mount},image-subpath=data/deep busybox cat /i/same");
    place.rbuild(&part).success();
    // It is in use as long as there is the container.
    place.rbuild("rmi full").exits(1).says("in use");
    place.rbuild("rmi -f full").success();
    place.rbuild("image prune -af").success();
    place.rbuild("builder prune -af").success();
    place.rbuild("start -a user").success().prints("first\n");
    place.rbuild("rm user").success();
    place.assert_nothing_left();
    place.sandbox.validate();
}
