"""Lines of a Dockerfile per second: parsing, planning every stage and all checks, as `rbuild check` does them."""
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

NAMES = ["1000", "10000", "100000", "one-stage"]
PATIENCE = 60  # seconds

STAGE = """\
FROM {base} AS stage{number}
ARG VERSION_{number}=1.{number}
ENV PATH_{number}="/opt/${{VERSION_{number}}}/bin:$PATH" HOME_{number}=/home/user{number}
WORKDIR /src/{number}
# what this stage is made of
COPY --chown=1000:1000 package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.cache,id=c{number} \\
    set -eux; \\
    make -j4 VERSION="$VERSION_{number}"; \\

    make install
COPY ["config {number}.toml", "/etc/conf.d/"]
ENV NAME_{number}=$HOME_{number} \
    OTHER_{number}=${{PATH_{number}:-none}}
USER user{number}
LABEL org.example.stage="{number}" org.example.version=$VERSION_{number}
EXPOSE 80{tens}/tcp
CMD ["/opt/bin/app", "--stage", "{number}"]
"""
PLAIN = "LABEL line{number}=value{number}\nRUN echo {number}\n"


def write(path, name):
    """Stages of eighteen lines, each from `scratch`; or one stage with nothing but RUN and LABEL."""
    if name == "one-stage":
        text = "FROM scratch\n" + "".join(PLAIN.format(number=n) for n in range(5000))
    else:
        count = int(name) // STAGE.count("\n")
        text = "".join(STAGE.format(base="scratch", number=n, tens=10 + n % 90) for n in range(count))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return text.count("\n")


def seconds_of(command):
    """Of the processor, user and kernel together, altogether, and KiB of memory; nothing when it took too long."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    patience = threading.Timer(PATIENCE, process.kill)
    patience.start()
    _, status, usage = os.wait4(process.pid, 0)
    patience.cancel()
    if os.WIFSIGNALED(status):
        return None
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss


def run(options, scratch):
    context = os.path.join(scratch, "context")
    os.mkdir(context)
    tools = {"rbuild": [options.rbuild, "check", "--format", "json", "-f"]}
    hadolint = shutil.which("hadolint")
    if hadolint:
        tools["hadolint"] = [hadolint, "--no-fail", "-f", "json"]
    else:
        print("left out: hadolint is not installed", file=sys.stderr)
    for name in NAMES:
        if options.only and name not in options.only:
            continue
        path = os.path.join(context, "Dockerfile")
        lines = write(path, name)
        print(f"\n{name}: {lines} lines")
        found = {tool: [] for tool in tools}
        for _ in range(options.rounds):
            for tool, command in tools.items():
                arguments = [path, context] if tool == "rbuild" else [path]
                found[tool].append(seconds_of([*command, *arguments]))
        for tool, values in found.items():
            if None in values:
                print(f"  {tool:<10} gave up after {PATIENCE} s")
                continue
            cpu = statistics.median(value[0] for value in values)
            wall = statistics.median(value[1] for value in values)
            peak = max(value[2] for value in values) >> 10
            print(f"  {tool:<10} {cpu:8.3f} s of CPU, {wall:8.3f} s altogether, "
                  f"{lines / cpu:12,.0f} lines per second of CPU, {peak} MiB", flush=True)
