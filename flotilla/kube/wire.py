"""What is said to an API server and what is made of its answer, without sending anything.

The blocking and the asyncio connection share all of it: requests as values, errors, and what may be sent again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from flotilla.errors import ClusterError
from flotilla.kube.objects import Object
from flotilla.kube.secrecy import redacted, secrets_of_request

# Statuses that say "later", not "no": throttling, an API server or a webhook that is starting or overloaded.
_LATER = frozenset({429, 502, 503, 504})
_UNCERTAIN = frozenset({401, 408, 429})
_LONGEST_PAUSE = 5.0
ATTEMPTS = 5
CONNECT_SECONDS = 5.0
MEDIA = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
    "strategic": "application/strategic-merge-patch+json",
}


class ApiError(ClusterError):
    """An API server's refusal. `status` is the HTTP status (0: no answer), `reason` the machine-readable word."""

    def __init__(
        self, message: str, *, status: int, reason: str = "", details: Object | None = None, hint: str = ""
    ) -> None:
        """Keep the parts that callers decide on."""
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason
        self.details = details or {}

    @property
    def missing(self) -> bool:
        """The object isn't there (which says nothing about its kind: see `KindNotServed`)."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def refused(self) -> bool:
        """The API server itself has refused the request, so that it surely changed nothing.

        Not so for 401, which a proxy in between may answer, nor for what asks to come again later, nor for 5xx.
        """
        certain = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return certain and bool(self.reason) and self.status not in _UNCERTAIN


class Unreachable(ApiError):
    """No answer at all: the cluster's state is unknown, never 'gone'."""

    whole_cluster = True


class KindNotServed(ApiError):
    """The API server serves no such group, version and kind (a CRD or an aggregated API is missing)."""

    @property
    def missing(self) -> bool:
        """An unserved kind says nothing about its objects: an aggregated API may just be down."""
        return False


@dataclass(frozen=True)
class Resource:
    """How a kind is reached: its collection's path segment and its scope."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    short_names: tuple[str, ...] = ()

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """Return the request path of the collection, or of one object."""
        middle = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{group_path(self.api_version)}{middle}/{self.plural}" + (f"/{quote(name)}" if name else "")


@dataclass(frozen=True)
class Request:
    """One request; `doing` completes "while ..." in errors, such as "reading Deployment default/nginx"."""

    method: str
    path: str
    doing: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    media: str = "application/json"
    timeout: float | None = None
    """Seconds; the connection's own if None."""
    accept: str = "application/json"
    """The media type of the answer; what isn't JSON is returned as text."""

    def url(self, host: str) -> str:
        """Return the address, with the query's values that are set."""
        wanted = {key: value for key, value in self.query.items() if value is not None}
        return host.rstrip("/") + self.path + (f"?{urlencode(wanted)}" if wanted else "")

    def headers(self) -> dict[str, str]:
        """Return the headers, credentials apart."""
        headers = {"Accept": self.accept, "Accept-Encoding": "gzip", "User-Agent": "flotilla"}
        if self.body is not None:
            headers["Content-Type"] = self.media
        return headers

    def content(self) -> bytes | None:
        """Return what is sent."""
        return json.dumps(self.body).encode() if self.body is not None else None


@dataclass
class Traffic:
    """What a connection has sent and received: requests, and bytes of answers as they came over the wire."""

    requests: int = 0
    received_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, *, requests: int = 0, received_bytes: int = 0) -> None:
        """Add to both."""
        with self._lock:
            self.requests += requests
            self.received_bytes += received_bytes


@dataclass(frozen=True)
class Peer:
    """Whom a connection talks to, as its errors call it."""

    name: str
    server: str

    def decode(self, request: Request, status: int, text: str, fallback: str = "") -> Any:
        """Return an answer's JSON, or its text where it is none.

        Raises:
            ApiError: the server refused.
        """
        refused = status >= HTTPStatus.BAD_REQUEST  # then it is JSON, whatever was asked for
        try:
            answer = json.loads(text) if text[:1] in "{[" and (refused or "json" in request.accept) else text
        except ValueError:
            answer = text
        if not refused:
            return answer
        told = answer if isinstance(answer, dict) else {}
        secrets = secrets_of_request(request.path, request.body)  # a server may quote what it refuses
        said = redacted(str(told.get("message") or text.strip() or fallback), secrets)
        said = said if told.get("message") else said[:300]
        message = f"{self.name}: {self.server} refused while {request.doing}: {said} (HTTP {status})"
        raise ApiError(
            message,
            status=status,
            reason=str(told.get("reason", "")),
            details=_redacted_details(told.get("details"), secrets),
            hint=_HINTS.get(status, ""),
        )

    def unreachable(self, doing: str, error: BaseException) -> Unreachable:
        """Return the error for a request that got no answer."""
        why = network_reason(error)
        message = f"{self.name}: no answer from {self.server} while {doing}: {why}"
        return Unreachable(message, status=0, hint=_NETWORK_HINTS.get(why, ""))

    def broke_off(self, doing: str, error: BaseException) -> Unreachable:
        """Return the error for a stream that ended early."""
        return Unreachable(f"{self.name}: {doing} broke off: {network_reason(error)}", status=0)

    def not_served(self, api_version: str, kind: str) -> KindNotServed:
        """Return the error for a kind that discovery doesn't know."""
        return KindNotServed(f"{self.name}: {self.server} serves no {kind} in {api_version}", status=404)

    def read_event(self, line: bytes, doing: str) -> Object:
        """Return one event of a watch.

        Raises:
            ApiError: the server ends the watch; status 410 where the version is too old.
        """
        event: Object = json.loads(line)
        if event["type"] == "ERROR":
            self._refuse_watch(event["object"], doing)
        return event

    def _refuse_watch(self, told: Object, doing: str) -> NoReturn:
        raise ApiError(f"{self.name}: {doing}: {told.get('message')}", status=int(told.get("code", 500)))


def _redacted_details(details: Object | None, secrets: set[str]) -> Object | None:
    """Return what a refusal says for machines, which repeats its message."""
    causes = details.get("causes") if isinstance(details, dict) else None
    if not isinstance(details, dict) or not isinstance(causes, list):
        return details
    told = [
        {**one, "message": redacted(str(one.get("message", "")), secrets)} for one in causes if isinstance(one, dict)
    ]
    return {**details, "causes": told}


def no_credentials(name: str, complaints: list[str]) -> ClusterError:
    """Return the error for a cluster whose credentials can't be used; a plugin's own text is redacted already."""
    message = f"{name}: the credentials of its kubeconfig can't be used: {'; '.join(complaints)}"
    hint = (
        "try the kubeconfig with kubectl, and a plugin's command by itself; what looks like a token isn't repeated here"
    )
    return ClusterError(message, hint=hint)


def group_path(api_version: str) -> str:
    """Return the path of a group and version."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def pause_for(status: int, retry_after: str | None, attempt: int) -> float | None:
    """Return the seconds to wait before an answer's request is sent again; None: it stands."""
    if status not in _LATER or attempt >= ATTEMPTS:
        return None
    try:
        asked = float(retry_after or 0)
    except ValueError:  # a date
        asked = 0
    return min(asked or back_off(attempt), _LONGEST_PAUSE)


def back_off(attempt: int) -> float:
    """Return the seconds before the next attempt."""
    return float(0.1 * 2**attempt)


def token_of(document: Object) -> str | None:
    """Return the token of a kubeconfig's user that is kept in a file, as it is now: such files are renewed in place."""
    file = document["users"][0]["user"].get("tokenFile")
    return Path(file).read_text().strip() if file else None


def network_reason(error: BaseException) -> str:
    """Return the innermost reason of a transport error, without the library's own wording."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return network_reason(reason)
    text = str(error) or type(error).__name__
    for mark, told in _REASONS.items():
        if mark in text.lower():
            return told
    return redacted(text)[:200]


_REASONS = {
    "connection refused": "connection refused",
    "connect call failed": "connection refused",
    "certificate verify failed": "certificate verify failed",
    "timed out": "timed out",
    "timeout": "timed out",
    "name or service not known": "name or service not known",
}

_HINTS = {
    401: "the token or client certificate is not, or no longer, one of this server's: get a new kubeconfig",
}
_NETWORK_HINTS = {
    "certificate verify failed": "the kubeconfig's certificate-authority-data isn't the one that signed the server's"
    " certificate, or the certificate doesn't name this address",
    "connection refused": "is the API server running, and is this its address?",
}
