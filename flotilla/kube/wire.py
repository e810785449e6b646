"""Requests to an API server as values, and the interpretation of its answers; nothing is sent here.

The blocking and the asyncio connection share this module: requests, errors, and the rules for repeated attempts.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from flotilla.errors import ClusterError
from flotilla.kube import answers
from flotilla.kube.answers import Answer, UnexpectedAnswer, shortened
from flotilla.kube.objects import Object
from flotilla.kube.secrecy import redacted, secrets_of_request

# Statuses that mean "later", not "no": throttling, or an API server or a webhook that is starting or overloaded.
_LATER = frozenset({429, 502, 503, 504})
_BUSY = frozenset({0, 429, 503})
_UNCERTAIN = frozenset({401, 408, 429})
# These statuses say that the server did not start the request, so that even a POST can be repeated; 502 and 504 don't.
_NOT_BEGUN = frozenset({429, 503})
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
ATTEMPTS = 5
CONNECT_SECONDS = 5.0
"""For opening a connection, including TLS."""
ANSWER_SECONDS = 30.0
"""For one attempt."""
WHOLE_FACTOR = 2.0
"""A request may take this many times the time of one attempt: for all attempts, the pauses between them, and the wait
for a free slot of the connection. If a request has its own timeout, that bounds the whole request."""
MEDIA = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
    "strategic": "application/strategic-merge-patch+json",
}


class ApiError(ClusterError):
    """An API server's refusal. `status` is the HTTP status (0: no answer), `reason` the machine-readable reason."""

    def __init__(
        self, message: str, *, status: int, reason: str = "", details: Object | None = None, hint: str = ""
    ) -> None:
        """Keep the parts by which callers decide what to do."""
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason
        self.details = details or {}

    @property
    def missing(self) -> bool:
        """Whether the object does not exist (for an unknown kind see `KindNotServed`)."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def busy(self) -> bool:
        """Whether the server is busy or did not answer, so that a caller that waits should ask again later."""
        return self.status in _BUSY

    @property
    def refused(self) -> bool:
        """Whether the API server itself refused the request, so that it certainly changed nothing.

        False for 401, which a proxy in between may answer, for statuses that ask for a later attempt, and for 5xx.
        """
        certain = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return certain and bool(self.reason) and self.status not in _UNCERTAIN


class Unreachable(ApiError):
    """No answer: the state of the cluster and its objects is unknown. The server may have carried out the request.

    `nothing_done` is True if no attempt reached a server.
    """

    whole_cluster = True


class NotTheApi(Unreachable):
    """An answer that no API server gives: a login page, a redirect, a truncated document, foreign JSON.

    Whatever its HTTP status, it says nothing about the cluster's objects. The API server may have carried out the
    request.
    """

    again = False
    """Whether another attempt may get a complete document."""


class KindNotServed(ApiError):
    """The API server serves no such group, version and kind (a CRD or an aggregated API is missing)."""

    @property
    def missing(self) -> bool:
        """Always False: an unserved kind says nothing about its objects, since an aggregated API may just be down."""
        return False


@dataclass(frozen=True)
class Resource:
    """The resource of a kind: the path segment of its collection, its scope and its short names."""

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
    """The media type of the answer; an answer that isn't JSON is returned as text."""

    def url(self, host: str) -> str:
        """Return the URL, with the values of the query that are set."""
        wanted = {key: value for key, value in self.query.items() if value is not None}
        return host.rstrip("/") + self.path + (f"?{urlencode(wanted)}" if wanted else "")

    def headers(self) -> dict[str, str]:
        """Return the headers without credentials."""
        headers = {"Accept": self.accept, "Accept-Encoding": "gzip", "User-Agent": "flotilla"}
        if self.body is not None:
            headers["Content-Type"] = self.media
        return headers

    def content(self) -> bytes | None:
        """Return the encoded body."""
        return json.dumps(self.body).encode() if self.body is not None else None


@dataclass
class Traffic:
    """Counts of a connection's requests, and of the bytes of answers as received from the network."""

    requests: int = 0
    received_bytes: int = 0
    date: str = ""
    """The time of the server's last answer by its own clock (its `Date` header); empty if it sent no such header."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, *, requests: int = 0, received_bytes: int = 0, date: str = "") -> None:
        """Add to the counts, and keep the time of an answer."""
        with self._lock:
            self.requests += requests
            self.received_bytes += received_bytes
            self.date = date or self.date


@dataclass(frozen=True)
class Peer:
    """The server of a connection, and its name in errors."""

    name: str
    server: str

    def decode(self, request: Request, answer: Answer) -> Any:
        """Return an answer's JSON object, or its text if the request accepts text.

        Raises:
            ApiError: the server refused the request.
            NotTheApi: the answer is not from an API server.
        """
        try:
            answers.refuse_redirect(answer)
            if answer.refused:
                self._refuse(request, answer)
            if "json" in request.accept:
                return answers.document(answer)
            return answer.body.decode("utf-8", "replace")
        except UnexpectedAnswer as strange:
            if secrets_of_request(
                request.path, request.body
            ):  # the text quotes a part of the answer, which may contain a part of a secret
                strange = UnexpectedAnswer(str(strange).partition(": ")[0], again=strange.again)
            raise self.not_the_api(request.doing, strange, answer.status) from None

    def _refuse(self, request: Request, answer: Answer) -> NoReturn:
        secrets = secrets_of_request(request.path, request.body)  # a server may quote a refused value
        what = f"{self.name}: {self.server} refused while {request.doing}"
        try:
            refusal = answers.refusal(answer if answers.is_status(answer) else _redacted_answer(answer, secrets))
        except LookupError as error:
            raise KindNotServed(f"{what}: {error} (HTTP {answer.status})", status=answer.status) from None
        said = redacted(str(refusal.get("message") or answer.phrase), secrets)
        raise ApiError(
            f"{what}: {said} (HTTP {answer.status})",
            status=answer.status,
            reason=str(refusal.get("reason") or ""),
            details=_redacted_details(refusal.get("details"), secrets),
            hint=_HINTS.get(answer.status, ""),
        )

    def not_the_api(self, doing: str, strange: UnexpectedAnswer, status: int = HTTPStatus.OK) -> NotTheApi:
        """Return the error for an answer that isn't the API's."""
        message = f"{self.name}: {self.server} did not answer as an API server while {doing}: {strange} (HTTP {status})"
        error = NotTheApi(message, status=0, hint=_STRANGE_HINT)
        error.again = strange.again
        return error

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

    def busy(self, doing: str, seconds: float) -> Unreachable:
        """Return the error for a request that was not sent, because other requests took all of its time."""
        message = f"{self.name}: {self.server} was not asked while {doing}: other requests took all {seconds:.0f} s"
        error = Unreachable(message, status=0)
        error.nothing_done = True
        return error

    def read_event(self, line: bytes, doing: str) -> Object:
        """Return one event of a watch.

        Raises:
            ApiError: the server ended the watch; status 410 if the version is too old.
            NotTheApi: the line is not an event.
        """
        try:
            event: Object = answers.an_event(line)
        except UnexpectedAnswer as strange:
            raise self.not_the_api(doing, strange) from None
        if event["type"] == "ERROR":
            self._refuse_watch(event["object"], doing)
        return event

    def _refuse_watch(self, status: Object, doing: str) -> NoReturn:
        code = status.get("code")
        number = code if isinstance(code, int) else 500
        raise ApiError(f"{self.name}: {doing}: {status.get('message')}", status=number)


def _redacted_answer(answer: Answer, secrets: set[str]) -> Answer:
    """Return a plain-text answer without secrets; done before it is shortened, since a cut secret isn't recognised."""
    return replace(answer, body=redacted(answer.body.decode("utf-8", "replace"), secrets).encode())


def _redacted_details(details: Any, secrets: set[str]) -> Object | None:
    """Return a refusal's machine-readable details without secrets; their messages repeat the refusal's message."""
    if not isinstance(details, dict):
        return None
    causes = details.get("causes")
    if not isinstance(causes, list):
        return details
    plain = [
        {**one, "message": redacted(str(one.get("message", "")), secrets)} for one in causes if isinstance(one, dict)
    ]
    return {**details, "causes": plain}


def group_path(api_version: str) -> str:
    """Return the path of a group and version."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def pause_for(status: int, retry_after: str | None, attempt: int, method: str = "GET") -> float | None:
    """Return the seconds to wait before the request is sent again; None if the answer is final.

    A POST is sent again only if the answer says that the server did not start it: 429, or 503 with a Retry-After.
    """
    if status not in _LATER or attempt >= ATTEMPTS:
        return None
    if method == "POST" and (status not in _NOT_BEGUN or (status != HTTPStatus.TOO_MANY_REQUESTS and not retry_after)):
        return None
    try:
        asked = float(retry_after or 0)
    except ValueError:  # a date, or nonsense
        asked = 0
    return min(asked if math.isfinite(asked) and asked > 0 else back_off(attempt), _LONGEST_PAUSE)


def back_off(attempt: int) -> float:
    """Return the seconds before the next attempt."""
    return float(_FIRST_PAUSE * 2**attempt)


def network_reason(error: BaseException) -> str:
    """Return the innermost reason of a transport error, without the library's own wording."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return network_reason(reason)
    text = shortened(str(error), 200) or type(error).__name__
    if isinstance(error, ValueError) and "header" in text.lower():
        return "a header's value can't be sent"  # the text repeats the value
    for mark, reason_text in _REASONS.items():
        if mark in text.lower():
            return reason_text
    return redacted(text)


_REASONS = {
    "connection refused": "connection refused",
    "connect call failed": "connection refused",
    "certificate verify failed": "certificate verify failed",
    "timed out": "timed out",
    "timeout": "timed out",
    "name or service not known": "name or service not known",
}

_HINTS = {
    401: "this server does not, or no longer, accept the token or client certificate: get a new kubeconfig",
}
_STRANGE_HINT = "is this the API server's address? A login page, a proxy or a load balancer may answer in its place"
_NETWORK_HINTS = {
    "certificate verify failed": "the kubeconfig's certificate-authority-data isn't the one that signed the server's"
    " certificate, or the certificate doesn't name this address",
    "connection refused": "is the API server running, and is this its address?",
}
