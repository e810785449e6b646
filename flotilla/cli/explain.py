"""The verb `explain`: prints each chart value that a stack changes: before, after, why, and what happens without it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.text import Text

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import load_fleet
from flotilla.cli.stack_options import stack_options
from flotilla.cli.verbs import HELP
from flotilla.stack.installation import explained, hazards

_LONGEST = 60


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    explain = verbs.add_parser("explain", parents=[common, stack_options()], help=HELP["explain"])
    explain.set_defaults(verb=_explain)


def _explain(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    control_plane = load_fleet(options, files=False).control_plane
    if control_plane.helm is None:
        if options.json:
            output.json({"stack": options.stack, "installs": None, "values": [], "hazards": []})
        else:
            output.console.print(f"stack {options.stack} uses an existing Karmada; it installs none")
        return ExitCode.DONE
    version = control_plane.release
    values = explained(control_plane.helm, version)
    found = hazards(control_plane.helm, version)
    if options.json:
        document = [
            {
                "path": v.path,
                "from": v.default,
                "to": v.shown,
                "why": v.reason,
                "without": v.otherwise,
            }
            for v in values
        ]
        output.json({"stack": options.stack, "installs": version, "values": document, "hazards": found})
        return ExitCode.DONE
    output.console.print(
        Text(f"stack {options.stack} installs Karmada {version} and changes these values", style="bold")
    )
    for value in values:
        before = "the chart's own" if value.default is None else _text(value.default)
        output.console.print(Text(f"\n{value.path}: {before} → {_text(value.shown)}", style="bold"))
        output.console.print(f"    why: {value.reason}", markup=False)
        output.console.print(f"    without it: {value.otherwise}", markup=False)
    for hazard in found:
        output.console.print(Text(f"\nhazard: {hazard}", style="yellow"))
    return ExitCode.DONE


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return '""' if text == "" else text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
