"""How each builder is called. A tool that is not installed, or does not answer, is left out and named."""
import os
import shutil
import subprocess
import sys
import time

IMAGE = "rbuild-bench"


class Tool:
    """A builder with its own idea of storage. Every build is a list of command lines."""
    # Of a server: its processes count, too.
    server = None

    def environment(self):
        return dict(os.environ)

    def run(self, *arguments):
        subprocess.run([*self.program, *arguments], env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def forget(self):
        """Everything that is known of contexts and steps."""

    def save(self, path):
        """The command that writes the image built last to an archive."""
        return None

    def clean(self):
        """Removes what the benchmark left; stores below the scratch directory go with it."""


class Rbuild(Tool):
    name, form = "rbuild", "oci, gzip"

    def __init__(self, binary, scratch):
        self.program, self.scratch, self.number, self.base = [binary], scratch, 0, None

    def environment(self):
        return {**os.environ, "RBUILD_ROOT": os.path.join(self.scratch, f"store{self.number}"),
                "RBUILD_STATE": os.path.join(self.scratch, "state")}

    def import_base(self, rootfs):
        self.base = rootfs
        self.run("import", rootfs, "busybox:latest")

    def forget(self):
        # A store of its own: what is deleted makes creating files slow on ext4 for minutes.
        self.number += 1
        self.import_base(self.base)

    def build(self, context, workload, archive):
        flags = ["--no-cache"] if workload.before == "no-cache" else []
        if workload.network != "none":
            flags += ["--network", workload.network]
        if archive:
            flags += ["-o", f"type=oci,dest={archive}"]
        return [[*self.program, "build", "-q", *flags, "-t", IMAGE, context]]

    def save(self, path):
        return [*self.program, "save", "--format", "oci", "-o", path, IMAGE]


class Buildah(Tool):
    """buildah and `podman build`, which is the same code behind another name."""
    form = "oci, gzip"

    def __init__(self, name, scratch):
        self.name = name
        runtime = ["--runtime", "runc"] if name == "podman" and shutil.which("runc") else []
        self.program = [name, *runtime, "--root", os.path.join(scratch, name, "root"),
                        "--runroot", os.path.join(scratch, name, "run")]

    def import_base(self, rootfs):
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
        return commands + ([self.save(archive)] if archive else [])

    def save(self, path):
        return [*self.program, "push", "-q", IMAGE, f"oci-archive:{path}"]

    def forget(self):
        subprocess.run([*self.program, "rmi", "--force", IMAGE], capture_output=True, check=False)
        subprocess.run([*self.program, "rmi", "--prune"] if self.name == "buildah" else
                       [*self.program, "image", "prune", "--force"], capture_output=True, check=False)

    def clean(self):
        self.run("rmi", "--all", "--force")


class Docker(Tool):
    """A dockerd of the benchmark's own, with the BuildKit that is built into it."""
    name, form = "docker", "docker, plain"

    def __init__(self, scratch, enter=None):
        """`enter`: the command that enters the network namespace in which it is to have networks."""
        self.directory = os.path.join(scratch, "dockerd")
        os.mkdir(self.directory)
        self.program = [next(path for path in ("/usr/bin/docker", shutil.which("docker")) if os.path.exists(path))]
        at = lambda name: os.path.join(self.directory, name)
        without = [] if enter else ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        command = [*(enter or []), "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
                   "--kill-child", "--mount-proc", "dockerd", *without,
                   "--host", f"unix://{at('socket')}", "--data-root", at("data"), "--exec-root", at("exec"),
                   "--pidfile", at("pid")]
        with open(at("log"), "wb") as log:
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
        self.run("import", rootfs, "busybox:latest")

    def build(self, context, workload, archive):
        flags = ["--no-cache"] if workload.before == "no-cache" else []
        commands = [[*self.program, "build", "-q", *flags, "--network", "host", "-t", IMAGE, context]]
        return commands + ([self.save(archive)] if archive else [])

    def save(self, path):
        return [*self.program, "save", "-o", path, IMAGE]

    def forget(self):
        subprocess.run([*self.program, "rmi", "--force", IMAGE], env=self.environment(), capture_output=True)
        subprocess.run([*self.program, "builder", "prune", "--all", "--force"], env=self.environment(),
                       capture_output=True)

    def clean(self):
        children = f"/proc/{self.server.pid}/task/{self.server.pid}/children"
        with open(children, encoding="ascii") as file:
            for child in file.read().split():
                os.kill(int(child), 15)
        try:
            self.server.wait(20)
        except subprocess.TimeoutExpired:
            self.server.kill()


class Buildctl(Tool):
    """A buildkitd that runs already (`--buildkit ADDRESS`). Without an archive its image goes nowhere. It takes base
    images from registries only, so it has no part in rows with RUN."""
    name, form = "buildctl", "oci, gzip"

    def __init__(self, address):
        self.program = ["buildctl", "--addr", address]

    def import_base(self, rootfs):
        pass

    def build(self, context, workload, archive):
        if workload.network != "none":
            return None
        flags = ["--no-cache"] if workload.before == "no-cache" else []
        output = f"type=oci,dest={archive}" if archive else f"type=image,name={IMAGE}"
        return [[*self.program, "build", "--frontend", "dockerfile.v0", "--local", f"context={context}", "--local",
                 f"dockerfile={context}", "--progress", "plain", *flags, "--output", output]]

    def forget(self):
        self.run("prune", "--all")


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
