"""Restores the standard library's pickler after each change that Pulumi's SDK makes to it.

The SDK wraps a method of the pickler again for each dynamic resource, and never removes the wrapper. After about 950
dynamic resources (a fleet of about 300 members, or a server that runs many programs), the calls are nested too deeply
and every program ends with a RecursionError.
"""

from __future__ import annotations

import threading
from typing import Any

_pickling = threading.Lock()


def keep_pickler() -> None:
    """Make the SDK's function restore the pickler after each call. The function is wrapped once per process."""
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
