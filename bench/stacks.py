"""`bench/run compose`: stacks up and down, beside Docker Compose on a dockerd of the benchmark's own."""
import os
import shutil
import statistics
import subprocess
import sys
import time

from compose_config import peer
from start import pss
from tools import Docker, Rbuild

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = ["ten", "hundred", "idle"]
GOALS = {"ten": "up 150 ms and 10x, again 25 ms, down 150 ms and 6x", "hundred": "up 1.5 s", "idle": "3 MiB"}
SERVICE = "  service{n}:\n    image: busybox:latest\n    command: sleep 1000\n"


class Compose:
    """A program with docker compose's command line, and the engine behind it."""

    def __init__(self, name, program, tool, scratch):
        self.name, self.program, self.tool, self.scratch = name, program, tool, scratch

    def directory(self, count):
        # A project of its own for each, although they never run at the same time.
        path = os.path.join(self.scratch, f"bench-{self.name}-{count}")
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "compose.yaml"), "w", encoding="utf-8") as file:
            file.write("services:\n" + "".join(SERVICE.format(n=n) for n in range(count)))
        return path

    def seconds(self, count, *arguments):
        """Of the clock, and of the processors as far as the command itself uses them."""
        start = time.monotonic()
        process = subprocess.Popen([self.program, *arguments], cwd=self.directory(count), env=self.tool.environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"error: {self.name} {' '.join(arguments)} ended with {status}: {told.decode(errors='replace')}")
        return time.monotonic() - start, usage.ru_utime + usage.ru_stime


def run(options, scratch):
    base = os.path.join(scratch, "busybox.tar")
    subprocess.run([os.path.join(REPOSITORY, "scripts/busybox-rootfs.sh"), base], check=True)
    tools = [Compose("rcompose", os.path.join(os.path.dirname(options.rbuild), "rcompose"),
                     Rbuild(options.rbuild, scratch), scratch)]
    docker = start_docker(options, scratch)
    if docker:
        tools.append(docker)
    try:
        for tool in tools:
            tool.tool.import_base(base)
        print(f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}; busybox `sleep`, one bridge")
        for name in NAMES:
            if name in options.only or not options.only:
                print(f"\n{name}: {ROWS[name].__doc__}; goal {GOALS[name]}")
                ROWS[name](tools, options)
    finally:
        for tool in tools:
            tool.tool.clean()


def start_docker(options, scratch):
    wanted = [name for name in options.tools.split(",") if name]
    if wanted and "docker" not in wanted:
        return None
    program = peer()
    if not program or not shutil.which("dockerd"):
        print("left out: docker (needs dockerd, and Docker Compose: RBUILD_BENCH_COMPOSE names it)", file=sys.stderr)
        return None
    docker = Docker(scratch)
    if not docker.answers():
        docker.clean()
        print("left out: docker (dockerd does not start here)", file=sys.stderr)
        return None
    return Compose("docker", program, docker, scratch)


def row_ten(tools, options):
    """ten services `up -d`, `up -d` again with nothing to do, `down -t 0`"""
    life(tools, options.rounds, 10)


def row_hundred(tools, options):
    """the same with a hundred services"""
    life(tools[:1], max(1, options.rounds // 3), 100)


def life(tools, rounds, count):
    steps = [("up", ["up", "-d"]), ("again", ["up", "-d"]), ("down", ["down", "-t", "0"])]
    figures = {(step, tool.name): [] for step, _ in steps for tool in tools}
    for _ in range(rounds + 1):
        for tool in tools:
            for step, arguments in steps:
                figures[step, tool.name].append(tool.seconds(count, *arguments))
    for step, _ in steps:
        report(step, {tool.name: figures[step, tool.name][1:] for tool in tools})


def report(step, figures):
    ours = statistics.median(seconds for seconds, _ in figures["rcompose"])
    for name, values in figures.items():
        seconds, cpu = zip(*values)
        median = statistics.median(seconds)
        print(f"  {step:<6} {name:<9} {median * 1e3:8.1f} ms  (min {min(seconds) * 1e3:.1f}, max {max(seconds) * 1e3:.1f})"
              f"  {median / ours:6.2f}x  {statistics.median(cpu) * 1e3:6.1f} ms CPU", flush=True)


def row_idle(tools, _options):
    """memory (PSS) of what stays beside ten services that do nothing, for each"""
    for tool in tools[:1]:
        before = pids()
        tool.seconds(10, "up", "-d")
        found = sum(pss(pid) for pid in pids() - before)
        tool.seconds(10, "down", "-t", "0")
        print(f"  {tool.name:<9} {found / 10:8.0f} KiB, the services' own processes included")


def pids():
    return {pid for pid in os.listdir("/proc") if pid.isdigit()}


ROWS = {name: globals()[f"row_{name}"] for name in NAMES}
