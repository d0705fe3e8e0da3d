//! Interpreters that the kernel starts for programs of other processors (binfmt_misc): which are registered, and
//! whether containers can use them.
//!
//! A container does not see the interpreter's file. With the flag F the kernel opened it when it was registered, and
//! nothing has to be seen.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use sys::mount::new_mount;

const PLACE: &str = "/proc/sys/fs/binfmt_misc";
/// Exists where the kernel of a 64-bit x86 machine runs programs of 32 bits.
const COMPATIBLE_386: &str = "/proc/sys/abi/vsyscall32";

/// What this machine can run besides its own programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emulators {
    interpreters: Vec<Interpreter>,
    /// The processor itself runs it.
    runs_386: bool,
}

/// Why programs of another processor cannot run in a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEmulator {
    #[error("no interpreter for its programs is registered in binfmt_misc")]
    NotRegistered,
    #[error("its interpreter `{}` is registered without the flag F: containers cannot reach it", path.display())]
    NotFixed { path: PathBuf },
}

/// One file of binfmt_misc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Interpreter {
    path: PathBuf,
    /// Flag F.
    fixed: bool,
    offset: usize,
    magic: Vec<u8>,
    /// As long as `magic`.
    mask: Vec<u8>,
}

impl Emulators {
    /// What is registered now. Where binfmt_misc cannot be looked at, nothing is.
    pub fn of_machine() -> Emulators {
        Emulators::with(registered().unwrap_or_default())
    }

    /// The same, for those who tell nothing from not knowing.
    pub fn look() -> io::Result<Emulators> {
        registered().map(Emulators::with)
    }

    fn with(interpreters: Vec<Interpreter>) -> Emulators {
        let runs_386 = cfg!(target_arch = "x86_64") && Path::new(COMPATIBLE_386).exists();
        Emulators { interpreters, runs_386 }
    }

    /// Whether programs for this architecture (in Go's words: `arm64`, `ppc64le`) run in containers.
    pub fn check(&self, architecture: &str) -> Result<(), NoEmulator> {
        if architecture == "386" && self.runs_386 {
            return Ok(());
        }
        let header = header(architecture).ok_or(NoEmulator::NotRegistered)?;
        let mut found = self.interpreters.iter().filter(|known| known.takes(&header));
        match (found.clone().find(|known| known.fixed), found.next()) {
            (Some(_), _) => Ok(()),
            (None, Some(other)) => Err(NoEmulator::NotFixed { path: other.path.clone() }),
            (None, None) => Err(NoEmulator::NotRegistered),
        }
    }
}

/// Reads the files where they are mounted; where they are not (as in containers), from a mount of our own.
fn registered() -> io::Result<Vec<Interpreter>> {
    if Path::new(PLACE).join("status").exists() {
        return read_all(Path::new(PLACE));
    }
    let mounted = new_mount("binfmt_misc", &[], libc::MOUNT_ATTR_RDONLY)?;
    read_all(&PathBuf::from(format!("/proc/self/fd/{}", mounted.as_raw_fd())))
}

fn read_all(place: &Path) -> io::Result<Vec<Interpreter>> {
    if fs::read_to_string(place.join("status"))?.trim() != "enabled" {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let name = entry?.file_name();
        if name != "status" && name != "register" {
            // One may be removed while the list is read.
            found.extend(fs::read_to_string(place.join(name)).ok().and_then(|text| parse(&text)));
        }
    }
    Ok(found)
}

/// None for one that is disabled, or that goes by a file's extension.
fn parse(text: &str) -> Option<Interpreter> {
    let mut found = Interpreter::default();
    let mut enabled = false;
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "enabled" => enabled = true,
            "interpreter" => found.path = PathBuf::from(value),
            "flags:" => found.fixed = value.contains('F'),
            "offset" => found.offset = value.parse().ok()?,
            "magic" => found.magic = bytes(value)?,
            "mask" => found.mask = bytes(value)?,
            _ => {}
        }
    }
    found.mask.resize(found.magic.len(), 0xff);
    (enabled && !found.magic.is_empty()).then_some(found)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

impl Interpreter {
    /// What is beyond the header counts as zeros.
    fn takes(&self, header: &[u8]) -> bool {
        self.magic.iter().zip(&self.mask).enumerate().all(|(at, (magic, mask))| {
            let byte = header.get(self.offset + at).copied().unwrap_or(0);
            byte & mask == magic & mask
        })
    }
}

/// The first bytes of a program: class, byte order, kind, machine.
fn header(architecture: &str) -> Option<[u8; 20]> {
    let (wide, little, machine): (bool, bool, u16) = match architecture {
        "386" => (false, true, 3),
        "amd64" => (true, true, 62),
        "arm" => (false, true, 40),
        "arm64" => (true, true, 183),
        "loong64" => (true, true, 258),
        "mips" => (false, false, 8),
        "mipsle" => (false, true, 8),
        "mips64" => (true, false, 8),
        "mips64le" => (true, true, 8),
        "ppc64" => (true, false, 21),
        "ppc64le" => (true, true, 21),
        "riscv64" => (true, true, 243),
        "s390x" => (true, false, 22),
        _ => return None,
    };
    let number = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let mut header = [0; 20];
    header[..4].copy_from_slice(b"\x7fELF");
    header[4] = if wide { 2 } else { 1 };
    header[5] = if little { 1 } else { 2 };
    header[6] = 1;
    header[16..18].copy_from_slice(&number(2));
    header[18..20].copy_from_slice(&number(machine));
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's qemu-user-static registers it.
    const ARM64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn emulators(texts: &[&str]) -> Emulators {
        let interpreters = texts.iter().filter_map(|text| parse(text)).collect();
        Emulators { interpreters, runs_386: false }
    }

    #[test]
    fn an_interpreter_is_for_one_processor() {
        let emulators = emulators(&[ARM64]);
        assert_eq!(emulators.check("arm64"), Ok(()));
        for other in ["arm", "riscv64", "ppc64", "sparc", "386"] {
            assert_eq!(emulators.check(other), Err(NoEmulator::NotRegistered), "{other}");
        }
    }

    #[test]
    fn every_known_header_is_told_from_the_others() {
        let known = ["arm", "arm64", "mips", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x"];
        for name in known {
            let magic = header(name).unwrap().map(|byte| format!("{byte:02x}")).concat();
            let text = format!("enabled\ninterpreter /q\nflags: F\noffset 0\nmagic {magic}\n");
            let emulators = emulators(&[&text]);
            for other in known {
                assert_eq!(emulators.check(other).is_ok(), name == other, "{name} {other}");
            }
        }
    }

    #[test]
    fn it_has_to_be_enabled_and_fixed() {
        let disabled = ARM64.replacen("enabled", "disabled", 1);
        assert_eq!(emulators(&[&disabled]).check("arm64"), Err(NoEmulator::NotRegistered));
        let loose = ARM64.replacen("POCF", "OC", 1);
        let error = emulators(&[&loose]).check("arm64").unwrap_err();
        assert!(error.to_string().contains("aarch64-binfmt-P` is registered without the flag F"));
        assert_eq!(emulators(&[&loose, ARM64]).check("arm64"), Ok(()));
        assert_eq!(
            emulators(&["enabled\ninterpreter /w\nflags: \nextension .exe\n"]),
            emulators(&[])
        );
    }
}
