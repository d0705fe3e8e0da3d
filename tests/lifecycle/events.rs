//! What happened, as it is told.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::place::Place;

#[test]
fn what_happens_is_told_in_its_order() {
    let Some(place) = Place::new() else { return };
    place.rbuild("run -d --name box --label a=1 -v data:/d busybox sleep 100").success();
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
    assert!(all.starts_with("volume:create\ncontainer:create\ncontainer:start\n"), "{all}");
    assert!(all.ends_with("container:destroy\nvolume:destroy\n"), "{all}");
    assert_eq!(told("--filter event=create --filter type=volume --format {{.ID}}"), "data\n");
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
    assert!(json.starts_with("{\"status\":\"destroy\",\"id\":\"data\""), "{json}");
    place.rbuild("events --filter colour=red").exits(1).says("the filters are");
    place.rbuild("events --since never").exits(1).says("`--since never` is no time");
    place.assert_nothing_left();
}
