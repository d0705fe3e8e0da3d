//! When things happened, noted by several processes in one page of memory: without a system call, which a filter could refuse.
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Call, Result, SysError};

/// So many moments can be told apart.
pub const MOMENTS: usize = 64;

type Page = [AtomicU64; MOMENTS];

/// A page that this process shares with those that it forks from now on.
pub struct Marks {
    page: NonNull<Page>,
}

/// Nanoseconds of the monotonic clock, which all processes of a machine have in common.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing. This clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Marks {
    pub fn new() -> Result<Marks> {
        let (access, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping wherever the kernel finds room; nothing that exists is touched.
        let page = unsafe {
            libc::mmap(std::ptr::null_mut(), std::mem::size_of::<Page>(), access, flags, -1, 0)
        };
        let failed = || SysError::new(Call::new("mmap"), std::io::Error::last_os_error());
        match NonNull::new(page) {
            Some(page) if page.as_ptr() != libc::MAP_FAILED => Ok(Marks { page: page.cast() }),
            _ => Err(failed()),
        }
    }

    fn moments(&self) -> &Page {
        // SAFETY: the mapping is as large as a `Page`, aligned to pages, begins as zeros, which are atomics, and stays until
        // this is dropped. Whoever shares it changes it by atomics only.
        unsafe { self.page.as_ref() }
    }

    /// It is this moment now, unless it was before. There is none beyond [`MOMENTS`].
    pub fn note(&self, moment: usize) {
        if let Some(moment) = self.moments().get(moment) {
            let _earlier = moment.compare_exchange(0, now(), Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// When it was, if it has been noted.
    pub fn at(&self, moment: usize) -> Option<u64> {
        let noted = self.moments().get(moment)?.load(Ordering::Acquire);
        (noted != 0).then_some(noted)
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this size, and nobody borrows it any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), std::mem::size_of::<Page>()) };
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..MOMENTS).filter_map(|moment| self.at(moment))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_noted_has_not_happened() {
        let marks = Marks::new().unwrap();
        let before = now();
        marks.note(3);
        marks.note(MOMENTS);
        assert!(marks.at(3).is_some_and(|at| (before..=now()).contains(&at)));
        assert_eq!((marks.at(2), marks.at(MOMENTS)), (None, None));
        let first = marks.at(3);
        marks.note(3);
        assert_eq!(marks.at(3), first);
    }

    #[test]
    fn a_child_notes_where_its_parent_reads() {
        // Another process: this one has threads, and a fork is for those that have one.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["marks::tests::notes_in_a_child", "--exact", "--test-threads=1"])
            .env("SYS_TEST_MARKS", "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
    }

    #[test]
    fn notes_in_a_child() {
        if !std::env::vars().any(|(name, _)| name == "SYS_TEST_MARKS") {
            return;
        }
        let marks = Marks::new().unwrap();
        // SAFETY: the child makes no call but those to note and to end.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            marks.note(7);
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for writing.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert!(marks.at(7).is_some());
    }
}
