"""OCI runtimes (crun, runc) with a bundle that is locked down as `rbuild run` locks down its containers."""
import ctypes
import json
import os
import shutil
import subprocess
import sys

PROFILE = "/usr/share/containers/seccomp.json"
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
                "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"]
CLONE_NEWNS = 0x20000


class OciRuntime:
    @staticmethod
    def installed(base, scratch, crun):
        """`crun`: a path; Debian's is older than 1.27 and not measured."""
        rootfs = os.path.join(scratch, "rootfs")
        os.mkdir(rootfs)
        subprocess.run(["tar", "-xf", base, "-C", rootfs], check=True)
        found = []
        for name, program in (("crun", crun), ("runc", shutil.which("runc"))):
            if program:
                found.append(OciRuntime(name, program, rootfs, scratch))
            else:
                how = "give its path with --crun" if name == "crun" else "it is not installed"
                print(f"left out: {name} ({how})", file=sys.stderr)
        return found

    def __init__(self, name, program, rootfs, scratch):
        self.name, self.program, self.scratch = name, program, scratch
        self.state = os.path.join(scratch, f"state-{name}")
        self.bundles = {args: self.bundle(rootfs, args) for args in ("true", "sleep 1000")}
        # Some versions take a machine with a cgroup2 mount besides v1 for one with cgroup2.
        self.unified = name == "crun" and os.path.ismount("/sys/fs/cgroup/unified")

    def bundle(self, rootfs, args):
        path = os.path.join(self.scratch, f"bundle-{self.name}-{args.split()[0]}")
        os.mkdir(path)
        subprocess.run([self.program, "spec"], cwd=path, check=True)
        config = os.path.join(path, "config.json")
        with open(config, encoding="utf-8") as file:
            spec = json.load(file)
        spec["root"] = {"path": rootfs, "readonly": False}
        names = [f"CAP_{name}" for name in CAPABILITIES]
        spec["process"] |= {"terminal": False, "args": args.split(), "noNewPrivileges": False,
                            "capabilities": {kind: names for kind in ("bounding", "effective", "permitted")}}
        spec["linux"]["seccomp"] = seccomp()
        with open(config, "w", encoding="utf-8") as file:
            json.dump(spec, file)
        return path

    def enter(self):
        if self.unified:
            libc = ctypes.CDLL(None)
            libc.unshare(CLONE_NEWNS)
            libc.umount2(b"/sys/fs/cgroup/unified", 2)

    def command(self, *arguments):
        return [self.program, "--root", self.state, *arguments]

    def run(self, number=0):
        return self.command("run", "--bundle", self.bundles["true"], f"bench-{self.name}-{os.getpid()}-{number}")

    def detached(self, name):
        return self.command("run", "--detach", "--bundle", self.bundles["sleep 1000"], name)

    def exec(self, name):
        return self.command("exec", name, "true")

    def remove(self, name):
        return self.command("delete", "--force", name)

    def environment(self):
        return dict(os.environ)


def seccomp():
    """Docker's profile as Podman installs it, for these capabilities and this processor, in the form of the runtime
    specification."""
    if not os.path.exists(PROFILE):
        sys.exit(f"error: {PROFILE} is missing; Debian's package is `golang-github-containers-common`")
    with open(PROFILE, encoding="utf-8") as file:
        profile = json.load(file)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    has = {f"CAP_{name}" for name in CAPABILITIES}

    def applies(rule):
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        if set(includes.get("caps", [])) - has or set(excludes.get("caps", [])) & has:
            return False
        return machine in includes.get("arches", [machine]) and machine not in excludes.get("arches", [])

    kept = ("names", "action", "args", "errnoRet")
    rules = [{key: rule[key] for key in kept if rule.get(key)} for rule in profile["syscalls"] if applies(rule)]
    arches = [entry for entry in profile["archMap"] if entry["architecture"].endswith(os.uname().machine.upper())]
    names = [name for entry in arches for name in (entry["architecture"], *(entry["subArchitectures"] or []))]
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": names, "syscalls": rules}
