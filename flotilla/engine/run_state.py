"""The state of a run: which resources there are, what has begun, what went wrong; and how a step is carried out.

A step that fails ends only what depends on it. What else was declared is done, and the next run does the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flotilla.engine.adoption import NOTHING, Adoption, Named
from flotilla.engine.registry import ProviderRegistry, referred
from flotilla.engine.shown import Shown
from flotilla.engine.unanswered import Unanswered
from flotilla.errors import EngineError, FlotillaError
from flotilla.karmada.status.judgements import REMEDY
from flotilla.kube.secrecy import redacted
from flotilla.plan.steps import Listener, Phase, Result, Step, StepEvent
from flotilla.project_folder import running_in
from flotilla.providers.stacks import ReadStack, no_stacks
from flotilla.state.checkpoint import Operation, ResourceState, Snapshot, renamed, without_references
from flotilla.state.urns import is_default_provider
from flotilla.waiting import heard_by

PARALLEL = 512
"""Operations at once, by default. Most of them wait until a server is done with something: a member's Cluster until
Karmada calls it Ready, for one. How many requests a cluster gets at once is its connection's limit, not this one."""


class Refused(FlotillaError):
    """A resource was not deployed: it failed, its cluster does not answer, or the deployment is ending.

    The reason is in the result.
    """


@dataclass(frozen=True)
class Options:
    """How a deployment runs."""

    dry_run: bool = False
    parallel: int = PARALLEL
    targets: tuple[str, ...] = ()
    disabled_defaults: tuple[str, ...] = ()
    """Packages that every resource must name a provider for (`pulumi:disable-default-providers`)."""
    adopt: Adoption = NOTHING
    """What is taken over where it exists already."""
    folder: Path | None = None
    """The project's, in which programs of the user run; None for the process's own."""


@dataclass
class RunState:
    """The state of one run. `save` makes it durable and returns when it is."""

    stack: str
    project: str
    base: Snapshot
    options: Options
    listener: Listener = lambda _: None
    read_stack: ReadStack = no_stacks
    save: Callable[[], None] = lambda: None
    result: Result = field(default_factory=Result)
    shown: Shown | None = None
    """The plan that this run may carry out, and nothing else."""

    def __post_init__(self) -> None:
        """Sort the base state into what may be matched and what waits to be deleted."""
        self.lock = threading.RLock()
        self.slots = threading.BoundedSemaphore(self.options.parallel)
        self.ending = threading.Event()
        self.olds = {r.urn: r for r in self.base.resources if not r.delete}
        self.leftovers = [r for r in self.base.resources if r.delete]
        self.news: dict[str, ResourceState] = {}
        self.registered: set[str] = set()
        self.parents: dict[str, str] = {}
        """By URN, the parent of what was registered, whatever became of it."""
        self.aliases: dict[str, tuple[str, ...]] = {}
        """By URN, the other URNs of what was registered."""
        self.claimed: dict[int, str] = {}
        """By the identity of a resource of the base: the URN of what it is in this run, be it by an alias."""
        self.removed: set[int] = set()
        self.replaced: dict[int, ResourceState] = {}
        """By the identity of a resource of the base that has a replacement: its old copy, which waits for its end."""
        self.replaced_early: dict[str, ResourceState] = {}
        """By URN, what was deleted before its replacement is made."""
        self.doomed: set[str] = set()
        """URNs that this run deletes: what names one of them in `deleted_with` goes with it."""
        self.pending: dict[str, Operation] = {op.resource.urn: op for op in self.base.pending}
        self.unsettled: frozenset[str] = frozenset(self.pending)
        """URNs whose broken-off operation could not be settled, because their cluster did not answer."""
        self.failed: set[str] = set()
        """URNs of what failed or was not begun in this run: what depends on them is left as it is."""
        self.left_out: set[str] = set()
        """URNs of what targets left out and never was made: the program may not know its outputs."""
        self.skipped: set[tuple[str, str]] = set()
        """Type and name of what the program could not register, since it waits for what failed, and of its parents."""
        self.unanswered = Unanswered()
        self.adopting = Named(self.options.adopt)
        self.registry = ProviderRegistry(self.provider_of, self.read_stack)

    # -- state ------------------------------------------------------------------------------------

    def provider_of(self, reference: str) -> ResourceState | None:
        """Return the provider that `urn::id` refers to: of this run, else of the last."""
        urn = reference.rpartition("::")[0]
        with self.lock:
            known = (self.news.get(urn), self.olds.get(urn), *self.leftovers)
        return referred(reference, [resource for resource in known if resource is not None])

    def snapshot(self) -> Snapshot:
        """Return the state at this moment: what this run has done, and what it has not reached."""
        with self.lock:
            # An old copy stands where it stood: what this run has not reached may still refer to it.
            standing_as = [self.replaced.get(id(r), r) for r in self.base.resources]
            kept = [r for r in standing_as if id(r) not in self.removed and (r.delete or not self.goes_on(r))]
            # In order by construction: a resource is registered after what it depends on, and what this run has not
            # reached depends on nothing that it has removed.
            claims = ((r.urn, self.claimed.get(id(r), r.urn)) for r in self.base.resources if not r.delete)
            moved = {before: urn for before, urn in claims if urn != before and urn in self.news}
            rest = [renamed(r, moved) for r in kept] if moved else kept
            return Snapshot((*self.news.values(), *rest), tuple(self.pending.values()))

    def goes_on(self, resource: ResourceState) -> bool:
        """Tell whether a resource of the base is in this run's part of the state, under whatever URN.

        An alias alone says nothing: what has that URN may be another resource, which the program no longer has.
        """
        return resource.urn in self.news or self.claimed.get(id(resource), "") in self.news

    def put(self, resource: ResourceState) -> None:
        """Take a resource into the state and make it durable."""
        with self.lock:
            self.news[resource.urn] = self.standing(resource)
            self.pending.pop(resource.urn, None)
            self.unsettled -= {resource.urn}
        if not self.options.dry_run:
            self.save()

    def standing(self, resource: ResourceState) -> ResourceState:
        """Return a resource as the state may have it: without dependencies on what targets left out and never was made.

        The CLI refuses a state that refers to what it doesn't have.
        """
        if not self.options.targets:
            return resource
        unmade = {urn for urn in resource.depends_on() if urn not in self.news and urn not in self.olds}
        return without_references(resource, unmade)

    def drop(self, resource: ResourceState) -> None:
        """Take a resource out of the state and make that durable."""
        with self.lock:
            self.removed.add(id(resource))
            self.pending.pop(resource.urn, None)
            if self.news.get(resource.urn) is resource:
                del self.news[resource.urn]
        if not self.options.dry_run:
            self.save()

    def note(self, step: Step) -> bool:
        """Take a step into the result, where it is one that is reported; tell whether it is."""
        reported = not is_default_provider(step.urn, step.type)
        if reported:
            with self.lock:
                self.result.steps.append(step)
        return reported

    def refuse_unshown(self, step: Step) -> None:
        """Fail where a step isn't one of the plan that was shown, before anything of it is done.

        Not to be called under the lock: a failure waits until the state is written.
        """
        if self.shown is None:
            return
        stop = self.shown.stop(step)
        if stop is not None:
            with self.lock:
                self.failed.add(step.urn)
            if stop:
                self.fail(step, EngineError(f"{stop}; nothing of this workload was done", hint=REMEDY))
            raise Refused(step.urn)
        objection = self.shown.objection(step)
        if objection:
            self.fail(step, EngineError(objection))
            raise Refused(step.urn)

    def run(self, step: Step, pending: Operation | None, action: Callable[[], None]) -> None:
        """Carry out a step: say so, note it in the state as begun, do it, say how it went.

        Raises:
            Refused: it failed or was not begun; the reason is in the result.
        """
        self.refuse_unshown(step)
        started = time.monotonic()
        tell = self.listener if self.note(step) else lambda _: None
        tell(StepEvent(Phase.BEGIN, step))
        if self.options.dry_run:
            action()
            tell(StepEvent(Phase.DONE, step))
            return
        try:
            with self.slots:
                self._refuse_to_begin(step)
                if pending is not None:
                    with self.lock:
                        self.pending[step.urn] = pending
                    self.save()
                said = heard_by(lambda text: tell(StepEvent(Phase.WAITING, step, said=redacted(text))))
                with said, running_in(self.options.folder):
                    action()
        except Refused:
            with self.lock, suppress(ValueError):
                self.failed.add(step.urn)
                self.result.steps.remove(step)
            raise
        except Exception as error:
            self.fail(step, error, time.monotonic() - started)
            raise Refused(step.urn) from error
        tell(StepEvent(Phase.DONE, step, time.monotonic() - started))

    def _refuse_to_begin(self, step: Step) -> None:
        """Begin nothing once the deployment is ending, nor in a cluster that has not answered in this run.

        One request that waits for its whole time limit is enough: a member that hangs costs a run no more than that.
        """
        if self.ending.is_set():
            raise Refused(f"{step.urn}: not begun, the deployment is ending")
        if self.unanswered.waits(step.provider, step.urn):
            raise Refused(f"{step.urn}: not begun, its cluster does not answer")

    def fail(self, step: Step, error: Exception, seconds: float = 0.0) -> None:
        """Record a failure. Nothing that depends on the resource is begun; everything else goes on."""
        text = str(error) if isinstance(error, FlotillaError) else f"{type(error).__name__}: {error}"
        text = redacted(text)  # it goes into the state's history, logs and reports
        with self.lock:
            self.failed.add(step.urn)
            again = self.unanswered.waits(step.provider, step.urn)
            alone = not self.unanswered.add(step.provider, step.urn, error)
            if alone:
                self.result.failures.append(f"{step.op} {step.type} {step.name}: {text}")
            if getattr(error, "nothing_done", False) and step.urn not in self.unsettled:
                self.pending.pop(step.urn, None)
        if alone or not again:  # a cluster's trouble is shown once, not with each of its resources
            self.listener(StepEvent(Phase.FAILED, step, seconds, text))
        if not self.options.dry_run:
            with suppress(FlotillaError):
                self.save()

    def close(self) -> None:
        """Add to the result which clusters did not answer; for a run that changes things, each is a failure."""
        with self.lock:
            self.result.unknown |= self.unanswered.reasons()
            if not self.options.targets:  # else they may go by what was left out
                self.result.unmatched = self.adopting.missing
            if not self.options.dry_run:
                self.result.failures += self.unanswered.sentences()
