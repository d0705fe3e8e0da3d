//! Bind, tmpfs and secret mounts.
use std::path::PathBuf;

use builder::BuildRequest;
use builder::request::{ContextSource, NamedContext, SourceText};

use super::Case;
use super::world::{World, request, secret};

pub(crate) const CASES: &[Case] = &[
    ("mounts::context", context),
    ("mounts::ignored_files_are_not_there", ignored_files_are_not_there),
    ("mounts::written_files_are_thrown_away", written_files_are_thrown_away),
    ("mounts::stages_and_named_contexts", stages_and_named_contexts),
    ("mounts::missing_sources", missing_sources),
    ("mounts::cve_2024_23651_sources_stay_inside", sources_stay_inside),
    ("mounts::changes_run_again", changes_run_again),
    ("mounts::secrets", secrets),
    ("mounts::one_target_twice", one_target_twice),
    ("mounts::tmpfs", tmpfs),
    ("mounts::over_files", over_files),
    ("mounts::nothing_of_them_stays", nothing_of_them_stays),
    ("mounts::options_see_variables", options_see_variables),
];

fn with_context(path: PathBuf, dockerfile: &str) -> BuildRequest {
    BuildRequest { context: ContextSource::Dir(path), ..request(dockerfile) }
}

fn context(world: &World) {
    let path = world.context("plain", &[("f", "file\n"), ("d/g", "deep\n")]);
    let text = "RUN --mount=target=/c cat /c/f /c/d/g; echo x >/c/f || true\n\
                RUN --mount=source=d/g,target=/one cat /one\n\
                WORKDIR /w\nRUN --mount=source=d,target=here cat here/g";
    let output = world.output_of(&with_context(path.clone(), text));
    assert!(output.contains("file\ndeep\n") && output.ends_with("deep\ndeep\n"), "{output}");
    assert!(output.contains("Read-only"), "{output}");
    assert_eq!(std::fs::read(path.join("f")).unwrap(), b"file\n");
}

fn ignored_files_are_not_there(world: &World) {
    let files = [("f", ""), ("secret", ""), ("d/kept", ""), ("d/gone", ""), ("m/x/y", "")];
    let path = world.context("ignoring", &files);
    let mut request = with_context(
        path,
        "RUN --mount=target=/c cd /c; ls; ls d\nRUN --mount=target=/c,rw ls -a /c/m | grep -c x",
    );
    let text = b"secret\nd/*\n!d/kept\nm/x\n".to_vec();
    request.dockerignore = Some(SourceText { name: ".dockerignore".to_owned(), text });
    let error = world.step_failure(&request).to_string();
    assert!(error.contains("exit code: 1"), "{error}");
    request.dockerfile.text = b"FROM base\nRUN --mount=target=/c cd /c; ls -d *; ls d".to_vec();
    let listing = world.output_of(&request);
    assert!(!listing.contains("secret") && !listing.contains("gone"), "{listing}");
    assert!(listing.contains("f\n") && listing.contains("kept\n"), "{listing}");
}

fn written_files_are_thrown_away(world: &World) {
    let path = world.context("writable", &[("f", "old\n")]);
    let text = "RUN --mount=target=/c,rw echo new >/c/f; rm -r /c/d; cat /c/f\n\
                RUN --mount=target=/c,rw cat /c/f /c/d/g\n\
                RUN --mount=from=base,source=/etc,target=/e,rw rm /e/passwd; ls /e\n\
                RUN --mount=from=base,source=/etc,target=/e,rw ls /e # again";
    world.context("writable", &[("d/g", "deep\n")]);
    let output = world.output_of(&with_context(path.clone(), text));
    assert_eq!(output, "new\nold\ndeep\ngroup\ngroup\npasswd\n");
    assert_eq!(std::fs::read(path.join("f")).unwrap(), b"old\n");
}

fn stages_and_named_contexts(world: &World) {
    let named = world.context("named", &[("n", "named\n")]);
    let text = "FROM base AS s\nRUN echo made >/made; ln -s /made /link\nFROM base\n\
                RUN --mount=from=s,target=/s cat /s/made; echo x >/s/y || true\n\
                RUN --mount=from=s,source=/link,target=/file cat /file\n\
                RUN --mount=from=extra,target=/n cat /n/n\n\
                RUN --mount=from=base,source=etc/group,target=/g,rw cat /g";
    let empty = "FROM scratch AS e\nFROM base\nRUN --mount=from=e,target=/e ls -a /e";
    assert_eq!(world.output(empty), ".\n..\n");
    let mut request = request(text);
    request.named_contexts.insert("extra".to_owned(), NamedContext::Dir(named));
    let output = world.output_of(&request);
    assert!(output.contains("Read-only") && output.contains("made\nnamed\nroot:x:0:"), "{output}");
}

fn missing_sources(world: &World) {
    let path = world.context("missing", &[("f", "")]);
    for mount in ["source=nope", "from=base,source=/etc/nope", "source=f/x"] {
        let text = format!("RUN --mount={mount},target=/m true");
        let error = world.step_failure(&with_context(path.clone(), &text)).to_string();
        let source = mount.rsplit('=').next().unwrap().trim_start_matches('/');
        assert!(error.contains(&format!("\"/{source}\"")), "{error}");
    }
}

fn sources_stay_inside(world: &World) {
    let path = world.context("hostile", &[("etc/group", "ours\n")]);
    for (name, target) in [("out", "/etc"), ("up", "../../../../../../etc")] {
        let link = path.join(name);
        let _ = std::os::unix::fs::symlink(target, link);
    }
    let text = "RUN --mount=source=out,target=/m cat /m/group\n\
                RUN --mount=source=up,target=/m cat /m/group\n\
                RUN --mount=source=../../etc,target=/m cat /m/group";
    assert_eq!(world.output_of(&with_context(path, text)), "ours\nours\nours\n");
}

fn changes_run_again(world: &World) {
    let path = world.context("changing", &[("d/f", "one\n"), ("other", "")]);
    let request = with_context(path, "RUN --mount=source=d,target=/d cat /d/f");
    assert_eq!(world.output_of(&request), "one\n");
    assert_eq!(world.output_of(&request), "");
    world.context("changing", &[("other", "changed")]);
    assert_eq!(world.output_of(&request), "");
    world.context("changing", &[("d/f", "second\n")]);
    assert_eq!(world.output_of(&request), "second\n");
}

fn secrets(world: &World) {
    let text = "RUN --mount=type=secret,id=s cat /run/secrets/s; stat -c '%a %u' /run/secrets/s\n\
                RUN --mount=type=secret,id=s,env=S,target=/x/y,mode=0444,uid=9 \
                    echo $S; cat /x/y; stat -c '%a %u' /x/y\n\
                RUN --mount=type=secret,id=none ls /run 2>&1 | grep -c secrets; test ! -e /x";
    let mut request = request(text);
    request.secrets.push(secret("s", "hush\n"));
    assert_eq!(world.output_of(&request), "hush\n400 0\nhush\nhush\n444 9\n0\n");
    let error = world.failure("RUN --mount=type=secret,id=none,required true");
    assert_eq!(error.to_string(), "secret none: not found");
    assert!(error.hint().unwrap().contains("--secret id=none"));
}

fn one_target_twice(world: &World) {
    let path = world.context("twice", &[("a/f", "a\n"), ("b/f", "b\n")]);
    let text = "RUN --mount=source=a,target=/m --mount=source=b,target=/m cat /m/f\n\
                RUN --mount=type=tmpfs,target=/m/n --mount=source=a,target=/m,rw touch /m/n/x; cat /m/f";
    assert_eq!(world.output_of(&with_context(path, text)), "b\na\n");
}

fn tmpfs(world: &World) {
    let text = "RUN --mount=type=tmpfs,target=/t,size=3m df -k /t | grep -c ' 3072 '; touch /t/x\n\
                RUN --mount=type=tmpfs,target=/t,ro ls -a /t; touch /t/x 2>&1 || true\n\
                RUN test -e /t || echo gone";
    let output = world.output(text);
    assert!(output.starts_with("1\n.\n..\n") && output.ends_with("gone\n"), "{output}");
    assert!(output.contains("Read-only file system"), "{output}");
}

/// What a mount covers is there again afterwards; a directory covers no file.
fn over_files(world: &World) {
    let path = world.context("covering", &[("f", "cover\n"), ("d/g", "")]);
    let text = "RUN echo own >/f\nRUN --mount=source=f,target=/f cat /f; rm /f 2>&1 | grep -c busy\n\
                RUN --mount=type=secret,id=s,target=/f cat /f\nRUN cat /f";
    let mut request = with_context(path.clone(), text);
    request.secrets.push(secret("s", "hush\n"));
    assert_eq!(world.output_of(&request), "cover\n1\nhush\nown\n");
    for mount in ["source=d", "type=tmpfs", "type=cache,id=over"] {
        let text = format!("RUN echo own >/f\nRUN --mount={mount},target=/f true");
        let error = world.step_failure(&with_context(path.clone(), &text)).to_string();
        assert!(error.contains("`/f`: it is no directory"), "{error}");
    }
    let text = "RUN --mount=source=f,target=/etc true";
    let error = world.step_failure(&with_context(path, text)).to_string();
    assert!(error.contains("`/etc`: it is a directory"), "{error}");
}

fn nothing_of_them_stays(world: &World) {
    let path = world.context("traceless", &[("f", "file\n"), ("d/g", "")]);
    let text = "RUN --mount=source=f,target=/new/a/f --mount=source=d,target=/new/b,rw \
                    --mount=type=tmpfs,target=/etc/x/t --mount=type=cache,id=trace,target=/c/d \
                    --mount=type=secret,id=s --mount=type=secret,id=s,target=/new/s \
                    touch /new/b/w /etc/x/t/w /c/d/w /made";
    let mut request = with_context(path, text);
    request.secrets.push(secret("s", "hush\n"));
    assert_eq!(world.top_layer(&request), ["made"]);
}

/// ENV, ARG, an ARG from before the first FROM, and the ENV of the stage a stage starts from.
fn options_see_variables(world: &World) {
    let path = world.context("expanded", &[("a/f", "a\n"), ("b/f", "b\n"), ("c/f", "c\n")]);
    let text = "ARG META=a\nFROM base AS parent\nENV FROM_PARENT=/p KIND=bind\nFROM parent\nARG META\n\
                ARG DIR=b\n\
                RUN --mount=type=$KIND,source=$META,target=$FROM_PARENT,rw=true cat /p/f; touch /p/x\n\
                RUN --mount=source=${DIR},target=${NONE:-/d} cat /d/f\n\
                RUN --mount=type=cache,target=$FROM_PARENT/c echo kept >/p/c/f\n\
                RUN --mount=type=cache,id=/p/c,target=/other cat /other/f";
    let mut request = with_context(path, "");
    request.dockerfile.text = text.as_bytes().to_vec();
    request.build_args.insert("DIR".to_owned(), "c".to_owned());
    assert_eq!(world.output_of(&request), "a\nc\nkept\n");
}
