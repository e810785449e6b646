"""Names of workloads and files, derived from the names of objects."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flotilla.adopt.grouping import Group
from flotilla.kube.objects import Object

_LONGEST = 40
_DEFAULT = "workload"


def label_of(text: str) -> str:
    """Return a text as a DNS label that is short enough for a policy's name to be appended."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:_LONGEST].strip("-") or _DEFAULT


class Names:
    """Gives names, each only once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Start with the names that are already in use."""
        self._taken = set(taken)

    def take(self, *wanted: str) -> str:
        """Return the first of some names that is free, or the last one with a number appended."""
        number = 1
        choices = list(wanted)
        while True:
            for name in choices:
                if name not in self._taken:
                    self._taken.add(name)
                    return name
            number += 1
            choices = [f"{wanted[-1]}-{number}"]


def workload_name(group: Group, names: Names) -> str:
    """Return the name for a group of policies and templates: its policy's, or with several policies its namespace's."""
    first = group.senders[0]["metadata"]
    namespaces = [name for name in group.namespaces if name]
    own = label_of(str(first["name"]))
    if len(group.senders) > 1:
        wider = label_of(namespaces[0]) if len(namespaces) == 1 else "shared"
        return names.take(wider, label_of(f"{wider}-{own}"))
    within = str(first.get("namespace") or (namespaces[0] if len(namespaces) == 1 else "cluster"))
    return names.take(own, label_of(f"{within}-{own}"))


def file_names(objects: Iterable[Object], *, most: int) -> dict[str, list[Object]]:
    """Return objects by file name: a file for each object, or for each kind if there are many objects.

    No two names differ only by upper and lower case: some file systems treat such names as equal.
    """
    listed = list(objects)
    namespaces = {str(one["metadata"].get("namespace") or "") for one in listed}
    names = Names()
    files: dict[str, list[Object]] = {}
    by_kind: dict[str, str] = {}
    for obj in listed:
        kind = re.sub(r"[^a-z0-9]+", "-", str(obj["kind"]).lower())
        if len(listed) > most:
            file = by_kind.get(str(obj["kind"])) or by_kind.setdefault(str(obj["kind"]), names.take(kind))
        else:
            within = str(obj["metadata"].get("namespace") or "")
            parts = [kind, *([within] if len(namespaces) > 1 and within else []), str(obj["metadata"]["name"])]
            file = names.take(re.sub(r"[^a-z0-9.]+", "-", "-".join(parts).lower())[:100].strip("-."))
        files.setdefault(f"{file}.yaml", []).append(obj)
    return files
