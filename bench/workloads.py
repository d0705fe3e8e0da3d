"""What is built. Each workload writes its context; all tools build the same files."""
import os


class Workload:
    def __init__(self, name, description, prepare, cached=False):
        self.name, self.description = name, description
        self.prepare, self.cached = prepare, cached


def _dockerfile(context, lines):
    with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _hello(context):
    with open(os.path.join(context, "data"), "wb") as file:
        file.write(os.urandom(1_000_000))
    _dockerfile(context, ["FROM scratch", "COPY data /data"])


def _runs(context):
    _dockerfile(context, ["FROM busybox", *(f"RUN echo {i} > /f{i}" for i in range(30))])


def _parallel(context):
    lines = []
    for i in range(3):
        lines += [f"FROM busybox AS s{i}", f"RUN sleep 2; echo {i} > /out"]
    lines += ["FROM busybox", "RUN sleep 2", *(f"COPY --from=s{i} /out /o{i}" for i in range(3))]
    _dockerfile(context, lines)


def _files(context):
    for i in range(20_000):
        directory = os.path.join(context, f"d{i // 200}")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"f{i}"), "w", encoding="utf-8") as file:
            file.write(f"{i}\n" * 100)
    _dockerfile(context, ["FROM scratch", "COPY . /src"])


WORKLOADS = [
    Workload("hello", "scratch and a COPY of 1 MB, no cache", _hello),
    Workload("hello-cached", "the same, from the cache", _hello, cached=True),
    Workload("runs", "30 RUN steps on busybox, no cache, host network", _runs),
    Workload("runs-cached", "the same, from the cache", _runs, cached=True),
    Workload("parallel", "four stages of `sleep 2`, joined, no cache", _parallel),
    Workload("files", "COPY of 20,000 small files, no cache", _files),
    Workload("files-cached", "the same, from the cache", _files, cached=True),
]
