//! Sources of every kind: what is read of them, which ignore file counts, and what time they have.

use crate::support::{GitRepository, HttpServer, Sandbox, installed, response};

const DATED: &str = "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT";

/// A tar of a file `a`, made at this time, with a Dockerfile that copies it.
fn archive(time: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content, time) in
        [("Dockerfile", "FROM scratch\nCOPY a /\n", 5), ("a", "a\n", time), ("dir/b", "b\n", 7)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(time);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// `created` of the image that is built so.
fn created(sandbox: &Sandbox, args: &[&str], stdin: &[u8]) -> String {
    let fixed = ["build", "-q", "-t", "timed"];
    let command = sandbox.rbuild_command(fixed.iter().chain(args));
    crate::support::run_bytes(command, stdin).success();
    let args = ["image", "inspect", "--format", "{{.Created}}", "timed"];
    sandbox.rbuild(args).success().stdout.trim().to_owned()
}

#[test]
fn the_time_of_a_build_may_be_that_of_its_source() {
    let packed = archive(1_100_000_000);
    let bytes = packed.clone();
    let server = HttpServer::start(move |head| match head {
        head if head.contains("/dated.tar") => response("200 OK", &[DATED], &bytes),
        head if head.contains("/undated.tar") => response("200 OK", &[], &bytes),
        head if head.contains("/dated") => {
            response("200 OK", &[DATED], b"FROM scratch\nLABEL a=b\n")
        }
        _ => response("200 OK", &[], b"FROM scratch\nLABEL a=b\n"),
    });
    let sandbox = Sandbox::new();
    let context = "--build-arg=SOURCE_DATE_EPOCH=context";
    let (header, newest) = ("2001-09-09T01:46:40Z", "2004-11-09T11:33:20Z");
    for (path, time) in [("/dated.tar", header), ("/undated.tar", newest), ("/dated", header)] {
        assert_eq!(created(&sandbox, &[context, &server.url(path)], b""), time, "{path}");
    }
    assert_eq!(created(&sandbox, &[context, "-"], &packed), newest);
    std::fs::write(sandbox.path("context.tar"), &packed).unwrap();
    assert_eq!(created(&sandbox, &[context, "context.tar"], b""), newest);
    // Without a time, as if nothing was said: no layer, no time; else now.
    assert_eq!(created(&sandbox, &[context, &server.url("/undated")], b""), "");
    let none = "--build-arg=SOURCE_DATE_EPOCH=";
    assert!(created(&sandbox, &[none, "context.tar"], b"").as_str() > "2020");
    // A named one, also as the Dockerfile's own default; the argument wins.
    let text = b"ARG SOURCE_DATE_EPOCH=src\nFROM scratch\nCOPY --from=src a /\n";
    for (source, time) in [(server.url("/dated.tar"), header), ("context.tar".to_owned(), newest)] {
        let named = format!("--build-context=src={source}");
        assert_eq!(created(&sandbox, &[&named, "-"], text), time, "{source}");
        let args = [&named, "--build-arg=SOURCE_DATE_EPOCH=1", "-"];
        assert_eq!(created(&sandbox, &args, text), "1970-01-01T00:00:01Z");
    }
}

#[test]
fn the_time_of_a_build_may_be_that_of_a_stage_which_is_one_source() {
    let packed = archive(1_100_000_000);
    let sandbox = Sandbox::new();
    let repository = GitRepository::new(&sandbox, "repository");
    let root = sandbox.path("");
    let server = HttpServer::start(move |head| match head {
        head if head.contains("/dated") => response("200 OK", &[DATED, "ETag: \"1\""], b"text"),
        head if head.contains("/undated.tar") => response("200 OK", &[], &packed),
        head if head.contains("/plain") => response("200 OK", &[], b"text"),
        head => {
            let path = head.split([' ', '?']).nth(1).unwrap_or_default();
            match std::fs::read(root.join(path.trim_start_matches('/'))) {
                Ok(bytes) => response("200 OK", &[], &bytes),
                Err(_) => response("404 Not Found", &[], b""),
            }
        }
    });
    let (header, newest) = ("2001-09-09T01:46:40Z", "2004-11-09T11:33:20Z");
    let stage = |inside: &str| {
        format!(
            "ARG SOURCE_DATE_EPOCH=Source\nARG HOST={}\nFROM scratch AS source\n{inside}\n\
             FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL epoch=$SOURCE_DATE_EPOCH\n",
            server.url("")
        )
    };
    let mut sources = vec![
        ("ARG HOST\nADD $HOST/dated /".to_owned(), header),
        // The time is known before anything of the file is.
        ("ARG HOST\nARG URL=$HOST/dated\nADD $URL /".to_owned(), header),
        ("ARG HOST\nADD $HOST/undated.tar /".to_owned(), newest),
        ("ARG HOST\nADD $HOST/plain /".to_owned(), ""),
    ];
    if let Some(repository) = repository {
        repository.commit_files(&[("a", "a")]);
        // 1000000000 seconds as well.
        sources.push(("ARG HOST\nADD $HOST/repository/.git /".to_owned(), header));
    }
    for (inside, time) in &sources {
        assert_eq!(created(&sandbox, &["-"], stage(inside).as_bytes()), *time, "{inside}");
    }
    let label = ["image", "inspect", "--format", "{{.Config.Labels.epoch}}", "timed"];
    sandbox.rbuild(label).success().prints("1000000000\n");
    // By the argument too; a number wins over the stage; nothing else needs the server then.
    let text = stage(&sources[0].0).replacen("ARG SOURCE_DATE_EPOCH=Source\n", "", 1);
    let named = "--build-arg=SOURCE_DATE_EPOCH=source";
    assert_eq!(created(&sandbox, &[named, "-"], text.as_bytes()), header);
    server.requests();
    let number = "--build-arg=SOURCE_DATE_EPOCH=1";
    let broken = stage("RUN false");
    assert_eq!(created(&sandbox, &[number, "-"], broken.as_bytes()), "1970-01-01T00:00:01Z");
    assert!(server.requests().is_empty());
    let only = "does not meet source-only requirements: unsupported";
    let two = "ARG HOST\nADD $HOST/dated /\nADD $HOST/plain /".to_owned();
    let sum = format!("ARG HOST\nADD --checksum=sha256:{} $HOST/plain /", "0".repeat(64));
    for (inside, words) in [
        ("COPY Dockerfile /".to_owned(), format!("{only} COPY instruction")),
        (two, "must contain exactly one remote ADD".to_owned()),
        ("ARG HOST".to_owned(), "must contain exactly one remote ADD".to_owned()),
        ("ADD file /".to_owned(), "source must be a single HTTP(S) or Git ADD".to_owned()),
        ("ARG HOST\nADD $HOST/none /".to_owned(), "status 404".to_owned()),
        (sum, "digest mismatch".to_owned()),
    ] {
        let output = sandbox.rbuild_with_input(["build", "-"], &stage(&inside)).exits(1);
        output.says(&words).says("SOURCE_DATE_EPOCH");
    }
    let based = stage("").replace("scratch AS", "busybox AS");
    let output = sandbox.rbuild_with_input(["build", "-"], &based).exits(1);
    output.says("SOURCE_DATE_EPOCH stage must use FROM scratch");
}

#[test]
fn a_named_directory_has_its_own_ignore_file() {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        sandbox.write(&format!("context/{name}"), name);
        sandbox.write(&format!("named/{name}"), name);
    }
    sandbox.write("context/.dockerignore", "a\n");
    sandbox.write("named/.dockerignore", "b\n");
    let text = "FROM scratch\nCOPY . /context/\nCOPY --from=named . /named/\n";
    let args = ["--build-context=named=named", "-o", "out"];
    sandbox.build(text, &args).success();
    let there = |path: &str| sandbox.path(path).exists();
    assert!(!there("out/context/a") && there("out/context/b"));
    assert!(there("out/named/a") && !there("out/named/b"));
    let text = "FROM scratch\nCOPY --from=named b /\n";
    let output = sandbox.build(text, &args).exits(1);
    output.says("\"/b\": not found").says(".dockerignore leaves it out");
}

#[test]
fn named_contexts_that_are_no_sources() {
    let sandbox = Sandbox::new();
    sandbox.write("context/Dockerfile", "FROM scratch\nLABEL a=b\n");
    sandbox.write("file", "text");
    for (spec, words) in [
        ("a", "is not of the form name=source"),
        ("=context", "is not of the form name=source"),
        ("a=", "is not of the form name=source"),
        ("a=absent", "`absent` is neither a directory nor a tar archive"),
        ("a=file", "`file` is neither a directory nor a tar archive"),
        ("a=docker-image://UPPER", "UPPER"),
        ("a::linux/amd64=context", "contexts for one platform"),
    ] {
        let named = format!("--build-context={spec}");
        sandbox.rbuild(["build", &named, "context"]).exits(1).says(words).says(&named[..15]);
    }
    let named = "--build-context=a=oci-layout://absent";
    sandbox.build("FROM scratch\nCOPY --from=a / /\n", &[named]).exits(1).says("absent");
}

/// Of a directory only what an instruction names is opened: seen by the kernel's eyes.
#[test]
fn only_what_is_named_is_opened() {
    if !installed("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    for name in ["context/a", "context/other/file", "context/beside", "named/n", "named/m"] {
        sandbox.write(name, name);
    }
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY a /\nCOPY --from=named n /\n");
    let build = ["build", "-q", "--build-context=named=named", "context"];
    let mut command = sandbox.command("strace");
    command.args(["-f", "-e", "trace=open,openat,openat2", "-o", "trace"]);
    let rbuild = sandbox.rbuild_command(build.iter());
    command.arg(rbuild.get_program()).args(rbuild.get_args());
    crate::support::run(&mut command, "").success();
    let trace = sandbox.read("trace");
    let opened = |name: &str| trace.contains(&format!("\"{name}\""));
    assert!(opened("a") && opened("n"), "{trace}");
    for name in ["beside", "other", "m", "file"] {
        assert!(!opened(name), "`{name}` was opened: {trace}");
    }
}
