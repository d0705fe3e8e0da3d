"""The rows of `bench/run store`: what is done to the image of `image.py`, and what is checked afterwards."""
import json
import os
import statistics
import subprocess
import sys
import time

import store_tools
from tools import left_out

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGE = os.path.join(HERE, "image.py")


class Row:
    """`before` and `after` are not timed. Both and `commands` take a tool and the directory of the archives."""

    def __init__(self, name, description, commands, before, after):
        self.name, self.description = name, description
        self.commands, self.before, self.after = commands, before, after


def run(options, scratch):
    archives = os.path.join(scratch, "archives")
    os.mkdir(archives)
    busybox = subprocess.run(["sh", "-c", "command -v busybox"], check=True, text=True, stdout=subprocess.PIPE)
    subprocess.run([sys.executable, IMAGE, "make", archives, busybox.stdout.strip()], check=True)
    with open(os.path.join(archives, "facts.json"), encoding="utf-8") as file:
        facts = json.load(file)
    tools = store_tools.installed(options.rbuild, scratch, left_out)
    print(f"image: {facts['plain'] / 1e6:.0f} MB plain, {facts['gzip'] / 1e6:.0f} MB gzip, {facts['zstd'] / 1e6:.0f} MB "
          f"zstd, {len(facts['diff_ids'])} layers, {facts['files']} files; {len(os.sched_getaffinity(0))} CPUs")
    for tool in tools:
        print(f"{tool.name}: {tool.version()}")
    for row in rows(facts):
        if not options.only or row.name in options.only:
            report(row, measure(row, tools, options.rounds, archives))


def measure(row, tools, rounds, archives):
    """A list of (seconds, CPU seconds, MiB) for each tool; the first round is checked."""
    figures = {tool.name: [] for tool in tools}
    for number in range(rounds):
        for tool in tools:
            row.before(tool, archives)
            commands = row.commands(tool, archives)
            if commands is None:
                continue
            # What was written before is on the disk, so that nobody pays for somebody else's.
            os.sync()
            figures[tool.name].append(timed(tool, commands))
            if number == 0:
                row.after(tool, archives)
    return figures


def timed(tool, commands):
    start, usages = time.monotonic(), []
    for command in commands:
        pipe = command[-1].startswith(">")
        target = open(command[-1][1:] if pipe else os.devnull, "wb")
        process = subprocess.Popen(command[:-1] if pipe else command, env=tool.environment(),
                                   stdout=subprocess.PIPE if pipe else target, stderr=subprocess.PIPE)
        reader = pipe and subprocess.Popen(["cat"], stdin=process.stdout, stdout=target)
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if reader:
            reader.wait()
        target.close()
        if process.returncode:
            sys.exit(f"error: {' '.join(command)}: exit {process.returncode}\n{message.decode(errors='replace')}")
        usages.append(usage)
    seconds = time.monotonic() - start
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return seconds, cpu, max(usage.ru_maxrss for usage in usages) / 1024


def report(row, figures):
    print(f"\n{row.name}: {row.description}")
    ours = statistics.median(seconds for seconds, _, _ in figures["rbuild"])
    for name, values in ((name, values) for name, values in figures.items() if values):
        seconds, cpu, memory = zip(*values)
        median = statistics.median(seconds)
        used = "" if name == "docker" else f"  {statistics.median(cpu):6.2f} s CPU  {max(memory):6.0f} MiB"
        print(f"  {name:<8} {median:8.3f} s  (min {min(seconds):.3f}, max {max(seconds):.3f})"
              f"  {median / ours:5.2f}x{used}", flush=True)


def rows(facts):
    def archive(name):
        return lambda archives: os.path.join(archives, name)

    def fresh(tool, archives):
        tool.fresh()

    def with_image(name):
        def before(tool, archives):
            fresh(tool, archives)
            for command in tool.unpack(os.path.join(archives, name)) or tool.load(os.path.join(archives, name)):
                subprocess.run(command, env=tool.environment(), check=True, stdout=subprocess.DEVNULL)
        return before

    def once(prepare):
        """The store stays for all rounds and rows."""
        roots = {}
        def before(tool, archives):
            if tool.name not in roots:
                prepare(tool, archives)
                roots[tool.name] = tool.root
                tool.kept.add(tool.root)
            tool.root = roots[tool.name]
        return before

    def same_image(tool, archives):
        if tool.image_id() != facts["id"]:
            sys.exit(f"error: {tool.name} has image {tool.image_id()}, not {facts['id']}")

    def same_files(tool, archives):
        same_image(tool, archives)
        if tool.files() != facts["files"]:
            sys.exit(f"error: {tool.name} unpacked {tool.files()} files, not {facts['files']}")

    def same_archive(tool, archives):
        command = [sys.executable, IMAGE, "check", saved(tool, archives), archive("facts.json")(archives)]
        form = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
        print(f"  ({tool.name} writes {form})", file=sys.stderr)
        if tool.name == "rbuild" and "the same" not in form:
            sys.exit("error: rbuild must not touch the configuration")

    def nothing(tool, archives):
        pass

    def saved(tool, archives):
        return os.path.join(archives, f"saved-{tool.name}.tar")

    def new_archive(tool, archives):
        """Not every tool replaces one that is there."""
        if os.path.exists(saved(tool, archives)):
            os.remove(saved(tool, archives))
        return saved(tool, archives)

    def load(name):
        return lambda tool, archives: tool.load(archive(name)(archives))

    def unpack(name):
        return lambda tool, archives: tool.unpack(archive(name)(archives))

    def save(form):
        return lambda tool, archives: tool.save(form, new_archive(tool, archives))

    def save_to_pipe(tool, archives):
        return tool.save("docker-plain", ">" + os.devnull)

    def load_or_unpack(tool, archives):
        name = os.path.join(archives, "oci-gzip.tar")
        return tool.load(name) or tool.unpack(name)

    def import_rootfs(tool, archives):
        return tool.import_rootfs(os.path.join(archives, "rootfs.tar"))

    kept_plain, kept_gzip = once(with_image("docker-plain.tar")), once(with_image("oci-gzip.tar"))

    def compress(tool, archives):
        # Its layouts have compressed layers as soon as anything is in them.
        return None if tool.name == "skopeo" else tool.save("oci-gzip", new_archive(tool, archives))

    def uncompressed_yet(tool, archives):
        kept_plain(tool, archives)
        if tool.name == "rbuild":
            tool.forget_forms()

    return [
        Row("load", "an OCI archive with gzip layers into the store, nothing unpacked", load("oci-gzip.tar"), fresh,
            same_image),
        Row("unpack", "the same, ready to run (rbuild: load and a first run)", unpack("oci-gzip.tar"), fresh,
            same_files),
        Row("unpack-zstd", "an OCI archive with zstd layers, ready to run", unpack("oci-zstd.tar"), fresh, same_files),
        Row("unpack-docker", "a docker archive with plain layers, ready to run", unpack("docker-plain.tar"), fresh,
            same_files),
        Row("again", "the OCI archive again, all there already", load_or_unpack, kept_gzip, same_image),
        Row("save-docker", "a docker archive with plain layers", save("docker-plain"), kept_plain, same_archive),
        Row("save-pipe", "the same into a pipe", save_to_pipe, kept_plain, nothing),
        Row("save-gzip", "an OCI archive, layers compressed now", compress, uncompressed_yet, same_archive),
        Row("save-again", "an OCI archive of an image that came with gzip layers", save("oci-gzip"), kept_gzip,
            same_archive),
        Row("import", "a root file system of 75 MB as an image", import_rootfs, fresh, nothing),
    ]


NAMES = [row.name for row in rows({"id": "", "diff_ids": [], "files": 0})]
