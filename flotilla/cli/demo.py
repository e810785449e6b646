"""`make demo`: shows Flotilla in a few minutes on a local fleet, with the same commands that a user types."""

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
What now? The fleet is still running, and you can repeat every step:
  stacks/Pulumi.sandbox.yaml       edit this file, then:
  .venv/bin/flotilla preview       show what would change, cluster by cluster (--rendered, --detail, --json)
  .venv/bin/flotilla up            apply it
  .venv/bin/flotilla status        list members and workloads (more: clusters, workloads, get, events, logs)
  .venv/bin/flotilla report -o fleet.html    the same as a page; --of plan, --of drift
  .venv/bin/flotilla mcp           serve the same verbs as tools for an AI agent
  .venv/bin/flotilla drift         show where the fleet differs from the stack, and who changed it (--fix)
  .venv/bin/flotilla policy --all  check the plan against the project's policies
  .venv/bin/flotilla destroy       delete everything, in the right order
  export KUBECONFIG=.flotilla/sandbox/kubeconfigs/member1.yaml    look at a member with kubectl
  make demo-down                   end every process and remove every file
"""


def main() -> int:
    """Run the demo. If it was stopped, the next run continues where it stopped."""
    project = Path.cwd()
    sandbox = Sandbox(project)
    steps = (
        ("Start a local fleet: Karmada and two clusters, real API servers, no Docker", ["sandbox", "up"]),
        ("Show what would change; nothing is changed yet", ["preview"]),
        ("Apply it", ["up", "--yes"]),
    )
    for title, command in steps:
        if _run(title, command):
            return 1
    _edit(sandbox)
    if _run("Change the stack: 7 replicas, two thirds of them on member1, another image on member2", ["preview"]):
        return 1
    if _run("Apply it", ["up", "--yes"]):
        return 1
    _scale_outside(sandbox)
    if _run("Somebody has scaled nginx to 3 outside the stack: show where, and who", ["drift"]) != ExitCode.DRIFT:
        return 1
    if _run("Restore what the stack declares", ["up", "--refresh", "--yes"]):
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


def _scale_outside(sandbox: Sandbox) -> None:
    """Change the number of replicas in the control plane as another user would."""
    file = sandbox.root / "kubeconfigs" / "karmada.yaml"
    connection = Connection(kubeconfigs.select(kubeconfigs.load(file.read_text())), name="karmada")
    nginx = ObjectRef("apps/v1", "Deployment", "nginx", "default")
    connection.patch(nginx, {"spec": {"replicas": 3}}, query={"fieldManager": "somebody"})


if __name__ == "__main__":
    sys.exit(main())
