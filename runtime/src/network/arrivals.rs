//! Many sockets that are waited for as one: a container may publish thousands of ports.
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// Readable while one of the sockets is.
#[derive(Debug)]
pub(super) struct Arrivals(OwnedFd);

impl Arrivals {
    /// At these sockets, which are known by their positions.
    pub(super) fn at<'a>(
        sockets: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<Arrivals> {
        Arrivals::with(EventFlags::IN, sockets)
    }

    /// The same, where each is told by [`Arrivals::next`] once.
    pub(super) fn first_at<'a>(
        sockets: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<Arrivals> {
        Arrivals::with(EventFlags::IN | EventFlags::ONESHOT, sockets)
    }

    fn with<'a>(
        flags: EventFlags,
        sockets: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<Arrivals> {
        let all = epoll::create(CreateFlags::CLOEXEC)?;
        for (position, socket) in (0..).zip(sockets) {
            epoll::add(&all, socket, EventData::new_u64(position), flags)?;
        }
        Ok(Arrivals(all))
    }

    /// That socket, at this position, is told once more.
    pub(super) fn again(&self, position: usize, socket: BorrowedFd<'_>) -> io::Result<()> {
        let data = EventData::new_u64(position as u64);
        Ok(epoll::modify(&self.0, socket, data, EventFlags::IN | EventFlags::ONESHOT)?)
    }

    /// Waits for something to arrive: at which of the sockets.
    pub(super) fn next(&self) -> io::Result<usize> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        loop {
            match epoll::wait(&self.0, &mut events, None) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(events[0].data.u64() as usize),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Arrivals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(arrivals: &Arrivals) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut set = [PollFd::new(arrivals, PollFlags::IN)];
        poll(&mut set, Some(&now)).unwrap() == 1
    }

    #[test]
    fn something_arrives_at_one_of_many() {
        let sockets: Vec<UdpSocket> =
            (0..300).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let all = || sockets.iter().map(AsFd::as_fd);
        let (each_time, once) = (Arrivals::at(all()).unwrap(), Arrivals::first_at(all()).unwrap());
        assert!(!is_readable(&each_time) && !is_readable(&once));
        sockets[0].send_to(b"a", sockets[217].local_addr().unwrap()).unwrap();
        assert!(is_readable(&each_time) && is_readable(&each_time));
        assert_eq!(once.next().unwrap(), 217);
        assert!(!is_readable(&once));
        once.again(217, sockets[217].as_fd()).unwrap();
        assert_eq!(once.next().unwrap(), 217);
        assert!(!is_readable(&once));
        sockets[0].send_to(b"a", sockets[3].local_addr().unwrap()).unwrap();
        assert_eq!(once.next().unwrap(), 3);
    }
}
