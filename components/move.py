"""A move: a workload's copies get healthy in the clusters that it comes to before they go from those that it leaves.

A dynamic resource that a workload's policies depend on: when its placement changes, the policies in the control plane
first hold both places, and what is declared is written only once the copies that come are healthy. The policies' own
resources then find what they declare (docs/decisions/moves-without-a-gap.md).
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
    """Moves on an update; nothing runs yet when it is created, and nothing is left to delete.

    Its outputs are its inputs, and `moving` where a move is under way that broke off.
    """

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Another placement is a move, and so is the rest of one that broke off."""
        return DiffResult(changes=olds.get("placement") != news.get("placement") or bool(olds.get(MOVING)))

    def update(self, id_: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Move.

        Raises:
            NotDone: the copies that come aren't healthy, or can't come; those of before stay.
            ClusterError: the control plane refused to be asked.
        """
        move(news, id_, shared_reader(news["kubeconfig"]))
        return UpdateResult(outs=news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether a move is under way that broke off."""
        rest = {key: value for key, value in props.items() if key != MOVING}
        under_way = is_under_way(props, shared_reader(props["kubeconfig"]))
        return ReadResult(id_, {**rest, **({MOVING: True} if under_way else {})})


class Move(Resource, module="flotilla", name="Move"):
    """A workload's move; its policies depend on it."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it.

        Args:
            name: the resource's name.
            props: what a Rollout's say of what is to be where (`components.rollout`), and policyRefs: apiVersion, kind,
                name and namespace of each of the workload's propagation policies that this stack declares.
            opts: resource options.
        """
        super().__init__(MoveProvider(), name, props, opts)
