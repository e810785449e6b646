"""A deployment: receives the program's registrations, decides on and carries out the steps, and keeps the state.

Registrations arrive in parallel, each on its own thread. The SDK registers a resource only after the outputs that it
needs are known, so everything that it depends on is done by then. Independent resources run in parallel.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from flotilla.engine.adopting import Adopting
from flotilla.engine.adoption import names_of, part_of
from flotilla.engine.aliases import resolve
from flotilla.engine.goal import Goal, keep_ignored
from flotilla.engine.run_state import Refused
from flotilla.errors import EngineError, FlotillaError
from flotilla.plan.steps import Op, Step, There
from flotilla.providers import Provider
from flotilla.providers.adoption import AlreadyThere
from flotilla.state.checkpoint import Operation, ResourceState, touched
from flotilla.state.diff import Diff, compare, parse_path, path_matches
from flotilla.state.urns import DYNAMIC_PREFIX, PROVIDER_PREFIX, make_urn, package_of
from flotilla.state.values import Properties, has_unknown, reveal, seal, seal_at


class Deployment(Adopting):
    """Decides the step for each resource that the program registers, and carries it out."""

    def register(self, goal: Goal) -> ResourceState:
        """Deploy one resource of the program and return its new state.

        Raises:
            Refused: the step failed or was not begun.
            EngineError: the registration is invalid.
        """
        urn = make_urn(self.stack, self.project, goal.parent, goal.type, goal.name)
        with self.lock:
            if urn in self.registered:
                raise EngineError(f"duplicate resource: {urn}", hint="two resources of a type need two names")
            self.registered.add(urn)
            self.parents[urn] = goal.parent
        aliases = self._aliases(urn, goal)
        old = self._match(urn, aliases)
        inputs = keep_ignored(goal.inputs, old.inputs, goal.ignore_changes) if old else goal.inputs
        if not goal.custom:
            return self._component(urn, goal, old, inputs)
        goal = self._with_provider(goal)
        if self.untargeted(urn):
            return self._leave(urn, goal, old)
        if goal.type.startswith(PROVIDER_PREFIX):
            return self._provider_resource(urn, goal, old, inputs)
        with self._failing_step(urn, goal, old):
            if goal.import_id and (old is None or old.id != goal.import_id):
                return self._import(urn, goal, old, inputs)
            return self._custom(urn, goal, old, inputs)

    @contextmanager
    def _failing_step(self, urn: str, goal: Goal, old: ResourceState | None) -> Iterator[None]:
        """Turn an error before a resource's step, such as one of its comparison, into a failure of this resource."""
        try:
            yield
        except Refused:
            raise
        except FlotillaError as error:
            op = Op.CREATE if old is None else Op.UPDATE
            self.fail(Step(op, urn, goal.type, goal.provider, old=old), error)
            raise Refused(urn) from error

    def _aliases(self, urn: str, goal: Goal) -> tuple[str, ...]:
        """Return the other URNs of a resource, and keep them for its children."""
        found = resolve(goal.aliases, urn, goal.parent, self.aliases.get(goal.parent, ()))
        with self.lock:
            self.aliases[urn] = found
        return found

    def _current_reference(self, provider: str) -> str:
        """Return a reference to a provider, with the provider's URN in this run instead of that in the old state."""
        urn, _, id_ = provider.rpartition("::")
        if not provider or urn in self.registered:
            return provider
        with self.lock:
            now = next((new for new, others in self.aliases.items() if urn in others), urn)
        return f"{now}::{id_}"

    def _match(self, urn: str, aliases: tuple[str, ...]) -> ResourceState | None:
        """Return a resource's state in the base. A resource of the base matches at most one resource of this run."""
        with self.lock:
            for candidate in (urn, *aliases):
                found = self.olds.get(candidate)
                if found is None or candidate in self.replaced_early:
                    continue
                if self.claimed.setdefault(id(found), urn) == urn:
                    return found
                if candidate == urn:
                    raise EngineError(
                        f"{urn} is taken by {self.claimed[id(found)]}, which had this name before",
                        hint="remove its former name first and run `up`, or use another name",
                    )
        return None

    def untargeted(self, urn: str) -> bool:
        """Return whether targets were given and a resource is not among them."""
        return bool(self.options.targets) and not any(_glob(t, urn) for t in self.options.targets)

    def _leave(self, urn: str, goal: Goal, old: ResourceState | None) -> ResourceState:
        """Return a resource that isn't targeted unchanged; if it doesn't exist, it is not created."""
        if old is None:
            self.note(Step(Op.SAME, urn, goal.type, goal.provider, detail="not targeted"))
            with self.lock:
                self.left_out.add(urn)
            return ResourceState(urn=urn, custom=True, type=goal.type, inputs=goal.inputs)
        self._finish_same(Step(Op.SAME, urn, goal.type, old.provider, old=old, new=old), replace(old, urn=urn))
        return old

    def _with_provider(self, goal: Goal) -> Goal:
        """Give a resource without a provider the default provider of its package, which the state contains too."""
        if goal.provider or goal.type.startswith(PROVIDER_PREFIX):
            return goal
        package = package_of(goal.type)
        self.registry.refuse_unknown(goal.type, goal.name)
        if package in self.options.disabled_defaults:
            raise EngineError(
                f"{goal.type} {goal.name!r} names no provider, and default providers of {package} are disabled",
                hint="give it a provider: the default one would use the cluster of the shell's current context",
            )
        urn = make_urn(self.stack, self.project, "", f"{PROVIDER_PREFIX}{package}", "default")
        with self.lock:
            default = self.news.get(urn)
            if default is None:
                default = self.olds.get(urn) or ResourceState(
                    urn=urn, custom=True, type=f"{PROVIDER_PREFIX}{package}", id=str(uuid.uuid4())
                )
                self.news[urn] = default
        return replace(goal, provider=f"{urn}::{default.id}")

    def _component(self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties) -> ResourceState:
        outputs = old.outputs if old else {}
        new = self._state(urn, goal, old, inputs, id_="", outputs=outputs)
        op = Op.CREATE if old is None else Op.UPDATE if compare(old.inputs, inputs) else Op.SAME
        changes = tuple(compare(old.inputs, inputs)) if old else ()
        if op is not Op.SAME:
            new = touched(new, created=old is None)
        self.run(Step(op, urn, goal.type, changes=changes, old=old, new=new), None, lambda: self.put(new))
        return new

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Store the outputs of a component, or of the stack."""
        with self.lock:
            component = self.news.get(urn)
        if component is not None:
            self.put(replace(component, outputs=outputs))

    def _provider_resource(self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties) -> ResourceState:
        """Deploy a provider, which consists only of its configuration."""
        self.registry.refuse_unknown_package(goal.type.removeprefix(PROVIDER_PREFIX), goal.name)
        if goal.version:
            inputs = {"__internal": {}, **inputs, "version": goal.version}
        changed = old is not None and bool(compare(old.inputs, inputs))
        renamed = old is not None and self.registry.is_other_cluster(old.inputs, inputs)
        id_ = old.id if old and not renamed else (UNKNOWN_ID if self.options.dry_run else str(uuid.uuid4()))
        outputs = {key: value for key, value in inputs.items() if key != "__internal"}
        new = self._state(urn, goal, old, inputs, id_=id_, outputs=outputs)
        op = Op.CREATE if old is None else Op.CREATE_REPLACEMENT if renamed else Op.UPDATE if changed else Op.SAME
        if op is Op.CREATE:
            op = self.creation_op(urn, goal)
        if op is not Op.SAME:
            new = touched(new, created=op is not Op.UPDATE)
        if op is Op.CREATE_REPLACEMENT and old is not None:
            step = Step(Op.REPLACE, urn, goal.type, old=old, new=new)
            if goal.delete_before_replace:
                self.delete_first(step, old)
            else:
                self.replaced_later(step, old)
        # As in the CLI, a provider's step doesn't list which of its properties differ.
        self.run(Step(op, urn, goal.type, old=old, new=new), None, lambda: self.put(new))
        return new

    def _checked(self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties) -> Properties:
        provider = self.registry.provider(goal.provider, goal.type)
        plain = reveal(inputs)
        checked = provider.check(urn, old, plain)
        return checked if plain is inputs else self.registry.seal_checked(goal.type, checked, inputs)

    def _custom(self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties) -> ResourceState:
        checked = self._checked(urn, goal, old, inputs)
        adopt = self._broken_creation(urn)
        covered = self.options.adopt.asked and self.adopting.covers(names_of(self._chain(urn), checked))
        if old is None:
            taken = self._adopted(urn, goal, checked) if covered and not adopt else None
            return taken or self._create(urn, goal, None, checked, adopt)
        diff = self._diff(goal, old, checked)
        if diff.replaces:
            # The replacement is another resource: if the provider generates its name, it generates a new one.
            return self._replace(urn, goal, old, self._checked(urn, goal, None, inputs), diff)
        if diff.changes or old.init_errors:
            return self._update(urn, goal, old, checked, diff)
        new = replace(self._state(urn, goal, old, checked, id_=old.id, outputs={}), outputs=old.outputs)
        self._finish_same(Step(Op.SAME, urn, goal.type, goal.provider, old=old, new=new), new)
        return new

    def _finish_same(self, step: Step, new: ResourceState) -> None:
        with self.lock:
            self.note(step)
            # An unchanged resource needs no write of its own: the next write, or the last one, includes it.
            self.news[step.urn] = self.storable(new)
            if step.urn not in self.unsettled:
                self.pending.pop(step.urn, None)

    def _broken_creation(self, urn: str) -> str:
        """Return the token of an interrupted creation, which identifies the object that it may have created."""
        operation = self.pending.get(urn)
        if operation is None or operation.type != "creating":
            return ""
        return str(reveal(operation.resource.outputs).get("__fieldManager", ""))

    def _diff(self, goal: Goal, old: ResourceState, inputs: Properties) -> Diff:
        provider = self.registry.provider(goal.provider, goal.type)
        diff = provider.diff(old, reveal(inputs))
        # As in the CLI, dynamic providers report that something differs, not what, so no path can match here.
        detailed = not goal.type.startswith(DYNAMIC_PREFIX)
        patterns = [parse_path(path) for path in goal.replace_on_changes] if detailed else []
        moved = self.registry.moved(self._current_reference(old.provider), goal.provider)
        changes = tuple(
            replace(
                change,
                old=seal_at(change.old, change.path, old.inputs),
                new=seal_at(change.new, change.path, inputs),
                replaces=change.replaces or any(path_matches(p, change.path) for p in patterns),
            )
            for change in diff.changes
        )
        before = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        return Diff(changes, before, moved=moved)

    def _create(
        self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties, adopt: str = "", op: Op = Op.CREATE
    ) -> ResourceState:
        provider = self.registry.provider(goal.provider, goal.type)
        token = adopt or provider.creation_token()
        begun = self._state(urn, goal, None, inputs, id_="", outputs={"__fieldManager": token} if token else {})
        box: list[ResourceState] = []
        planned = self._state(urn, goal, None, inputs, id_="", outputs=self.registry.preview(goal.type, reveal(inputs)))
        if op is Op.CREATE:
            op = self.creation_op(urn, goal)

        def create() -> None:
            if self.options.dry_run:
                self._dry_run(step, provider, None, inputs)
                box.append(planned)
                self.put(planned)
                return
            if has_unknown(inputs):
                raise EngineError(f"{urn}: an input is still unknown")
            # The token is in the state before the object is created, so that the object can be found after a crash.
            live = self._initialized(
                urn,
                goal,
                None,
                inputs,
                lambda: provider.create(urn, reveal(inputs), timeout=goal.timeout("create"), adopt=token),
            )
            box.append(live)

        step = Step(op, urn, goal.type, goal.provider, old=old, new=planned)
        self.run(step, Operation(begun, "creating") if token else None, create)
        return box[0]

    def _dry_run(self, step: Step, provider: Provider, old: ResourceState | None, inputs: Properties) -> None:
        """Ask the provider in a preview what would stop an `up`.

        A refusal is a failure of the preview, but the preview continues, so that the user sees all failures at once.
        """
        if old is None and step.urn in self.replaced_early:
            return  # in a preview the replaced object still exists under this name
        try:
            warning = provider.dry_run(old, reveal(inputs))
        except AlreadyThere as found:
            there = There(found.cluster, found.object, part_of(self._chain(step.urn)), found.managers)
            with self.lock:
                self.result.there.append(there)
            return
        except FlotillaError as error:
            self.fail(step, error)
            return
        if warning:
            with self.lock:
                self.result.messages.append(f"warning: {warning}: `up` would stop there")

    def _update(self, urn: str, goal: Goal, old: ResourceState, inputs: Properties, diff: Diff) -> ResourceState:
        provider = self.registry.provider(goal.provider, goal.type)
        # The provider does not change fields that are ignored now and that others own.
        current = replace(old, ignore_changes=goal.ignore_changes)
        box: list[ResourceState] = []
        outputs = self.registry.preview_update(goal.type, reveal(old.outputs), reveal(inputs))
        planned = self._state(urn, goal, old, inputs, id_=old.id, outputs=outputs)

        def update() -> None:
            if self.options.dry_run:
                self._dry_run(step, provider, current, inputs)
                box.append(planned)
                self.put(planned)
                return
            box.append(
                self._initialized(
                    urn,
                    goal,
                    old,
                    inputs,
                    lambda: provider.update(current, reveal(inputs), timeout=goal.timeout("update")),
                )
            )

        step = Step(Op.UPDATE, urn, goal.type, goal.provider, diff.changes, old, planned)
        self.run(step, Operation(old, "updating"), update)
        return box[0]

    def _replace(self, urn: str, goal: Goal, old: ResourceState, inputs: Properties, diff: Diff) -> ResourceState:
        """Replace a resource: create the new one first if both can exist, otherwise delete the old one first."""
        self.refuse_protected(old, "replaced")
        step = Step(Op.REPLACE, urn, goal.type, goal.provider, diff.changes, old)
        if diff.delete_before_replace:
            self.delete_first(step, old)
            return self._create(urn, goal, old, inputs, op=Op.CREATE_REPLACEMENT)
        self.replaced_later(step, old)
        return self._create(urn, goal, old, inputs, op=Op.CREATE_REPLACEMENT)

    def _import(self, urn: str, goal: Goal, old: ResourceState | None, inputs: Properties) -> ResourceState:
        """Import an existing resource, and change what differs from the program's declaration."""
        provider = self.registry.provider(goal.provider, goal.type)
        checked = self._checked(urn, goal, old, inputs)
        seed = self._state(urn, goal, old, checked, id_=goal.import_id, outputs={})
        live = provider.read(urn, goal.import_id, seed)
        if not live.id:
            raise EngineError(f"{urn}: there is nothing to import with the ID {goal.import_id!r}")
        found = seal(live.inputs, checked)
        new = touched(self._state(urn, goal, old, found, id_=live.id, outputs=live.outputs), created=True)
        diff = self._diff(goal, new, checked)
        if diff.replaces:
            listed = ", ".join(change.text for change in diff.changes if change.replaces)
            raise EngineError(f"{urn}: what is imported can't be changed into what the program declares: {listed}")
        self.run(
            Step(Op.IMPORT, urn, goal.type, goal.provider, new=new), Operation(seed, "importing"), lambda: self.put(new)
        )
        return self._update(urn, goal, new, checked, diff) if diff.changes else new

    def read(self, goal: Goal, resource_id: str) -> ResourceState:
        """Read a resource that the program doesn't manage."""
        goal = self._with_provider(goal)
        urn = make_urn(self.stack, self.project, goal.parent, goal.type, goal.name)
        provider = self.registry.provider(goal.provider, goal.type)
        seed = self._state(urn, goal, None, goal.inputs, id_=resource_id, outputs={})
        live = provider.read(urn, resource_id, seed)
        if not live.id:
            raise EngineError(f"{urn}: there is nothing to read with the ID {resource_id!r}")
        new = replace(self._state(urn, goal, None, goal.inputs, id_=live.id, outputs=live.outputs), external=True)
        self.run(Step(Op.READ, urn, goal.type, goal.provider, new=new), None, lambda: self.put(new))
        return new


UNKNOWN_ID = ""
"""The ID, in a preview, of a resource that `up` would create."""


def _glob(pattern: str, urn: str) -> bool:
    """Match a target as Pulumi does: `*` matches within a part of the URN, `**` across parts."""
    expression = re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^:]*")
    return re.fullmatch(expression, urn) is not None
