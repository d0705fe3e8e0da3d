//! Copies what comes to a published port and NAT did not redirect: IPv6, for one. The container sees its gateway.
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::dns_tcp::BREATH;

/// For all connections of one port.
const MOST: usize = 512;
/// A UDP client that says nothing for so long is gone: docker's time.
const SILENCE: Duration = Duration::from_secs(90);
const CONNECTING: Duration = Duration::from_secs(10);
const LARGEST: usize = 65535;

/// Takes connections for ever and copies each to `target`.
pub(super) fn tcp(listener: &TcpListener, target: SocketAddr) {
    let open = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming() {
        let Ok(client) = client else {
            thread::sleep(BREATH);
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= MOST {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let count = Arc::clone(&open);
        let spawned = thread::Builder::new().spawn(move || {
            // Whichever side broke off, the other sees its connection closed.
            let _ended = copy_both(&client, target);
            count.fetch_sub(1, Ordering::Relaxed);
        });
        if spawned.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn copy_both(client: &TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&target, CONNECTING)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let forth = thread::Builder::new().spawn(move || {
        let _ended = io::copy(&mut from_client, &mut to_server);
        let _gone = to_server.shutdown(Shutdown::Write);
    })?;
    let (mut from_server, mut to_client) = (&server, client);
    let _ended = io::copy(&mut from_server, &mut to_client);
    let _gone = client.shutdown(Shutdown::Write);
    let _panicked = forth.join();
    Ok(())
}

type Sessions = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

/// Takes packets for ever; the answers go back to who sent the packet.
pub(super) fn udp(socket: &Arc<UdpSocket>, target: SocketAddr) {
    let sessions: Sessions = Arc::default();
    let mut buffer = vec![0; LARGEST];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            thread::sleep(BREATH);
            continue;
        };
        if let Ok(session) = session(socket, &sessions, client, target) {
            // A container that does not listen is the client's to notice.
            let _lost = session.send(&buffer[..length]);
        }
    }
}

fn session(
    socket: &Arc<UdpSocket>,
    sessions: &Sessions,
    client: SocketAddr,
    target: SocketAddr,
) -> io::Result<Arc<UdpSocket>> {
    let mut known = sessions.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(session) = known.get(&client) {
        return Ok(Arc::clone(session));
    }
    if known.len() >= MOST {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    let session = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    session.connect(target)?;
    session.set_read_timeout(Some(SILENCE))?;
    let session = Arc::new(session);
    known.insert(client, Arc::clone(&session));
    let (answers, back, all) = (Arc::clone(&session), Arc::clone(socket), Arc::clone(sessions));
    thread::Builder::new().spawn(move || {
        let mut buffer = vec![0; LARGEST];
        while let Ok(length) = answers.recv(&mut buffer) {
            let _gone = back.send_to(&buffer[..length], client);
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
    })?;
    Ok(session)
}
