"""The program of the chaos runs: objects in two clusters, listed in a file. It can run in a process that is killed.

`python -m tests.chaos.program VERB FOLDER` runs a verb and prints each failure in a line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pulumi

from components.cluster_identity import ClusterIdentity, probe
from components.kubernetes_object import KubernetesObject
from components.providers import cluster_provider
from flotilla.engine.stack import EmbeddedStack
from flotilla.plan.steps import Result
from flotilla.state.config import Project

STACK = "chaos"
LABEL = "chaos.flotilla.example/schedule"


class Cluster(pulumi.ComponentResource):
    """The objects of one cluster; each depends on the objects in its `after`."""

    def __init__(self, name: str, kubeconfig: str, objects: list[dict[str, Any]]) -> None:
        super().__init__("chaos:index:Cluster", name)
        inside = pulumi.ResourceOptions(parent=self)
        identity = ClusterIdentity(name, probe(pulumi.Output.secret(kubeconfig), name), inside)
        provider = cluster_provider(name, kubeconfig, identity, self)
        made: dict[str, KubernetesObject] = {}
        for one in objects:
            opts = pulumi.ResourceOptions(
                parent=self, provider=provider, depends_on=[made[other] for other in one["after"] if other in made]
            )
            made[one["id"]] = KubernetesObject(f"{name}-{one['id']}", one["manifest"], opts)
        self.register_outputs({})


def stack_in(folder: Path) -> EmbeddedStack:
    """Return the stack in a folder; `clusters.json` has the kubeconfigs, `desired.json` the objects."""

    def program() -> None:
        desired = json.loads((folder / "desired.json").read_text())
        for name, text in json.loads((folder / "clusters.json").read_text()).items():
            Cluster(name, text, desired.get(name, []))

    return EmbeddedStack(Project.load(folder), STACK, folder / "state", program=program)


def carry_out(folder: Path, verb: str) -> Result:
    """Run `up` or `destroy`."""
    result: Result = getattr(stack_in(folder), verb)()
    return result


if __name__ == "__main__":
    done = carry_out(Path(sys.argv[2]), sys.argv[1])
    sys.stdout.write("".join(f"{failure}\n" for failure in done.failures))
    sys.exit(bool(done.failures))
