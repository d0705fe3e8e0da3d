"""`bench/run start`: how long containers take to start, beside other engines and OCI runtimes."""
import os
import statistics
import subprocess
import sys
import time

from bundle import OciRuntime
from tools import installed_tools

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GOALS = {"run": "5 ms, 1.0x crun, 50x docker", "exec": "4 ms"}
NAMES = ["run", "exec", "detached", "parallel", "thousand", "idle"]
AT_ONCE = 100
STARTS = 1000
IMAGE = "docker.io/library/busybox:latest"
LEFT = ["/proc/self/mounts", "/proc/net/unix"]


# Podman asks for more than some machines allow, and its runtime then refuses to start anything.
LIMITS = {"podman": ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]}


class Engine:
    """rbuild, podman and docker have the same command lines."""

    def __init__(self, tool):
        self.tool, self.name, self.limits = tool, tool.name, LIMITS.get(tool.name, [])

    def command(self, *arguments):
        return [*self.tool.program, *arguments]

    def run(self, number=0):
        return self.command("run", "--rm", *self.limits, "--network", "none", IMAGE, "true")

    def detached(self, name):
        return self.command("run", "-d", "--name", name, *self.limits, "--network", "none", IMAGE, "sleep", "1000")

    def exec(self, name):
        return self.command("exec", name, "true")

    def remove(self, name):
        at_once = ["--time", "0"] if self.name == "podman" else []
        return self.command("rm", "-f", *at_once, name)

    def environment(self):
        return self.tool.environment()


def run(options, scratch):
    base = os.path.join(scratch, "busybox.tar")
    subprocess.run([os.path.join(REPOSITORY, "scripts/busybox-rootfs.sh"), base], check=True)
    builders = installed_tools(options.rbuild, scratch, None)
    try:
        engines = [Engine(tool) for tool in builders if tool.name in ("rbuild", "podman", "docker")]
        for engine in engines:
            engine.tool.import_base(base)
        runtimes = OciRuntime.installed(base, scratch, options.crun)
        tools = engines[:1] + runtimes + engines[1:]
        wanted = [name for name in options.tools.split(",") if name]
        tools = [tool for tool in tools if not wanted or tool.name in ["rbuild", *wanted]]
        print(f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}; --network none, busybox")
        for name in NAMES:
            if name in options.only or (not options.only and (options.slow or name != "thousand")):
                print(f"\n{name}: {ROWS[name].__doc__}{goal(name)}")
                ROWS[name](tools, options)
    finally:
        for tool in builders:
            tool.clean()


def goal(name):
    return f"; goal {GOALS[name]}" if name in GOALS else ""


def timed(tool, command):
    """Seconds of the clock and of the processors."""
    start = time.monotonic()
    process = subprocess.Popen(command, env=tool.environment(), stdout=subprocess.DEVNULL,
                               preexec_fn=getattr(tool, "enter", do_nothing))
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"error: {' '.join(command)} ended with {status}")
    return seconds, usage.ru_utime + usage.ru_stime


def do_nothing():
    """Every tool is started the same way, so that it costs the same."""


def quietly(tool, command):
    subprocess.run(command, env=tool.environment(), check=True, stdout=subprocess.DEVNULL,
                   preexec_fn=getattr(tool, "enter", do_nothing))


def interleaved(tools, options, command):
    """A first time that does not count, then in turns."""
    figures = {tool.name: [] for tool in tools}
    for number in range(4 * options.rounds + 1):
        for tool in tools:
            value = timed(tool, command(tool))
            if number > 0:
                figures[tool.name].append(value)
    report(figures)


def report(figures):
    ours = statistics.median(seconds for seconds, _ in figures["rbuild"])
    for name, values in figures.items():
        seconds, cpu = zip(*values)
        median = statistics.median(seconds)
        print(f"  {name:<8} {median * 1e3:8.1f} ms  (min {min(seconds) * 1e3:.1f}, max {max(seconds) * 1e3:.1f})"
              f"  {median / ours:6.2f}x  {statistics.median(cpu) * 1e3:6.1f} ms CPU", flush=True)


def row_run(tools, options):
    """`run --rm … true`, the whole command; runtimes have their bundle unpacked"""
    interleaved(tools, options, lambda tool: tool.run())


def row_exec(tools, options):
    """`exec … true` in a container that runs"""
    kept(tools, lambda: interleaved(tools, options, lambda tool: tool.exec("kept")))


def row_detached(tools, options):
    """`run -d`, until the command returns; removed outside of the time"""
    figures = {tool.name: [] for tool in tools}
    for number in range(2 * options.rounds + 1):
        for tool in tools:
            value = timed(tool, tool.detached("gone"))
            quietly(tool, tool.remove("gone"))
            if number > 0:
                figures[tool.name].append(value)
    report(figures)


def row_parallel(tools, options):
    """100 × `run --rm … true` begun at once, until the last has ended"""
    figures = {tool.name: [] for tool in tools}
    for _ in range(max(1, options.rounds // 2)):
        for tool in tools:
            figures[tool.name].append(at_once(tool))
    report(figures)


def at_once(tool):
    start, before = time.monotonic(), os.times()
    processes = [subprocess.Popen(tool.run(number), env=tool.environment(), stdout=subprocess.DEVNULL,
                                  preexec_fn=getattr(tool, "enter", do_nothing)) for number in range(AT_ONCE)]
    failed = sum(process.wait() != 0 for process in processes)
    after = os.times()
    if failed:
        print(f"  {tool.name}: {failed} of {AT_ONCE} failed")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - start, cpu


def row_thousand(tools, options):
    """1,000 starts one after the other, and what is there afterwards that was not before"""
    for tool in tools[:1]:
        timed(tool, tool.run())
        before = counted()
        start = time.monotonic()
        for _ in range(STARTS):
            timed(tool, tool.run())
        each = (time.monotonic() - start) / STARTS
        left = left_since(before)
        print(f"  {tool.name:<8} {each * 1e3:8.1f} ms each; left: {left or 'nothing'}", flush=True)
        if left:
            sys.exit(f"error: {STARTS} starts leave {left}")


def left_since(before):
    """What is still there after a while: the last container's files go when its command has ended."""
    deadline = time.monotonic() + 10
    while (left := difference(before, counted())) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def counted():
    """Of this machine: mounts, cgroups, processes, namespaces of processes, sockets."""
    count = {path: sum(1 for _ in open(path, encoding="utf-8", errors="replace")) for path in LEFT}
    count["cgroups"] = sum(1 for _ in os.walk("/sys/fs/cgroup"))
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    ours = [pid for pid in pids if command_line(pid).startswith(b"rbuild") or b"/rbuild\0" in command_line(pid)]
    count["processes of rbuild"] = len(ours)
    count["namespaces"] = len({namespace for pid in pids for namespace in namespaces(pid)})
    return count


def namespaces(pid):
    try:
        return [os.readlink(f"/proc/{pid}/ns/{name}") for name in os.listdir(f"/proc/{pid}/ns")]
    except OSError:
        return []


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def difference(before, after):
    more = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    return ", ".join(f"{count} {name}" for name, count in more.items())


def row_idle(tools, options):
    """memory (PSS, which counts what is shared in parts) of what stays beside a container that does nothing"""
    for count in (1, 10):
        for tool in tools:
            before = monitors()
            names = [f"idle{number}" for number in range(count)]
            for name in names:
                quietly(tool, tool.detached(name))
            # What has just started something is not idle yet.
            time.sleep(1)
            found = [pss(pid) for pid in monitors() - before]
            for name in names:
                quietly(tool, tool.remove(name))
            print(f"  {tool.name:<8} {sum(found) / count:8.0f} KiB for each of {count}", flush=True)


def monitors():
    return {pid for pid in os.listdir("/proc") if pid.isdigit() and is_monitor(pid)}


def is_monitor(pid):
    name = os.path.basename(command_line(pid).split(b"\0")[0]).decode(errors="replace")
    return any(name.startswith(monitor) for monitor in ("rbuild", "conmon", "containerd-shim"))


def pss(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def kept(tools, act):
    """With a container of each tool that runs."""
    begun = []
    try:
        for tool in tools:
            quietly(tool, tool.detached("kept"))
            begun.append(tool)
        act()
    finally:
        for tool in begun:
            quietly(tool, tool.remove("kept"))


ROWS = {name: globals()[f"row_{name}"] for name in NAMES}
