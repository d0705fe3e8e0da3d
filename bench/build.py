"""`bench/run build`: times of builds beside other builders, and whether all of them made the same."""
import contextlib
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib

import limits
from tools import installed_tools
from workloads import WORKLOADS

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICKS = os.sysconf("SC_CLK_TCK")
# What buildah mounts for a RUN and leaves as empty files.
STUBS = ("etc/hostname", "etc/hosts", "etc/resolv.conf")
# Old stores go when there is less.
LEAST_FREE = 12 << 30


def run(options, scratch):
    tools = installed_tools(options.rbuild, scratch, options.buildkit)
    wanted = [name for name in options.tools.split(",") if name]
    try:
        tools = [tool for tool in tools if not wanted or tool.name in ["rbuild", *wanted] or tool.clean()]
        base = os.path.join(scratch, "busybox.tar")
        subprocess.run([os.path.join(REPOSITORY, "scripts/busybox-rootfs.sh"), base], check=True)
        for tool in tools:
            tool.import_base(base)
        print(f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}")
        contexts, known = Contexts(scratch), {}
        for workload in WORKLOADS:
            if workload.name in options.only or (not options.only and (options.slow or not workload.slow)):
                known[workload.name] = measure(workload, tools, options, contexts, known)
                make_room(tools, scratch)
    finally:
        for tool in tools:
            tool.clean()


class Contexts:
    """One directory for all rows that build the same files."""

    def __init__(self, scratch):
        self.scratch, self.made = scratch, {}

    def of(self, workload):
        if workload.prepare not in self.made:
            context = tempfile.mkdtemp(prefix="context-", dir=self.scratch)
            # In a process of its own, whose memory no tool inherits.
            if (child := os.fork()) == 0:
                status = 1
                try:
                    workload.prepare(context)
                    status = 0
                finally:
                    os._exit(status)
            if os.waitpid(child, 0)[1]:
                sys.exit(f"error: the context of {workload.name} cannot be made")
            self.made[workload.prepare] = context
        return self.made[workload.prepare]


def make_room(tools, scratch):
    """Between two rows only: what is deleted makes creating files slow, for all tools alike."""
    if shutil.disk_usage(scratch).free >= LEAST_FREE:
        return
    print("(old stores are removed: the disk is nearly full)")
    for store in [store for tool in tools for store in tool.old_stores()]:
        shutil.rmtree(store, ignore_errors=True)
    os.sync()


def measure(workload, tools, options, contexts, known):
    """The medians of the seconds of each tool. `known`: those of the rows before."""
    tools = [tool for tool in tools if tool.name not in workload.without]
    tools = [tool for tool in tools if tool.build("", workload, None)]
    context = contexts.of(workload)
    archive = os.path.join(contexts.scratch, "archive.tar")
    output = archive if workload.output == "archive" else None
    figures = {tool.name: [] for tool in tools}
    if workload.before == "cached":
        for tool in tools:
            timed(tool, tool.build(context, workload, output), archive)
    for number in range(1 if workload.slow else options.rounds):
        if workload.change:
            workload.change(context, number)
        for tool in tools:
            if workload.before == "cold":
                tool.forget()
            # What was written before is on the disk, so that nobody pays for somebody else's.
            os.sync()
            figures[tool.name].append(timed(tool, tool.build(context, workload, output), archive, workload.builds))
            if number == 0 and not options.no_check and not workload.slow:
                check(workload, tool, archive, output)
    report(workload, tools, figures, archive)
    medians = {name: statistics.median(row[0] for row in rows) for name, rows in figures.items()}
    for limit in limits.lines(workload, context, tools, options, contexts.scratch, medians, known):
        print(f"  {limit}", flush=True)
    return medians


def timed(tool, commands, archive, builds=1):
    """Seconds, CPU seconds, MiB of the largest process, bytes of the archive."""
    if os.path.exists(archive):
        os.remove(archive)
    forget_peaks(tool.server)
    before = server_cpu(tool.server)
    start, cpu, memory = time.monotonic(), 0, 0
    for command in commands:
        with contextlib.ExitStack() as logs:
            running = [start_one(tool, command, logs) for _ in range(builds)]
            for process, log in running:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                cpu += usage.ru_utime + usage.ru_stime
                memory = max(memory, usage.ru_maxrss / 1024)
                if process.returncode:
                    log.seek(0)
                    sys.exit(f"error: {' '.join(command)}: exit {process.returncode}\n"
                             f"{log.read().decode(errors='replace')}")
    seconds = time.monotonic() - start
    size = os.path.getsize(archive) if os.path.exists(archive) else 0
    return seconds, cpu + server_cpu(tool.server) - before, max(memory, peak(tool.server)), size


def start_one(tool, command, logs):
    log = logs.enter_context(tempfile.TemporaryFile())
    return subprocess.Popen(command, env=tool.environment(), stdout=log, stderr=log), log


def server_cpu(server):
    """CPU seconds of a server and everything it has started and waited for."""
    return sum(family(server).values()) / TICKS


def forget_peaks(server):
    for pid in family(server):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")


def peak(server):
    """MiB of the largest process of a server since `forget_peaks`; containerd is one of them."""
    largest = 0
    for pid in family(server):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            found = [line.split()[1] for line in file if line.startswith("VmHWM:")]
            largest = max([largest, *(int(kib) / 1024 for kib in found)])
    return largest


def family(server):
    """The processes of a server, and the ticks of each with what it has waited for."""
    if server is None:
        return {}
    stats = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        stats[int(pid)] = (int(fields[1]), sum(map(int, fields[11:15])))
    found = {server.pid}
    while more := {pid for pid, (parent, _) in stats.items() if parent in found} - found:
        found |= more
    return {pid: stats[pid][1] for pid in found if pid in stats}


def report(workload, tools, figures, archive):
    network = "no RUN" if workload.network == "none" else f"{workload.network} network"
    output = "to the store (-t)" if workload.output == "tag" else "to an archive"
    print(f"\n{workload.name}: {workload.description} [{workload.before}; {network}; {output}; goal {workload.goal}]")
    ours = statistics.median(row[0] for row in figures["rbuild"])
    our_cpu = statistics.median(row[1] for row in figures["rbuild"]) or 0.001
    for tool in tools:
        seconds, cpu, memory, sizes = zip(*figures[tool.name])
        median, used = statistics.median(seconds), statistics.median(cpu)
        form = ""
        if workload.output == "archive":
            packed = lambda tool: tool.form_of(workload).split(", ")[1]
            other = "" if packed(tool) == packed(tools[0]) else " (other form)"
            form = f"  {sizes[-1] / 1e6:.0f} MB {tool.form_of(workload)}{other}"
        space = f"{max(memory):5.0f} MiB"
        print(f"  {tool.name:<8} {median * 1000:9.1f} ms (min {min(seconds) * 1000:.1f}, max {max(seconds) * 1000:.1f})"
              f" {median / ours:6.1f}x  CPU {used:6.2f} s {used / our_cpu:6.1f}x  {space}{form}", flush=True)


def check(workload, tool, archive, output):
    """All tools must have made the same files."""
    if not output:
        command = tool.save(archive)
        if command is None:
            return
        if os.path.exists(archive):
            os.remove(archive)
        subprocess.run(command, env=tool.environment(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # In a process of its own: what is in the memory of this one would show up in the figures of the tools.
    expected = os.path.join(os.path.dirname(archive), f"expected-{workload.name}")
    times = "times" if workload.network == "none" else "no times"
    command = [sys.executable, os.path.abspath(__file__), archive, expected, times]
    differing = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    if differing:
        sys.exit(f"error: {workload.name}: {tool.name} and the first tool made different files: {differing}")


def compare(archive, expected, times):
    """Prints what differs. The first archive of a row is what is expected of the others."""
    found = listing(archive)
    if not os.path.exists(expected):
        with open(expected, "w", encoding="utf-8") as file:
            json.dump(found, file)
        return
    with open(expected, encoding="utf-8") as file:
        known = {path: tuple(entry) for path, entry in json.load(file).items()}
    differing = [(path, entry, known.get(path)) for path, entry in found.items() if not same(entry, known.get(path), times)]
    differing += [(path, None, entry) for path, entry in known.items() if path not in found]
    if differing:
        print(sorted(differing, key=str)[:5])


def same(entry, other, times):
    """Times of what a command has written are those of its run; some tools cut them to seconds, others round them."""
    if other is None or entry[:-1] != other[:-1]:
        return False
    return times != "times" or entry[-1] == other[-1] or abs(entry[-1] - other[-1]) <= 1


def listing(archive):
    """What the layers of an archive hold together: path → type, mode, owner, link, content, xattrs, time of files."""
    files = {}
    with tarfile.open(archive) as outer:
        names = {member.name: member for member in outer.getmembers()}
        for blob in layers_of(outer, names):
            with tarfile.open(fileobj=Plain(outer.extractfile(names[blob])), mode="r|") as layer:
                for member in layer:
                    apply(files, layer, member)
    return files


def apply(files, layer, member):
    path = os.path.normpath(member.name).lstrip("/")
    parent, name = os.path.split(path)
    if name.startswith(".wh."):
        gone = os.path.join(parent, name[4:])
        for known in [known for known in files if known == gone or known.startswith(gone + "/")]:
            del files[known]
    elif path and path != "." and not path.startswith(("proc/", "sys/", "dev/")) and not (path in STUBS and member.size == 0):
        content = hashlib.sha256()
        if member.isreg():
            source = layer.extractfile(member)
            while piece := source.read(1 << 20):
                content.update(piece)
        xattrs = sorted((name, value) for name, value in member.pax_headers.items() if name.startswith("SCHILY.xattr."))
        files[path] = (member.type.decode(), member.mode & 0o7777, member.uid, member.gid, member.linkname, content.hexdigest(),
                       str(xattrs), int(member.mtime) if member.isreg() else None)


def layers_of(outer, names):
    load = lambda name: json.load(outer.extractfile(names[name]))
    blob = lambda descriptor: "blobs/sha256/" + descriptor["digest"].split(":")[1]
    if "index.json" in names:
        document = load(blob(load("index.json")["manifests"][0]))
        return [blob(layer) for layer in document["layers"]]
    return load("manifest.json")[0]["Layers"]


class Plain:
    """Reads through gzip, of one or many members."""

    def __init__(self, file):
        self.file, self.zip, self.rest = file, None, b""
        start = file.read(1 << 20)
        self.pending = start
        if start.startswith(b"\x1f\x8b"):
            self.zip = zlib.decompressobj(31)

    def read(self, size):
        while len(self.rest) < size:
            data = self.pending or self.file.read(1 << 20)
            self.pending = b""
            if not data:
                break
            while self.zip and data:
                self.rest += self.zip.decompress(data)
                data = self.zip.unused_data
                if self.zip.eof:
                    self.zip = zlib.decompressobj(31)
            if not self.zip:
                self.rest += data
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


if __name__ == "__main__":
    compare(*sys.argv[1:])
