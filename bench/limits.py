"""What no builder can be quicker than here: printed beside the rows of `bench/run build` whose goal is a part of it."""
import os
import re
import statistics
import subprocess
import tarfile
import tempfile
import time


def line(workload, context, tools, options, scratch, medians):
    """A line for the report, or None. `medians`: of the seconds of each tool."""
    ours = medians["rbuild"]
    if workload.limit in ("archive", "hashing"):
        return _ceiling(workload, context, options, ours)
    if workload.limit == "layer":
        return _copying(tools, scratch, ours)
    if workload.limit == "command":
        return _bare(context, scratch, medians)
    return None


def _ceiling(workload, context, options, ours):
    """Reading, hashing, compressing, hashing: `store/examples/ceiling.rs`."""
    program = os.path.join(os.path.dirname(options.rbuild), "examples", "ceiling")
    if not os.path.exists(program):
        return "ceiling: not measured (cargo build --release -p store --example ceiling)"
    runs = [subprocess.run([program, context], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
            for _ in range(3)]
    best = min(runs, key=_seconds)
    if workload.limit == "hashing":
        read, hashed = (float(re.search(what + r" ([\d.]+)", best)[1]) for what in ("reading", "sha256"))
        return (f"reading and hashing, one after the other: {read + hashed:.3f} s: "
                f"rbuild takes {ours / (read + hashed):.2f} times that")
    return f"ceiling: {best}: rbuild is at {_seconds(best) / ours * 100:.0f} %"


def _seconds(text):
    return float(text.split()[0])


def _copying(tools, scratch, ours):
    """The largest blob of the store copied as a whole by `cp`, and synced: a layer is one file, which has to be written."""
    store = next(tool for tool in tools if tool.name == "rbuild").environment()["RBUILD_ROOT"]
    blobs = os.path.join(store, "images/blobs/sha256")
    largest = max((os.path.join(blobs, name) for name in os.listdir(blobs)), key=os.path.getsize)
    times = []
    for _ in range(3):
        copy = os.path.join(scratch, "copied-layer")
        os.sync()
        start = time.monotonic()
        subprocess.run(["cp", "--reflink=never", largest, copy], check=True)
        subprocess.run(["sync", "-f", copy], check=True)
        times.append(time.monotonic() - start)
        os.remove(copy)
    copied = statistics.median(times)
    return (f"floor: `cp` of the layer ({os.path.getsize(largest) / 1e6:.0f} MB) and `sync` {copied * 1000:.0f} ms: "
            f"rbuild takes {ours / copied:.2f} times that")


def _bare(context, scratch, medians):
    """The RUNs of the Dockerfile on an overlay that is mounted for them, and nothing else."""
    base = os.path.join(scratch, "bare-base")
    if not os.path.exists(base):
        os.mkdir(base)
        with tarfile.open(os.path.join(scratch, "busybox.tar")) as archive:
            archive.extractall(base)
    with open(os.path.join(context, "Dockerfile"), encoding="utf-8") as file:
        commands = [line[4:].strip() for line in file if line.startswith("RUN ")]
    times = [_on_overlay(base, commands, scratch) for _ in range(3)]
    bare = statistics.median(times)
    beyond = {name: max(seconds - bare, 0.001) for name, seconds in medians.items()}
    others = "".join(f", {name} {rest:.2f} s ({rest / beyond['rbuild']:.1f}x)" for name, rest in beyond.items() if name != "rbuild")
    return (f"the commands alone, on a bare overlay: {bare:.2f} s (min {min(times):.2f}, max {max(times):.2f}); "
            f"beyond that: rbuild {beyond['rbuild']:.2f} s{others}")


def _on_overlay(base, commands, scratch):
    directory = tempfile.mkdtemp(prefix="bare-", dir=scratch)
    at = lambda name: os.path.join(directory, name)
    lower, seconds = [base], 0
    os.sync()
    for number, command in enumerate(commands):
        upper, work, merged = (at(f"{name}{number}") for name in ("upper", "work", "merged"))
        for path in (upper, work, merged):
            os.mkdir(path)
        start = time.monotonic()
        options = f"lowerdir={':'.join(lower)},upperdir={upper},workdir={work},volatile"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
        subprocess.run(["chroot", merged, "/bin/sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["umount", merged], check=True)
        seconds += time.monotonic() - start
        lower.insert(0, upper)
    return seconds
