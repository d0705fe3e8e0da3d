//! Cache mounts: what they keep, for whom.
use super::Case;
use super::world::{World, request};

pub(crate) const CASES: &[Case] = &[
    ("cache_mounts::are_kept_and_leave_no_trace", are_kept_and_leave_no_trace),
    ("cache_mounts::sharing", sharing),
    ("cache_mounts::builds_at_once_take_turns", builds_at_once_take_turns),
    ("cache_mounts::start_from_files", start_from_files),
    ("cache_mounts::owner_and_mode", owner_and_mode),
    ("cache_mounts::cve_2024_23651_sources_stay_inside", sources_stay_inside),
];

fn are_kept_and_leave_no_trace(world: &World) {
    let mount = "--mount=type=cache,id=kept,target=/c";
    let text = format!("RUN {mount} echo one >/c/f\nRUN {mount},ro cat /c/f; touch /c/g || true");
    let output = world.output(&text);
    // From two pipes, in any order.
    assert!(output.contains("one\n") && output.contains("Read-only"), "{output}");
    assert_eq!(world.output(&format!("RUN {mount} cat /c/f # later")), "one\n");
    assert_eq!(world.output("RUN --mount=type=cache,id=other,target=/c ls /c"), "");
    let files = world.top_layer(&request(&format!("RUN {mount} touch /c/h /kept")));
    assert_eq!(files, ["kept"]);
}

/// Two stages add to a number at the same time; only together with a lock none is lost.
fn sharing(world: &World) {
    let stage = |name: &str| {
        format!(
            "FROM base AS {name}\n\
             RUN --mount=type=cache,id=count,target=/c,sharing=locked test -e /c/n || echo 0 >/c/n; \
             n=$(cat /c/n); sleep 0.3; echo $((n+1)) >/c/n\n"
        )
    };
    let text = format!(
        "{}{}FROM base\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n\
         RUN --mount=type=cache,id=count,target=/c cat /c/n",
        stage("a").replace("n=$(", ": a; n=$("),
        stage("b")
    );
    let locked = request(&text);
    assert_eq!(world.output_of(&locked), "2\n");
    let private = "--mount=type=cache,id=mine,target=/c,sharing=private";
    let text = format!(
        "RUN {private} mkdir /c/a; sleep 1; ls /c\nFROM base AS b\n\
         RUN {private} mkdir /c/b; sleep 1; ls /c\nFROM base\nCOPY --from=0 /etc /a\n\
         COPY --from=b /etc /b"
    );
    let private = request(&text);
    let output = world.output_of(&private);
    assert!(output == "a\nb\n" || output == "b\na\n", "{output}");
}

/// Each adds one to the number it reads; in the end none was lost.
fn builds_at_once_take_turns(world: &World) {
    let mount = "--mount=type=cache,id=turns,target=/c,sharing=locked";
    let build = |number: usize| {
        world.output(&format!(
            "RUN {mount} : {number}; n=$(cat /c/n || echo 0); sleep 0.1; echo $((n+1)) >/c/n"
        ))
    };
    std::thread::scope(|scope| (0..3).for_each(|number| drop(scope.spawn(move || build(number)))));
    assert_eq!(world.output("RUN --mount=type=cache,id=turns,target=/c cat /c/n"), "3\n");
}

fn start_from_files(world: &World) {
    let text = "FROM base AS s\nRUN mkdir -p /seed/d; echo s >/seed/d/f; ln -s f /seed/d/l; chmod 700 /seed/d\n\
                FROM base\nRUN --mount=type=cache,id=seeded,from=s,source=/seed,target=/c \
                cat /c/d/l; stat -c %a /c/d; echo t >/c/d/f\n\
                RUN --mount=type=cache,id=seeded,from=s,source=/seed,target=/c cat /c/d/l";
    assert_eq!(world.output(text), "s\n700\nt\n");
}

fn owner_and_mode(world: &World) {
    let text = "RUN --mount=type=cache,id=own,target=/c,mode=0700,uid=5,gid=6 stat -c '%a %u %g' /c\n\
                RUN --mount=type=cache,id=own,target=/c stat -c '%a %u %g' /c";
    assert_eq!(world.output(text), "700 5 6\n755 0 0\n");
}

fn sources_stay_inside(world: &World) {
    let mount = "--mount=type=cache,id=trap";
    let text = format!(
        "RUN {mount},target=/c mkdir /c/etc; echo mine >/c/etc/group; ln -s /etc /c/out\n\
         RUN {mount},source=out,target=/m cat /m/group"
    );
    assert_eq!(world.output(&text), "mine\n");
    let text =
        format!("RUN {mount}2,target=/c ln -s /etc /c/out\nRUN {mount}2,source=out,target=/m true");
    let error = world.failure(&text).to_string();
    assert!(error.contains("did not complete successfully: open /out"), "{error}");
}
