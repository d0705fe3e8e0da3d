"""What no builder can be quicker than here: printed beside the rows of `bench/run build` whose goal is a part of it."""
import os
import re
import statistics
import subprocess
import tarfile
import tempfile
import time
import zlib


def lines(workload, context, tools, options, scratch, medians, known):
    """Lines for the report. `medians`: of the seconds of each tool; `known`: those of the rows before."""
    ours = medians["rbuild"]
    if workload.limit == "archive":
        return [_ceiling(workload, context, options, ours), _size(tools, scratch)]
    if workload.limit == "hashing":
        return [_ceiling(workload, context, options, ours)]
    if workload.limit == "layer":
        return [_copying(tools, scratch, ours)]
    if workload.limit == "command":
        return [_bare(context, scratch, medians)]
    if workload.limit == "writing":
        return [_writing(tools, scratch, ours, known.get(workload.name.removesuffix("-archive")))]
    if workload.limit:
        return [_beside(workload.limit, medians, known.get(workload.limit))]
    return []


def _beside(name, medians, other):
    if other is None:
        return f"beside `{name}`: not measured (that row was not asked for)"
    times = ", ".join(f"{tool} {seconds / other[tool]:.2f}x" for tool, seconds in medians.items() if tool in other)
    return f"beside `{name}`: {times}"


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
    layer = _largest_blob(tools)
    copied = _copied(layer, scratch)
    return (f"floor: `cp` of the layer ({os.path.getsize(layer) / 1e6:.0f} MB) and `sync` {copied * 1000:.0f} ms: "
            f"rbuild takes {ours / copied:.2f} times that")


def _writing(tools, scratch, ours, tagged):
    """An archive like the last one, copied by `cp` and synced, beside the same change with `-t`."""
    path = os.path.join(scratch, "written.tar")
    rbuild = _rbuild(tools)
    subprocess.run([*rbuild.program, "save", "--format", "oci", "-o", path, "rbuild-bench"], env=rbuild.environment(), check=True,
                   stdout=subprocess.DEVNULL)
    size, copied = os.path.getsize(path), _copied(path, scratch)
    os.remove(path)
    wrote = f"`cp` of the archive ({size / 1e6:.0f} MB) and `sync` {copied * 1000:.0f} ms"
    if tagged is None:
        return f"{wrote}; the row with `-t` was not asked for"
    whole = tagged["rbuild"] + copied
    return f"{wrote}, with the row with `-t` {whole * 1000:.0f} ms: rbuild takes {ours / whole:.2f} times that"


def _size(tools, scratch):
    """BuildKit compresses with Go's gzip at its level of its own, 6, whose size is that of zlib within a percent."""
    path, layer = os.path.join(scratch, "sized.tar"), _largest_blob(tools, plain=True)
    rbuild = _rbuild(tools)
    subprocess.run([*rbuild.program, "save", "--format", "oci", "-o", path, "rbuild-bench"], env=rbuild.environment(), check=True,
                   stdout=subprocess.DEVNULL)
    ours = os.path.getsize(path)
    os.remove(path)
    packer, theirs = zlib.compressobj(6, zlib.DEFLATED, 31), 0
    with open(layer, "rb") as file:
        while piece := file.read(1 << 20):
            theirs += len(packer.compress(piece))
    theirs += len(packer.flush())
    return (f"size: the archive has {ours / 1e6:.1f} MB, the layer by zlib at level 6 {theirs / 1e6:.1f} MB: "
            f"{(ours / theirs - 1) * 100:+.1f} %")


def _rbuild(tools):
    return next(tool for tool in tools if tool.name == "rbuild")


def _largest_blob(tools, plain=False):
    blobs = os.path.join(_rbuild(tools).environment()["RBUILD_ROOT"], "images/blobs/sha256")
    paths = [os.path.join(blobs, name) for name in os.listdir(blobs)]
    return max((path for path in paths if not plain or not _is_packed(path)), key=os.path.getsize)


def _is_packed(path):
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _copied(path, scratch):
    """Seconds."""
    times = []
    for _ in range(3):
        copy = os.path.join(scratch, "copied")
        os.sync()
        start = time.monotonic()
        subprocess.run(["cp", "--reflink=never", path, copy], check=True)
        subprocess.run(["sync", "-f", copy], check=True)
        times.append(time.monotonic() - start)
        os.remove(copy)
    return statistics.median(times)


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
