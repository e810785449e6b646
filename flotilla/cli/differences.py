"""Changes that are too long for one line: small diffs of single values, and diffs of whole objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import yaml
from rich.console import Console
from rich.text import Text

from flotilla.karmada.names import cluster_of
from flotilla.kube.objects import Object
from flotilla.kube.secrecy import HIDDEN, masked, redacted
from flotilla.plan.change_texts import ChangeText
from flotilla.plan.changes import change_text, short_path
from flotilla.plan.steps import Op, Step
from flotilla.state.diff import Change
from flotilla.state.urns import provider_of
from flotilla.state.values import mask
from flotilla.untrusted import one_line

_LONGEST = 60
"""The most characters of a value that a line of a plan shows."""
_CONTEXT = 3
"""The number of unchanged lines that are shown around a change."""
_WHOLE = 25
"""A value of at most this many lines is shown completely, so that the user sees the place of the change in it."""
_MOST = 40
"""The most lines that a value's diff has in a plan. `--diff` has no limit."""
_STYLES = {"+": "green", "-": "red", " ": "dim", "…": "dim", "~": "yellow"}


class Line(NamedTuple):
    """One line of a diff."""

    sign: str
    """`+`: added; `-`: removed; a space: unchanged; `~`: a secret that changes; `…`: lines that are left out."""
    text: str


def needs_lines(change: Change) -> bool:
    """Return whether a change is too long for one line of a plan."""
    return any(_is_long(value) for value in (change.old, change.new))


def _is_long(value: Any) -> bool:
    return bool(value) if isinstance(value, dict | list) else len(str(value)) > _LONGEST or "\n" in str(value)


def head(text: str) -> str:
    """Return a plan's text without the values that are shown as diffs below it; a plain string is unchanged."""
    if not isinstance(text, ChangeText) or not any(map(needs_lines, text.changes)):
        return text
    if not text.prefix and not text.suffix:
        return "; ".join(map(_named, text.changes))
    return f"{text.prefix}{'; '.join(map(_named, text.changes))}{text.suffix}"


def _named(change: Change) -> str:
    if not needs_lines(change):
        return change_text(change)
    how = " is added" if change.old is None else " is removed" if change.new is None else ""
    return f"{short_path(change.text)}{how}"


def print_changes(console: Console, texts: Iterable[str], indent: str) -> None:
    """Print a diff for each value that is too long for the texts of a plan."""
    changes = [change for text in texts if isinstance(text, ChangeText) for change in text.changes]
    for change in filter(needs_lines, changes):
        if len(changes) > 1:
            console.print(Text(f"{indent}{one_line(short_path(change.text))}", style="yellow"))
        lines = value_lines(change.old, change.new) or [Line("~", HIDDEN)]
        _print_lines(console, lines, f"{indent}  " if len(changes) > 1 else indent)


def value_lines(old: Any, new: Any, *, most: int | None = _MOST) -> list[Line]:
    """Return the diff of two values, as lines of YAML; None stands for a missing value."""
    found = list(_compared(_written(old), _written(new)))
    if most is None or len(found) <= most:
        return found
    return [*found[:most], Line("…", f"{len(found) - most} more lines; --diff shows them")]


def _written(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return value.splitlines()
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False)
    return text.removesuffix("...\n").splitlines()


def _compared(old: list[str], new: list[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    context = _WHOLE if max(len(old), len(new)) <= _WHOLE else _CONTEXT
    for number, group in enumerate(matcher.get_grouped_opcodes(context)):
        if number:
            yield Line("…", "")
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (Line(" ", text) for text in old[old_from:old_to])
                continue
            yield from (Line("-", text) for text in old[old_from:old_to])
            yield from (Line("+", text) for text in new[new_from:new_to])


def print_objects(console: Console, steps: Sequence[Step]) -> None:
    """Print the complete diff of each Kubernetes object that changes."""
    replaced = {step.urn for step in steps if step.op is Op.REPLACE}
    for step in sorted(steps, key=lambda step: (step.provider, step.name, step.urn, step.op)):
        half = step.op in (Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED) and step.urn in replaced
        if half or not step.type.startswith("kubernetes:"):
            continue
        before, after = (_object(state and state.inputs) for state in (step.before, step.after))
        lines = value_lines(before, after, most=None)
        if lines:
            cluster = cluster_of(provider_of(step.provider)) or "?"
            console.print(Text(f"\n{step.op.replace('-', ' ')} {step.name} in {cluster}", style="bold"))
            _print_lines(console, lines, "  ")


def _object(inputs: Any) -> Object | None:
    return None if inputs is None else masked(mask(inputs))


def _print_lines(console: Console, lines: Iterable[Line], indent: str) -> None:
    for line in lines:
        text = f"{indent}{line.sign} {one_line(redacted(line.text))}".rstrip()
        console.print(Text(text, style=_STYLES[line.sign]))
