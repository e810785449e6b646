"""Loads a project's rules: those of `policies/rules`, which users can change, and those of entry points."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

from flotilla.counts import counted
from flotilla.errors import FlotillaError
from flotilla.plugins import Group, plugins, several
from flotilla.policy.model import Rule

_MODULE = "flotilla_project_rules"


def load_rules(project: Path) -> tuple[Rule, ...]:
    """Return the project's rules, and the rules of entry points in packages and `pyproject.toml` (`flotilla.policies`).

    Raises:
        FlotillaError: the pack can't be read, an extension can't be used, or two rules have the same name.
    """
    rules = _pack(project)
    for plugin in plugins(Group.POLICIES, project).values():
        rules += tuple(several(plugin, plugin.load(), Rule, "flotilla.policy.model.Rule"))
    for name, count in Counter(rule.name for rule in rules).items():
        if count > 1:
            raise FlotillaError(
                f"{counted(count, 'policy', 'policies')} have the name {name!r}: settings could not distinguish them",
                hint="rename all but one",
            )
    return rules


def _pack(project: Path) -> tuple[Rule, ...]:
    folder = project / "policies" / "rules"
    file = folder / "__init__.py"
    if not file.exists():
        return ()
    spec = importlib.util.spec_from_file_location(_MODULE, file, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise FlotillaError(f"{file}: not a Python package")
    module = importlib.util.module_from_spec(spec)
    for name in [name for name in sys.modules if name == _MODULE or name.startswith(_MODULE + ".")]:
        del sys.modules[name]
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
        rules: tuple[Rule, ...] = tuple(module.RULES)
    except Exception as error:
        raise FlotillaError(
            f"{folder}: the policy pack can't be read: {type(error).__name__}: {error}",
            hint="it must define RULES, a tuple of flotilla.policy.model.Rule",
        ) from error
    return rules
