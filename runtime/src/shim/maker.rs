//! A process with one thread that forks shims for one that has many.
//!
//! A fork is safe only in a process with a single thread, and who brings up a stack has one for each thing it waits
//! for. So it forks the maker first; the maker waits for orders, forks a shim for each and hands its socket over. It
//! ends when nobody can order any more. See `docs/decisions/0011`.
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};
use sys::clone::{Child, close_all_except, spawn_child};

use super::begin::{self, ShimOrder};
use super::connection::NewShim;
use crate::error::RuntimeError;
use crate::zygote::channel::{receive_frame, send_frame};
use crate::zygote::{ProcessView, check_machine};

/// Makes shims for any thread. Dropping it ends its process; the shims stay.
#[derive(Debug)]
pub struct ShimMaker {
    /// An order and its answer at a time.
    socket: Mutex<OwnedFd>,
    _child: Child,
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: String,
    processes: ProcessView,
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// With the shim's socket.
    Made,
    Failed {
        cause: String,
    },
}

impl ShimMaker {
    /// Forks it, for the containers of one store. To be called from a process with one thread whose program hands
    /// [`super::VERB`] to [`super::main`].
    pub fn fork(root: &Path, state: &Path) -> Result<ShimMaker, RuntimeError> {
        check_machine()?;
        let at = |act| move |source: io::Error| RuntimeError::ShimStart { act, source };
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(|errno| at("make a socket")(errno.into()))?;
        let child = spawn_child(0, None, || serve(&far, root, state))
            .map_err(|error| at("make a process that makes shims")(error.into()))?;
        Ok(ShimMaker { socket: Mutex::new(near), _child: child })
    }

    /// A shim for the container `id`, which need not exist yet.
    pub fn make(&self, id: &str, processes: ProcessView) -> Result<NewShim, RuntimeError> {
        let at = |act| move |source: io::Error| RuntimeError::ShimStart { act, source };
        let order = Order { id: id.to_owned(), processes };
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        send_frame(&*socket, &order, &[]).map_err(at("order one"))?;
        let gone = || at("order one")(io::ErrorKind::UnexpectedEof.into());
        let (answer, descriptors) =
            receive_frame::<Answer>(&*socket).map_err(at("order one"))?.ok_or_else(gone)?;
        match (answer, descriptors.into_iter().next()) {
            (Answer::Failed { cause }, _) => Err(RuntimeError::ShimRefused { message: cause }),
            (Answer::Made, Some(socket)) => Ok(NewShim::behind(socket, id)),
            (Answer::Made, None) => Err(gone()),
        }
    }
}

/// The maker's life. Signals of the terminal are for its parent alone.
fn serve(orders: &OwnedFd, root: &Path, state: &Path) -> u8 {
    if rustix::process::setsid().is_err() || close_all_except(&[orders.as_fd()]).is_err() {
        return 1;
    }
    // The kernel takes away what is left of shims that have ended.
    sys::signal::ignore(&[libc::SIGCHLD, libc::SIGPIPE]);
    while let Ok(Some((order, _))) = receive_frame::<Order>(orders) {
        let answered = match begin::fork(ShimOrder {
            root,
            state,
            id: &order.id,
            processes: order.processes,
            traced: false,
            usual: None,
            main: None,
        }) {
            Ok((socket, _child)) => send_frame(orders, &Answer::Made, &[socket.as_fd()]),
            Err(error) => send_frame(orders, &Answer::Failed { cause: error.to_string() }, &[]),
        };
        if answered.is_err() {
            break;
        }
    }
    0
}
