"""The wait between a CustomResourceDefinition and the objects of its kind."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from flotilla.errors import FlotillaError
from flotilla.karmada.enablements import await_kinds
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.kube.connection import connect
from flotilla.waiting import asked_to_end

from .whole_numbers import whole_numbers


@whole_numbers
class ServedKindsProvider(ResourceProvider):
    """Waits on create and update; nothing is left to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait until the kinds are served."""
        wait(props)
        return CreateResult(id_=str(props["workload"]), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change, and so another wait, for other kinds or clusters, but not for another version of Karmada."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in ("kinds", "affinity", "affinities")))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait until the kinds are served."""
        wait(news)
        return UpdateResult(outs=news)


def wait(props: dict[str, Any]) -> None:
    """Poll until every chosen cluster serves the kinds.

    Raises:
        FlotillaError: they aren't served in time; the message names the clusters and kinds.
    """
    connection = connect(props["kubeconfig"], name="Karmada")
    kinds = [(str(entry["apiVersion"]), str(entry["kind"])) for entry in props["kinds"]]
    affinities = props["affinities"] if "affinities" in props else [props["affinity"]]
    version = known_version(props.get("karmadaVersion")) or SUPPORTED.newest
    missing = await_kinds(connection, kinds, affinities, version, float(props["timeout"]))
    if missing and asked_to_end():
        raise FlotillaError(f"interrupted while waiting for kinds of workload {props['workload']} to be served")
    if missing:
        raise FlotillaError(
            f"workload {props['workload']}: its kinds are not served everywhere after {int(props['timeout'])} s: "
            + "; ".join(missing),
            hint="send the CustomResourceDefinition to these clusters too, or place the workload on fewer",
        )


class ServedKinds(Resource, module="flotilla", name="ServedKinds"):
    """Kinds that the control plane and every chosen cluster serve; depends on their definitions."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the wait.

        Args:
            name: the resource's name.
            props: kubeconfig, workload, kinds (apiVersion and kind of each), affinity (Karmada's ClusterAffinity), or
                affinities where there are several or none, timeout (seconds), and karmadaVersion (`1.18`) where it is
                known.
            opts: resource options.
        """
        super().__init__(ServedKindsProvider(), name, props, opts)
