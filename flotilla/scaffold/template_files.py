"""The template of a project, and its files for one name.

The folder `template` is what `pulumi new` takes as well: `${PROJECT}` and `${DESCRIPTION}` stand in it where Pulumi
replaces them. Four of its files are made from those of the repository (`make template`).
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from flotilla.counts import counted
from flotilla.stack.schema import SCHEMA_FILE, schema_text

TEMPLATE = Path(__file__).with_name("template")
DESCRIPTION = "A fleet of Kubernetes clusters - Karmada, its members and their workloads"
_LONGEST_NAME = 100
# Pulumi's rule (sdk/go/common/tokens: ValidateProjectName), and that of Python's packages at both ends.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_TEMPLATE_SECTION = re.compile(r"^template:\n(?:[ ].*\n)*", re.MULTILINE)
_SKIPPED = frozenset({"__pycache__"})


def name_problem(name: str) -> str:
    """Return why a project can't be called so, as half a sentence; empty where it can."""
    if not name:
        return "a project needs a name"
    if len(name) > _LONGEST_NAME:
        return f"it has {counted(len(name), 'character')}, and Pulumi takes at most {_LONGEST_NAME}"
    if not _NAME.fullmatch(name):
        return "a name has letters, digits, '-', '_' and '.' only, and begins and ends with a letter or a digit"
    if name.lower() == "pulumi" or name.lower().startswith("pulumi."):
        return "Pulumi refuses this name and names that begin with `pulumi.`"
    return ""


def project_files(name: str) -> dict[str, str]:
    """Return the files of a project by their paths in it, with `/`.

    Args:
        name: a valid name of a project.
    """
    found = {}
    for file in sorted(TEMPLATE.rglob("*")):
        path = file.relative_to(TEMPLATE)
        if file.is_file() and not _SKIPPED.intersection(path.parts):
            found[path.as_posix()] = _filled(file.read_text(encoding="utf-8"), name, as_yaml=file.suffix == ".yaml")
    found["Pulumi.yaml"] = _TEMPLATE_SECTION.sub("", found["Pulumi.yaml"])
    found[SCHEMA_FILE.as_posix()] = schema_text()
    return dict(sorted(found.items()))


def _filled(text: str, name: str, *, as_yaml: bool) -> str:
    quoted = name if not as_yaml or yaml.safe_load(name) == name else f'"{name}"'  # `name: 1.5` would be a number
    return text.replace("${PROJECT}", quoted).replace("${DESCRIPTION}", DESCRIPTION)
