"""Tools of users and packages (`flotilla.agent_tools`). The toolbox treats them like its own tools."""

from __future__ import annotations

from typing import Any

from flotilla.agent.tool import Answer, Arguments, Tool
from flotilla.agent.workplace import Workplace
from flotilla.plugins import Group, Plugin, plugins, several


def own_tools(workplace: Workplace, known: set[str]) -> list[Tool]:
    """Return the tools of installed packages, and those in the project's `pyproject.toml`.

    Each entry point is a function that takes the workplace and returns one Tool or several. Tools that change
    something are left out if changes are not allowed.

    Args:
        workplace: the stack.
        known: the names of the other tools; the names of the new tools are added to it.

    Raises:
        PluginError: an extension is not usable, or the name of a tool exists already.
    """
    found: list[Tool] = []
    for plugin in plugins(Group.AGENT_TOOLS, workplace.project).values():
        for tool in several(plugin, _made(plugin, workplace), Tool, "flotilla.agent.tool.Tool"):
            if tool.name in known:
                raise plugin.unusable(f"has a tool {tool.name!r}, but there is already one of that name")
            if not (_is(tool.arguments, Arguments) and _is(tool.answer, Answer)):
                raise plugin.unusable(
                    f"has a tool {tool.name!r} whose models of arguments and answer are not subclasses of Arguments "
                    "and Answer"
                )
            known.add(tool.name)
            if workplace.allow_changes or not tool.changes:
                found.append(tool)
    return found


def _made(plugin: Plugin, workplace: Workplace) -> Any:
    make = plugin.load()
    if not callable(make):
        raise plugin.unusable(f"is not a function: its type is {type(make).__name__}")
    try:
        return make(workplace)
    except Exception as error:
        raise plugin.unusable(f"failed: {type(error).__name__}: {error}") from error


def _is(model: Any, base: type) -> bool:
    return isinstance(model, type) and issubclass(model, base)
