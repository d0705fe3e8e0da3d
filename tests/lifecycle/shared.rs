//! Namespaces that containers share with each other.

use super::place::Place;

const WAITS: &str = "while :; do sleep 0.05; done";

#[test]
fn a_container_sees_the_processes_of_another() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name first", WAITS).success();
    let line = "run --rm --pid container:first --network none";
    let seen = place.shell(line, "ps | grep -c 'while :'; echo $$").success().stdout;
    let mut lines = seen.lines();
    // Itself is not the first there.
    assert!(lines.next().is_some_and(|count| count != "0") && lines.next() != Some("1"), "{seen}");
    // From another container nothing of the host's can be reached by its process.
    place.rbuild("run -d --name second --pid container:first busybox sleep 1000").success();
    let script = "for p in /proc/[0-9]*; do case $(cat $p/cmdline | tr '\\0' ' ') in 'sleep 1000 ') ls -l $p/root $p/cwd $p/fd >/dev/null && \
                  cat $p/root/etc/hostname;; esac; done";
    let name = place.look("second", "{{.Config.Hostname}}");
    place
        .sandbox
        .rbuild(["exec", "first", "sh", "-c", script])
        .success()
        .prints(&format!("{name}\n"));
    place.rbuild("exec second true").success();
    place.rbuild("rename first other").success();
    place.rbuild("restart -t 0 second").success();
    // It ends with the namespace, and cannot start without it.
    place.rbuild("rm -f other").success();
    place.rbuild("wait second").success();
    place.rbuild("start second").exits(1);
    place.rbuild("rm -f second").success();
    place.assert_nothing_left();
}

#[test]
fn a_container_shares_the_memory_of_another_that_lets_it() {
    let Some(place) = Place::new() else { return };
    place.shell("run -d --name first --ipc shareable", WAITS).success();
    place.shell("run -d --name closed", WAITS).success();
    place.shell("run --rm --ipc container:first", "echo shared >/dev/shm/x").success();
    place.rbuild("exec first cat /dev/shm/x").success().prints("shared\n");
    let namespace = |container: &str| {
        place.rbuild(&format!("exec {container} readlink /proc/self/ns/ipc")).success().stdout
    };
    place.shell("run -d --name second --ipc container:first", WAITS).success();
    assert_eq!(namespace("first"), namespace("second"));
    assert_ne!(namespace("first"), namespace("closed"));
    place.shell("run --rm --ipc container:second", "cat /dev/shm/x").success().prints("shared\n");
    let refused = place.rbuild("run --rm --ipc container:closed busybox true").exits(125);
    refused.says("is its own alone").says("--ipc shareable");
    place.rbuild("stop -t 0 first").success();
    let late = place.rbuild("run --rm --ipc container:first busybox true").exits(125);
    late.says("container `first` is not running");
    place.rbuild("rm -f first second closed").success();
    place.assert_nothing_left();
}
