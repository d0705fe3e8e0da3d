//! Memory of this process that its files can give again.
use std::io;
use std::ops::Range;

/// Lets go of the pages of programs and libraries that this process has read and not changed: those that it still needs
/// come back as it uses them. For a process that has done much and from now on does little. Only with one thread.
pub fn forget_files() -> io::Result<()> {
    for pages in unchanged(&std::fs::read_to_string("/proc/self/smaps")?) {
        // SAFETY: the kernel says that no page of this private mapping of a file differs from the file, and that it
        // cannot be written to; so what is read there afterwards is what was there before.
        let result =
            unsafe { libc::madvise(pages.start as *mut _, pages.len(), libc::MADV_DONTNEED) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    give_back();
    Ok(())
}

/// Threads from now on allocate where the first one does: an area of its own for each is worth its mapping only for those that
/// allocate much.
pub fn share_allocations() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number that the allocator looks at when a thread allocates for the first time.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// What was allocated and freed.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches free memory of the allocator only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Private mappings of files that cannot be written and have no page of their own.
fn unchanged(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current: Option<Range<usize>> = None;
    for line in smaps.lines() {
        if let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.contains(' ')) {
            if name == "Anonymous"
                && let Some(pages) = current.take()
                && value.trim() == "0 kB"
            {
                found.push(pages);
            }
        } else {
            current = mapping(line);
        }
    }
    found
}

/// `5589fb1eb000-5589fb2eb000 r-xp 00000000 fe:00 1234    /usr/bin/rbuild`
fn mapping(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?.as_bytes();
    let inode = words.nth(2)?;
    let of_a_file =
        permissions.get(1) == Some(&b'-') && permissions.get(3) == Some(&b'p') && inode != "0";
    let number = |text: &str| usize::from_str_radix(text, 16).ok();
    of_a_file.then_some(number(start)?..number(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unchanged_files_are_let_go() {
        let text = "1000-3000 r-xp 00000000 fe:00 12    /usr/bin/x y: z\n\
            Rss:                   4 kB\nAnonymous:             0 kB\nVmFlags: rd ex mr\n\
            3000-4000 r--p 00002000 fe:00 12    /usr/bin/x\nAnonymous:             8 kB\n\
            4000-5000 rw-p 00003000 fe:00 12    /usr/bin/x\nAnonymous:             0 kB\n\
            5000-6000 r--s 00003000 fe:00 13    /shared\nAnonymous:             0 kB\n\
            6000-7000 r-xp 00000000 00:00 0     [vdso]\nAnonymous:             0 kB\n";
        assert_eq!(unchanged(text), vec![Range { start: 0x1000, end: 0x3000 }]);
    }

    #[test]
    fn a_process_goes_on_without_them() {
        // Another process: this one has threads.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["memory::tests::forgets", "--exact", "--test-threads=1"])
            .env("SYS_TEST_FORGETS", "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
    }

    #[test]
    fn forgets() {
        if std::env::vars().any(|(name, _)| name == "SYS_TEST_FORGETS") {
            forget_files().unwrap();
            assert!(!format!("{:?}", std::time::Instant::now()).is_empty());
        }
    }
}
