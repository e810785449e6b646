"""A connection that asks for nothing twice while nothing changes: a pass over a fleet at rest costs next to nothing."""

from __future__ import annotations

from typing import Any

from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.wire import Request

_REVISION_SECONDS = 1.0


class ReadingOnce(Connection):
    """A connection whose answers are kept until something is written in its cluster, by this process or another.

    Answers are shared between those who ask: nobody may change them.
    """

    def __init__(self, document: dict[str, Any], *, name: str, timeout: float = 30.0) -> None:
        """Prepare a connection, as `Connection` does; nothing is kept yet."""
        super().__init__(document, name=name, timeout=timeout)
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._revision = ""

    def renew(self) -> bool:
        """Ask for everything anew from now on, unless nothing was written. Tell whether something was, or may be."""
        revision = self._asked_revision()
        changed = not revision or revision != self._revision
        self._revision = revision
        # Discovery, versions and readiness change without a write.
        self._answers = {} if changed else {key: kept for key, kept in self._answers.items() if _of_objects(key[0])}
        return changed

    def _asked_revision(self) -> str:
        """Return the store's revision, which every write of any kind moves on; '' where the server doesn't say."""
        request = Request(
            "GET", "/api/v1/namespaces", "asking for the revision", {"limit": 1}, timeout=_REVISION_SECONDS
        )
        try:
            answer = super().send(request)
        except ApiError:
            return ""
        return str((answer.get("metadata") or {}).get("resourceVersion") or "")

    def send(self, request: Request) -> Any:
        """Send one request, or return what it was answered with."""
        if request.method != "GET":
            try:
                return super().send(request)
            finally:
                self._answers.clear()  # one that failed may have been carried out
                self._revision = ""
        key = (request.path, request.accept, *sorted((k, v) for k, v in request.query.items() if v is not None))
        if key not in self._answers:
            self._answers[key] = super().send(request)
        return self._answers[key]


def _of_objects(path: str) -> bool:
    """Tell whether a path is one of objects: /api/v1/pods and not /api/v1, /apis/apps/v1/deployments and not /apis."""
    parts = path.strip("/").split("/")
    return len(parts) > {"api": 2, "apis": 3}.get(parts[0], len(parts))
