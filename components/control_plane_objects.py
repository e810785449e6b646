"""Objects of the control plane itself: Karmada acts on them, and sends them to no member."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

import pulumi

from flotilla.karmada.kinds import Identity, other_versions
from flotilla.workloads.control_plane import Declared

from .karmada_control_plane import KarmadaControlPlane
from .kubernetes_object import KubernetesObject, type_token
from .propagated_workload import PropagatedWorkload, template_name


class ControlPlaneObjectsArgs(TypedDict):
    """Where the objects are declared."""

    control_plane: KarmadaControlPlane
    """The control plane that gets the objects."""


class ControlPlaneObjects(pulumi.ComponentResource):
    """One entry of `flotilla:objects`.

    Its objects are declared in two parts, before the workloads and after the workloads that they name. So a destroy
    deletes autoscalers before what they scale, and interpreters and quotas last.
    """

    def __init__(self, name: str, args: ControlPlaneObjectsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Start without objects."""
        super().__init__("flotilla:index:ControlPlaneObjects", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self, provider=args["control_plane"].provider)

    def declare(self, one: Declared, after: Iterable[pulumi.Resource]) -> KubernetesObject:
        """Declare one object; its name has the form of a template's name: kind and name, without a workload."""
        name, obj = template_name(one.obj), one.obj
        types = [type_token({**obj, "apiVersion": version}) for version in other_versions(obj["apiVersion"])]
        options = pulumi.ResourceOptions(
            depends_on=list(after),
            aliases=[pulumi.Alias(type_=token) for token in types],
            ignore_changes=list(one.ignored) or None,
        )
        return KubernetesObject(name, obj, pulumi.ResourceOptions.merge(self._child, options))

    def done(self) -> None:
        """Register that all objects are declared."""
        self.register_outputs({})


def declared_first(
    groups: Mapping[str, ControlPlaneObjects], objects: Iterable[Declared]
) -> dict[Identity, pulumi.Resource]:
    """Declare the objects that come before the workloads, and return them by identity."""
    made: dict[Identity, pulumi.Resource] = {}
    for one in objects:
        made[one.identity] = groups[one.group].declare(one, [made[key] for key in one.after if key in made])
    return made


def declare_last(
    groups: Mapping[str, ControlPlaneObjects],
    objects: Iterable[Declared],
    first: Mapping[Identity, pulumi.Resource],
    workloads: Mapping[str, PropagatedWorkload],
) -> None:
    """Declare the objects that come after the workloads that they name."""
    made = dict(first)
    for workload in workloads.values():
        made |= workload.by_identity
    for one in objects:
        after = [made[key] for key in one.after if key in made]
        after += [workloads[name] for name in one.rollouts]
        made[one.identity] = groups[one.group].declare(one, after)
    for group in groups.values():
        group.done()
