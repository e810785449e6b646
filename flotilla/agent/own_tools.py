"""Tools for agents that others wrote (`flotilla.agent_tools`): described, checked, bounded and audited as all are."""

from __future__ import annotations

from typing import Any

from flotilla.agent.tool import Answer, Arguments, Tool
from flotilla.agent.workplace import Workplace
from flotilla.plugins import Group, Plugin, plugins, several


def own_tools(workplace: Workplace, known: set[str]) -> list[Tool]:
    """Return the tools of packages, and of the project's `pyproject.toml`.

    Each entry point is a function of the workplace that returns a Tool, or several. Tools that change something are
    left out where changes aren't allowed.

    Args:
        workplace: the stack.
        known: names that are taken.

    Raises:
        PluginError: an extension can't be used, or a tool has a name that is taken.
    """
    found: list[Tool] = []
    for plugin in plugins(Group.AGENT_TOOLS, workplace.project).values():
        for tool in several(plugin, _made(plugin, workplace), Tool, "flotilla.agent.tool.Tool"):
            if tool.name in known:
                raise plugin.unusable(f"has a tool {tool.name!r}, and there is one of that name")
            if not (_is(tool.arguments, Arguments) and _is(tool.answer, Answer)):
                raise plugin.unusable(f"has a tool {tool.name!r} whose arguments or answer are no model of them")
            known.add(tool.name)
            if workplace.allow_changes or not tool.changes:
                found.append(tool)
    return found


def _made(plugin: Plugin, workplace: Workplace) -> Any:
    make = plugin.load()
    if not callable(make):
        raise plugin.unusable(f"is no function: it is of the type {type(make).__name__}")
    try:
        return make(workplace)
    except Exception as error:
        raise plugin.unusable(f"failed: {type(error).__name__}: {error}") from error


def _is(model: Any, base: type) -> bool:
    return isinstance(model, type) and issubclass(model, base)
