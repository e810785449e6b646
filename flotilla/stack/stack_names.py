"""The rule for names of stacks."""

from __future__ import annotations

import re

# Pulumi's own rule (pkg/backend: names of stacks). It also keeps paths inside the folder of stack files.
_STACK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def is_stack_name(text: str) -> bool:
    """Return whether Pulumi accepts a text as a stack's name, which becomes a part of file names."""
    return bool(_STACK_NAME.fullmatch(text) and text.strip("."))
