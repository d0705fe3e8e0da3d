//! What happened, as it is told.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::place::Place;

#[test]
fn what_happens_is_told_in_its_order() {
    let Some(place) = Place::new() else { return };
    place
        .rbuild("run -d --network bridge --name box --label a=1 -v data:/d busybox sleep 100")
        .success();
    let mut command = place.sandbox.rbuild_command([
        "events",
        "--filter",
        "type=container",
        "--format",
        "{{.Action}}",
    ]);
    let mut follows = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follows.stdout.take().unwrap()).lines();
    // It has begun when it tells of something.
    let mut next = || lines.next().unwrap().unwrap();
    let began = std::time::Instant::now();
    place.rbuild("pause box").success();
    std::thread::scope(|scope| {
        let reads = scope.spawn(&mut next);
        while !reads.is_finished() {
            assert!(began.elapsed().as_secs() < 60, "nothing is told");
            place.sandbox.rbuild(["unpause", "box"]);
            place.sandbox.rbuild(["pause", "box"]);
        }
        assert!(["pause", "unpause"].contains(&reads.join().unwrap().as_str()));
    });
    place.rbuild("stop -t 0 box").success();
    place.rbuild("rm box").success();
    place.rbuild("volume rm data").success();
    let rest: Vec<String> =
        std::iter::from_fn(|| Some(next())).take_while(|line| line != "destroy").collect();
    let ends = rest.iter().rev().filter(|line| line.as_str() != "kill").take(2).collect::<Vec<_>>();
    assert_eq!(ends, ["stop", "die"], "{rest:?}");
    follows.kill().unwrap();
    follows.wait().unwrap();

    let told = |flags: &str| {
        place.rbuild(&format!("events --since 1h --until 0s {flags}")).success().stdout
    };
    let all = told("--format {{.Type}}:{{.Action}}");
    let all: String =
        all.lines().filter(|it| !it.starts_with("image:")).map(|it| format!("{it}\n")).collect();
    let begins =
        "volume:create\ncontainer:create\nnetwork:connect\nvolume:mount\ncontainer:start\n";
    assert!(all.starts_with(begins), "{all}");
    assert!(all.ends_with("network:disconnect\ncontainer:destroy\nvolume:destroy\n"), "{all}");
    assert_eq!(told("--filter event=create --filter type=volume --format {{.Actor.ID}}"), "data\n");
    let mounted = "--filter event=mount --format {{.Actor.Attributes.destination}}";
    assert_eq!(told(mounted), "/d\n");
    assert_eq!(
        told("--filter container=box --filter event=destroy --format {{.Actor.Attributes.a}}"),
        "1\n"
    );
    assert_eq!(
        told(
            "--filter container=box --filter event=die --format {{.From}}|{{.Actor.Attributes.exitCode}}"
        ),
        "busybox|137\n"
    );
    assert_eq!(told("--filter label=a=2"), "");
    let line = told("--filter container=box --filter event=start");
    assert!(
        line.contains(" container start ") && line.ends_with("(a=1, image=busybox, name=box)\n"),
        "{line}"
    );
    let json = told("--filter volume=data --filter event=destroy --format json");
    assert!(json.starts_with("{\"Type\":\"volume\",\"Action\":\"destroy\""), "{json}");
    let json = told("--filter container=box --filter event=destroy --format json");
    assert!(json.starts_with("{\"status\":\"destroy\",\"id\":\""), "{json}");
    place.rbuild("events --filter colour=red").exits(1).says("the filters are");
    place.rbuild("events --since never").exits(1).says("`--since never` is no time");
    place.assert_nothing_left();
}

/// Every verb that changes something says so, in docker's words.
#[test]
fn each_verb_is_told() {
    let Some(place) = Place::new() else { return };
    let told = |flags: &str| {
        let line =
            format!("events --since 1h --until 0s {flags} --format {{{{.Type}}}}:{{{{.Action}}}}");
        place.rbuild(&line).success().stdout.replace('\n', " ")
    };
    place.rbuild("network create front").success();
    place.rbuild("run -d --name box --network front busybox sleep 1000").success();
    place.rbuild("exec box sh -c true").success();
    place.rbuild("exec box absent").exits(127);
    place.rbuild("exec -d box true").success();
    place.rbuild("update --pids-limit 50 box").success();
    place.rbuild("rename box crate").success();
    place.rbuild("top crate").success();
    place.rbuild("network create back").success();
    place.rbuild("network connect back crate").success();
    place.rbuild("network disconnect back crate").success();
    place.rbuild("export -o files.tar crate").success();
    place.rbuild("commit crate shop/kept:1").success();
    place.rbuild("rm -f crate").success();
    place.rbuild("network rm front back").success();
    let of_exec = told("--filter type=container --filter event=exec_create");
    assert_eq!(of_exec.matches("container:exec_create: ").count(), 3, "{of_exec}");
    assert!(of_exec.contains("container:exec_create: sh -c true "), "{of_exec}");
    assert_eq!(told("--filter event=exec_start").split_whitespace().count(), 6);
    assert_eq!(told("--filter event=exec_die"), "container:exec_die ");
    for action in ["update", "rename", "top", "export", "commit"] {
        let found = told(&format!("--filter type=container --filter event={action}"));
        assert_eq!(found, format!("container:{action} "));
    }
    let networks = told("--filter network=back");
    assert_eq!(networks, "network:create network:connect network:disconnect network:destroy ");

    place.rbuild("tag busybox shop/other").success();
    place.rbuild("save -o image.tar shop/other").success();
    place.rbuild("rmi shop/other").success();
    place.rbuild("load -i image.tar").success();
    place.rbuild("import files.tar shop/files").success();
    place.sandbox.write("context/Dockerfile", "FROM busybox\nLABEL colour=red\n");
    place.rbuild("build -q -t shop/built context").success();
    place.rbuild("rmi shop/built shop/kept:1").success();
    let images = told("--filter type=image");
    let expected = "image:tag image:import image:tag image:tag image:save image:untag image:load image:tag image:import \
        image:create image:tag image:untag image:delete image:untag image:delete ";
    assert_eq!(images, expected);
    assert_eq!(told("--filter image=shop/built --filter event=tag"), "image:tag ");
    assert_eq!(told("--filter type=image --filter label=colour=red"), "image:create image:tag ");
    place.rbuild("container prune -f").success();
    place.rbuild("network prune -f").success();
    place.rbuild("volume prune -f").success();
    place.rbuild("builder prune -f").success();
    place.rbuild("image prune -f").success();
    let pruned = told("--filter event=prune");
    assert_eq!(pruned, "container:prune network:prune volume:prune builder:prune image:prune ");
    place.assert_nothing_left();
}
