"""`bench/run network`: what networks of containers cost, beside other engines and bare pairs of interfaces.

Each engine has two network namespaces that are made for it: one is its host, the other is outside, by its default route. So none has another's
rules in its way."""
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import threading
import time

import start
from tools import Buildah, Docker, Rbuild, left_out

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOST, OUTSIDE = "10.99.0.1", "10.99.0.2"
IMAGE = "localhost/bench-network:latest"
NAMES = ["attach", "throughput", "crowd", "names"]
PAUSE = 0.5
# Nobody keeps a bridge for so long.
LONG_PAUSE = 1.5
GOALS = {"attach": "a bridge and a published port add 2 ms at most", "throughput": "docker's, each",
         "crowd": "removing 200 takes the caller 200 ms", "names": "10,000 questions a second"}
CROWD = 200
STREAMS = 7
PORT = 5201


class Namespace:
    """Kept by a process."""

    def __init__(self):
        self.holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "100000"])
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == own:
            time.sleep(0.01)
        self.command("ip", "link", "set", "lo", "up")

    def enter(self):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]

    def command(self, *words):
        return subprocess.run([*self.enter(), *words], check=True, text=True, capture_output=True).stdout

    def end(self):
        self.holder.kill()
        self.holder.wait()


def connect(one, name, other, other_name, addresses):
    """A pair of interfaces between two namespaces."""
    one.command("ip", "link", "add", name, "type", "veth", "peer", "name", other_name, "netns", str(other.holder.pid))
    for space, device, address in ((one, name, addresses[0]), (other, other_name, addresses[1])):
        space.command("ip", "addr", "add", f"{address}/24", "dev", device)
        space.command("ip", "link", "set", device, "up")


class Place:
    """A host with its neighbour outside."""

    def __init__(self):
        self.host, self.outside = Namespace(), Namespace()
        connect(self.host, "up0", self.outside, "up1", (HOST, OUTSIDE))
        self.host.command("ip", "route", "add", "default", "via", OUTSIDE)

    def end(self):
        self.host.end()
        self.outside.end()


class Engine:
    """rbuild, podman and docker have the same command lines; each is called in the namespace that is the host."""

    def __init__(self, tool, place):
        self.tool, self.name, self.place = tool, tool.name, place
        self.limits = start.LIMITS.get(tool.name, [])

    def environment(self):
        return self.tool.environment()

    def command(self, *words):
        return [*self.place.host.enter(), *self.tool.program, *words]

    def run(self, *flags, words=("true",)):
        return self.command("run", *self.limits, *flags, IMAGE, *words)

    def quietly(self, *words):
        return subprocess.run(self.command(*words), env=self.environment(), check=True, text=True,
                              capture_output=True).stdout

    def start(self, name, *flags, words=("sleep", "100000")):
        subprocess.run(self.run("-d", "--name", name, *flags, words=words), env=self.environment(), check=True,
                       stdout=subprocess.DEVNULL)

    def remove(self, *names):
        at_once = ["--time", "0"] if self.name == "podman" else []
        return self.command("rm", "-f", *at_once, *names)

    def address(self, name, network):
        template = "{{(index .NetworkSettings.Networks \"" + network + "\").IPAddress}}"
        return self.quietly("inspect", "--format", template, name).strip()

    def pid(self, name):
        """As this machine numbers it; dockerd has a PID namespace of its own."""
        told = self.quietly("inspect", "--format", "{{.State.Pid}}", name).strip()
        return told if self.name != "docker" else within(told)


def within(number):
    """The process that has this number one PID namespace further in."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                numbers = next((line.split()[1:] for line in file if line.startswith("NSpid:")), [])
        except OSError:
            continue
        if len(numbers) == 3 and numbers[1:] == [number, "1"]:
            return pid
    sys.exit(f"error: dockerd's process {number} is not to be found")


def run(options, scratch):
    engines = installed(options, scratch)
    try:
        print(f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}; busybox")
        for name in NAMES:
            if name in options.only or not options.only:
                print(f"\n{name}: {ROWS[name].__doc__}; goal {GOALS[name]}")
                ROWS[name](engines, options)
    finally:
        for engine in engines:
            engine.tool.clean()
            engine.place.end()


def installed(options, scratch):
    wanted = [name for name in options.tools.split(",") if name]
    rootfs = image(scratch)
    makers = {"rbuild": lambda place: Rbuild(options.rbuild, scratch),
              "docker": lambda place: Docker(scratch, place.host.enter()), "podman": lambda place: podman(scratch)}
    engines = []
    for name, make in makers.items():
        if name != "rbuild" and (not shutil.which(name) or (wanted and name not in wanted)):
            left_out(name, "not installed, or not wanted")
            continue
        place = Place()
        engine = Engine(make(place), place)
        why = unusable(engine, rootfs)
        if why:
            engine.tool.clean()
            place.end()
            left_out(name, why)
        else:
            engines.append(engine)
    return engines


def podman(scratch):
    tool = Buildah("podman", scratch)
    tool.flags = ["--network-config-dir", os.path.join(scratch, "podman-networks")]
    return tool


def unusable(engine, rootfs):
    """Why this engine cannot take part, or nothing."""
    if engine.name == "docker" and not engine.tool.answers():
        return "dockerd does not start here; see its log"
    try:
        engine.quietly("import", rootfs, IMAGE)
        engine.quietly("run", "--rm", *engine.limits, "--network", network_of(engine), IMAGE, "true")
    except subprocess.CalledProcessError as error:
        return f"no network here: {error.stderr.strip().splitlines()[-1:]}"
    return None


def image(scratch):
    """busybox with iperf3 and its libraries."""
    path = os.path.join(scratch, "network.tar")
    subprocess.run([os.path.join(REPOSITORY, "scripts/busybox-rootfs.sh"), path], check=True)
    program = shutil.which("iperf3")
    if not program:
        return path
    listed = subprocess.run(["ldd", program], check=True, text=True, capture_output=True).stdout
    libraries = {word for line in listed.splitlines() for word in line.split() if word.startswith("/")}
    with tarfile.open(path, "a", dereference=True) as archive:
        archive.add(program, "usr/bin/iperf3")
        for library in sorted(libraries):
            archive.add(os.path.realpath(library), library.lstrip("/"))
    return path


def row_attach(engines, options):
    """`run --rm … true`: without a network, on a bridge that others are on, with a published port too; `first` is alone on its bridge"""
    for engine in engines:
        engine.start("resident")
    figures = turns(engines, {"none": ["--network", "none"], "bridge": [], "publish": ["-p", "18080:80"]},
                    4 * options.rounds, PAUSE)
    for engine in engines:
        subprocess.run(engine.remove("resident"), env=engine.environment(), check=True, capture_output=True)
    figures |= turns(engines, {"first": []}, options.rounds, LONG_PAUSE)
    ours = statistics.median(seconds for seconds, _ in figures["rbuild", "publish"])
    for engine in engines:
        base = None
        for kind in ("none", "bridge", "publish", "first"):
            seconds, cpu = zip(*figures[engine.name, kind])
            median, used = statistics.median(seconds), statistics.median(cpu)
            base = base if base is not None else (median, used)
            print(f"  {engine.name:<8} {kind:<8} {median * 1e3:8.1f} ms  ({(median - base[0]) * 1e3:+.1f} ms,"
                  f" CPU of the command {(used - base[1]) * 1e3:+.1f} ms)  {median / ours:6.2f}x", flush=True)


def turns(engines, kinds, count, pause):
    """The engines take turns with each kind; the first time counts for nothing."""
    figures = {(engine.name, kind): [] for engine in engines for kind in kinds}
    for number in range(count + 1):
        for engine in engines:
            for kind, flags in kinds.items():
                # The kernel takes namespaces away after their containers, and whoever comes at once waits for that.
                time.sleep(pause)
                value = start.timed(engine, engine.run("--rm", *flags))
                if number > 0:
                    figures[engine.name, kind].append(value)
    return figures


def row_throughput(engines, options):
    """iperf3, seven streams of a second a round, TCP, both ends on one processor; `bare` is a pair of interfaces between two namespaces"""
    if not shutil.which("iperf3"):
        print("  left out: iperf3 is not installed")
        return
    ways = {engine.name: ways_of(engine) for engine in engines}
    servers = [server for engine in engines for server in serve(engine)]
    figures = {way: {} for way in ways["rbuild"]}
    try:
        time.sleep(0.5)
        for number in range(STREAMS * max(1, options.rounds)):
            for way in figures:
                # Who comes second finds another machine than who came first.
                for engine in engines if number % 2 else reversed(engines):
                    value = gigabits(ways[engine.name][way], engine.environment())
                    figures[way].setdefault(engine.name, []).append(value)
    finally:
        for process in servers:
            process.kill()
            process.wait()
    for engine in engines:
        subprocess.run(engine.remove("server", "client"), env=engine.environment(), check=True, capture_output=True)
    bare(options, figures)
    report(figures)


def network_of(engine):
    return "podman" if engine.name == "podman" else "bridge"


def ways_of(engine):
    """What is asked in each direction. A container that serves and one that asks are started."""
    engine.start("server", "-p", "15201:5201", words=("iperf3", "-s"))
    engine.start("client")
    server = engine.address("server", network_of(engine))
    host, outside = engine.place.host.enter(), engine.place.outside.enter()
    # Whoever asks from within is the same program for all engines.
    inside = ["nsenter", f"--net=/proc/{engine.pid('client')}/ns/net", "--"]
    return {"container to container": [*inside, "iperf3", "-c", server],
            "host to container": [*host, "iperf3", "-c", server],
            "container to host": [*inside, "iperf3", "-c", HOST, "-p", "5202"],
            "published, from outside": [*outside, "iperf3", "-c", HOST, "-p", "15201"],
            "out through NAT": [*inside, "iperf3", "-c", OUTSIDE]}


def serve(engine):
    """Those who answer outside and on the host."""
    far = [*engine.place.outside.enter(), "iperf3", "-s"]
    near = [*engine.place.host.enter(), "iperf3", "-s", "-B", HOST, "-p", "5202"]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in (far, near)]


def bare(options, figures):
    one, other = Namespace(), Namespace()
    try:
        connect(one, "bare0", other, "bare1", ("10.98.0.1", "10.98.0.2"))
        server = subprocess.Popen([*other.enter(), "iperf3", "-s"], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        for _ in range(STREAMS * max(1, options.rounds)):
            value = gigabits([*one.enter(), "iperf3", "-c", "10.98.0.2"], os.environ)
            figures.setdefault("container to container", {}).setdefault("bare", []).append(value)
        server.kill()
        server.wait()
    finally:
        one.end()
        other.end()


def gigabits(command, environment):
    """Per second, and CPU seconds of the machine for each gigabyte."""
    before = busy()
    processor = min(os.sched_getaffinity(0))
    done = subprocess.run([*command, "-t", "1", "-A", f"{processor},{processor}", "--json"], env=environment, capture_output=True, text=True)
    used = busy() - before
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)}: {done.stdout[-500:]} {done.stderr}")
    received = json.loads(done.stdout)["end"]["sum_received"]
    return received["bits_per_second"] / 1e9, used / (received["bytes"] / 1e9)


def busy():
    """Seconds that all processors were busy."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / os.sysconf("SC_CLK_TCK")


def report(figures):
    for way, tools in figures.items():
        ours = statistics.median(speed for speed, _ in tools["rbuild"])
        print(f"  {way}")
        for name, values in tools.items():
            speed, cpu = (statistics.median(column) for column in zip(*values))
            print(f"    {name:<8} {speed:7.2f} Gbit/s  {speed / ours:5.2f} of ours  {cpu:5.2f} CPU s per GB", flush=True)


def row_crowd(engines, _options):
    """200 containers on one network, one after the other; then all removed by one command, and the network"""
    for engine in engines:
        engine.quietly("network", "create", "crowd")
        names = [f"crowd{number}" for number in range(CROWD)]
        begin, used = time.monotonic(), busy()
        for name in names:
            engine.start(name, "--network", "crowd")
        begun, used = time.monotonic() - begin, busy() - used
        for name in names:
            engine.quietly("kill", name) if engine.name != "rbuild" else None
        if engine.name == "rbuild":
            engine.quietly("kill", *names)
        removed, _ = start.timed(engine, engine.remove(*names))
        gone, _ = start.timed(engine, engine.command("network", "rm", "crowd"))
        print(f"  {engine.name:<8} {begun / CROWD * 1e3:7.1f} ms each ({used / CROWD * 1e3:.1f} ms CPU of the machine);"
              f" rm -f of all, killed before, {removed * 1e3:.0f} ms; network rm {gone * 1e3:.1f} ms", flush=True)


def row_names(engines, options):
    """questions for the name of another container, answered in a second; one client with 32 on their way"""
    for engine in engines:
        if engine.name == "podman":
            continue
        engine.quietly("network", "create", "named")
        engine.start("db", "--network", "named")
        engine.start("asks", "--network", "named")
        pid = engine.pid("asks")
        counts = [questions(pid, "db") for _ in range(max(1, options.rounds // 2))]
        subprocess.run(engine.remove("db", "asks"), env=engine.environment(), check=True, capture_output=True)
        engine.quietly("network", "rm", "named")
        print(f"  {engine.name:<8} {statistics.median(counts):9.0f} a second", flush=True)


def questions(pid, name, seconds=2.0, window=32):
    """Asked by a thread in the namespace of this process."""
    result = []

    def ask():
        with open(f"/proc/{pid}/ns/net", encoding="ascii") as space:
            os_setns(space.fileno())
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(("127.0.0.11", 53))
        client.settimeout(1)
        body = bytes([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name)]) + name.encode() + bytes([0, 0, 1, 0, 1])
        number, answered = 0, 0
        end = time.monotonic() + seconds
        for number in range(window):
            client.send(number.to_bytes(2, "big") + body)
        while time.monotonic() < end:
            reply = client.recv(512)
            if reply[3] & 0xf or reply[7] != 1:
                sys.exit(f"error: {name} is not known")
            answered += 1
            number = (number + 1) & 0xffff
            client.send(number.to_bytes(2, "big") + body)
        result.append(answered / seconds)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return result[0] if result else 0


def os_setns(descriptor):
    import ctypes
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


ROWS = {name: globals()[f"row_{name}"] for name in NAMES}
