"""A move: a workload's copies become healthy in new clusters before they are removed from the clusters it leaves.

This is a dynamic resource on which a workload's policies depend. When the placement changes, the policies in the
control plane first contain both the old and the new clusters. The declared placement is written only once the new
copies are healthy. After that, the policies' own resources find what they declare
(docs/decisions/moves-without-a-gap.md).
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import DiffResult, ReadResult, Resource, UpdateResult

from flotilla.karmada.moving.run import MOVING, is_under_way, move
from flotilla.karmada.status.sharing import shared_reader

from .kept_inputs import KeptInputsProvider
from .whole_numbers import whole_numbers


@whole_numbers
class MoveProvider(KeptInputsProvider):
    """Moves a workload on an update; when it is created nothing runs yet, and nothing is left to delete.

    Its outputs are its inputs, and `moving` if a move was interrupted.
    """

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change for another placement, and for an interrupted move."""
        return DiffResult(changes=olds.get("placement") != news.get("placement") or bool(olds.get(MOVING)))

    def update(self, id_: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Move the workload.

        Raises:
            NotDone: the new copies aren't healthy, or can't be created; the old copies stay.
            ClusterError: the control plane rejected a request.
        """
        move(news, id_, shared_reader(news["kubeconfig"]))
        return UpdateResult(outs=news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether a move was interrupted."""
        rest = {key: value for key, value in props.items() if key != MOVING}
        under_way = is_under_way(props, shared_reader(props["kubeconfig"]))
        return ReadResult(id_, {**rest, **({MOVING: True} if under_way else {})})


class Move(Resource, module="flotilla", name="Move"):
    """A workload's move; its policies depend on it."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the resource.

        Args:
            name: the resource's name.
            props: those properties of a Rollout (`components.rollout`) that say what is declared and where. In addition
                policyRefs: apiVersion, kind, name and namespace of each propagation policy of the workload that this
                stack declares.
            opts: resource options.
        """
        super().__init__(MoveProvider(), name, props, opts)
