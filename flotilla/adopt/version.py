"""Detects Karmada's version and installer from the objects of a control plane."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flotilla.adopt.model import MemberFacts
from flotilla.karmada.versions import SUPPORTED, Version, known_version
from flotilla.kube.objects import Object

_POLICIES = "propagationpolicies.policy.karmada.io"
_ALWAYS = "spec.resourceSelectors"
# The first version whose published CustomResourceDefinitions have a field, or a whole kind ("").
_MARKS: tuple[tuple[Version, str, str], ...] = (
    (Version(1, 11), _POLICIES, "spec.suspension"),
    (Version(1, 12), _POLICIES, "spec.preserveResourcesOnDeletion"),
    (Version(1, 13), _POLICIES, "spec.schedulePriority"),
    (Version(1, 14), "clustertaintpolicies.policy.karmada.io", ""),
    (Version(1, 15), _POLICIES, "spec.failover.cluster"),
    (Version(1, 17), _POLICIES, "spec.placement.workloadAffinity"),
    (Version(1, 18), _POLICIES, "spec.placement.clusterAffinities.*.overflowAffinities"),
)
# 1.16 has the fields of 1.15, but its definitions come from a newer generator.
_SAME_FIELDS = Version(1, 16)
_GENERATOR, _GENERATED = "controller-gen.kubebuilder.io/version", (0, 19)
_PARTS = 2
_WEBHOOKS = "mutating-config"
# Field managers of Karmada's webhook configuration, with the installer; client-go uses the program's name as manager.
# The chart's job runs kubectl.
_INSTALLERS = {
    "karmadactl": "karmadactl init",
    "kubectl-karmada": "karmadactl init",
    "karmada-operator": "its operator",
    "kubectl-client-side-apply": "its Helm chart, or kubectl",
    "kubectl": "its Helm chart, or kubectl",
}


def version_of(definitions: Iterable[Object]) -> Version | None:
    """Return Karmada's version by the fields of its API; None where its definitions can't be read.

    The newest supported version also means newer ones: their additions aren't known.
    """
    schemas: dict[str, list[Object]] = {}
    listed = list(definitions)
    for definition in listed:
        for one in (definition.get("spec") or {}).get("versions") or []:
            schema = (one.get("schema") or {}).get("openAPIV3Schema")
            if isinstance(schema, dict):
                schemas.setdefault(str(definition["metadata"]["name"]), []).append(schema)
    if not any(_has(schema, _ALWAYS) for schema in schemas.get(_POLICIES, [])):
        return None  # not as Karmada publishes them: missing fields prove nothing
    found = [SUPPORTED.oldest]
    found += [since for since, name, path in _MARKS if any(_has(schema, path) for schema in schemas.get(name, []))]
    newer = any(one["metadata"]["name"] == _POLICIES and _generator(one) >= _GENERATED for one in listed)
    return max([*found, _SAME_FIELDS] if newer else found)


def _generator(definition: Object) -> tuple[int, ...]:
    text = str((definition["metadata"].get("annotations") or {}).get(_GENERATOR) or "")
    return tuple(int(part) for part in re.findall(r"\d+", text)[:_PARTS])


def _has(schema: Object, path: str) -> bool:
    for step in filter(None, path.split(".")):
        within = schema.get("items") if step == "*" else (schema.get("properties") or {}).get(step)
        if not isinstance(within, dict):
            return False
        schema = within
    return True


def patch_release(version: str, facts: Iterable[MemberFacts]) -> str:
    """Return a version with its patch release, if an agent's image has one of the same version; else unchanged."""
    for one in facts:
        for agent in one.agents:
            for container in agent["spec"]["template"]["spec"].get("containers") or []:
                tag = str(container.get("image") or "").rpartition(":")[2].removeprefix("v")
                if version and known_version(tag) == known_version(version) and tag.count(".") == _PARTS:
                    return tag
    return version


def installed_by(webhooks: Iterable[Object]) -> str:
    """Return how Karmada was installed, by the field manager of its webhook configuration; empty where unknown."""
    config = next((one for one in webhooks if one["metadata"]["name"] == _WEBHOOKS), None)
    managers = [str(one.get("manager")) for one in (config or {}).get("metadata", {}).get("managedFields") or []]
    return next((_INSTALLERS[name] for name in managers if name in _INSTALLERS), "")
