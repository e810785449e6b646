"""A whole sandbox with real Karmada, in a copy of the project of its own; skipped, by name, where Karmada isn't."""

import shutil
from pathlib import Path

import pytest
import yaml

from flotilla.errors import SandboxError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.sandbox.fleet import Sandbox
from flotilla.sandbox.karmada import find_karmada

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def karmada_bin():
    try:
        found = find_karmada(None)
    except SandboxError as error:
        pytest.skip(str(error))
    if found is None:
        pytest.skip("Karmada's programs are neither in KARMADA_BIN nor on the PATH")
    return found


@pytest.fixture(scope="session")
def fleet(karmada_bin, tmp_path_factory):
    """Karmada and three clusters, none of them joined."""
    project = tmp_path_factory.mktemp("fleet")
    (project / "stacks").mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(REPOSITORY / name, project / name)
    sandbox = Sandbox(project)
    try:
        sandbox.up(print, members=3, karmada_bin=karmada_bin)
        yield Fleet(project)
    finally:
        sandbox.down(print)


class Fleet:
    """What tests do with the sandbox's project."""

    def __init__(self, project: Path) -> None:
        self.project = project

    def connection(self, name: str) -> Connection:
        document = kubeconfigs.load((self.kubeconfigs / f"{name}.yaml").read_text())
        return Connection(kubeconfigs.select(document), name=name)

    @property
    def kubeconfigs(self) -> Path:
        return self.project / ".flotilla" / "sandbox" / "kubeconfigs"

    def write(self, members, workloads) -> None:
        """Write the stack file."""
        config = {
            "flotilla:controlPlane": {"kubeconfig": str(self.kubeconfigs / "karmada.yaml")},
            "flotilla:members": [{"kubeconfig": str(self.kubeconfigs / f"{m['name']}.yaml"), **m} for m in members],
            "flotilla:workloads": workloads,
        }
        (self.project / "stacks" / "Pulumi.sandbox.yaml").write_text(yaml.safe_dump({"config": config}))
