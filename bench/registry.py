"""The rows of `bench/run registry`: an image of 500 MB in twenty layers from a registry on loopback and to one."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import store
import store_tools
from image import NAME
from tools import left_out

IMAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image.py")
# Each of the image's ten layers is made as so many.
SPLIT = 2


class Registry:
    """Debian's docker-registry, with an empty directory of its own."""

    def __init__(self, scratch):
        self.directory = tempfile.mkdtemp(prefix="registry-", dir=scratch)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        config = os.path.join(self.directory, "config.yml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}},
                       "storage": {"filesystem": {"rootdirectory": os.path.join(self.directory, "data")}},
                       "http": {"addr": self.address}}, file)
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        host, port = self.address.split(":")
        while socket.socket().connect_ex((host, int(port))):
            if self.process.poll() is not None:
                sys.exit("error: docker-registry does not start")
            time.sleep(0.02)

    def name(self):
        return f"{self.address}/bench/image:1"

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Rbuild(store_tools.Rbuild):
    def environment(self):
        return {name: value for name, value in super().environment().items() if name != "RBUILD_OFFLINE"}

    def pull(self, name):
        return [[self.binary, "pull", "-q", name]]

    def push(self, name):
        return [[self.binary, "push", "-q", name]]

    def tag(self, source, name):
        return [self.binary, "tag", source, name]

    def files(self, name):
        return int(self.output(self.binary, "run", "--rm", "--network", "none", name, "sh", "-c", "find /usr | wc -l"))


class Podman(store_tools.Podman):
    def pull(self, name):
        return [[*self.command, "pull", "-q", "--tls-verify=false", name]]

    def push(self, name):
        return [[*self.command, "push", "-q", "--tls-verify=false", name]]

    def tag(self, source, name):
        return [*self.command, "tag", source, name]

    def files(self, name):
        return store_tools.count_below_usr(self.output(*self.command, "image", "mount", name))


class Skopeo(Podman):
    """Into the same kind of store as podman's, which it unpacks to."""

    def __init__(self, scratch):
        super().__init__(scratch)
        self.name = "skopeo"

    def version(self):
        return self.output("skopeo", "--version")

    def own(self, name):
        return f"containers-storage:[overlay@{self.root}/root+{self.root}/run]{name}"

    def pull(self, name):
        return [["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", self.own(name)]]

    def push(self, name):
        return [["skopeo", "copy", "-q", "--dest-tls-verify=false", self.own(name), f"docker://{name}"]]


def installed(binary, scratch):
    tools = [Rbuild(binary, scratch)]
    for name, make in (("podman", Podman), ("skopeo", Skopeo)):
        if shutil.which(name) and shutil.which("podman"):
            tools.append(make(scratch))
        else:
            left_out(name, "not installed")
    return tools


def run(options, scratch):
    if not shutil.which("docker-registry"):
        sys.exit("error: docker-registry is not installed")
    archives = os.path.join(scratch, "archives")
    os.mkdir(archives)
    busybox = shutil.which("busybox")
    subprocess.run([sys.executable, IMAGE, "make", archives, busybox, str(SPLIT)], check=True)
    with open(os.path.join(archives, "facts.json"), encoding="utf-8") as file:
        facts = json.load(file)
    tools = installed(options.rbuild, scratch)
    print(f"image: {facts['plain'] / 1e6:.0f} MB plain, {facts['gzip'] / 1e6:.0f} MB gzip, {len(facts['diff_ids'])} layers, "
          f"{facts['files']} files; {len(os.sched_getaffinity(0))} CPUs")
    for tool in tools:
        print(f"{tool.name}: {tool.version()}")
    world = World(scratch, archives, facts, tools)
    try:
        for row in rows(world):
            if not options.only or row.name in options.only:
                store.report(row, store.measure(row, tools, options.rounds, archives))
    finally:
        world.end()


class World:
    """The registry that has the image, a new one for each push, and stores that have the image already."""

    def __init__(self, scratch, archives, facts, tools):
        self.scratch, self.facts = scratch, facts
        self.full, self.empty, self.kept = Registry(scratch), None, {}
        source = Rbuild(tools[0].binary, scratch)
        source.fresh()
        self.all(source, source.load(os.path.join(archives, "oci-gzip.tar")))
        self.all(source, [source.tag(NAME, self.full.name()), *source.push(self.full.name())])
        shutil.rmtree(source.root, ignore_errors=True)

    def all(self, tool, commands):
        for command in commands:
            subprocess.run(command, env=tool.environment(), check=True, stdout=subprocess.DEVNULL)

    def with_image(self, tool, _):
        """The store stays for all rounds and rows."""
        if tool.name not in self.kept:
            tool.fresh()
            self.all(tool, tool.pull(self.full.name()))
            self.kept[tool.name] = tool.root
            tool.kept.add(tool.root)
        tool.root = self.kept[tool.name]

    def to_an_empty_registry(self, tool, archives):
        self.with_image(tool, archives)
        if self.empty:
            self.empty.end()
        self.empty = Registry(self.scratch)
        self.all(tool, [tool.tag(self.full.name(), self.empty.name())])

    def same_files(self, tool, _):
        found, wanted = tool.files(self.full.name()), self.facts["files"]
        if found != wanted:
            sys.exit(f"error: {tool.name} unpacked {found} files, not {wanted}")

    def has_come(self, tool, _):
        manifest = subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{self.empty.name()}"],
                                  check=True, stdout=subprocess.PIPE).stdout
        if json.loads(manifest)["config"]["digest"] != self.facts["id"]:
            sys.exit(f"error: what {tool.name} has pushed is another image")

    def end(self):
        for registry in (self.full, self.empty):
            if registry:
                registry.end()


def rows(world):
    nothing = lambda tool, archives: None
    fresh = lambda tool, archives: tool.fresh()
    return [
        store.Row("pull", "from a registry into an empty store, ready to run",
                  lambda tool, _: tool.pull(world.full.name()), fresh, world and world.same_files),
        store.Row("pull-again", "the same, all there already", lambda tool, _: tool.pull(world.full.name()),
                  world and world.with_image, nothing),
        store.Row("push", "to an empty registry, what came from another one",
                  lambda tool, _: tool.push(world.empty.name()), world and world.to_an_empty_registry,
                  world and world.has_come),
        store.Row("push-again", "the same, all there already", lambda tool, _: tool.push(world.full.name()),
                  world and world.with_image, nothing),
    ]


NAMES = [row.name for row in rows(None)]
