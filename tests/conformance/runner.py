"""Runs a case on an engine and tells what it did, in a form that can be compared and kept."""

import json
import os
import re
import sys
from pathlib import Path

import yaml

from flotilla.deploy.interface import EngineName, Setting, open_stack
from flotilla.deploy.pulumi_cli import PulumiStack
from flotilla.engine.steps import Op
from flotilla.errors import FlotillaError
from flotilla.state.backend import StackFiles
from flotilla.state.backend import open_stack as open_state
from flotilla.state.urns import DYNAMIC_PREFIX, PROVIDER_PREFIX
from flotilla.state.values import Secret

from .cases import Case

RECORDED = Path(__file__).with_name("recorded")
_PASSPHRASE = "conformance"


def run_case(case: Case, engine: EngineName, folder: Path) -> list[dict]:
    """Return one entry an act: the steps, whether it failed, the state and the files afterwards."""
    project, files = folder / "project", folder / "files"
    for made in (project, files, folder / "state"):
        made.mkdir()
    (project / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "conformance", "runtime": "python"}))
    os.environ["PULUMI_BACKEND_URL"] = f"file://{folder / 'state'}"
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = _PASSPHRASE
    # The CLI runs dynamic providers in a process of their own, which must find this package.
    os.environ["PULUMI_PYTHON_CMD"] = sys.executable
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    return [_run_act(act, engine, project, files, folder) for act in case.acts]


def _run_act(act, engine, project, files, folder) -> dict:
    act.before(files)
    program = act.program
    setting = Setting(project, "test", program=(lambda: program(files)) if program else (lambda: None))
    stack = PulumiStack(setting) if engine is EngineName.PULUMI else open_stack(engine, setting)
    targets = {"targets": act.targets} if act.targets else {}
    try:
        result = getattr(stack, act.verb)(**targets)
        failed = bool(result.failures)
        steps = [_step(step) for step in result.steps if not _is_default_provider(step.urn)]
        outputs = {key: _plain(value) for key, value in sorted(result.outputs.items())} if act.verb == "up" else {}
    except FlotillaError:
        failed, steps, outputs = True, [], {}
    return {
        "act": act.verb,
        "failed": failed,
        # A failed run stops at once: how far the others got meanwhile is a matter of timing.
        "steps": sorted(steps, key=json.dumps) if not failed else [],
        "outputs": outputs if not failed else {},
        "state": _state(folder, files),
        "files": {f.name: _scrubbed(json.loads(f.read_text()), files) for f in sorted(files.glob("*.json"))},
    }


def _step(step) -> dict:
    # Of a dynamic resource the CLI knows only that something differs, not which properties.
    detailed = step.op in (Op.UPDATE, Op.REPLACE) and not step.type.startswith(DYNAMIC_PREFIX)
    paths = sorted({change.text for change in step.changes}) if detailed else []
    return {"op": str(step.op), "urn": step.urn, "paths": paths}


def _state(folder: Path, files: Path) -> list[dict]:
    opened = open_state(StackFiles(folder / "state", "conformance", "test"), _PASSPHRASE, None)
    return [
        {
            "urn": r.urn,
            "type": r.type,
            "id": "" if r.type.startswith(PROVIDER_PREFIX) else r.id,
            "parent": r.parent,
            "protect": r.protect,
            "retain": r.retain_on_delete,
            "dependencies": sorted(r.dependencies),
            "provider": r.provider.rpartition("::")[0],
            "inputs": _scrubbed(_plain(r.inputs), files),
            "outputs": _scrubbed(_plain(r.outputs), files),
        }
        for r in sorted(opened.snapshot.resources, key=lambda r: r.urn)
    ]


def _plain(value):
    if isinstance(value, Secret):
        return {"secret": _plain(value.value)}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in sorted(value.items()) if key != "__provider"}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _scrubbed(value, files: Path):
    return json.loads(re.sub(re.escape(str(files)), "FILES", json.dumps(value)))


def _is_default_provider(urn: str) -> bool:
    return PROVIDER_PREFIX in urn and urn.endswith("::default")
