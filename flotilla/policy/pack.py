"""A project's pack of rules: `policies/rules`, which its users change as they like."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from flotilla.errors import FlotillaError
from flotilla.policy.model import Rule

_MODULE = "flotilla_project_rules"


def load_rules(project: Path) -> tuple[Rule, ...]:
    """Return the project's rules; a project without a pack has none.

    Raises:
        FlotillaError: the pack can't be read.
    """
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
