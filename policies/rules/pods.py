"""The pods of templates of all kinds, for other rules."""

from collections.abc import Iterator
from typing import Any

from flotilla.policy.model import Resource, StackView, value_at

_POD_SPECS = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}


def with_pods(view: StackView) -> list[Resource]:
    """Return the templates that run pods."""
    return [template for template in view.templates() if template.kind in _POD_SPECS]


def containers(template: Resource) -> Iterator[dict[str, Any]]:
    """Yield a template's containers, including init containers."""
    path = _POD_SPECS[template.kind]
    for key in ("initContainers", "containers"):
        yield from template.at(*path, key, default=[])


def name_of(container: dict[str, Any]) -> str:
    """Return a container's name."""
    return str(value_at(container, "name", default="?"))
