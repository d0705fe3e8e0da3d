//! Questions by TCP: long answers, and clients that were told to ask again.
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::dns::{Decision, Upstream, decide, leaves_it_to_others};
use super::wire::{Code, Records};
use super::zone::Zone;

const PATIENCE: Duration = Duration::from_secs(5);
const MOST: usize = 64;
/// Before the next client is taken after one could not be.
pub(super) const BREATH: Duration = Duration::from_millis(50);
const PORT: u16 = 53;

/// For ever, a thread for each client.
pub(super) fn serve(listener: &TcpListener, zone: &Arc<Mutex<Zone>>, upstream: &Upstream) {
    let clients = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming() {
        let Ok(client) = client else {
            // Out of descriptors, for one: what is open has to end first.
            thread::sleep(BREATH);
            continue;
        };
        if clients.fetch_add(1, Ordering::Relaxed) >= MOST {
            clients.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (zone, upstream, count) = (Arc::clone(zone), upstream.clone(), Arc::clone(&clients));
        let spawned = thread::Builder::new().spawn(move || {
            // A client that breaks off is done with.
            let _ended = talk(client, &zone, &upstream);
            count.fetch_sub(1, Ordering::Relaxed);
        });
        if spawned.is_err() {
            clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn talk(mut client: TcpStream, zone: &Mutex<Zone>, upstream: &Upstream) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    loop {
        let message = read_message(&mut client)?;
        let decision = {
            let mut zone = zone.lock().unwrap_or_else(PoisonError::into_inner);
            decide(&mut zone, &message, false)
        };
        let answer = match decision {
            Decision::Ignore => return Ok(()),
            Decision::Answer(answer) => answer,
            Decision::PassOn(query) => pass_on(&message, upstream)
                .unwrap_or_else(|| query.answer(Code::ServerFailure, &Records::None, usize::MAX)),
        };
        write_message(&mut client, &answer)?;
    }
}

fn pass_on(message: &[u8], upstream: &Upstream) -> Option<Vec<u8>> {
    let mut failure = None;
    let answer = upstream.servers.iter().find_map(|server| {
        let address = SocketAddr::new(*server, PORT);
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write_message(&mut stream, message).ok()?;
        let answer = read_message(&mut stream).ok()?;
        match leaves_it_to_others(&answer) {
            true => {
                failure = Some(answer);
                None
            }
            false => Some(answer),
        }
    });
    answer.or(failure)
}

fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(message);
    stream.write_all(&bytes)
}
