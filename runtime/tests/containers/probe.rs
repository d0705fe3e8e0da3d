//! Runs inside a container: makes one system call and prints what came back.
use std::io;
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{FsOpenFlags, MountFlags, fsopen, mount};
use rustix::net::{AddressFamily, SocketType, socket};

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let family = |number| {
        socket(AddressFamily::from_raw(number), SocketType::SEQPACKET, None)
            .map(drop)
            .map_err(io::Error::from)
    };
    let question = arguments.first().map(String::as_str).unwrap_or_default();
    let answer: io::Result<()> = match question {
        "keyctl" => sys::keyring::join_new_session().map_err(|error| error.source),
        "session_keyring" => match sys::keyring::session() {
            Ok(serial) => {
                println!("{serial}");
                return ExitCode::SUCCESS;
            }
            Err(error) => Err(error.source),
        },
        "seals_of_init" => match std::fs::File::open("/proc/1/exe") {
            Ok(file) => match rustix::fs::fcntl_get_seals(&file) {
                Ok(seals) => {
                    println!("{seals:?}");
                    return ExitCode::SUCCESS;
                }
                Err(errno) => Err(errno.into()),
            },
            Err(error) => Err(error),
        },
        "af_alg" => family(38),
        "af_vsock" => family(40),
        "af_inet" => {
            socket(AddressFamily::INET, SocketType::STREAM, None).map(drop).map_err(io::Error::from)
        }
        "unshare" => unshare(CloneFlags::CLONE_NEWNS).map_err(io::Error::from),
        "bpf" => sys::bpf::DeviceProgram::load(&[]).map(drop).map_err(|error| error.source),
        "mount" => mount("x", "/tmp", "tmpfs", MountFlags::empty(), None).map_err(io::Error::from),
        "fsopen" => fsopen("tmpfs", FsOpenFlags::empty()).map(drop).map_err(io::Error::from),
        other => Err(io::Error::other(format!("unknown question {other}"))),
    };
    match answer {
        Ok(()) => println!("fine"),
        Err(error) => println!("{error}"),
    }
    ExitCode::SUCCESS
}
