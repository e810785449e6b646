"""An object as a user wrote it: without what servers, webhooks and controllers have added."""

from __future__ import annotations

import json
from typing import Any

from flotilla.karmada.kinds import kind_of
from flotilla.karmada.propagation import declared_policy
from flotilla.karmada.rendering.defaults import narrowed, with_defaults
from flotilla.karmada.scheduling.defaults import with_default_tolerations
from flotilla.karmada.selection import OVERRIDES, POLICIES
from flotilla.kube.objects import Object, copied
from flotilla.kube.ownership import without_defaults
from flotilla.kube.secrecy import LAST_APPLIED
from flotilla.workloads.exported import cleaned

# Karmada, pkg/apis/networking/v1alpha1/well_known_constants.go: set on a MultiClusterService and its Services.
_MARKS = {
    "labels": ("multiclusterservice.karmada.io/permanent-id",),
    "annotations": ("multiclusterservice.karmada.io/name", "multiclusterservice.karmada.io/namespace"),
}
_SECRET = ("", "Secret")


def as_written(obj: Object) -> Object:
    """Return an object of the control plane as a manifest.

    If `kubectl apply` or the server has recorded what was applied, defaults that the user didn't write are left out
    too. Every value is the present one: an outdated record changes nothing.
    """
    result = _without_marks(cleaned(obj))
    last = _last_applied(obj)
    if last is not None:
        return _in_order(narrowed(result, with_defaults(last), last))
    try:
        return _in_order(without_defaults(result, obj))
    except (ValueError, AttributeError, TypeError, KeyError):
        return _in_order(result)  # managedFields in a form that no server writes


def policy_as_written(policy: Object) -> Object:
    """Return a policy as a manifest, without the defaults of Karmada's API and of its webhook.

    The declaration for the manifest (`declared_policy`) equals the existing policy, apart from the tolerations that
    older webhooks add to every policy, and from an empty `overriders`.
    """
    result = _without_marks(cleaned(policy))
    namespace = str(result["metadata"].get("namespace") or "")
    bare = _without_default_tolerations(_without_empty_overriders(result))
    short = _without_defaults(bare)
    same = declared_policy(short, namespace=namespace) == declared_policy(bare, namespace=namespace)
    return _in_order(short if same else bare)


def _last_applied(obj: Object) -> Object | None:
    text = (obj["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict) or kind_of(obj) == _SECRET:
        return None
    return found if all(found.get(key) == obj[key] for key in ("apiVersion", "kind")) else None


def _without_marks(obj: Object) -> Object:
    result = copied(obj)
    metadata = result["metadata"]
    for field in ("labels", "annotations"):
        kept = {key: value for key, value in (metadata.pop(field, None) or {}).items() if key not in _MARKS[field]}
        if kept:
            metadata[field] = kept
    return result


def _without_empty_overriders(policy: Object) -> Object:
    """Return an override policy without the deprecated field that Karmada's webhook writes empty."""
    spec = policy.get("spec")
    if policy["kind"] not in OVERRIDES or not isinstance(spec, dict) or spec.get("overriders") != {}:
        return policy
    return {**policy, "spec": {key: value for key, value in spec.items() if key != "overriders"}}


def _without_default_tolerations(policy: Object) -> Object:
    """Return a policy without its tolerations, if only the webhook has set them."""
    placement: Object = (policy.get("spec") or {}).get("placement") or {}
    given = placement.get("clusterTolerations")
    if not given or policy["kind"] not in POLICIES or given != with_default_tolerations([]):
        return policy
    kept = {key: value for key, value in placement.items() if key != "clusterTolerations"}
    return {**policy, "spec": {**policy["spec"], "placement": kept}}


def _without_defaults(policy: Object) -> Object:
    """Return a policy without the defaults that its webhook has set."""
    result = copied(policy)
    spec: Object = result.get("spec") or {}
    namespace = result["metadata"].get("namespace")
    for selector in spec.get("resourceSelectors") or []:
        if namespace and selector.get("namespace") == namespace:
            del selector["namespace"]
    bare = declared_policy({**result, "spec": {}}, namespace=str(namespace or ""))["spec"]
    for key, value in bare.items():
        if key != "placement" and spec.get(key) == value:
            del spec[key]
    placement: Object = spec.get("placement") or {}
    filled: Object = bare.get("placement") or {}
    for key, value in filled.items():
        if placement.get(key) == value:
            del placement[key]
    if not placement:
        spec.pop("placement", None)
    return result


def _in_order(obj: Object) -> Object:
    """Return an object with its keys in the order in which users write them."""
    metadata: dict[str, Any] = obj["metadata"]
    named = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if key in metadata}
    first: Object = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": {**named, **metadata}}
    return {**first, **{key: value for key, value in obj.items() if key not in first}}
