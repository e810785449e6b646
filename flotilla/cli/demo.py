"""`make demo`: the whole product in a few minutes, on a local fleet, with the very commands that a user types."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main as flotilla
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from flotilla.sandbox.fleet import Sandbox

_CHANGED: dict[str, Any] = {
    "replicas": 7,
    "placement": {
        "clusters": ["member1", "member2"],
        "replicas": "divided",
        "weights": {"member1": 2, "member2": 1},
    },
    "overrides": [{"clusters": ["member2"], "image": {"tag": "1.28"}}],
}
_NEXT = """
What now? The fleet runs on, and everything can be done again:
  stacks/Pulumi.sandbox.yaml       edit it, then:
  .venv/bin/flotilla preview       what would change, cluster by cluster (--rendered, --detail, --json)
  .venv/bin/flotilla up            make it so
  .venv/bin/flotilla status        members and workloads (clusters, workloads, get, events, logs: closer)
  .venv/bin/flotilla report -o fleet.html    the same as a page; --of plan, --of drift
  .venv/bin/flotilla mcp           the same verbs as tools for an AI agent
  .venv/bin/flotilla drift         where the fleet left the plan, and who did it (--fix)
  .venv/bin/flotilla policy --all  what the project's policies say of the plan
  .venv/bin/flotilla destroy       everything leaves, in the right order
  export KUBECONFIG=.flotilla/sandbox/kubeconfigs/member1.yaml    look for yourself, with kubectl
  make demo-down                   ends every process and removes every file
"""


def main() -> int:
    """Run the demo; stopped at any point, it goes on from there when it is run again."""
    project = Path.cwd()
    sandbox = Sandbox(project)
    steps = (
        ("A local fleet: Karmada and two clusters, real API servers, no Docker", ["sandbox", "up"]),
        ("What would happen? Nothing is changed yet", ["preview"]),
        ("Make it so", ["up", "--yes"]),
    )
    for title, command in steps:
        if _run(title, command):
            return 1
    _edit(sandbox)
    if _run("A change: 7 replicas, two thirds of them on member1, another image on member2", ["preview"]):
        return 1
    if _run("Make it so", ["up", "--yes"]):
        return 1
    _scale_by_hand(sandbox)
    if _run("Somebody scaled nginx to 3 by hand. Who, where?", ["drift"]) != ExitCode.DRIFT:
        return 1
    if _run("... and up puts it back", ["up", "--refresh", "--yes"]):
        return 1
    sys.stdout.write(_NEXT)
    return 0


def _run(title: str, command: list[str]) -> int:
    sys.stdout.write(f"\n\033[1m── {title}\033[0m\n$ flotilla {' '.join(command)}\n\n")
    sys.stdout.flush()
    return flotilla(command)


def _edit(sandbox: Sandbox) -> None:
    text = sandbox.stack_file.read_text()
    document = yaml.safe_load(text)
    document["config"]["flotilla:workloads"][0].update(_CHANGED)
    comments = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("#"))
    sandbox.stack_file.write_text(comments + yaml.safe_dump(document, sort_keys=False))


def _scale_by_hand(sandbox: Sandbox) -> None:
    file = sandbox.root / "kubeconfigs" / "karmada.yaml"
    connection = Connection(kubeconfigs.select(kubeconfigs.load(file.read_text())), name="karmada")
    nginx = ObjectRef("apps/v1", "Deployment", "nginx", "default")
    connection.patch(nginx, {"spec": {"replicas": 3}}, query={"fieldManager": "by-hand"})


if __name__ == "__main__":
    sys.exit(main())
