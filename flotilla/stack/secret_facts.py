"""Checks that no facts of members are encrypted in the stack file: a program gets them decrypted and can't see it."""

from __future__ import annotations

from pathlib import Path

from flotilla.stack.members import Member
from flotilla.stack.parsing import parse_list
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.stackfile import PROJECT, fleet_sections, placeholders

MEMBERS = f"{PROJECT}:members"
"""The configuration key of the section that contains facts."""


def check_facts(stack_file: Path) -> None:
    """Check that no fact of a stack file is encrypted; a missing file passes.

    Pulumi's CLI marks the whole of `flotilla:members` as secret if any value of it is secret.

    Raises:
        ConfigError: a fact is encrypted.
        FlotillaError: the file isn't YAML.
    """
    if not stack_file.is_file():
        return
    problems: list[Problem] = []
    parse_list(Member, placeholders(fleet_sections(stack_file).get("members")), "members", problems)
    wrong = [problem for problem in problems if problem.path.endswith("].facts")]
    if wrong:
        raise ConfigError(wrong, origin=str(stack_file))
