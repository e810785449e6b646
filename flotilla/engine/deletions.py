"""Deletes resources: those that the program no longer declares, and those that are replaced."""

from __future__ import annotations

from dataclasses import replace

from flotilla.engine.goal import Goal
from flotilla.engine.run_state import Refused, RunState
from flotilla.errors import EngineError
from flotilla.kube.identity import AnotherCluster
from flotilla.plan.steps import Op, Step
from flotilla.state.checkpoint import Operation, ResourceState
from flotilla.state.diff import parse_path, path_matches
from flotilla.state.urns import PROVIDER_PREFIX
from flotilla.state.values import UNKNOWN, reveal


class Deletions(RunState):
    """Deletes resources, alone or before they are replaced."""

    def refuse_protected(self, resource: ResourceState, what: str) -> None:
        """Fail if a resource is protected."""
        if resource.protect:
            step = Step(Op.DELETE, resource.urn, resource.type, old=resource)
            error = EngineError(
                f"it is protected and would be {what}", hint="remove the protection in the program and run `up` first"
            )
            self.fail(step, error)
            raise Refused(resource.urn)

    def delete(self, resource: ResourceState, op: Op = Op.DELETE) -> None:
        """Delete a resource and remove it from the state; a retained or external one is only removed from the state."""
        self.refuse_protected(resource, "deleted")

        def act() -> None:
            gone_with = resource.deleted_with in self.doomed
            keep = resource.retain_on_delete or resource.external or not resource.custom or gone_with
            if not self.options.dry_run and not keep and not resource.type.startswith(PROVIDER_PREFIX):
                self._delete_live(resource)
            self.drop(resource)

        detail = "left in place" if resource.retain_on_delete else ""
        op = Op.DISCARD if resource.external else op
        step = Step(op, resource.urn, resource.type, resource.provider, old=resource, detail=detail)
        self.run(step, Operation(resource, "deleting") if resource.custom else None, act)

    def _delete_live(self, resource: ResourceState) -> None:
        """Delete the object of a resource; if another cluster answers in place of its own, only warn."""
        provider = self.registry.provider(resource.provider, resource.type)
        try:
            provider.delete(resource, timeout=(resource.custom_timeouts or {}).get("delete"))
        except AnotherCluster as error:
            with self.lock:
                message = f"warning: {error.message}: the resource is removed from the state, but not deleted"
                if message not in self.result.messages:
                    self.result.messages.append(message)

    def creation_op(self, urn: str, goal: Goal) -> Op:
        """Return the operation of a creation: the second half of a replacement if the old one is deleted already."""
        gone = self.replaced_early.get(urn)
        if gone is None:
            return Op.CREATE
        self.note(Step(Op.REPLACE, urn, goal.type, goal.provider, old=gone))
        return Op.CREATE_REPLACEMENT

    def delete_first(self, step: Step, old: ResourceState) -> None:
        """Delete a replaced resource and its dependents that can't outlive it, before any of them is created again."""
        self.refuse_unshown(step)
        self.note(step)
        for dependent in [*self._replaced_with(old), old]:
            try:
                self.delete(dependent, Op.DELETE_REPLACED)
            except Refused:
                with self.lock:
                    self.failed.add(step.urn)  # the replacement fails, whichever of the resources could not be deleted
                raise
            self.replaced_early[dependent.urn] = dependent

    def replaced_later(self, step: Step, old: ResourceState) -> None:
        """Record a replacement whose old copy stays until the end of the run, since others still depend on it."""
        self.refuse_unshown(step)
        with self.lock:
            self.note(step)
            self.removed.add(id(old))
            self.replaced[id(old)] = copy = replace(old, delete=True)
            self.leftovers.append(copy)

    def _replaced_with(self, old: ResourceState) -> list[ResourceState]:
        """Return the dependents that can't outlive a resource's deletion, in reverse order.

        The rule is Pulumi's (calculateDependentReplacements in pkg/resource/deploy): dependents whose provider is
        replaced, and those that a change of the inputs that come from a replaced resource would replace.
        """
        found: list[ResourceState] = []
        gone = {old.urn}
        for other in self.base.resources:
            if not other.custom or other.external or other.delete or other.urn in gone or other.urn in self.registered:
                continue
            if other.provider.rpartition("::")[0] in gone or self._replaced_by(other, gone):
                gone.add(other.urn)
                found.insert(0, other)
        return found

    def _replaced_by(self, other: ResourceState, gone: set[str]) -> bool:
        """Return whether a resource would be replaced if all its inputs that come from deleted resources changed."""
        touching = [key for key, urns in other.property_dependencies.items() if gone & set(urns)]
        if not touching:
            return False
        inputs = {**other.inputs, **dict.fromkeys(touching, UNKNOWN)}
        if other.type.startswith(PROVIDER_PREFIX):
            return self.registry.is_other_cluster(other.inputs, inputs)
        diff = self.registry.provider(other.provider, other.type).diff(other, reveal(inputs))
        patterns = [parse_path(path) for path in other.replace_on_changes]
        return diff.replaces or any(
            path_matches(pattern, change.path) or path_matches(change.path, pattern)
            for pattern in patterns
            for change in diff.changes
        )
