"""The dependencies of a member's objects: on each other, on the rest of the cluster, and on other namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flotilla.adopt.model import Finding, Report
from flotilla.adopt.running import Running
from flotilla.karmada.dependencies import Reference, references_of
from flotilla.karmada.kinds import Identity, identity, kind_of
from flotilla.karmada.rendering.upkeep import scales
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ref_of

_RBAC = "rbac.authorization.k8s.io"
_BUILT_IN = "kubernetes.io/bootstrapping"
_OWN = {
    "runtimeClassName": "RuntimeClass",
    "storageClassName": "StorageClass",
    "ingressClassName": "IngressClass",
}
"""Fields that name an object which describes the cluster itself, by field."""
_SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
_SERVICE = re.compile(r"\b([a-z0-9][a-z0-9-]{0,62})\.([a-z0-9][a-z0-9-]{0,62})\.svc\b")
_LONGEST = 100_000


def with_needed(
    roots: list[Object], objects: Iterable[Object], sent: set[Identity], version: Version, report: Report
) -> list[Object]:
    """Return some objects with their dependencies from the member's namespaces; a missing one is a finding.

    Args:
        roots: the objects.
        objects: all objects that may be declared.
        sent: objects that Karmada already sends there.
        version: Karmada's version, which decides what counts as a dependency.
        report: gets the missing dependencies.
    """
    there = {identity(one): one for one in objects}
    found = {identity(one): one for one in roots}
    rest = list(roots)
    while rest:
        one = rest.pop()
        for key, missing in _needs(one, there, version):
            if key in found:
                continue
            if key in there:
                found[key] = there[key]
                rest.append(there[key])
            elif missing and key not in sent:
                report.findings.append(Finding("dependency-missing", str(ref_of(one)), missing))
    return [obj for key, obj in there.items() if key in found]


def _needs(obj: Object, there: Mapping[Identity, Object], version: Version) -> Iterator[tuple[Identity, str]]:
    """Yield the dependencies of an object, each with the message to report where it doesn't exist."""
    for reference in references_of(obj, version) or ():
        if not reference.name:
            yield from ((key, "") for key, one in there.items() if reference.means(one))
            continue
        said = f"it needs {reference.kind} {reference.namespace}/{reference.name}, which is not declared"
        yield _key(reference), "" if reference.optional else said
    namespace = str(obj["metadata"].get("namespace") or "")
    match kind_of(obj):
        case ("networking.k8s.io", "Ingress"):
            for name in _named(obj.get("spec"), "service"):
                yield ("", "Service", namespace, name), f"it needs Service {namespace}/{name}, which doesn't exist"
        case ("rbac.authorization.k8s.io", "RoleBinding") if (obj.get("roleRef") or {}).get("kind") == "Role":
            yield (_RBAC, "Role", namespace, str(obj["roleRef"].get("name"))), ""
        case ("", "ServiceAccount"):
            subject = (namespace, str(obj["metadata"]["name"]))
            yield from ((key, "") for key, one in there.items() if key[1] == "RoleBinding" and subject in accounts(one))
    yield from ((key, "") for key, one in there.items() if key[1] in _SCALERS and scales(one, obj))


def _key(reference: Reference) -> Identity:
    return reference.api_version.rpartition("/")[0], reference.kind, reference.namespace, reference.name


def _named(value: Any, key: str) -> Iterator[str]:
    """Yield the names in mappings under a key, anywhere in a value."""
    for path, below in _walk(value):
        if path == key and isinstance(below, dict) and below.get("name"):
            yield str(below["name"])


def accounts(binding: Object) -> list[tuple[str, str]]:
    """Return namespace and name of the ServiceAccounts to which a binding gives permissions."""
    own = str(binding["metadata"].get("namespace") or "")
    return [
        (str(one.get("namespace") or own), str(one.get("name")))
        for one in binding.get("subjects") or []
        if one.get("kind") == "ServiceAccount"
    ]


# -- the rest of the cluster ------------------------------------------------------------------------------------------


def cluster_scoped(objects: Iterable[Object], running: Running, report: Report) -> list[Object]:
    """Return the cluster-scoped objects that some objects need: definitions, roles and bindings, priority classes.

    A binding that also gives permissions to others is not declared: in another cluster, it would give them to whoever
    has the same name there.
    """
    listed = list(objects)
    # Pods without an account use the default account of their namespace.
    default = {("", "ServiceAccount", str(one["metadata"].get("namespace") or ""), "default") for one in listed}
    own = {identity(one) for one in listed} | default
    bindings = [one for one in running.cluster_bindings if _is_given(one, own, report)]
    bound = [*bindings, *(one for one in listed if kind_of(one) == (_RBAC, "RoleBinding"))]
    roles = {
        str(one["roleRef"].get("name")): one for one in bound if (one.get("roleRef") or {}).get("kind") == "ClusterRole"
    }
    found = [
        running.definitions[kind] for kind in sorted({kind_of(one) for one in listed} & running.definitions.keys())
    ]
    for name, binding in sorted(roles.items()):
        role = running.cluster_roles.get(name)
        if role is None:
            report.findings.append(
                Finding("dependency-missing", str(ref_of(binding)), f"ClusterRole {name} doesn't exist")
            )
        elif _BUILT_IN not in (role["metadata"].get("labels") or {}):
            found.append(role)
    found += sorted(bindings, key=ref_of)
    classes = {str(value): one for one in listed for path, value in _walk(one) if path == "priorityClassName" and value}
    for name, user in sorted(classes.items()):
        if name in running.priority_classes:
            found.append(running.priority_classes[name])
        elif not name.startswith("system-"):
            report.findings.append(
                Finding("dependency-missing", str(ref_of(user)), f"PriorityClass {name} doesn't exist")
            )
    return [one for one in found if not str(one["metadata"]["name"]).startswith("system")]


def _is_given(binding: Object, own: set[Identity], report: Report) -> bool:
    """Return whether a ClusterRoleBinding gives permissions only to accounts among some objects."""
    known = [("", "ServiceAccount", *one) in own for one in accounts(binding)]
    if not any(known):
        return False
    others = len(binding.get("subjects") or []) - sum(known)
    if others:
        report.leave_out(str(ref_of(binding)), "it gives permissions to others too, so it stays in the member only")
    return not others


def report_around(objects: Iterable[Object], report: Report) -> None:
    """Report dependencies that aren't declared with some objects: on the cluster itself, and on other namespaces."""
    listed = list(objects)
    spaces = {str(one["metadata"].get("namespace") or "") for one in listed}
    wanted: dict[tuple[str, str], list[str]] = {}
    for obj in listed:
        name = str(ref_of(obj))
        for what, why in _around(obj, spaces):
            users = wanted.setdefault((what, why), [])
            users += [] if name in users else [name]
    for (what, why), users in wanted.items():
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        report.leave_out(what, f"{users[0]}{more} {'need' if more else 'needs'} it: {why}")


def _around(obj: Object, spaces: set[str]) -> Iterator[tuple[str, str]]:
    meta = obj["metadata"]
    for path, value in _walk({key: one for key, one in obj.items() if key not in ("metadata", "status")}):
        if path in _OWN and isinstance(value, str) and value:
            yield f"{_OWN[path]} {value}", "each cluster of the workload needs its own"
        if isinstance(value, dict) and isinstance(value.get("namespace"), str) and isinstance(value.get("name"), str):
            named = str(value.get("kind") or "object")
            if value["namespace"] and value["namespace"] not in spaces:
                yield f"{named} {value['namespace']}/{value['name']}", "it is in another namespace"
        if isinstance(value, str) and kind_of(obj) != ("", "Secret"):
            for service, namespace in _SERVICE.findall(value[:_LONGEST]):
                if namespace not in spaces and namespace != meta.get("namespace"):
                    yield f"Service {namespace}/{service}", "it is in another namespace"


def _walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all values in a value, each with its key; entries of a list have the key of the list."""
    yield key, value
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _walk(below, str(name))
    elif isinstance(value, list):
        for below in value:
            yield from _walk(below, key)
