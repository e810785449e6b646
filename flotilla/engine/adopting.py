"""Adopts objects that exist already, and builds the state of a resource after a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from flotilla.engine.deletions import Deletions
from flotilla.engine.goal import Goal, keep_ignored
from flotilla.errors import EngineError
from flotilla.kube.secrecy import redacted
from flotilla.plan.steps import Op, Step
from flotilla.providers import InitializationError, Live
from flotilla.state.checkpoint import Operation, ResourceState, touched
from flotilla.state.values import Properties, has_unknown, reveal, seal


class Adopting(Deletions):
    """Adopts existing objects instead of creating them."""

    def _chain(self, urn: str) -> list[str]:
        """Return a registered URN, its parent's, and so on up to the stack."""
        chain = []
        with self.lock:
            while urn:
                chain.append(urn)
                urn = self.parents.get(urn, "")
        return chain

    def _adopted(self, urn: str, goal: Goal, inputs: Properties) -> ResourceState | None:
        """Adopt the existing object of a resource; None if there is none."""
        provider = self.registry.adopter(goal.provider, goal.type)
        token = provider.creation_token() if provider else ""
        found = provider.existing(inputs, token, goal.ignore_changes) if provider else None
        if provider is None or found is None:
            return None
        goal = replace(goal, import_id=found.before.id)
        # Fields that others own and the stack ignores are no differences.
        existing = keep_ignored(seal(found.before.inputs, inputs), inputs, goal.ignore_changes)
        before = self._state(urn, goal, None, existing, id_=found.before.id, outputs=found.before.outputs)
        planned = self._state(urn, goal, None, inputs, id_=found.after.id, outputs=found.after.outputs)
        begun = self._state(urn, goal, None, inputs, id_="", outputs={"__fieldManager": token})
        step = Step(Op.ADOPT, urn, goal.type, goal.provider, found.changes, before, planned, detail=found.note)
        box: list[ResourceState] = []

        def adopt() -> None:
            if found.refusal is not None and not self.options.dry_run:
                raise found.refusal
            if self.options.dry_run:
                if found.refusal is not None:
                    self.fail(step, found.refusal)
                self.put(planned)
                box.append(planned)
                return
            if has_unknown(inputs):
                raise EngineError(f"{urn}: an input is still unknown")
            timeout = goal.timeout("create")
            action = partial(provider.adopt, found, reveal(inputs), token, timeout=timeout)
            box.append(self._initialized(urn, goal, None, inputs, action))

        self.run(step, Operation(begun, "creating"), adopt)
        return box[0]

    def _state(
        self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties, *, id_: str, outputs: Properties
    ) -> ResourceState:
        """Return the state of a resource after a step, with the secrets marked that its inputs or options name."""
        sealed = self.registry.seal_outputs(goal.type, outputs, inputs, goal.additional_secret_outputs)
        return ResourceState(
            urn=urn,
            custom=goal.custom,
            type=goal.type,
            id=id_,
            inputs=inputs,
            outputs=sealed,
            parent=goal.parent,
            protect=goal.protect,
            dependencies=goal.dependencies,
            property_dependencies={key: list(urns) for key, urns in goal.property_dependencies},
            provider=goal.provider,
            additional_secret_outputs=goal.additional_secret_outputs,
            aliases=self.aliases.get(urn, ()),
            custom_timeouts=dict(goal.timeouts) or None,
            import_id=goal.import_id or (old.import_id if old else ""),
            retain_on_delete=goal.retain_on_delete,
            deleted_with=goal.deleted_with,
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
            created=old.created if old else "",
            modified=old.modified if old else "",
        )

    def _initialized(
        self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties, action: Callable[[], Live]
    ) -> ResourceState:
        """Carry out a creation or an update and store its state.

        A resource that was created or changed but isn't ready is stored too; then the step fails.
        """
        error = None
        try:
            live = action()
        except InitializationError as caught:
            live, error = caught.live, caught.reason
        new = touched(self._state(urn, goal, old, inputs, id_=live.id, outputs=live.outputs), created=old is None)
        if error is not None:
            error = redacted(error)  # a text of the cluster, which the state stores unencrypted
            self.put(replace(new, init_errors=(error,)))
            raise EngineError(error, hint="the resource is in the state; the next run continues with it")
        self.put(new)
        return new
