//! `RUN --mount=type=ssh`: a socket in the container behind which the user's agent lists its keys
//! and signs.
//!
//! The process never holds a connection to the agent: each message is read here, and only the two
//! questions that use keys are passed on, as with BuildKit. Adding, removing and locking keys, and
//! whatever an agent has for extensions, fails.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use super::RunError;
use crate::request::SshAgent;
use crate::step::SshMount;

/// The socket's name in its directory.
const SOCKET: &str = "agent";
/// Connections at once; one more is closed. A process that opens thousands gets no thousand threads.
const MOST: usize = 64;
/// As long a message as OpenSSH's agent takes.
const LONGEST: u32 = 256 << 10;

const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;
const FAILURE: &[u8] = &[5];

/// A socket that answers for an agent until this is dropped.
#[derive(Debug)]
pub(super) struct Forwarding {
    directory: PathBuf,
    listener: Arc<UnixListener>,
    accepting: Option<JoinHandle<()>>,
    open: Arc<Mutex<Vec<Weak<Conversation>>>>,
}

#[derive(Debug)]
struct Conversation {
    client: UnixStream,
    agent: UnixStream,
}

/// None for an optional mount when nothing was given. `directory` is made for the socket.
pub(super) fn forward(
    mount: &SshMount,
    agents: &[SshAgent],
    directory: PathBuf,
) -> Result<Option<Forwarding>, RunError> {
    // Of an ID given twice, the last counts.
    let Some(agent) = agents.iter().rev().find(|agent| agent.id == mount.id) else {
        let missing = RunError::SshMissing { id: mount.id.clone() };
        return if mount.required { Err(missing) } else { Ok(None) };
    };
    let unreachable =
        |source| RunError::SshAgent { id: agent.id.clone(), path: agent.socket.clone(), source };
    UnixStream::connect(&agent.socket).map_err(unreachable)?;
    let socket = |source| RunError::SshSocket { id: agent.id.clone(), source };
    Forwarding::start(mount, &agent.socket, directory).map(Some).map_err(socket)
}

impl Forwarding {
    fn start(mount: &SshMount, agent: &Path, directory: PathBuf) -> io::Result<Forwarding> {
        DirBuilder::new().mode(0o700).create(&directory)?;
        let listener = match listen(mount, &directory) {
            Ok(listener) => Arc::new(listener),
            Err(error) => {
                // The next one who opens the store removes what is left.
                let _ = fs::remove_dir_all(&directory);
                return Err(error);
            }
        };
        let open = Arc::default();
        let mut forwarding = Forwarding { directory, listener, accepting: None, open };
        let (listener, open) = (forwarding.listener.clone(), forwarding.open.clone());
        let agent = agent.to_owned();
        let accept = move || accept_all(&listener, &agent, &open);
        forwarding.accepting = Some(std::thread::Builder::new().spawn(accept)?);
        Ok(forwarding)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        // Nobody waits for an answer any more: what was listening and reading sees the end.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for conversation in lock(&self.open).iter().filter_map(Weak::upgrade) {
            conversation.end();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The address, which the process can ask for, is a descriptor of ours and no path; and a path may
/// be longer than an address can be.
fn listen(mount: &SshMount, directory: &Path) -> io::Result<UnixListener> {
    let opened = File::open(directory)?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd()))?;
    let path = directory.join(SOCKET);
    chown(&path, Some(mount.uid), Some(mount.gid))?;
    fs::set_permissions(&path, Permissions::from_mode(mount.mode))?;
    Ok(listener)
}

fn accept_all(listener: &UnixListener, agent: &Path, open: &Mutex<Vec<Weak<Conversation>>>) {
    while let Ok((client, _)) = listener.accept() {
        let mut open = lock(open);
        open.retain(|conversation| conversation.strong_count() > 0);
        if open.len() >= MOST {
            continue;
        }
        // An agent that has gone is a closed connection to whoever asks.
        let Ok(agent) = UnixStream::connect(agent) else { continue };
        let conversation = Arc::new(Conversation { client, agent });
        open.push(Arc::downgrade(&conversation));
        let talk = move || {
            let _ended = conversation.talk();
            conversation.end();
        };
        let _without_threads = std::thread::Builder::new().spawn(talk);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Conversation {
    fn talk(&self) -> io::Result<()> {
        while let Some(request) = receive(&self.client)? {
            let answer = answer(&request, |request| {
                send(&self.agent, request)?;
                receive(&self.agent)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            })?;
            send(&self.client, &answer)?;
        }
        Ok(())
    }

    fn end(&self) {
        for stream in [&self.client, &self.agent] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Asks the agent only what lists keys or uses them.
fn answer(request: &[u8], ask: impl FnOnce(&[u8]) -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match request.first() {
        Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => ask(request),
        _ => Ok(FAILURE.to_vec()),
    }
}

/// One message without its length; none at the end.
fn receive(mut from: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

fn send(mut to: impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    to.write_all(&[&length.to_be_bytes()[..], message].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(required: bool) -> SshMount {
        let target = "/run/agent".to_owned();
        SshMount { id: "default".to_owned(), target, required, mode: 0o600, uid: 0, gid: 0 }
    }

    #[test]
    fn only_questions_that_use_keys_are_passed_on() {
        for kind in 0..=u8::MAX {
            let mut asked = false;
            let ask = |_: &[u8]| {
                asked = true;
                Ok(vec![14])
            };
            let given = answer(&[kind, 1, 2], ask).unwrap();
            assert_eq!(asked, [REQUEST_IDENTITIES, SIGN_REQUEST].contains(&kind), "{kind}");
            assert_eq!(given, if asked { &[14] } else { FAILURE }, "{kind}");
        }
        assert_eq!(answer(&[], |_| panic!("asked")).unwrap(), FAILURE);
    }

    #[test]
    fn messages_are_bounded() {
        let read = |bytes: &[u8]| receive(bytes).map_err(|error| error.kind());
        assert_eq!(read(&[0, 0, 0, 2, 7, 8, 9]), Ok(Some(vec![7, 8])));
        assert_eq!(read(&[0, 0]), Ok(None));
        assert_eq!(read(&[0, 4, 0, 1]), Err(io::ErrorKind::InvalidData));
        assert_eq!(read(&[0, 0, 0, 2, 7]), Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn only_required_ones_must_be_given() {
        let nowhere = PathBuf::from("/nowhere");
        assert!(forward(&mount(false), &[], nowhere.clone()).unwrap().is_none());
        let error = forward(&mount(true), &[], nowhere.clone()).unwrap_err();
        assert_eq!(error.to_string(), "unset ssh forward key default");
        let agent = SshAgent { id: "default".to_owned(), socket: nowhere.join("agent") };
        let error = forward(&mount(false), &[agent], nowhere).unwrap_err();
        assert!(error.to_string().contains("`/nowhere/agent`"), "{error}");
    }

    /// Ends with whoever waits for it, and leaves nothing.
    #[test]
    fn the_end_of_a_forwarding_ends_its_conversations() {
        let temp = tempfile::tempdir().unwrap();
        let agent = SshAgent { id: "default".to_owned(), socket: temp.path().join("real") };
        // Never answers.
        let _silent = UnixListener::bind(&agent.socket).unwrap();
        let directory = temp.path().join("x".repeat(150));
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let mount = SshMount { uid, gid, ..mount(true) };
        let forwarding = forward(&mount, &[agent], directory.clone()).unwrap().unwrap();
        let opened = File::open(&directory).unwrap();
        let path = format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd());
        let client = UnixStream::connect(path).unwrap();
        send(&client, &[REQUEST_IDENTITIES]).unwrap();
        drop(forwarding);
        assert_eq!(receive(&client).ok().flatten(), None);
        assert!(!directory.exists());
    }
}
