"""The resource before the objects of a workload that changes in waves: no cluster gets a change before its wave."""

from __future__ import annotations

import secrets
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from flotilla.karmada.status.sharing import shared_reader
from flotilla.karmada.waves.holding import hold, release_all
from flotilla.karmada.waves.subject import ATTEMPT, Subject, declaration_of

from .whole_numbers import whole_numbers


@whole_numbers
class HoldProvider(ResourceProvider):
    """Holds clusters back on create and update; the workload's Rollout releases them, and so does its deletion.

    Its outputs are its inputs and `attempt`: a new value each time, which makes the Rollout follow.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Hold back the clusters of existing policies; those of a new workload follow later."""
        return CreateResult(id_=str(props["workload"]), outs=_outputs(props, None))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change of what clusters get; another strategy, timeout or kubeconfig doesn't change that."""
        changed = declaration_of(olds) != declaration_of(news) or olds.get("after") != news.get("after")
        return DiffResult(changes=changed)

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Hold back all clusters before anything of the workload changes."""
        return UpdateResult(outs=_outputs(news, olds))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Release all clusters: the workload has no waves any more, or is deleted."""
        release_all(shared_reader(props["kubeconfig"]).connection, Subject.of(props))


def _outputs(props: dict[str, Any], olds: dict[str, Any] | None) -> dict[str, Any]:
    reader = shared_reader(props["kubeconfig"])
    hold(reader, Subject.of(props), declaration_of(olds), only_new=bool(props.get("after")))
    return {**props, ATTEMPT: secrets.token_hex(4)}


class Hold(Resource, module="flotilla", name="Hold"):
    """Clusters that are held back until their wave; policies and templates depend on it."""

    attempt: pulumi.Output[str]
    """A new value whenever clusters were held back again."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the resource.

        Args:
            name: the resource's name.
            props: kubeconfig, workload, templates, placement, overrideRules, timeout, rollout and, where it is known,
                karmadaVersion, as for the workload's Rollout. A Hold after the policies also has `after`: the attempt
                of the Hold before the policies.
            opts: resource options.
        """
        super().__init__(HoldProvider(), name, {**props, ATTEMPT: None}, opts)
