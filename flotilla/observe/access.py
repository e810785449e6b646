"""Access to a fleet's clusters: the control plane, and each member directly or through Karmada's proxy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cached_property

from flotilla.karmada.names import proxy_path
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object

_ANSWER_SECONDS = 10.0


class FleetAccess:
    """The connections to a fleet, opened when they are needed."""

    def __init__(self, control_plane: Connection, credentials: Callable[[], Mapping[str, str | Object]] = dict) -> None:
        """Keep the control plane's connection, and the function that returns kubeconfigs of members by name.

        A kubeconfig is a text, or a document of one context. The function is called once, when a member is needed
        first, because reading a stack's state takes a while.

        A member with a kubeconfig is reached directly, which works even while Karmada is down. The others are reached
        through Karmada's cluster proxy.
        """
        self.control_plane = control_plane
        self._given = credentials
        self._members: dict[str, Connection] = {}
        self._lock = threading.Lock()

    @cached_property
    def _credentials(self) -> Mapping[str, str | Object]:
        return self._given()

    def member(self, name: str) -> Connection:
        """Return the connection to a member; no request is sent yet."""
        with self._lock:
            if name not in self._members:
                self._members[name] = self._connect(name)
            return self._members[name]

    @property
    def known(self) -> list[str]:
        """The members whose credentials are available."""
        return sorted(self._credentials)

    def matching(self, patterns: Iterable[str]) -> list[str]:
        """Return the members with credentials that match any pattern; all of them if there is no pattern."""
        wanted = list(patterns)
        return [n for n in self.known if not wanted or any(fnmatchcase(n, pattern) for pattern in wanted)]

    def _connect(self, name: str) -> Connection:
        given = self._credentials.get(name)
        if given is None:
            return self.control_plane.below(proxy_path(name), name=name)
        if isinstance(given, str):
            given = kubeconfigs.select(kubeconfigs.load(given, origin=f"the stack's kubeconfig of {name}"))
        return Connection(given, name=name, timeout=_ANSWER_SECONDS)
