"""What `bench/run build` builds: a context for each row, and what changes in it between two builds.

All tools build the same files. What is random comes from a seed, so that every run builds the same; texts compress about
as program sources do, half of the large files does not compress at all.
"""
import itertools
import os
import random

MIB = 1 << 20
# How many files and how many steps the largest rows have; `RBUILD_BENCH_SCALE=0.1` takes a tenth.
SCALE = float(os.environ.get("RBUILD_BENCH_SCALE", "1"))


class Workload:
    """`prepare` writes the context; `change(context, round)` is done before each timed build. `before` says what a tool
    knows: nothing (`cold`), everything but the steps (`no-cache`), or all of it (`cached`). `output` is `tag` or
    `archive`, `plain` an archive whose layers are not compressed."""

    def __init__(self, name, description, goal, prepare, before="no-cache", change=None, output="tag", network="none",
                 slow=False, without=(), builds=1, limit=None, plain=False):
        self.name, self.description, self.goal, self.prepare = name, description, goal, prepare
        self.before, self.change, self.output, self.network = before, change, output, network
        # For the largest rows one round is enough, and some tools take hours.
        self.slow, self.without = slow, without
        # So many of the same at the same time.
        self.builds = builds
        self.plain = plain
        # What is measured beside: see `limits.py`.
        self.limit = limit


def dockerfile(context, lines):
    with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


class Texts:
    def __init__(self):
        self.random = random.Random(7)
        letters = b"abcdefghijklmnopqrstuvwxyz"
        words = [bytes(self.random.choices(letters, k=self.random.randint(2, 10))) for _ in range(3000)]
        weights = [1 / (rank + 3) for rank in range(len(words))]
        self.pool = b" ".join(self.random.choices(words, weights, k=800_000))

    def take(self, size):
        start = self.random.randrange(len(self.pool) - size)
        return self.pool[start:start + size]


def hello(context):
    with open(os.path.join(context, "data"), "wb") as file:
        file.write(random.Random(1).randbytes(1_000_000))
    dockerfile(context, ["FROM scratch", "COPY data /data"])


def runs(count):
    def prepare(context):
        dockerfile(context, ["FROM busybox", *(f"RUN echo {i} > /f{i}" for i in range(count))])
    return prepare


def sleeps(context):
    lines = []
    for i in range(3):
        lines += [f"FROM busybox AS s{i}", f"RUN sleep 2; echo {i} > /out"]
    lines += ["FROM busybox", "RUN sleep 2", *(f"COPY --from=s{i} /out /o{i}" for i in range(3))]
    dockerfile(context, lines)


def tree(context):
    """20,000 small files of 9 KB and four of 100 MB: 594 MB."""
    texts = Texts()
    for i in range(int(20_000 * SCALE)):
        directory = os.path.join(context, f"d{i // 200}")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"f{i}.txt"), "wb") as file:
            file.write(texts.take(int(texts.random.lognormvariate(8.7, 0.9)) % 200_000))
    for i in range(4):
        with open(os.path.join(context, f"big{i}.bin"), "wb") as file:
            for _ in range(int(100 * SCALE) or 1):
                file.write(texts.random.randbytes(1_000_000) if i % 2 else texts.take(1_000_000))
    dockerfile(context, ["FROM scratch", "COPY . /src"])


_changes = itertools.count()


def _victim(context):
    return os.path.join(context, "d3", "f700.txt")


def touched(context, number):
    os.utime(_victim(context))


def changed(context, number):
    with open(_victim(context), "r+b") as file:
        file.write(f"{next(_changes):08}{os.getpid():08}".encode())


def grown(context, number):
    with open(_victim(context), "ab") as file:
        file.write(random.Random(next(_changes)).randbytes(1024))


def added(context, number):
    with open(os.path.join(context, "d3", f"f700-{os.getpid()}-{next(_changes)}.txt"), "wb") as file:
        file.write(random.Random(number).randbytes(3000))


def removed(context, number):
    directory = os.path.join(context, "d3")
    os.remove(os.path.join(directory, sorted(os.listdir(directory))[-1]))


def many_stages(context):
    lines = []
    for i in range(16):
        lines += [f"FROM busybox AS s{i}", f"RUN sleep 0.5; echo {i} > /out"]
    dockerfile(context, [*lines, "FROM busybox", *(f"COPY --from=s{i} /out /o{i}" for i in range(16))])


def at_once(context):
    hello(context)
    dockerfile(context, ["FROM busybox", "COPY data /data", *(f"RUN sleep 0.5; echo {i} > /f{i}" for i in range(4))])


def run_writes(context):
    loop = f"i=0; while [ $i -lt {int(50_000 * SCALE)} ]; do echo $i > $d/$i; i=$((i+1)); done"
    dockerfile(context, ["FROM busybox", f"RUN d=/many; mkdir $d; {loop}"])


def run_deletes(context):
    run_writes(context)
    with open(os.path.join(context, "Dockerfile"), "a", encoding="utf-8") as file:
        file.write("RUN rm -rf /many\n")


def run_chmods(context):
    run_writes(context)
    with open(os.path.join(context, "Dockerfile"), "a", encoding="utf-8") as file:
        file.write("RUN chmod -R a-w /many\n")


def copy_from(context):
    for i in range(int(20_000 * SCALE)):
        directory = os.path.join(context, f"d{i // 200}")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"f{i}"), "w", encoding="utf-8") as file:
            file.write(f"{i}\n" * 100)
    copied(context, "dst")


def copied(context, name):
    dockerfile(context, ["FROM scratch AS files", "COPY . /src", "FROM scratch", f"COPY --from=files /src /{name}"])


def run_on(files):
    """A base of many files, made once, and a RUN of one."""
    count = int(files * SCALE)

    def prepare(context):
        changed_run(context, "start")

    def changed_run(context, number):
        loop = f"mkdir /many; cd /many; i=0; while [ $i -lt {count} ]; do " \
            "[ $((i % 1000)) -gt 0 ] || { mkdir /many/d$i; cd /many/d$i; }; echo $i > $i; i=$((i+1)); done"
        dockerfile(context, ["FROM busybox", f"RUN {loop}", f"RUN echo {number} {os.getpid()} {next(_changes)} > /one"])
    return prepare, changed_run


def stages(context):
    """100 stages of five instructions, each on the one before where it copies from."""
    with open(os.path.join(context, "a"), "w", encoding="utf-8") as file:
        file.write("a\n")
    lines = []
    for i in range(100):
        lines += [f"FROM scratch AS s{i}", f"COPY a /a{i}", f"COPY a /b{i}", f"ENV X{i}=1"]
        lines.append(f"COPY --from=s{i - 1} /a{i - 1} /c" if i else "COPY a /c")
    dockerfile(context, lines)


def many_files(context):
    for i in range(int(1_000_000 * SCALE)):
        if i % 1000 == 0:
            directory = os.path.join(context, f"d{i // 100_000}", f"e{i // 1000}")
            os.makedirs(directory)
        with open(os.path.join(directory, f"f{i}"), "w", encoding="utf-8") as file:
            file.write(f"{i}\n")
    dockerfile(context, ["FROM scratch", "COPY . /src"])


def sparse(context):
    with open(os.path.join(context, "sparse"), "wb") as file:
        file.truncate(int(10_000_000_000 * SCALE))
        file.seek(int(5_000_000_000 * SCALE))
        file.write(b"in the middle")
    dockerfile(context, ["FROM scratch", "COPY sparse /"])


TREE = "20,000 small files and 4 of 100 MB"
ON_FEW, ON_MANY = run_on(20_000), run_on(300_000)
COPIES = ("buildah", "podman")
WORKLOADS = [
    Workload("hello", "scratch and a COPY of 1 MB", "8x", hello),
    Workload("hello-cached", "the same, from the cache", "8x", hello, "cached"),
    Workload("runs", "30 RUN steps on busybox", "12x, 6 ms a step beyond the command", runs(30), network="host", limit="command"),
    Workload("parallel", "four stages of `sleep 2`, joined", "2.05 s", sleeps, network="host"),
    Workload("stages-at-once", "16 stages of `sleep 0.5` at once, joined", "0.55 s: as many at once as there are", many_stages,
             network="host"),
    Workload("at-once", "eight builds at once of one Dockerfile with 2 s of RUN", "2.2 s: each step made once", at_once, "cold",
             network="host", builds=8),
    Workload("tree", f"{TREE}, nothing known", "2x reading and hashing it", tree, "cold", limit="hashing"),
    Workload("tree-archive", "the same, to an archive", "8x BuildKit's gzip (28 s recorded), 75 % of the ceiling", tree, "cold",
             output="archive", limit="archive"),
    Workload("tree-archive-plain", "the same, to an archive with layers as they are", "8x", tree, "cold", output="archive",
             plain=True),
    Workload("tree-cached", "the same, all cached", "80 ms, 10x", tree, "cached"),
    Workload("tree-touched", "the same, one file touched", "120 ms", tree, "cached", touched),
    Workload("tree-changed", "the same, a byte of one small file changed", "1 s, 15x", tree, "cached", changed, limit="layer"),
    Workload("tree-grown", "the same, one small file grown by 1 KiB", "1 s, 15x", tree, "cached", grown, limit="layer"),
    Workload("tree-added", "the same, one small file added", "1 s, 15x", tree, "cached", added, limit="layer"),
    Workload("tree-removed", "the same, one small file removed", "1 s, 15x", tree, "cached", removed, limit="layer"),
    *(Workload(f"tree-{what}-archive", f"the same, {what}, to an archive", "1.25x writing it and the row above", tree,
               "cached", change, "archive", limit="writing")
      for what, change in (("changed", changed), ("grown", grown), ("added", added), ("removed", removed))),
    Workload("run-writes", "a RUN that writes 50,000 files", "3x less than BuildKit beyond the command", run_writes,
             network="host", limit="command"),
    Workload("run-deletes", "and one that deletes them", "3x less", run_deletes, network="host", limit="command"),
    Workload("run-chmods", "and one that changes their modes", "3x less", run_chmods, network="host", limit="command"),
    Workload("run-on-20000", "a RUN that writes one file, on 20,000", "follows the change, not what is below", ON_FEW[0],
             "cached", ON_FEW[1], network="host"),
    Workload("run-on-300000", "the same, on 300,000", "as the row above", ON_MANY[0], "cached", ON_MANY[1],
             network="host", limit="run-on-20000"),
    Workload("copy-from", "COPY --from of 20,000 files to a new place, nothing else", "3x", copy_from, "cached",
             lambda context, number: copied(context, f"dst{next(_changes)}")),
    Workload("stages-cached", "100 stages, 500 instructions, all cached", "50 ms", stages, "cached"),
    Workload("runs-600", "600 RUN steps", "complete, 256 MiB", runs(600), network="host", slow=True, without=COPIES),
    Workload("files-1000000", "a context of 1,000,000 files, nothing known", "complete, 256 MiB", many_files, "cold",
             slow=True, without=COPIES),
    Workload("files-1000000-cached", "the same, all cached", "linear", many_files, "cached", slow=True,
             without=(*COPIES, "docker")),
    Workload("sparse", "a sparse file of 10 GB", "complete, 256 MiB", sparse, "cold", slow=True,
             without=(*COPIES, "docker")),
]
