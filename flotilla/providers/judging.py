"""What an API server's refusal of an object means: whether `up` would get it, too, and what to do about it."""

from __future__ import annotations

from http import HTTPStatus

from flotilla.kube.wire import ApiError
from flotilla.providers.ownership import field_conflicts
from flotilla.state.values import Properties

PATCH_FORCE = "pulumi.com/patchForce"

_NO_JUDGEMENT = frozenset(
    {
        0,  # no answer
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,  # no right to ask; or the object's namespace is about to go
        HTTPStatus.NOT_FOUND,  # a namespace that the same run makes
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that say nothing about the object itself."""

_WRONG_TYPE = "failed to create typed patch object"
"""What a server-side apply of a value with the wrong type is refused with: a fault of the object, with HTTP 500."""

_FIELD_OWNER = (
    "another manager owns the field: leave it to them (ignore_changes), "
    f'or take it over with the annotation {PATCH_FORCE}: "true"'
)
_SET_BY_SERVER = "the manifest sets metadata.{}, which only the API server sets: take it out"


def judged(error: ApiError) -> str:
    """Return what a preview says of a dry run that failed: '' where the server didn't judge the object, or a warning.

    Raises:
        ApiError: the object is refused, by a dry run as by `up`.
    """
    if error.status in _NO_JUDGEMENT or "dry run" in error.message:
        return ""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and _WRONG_TYPE not in error.message:
        return error.message  # a webhook that doesn't answer, for one: it may do so by the time of `up`
    raise error


def hint_for(error: ApiError, inputs: Properties) -> str:
    """Return what can be done about a refusal, where that is known."""
    if field_conflicts(error):
        return _FIELD_OWNER
    if error.status == HTTPStatus.CONFLICT:
        metadata = inputs.get("metadata") or {}
        for key in ("uid", "resourceVersion"):
            if metadata.get(key):
                return _SET_BY_SERVER.format(key)
    return "correct the value's type in the manifest" if _WRONG_TYPE in error.message else ""
