"""Objects of the control plane itself: what Karmada acts on, declared beside the workloads and sent to no member."""

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
    """What is declared, and where."""

    control_plane: KarmadaControlPlane
    """The control plane that has the objects."""


class ControlPlaneObjects(pulumi.ComponentResource):
    """One entry of `flotilla:objects`.

    Its objects are declared in two parts, before the workloads and after those that they name, so that a destroy takes
    autoscalers away before what they scale, and interpreters and quotas last of all.
    """

    def __init__(self, name: str, args: ControlPlaneObjectsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Begin with no object."""
        super().__init__("flotilla:index:ControlPlaneObjects", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self, provider=args["control_plane"].provider)

    def declare(self, one: Declared, after: Iterable[pulumi.Resource]) -> KubernetesObject:
        """Declare one object, named as a template of a workload is: by its kind and name alone."""
        name, obj = template_name(one.obj), one.obj
        types = [type_token({**obj, "apiVersion": version}) for version in other_versions(obj["apiVersion"])]
        options = pulumi.ResourceOptions(
            depends_on=list(after),
            aliases=[pulumi.Alias(type_=token) for token in types],
            ignore_changes=list(one.ignored) or None,
        )
        return KubernetesObject(name, obj, pulumi.ResourceOptions.merge(self._child, options))

    def done(self) -> None:
        """Say that all of its objects are declared."""
        self.register_outputs({})


def declared_first(
    groups: Mapping[str, ControlPlaneObjects], objects: Iterable[Declared]
) -> dict[Identity, pulumi.Resource]:
    """Declare what comes before the workloads, and return it by identity."""
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
    """Declare what comes after the workloads that it names."""
    made = dict(first)
    for workload in workloads.values():
        made |= workload.by_identity
    for one in objects:
        after = [made[key] for key in one.after if key in made]
        after += [workloads[name] for name in one.rollouts]
        made[one.identity] = groups[one.group].declare(one, after)
    for group in groups.values():
        group.done()
