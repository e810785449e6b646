"""Waits until an object is ready or deleted, by those rules of Pulumi's Kubernetes provider that programs here need."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from flotilla.counts import counted
from flotilla.errors import FlotillaError
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, condition, ref_of
from flotilla.waiting import pause

SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT = "pulumi.com/timeoutSeconds"
DEFAULT_SECONDS = 600.0
_FIRST_POLL = 0.05
_LONGEST_POLL = 1.0
"""For waits of seconds. Long waits poll more rarely, since hundreds of them would overload a small API server."""
SILENCE_SECONDS = 60.0
"""How long a wait continues without an answer from the API server."""
FINALIZER_SECONDS = 60.0
"""How long a deletion waits while only finalizers of unknown controllers remain and none of them is removed."""
_KNOWN_FINALIZERS = ("foregroundDeletion", "orphan")
_KNOWN_DOMAINS = ("kubernetes.io", "k8s.io", "karmada.io")

Reason = str
Check = Callable[[Object], Reason]
"""Returns the reason why an object is not ready; empty if it is."""


class NotReady(FlotillaError):
    """An object was created but not ready in time; `live` is its last known state."""

    def __init__(self, message: str, live: Object) -> None:
        """Keep the object for the state."""
        super().__init__(message)
        self.live = live


def annotation(obj: Object, key: str) -> str:
    """Return an annotation, or ''."""
    return str(((obj.get("metadata") or {}).get("annotations") or {}).get(key, ""))


def seconds_for(obj: Object, timeout: float | None) -> float:
    """Return how many seconds to wait: the resource's timeout, its annotation, or ten minutes."""
    if timeout:
        return timeout
    text = annotation(obj, TIMEOUT)
    return float(text) if text.isdigit() else DEFAULT_SECONDS


def await_ready(connection: Connection, live: Object, timeout: float | None) -> Object:
    """Wait until an object is ready, and return its state at that time.

    Raises:
        NotReady: the object was not ready in time; the message says why.
    """
    check = check_for(live)
    if check is None:
        return live
    ref = ref_of(live)
    limit = seconds_for(live, timeout)
    deadline = time.monotonic() + limit
    pauses = _pauses()
    read = _Reader(connection)
    while True:
        reason = check(live)
        if not reason:
            return live
        if time.monotonic() > deadline:
            raise NotReady(f"{connection.name}: {ref} is not ready after {limit:.0f} s: {reason}", live)
        if pause(next(pauses)):
            raise NotReady(f"{connection.name}: interrupted while waiting for {ref}: {reason}", live)
        found = read.find(ref, live)
        if found is None:
            raise NotReady(f"{connection.name}: {ref} is gone while waiting for it", live)
        live = found


def await_gone(connection: Connection, live: Object, timeout: float | None) -> None:
    """Wait until an object no longer exists, or another object has its name.

    If the only remaining finalizers don't belong to controllers of Kubernetes or Karmada, and none of them is removed
    for a minute, the wait ends early, unless a timeout is set.

    Raises:
        NotReady: the object still exists; the message names its finalizers.
    """
    ref = ref_of(live)
    limit = seconds_for(live, timeout)
    begun = time.monotonic()
    pauses = _pauses()
    read = _Reader(connection)
    uid = live["metadata"].get("uid")
    patience = FINALIZER_SECONDS if not timeout and not annotation(live, TIMEOUT) else limit
    finalizers, since = _finalizers(live), begun
    while True:
        found = read.find(ref, live)
        if found is None or (uid and found["metadata"]["uid"] != uid):
            return
        now = time.monotonic()
        if _finalizers(found) != finalizers:
            finalizers, since = _finalizers(found), now
        stuck = bool(finalizers) and not any(_is_known(name) for name in finalizers) and now - since > patience
        if stuck or now - begun > limit:
            left = ", ".join(finalizers) or "none"
            raise NotReady(
                f"{connection.name}: {ref} is not gone after {now - begun:.0f} s; finalizers left: {left}", found
            )
        live = found
        if pause(next(pauses)):
            raise NotReady(f"{connection.name}: interrupted while waiting for the deletion of {ref}", found)


def _finalizers(obj: Object) -> list[str]:
    return list(obj["metadata"].get("finalizers") or [])


def _is_known(finalizer: str) -> bool:
    domain = finalizer.partition("/")[0]
    return finalizer in _KNOWN_FINALIZERS or domain == "kubernetes" or domain.endswith(_KNOWN_DOMAINS)


class _Reader:
    """Reads an object repeatedly, and tolerates an API server that doesn't answer for a minute."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._silent_since: float | None = None

    def find(self, ref: ObjectRef, last: Object) -> Object | None:
        """Return the current object, or `last` if the API server doesn't answer; None if it no longer exists.

        Raises:
            ApiError: the API server refuses the request, or hasn't answered for a minute.
        """
        try:
            found = find_live(self._connection, ref)
        except ApiError as error:
            if not _is_passing(error):
                raise
            now = time.monotonic()
            self._silent_since = self._silent_since or now
            if now - self._silent_since > SILENCE_SECONDS:
                raise
            return last
        self._silent_since = None
        return found


def find_live(connection: Connection, ref: ObjectRef) -> Object | None:
    """Return the current object; None if it no longer exists, alone or together with the definition of its kind.

    Raises:
        ApiError: the API server refuses the request, or it is not certain that the kind no longer exists.
    """
    try:
        return connection.find(ref)
    except KindNotServed:
        if connection.unserved(ref.api_version, ref.kind):
            return None
        raise


def _is_passing(error: ApiError) -> bool:
    """Return whether an error is temporary (another attempt may succeed) and not a refusal."""
    unavailable = error.status in (0, HTTPStatus.TOO_MANY_REQUESTS)
    return unavailable or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _pauses() -> Iterator[float]:
    """Yield the pauses between polls in seconds: they grow to one second, and later to a twentieth of the wait."""
    pause, waited = _FIRST_POLL, 0.0
    while True:
        yield pause
        waited += pause
        pause = min(pause * 1.5, max(_LONGEST_POLL, waited / 20))


def check_for(obj: Object) -> Check | None:
    """Return the check of an object's readiness; None for kinds that are ready as soon as they exist."""
    if annotation(obj, SKIP_AWAIT).lower() == "true":
        return None
    wanted = annotation(obj, WAIT_FOR)
    if wanted:
        return _waits_for(wanted)
    if obj["kind"] == "Secret":
        return _token_filled if obj.get("type") == "kubernetes.io/service-account-token" else None
    return _BY_KIND.get(f"{obj['apiVersion'].rpartition('/')[0]}/{obj['kind']}")


def _token_filled(obj: Object) -> Reason:
    return "" if (obj.get("data") or {}).get("token") else "the token controller has not filled it"


def _namespace_active(obj: Object) -> Reason:
    phase = (obj.get("status") or {}).get("phase", "unknown")
    return "" if phase == "Active" else f"its phase is {phase}"


def _deployment_available(obj: Object) -> Reason:
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    wanted = spec.get("replicas", 1)
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return "its controller has not seen the change"
    progressing = condition(obj, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return f"it makes no progress: {progressing.get('message', '')}"
    if status.get("updatedReplicas", 0) < wanted or status.get("availableReplicas", 0) < wanted:
        return f"{status.get('availableReplicas', 0)} of {counted(wanted, 'replica')} available"
    return ""


def _stateful_set_ready(obj: Object) -> Reason:
    status, wanted = obj.get("status") or {}, (obj.get("spec") or {}).get("replicas", 1)
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return "its controller has not seen the change"
    ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", status.get("readyReplicas", 0)))
    return "" if ready >= wanted else f"{ready} of {counted(wanted, 'replica')} ready"


def _service_has_address(obj: Object) -> Reason:
    if (obj.get("spec") or {}).get("type") != "LoadBalancer":
        return ""
    given = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    return "" if given else "no address was given to its load balancer"


def _pod_ready(obj: Object) -> Reason:
    phase = (obj.get("status") or {}).get("phase", "Pending")
    if phase == "Succeeded" or (condition(obj, "Ready") or {}).get("status") == "True":
        return ""
    return f"its phase is {phase}"


def _job_done(obj: Object) -> Reason:
    if (condition(obj, "Complete") or {}).get("status") == "True":
        return ""
    failed = condition(obj, "Failed") or {}
    return f"it failed: {failed.get('message', '')}" if failed.get("status") == "True" else "it is not complete"


_BY_KIND: dict[str, Check] = {
    "/Namespace": _namespace_active,
    "/Pod": _pod_ready,
    "/Service": _service_has_address,
    "apps/Deployment": _deployment_available,
    "apps/StatefulSet": _stateful_set_ready,
    "batch/Job": _job_done,
}


def _waits_for(text: str) -> Check:
    """Parse `pulumi.com/waitFor`: `condition=T[=S]`, `jsonpath={path}[=value]`, or a JSON list of these."""
    parts = json.loads(text) if text.startswith("[") else [text]
    checks = [_one_wait(part) for part in parts]

    def check(obj: Object) -> Reason:
        return "; ".join(reason for reason in (one(obj) for one in checks) if reason)

    return check


def _one_wait(text: str) -> Check:
    kind, _, rest = text.partition("=")
    if kind == "condition":
        name, _, status = rest.partition("=")
        return _condition_wait(name, status or "True")
    match = re.fullmatch(r"\{?\.?([^}=]+)\}?(?:=(.*))?", rest)
    if kind != "jsonpath" or not match:
        raise FlotillaError(f"{WAIT_FOR}: {text!r} is neither condition=... nor jsonpath=...")
    path, value = match[1].split("."), match[2]

    def check(obj: Object) -> Reason:
        found: Any = obj
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        if found is None or (value is not None and str(found) != value):
            return f"{'.'.join(path)} is {found!r}, not {value or 'set'}"
        return ""

    return check


def _condition_wait(name: str, status: str) -> Check:
    def check(obj: Object) -> Reason:
        found = condition(obj, name)
        if found is None:
            return f"it has no condition {name} yet"
        if found.get("status") == status:
            return ""
        why = found.get("message") or found.get("reason") or "no reason given"
        return f"condition {name} is {found.get('status')}: {why}"

    return check
