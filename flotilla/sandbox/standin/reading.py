"""A connection that keeps answers while nothing changes, so that a pass over an idle fleet costs almost nothing."""

from __future__ import annotations

from typing import Any

from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.wire import Request

_REVISION_SECONDS = 1.0


class ReadingOnce(Connection):
    """A connection that keeps its answers until this process or another one writes in the cluster.

    Answers are shared between callers, which must not change them.
    """

    def __init__(self, document: dict[str, Any], *, name: str, timeout: float = 30.0) -> None:
        """Prepare a connection, as `Connection` does, without stored answers."""
        super().__init__(document, name=name, timeout=timeout)
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._revision = ""

    def renew(self) -> bool:
        """Discard the stored answers if anything was written; return whether anything was or may have been written."""
        revision = self._asked_revision()
        changed = not revision or revision != self._revision
        self._revision = revision
        # Discovery, versions and readiness change without a write.
        self._answers = {} if changed else {key: kept for key, kept in self._answers.items() if _of_objects(key[0])}
        return changed

    def _asked_revision(self) -> str:
        """Return the store's revision, which every write of any kind increases; '' if the server doesn't return it."""
        request = Request(
            "GET", "/api/v1/namespaces", "asking for the revision", {"limit": 1}, timeout=_REVISION_SECONDS
        )
        try:
            answer = super().send(request)
        except ApiError:
            return ""
        return str((answer.get("metadata") or {}).get("resourceVersion") or "")

    def send(self, request: Request) -> Any:
        """Send one request, or return the stored answer."""
        if request.method != "GET":
            try:
                return super().send(request)
            finally:
                self._answers.clear()  # a failed request may have been carried out
                self._revision = ""
        key = (request.path, request.accept, *sorted((k, v) for k, v in request.query.items() if v is not None))
        if key not in self._answers:
            self._answers[key] = super().send(request)
        return self._answers[key]


def _of_objects(path: str) -> bool:
    """Return whether a path is one of objects: /api/v1/pods, not /api/v1; /apis/apps/v1/deployments, not /apis."""
    parts = path.strip("/").split("/")
    return len(parts) > {"api": 2, "apis": 3}.get(parts[0], len(parts))
