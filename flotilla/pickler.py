"""Keeps the standard library's pickler as it is, whatever Pulumi's SDK does to it.

The SDK wraps one of its methods anew at each dynamic resource and leaves it so. After some 950 of them (a fleet of
about 300 members, or a server that runs many programs) the calls are nested too deep: every program then ends with a
RecursionError.
"""

from __future__ import annotations

import threading
from typing import Any

_pickling = threading.Lock()


def keep_pickler() -> None:
    """Have the SDK's function undo its change after each call; it is wrapped once a process."""
    from pulumi.dynamic import dynamic

    original = dynamic.serialize_provider
    if hasattr(original, "keeps_the_pickler"):
        return
    pickler: Any = dynamic.pickle._Pickler  # type: ignore[attr-defined]  # noqa: SLF001 - the class that the SDK changes

    def serialize_provider(provider: Any) -> str:
        with _pickling:
            methods = pickler._batch_setitems, pickler.save_dict  # noqa: SLF001
            try:
                return str(original(provider))
            finally:
                pickler._batch_setitems, pickler.save_dict = methods  # noqa: SLF001

    serialize_provider.keeps_the_pickler = True  # type: ignore[attr-defined]
    dynamic.serialize_provider = serialize_provider
