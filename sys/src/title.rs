//! How others see a process that goes on as another one without executing anything: its command line and environment in /proc.
use std::ffi::CString;
use std::io;

use crate::{Call, Result, SysError};

/// The kernel's `prctl_mm_map`.
#[repr(C)]
struct Map {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// These words are its command line from now on, and it has no environment. Not every kernel can that (it comes with what
/// checkpoints need).
pub fn set(words: &[CString]) -> Result<()> {
    let failed = |error| SysError::new(Call::new("prctl").text("PR_SET_MM_MAP"), error);
    let mut map = current().map_err(failed)?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_bytes_with_nul()).copied().collect();
    // The kernel reads it whenever somebody asks, as long as this process lives.
    let text: &'static [u8] = Vec::leak(bytes);
    let range = text.as_ptr_range();
    (map.arg_start, map.arg_end) = (range.start as u64, range.end as u64);
    (map.env_start, map.env_end) = (map.arg_start, map.arg_start);
    // SAFETY: tells the kernel where to read for others. The map is valid for its length, says of all else what is so, and the
    // text is never given back.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_MM,
            libc::PR_SET_MM_MAP,
            &raw const map,
            std::mem::size_of::<Map>(),
            0,
        )
    };
    if result == 0 { Ok(()) } else { Err(failed(io::Error::last_os_error())) }
}

/// As it is now.
fn current() -> io::Result<Map> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name in parentheses and may hold anything; the third follows.
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| {
        let text = fields.get(number - 3).ok_or(io::ErrorKind::InvalidData)?;
        text.parse::<u64>().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
    };
    Ok(Map {
        start_code: field(26)?,
        end_code: field(27)?,
        start_stack: field(28)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        // SAFETY: moves nothing, only tells.
        brk: unsafe { libc::sbrk(0) } as u64,
        arg_start: 0,
        arg_end: 0,
        env_start: 0,
        env_end: 0,
        auxv: 0,
        auxv_size: 0,
        exe_fd: u32::MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a process of its own: this one is to keep its name.
    #[test]
    fn others_see_the_new_words_and_no_environment() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["title::tests::renames_itself", "--exact", "--test-threads=1"])
            .env("SYS_TEST_TITLE", "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
    }

    #[test]
    fn renames_itself() {
        if !std::env::vars().any(|(name, _)| name == "SYS_TEST_TITLE") {
            return;
        }
        let long = CString::new("x".repeat(10_000)).unwrap();
        match set(&[c"another".into(), c"name".into(), long]) {
            Ok(()) => {
                let line = std::fs::read("/proc/self/cmdline").unwrap();
                assert!(line.starts_with(b"another\0name\0xxx") && line.len() == 10_014);
                assert_eq!(std::fs::read("/proc/self/environ").unwrap(), []);
            }
            // A kernel without.
            Err(error) => assert_eq!(error.errno(), Some(libc::EINVAL), "{error}"),
        }
    }
}
