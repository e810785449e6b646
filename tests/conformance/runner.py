"""Run a case with an engine and return the results in a form that can be compared and stored."""

import json
import os
import sys
from itertools import compress
from pathlib import Path

import yaml

from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.deploy.pulumi_cli import PulumiStack
from flotilla.errors import FlotillaError
from flotilla.plan.steps import Op
from flotilla.state.backend import StackFiles
from flotilla.state.backend import open_stack as open_state
from flotilla.state.urns import DYNAMIC_PREFIX, PROVIDER_PREFIX
from flotilla.state.values import Secret

from .cases import Case
from .places import Folder, Namespace

RECORDED = Path(__file__).with_name("recorded")
_PASSPHRASE = "conformance"


def run_case(case: Case, engine: EngineName, folder: Path, place: Folder | Namespace | None = None) -> list[dict]:
    """Return an entry for each act: its steps, whether it failed, and the state and objects afterwards."""
    place = place or Folder(folder / "files")
    project = folder / "project"
    for made in (project, folder / "state"):
        made.mkdir()
    (project / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "conformance", "runtime": "python"}))
    os.environ["PULUMI_BACKEND_URL"] = f"file://{folder / 'state'}"
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = _PASSPHRASE
    # The CLI runs dynamic providers in their own process, which must find this package.
    os.environ["PULUMI_PYTHON_CMD"] = sys.executable
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    return [_run_act(act, engine, project, place, folder, ordered=case.ordered) for act in case.acts]


def recorded(case: Case) -> dict:
    """Return the recording of a case: its acts, and the versions of the programs."""
    document: dict = json.loads((RECORDED / f"{case.name}.json").read_text())
    return document


def own_environment(monkeypatch) -> None:
    """Isolate the environment of a case from the shell's and from later tests."""
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_PYTHON_CMD", "PYTHONPATH"):
        monkeypatch.setenv(key, "")
    for key in tuple(os.environ):
        if key.startswith("PULUMI_K8S_"):  # the SDK adds them to the inputs of providers
            monkeypatch.delenv(key)


def compare_embedded(case: Case, done: list[dict]) -> None:
    """Assert that the embedded engine did the same as the recording, except in acts that differ on purpose."""
    wanted = recorded(case)["acts"]
    for act, actual in zip(case.acts, done, strict=True):
        if act.embedded_fails is not None:
            assert actual["failed"] is act.embedded_fails, f"{act.verb}: failed is {actual['failed']}"
    kept = [act.embedded_fails is None for act in case.acts]
    compare(list(compress(wanted, kept)), list(compress(done, kept)))


def compare(wanted: list[dict], done: list[dict]) -> None:
    """Assert that acts equal their recording, part by part."""
    for number, (expected, actual) in enumerate(zip(wanted, json.loads(json.dumps(done)), strict=True), 1):
        for part in expected:
            assert actual[part] == expected[part], f"act {number} ({expected['act']}): {part} differs"


def _run_act(act, engine, project, place, folder, *, ordered) -> dict:
    act.before(place.handle)
    begin = place.version() if ordered else ""
    program = act.program
    setting = Setting(project, "test", program=(lambda: program(place.handle)) if program else (lambda: None))
    stack = PulumiStack(setting) if engine is EngineName.PULUMI else open_stack(engine, setting)
    targets = {"targets": act.targets} if act.targets else {}
    try:
        result = getattr(stack, act.verb)(**targets)
        failed = bool(result.failures)
        steps = [_step(step) for step in result.steps]
        outputs = {key: _plain(value) for key, value in sorted(result.outputs.items())} if act.verb == "up" else {}
    except FlotillaError:
        failed, steps, outputs = True, [], {}
    return {
        "act": act.verb,
        "failed": failed,
        # A failed run stops immediately: how far the other operations are depends on timing.
        "steps": sorted(steps, key=json.dumps) if not failed else [],
        "outputs": place.scrubbed(outputs) if not failed else {},
        "state": _state(folder, place, failed=failed),
        "files": place.contents(),
        **({"order": place.history(begin)} if ordered else {}),
    }


def _step(step) -> dict:
    # For a dynamic resource, the CLI knows only that it differs, not which properties.
    detailed = step.op in (Op.UPDATE, Op.REPLACE) and not step.type.startswith(DYNAMIC_PREFIX)
    paths = sorted({change.text for change in step.changes}) if detailed else []
    return {"op": str(step.op), "urn": step.urn, "paths": paths}


def _state(folder: Path, place: Folder | Namespace, *, failed: bool) -> list[dict]:
    opened = open_state(StackFiles(folder / "state", "conformance", "test"), _PASSPHRASE, None)
    return [
        {
            "urn": r.urn,
            "type": r.type,
            "id": "" if r.type.startswith(PROVIDER_PREFIX) else place.scrubbed(r.id),
            "parent": r.parent,
            "protect": r.protect,
            "retain": r.retain_on_delete,
            "dependencies": sorted(r.dependencies),
            "provider": r.provider.rpartition("::")[0],
            "inputs": place.scrubbed(_plain(r.inputs)),
            # Which outputs a failed operation stored before it failed is not specified.
            "outputs": {} if failed and isinstance(place, Namespace) else place.scrubbed(_plain(r.outputs)),
        }
        for r in sorted(opened.snapshot.resources, key=lambda r: r.urn)
    ]


def _plain(value):
    if isinstance(value, Secret):
        return {"secret": _plain(value.value)}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in sorted(value.items()) if key != "__provider"}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value
