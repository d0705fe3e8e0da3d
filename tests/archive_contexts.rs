//! Build contexts that are archives: on stdin or in a file, in every compression, and hostile ones.

use std::process::{Command, Stdio};

use crate::support::{HttpServer, Sandbox, response, run_bytes};

const DOCKERFILE: &str = "FROM scratch\nCOPY . /all/\nCOPY dir/a.txt /\n";

/// A tar of these members; a name ending in a slash is a directory, `-> ` in a content a link.
fn tar_of(members: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        // Names are set as bytes: the library would refuse hostile ones.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o640);
        header.set_uid(1234);
        header.set_gid(1234);
        header.set_mtime(1_000_000_000);
        header.set_size(0);
        let mut data = content.as_bytes();
        if let Some(target) = content.strip_prefix("-> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_link_name_literal(target).unwrap();
            data = b"";
        } else if name.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
        } else {
            header.set_size(data.len() as u64);
        }
        header.set_cksum();
        builder.append(&header, data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn usual() -> Vec<u8> {
    tar_of(&[("Dockerfile", DOCKERFILE), ("dir/", ""), ("dir/a.txt", "a\n")])
}

/// What a program makes of the bytes on its stdin; none when it is not installed.
fn through(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(_) => {
            println!("skipped: `{program}` is not installed");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some(output.stdout)
}

#[test]
fn an_archive_on_stdin_is_the_context_however_it_is_compressed() {
    let sandbox = Sandbox::new();
    let plain = usual();
    let packed = ["gzip", "bzip2", "xz", "zstd"].into_iter().filter_map(|by| through(by, &plain));
    let archives: Vec<Vec<u8>> = [plain.clone()].into_iter().chain(packed).collect();
    for archive in &archives {
        let build = ["build", "--progress=plain", "-o", "out", "-"];
        let output = run_bytes(sandbox.rbuild_command(build), archive).success();
        assert_eq!(sandbox.read("out/a.txt"), "a\n");
        assert_eq!(sandbox.read("out/all/Dockerfile"), DOCKERFILE);
        let first = std::ptr::eq(archive, &archives[0]);
        assert_eq!(output.stderr.contains("CACHED"), !first, "{output}");
        std::fs::remove_dir_all(sandbox.path("out")).unwrap();
    }
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
    sandbox.validate();
}

#[test]
fn files_of_an_archive_belong_to_root_and_keep_mode_and_time() {
    let sandbox = Sandbox::new();
    let build = ["build", "-q", "-o", "type=tar,dest=out.tar", "-"];
    run_bytes(sandbox.rbuild_command(build), &usual()).success();
    let mut archive = tar::Archive::new(std::fs::File::open(sandbox.path("out.tar")).unwrap());
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let file = entries.find(|entry| entry.path().unwrap().ends_with("a.txt")).unwrap();
    let header = file.header();
    assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
    assert_eq!((header.mode().unwrap(), header.mtime().unwrap()), (0o640, 1_000_000_000));
}

#[test]
fn a_file_that_is_an_archive_is_a_context_too() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("context.tar"), usual()).unwrap();
    sandbox.rbuild(["build", "-o", "out", "context.tar"]).success();
    assert_eq!(sandbox.read("out/a.txt"), "a\n");

    let text = "FROM scratch\nCOPY --from=more dir /dir\nCOPY dir/a.txt /b.txt\n";
    let args = ["build", "-o", "two", "--build-context=more=context.tar", "-f-", "context.tar"];
    sandbox.rbuild_with_input(args, text).success();
    assert_eq!(sandbox.read("two/dir/a.txt"), "a\n");
    assert_eq!(sandbox.read("two/b.txt"), "a\n");

    sandbox.write("text", "FROM scratch\n");
    let output = sandbox.rbuild(["build", "text"]).exits(1);
    output.says("neither a directory nor a tar archive");
    let output = sandbox.rbuild(["build", "--build-context=more=text", "context.tar"]).exits(1);
    output.says("neither a directory nor a tar archive");
    sandbox.rbuild(["check", "context.tar"]).success();
}

#[test]
fn the_dockerfile_is_found_inside_the_archive() {
    let sandbox = Sandbox::new();
    let build = |args: &[&str], archive: &[u8]| {
        run_bytes(sandbox.rbuild_command([&["build", "-q"], args, &["-"]].concat()), archive)
    };
    let other = tar_of(&[("sub/", ""), ("sub/d", "FROM scratch\nLABEL a=b\n")]);
    build(&["-f", "sub/d"], &other).success();
    build(&["-f", "/sub/d"], &other).success();
    build(&[], &other).exits(1).says("there is no `Dockerfile` in the archive on stdin");
    build(&["-f", "-"], &other).exits(1).says("stdin cannot be both");
    build(&[], &tar_of(&[("dockerfile", "FROM scratch\nLABEL a=c\n")])).success();
}

#[test]
fn an_ignore_file_in_an_archive_is_said_not_to_apply() {
    let sandbox = Sandbox::new();
    let archive =
        tar_of(&[("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "a"), (".dockerignore", "a\n")]);
    let output = run_bytes(sandbox.rbuild_command(["build", "-o", "out", "-"]), &archive).success();
    output.says("the .dockerignore in the archive on stdin is not applied");
    assert_eq!(sandbox.read("out/a"), "a");
}

#[test]
fn nothing_in_an_archive_reaches_out_of_it() {
    let sandbox = Sandbox::new();
    sandbox.write("secret", "secret\n");
    let secret = sandbox.path("secret");
    let build = |members: &[(&str, &str)]| {
        let command = sandbox.rbuild_command(["build", "-o", "out", "-"]);
        run_bytes(command, &tar_of(members))
    };
    let copy = ("Dockerfile", "FROM scratch\nCOPY x /\n");
    build(&[copy, ("x", &format!("-> {}", secret.display()))]).exits(1).says("not found");
    build(&[("Dockerfile", &format!("-> {}", secret.display()))]).exits(1).says("there is no");
    build(&[("../../../escaped", "x"), copy]).exits(1);
    // Above the archive is the archive.
    build(&[("up", "-> .."), ("up/x", "inside"), copy]).success();
    assert_eq!(sandbox.read("out/x"), "inside");
    for name in ["escaped", "x"] {
        assert!(!sandbox.path(name).exists(), "{name}");
    }
    assert!(!sandbox.root().join("temp/x").exists() && !sandbox.root().join("x").exists());
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
}

#[test]
fn a_damaged_archive_leaves_nothing() {
    let sandbox = Sandbox::new();
    let whole = usual();
    let cut = &whole[..700];
    let output = run_bytes(sandbox.rbuild_command(["build", "-"]), cut).exits(1);
    output.says("cannot unpack the archive on stdin");
    let output = run_bytes(sandbox.rbuild_command(["build", "-"]), b"\x1f\x8bnot gzip").exits(1);
    output.says("cannot");
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
}

#[test]
fn a_context_may_lie_on_a_server() {
    let packed = through("gzip", &usual()).unwrap_or_else(usual);
    let server = HttpServer::start(move |head| match head {
        head if head.contains("/a.tar") => response("200 OK", &[], &packed),
        head if head.contains("/Dockerfile") && head.to_lowercase().contains("bearer t\r\n") => {
            response("200 OK", &[], b"FROM scratch\nLABEL a=b\n")
        }
        _ => response("401 Unauthorized", &[], b""),
    });
    let sandbox = Sandbox::new();
    let archive = server.url("/a.tar.gz");
    sandbox.rbuild(["build", "-o", "out", &archive]).success();
    assert_eq!(sandbox.read("out/a.txt"), "a\n");
    let named = format!("--build-context=more={archive}");
    let text = "FROM scratch\nCOPY --from=more dir/a.txt /b.txt\n";
    sandbox.rbuild_with_input(["build", "-o", "two", &named, "-"], text).success();
    assert_eq!(sandbox.read("two/b.txt"), "a\n");
    let text = "FROM scratch\nCOPY dir/a.txt /c.txt\n";
    sandbox.rbuild_with_input(["build", "-o", "three", "-f-", &archive], text).success();
    assert_eq!(sandbox.read("three/c.txt"), "a\n");

    let file = server.url("/Dockerfile");
    sandbox.rbuild(["build", &file]).exits(1).says("invalid response status 401");
    sandbox.write("token", "t\n");
    let secret = "--secret=id=HTTP_AUTH_TOKEN_127.0.0.1,src=token";
    sandbox.rbuild(["build", secret, &file]).success();
    sandbox.rbuild(["build", secret, "-f", "x", &file]).exits(1).says("is a Dockerfile");
    // What no instruction names is not asked for.
    let named = format!("--build-context=more={file}");
    sandbox.rbuild(["build", &named, &archive]).success();
    let text = "FROM scratch\nCOPY --from=more / /\n";
    let output = sandbox.rbuild_with_input(["build", secret, &named, "-"], text).exits(1);
    output.says("/Dockerfile` is not a tar archive");
    sandbox.rbuild(["check", &archive]).success();
    assert_eq!(std::fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
}

#[test]
fn what_no_instruction_names_is_not_read() {
    let sandbox = Sandbox::new();
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY a /\n");
    sandbox.write("context/a", "a");
    // Reading the pipe would wait for a writer, reading the other file would take all day.
    let pipe = Command::new("mkfifo").arg(sandbox.path("context/pipe")).status().unwrap();
    assert!(pipe.success());
    let huge = std::fs::File::create(sandbox.path("context/huge")).unwrap();
    huge.set_len(1 << 42).unwrap();
    sandbox.rbuild(["build", "-o", "out", "context"]).success();
    assert_eq!(sandbox.read("out/a"), "a");
}
