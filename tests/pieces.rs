//! What is compressed again when a tree has changed in one place: counted in whole builds, from outside.
//!
//! A piece that is not compressed again is read from the compressed layer of before, by one `pread64`; the new layer has a
//! gzip member for each piece. What is in the one and not in the other has been compressed.

use std::fs;
use std::io::{BufRead, Read};
use std::path::PathBuf;

use flate2::bufread::GzDecoder;

use crate::support::{Archive, Sandbox, installed, run};

const FILES: usize = 2_000;

/// About 20 MB in directories of a hundred files, and a large file behind them.
fn tree(sandbox: &Sandbox) {
    for number in 0..FILES {
        let text = format!("line of {number}, {}\n", number * number % 7919);
        sandbox.write(&file(number), &text.repeat(200 + number % 300));
    }
    sandbox.write("context/z", &"a large file\n".repeat(400_000));
    sandbox.write("context/Dockerfile", "FROM scratch\nWORKDIR /src\nCOPY . .\n");
}

fn file(number: usize) -> String {
    format!("context/d{:02}/f{number:04}", number / 100)
}

/// Builds to an archive. The compressed layer of the tree.
fn built(sandbox: &Sandbox) -> (String, Vec<u8>) {
    let archive = Archive::open(&sandbox.path("out.tar"));
    let layers = archive.manifest()["layers"].clone();
    let digest = layers[1]["digest"].as_str().unwrap().replace("sha256:", "");
    let blob = fs::read(sandbox.root().join("images/blobs/sha256").join(&digest)).unwrap();
    (digest, blob)
}

const BUILD: [&str; 5] = ["build", "-q", "-o", "type=oci,dest=out.tar", "context"];

/// How many pieces a compressed layer has. All of them must be whole.
fn pieces(mut packed: &[u8]) -> usize {
    let mut count = 0;
    while !packed.fill_buf().unwrap().is_empty() {
        GzDecoder::new(&mut packed).read_to_end(&mut Vec::new()).unwrap();
        count += 1;
    }
    count
}

/// How many pieces of the layer `before` are read in a build.
fn taken(sandbox: &Sandbox, before: &str) -> usize {
    let mut command = sandbox.command("strace");
    command.args(["-f", "-y", "-e", "trace=pread64", "-o", "trace"]);
    let rbuild = sandbox.rbuild_command(BUILD.iter());
    command.arg(rbuild.get_program()).args(rbuild.get_args());
    run(&mut command, "").success();
    let trace = sandbox.read("trace");
    trace.lines().filter(|line| line.contains("pread64(") && line.contains(before)).count()
}

#[test]
fn only_the_pieces_around_a_change_are_compressed_again() {
    if !installed("strace") {
        return;
    }
    let sandbox = Sandbox::new();
    tree(&sandbox);
    sandbox.rbuild(BUILD).success();
    let (mut before, packed) = built(&sandbox);
    assert!(pieces(&packed) > 15, "{}", pieces(&packed));
    let path = |number| -> PathBuf { sandbox.path(&file(number)) };
    let append = |number, bytes: &[u8]| {
        fs::write(path(number), [&fs::read(path(number)).unwrap(), bytes].concat()).unwrap();
    };
    let changes: [(&str, &dyn Fn()); 5] = [
        ("changed", &|| {
            let mut bytes = fs::read(path(700)).unwrap();
            bytes[0] ^= 1;
            fs::write(path(700), bytes).unwrap();
        }),
        ("grown", &|| append(701, &[b'x'; 1024])),
        ("added", &|| fs::write(sandbox.path("context/d07/f0702-"), "new\n").unwrap()),
        ("removed", &|| fs::remove_file(path(703)).unwrap()),
        ("touched", &|| append(704, b"")),
    ];
    for (what, change) in changes {
        change();
        let taken = taken(&sandbox, &before);
        let (now, packed) = built(&sandbox);
        let all = pieces(&packed);
        match what {
            // The step is cached, so nothing is compressed or copied at all.
            "touched" => assert_eq!((taken, &now), (0, &before)),
            _ => assert!((1..=3).contains(&(all - taken)), "{what}: {taken} of {all} were taken"),
        }
        before = now;
    }
    sandbox.validate();
}
