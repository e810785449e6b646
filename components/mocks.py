"""What a stack's program declares, according to Pulumi's mocks: for tests of a project, without any cluster."""

from __future__ import annotations

import asyncio
import json
import runpy
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
from pulumi.runtime.stack import run_pulumi_func

from flotilla.counts import counted
from flotilla.karmada.installing.pki import Certificates
from flotilla.kube import yaml
from flotilla.kube.reading import read_text
from flotilla.plugins import importable
from flotilla.stack.offline import offline
from flotilla.stack.stackfile import read_stack_file

from . import join, karmada_control_plane

_SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105 - Pulumi marks special values with it (sdk: rpc.py)
_KUBECONFIG = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": "https://one.invalid:6443"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "users": [{"name": "one", "user": {}}],
    }
)


@dataclass(frozen=True)
class DeclaredResource:
    """A declared resource."""

    type: str
    """Its type token, such as `kubernetes:apps/v1:Deployment`."""
    name: str
    inputs: dict[str, Any] = field(repr=False)
    """The inputs of the resource; secrets are readable."""


class DeclaredStack:
    """The resources that a stack declares."""

    def __init__(self, resources: list[DeclaredResource]) -> None:
        """Store the resources, in the order in which they were registered."""
        self.resources = resources

    def names(self, *types: str) -> list[str]:
        """Return the names of all resources with one of some types."""
        return [one.name for one in self.resources if one.type in types]

    def inputs(self, name: str) -> dict[str, Any]:
        """Return the inputs of a resource.

        Raises:
            KeyError: no resource, or several, have this name.
        """
        found = [one for one in self.resources if one.name == name]
        if len(found) != 1:
            known = [one.name for one in self.resources]
            raise KeyError(f"{counted(len(found), 'resource')} called {name!r}; there are {known}")
        return found[0].inputs


def declared(project: Path, stack: str) -> DeclaredStack:
    """Run a project's program with a stack file, and return what it declares.

    The credentials in the stack file are replaced, so none are needed; encrypted values become placeholders. Every
    cluster counts as one that answers and hasn't joined any control plane.

    Args:
        project: the project's folder.
        stack: the name of the stack; its file is `stacks/Pulumi.<stack>.yaml`.

    Raises:
        FlotillaError: the stack file isn't valid, or the program failed.
    """
    name = str(yaml.load(read_text(project / "Pulumi.yaml"))["name"])
    values = read_stack_file(project / "stacks" / f"Pulumi.{stack}.yaml").get("config") or {}
    recorder = _Recorder()
    with tempfile.TemporaryDirectory() as folder, _without_clusters(), importable(project):
        config = offline({"config": values}, Path(folder))["config"]
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        with mock.patch.dict("os.environ", {"PULUMI_CONFIG": json.dumps(texts)}):
            asyncio.run(_run(project, name, stack, recorder))
    return DeclaredStack(recorder.resources)


class _Recorder(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.resources: list[DeclaredResource] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.append(DeclaredResource(args.typ, args.name, _opened(args.inputs)))
        outputs = dict(args.inputs)
        if args.typ == "kubernetes:core/v1:Secret" and not outputs.get("data"):
            outputs["data"] = {"token": "dG9rZW4=", "ca.crt": "Y2E="}
        if args.typ.endswith((":Kind", ":ControlPlaneReady")):
            outputs["kubeconfig"] = _KUBECONFIG
        if args.typ.endswith(":Certificates"):
            outputs |= dict.fromkeys(Certificates.__dataclass_fields__, "PEM")
        return f"{args.name}-id", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


def _opened(value: Any) -> Any:
    """Return an input without the marks of secrets."""
    if isinstance(value, dict):
        return _opened(value.get("value")) if _SECRET in value else {key: _opened(one) for key, one in value.items()}
    return [_opened(one) for one in value] if isinstance(value, list) else value


@contextmanager
def _without_clusters() -> Iterator[None]:
    """Replace the requests to clusters: every cluster seems to answer with an identity."""

    def fake_probe(_kubeconfig: Any, name: str) -> pulumi.Output[dict[str, str]]:
        return pulumi.Output.from_input({"uid": f"uid-of-{name}", "unanswered": ""})

    with ExitStack() as patches:
        for module in (join, karmada_control_plane):
            patches.enter_context(mock.patch.object(module, "probe", fake_probe))
        patches.enter_context(mock.patch.object(join, "conflict", _no_conflict))
        patches.enter_context(mock.patch.object(karmada_control_plane, "joined_clusters", _no_clusters))
        yield


def _no_conflict(*_: Any) -> pulumi.Output[str]:
    return pulumi.Output.from_input("")


def _no_clusters(_kubeconfig: Any) -> pulumi.Output[dict[str, str]]:
    return pulumi.Output.from_input({})


async def _run(project: Path, name: str, stack: str, recorder: _Recorder) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    def set_event_loop() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    def program() -> None:
        runpy.run_path(str(project / "__main__.py"), run_name="__main__")

    # The SDK's mocks open an event loop in each thread and close none; Python would later print warnings.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(initializer=set_event_loop))
    pulumi.runtime.set_mocks(recorder, project=name, stack=stack, preview=False)
    try:
        await run_pulumi_func(program)
    finally:
        for loop in loops:
            loop.call_soon_threadsafe(loop.stop) if loop.is_running() else loop.close()
