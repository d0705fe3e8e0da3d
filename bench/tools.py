"""How each builder is called. A tool that is not installed, or does not answer, is left out and named."""
import os
import shutil
import subprocess
import sys

IMAGE = "rbuild-bench"


class Tool:
    """A builder with its own idea of storage."""

    def environment(self):
        return dict(os.environ)

    def run(self, *arguments):
        subprocess.run([*self.program, *arguments], env=self.environment(), check=True,
                       stdout=subprocess.DEVNULL)

    def clean(self):
        """Removes what the benchmark left; stores below the scratch directory go with it."""


class Rbuild(Tool):
    name = "rbuild"

    def __init__(self, binary, scratch):
        self.program, self.scratch = [binary], scratch

    def environment(self):
        return {**os.environ, "RBUILD_ROOT": os.path.join(self.scratch, "store"),
                "RBUILD_STATE": os.path.join(self.scratch, "state")}

    def import_base(self, rootfs):
        self.run("import", rootfs, "busybox:latest")

    def build_command(self, context, cached):
        flags = [] if cached else ["--no-cache"]
        return [*self.program, "build", "-q", *flags, "-t", IMAGE, context]


class Buildah(Tool):
    """buildah and `podman build`, which is the same code behind another name."""

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

    def build_command(self, context, cached):
        flags = ["--layers"] if cached else ["--no-cache", "--layers"]
        if self.name == "buildah" and shutil.which("runc"):
            # Older crun refuses machines with both versions of cgroups.
            flags += ["--runtime", "runc"]
        return [*self.program, "build", "-q", *flags, "--network", "host", "--pull=never",
                "--jobs", "4", "-t", IMAGE, context]

    def clean(self):
        self.run("rmi", "--all", "--force")


class Docker(Tool):
    name = "docker"
    program = ["docker"]

    def import_base(self, rootfs):
        self.run("import", rootfs, "busybox:latest")

    def environment(self):
        return {**os.environ, "DOCKER_BUILDKIT": "1"}

    def build_command(self, context, cached):
        flags = [] if cached else ["--no-cache"]
        return ["docker", "build", "-q", *flags, "--network", "host", "-t", IMAGE, context]

    def clean(self):
        self.run("rmi", "--force", IMAGE)


def installed_tools(rbuild, scratch):
    tools = [Rbuild(rbuild, scratch)]
    for name in ("buildah", "podman"):
        if shutil.which(name):
            tools.append(Buildah(name, scratch))
        else:
            left_out(name, "not installed")
    if not shutil.which("docker"):
        left_out("docker", "not installed")
    elif subprocess.run(["docker", "info"], capture_output=True).returncode:
        left_out("docker", "no engine answers")
    else:
        tools.append(Docker())
    return tools


def left_out(name, why):
    print(f"left out: {name} ({why})", file=sys.stderr)
