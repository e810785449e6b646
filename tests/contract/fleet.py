"""A whole sandbox in its own copy of the project, with Karmada or the stand-in; tests don't depend on which."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.errors import SandboxError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.sandbox.binaries import ensure
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.fleet import Sandbox
from flotilla.sandbox.karmada import find_karmada
from tests.contract.karmada import eventually

REPOSITORY = Path(__file__).parents[2]


def programs():
    """Return the sandbox's programs; skip the test where they are not available."""
    try:
        return ensure(print)
    except SandboxError as error:
        pytest.skip(str(error))


def real_karmada() -> Path:
    """Return the folder of Karmada's programs; skip the test where they are neither configured nor found."""
    try:
        found = find_karmada(None)
    except SandboxError as error:
        pytest.skip(str(error))
    if found is None:
        pytest.skip("Karmada's programs are neither in KARMADA_BIN nor on the PATH")
    return found


def copy_program(project: Path) -> None:
    """Copy the project's program into a folder, and create the folder of its stacks."""
    (project / "stacks").mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(REPOSITORY / name, project / name)


@contextmanager
def cluster_in(folder: Path, name: str, binaries, *, nodes: int):
    """Start one cluster with simulated nodes and pods; remove it afterwards."""
    one = SandboxCluster(name, folder, binaries)
    try:
        one.up(workloads=True, nodes=nodes)
        yield one
    finally:
        one.down()


@contextmanager
def fleet_in(project: Path, *, members: int = 3, **arguments):
    """Start Karmada or the stand-in, and clusters that are not joined; remove everything afterwards."""
    copy_program(project)
    sandbox = Sandbox(project)
    try:
        sandbox.up(print, members=members, **arguments)
        yield Fleet(project, members, stand_in=arguments.get("stand_in", False))
    finally:
        sandbox.down(print)
    assert list((project / ".flotilla").glob("sandbox*")) == []


class Fleet:
    """The sandbox and its project, as tests use them."""

    def __init__(self, project: Path, members: int, *, stand_in: bool) -> None:
        self.project = project
        self._members = members
        self._stand_in = stand_in
        self.rest_seconds = 6 if stand_in else 20
        """In this time, Karmada writes its periodic statuses twice, and the stand-in runs its loop twice."""
        written = yaml.safe_load((project / "stacks" / "Pulumi.sandbox.yaml").read_text())["config"]
        self.version = written["flotilla:controlPlane"]["version"]

    @property
    def clusters(self) -> tuple[str, ...]:
        """The names of all running clusters, Karmada's first."""
        return ("karmada", *(f"member{number}" for number in range(1, self._members + 1)))

    def grow(self, members: int) -> None:
        """Start more members, up to this number; running ones stay as they are."""
        if members > self._members:
            Sandbox(self.project).up(print, members=members, stand_in=self._stand_in)
            before, self._members = self._members, members
            for name in self.clusters[before + 1 :]:
                eventually(lambda name=name: self._is_settled(name), problem=f"{name} doesn't get its own objects")

    def _is_settled(self, name: str) -> bool:
        """Return whether a new cluster has the objects that its own controllers create; tests compare them later."""
        connection = self.connection(name)
        spaces = {space["metadata"]["name"] for space in connection.list("v1", "Namespace")}
        accounts = connection.list("v1", "ServiceAccount")
        return spaces <= {one["metadata"]["namespace"] for one in accounts if one["metadata"]["name"] == "default"}

    def shrink(self, members: int) -> None:
        """Stop the members beyond this number; no stack may use them any more."""
        for name in self.clusters[members + 1 :]:
            SandboxCluster(name, self.project / ".flotilla" / "sandbox", ensure(print)).down()
        self._members = min(members, self._members)

    def connection(self, name: str) -> Connection:
        document = kubeconfigs.load((self.kubeconfigs / f"{name}.yaml").read_text())
        return Connection(kubeconfigs.select(document), name=name)

    @property
    def kubeconfigs(self) -> Path:
        return self.project / ".flotilla" / "sandbox" / "kubeconfigs"

    def add_kubeconfig(self, name: str, text: str) -> str:
        """Write a kubeconfig beside the sandbox's, readable only by its owner; return its path."""
        file = self.kubeconfigs / f"{name}.yaml"
        file.touch(mode=0o600)
        file.write_text(text)
        return str(file)

    def write(self, members, workloads, **sections) -> None:
        """Write the stack file; `sections` are further sections, by name."""
        config = {
            "flotilla:controlPlane": {"kubeconfig": str(self.kubeconfigs / "karmada.yaml"), "version": self.version},
            "flotilla:members": [{"kubeconfig": str(self.kubeconfigs / f"{m['name']}.yaml"), **m} for m in members],
            "flotilla:workloads": workloads,
            **{f"flotilla:{key}": value for key, value in sections.items()},
        }
        (self.project / "stacks" / "Pulumi.sandbox.yaml").write_text(yaml.safe_dump({"config": config}))


@contextmanager
def policies_in(project: Path):
    """Copy the policy pack into a project, as every project of a user has it; remove it afterwards."""
    folder = project / "policies"
    shutil.copytree(REPOSITORY / "policies", folder, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        yield
    finally:
        shutil.rmtree(folder)


@contextmanager
def deployed_stack(fleet):
    """Add `up()`, which deploys the stack file, to a fleet; destroy the stack at the end of the block."""
    common = ["-C", str(fleet.project), "--engine", "embedded", "--yes"]

    def up():
        assert main(["up", *common]) == 0

    with pytest.MonkeyPatch.context() as patch:
        for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
            patch.delenv(key, raising=False)
        fleet.up = up
        yield fleet
        assert main(["destroy", *common]) == 0
