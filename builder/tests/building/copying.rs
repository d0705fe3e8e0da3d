//! What COPY, ADD and WORKDIR make of files, directories, links and archives.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use builder::BuildRequest;
use builder::request::{NamedContext, SourceText};
use store::layer::EntryKind;

use super::Bench;

/// `/path mode uid:gid content` of every object of the image.
fn listing(bench: &Bench) -> Vec<String> {
    let tree = bench.store.tree(&bench.store.resolve("img").unwrap()).unwrap();
    let line = |path: &String| {
        let entry = tree.lookup(path).unwrap().entry;
        let what = match &entry.kind {
            EntryKind::File { .. } => bench.read("img", path),
            EntryKind::Dir { .. } => "dir".to_owned(),
            EntryKind::Symlink { target } => format!("-> {}", String::from_utf8_lossy(target)),
            kind => format!("{kind:?}"),
        };
        format!("{path} {:o} {}:{} {what}", entry.mode, entry.uid, entry.gid)
    };
    bench.paths("img").iter().map(line).collect()
}

fn built(bench: &Bench, dockerfile: &str) -> Vec<String> {
    bench.build(&bench.request(dockerfile));
    listing(bench)
}

fn failure(bench: &Bench, dockerfile: &str) -> (String, Option<String>) {
    let error = bench.try_build(&bench.request(dockerfile)).0.unwrap_err();
    (error.to_string(), error.hint())
}

fn mode(bench: &Bench, name: &str, mode: u32) {
    let path = bench.path("context").join(name);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn links_of_the_context_never_lead_out_of_it() {
    let bench = Bench::new();
    bench.file("etc/passwd", "inside");
    for (target, name) in
        [("/etc/passwd", "absolute"), ("../../../etc/passwd", "relative"), ("/etc", "dir")]
    {
        symlink(target, bench.path("context").join(name)).unwrap();
    }
    let made =
        built(&bench, "FROM scratch\nCOPY absolute /a\nCOPY relative /r\nCOPY dir/passwd /d\n");
    assert_eq!(made, ["/a 644 0:0 inside", "/d 644 0:0 inside", "/r 644 0:0 inside"]);
    symlink("/etc/hostname", bench.path("context/out")).unwrap();
    assert_eq!(failure(&bench, "FROM scratch\nCOPY out /\n").0, "\"/out\": not found");
    symlink("circle", bench.path("context/circle")).unwrap();
    assert!(failure(&bench, "FROM scratch\nCOPY circle /\n").0.contains("too many levels"));
}

#[test]
fn links_of_the_image_never_lead_out_of_it() {
    let bench = Bench::new();
    bench.file("f", "F");
    symlink("/../../real", bench.path("context/link")).unwrap();
    let made = built(
        &bench,
        "FROM scratch\nCOPY --parents link /\nCOPY f /link/sub/\nCOPY --link f /link/linked\n",
    );
    // `--link` does not look at what is below: its directory takes the link's place.
    assert_eq!(
        made,
        [
            "/link 755 0:0 dir",
            "/link/linked 644 0:0 F",
            "/real 755 0:0 dir",
            "/real/sub 755 0:0 dir",
            "/real/sub/f 644 0:0 F"
        ]
    );
}

#[test]
fn a_linked_copy_leaves_directories_below_as_they_are() {
    let bench = Bench::new();
    bench.file("tmp/x", "X");
    mode(&bench, "tmp", 0o1777);
    let made = built(
        &bench,
        "FROM scratch\nCOPY --parents tmp /\nCOPY --link --chown=5:6 tmp/x /tmp/new/y\n",
    );
    assert_eq!(
        made,
        ["/tmp 1777 0:0 dir", "/tmp/new 755 5:6 dir", "/tmp/new/y 644 5:6 X", "/tmp/x 644 0:0 X"]
    );
}

#[test]
fn files_and_directories_do_not_replace_each_other() {
    let bench = Bench::new();
    bench.file("d/x/y", "Y");
    bench.file("e/x", "X");
    let (error, _) = failure(&bench, "FROM scratch\nCOPY d /t/\nCOPY e /t/\n");
    assert_eq!(error, "cannot replace to directory /t/x with file");
    let (error, _) = failure(&bench, "FROM scratch\nCOPY e /t/\nCOPY d /t/\n");
    assert_eq!(error, "cannot copy to non-directory: /t/x");
    let (error, _) = failure(&bench, "FROM scratch\nCOPY e /t/\nWORKDIR /t/x/y\n");
    assert_eq!(error, "cannot make a working directory: /t/x is not a directory");
}

#[test]
fn a_missing_source_suggests_what_is_there() {
    let bench = Bench::new();
    bench.file("sources/main.rs", "");
    let (error, hint) = failure(&bench, "FROM scratch\nCOPY sources/mian.rs /\n");
    assert_eq!(error, "\"/sources/mian.rs\": not found");
    assert_eq!(hint.as_deref(), Some("did you mean `sources/main.rs`?"));
}

#[test]
fn modes_count_and_times_do_not() {
    let bench = Bench::new();
    bench.file("f", "F");
    let request = bench.request("FROM scratch\nCOPY f /\n");
    bench.build(&request);
    let file = fs::File::options().write(true).open(bench.path("context/f")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(bench.build(&request).0.cached, 1);
    mode(&bench, "f", 0o755);
    let (again, told) = bench.build(&request);
    assert_eq!((again.cached, told.misses()), (0, vec!["changed: f".to_owned()]));
    assert_eq!(listing(&bench), ["/f 755 0:0 F"]);
}

#[test]
fn special_files_are_copied_and_sockets_left_out() {
    let bench = Bench::new();
    bench.file("d/f", "F");
    let _socket = UnixListener::bind(bench.path("context/d/socket")).unwrap();
    let fifo = sys::RootDir::open(bench.path("context/d")).unwrap();
    fifo.mknod("fifo", sys::root_dir::NodeKind::Fifo, 0o600).unwrap();
    assert_eq!(
        built(&bench, "FROM scratch\nCOPY d /d\n"),
        ["/d 755 0:0 dir", "/d/f 644 0:0 F", "/d/fifo 600 0:0 Fifo"]
    );
}

#[test]
fn what_is_ignored_is_not_there_and_what_is_taken_back_is() {
    let bench = Bench::new();
    for name in ["a", "deep/down/keep", "deep/down/drop", "deep/other", "gone/x"] {
        bench.file(name, "");
    }
    let text = "deep\ngone\n!deep/down/keep\n".into();
    let dockerignore = Some(SourceText { name: ".dockerignore".to_owned(), text });
    let request = |dockerfile| BuildRequest {
        dockerignore: dockerignore.clone(),
        ..bench.request(dockerfile)
    };
    bench.build(&request("FROM scratch\nCOPY . /\n"));
    assert_eq!(bench.paths("img"), ["/a", "/deep", "/deep/down", "/deep/down/keep"]);
    let error = bench.try_build(&request("FROM scratch\nCOPY gone/x /\n")).0.unwrap_err();
    assert_eq!(error.to_string(), "\"/gone/x\": not found");
    assert_eq!(error.hint().as_deref(), Some("it is there, but .dockerignore leaves it out"));
    // A wildcard that matches nothing copies nothing.
    bench.build(&request("FROM scratch\nCOPY gon* /x/\n"));
    assert_eq!(bench.paths("img"), Vec::<String>::new());
}

#[test]
fn an_archive_cannot_write_outside_of_its_destination() {
    let bench = Bench::new();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_mode(0o777);
    header.set_size(0);
    archive.append_link(&mut header, "out", "/etc").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(1);
    header.set_cksum();
    archive.append_data(&mut header, "out/file", &b"x"[..]).unwrap();
    let bytes = archive.into_inner().unwrap();
    fs::write(bench.path("context/t.tar"), bytes).unwrap();
    let made = built(&bench, "FROM scratch\nADD t.tar /dest/\n");
    assert!(made.contains(&"/dest/etc/file 644 0:0 x".to_owned()), "{made:?}");
    assert!(made.iter().all(|line| line.starts_with("/dest")), "{made:?}");
    assert!(!Path::new("/etc/file").exists());
}

#[test]
fn a_named_directory_is_a_context_and_a_base() {
    let bench = Bench::new();
    bench.file("f", "F");
    let other = bench.path("other");
    fs::create_dir_all(other.join("sub")).unwrap();
    fs::write(other.join("sub/file"), "text").unwrap();
    let mut request = bench.request("FROM other\nCOPY --from=other sub/file /copy\n");
    request.named_contexts.insert("other".to_owned(), NamedContext::Dir(other));
    bench.build(&request);
    assert_eq!(
        listing(&bench),
        ["/copy 644 0:0 text", "/sub 755 0:0 dir", "/sub/file 644 0:0 text"]
    );
}

#[test]
fn several_sources_build_on_each_other() {
    let bench = Bench::new();
    bench.file("a", "A");
    bench.file("b", "B");
    bench.file("d/a", "D");
    let made = built(&bench, "FROM scratch\nCOPY a b /last\nCOPY a d/ /x/\n");
    assert_eq!(made, ["/last 644 0:0 B", "/x 755 0:0 dir", "/x/a 644 0:0 D"]);
}

#[test]
fn unknown_owners_are_root_with_a_warning() {
    let bench = Bench::new();
    bench.file("f", "F");
    let (built, events) =
        bench.try_build(&bench.request("FROM scratch\nCOPY --chown=nobody:7 f /\n"));
    built.unwrap();
    assert_eq!(listing(&bench), ["/f 644 0:7 F"]);
    let warned = format!("{:?}", events.0.lock().unwrap());
    assert!(warned.contains("user `nobody` is not in the image's /etc/passwd"), "{warned}");
}

#[test]
fn a_missing_base_says_where_images_come_from() {
    let (error, hint) = failure(&Bench::new(), "FROM nosuch\n");
    assert!(error.contains("failed to resolve source metadata"), "{error}");
    assert!(hint.unwrap_or_default().contains("`rbuild load`"));
}

/// A file `z/f` with the further name `a`, which comes before it in the order of a layer.
fn archive_with_link(bench: &Bench, name: &str) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_uid(7);
    header.set_gid(8);
    header.set_size(1);
    header.set_cksum();
    archive.append_data(&mut header, "z/f", &b"x"[..]).unwrap();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    archive.append_link(&mut header, "a", "z/f").unwrap();
    fs::write(bench.path("context").join(name), archive.into_inner().unwrap()).unwrap();
}

#[test]
fn other_names_of_a_file_in_an_archive_may_sort_before_it() {
    let bench = Bench::new();
    archive_with_link(&bench, "t.tar");
    archive_with_link(&bench, "u.tar");
    let made = built(&bench, "FROM scratch\nADD --chmod=600 t.tar /d/\nADD t.tar u.tar /e/\n");
    for dir in ["d", "e"] {
        let expected = [
            format!("/{dir} 755 0:0 dir"),
            format!("/{dir}/a 640 7:8 x"),
            format!("/{dir}/z 755 0:0 dir"),
            format!("/{dir}/z/f 640 7:8 x"),
        ];
        assert!(expected.iter().all(|line| made.contains(line)), "{made:?}");
    }
    let tree = bench.store.tree(&bench.store.resolve("img").unwrap()).unwrap();
    let inode = |path: &str| tree.lookup(path).map(|found| (found.layer, found.source.clone()));
    assert_eq!(inode("d/a"), inode("d/z/f"));
}

#[test]
fn parents_keep_the_owners_of_directories_that_exist() {
    let bench = Bench::new();
    bench.file("a/b/f", "F");
    mode(&bench, "a", 0o750);
    let made = built(
        &bench,
        "FROM scratch\nCOPY --parents --chown=5:6 --chmod=700 a/b/f /\nCOPY --parents a/b/f /\n",
    );
    assert_eq!(made, ["/a 750 5:6 dir", "/a/b 755 5:6 dir", "/a/b/f 644 0:0 F"]);
}

#[test]
fn names_of_one_file_stay_together_within_one_source() {
    let bench = Bench::new();
    archive_with_link(&bench, "t.tar");
    built(
        &bench,
        "FROM scratch AS a\nADD t.tar /d/\nFROM scratch\n\
         COPY --from=a /d /dir/\nCOPY --from=a /d/a /d/z/f /two/\nCOPY --from=a /d/* /some/\n",
    );
    let tree = bench.store.tree(&bench.store.resolve("img").unwrap()).unwrap();
    let file = |path: &str| tree.lookup(path).map(|found| (found.layer, found.source)).unwrap();
    assert_eq!(file("dir/a"), file("dir/z/f"));
    assert_ne!(file("two/a"), file("two/f"));
    assert_ne!(file("some/a"), file("some/f"));
}
