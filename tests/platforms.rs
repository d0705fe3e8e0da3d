//! Builds for several platforms: stages of the build's platform run as they are, those of another one by an interpreter
//! that is registered in binfmt_misc.
//!
//! The first interpreter here is busybox itself: its "foreign programs" are no more than a header, named like one of
//! its applets. The kernel, the container and the build cannot tell. The second is Debian's qemu, with a real program.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Archive, Sandbox, installed, privileged};

/// The processors nobody else's tests ask for.
const FAKE: Machine = Machine { name: "mips64le", number: 8 };
const LOOSE: Machine = Machine { name: "loong64", number: 258 };
const REAL: Machine = Machine { name: "riscv64", number: 243 };

#[derive(Clone, Copy)]
struct Machine {
    name: &'static str,
    number: u16,
}

impl Machine {
    /// The first bytes of its programs: 64 bits, little-endian.
    fn header(self) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        header.extend(self.number.to_le_bytes());
        header
    }

    fn platform(self) -> String {
        format!("linux/{}", self.name)
    }
}

/// An entry of binfmt_misc, gone with this value or this process. It is the machine's: whoever looks sees it.
struct Registered(Child);

/// Mounts binfmt_misc where nobody else sees it, and removes the entry when its input ends.
const SCRIPT: &str = "mount -t binfmt_misc none /mnt && printf %s \"$2\" >/mnt/register || exit 1\n\
    echo; read end; echo -1 >\"/mnt/$1\"";

impl Registered {
    /// None, with the reason printed, where this cannot be done.
    fn make(machine: Machine, interpreter: &str, flags: &str) -> Option<Registered> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
        let name = format!("rbuild-test-{}-{}", machine.name, std::process::id());
        let (header, mask) = (hex(&machine.header()), hex(&[0xff; 20]));
        let line = format!(":{name}:M::{header}:{mask}:{interpreter}:{flags}");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", SCRIPT, "sh", &name, &line]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        // A line when it is done.
        if child.stdout.as_mut()?.read(&mut [0]).is_ok_and(|length| length == 1) {
            return Some(Registered(child));
        }
        child.wait().unwrap();
        println!("skipped: nothing can be registered in binfmt_misc here");
        None
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Removed or not, the entry has a name of its own.
        let _ended = self.0.wait();
    }
}

/// A root filesystem whose programs are for another machine.
fn write_rootfs(machine: Machine, path: &Path) {
    let mut archive = tar::Builder::new(fs::File::create(path).unwrap());
    for program in ["sh", "cat", "uname", "mkdir", "ls", "true"] {
        let (mut header, content) = (tar::Header::new_ustar(), machine.header());
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, format!("bin/{program}"), content.as_slice()).unwrap();
    }
    archive.finish().unwrap();
}

/// What is not there is said before anything runs.
#[test]
fn a_foreign_run_without_interpreter_is_refused() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::with_busybox();
    let text = "FROM busybox AS tools\nRUN true\nFROM scratch\nCOPY --from=tools /bin/busybox /\nRUN true\n";
    let refused = sandbox.build(text, &["--platform=linux/mips"]).exits(1);
    let refused = refused.says("RUN needs a machine of platform linux/mips, this one is linux/");
    let refused = refused.says("no interpreter for its programs is registered in binfmt_misc");
    let refused =
        refused.says("Dockerfile:5").says("hint: `qemu-user-static` and `binfmt-support`");
    assert!(!refused.stderr.contains("#1 "), "nothing ran: {refused}");
    let Some(_loose) = Registered::make(LOOSE, "/bin/busybox", "") else { return };
    let text = "FROM scratch\nCOPY Dockerfile /\nRUN true\n";
    let refused = sandbox.build(text, &["--platform", &LOOSE.platform()]).exits(1);
    refused.says("its interpreter `/bin/busybox` is registered without the flag F");
    sandbox.build("FROM scratch\nRUN true\n", &["--platform=windows/amd64"]).exits(1);
    // As with BuildKit, an image that is for this machine runs here, whatever it was asked for.
    let warned = sandbox.build("FROM busybox\nRUN true\n", &["--platform=linux/mips"]).success();
    warned.says("InvalidBaseImagePlatform");
}

#[test]
fn foreign_stages_run_by_an_interpreter_beside_native_ones() {
    if !privileged() {
        return;
    }
    let Some(_registered) = Registered::make(FAKE, "/bin/busybox", "F") else { return };
    let sandbox = Sandbox::with_busybox();
    fs::create_dir(sandbox.path("context")).unwrap();
    write_rootfs(FAKE, &sandbox.path(&format!("context/{}.tar", FAKE.name)));
    let own = own_architecture(&sandbox);
    fs::copy(crate::support::busybox_rootfs(), sandbox.path(&format!("context/{own}.tar")))
        .unwrap();
    let text = "FROM --platform=$BUILDPLATFORM busybox AS native\n\
        RUN echo once >/once && echo built by $(id -u)\n\
        FROM native AS cross\n\
        ARG TARGETARCH BUILDARCH\n\
        RUN echo $BUILDARCH builds for $TARGETARCH >/cross\n\
        FROM scratch\n\
        ARG TARGETARCH\n\
        ADD $TARGETARCH.tar /\n\
        COPY --from=cross /once /cross /\n\
        RUN [\"/bin/sh\", \"-c\", \"echo on $TARGETARCH >/made\"]\n\
        USER 7\n\
        WORKDIR /w\n\
        RUN --mount=type=tmpfs,target=/t --network=none cat /made /cross >/w/read && ls -d /t >>/w/read\n";
    let platforms = format!("--platform=linux/{own},{}", FAKE.platform());
    let output =
        ["--no-cache", &platforms, "--output=type=oci,dest=image.tar", "--output=out", "-t=both"];
    let output = sandbox.build(text, &output).success();
    assert_eq!(output.stderr.matches("built by 0").count(), 1, "{output}");
    let index = Archive::open(&sandbox.path("image.tar")).manifest();
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    for (number, architecture) in [own.as_str(), FAKE.name].into_iter().enumerate() {
        assert_eq!(index["manifests"][number]["platform"]["architecture"], architecture);
        let read = sandbox.read(&format!("out/linux_{architecture}/w/read"));
        assert_eq!(read, format!("on {architecture}\n{own} builds for {architecture}\n/t\n"));
    }
    // One platform alone, from the cache.
    let again = sandbox.build(text, &["--platform", &FAKE.platform()]).success();
    assert!(!again.stderr.contains("built by 0"), "{again}");
    sandbox.validate();
}

fn own_architecture(sandbox: &Sandbox) -> String {
    let inspected = sandbox.rbuild(["inspect", "busybox"]).success().stdout;
    let images: Value = serde_json::from_str(&inspected).unwrap();
    images[0]["Architecture"].as_str().unwrap().to_owned()
}

#[test]
fn qemu_runs_programs_of_another_processor() {
    if !privileged() || !installed("qemu-riscv64-static") {
        return;
    }
    let interpreter = "/usr/bin/qemu-riscv64-static";
    let Some(_registered) = Registered::make(REAL, interpreter, "F") else { return };
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("context")).unwrap();
    fs::write(sandbox.path("context/hello"), hello("hello from another processor\n")).unwrap();
    let text = "FROM scratch\nCOPY --chmod=755 hello /\nRUN [\"/hello\"]\n";
    let built = sandbox.build(text, &["--platform", &REAL.platform()]).success();
    built.says("hello from another processor");
    sandbox.validate();
}

/// A RISC-V program that writes a text and ends.
fn hello(text: &str) -> Vec<u8> {
    const LOADED: u64 = 0x1_0000;
    const HEADERS: u64 = 64 + 56;
    let code = [
        0x0400_0893,                             // addi a7, zero, 64 (write)
        0x0010_0513,                             // addi a0, zero, 1
        0x0000_0597,                             // auipc a1, 0
        0x0005_8593 | 28 << 20,                  // addi a1, a1, 28: the text behind the code
        0x0000_0613 | (text.len() as u32) << 20, // addi a2, zero, length
        0x0000_0073,                             // ecall
        0x05d0_0893,                             // addi a7, zero, 93 (exit)
        0x0000_0513,                             // addi a0, zero, 0
        0x0000_0073,                             // ecall
    ];
    let size = HEADERS + 4 * code.len() as u64 + text.len() as u64;
    let mut file = REAL.header();
    file.extend(1u32.to_le_bytes());
    for number in [LOADED + HEADERS, 64, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for number in [64u16, 56, 1, 0, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    // One segment, to be read and executed.
    file.extend([1u32, 5].map(u32::to_le_bytes).concat());
    for number in [0, LOADED, LOADED, size, size, 0x1000] {
        file.extend(number.to_le_bytes());
    }
    file.extend(code.map(u32::to_le_bytes).concat());
    file.extend(text.as_bytes());
    file
}
