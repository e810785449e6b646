"""Interprets an API server's refusal of an object: whether `up` would be refused too, and what the user can do."""

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
        HTTPStatus.FORBIDDEN,  # the user has no right to ask, or the object's namespace is being deleted
        HTTPStatus.NOT_FOUND,  # the same run creates the namespace
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that say nothing about the object itself."""

_WRONG_TYPE = "failed to create typed patch object"
"""The refusal of a server-side apply with a value of the wrong type: an error in the object, but with HTTP 500."""

_FIELD_OWNER = (
    "another manager owns the field: leave it to them (ignore_changes), "
    f'or take it over with the annotation {PATCH_FORCE}: "true"'
)
_SET_BY_SERVER = "the manifest sets metadata.{}, which only the API server sets: remove it"


def dry_run_warning(error: ApiError) -> str:
    """Return the warning of a preview for a failed dry run; '' if the server didn't judge the object.

    Raises:
        ApiError: the object was refused; `up` would be refused too.
    """
    if error.status in _NO_JUDGEMENT or "dry run" in error.message:
        return ""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and _WRONG_TYPE not in error.message:
        return error.message  # such as a webhook that doesn't answer: it may answer by the time of `up`
    raise error


def hint_for(error: ApiError, inputs: Properties) -> str:
    """Return the remedy for a refusal, if one is known."""
    if field_conflicts(error):
        return _FIELD_OWNER
    if error.status == HTTPStatus.CONFLICT:
        metadata = inputs.get("metadata") or {}
        for key in ("uid", "resourceVersion"):
            if metadata.get(key):
                return _SET_BY_SERVER.format(key)
    return "correct the value's type in the manifest" if _WRONG_TYPE in error.message else ""
