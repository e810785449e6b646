"""The template of a project, and its files for a project's name.

`pulumi new` can use the folder `template`, too, and replaces `${PROJECT}` and `${DESCRIPTION}` in its files. Some of
these files are generated from files of the repository (`make template`).
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
# Pulumi's rule (sdk/go/common/tokens: ValidateProjectName); first and last character by the rule of Python packages.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_TEMPLATE_SECTION = re.compile(r"^template:\n(?:[ ].*\n)*", re.MULTILINE)
_SKIPPED = frozenset({"__pycache__"})


def name_problem(name: str) -> str:
    """Return why a name is not valid for a project, as part of a sentence; empty if it is valid."""
    if not name:
        return "a project needs a name"
    if len(name) > _LONGEST_NAME:
        return f"it has {counted(len(name), 'character')}, and Pulumi allows at most {_LONGEST_NAME}"
    if not _NAME.fullmatch(name):
        return "a name has letters, digits, '-', '_' and '.' only, and starts and ends with a letter or a digit"
    if name.lower() == "pulumi" or name.lower().startswith("pulumi."):
        return "Pulumi refuses `pulumi` and names that start with `pulumi.`"
    return ""


def project_files(name: str) -> dict[str, str]:
    """Return the texts of a project's files, by their paths in the project (with `/`).

    Args:
        name: the project's name, which must be valid.
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
    quoted = (
        name if not as_yaml or yaml.safe_load(name) == name else f'"{name}"'
    )  # YAML would read `name: 1.5` as a number
    return text.replace("${PROJECT}", quoted).replace("${DESCRIPTION}", DESCRIPTION)
