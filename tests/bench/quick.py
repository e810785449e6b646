"""Part of `make bench`: compare the time of quick verbs with kubectl and an empty Python program, in one run.

The script measures CPU time (user and system), which depends less on other load, and takes the best of some runs.
Members are simulated as in `tests.bench.overview`, on Karmada if its programs are configured, else on the stand-in.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.sandbox.binaries import ensure
from flotilla.sandbox.fleet import STACK, Sandbox
from flotilla.sandbox.karmada import find_karmada
from tests.bench.members import REPOSITORY
from tests.bench.overview import simulate
from tests.contract.fleet import copy_program

RUNS = 5
EMPTY = [sys.executable, "-c", "import argparse, json"]
FLOTILLA = [str(Path(sys.executable).with_name("flotilla"))]
ALL = "clusters,resourcebindings,works"


def cpu_seconds(command: list[str]) -> float:
    """Return the least CPU time of some runs of a command; the first run only fills caches and doesn't count."""
    taken = []
    # Without bytecode files, Python would compile the modules in every run.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(RUNS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken[1:])


def main() -> int:
    """Measure verbs without a cluster; then start a sandbox, simulate members, measure, and remove it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=200)
    count = parser.parse_args().members
    print(f"\nCPU seconds, the best of {RUNS} runs; each with its bound\n")
    empty = cpu_seconds(EMPTY)
    for word in ("--help", "--version"):
        show(f"flotilla {word}", cpu_seconds([*FLOTILLA, word]), "python -c 'import argparse, json'", empty, 5)
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        copy_program(project)
        write_stack(project, count)
        seconds = cpu_seconds([*FLOTILLA, "validate", "-C", str(project), "-s", "bench"])
        print(f"{f'flotilla validate, {count} members':36} {seconds:6.2f} s (at most 1 s)")
        measure_looks(project, count)
    return 0


def measure_looks(project: Path, count: int) -> None:
    """Print how long the verbs that show a fleet take."""
    folder = ensure(lambda _: None).folder
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    sandbox = Sandbox(project)
    programs = find_karmada(None)
    try:
        sandbox.up(lambda _: None, members=1, karmada_bin=programs, stand_in=programs is None)
        file = project / ".flotilla" / "sandbox" / "kubeconfigs" / "karmada.yaml"
        document = kubeconfigs.select(kubeconfigs.load(file.read_text()))
        simulate(Connection(document, name="karmada"), count, file)
        print(f"on {'Karmada' if programs else 'the stand-in'}, {count} members:")
        for verb, kinds, everywhere in (("clusters", "clusters", []), ("status", ALL, ["-A"])):
            kubectl = [str(folder / "kubectl"), f"--kubeconfig={file}", "get", kinds, *everywhere, "-o", "json"]
            theirs = cpu_seconds(kubectl)
            stack = ["-C", str(project), "-s", STACK]
            for fleet, more in (([], []), ([], ["--json"]), (stack, ["--json"])):
                ours = cpu_seconds([*FLOTILLA, verb, *(fleet or [f"--kubeconfig={file}"]), *more])
                title = " ".join(["flotilla", verb, *fleet[2:], *more])
                show(title, ours, f"kubectl get {kinds} -o json", theirs, 2)
    finally:
        sandbox.down(lambda _: None)


def show(title: str, seconds: float, other: str, theirs: float, bound: int) -> None:
    """Print one ratio."""
    print(f"{title:36} {seconds:6.3f} s, {seconds / theirs:4.1f} times {other} ({theirs:.3f} s); at most {bound}")


def write_stack(project: Path, count: int) -> None:
    """Write a stack of many members, each with its own kubeconfig."""
    members = []
    for index in range(count):
        server = f"https://10.0.{index // 250}.{index % 250 + 1}:6443"
        name = f"member-{index:03}"
        file = kubeconfig(project, name, server)
        members.append({"name": name, "mode": "Push", "kubeconfig": file, "labels": {"site": "edge"}})
    config = {
        "flotilla:controlPlane": {
            "kubeconfig": kubeconfig(project, "karmada", "https://10.1.0.1:5443"),
            "version": "1.18.2",
        },
        "flotilla:members": members,
        "flotilla:workloads": [
            {"name": "nginx", "image": "nginx:1.27", "replicas": 2, "placement": {"labels": {"site": "edge"}}}
        ],
    }
    (project / "stacks" / "Pulumi.bench.yaml").write_text(yaml.safe_dump({"config": config}))


def kubeconfig(project: Path, name: str, server: str) -> str:
    """Write a kubeconfig, and return its path."""
    file = project / f"{name}.yaml"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    kubeconfigs.write(file, document)
    return str(file)


if __name__ == "__main__":
    sys.exit(main())
