"""The committed reference pages equal the pages generated from the models, the parser and the exit codes."""

import ast
import re

import pytest

from ci.reference.__main__ import PAGES
from ci.reference.refusals import models, refusals_of
from ci.reference.stack_file import documented
from flotilla.cli.usage import USAGE
from flotilla.stack.schema import stack_file_schema


@pytest.mark.parametrize("name", PAGES)
def test_committed_page_equals_the_generated_page(repository, name):
    committed = (repository / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert committed == PAGES[name](), "run `make reference`"


def test_every_model_has_a_section_and_every_key_a_description():
    whole = stack_file_schema()
    shown = {name for name, one in whole["$defs"].items() if "enum" not in one and "const" not in one and one}
    assert shown == documented()
    parts = [whole["properties"]["config"], *whole["$defs"].values()]
    keys = [(key, value) for part in parts for key, value in part.get("properties", {}).items()]
    assert [key for key, value in keys if not value.get("description", "").endswith((".", ".)"))] == []


def test_refusals_are_read_from_the_validators():
    rules = {name: [one.rule for one in refusals_of(name)] for name in models()}
    assert "has both `caBundle` and `insecureSkipTlsVerify`" in rules["Member"]
    assert "`name` is reserved for the control plane and its host" in rules["Member"]
    assert "`version` must be between 1.10 and 1.18" in rules["ControlPlane"]
    assert rules["Resources"] == []
    assert "…: both in `clusters` and in `exclude`" in rules["Placement"], "the section has its keys"
    assert "…: both in `clusters` and in `exclude`" not in rules["Group"], "the section of `placement` has them"
    assert any(rule.startswith("`use` must be a DNS label") for rule in rules["OwnComponent"]), "of a base without one"
    assert sum(map(len, rules.values())) > 90


def test_angle_brackets_are_escaped():
    for name in ("stack-file.md", "installation.md"):
        outside = re.sub(r"`[^`\n]*`|<!--.*-->", "", PAGES[name]())
        assert re.findall(r"(?<!\\)<\w+>", outside) == []


def test_command_page_has_every_verb_with_its_options_and_examples():
    page = PAGES["commands.md"]()
    for verb, usage in USAGE.items():
        assert f"\n## `{verb}`\n\n{usage.text}\n" in page
        assert all(command in page for command, _ in usage.examples)
    assert "| `-s`, `--stack` `STACK` |" in page


NO_RULES = {"certificate-authority-data", "client-certificate-data", "rbac-defaults"}
"""Other words with hyphens in `flotilla/drift`: keys of kubeconfigs and labels."""


def test_every_rule_of_drift_is_in_the_reference(repository):
    """Rules are words with hyphens in the source; rules for Helm's objects are derived from those for other objects."""
    sources = [path for path in (repository / "flotilla" / "drift").glob("*.py") if path.name != "formats.py"]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    rules = {word for word in words if re.fullmatch(r"[a-z]+(-[a-z]+)+", word) and not word.startswith("kube-")}
    objects = {rule for rule in rules if rule.startswith("object-")}
    made = {rule.replace("object", "release-object") for rule in objects}
    table = (repository / "docs" / "reference" / "drift.md").read_text().partition("## Rules")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if re.match(r"\| `[a-z]+-", line)]
    listed = {rule for row in rows for rule in re.findall(r"`([^`]+)`", row)}
    assert listed == (rules | made) - NO_RULES - {"karmada-system", "release-object"}
