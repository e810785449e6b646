"""Objects that replace files while a stack is planned and run as an earlier update declared it.

The files that the stack named then may have changed since; their content at that time is in the state of that update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from flotilla.kube.objects import Object
from flotilla.kube.secrecy import PLACEHOLDERS

_placed: dict[str, tuple[Object, ...]] = {}


@contextmanager
def in_place(objects: Mapping[str, Sequence[Object]]) -> Iterator[None]:
    """Make objects available to every reader of manifests in this process, under names that no file has.

    The program, the checks of the stack and the policies each read files separately, some in other threads. Only one
    earlier declaration at a time can be in place.

    Args:
        objects: by the entry of `manifests` that names them.
    """
    if _placed:
        raise RuntimeError("objects of another update are in place")
    _placed.update({entry: tuple(listed) for entry, listed in objects.items()})
    try:
        yield
    finally:
        _placed.clear()


def is_placed(entry: str) -> bool:
    """Return whether an entry of `manifests` names objects that are in place."""
    return entry in _placed


def placed(entry: str, *, veiled: bool) -> list[Object]:
    """Return the objects that an entry of `manifests` names.

    Args:
        entry: an entry for which `is_placed` returns true.
        veiled: replace the values of Secrets by placeholders, as for a reader without the keys of encrypted files.
    """
    return [_veiled(obj) if veiled and obj.get("kind") == "Secret" else obj for obj in _placed[entry]]


def _veiled(secret: Object) -> Object:
    parts = {part: dict.fromkeys(secret[part], text) for part, text in PLACEHOLDERS.items() if secret.get(part)}
    return {**secret, **parts}
