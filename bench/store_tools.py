"""How each tool loads, unpacks, saves and imports. `None`: it has no such operation.

Every operation is a list of command lines that run one after the other; `>FILE` as the last word takes the
output of a command, through a pipe and `cat`.
"""
import json
import os
import shutil
import subprocess
import tempfile

from image import NAME


class StoreTool:
    """A tool with a store of its own in `self.root`, which `fresh` begins anew."""
    kept = set()

    def __init__(self, name, scratch):
        self.name, self.scratch, self.root = name, scratch, os.path.join(scratch, name)

    def environment(self):
        return dict(os.environ)

    def fresh(self):
        # What is deleted would make file creation slow on ext4 for minutes: it passes over every inode that was
        # freed lately. So stores stay until the disk runs out.
        if shutil.disk_usage(self.scratch).free < 8e9:
            for old in os.scandir(self.scratch):
                if old.name.startswith("s-") and old.path not in self.kept:
                    shutil.rmtree(old, ignore_errors=True)
        self.root = tempfile.mkdtemp(prefix="s-", dir=self.scratch)

    def load(self, archive):
        """Into the store, not necessarily unpacked."""
        return None

    def unpack(self, archive):
        """Loaded and ready for a container to start."""
        return None

    def save(self, form, path):
        return None

    def import_rootfs(self, path):
        return None

    def output(self, *command):
        done = subprocess.run(command, env=self.environment(), check=True, text=True, stdout=subprocess.PIPE)
        return done.stdout.strip()


class Rbuild(StoreTool):
    def __init__(self, binary, scratch):
        super().__init__("rbuild", scratch)
        self.binary = binary

    def version(self):
        return self.output(self.binary, "--version")

    def environment(self):
        return {**os.environ, "RBUILD_ROOT": os.path.join(self.root, "store"),
                "RBUILD_STATE": os.path.join(self.root, "state")}

    def load(self, archive):
        return [[self.binary, "load", "-q", "-i", archive]]

    def unpack(self, archive):
        return [*self.load(archive), [self.binary, "run", "--rm", "--network", "none", NAME, "true"]]

    def save(self, form, path):
        command = [self.binary, "save", "--format", "docker" if form == "docker-plain" else "oci", NAME]
        if form == "docker-plain":
            command.append("--uncompressed")
        return [[*command, path] if path.startswith(">") else [*command, "-o", path]]

    def forget_forms(self):
        """What earlier rounds have compressed."""
        shutil.rmtree(os.path.join(self.root, "store/cache/forms"), ignore_errors=True)
        os.makedirs(os.path.join(self.root, "store/cache/forms"))

    def import_rootfs(self, path):
        return [[self.binary, "import", path, NAME]]

    def image_id(self):
        return self.output(self.binary, "images", "-q", "--no-trunc")

    def files(self):
        command = [self.binary, "run", "--rm", "--network", "none", NAME, "sh", "-c", "find /usr | wc -l"]
        return int(self.output(*command))


class Podman(StoreTool):
    def __init__(self, scratch):
        super().__init__("podman", scratch)

    @property
    def command(self):
        return ["podman", "--storage-driver", "overlay", "--root", os.path.join(self.root, "root"),
                "--runroot", os.path.join(self.root, "run")]

    def version(self):
        return self.output("podman", "--version")

    def fresh(self):
        super().fresh()
        # Its first command on an empty store makes the store, which is not to be timed.
        self.output(*self.command, "images", "-q")

    def unpack(self, archive):
        return [[*self.command, "load", "-q", "-i", archive]]

    def save(self, form, path):
        kind = "docker-archive" if form == "docker-plain" else "oci-archive"
        command = [*self.command, "save", "-q", "--format", kind, NAME]
        return [[*command, path] if path.startswith(">") else [*command, "-o", path]]

    def import_rootfs(self, path):
        return [[*self.command, "import", "-q", path, NAME]]

    def image_id(self):
        return self.output(*self.command, "images", "-q", "--no-trunc")

    def files(self):
        return count_below_usr(self.output(*self.command, "image", "mount", NAME))


class Skopeo(StoreTool):
    """Copies between forms; its store is an OCI layout, which it never unpacks."""

    def version(self):
        return self.output("skopeo", "--version")

    def layout(self):
        return f"oci:{self.root}/layout:image"

    def load(self, archive):
        kind = "docker-archive" if "docker" in archive else "oci-archive"
        return [["skopeo", "copy", "-q", f"{kind}:{archive}", self.layout()]]

    def save(self, form, path):
        if path.startswith(">"):
            return None
        kind = "docker-archive" if form == "docker-plain" else "oci-archive"
        return [["skopeo", "copy", "-q", self.layout(), f"{kind}:{path}:{NAME}"]]

    def image_id(self):
        manifest = json.loads(self.output("skopeo", "inspect", "--raw", self.layout()))
        return manifest["config"]["digest"]


class Docker(StoreTool):
    """The work is the daemon's, so the memory of the client says nothing."""

    def version(self):
        return self.output("docker", "version", "--format", "docker {{.Server.Version}}, storage driver ") + \
            self.output("docker", "info", "--format", "{{.Driver}}")

    def fresh(self):
        super().fresh()
        subprocess.run(["docker", "rmi", "--force", NAME], capture_output=True, check=False)
        subprocess.run(["docker", "image", "prune", "--force"], capture_output=True, check=False)

    def unpack(self, archive):
        return None if "zstd" in archive else [["docker", "load", "-q", "-i", archive]]

    def save(self, form, path):
        if form != "docker-plain":
            return None
        return [["docker", "save", NAME, path] if path.startswith(">") else ["docker", "save", NAME, "-o", path]]

    def import_rootfs(self, path):
        return [["docker", "import", path, NAME]]

    def image_id(self):
        return self.output("docker", "images", "-q", "--no-trunc", NAME)

    def files(self):
        command = ["docker", "run", "--rm", "--network", "none", NAME, "sh", "-c", "find /usr | wc -l"]
        return int(self.output(*command))


def count_below_usr(root):
    top = os.path.join(root, "usr")
    return 1 + sum(len(dirs) + len(files) for _, dirs, files in os.walk(top))


def installed(binary, scratch, left_out):
    tools = [Rbuild(binary, scratch)]
    for name, make in (("podman", Podman), ("skopeo", lambda scratch: Skopeo("skopeo", scratch))):
        if shutil.which(name):
            tools.append(make(scratch))
        else:
            left_out(name, "not installed")
    if not shutil.which("docker"):
        left_out("docker", "not installed")
    elif subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        left_out("docker", "no engine answers")
    else:
        tools.append(Docker("docker", scratch))
    return tools
