#!/usr/bin/env python3
"""Makes the image of `bench/run store`, and checks archives of it.

usage: image.py make DIRECTORY BUSYBOX [SPLIT]    writes oci-gzip.tar, oci-zstd.tar, docker-plain.tar, rootfs.tar, facts.json
       image.py check ARCHIVE FACTS       compares configuration and layers, prints the form of the layers

Ten layers of 500 MB together (each in SPLIT ones, if that is given), like those of a language's image on Debian: thousands of small files, a few
large libraries, symbolic and hard links, files deleted and replaced by later layers. The content comes from a
seed and compresses about as well as programs do. A process of its own, because what the benchmark itself has
in memory would show up in the figures of the programs it starts.
"""
import concurrent.futures
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import zlib

NAME = "docker.io/library/rbuild-bench:latest"
MIB = 1 << 20
# Per layer: small files, large files, bytes of each large one.
LAYERS = [(6000, 10, 2 * MIB), (3000, 6, 3 * MIB), (2500, 8, 4 * MIB), (2000, 3, 12 * MIB), (2000, 4, 6 * MIB),
          (1500, 2, 20 * MIB), (1500, 6, 5 * MIB), (1000, 1, 64 * MIB), (800, 5, 8 * MIB), (200, 4, MIB)]


class Contents:
    """Slices of a pool that is half text, half something like machine code."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        words = [self.random.randbytes(6).hex().encode()[:self.random.randint(2, 12)] for _ in range(3000)]
        weights = [1 / (rank + 3) for rank in range(len(words))]
        pool = bytearray()
        while len(pool) < 48 * MIB:
            text = b" ".join(self.random.choices(words, weights, k=4000))
            codes = [self.random.randbytes(5) for _ in range(200)]
            code = b"".join(self.random.choice(codes) + self.random.randbytes(1) for _ in range(4000))
            pool += text + code
        self.pool = memoryview(bytes(pool))

    def take(self, size):
        start = self.random.randrange(len(self.pool) - MIB)
        parts, left = [], size
        while left > 0:
            part = self.pool[start:start + min(left, MIB)]
            parts.append(part)
            left -= len(part)
            start = self.random.randrange(len(self.pool) - MIB)
        return b"".join(parts)


class Layer:
    def __init__(self, contents):
        self.contents, self.bytes = contents, io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=tarfile.PAX_FORMAT)
        self.dirs = set()

    def add(self, path, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644):
        parent = os.path.dirname(path)
        if parent and parent not in self.dirs and kind != tarfile.DIRTYPE:
            for end in [i for i, letter in enumerate(parent + "/") if letter == "/"]:
                self.directory(parent[:end])
        member = tarfile.TarInfo(path)
        member.type, member.size, member.linkname, member.mode = kind, len(data), link, mode
        member.mtime = 1_700_000_000
        self.tar.addfile(member, io.BytesIO(data))

    def directory(self, path):
        if path not in self.dirs:
            self.dirs.add(path)
            self.add(path, tarfile.DIRTYPE, mode=0o755)

    def finish(self):
        self.tar.close()
        return self.bytes.getvalue()


def split_layers(split):
    """Each layer as so many, with the same files altogether."""
    part = lambda count, number: count // split + (number < count % split)
    return [(part(small, number), part(large, number), size) for small, large, size in LAYERS for number in range(split)]


def make_layer(contents, layers, number, busybox):
    small, large, large_size = layers[number]
    layer, pick = Layer(contents), contents.random
    paths = [f"usr/share/p{number}/{pick.randrange(small // 40 + 1)}/{pick.randbytes(4).hex()}-{i}.txt"
             for i in range(small)]
    for i, path in enumerate(sorted(paths)):
        if i % 25 == 24:
            layer.add(path, tarfile.SYMTYPE, link="target.txt", mode=0o777)
        elif i % 100 == 50:
            layer.add(path, tarfile.LNKTYPE, link=previous)
        else:
            layer.add(path, data=contents.take(int(pick.lognormvariate(8.3, 1.2)) % 300_000))
            previous = path
    for i in range(large):
        layer.add(f"usr/lib/p{number}/lib{i}.so", data=contents.take(large_size), mode=0o755)
    if number == 0:
        layer.add("bin/busybox", data=busybox, mode=0o755)
        for name in ("true", "sh", "find", "wc"):
            layer.add(f"bin/{name}", tarfile.SYMTYPE, link="busybox", mode=0o777)
    if number % 3 == 2:
        layer.add(f"usr/lib/p{number - 1}/.wh.lib0.so")
        layer.add(f"usr/share/p{number - 1}/replaced", data=contents.take(20_000))
    return layer.finish()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make(directory, busybox, split=1):
    with open(busybox, "rb") as file:
        busybox = file.read()
    contents = Contents(7)
    layers = split_layers(int(split))
    plain = [make_layer(contents, layers, number, busybox) for number in range(len(layers))]
    del contents
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64"), "os": "linux",
        "created": "2024-01-01T00:00:00Z", "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in plain]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"layer {i}"} for i in range(len(plain))],
    }).encode()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        zipped = list(pool.map(lambda layer: gzip.compress(layer, 6, mtime=0), plain))
        zstd = list(pool.map(compress_zstd, plain))
    write_oci(os.path.join(directory, "oci-gzip.tar"), config, zipped, "tar+gzip")
    write_oci(os.path.join(directory, "oci-zstd.tar"), config, zstd, "tar+zstd")
    write_docker(os.path.join(directory, "docker-plain.tar"), config, plain)
    with open(os.path.join(directory, "rootfs.tar"), "wb") as file:
        file.write(plain[0])
    with open(os.path.join(directory, "facts.json"), "w", encoding="utf-8") as file:
        json.dump({"id": digest(config), "diff_ids": [digest(layer) for layer in plain], "files": count(plain),
                   "plain": sum(map(len, plain)), "gzip": sum(map(len, zipped)), "zstd": sum(map(len, zstd)),
                   "rootfs": len(plain[0])}, file)


def compress_zstd(layer):
    return subprocess.run(["zstd", "-q", "-3", "-c"], input=layer, stdout=subprocess.PIPE, check=True).stdout


def count(layers):
    """The paths below /usr when all layers lie on each other."""
    paths = set()
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for name in tar.getnames():
                parent, last = os.path.split(name)
                if last.startswith(".wh."):
                    paths.discard(os.path.join(parent, last[4:]))
                else:
                    paths.add(name)
    return sum(1 for path in paths if path == "usr" or path.startswith("usr/"))


def write_oci(path, config, layers, form):
    kind = "application/vnd.oci.image."
    described = [descriptor(f"{kind}layer.v1.{form}", layer) for layer in layers]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                           "config": descriptor(kind + "config.v1+json", config), "layers": described}).encode()
    entry = descriptor(kind + "manifest.v1+json", manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": NAME, "io.containerd.image.name": NAME}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    files = [(blob_name(blob), blob) for blob in [config, *layers, manifest]]
    write_tar(path, [*files, ("index.json", index), ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')])


def write_docker(path, config, layers):
    names = [digest(layer)[7:] + ".tar" for layer in layers]
    config_name = digest(config)[7:] + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [NAME], "Layers": names}]).encode()
    write_tar(path, [*zip(names, layers), (config_name, config), ("manifest.json", manifest)])


def write_tar(path, files):
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def blob_name(blob):
    return "blobs/sha256/" + digest(blob)[7:]


def descriptor(media_type, data):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def check(archive, facts):
    """The archive must have the image's layers, in whatever form, and a configuration, perhaps written anew."""
    with open(facts, encoding="utf-8") as file:
        facts = json.load(file)
    found, forms = set(), set()
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile():
                plain_digest, form = plain_digest_of(tar.extractfile(member))
                found.add(plain_digest)
                if plain_digest in facts["diff_ids"]:
                    forms.add(form)
    missing = set(facts["diff_ids"]) - found
    if missing:
        sys.exit(f"error: {archive} lacks {', '.join(sorted(missing))}")
    print("+".join(sorted(forms)), "layers,", "the same" if facts["id"] in found else "another", "configuration")


def plain_digest_of(file):
    first = file.read(MIB)
    unzip, form = None, "plain"
    if first.startswith(b"\x1f\x8b"):
        unzip, form = zlib.decompressobj(31), "gzip"
    hasher = hashlib.sha256()
    while first:
        while unzip and first:
            hasher.update(unzip.decompress(first))
            first = unzip.unused_data
            if unzip.eof:
                unzip = zlib.decompressobj(31)
        hasher.update(first)
        first = file.read(MIB)
    return "sha256:" + hasher.hexdigest(), form


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
