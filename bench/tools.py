"""How each builder is called. A tool that is not installed, or does not answer, is left out and named."""
import os
import shutil
import subprocess
import sys
import time
import types

IMAGE = "rbuild-bench"


class Tool:
    """A builder with its own idea of storage. Every build is a list of command lines."""
    # Of a server: its processes count, too.
    server = None
    # What it writes where the row says nothing else.
    form = "oci, gzip"

    def form_of(self, workload):
        """What the layers of the archive are."""
        return "oci, plain" if workload.plain else self.form

    def environment(self):
        return dict(os.environ)

    def run(self, *arguments):
        subprocess.run([*self.program, *arguments], env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def forget(self):
        """Goes on with a new and empty store that has the base images. Nothing is deleted: that makes creating files slow
        on ext4 for minutes."""

    def old_stores(self):
        """Directories that are not used any more."""
        return []

    def save(self, path):
        """The command that writes the image built last to an archive."""
        return None

    def clean(self):
        """Removes what the benchmark left; stores below the scratch directory go with it."""


class Rbuild(Tool):
    name = "rbuild"

    def __init__(self, binary, scratch):
        self.program, self.scratch, self.number, self.base = [binary], scratch, 0, None

    def environment(self):
        return {**os.environ, "RBUILD_ROOT": os.path.join(self.scratch, f"store{self.number}"),
                "RBUILD_STATE": os.path.join(self.scratch, "state")}

    def import_base(self, rootfs):
        self.base = rootfs
        self.run("import", rootfs, "busybox:latest")

    def forget(self):
        self.number += 1
        self.import_base(self.base)

    def old_stores(self):
        return [os.path.join(self.scratch, f"store{number}") for number in range(self.number)]

    def build(self, context, workload, archive):
        flags = ["--no-cache"] if workload.before == "no-cache" else []
        if workload.network != "none":
            flags += ["--network", workload.network]
        if archive:
            form = ",compression=uncompressed" if workload.plain else ""
            flags += ["-o", f"type=oci,dest={archive}{form}"]
        return [[*self.program, "build", "-q", *flags, "-t", IMAGE, context]]

    def save(self, path):
        return [*self.program, "save", "--format", "oci", "-o", path, IMAGE]


class Buildah(Tool):
    """buildah and `podman build`, which is the same code behind another name."""

    def __init__(self, name, scratch):
        self.name, self.directory, self.number, self.base = name, os.path.join(scratch, name), 0, None
        # More flags of every command.
        self.flags = []

    @property
    def program(self):
        runtime = ["--runtime", "runc"] if self.name == "podman" and shutil.which("runc") else []
        return [self.name, *runtime, "--root", self.root(self.number), "--runroot", os.path.join(self.directory, "run"),
                *self.flags]

    def form_of(self, workload):
        # buildah compresses what goes to an archive, also with `--disable-compression`.
        return self.form if self.name == "buildah" else super().form_of(workload)

    def root(self, number):
        return os.path.join(self.directory, f"root{number}")

    def import_base(self, rootfs):
        self.base = rootfs
        if self.name == "podman":
            self.run("import", rootfs, "docker.io/library/busybox:latest")
            return
        container = subprocess.run([*self.program, "from", "scratch"], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.strip()
        self.run("add", container, rootfs, "/")
        self.run("commit", "--rm", container, "docker.io/library/busybox:latest")

    def build(self, context, workload, archive):
        flags = ["--no-cache"] if workload.before == "no-cache" else []
        if self.name == "buildah" and shutil.which("runc"):
            # Older crun refuses machines with both versions of cgroups.
            flags += ["--runtime", "runc"]
        commands = [[*self.program, "build", "-q", "--layers", *flags, "--network", "host", "--pull=never",
                     "--jobs", "4", "-t", IMAGE, context]]
        return commands + ([self.save(archive, workload.plain)] if archive else [])

    def save(self, path, plain=False):
        if plain and self.name == "podman":
            return [*self.program, "save", "-q", "--format", "oci-archive", "--uncompressed", "-o", path, IMAGE]
        return [*self.program, "push", "-q", IMAGE, f"oci-archive:{path}"]

    def forget(self):
        self.number += 1
        self.import_base(self.base)

    def old_stores(self):
        return [self.root(number) for number in range(self.number)]

    def clean(self):
        self.run("rmi", "--all", "--force")


class Docker(Tool):
    """A dockerd of the benchmark's own, with the BuildKit that is built into it."""
    name, form = "docker", "docker, plain"

    def __init__(self, scratch, enter=None):
        """`enter`: the command that enters the network namespace in which it is to have networks."""
        self.directory, self.enter, self.number, self.base = os.path.join(scratch, "dockerd"), enter, 0, None
        os.mkdir(self.directory)
        self.program = [next(path for path in ("/usr/bin/docker", shutil.which("docker")) if os.path.exists(path))]
        self.start()

    def form_of(self, workload):
        return self.form

    def data(self, number):
        return os.path.join(self.directory, f"data{number}")

    def start(self):
        at = lambda name: os.path.join(self.directory, name)
        without = [] if self.enter else ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        command = [*(self.enter or []), "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
                   "--kill-child", "--mount-proc", "dockerd", *without,
                   "--host", f"unix://{at('socket')}", "--data-root", self.data(self.number), "--exec-root", at("exec"),
                   "--pidfile", at("pid")]
        with open(at("log"), "ab") as log:
            self.server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def answers(self):
        for _ in range(300):
            done = subprocess.run([*self.program, "version"], env=self.environment(), capture_output=True)
            if done.returncode == 0:
                return True
            if self.server.poll() is not None:
                return False
            time.sleep(0.2)
        return False

    def environment(self):
        return {**os.environ, "DOCKER_BUILDKIT": "1", "HOME": self.directory,
                "DOCKER_HOST": f"unix://{os.path.join(self.directory, 'socket')}"}

    def import_base(self, rootfs):
        self.base = rootfs
        self.run("import", rootfs, "busybox:latest")

    def build(self, context, workload, archive):
        flags = ["--no-cache"] if workload.before == "no-cache" else []
        commands = [[*self.program, "build", "-q", *flags, "--network", "host", "-t", IMAGE, context]]
        return commands + ([self.save(archive)] if archive else [])

    def save(self, path):
        return [*self.program, "save", "-o", path, IMAGE]

    def forget(self):
        self.clean()
        self.number += 1
        self.start()
        if not self.answers():
            sys.exit("error: dockerd does not start again; see its log")
        self.import_base(self.base)

    def old_stores(self):
        return [self.data(number) for number in range(self.number)]

    def clean(self):
        children = f"/proc/{self.server.pid}/task/{self.server.pid}/children"
        with open(children, encoding="ascii") as file:
            for child in file.read().split():
                os.kill(int(child), 15)
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()


class Buildctl(Tool):
    """A buildkitd that runs already (`--buildkit ADDRESS`). Without an archive its image goes nowhere. It takes base
    images from registries only, so it has no part in rows with RUN."""
    name = "buildctl"

    def __init__(self, address):
        self.program = ["buildctl", "--addr", address]
        pid = next((int(pid) for pid in filter(str.isdigit, os.listdir("/proc")) if command_of(pid) == "buildkitd"), None)
        self.server = pid and types.SimpleNamespace(pid=pid)

    def import_base(self, rootfs):
        pass

    def build(self, context, workload, archive):
        if workload.network != "none":
            return None
        flags = ["--no-cache"] if workload.before == "no-cache" else []
        form = ",compression=uncompressed" if workload.plain else ""
        output = f"type=oci,dest={archive}{form}" if archive else f"type=image,name={IMAGE}"
        return [[*self.program, "build", "--frontend", "dockerfile.v0", "--local", f"context={context}", "--local",
                 f"dockerfile={context}", "--progress", "plain", *flags, "--output", output]]

    def forget(self):
        # Its store is not ours to replace: what is deleted here counts against it.
        self.run("prune", "--all")
        time.sleep(1)
        os.sync()


def command_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def installed_tools(rbuild, scratch, buildkit):
    tools = [Rbuild(rbuild, scratch)]
    if not shutil.which("dockerd"):
        left_out("docker", "dockerd is not installed")
    else:
        docker = Docker(scratch)
        if docker.answers():
            tools.append(docker)
        else:
            left_out("docker", "dockerd does not start here; see its log")
    for name in ("buildah", "podman"):
        if shutil.which(name):
            tools.append(Buildah(name, scratch))
        else:
            left_out(name, "not installed")
    if buildkit and shutil.which("buildctl"):
        tools.append(Buildctl(buildkit))
    else:
        left_out("buildctl", "no address of a buildkitd was given" if shutil.which("buildctl") else "not installed")
    return tools


def left_out(name, why):
    print(f"left out: {name} ({why})", file=sys.stderr)
