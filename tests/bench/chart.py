"""Part of `make bench`: compare a stack with a large chart to the same stack without it, in one run.

The script generates a chart of the size of kube-prometheus-stack: 110 objects, 10 of them large CRDs, 3 MB of YAML.
Without `helm`, its objects are declared as files. The script previews a stack before and after its deployment, and
prints CPU seconds, wall time, peak memory and lines of output. Then it prints the size of the state, and how many
resources in it have the content of a template.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from flotilla.sandbox.fleet import Sandbox
from flotilla.state.reading import parse
from tests.contract.fleet import copy_program

RUNS = 2
TIMEOUT = 600
MEMBERS = ("member1", "member2")
MARKER = "what-the-bench-looks-for"
NGINX = {"name": "nginx", "image": "nginx:1.27", "placement": {}}
_PROPERTIES = 12
_DEPTH = 3

Object = dict[str, Any]


def schema(depth: int = _DEPTH) -> Object:
    """Return an OpenAPI schema of a quarter of a megabyte, a size that is usual for operators."""
    described = {"description": "What this field is for, in the words of its author. " * 2}
    if not depth:
        return {**described, "type": "string"}
    fields = {f"field{number:02}": schema(depth - 1) for number in range(_PROPERTIES)}
    return {**described, "type": "object", "properties": fields}


def definition(number: int) -> Object:
    """Return a CustomResourceDefinition."""
    kind, group = f"Gadget{number}", "bench.example.org"
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema()}}]
    names = {"kind": kind, "listKind": f"{kind}List", "plural": f"{kind.lower()}s", "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions},
    }


def dashboard(number: int) -> Object:
    """Return a ConfigMap with a large text."""
    panels = [{"id": one, "title": f"panel {one}", "expression": "sum(rate(x[5m])) by (y) " * 4} for one in range(100)]
    data = {"dashboard.json": json.dumps({"title": MARKER, "panels": panels}, indent=1)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"dashboard-{number}"}, "data": data}


def component(number: int) -> list[Object]:
    """Return the objects of a component of a chart, without its dashboards."""
    name = f"part-{number}"
    labels = {"app.kubernetes.io/name": name}
    container = {"name": "main", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    spec["template"]["spec"] = {"containers": [container], "serviceAccountName": name}
    port = {"port": 80, "protocol": "TCP", "targetPort": 80}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [port]},
        },
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 1, **spec}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": [rule]},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [subject],
        },
    ]


def objects() -> list[Object]:
    """Return the chart's 110 objects."""
    definitions = [definition(number) for number in range(10)]
    return [*definitions, *(dashboard(n) for n in range(30)), *(one for n in range(14) for one in component(n))]


def workload(project: Path) -> Object:
    """Write the chart, or its objects where there is no `helm`, and return the workload that declares it."""
    text = yaml.safe_dump_all(objects())
    if shutil.which("helm") is None:
        print("there is no helm on the PATH: the chart's objects are declared as files")
        (project / "chart.yaml").write_text(text)
        return {"name": "chart", "manifests": ["chart.yaml"], "placement": {}, "timeout": TIMEOUT}
    folder = project / "charts" / "bench"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 1.0.0\n")
    (folder / "templates" / "all.yaml").write_text(text)
    source = {"path": "charts/bench", "kubeVersion": "1.34"}
    return {"name": "chart", "chart": source, "placement": {}, "timeout": TIMEOUT}


class Measured(NamedTuple):
    """Time, memory and lines of output of a run."""

    cpu: float
    seconds: float
    megabytes: float
    lines: int


def flotilla(project: Path, *arguments: str) -> tuple[Measured, str]:
    """Run the command, and return its measurements and its output."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "flotilla.cli.main", *arguments, "-C", str(project), "--engine", "embedded"]
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if child.returncode:
        sys.exit(f"flotilla {' '.join(arguments)} failed:\n{said[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # includes helm's CPU time
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(cpu, time.monotonic() - began, usage.ru_maxrss / 1024, said.count("\n")), said


def best(project: Path, stacks: list[str]) -> dict[str, Measured]:
    """Preview stacks in turns, so that other load affects all of them alike; return each stack's minimum."""
    found: dict[str, list[Measured]] = {name: [] for name in stacks}
    for _ in range(RUNS):
        for name in stacks:
            found[name].append(flotilla(project, "preview", "-s", name)[0])
    return {name: Measured(*map(min, zip(*runs, strict=True))) for name, runs in found.items()}


def report(title: str, plain: Measured, chart: Measured) -> None:
    """Print a line of ratios."""
    print(
        f"{title}: {chart.cpu:.1f} s of CPU against {plain.cpu:.1f} s = {chart.cpu / plain.cpu:.2f} times; "
        f"{chart.seconds:.1f} s against {plain.seconds:.1f} s = {chart.seconds / plain.seconds:.2f} times; "
        f"{chart.megabytes:.0f} MB against {plain.megabytes:.0f} MB; {chart.lines} lines against {plain.lines}"
    )


@contextmanager
def sandbox_in(project: Path) -> Iterator[Object]:
    """Start a fleet, and yield the sections of its stack file; remove the fleet afterwards."""
    copy_program(project)
    sandbox = Sandbox(project)
    try:
        sandbox.up(lambda _: None, members=len(MEMBERS))
        document = yaml.safe_load((project / "stacks" / "Pulumi.sandbox.yaml").read_text())
        yield document["config"]
    finally:
        sandbox.down(lambda _: None)


def main() -> int:
    """Measure and print the results; return 0."""
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder:
        project = Path(folder)
        with sandbox_in(project) as config:
            chart = workload(project)

            def write(stack: str, *workloads: Object) -> None:
                sections = {**config, "flotilla:workloads": list(workloads)}
                (project / "stacks" / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": sections}))

            write("plain", NGINX)
            write("chart", NGINX, chart)
            first = best(project, ["plain", "chart"])
            report("first preview", first["plain"], first["chart"])
            write("sandbox", NGINX)
            flotilla(project, "up", "-s", "sandbox", "--yes")
            without = best(project, ["sandbox"])["sandbox"]
            write("sandbox", NGINX, chart)
            run, _ = flotilla(project, "up", "-s", "sandbox", "--yes")
            print(f"up: {run.cpu:.1f} s of CPU, {run.seconds:.0f} s, {run.megabytes:.0f} MB")
            report("preview of what is deployed", without, best(project, ["sandbox"])["sandbox"])
            copies(project)
            flotilla(project, "destroy", "-s", "sandbox", "--yes")
    return 0


def copies(project: Path) -> None:
    """Print the size of the state, and which resources in it have the content of a template."""
    folder = project / ".flotilla" / "state" / ".pulumi"
    (file,) = folder.glob("stacks/*/sandbox.json")
    data = file.read_bytes()
    state = parse(data, file.parent.name, "sandbox")
    holders = [one for one in state["checkpoint"]["latest"]["resources"] if MARKER in json.dumps(one)]
    kept = [one for where in ("backups", "history") for one in (folder / where).rglob("*.json.gz")]
    largest = max((one.stat().st_size for one in kept), default=0)
    types = sorted({one["type"].rpartition(":")[2] for one in holders})
    print(
        f"state: {len(data) / 2**20:.1f} MB; {len(holders)} resources ({', '.join(types)}) hold the 30 dashboards; "
        f"a copy in the history takes {largest / 2**20:.2f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
