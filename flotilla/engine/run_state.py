"""The state of a run (its resources, pending operations and failures), and how a step is carried out.

A failed step stops only the steps that depend on it. All other steps are carried out, and the next run does the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flotilla.engine.adoption import NOTHING, Adoption, AdoptionNames
from flotilla.engine.registry import ProviderRegistry, referred
from flotilla.engine.shown import ShownPlan
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
"""The default number of parallel operations. Most of them only wait, for example until Karmada reports a member's
Cluster as Ready. The number of parallel requests to a cluster is limited by its connection, not by this number."""


class Refused(FlotillaError):
    """A resource was not deployed: its step failed, its cluster does not answer, or the deployment is ending.

    The result contains the reason.
    """


@dataclass(frozen=True)
class Options:
    """The options of a deployment."""

    dry_run: bool = False
    parallel: int = PARALLEL
    targets: tuple[str, ...] = ()
    disabled_defaults: tuple[str, ...] = ()
    """Packages whose resources must all name a provider (`pulumi:disable-default-providers`)."""
    adopt: Adoption = NOTHING
    """The existing objects that are adopted."""
    folder: Path | None = None
    """The project's folder, in which programs of the user run; None for the process's working directory."""


@dataclass
class RunState:
    """The state of one run. `save` writes it to the disk and returns when it is written."""

    stack: str
    project: str
    base: Snapshot
    options: Options
    listener: Listener = lambda _: None
    read_stack: ReadStack = no_stacks
    save: Callable[[], None] = lambda: None
    result: Result = field(default_factory=Result)
    shown: ShownPlan | None = None
    """The plan that was shown; if it is set, steps that it does not contain fail."""

    def __post_init__(self) -> None:
        """Divide the base state into resources that registrations may match, and old copies that wait for deletion."""
        self.lock = threading.RLock()
        self.slots = threading.BoundedSemaphore(self.options.parallel)
        self.ending = threading.Event()
        self.olds = {r.urn: r for r in self.base.resources if not r.delete}
        self.leftovers = [r for r in self.base.resources if r.delete]
        self.news: dict[str, ResourceState] = {}
        self.registered: set[str] = set()
        self.parents: dict[str, str] = {}
        """The parent of each registered URN, whether its step succeeded or not."""
        self.aliases: dict[str, tuple[str, ...]] = {}
        """The aliases of each registered URN."""
        self.claimed: dict[int, str] = {}
        """By `id()` of a resource of the base: the URN that it has in this run, possibly by an alias."""
        self.removed: set[int] = set()
        self.replaced: dict[int, ResourceState] = {}
        """By `id()` of a replaced resource of the base: its old copy, which waits for deletion."""
        self.replaced_early: dict[str, ResourceState] = {}
        """By URN: resources that are deleted before their replacement is created."""
        self.doomed: set[str] = set()
        """URNs that this run deletes. A resource whose `deleted_with` names one of them is deleted with it."""
        self.pending: dict[str, Operation] = {op.resource.urn: op for op in self.base.pending}
        self.unsettled: frozenset[str] = frozenset(self.pending)
        """URNs whose interrupted operation could not be settled, because their cluster did not answer."""
        self.failed: set[str] = set()
        """URNs of resources whose step failed or was not begun in this run; their dependents are not changed."""
        self.left_out: set[str] = set()
        """URNs of resources that targets exclude and that never existed; their outputs are unknown to the program."""
        self.skipped: set[tuple[str, str]] = set()
        """Type and name of resources that were not registered because of a failed one, and of their parents."""
        self.unanswered = Unanswered()
        self.adopting = AdoptionNames(self.options.adopt)
        self.registry = ProviderRegistry(self.provider_of, self.read_stack)

    # -- state ------------------------------------------------------------------------------------

    def provider_of(self, reference: str) -> ResourceState | None:
        """Return the provider that `urn::id` refers to: from this run, otherwise from the base state."""
        urn = reference.rpartition("::")[0]
        with self.lock:
            known = (self.news.get(urn), self.olds.get(urn), *self.leftovers)
        return referred(reference, [resource for resource in known if resource is not None])

    def snapshot(self) -> Snapshot:
        """Return the current state: the resources that this run has processed, and those that it has not reached."""
        with self.lock:
            # An old copy keeps its position, since resources that this run has not reached may still refer to it.
            current = [self.replaced.get(id(r), r) for r in self.base.resources]
            kept = [r for r in current if id(r) not in self.removed and (r.delete or not self.is_carried_over(r))]
            # The order is correct by construction: a resource is registered after its dependencies, and resources that
            # this run has not reached do not depend on any that it has removed.
            claims = ((r.urn, self.claimed.get(id(r), r.urn)) for r in self.base.resources if not r.delete)
            moved = {before: urn for before, urn in claims if urn != before and urn in self.news}
            rest = [renamed(r, moved) for r in kept] if moved else kept
            return Snapshot((*self.news.values(), *rest), tuple(self.pending.values()))

    def is_carried_over(self, resource: ResourceState) -> bool:
        """Return whether a resource of the base is in this run's part of the state, under any URN.

        An alias alone does not decide it: its URN may belong to another resource, which the program no longer declares.
        """
        return resource.urn in self.news or self.claimed.get(id(resource), "") in self.news

    def put(self, resource: ResourceState) -> None:
        """Put a resource into the state and save it."""
        with self.lock:
            self.news[resource.urn] = self.storable(resource)
            self.pending.pop(resource.urn, None)
            self.unsettled -= {resource.urn}
        if not self.options.dry_run:
            self.save()

    def storable(self, resource: ResourceState) -> ResourceState:
        """Return a resource without dependencies on resources that targets exclude and that never existed.

        Pulumi's CLI refuses a state with references to resources that the state doesn't contain.
        """
        if not self.options.targets:
            return resource
        unmade = {urn for urn in resource.depends_on() if urn not in self.news and urn not in self.olds}
        return without_references(resource, unmade)

    def drop(self, resource: ResourceState) -> None:
        """Remove a resource from the state and save it."""
        with self.lock:
            self.removed.add(id(resource))
            self.pending.pop(resource.urn, None)
            if self.news.get(resource.urn) is resource:
                del self.news[resource.urn]
        if not self.options.dry_run:
            self.save()

    def note(self, step: Step) -> bool:
        """Add a step to the result if it is one that is reported; return whether it is."""
        reported = not is_default_provider(step.urn, step.type)
        if reported:
            with self.lock:
                self.result.steps.append(step)
        return reported

    def refuse_unshown(self, step: Step) -> None:
        """Fail if a step isn't one of the plan that was shown, before any part of it is done.

        Must not be called under the lock: a failure waits until the state is written.
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
        deviation = self.shown.deviation(step)
        if deviation:
            self.fail(step, EngineError(deviation))
            raise Refused(step.urn)

    def run(self, step: Step, pending: Operation | None, action: Callable[[], None]) -> None:
        """Carry out a step: report it, store it as a pending operation, run it, report the outcome.

        Raises:
            Refused: the step failed or was not begun; the result contains the reason.
        """
        self.refuse_unshown(step)
        started = time.monotonic()
        report = self.listener if self.note(step) else lambda _: None
        report(StepEvent(Phase.BEGIN, step))
        if self.options.dry_run:
            action()
            report(StepEvent(Phase.DONE, step))
            return
        try:
            with self.slots:
                self._refuse_to_begin(step)
                if pending is not None:
                    with self.lock:
                        self.pending[step.urn] = pending
                    self.save()
                listening = heard_by(lambda text: report(StepEvent(Phase.WAITING, step, said=redacted(text))))
                with listening, running_in(self.options.folder):
                    action()
        except Refused:
            with self.lock, suppress(ValueError):
                self.failed.add(step.urn)
                self.result.steps.remove(step)
            raise
        except Exception as error:
            self.fail(step, error, time.monotonic() - started)
            raise Refused(step.urn) from error
        report(StepEvent(Phase.DONE, step, time.monotonic() - started))

    def _refuse_to_begin(self, step: Step) -> None:
        """Refuse to begin a step if the deployment is ending, or the step's cluster has not answered in this run.

        So a member that hangs costs a run only the time limit of one request.
        """
        if self.ending.is_set():
            raise Refused(f"{step.urn}: not begun, the deployment is ending")
        if self.unanswered.waits(step.provider, step.urn):
            raise Refused(f"{step.urn}: not begun, its cluster does not answer")

    def fail(self, step: Step, error: Exception, seconds: float = 0.0) -> None:
        """Record a failure. Steps that depend on the resource are not begun; all others continue."""
        text = str(error) if isinstance(error, FlotillaError) else f"{type(error).__name__}: {error}"
        text = redacted(text)  # the text goes into the stack's history, logs and reports
        with self.lock:
            self.failed.add(step.urn)
            again = self.unanswered.waits(step.provider, step.urn)
            alone = not self.unanswered.add(step.provider, step.urn, error)
            if alone:
                self.result.failures.append(f"{step.op} {step.type} {step.name}: {text}")
            if getattr(error, "nothing_done", False) and step.urn not in self.unsettled:
                self.pending.pop(step.urn, None)
        if alone or not again:  # an error of a whole cluster is shown once, not for each of its resources
            self.listener(StepEvent(Phase.FAILED, step, seconds, text))
        if not self.options.dry_run:
            with suppress(FlotillaError):
                self.save()

    def close(self) -> None:
        """Add the clusters that did not answer to the result; in a run that changes resources, each is a failure."""
        with self.lock:
            self.result.unknown |= self.unanswered.reasons()
            if not self.options.targets:  # with targets, names may belong to resources that are left out
                self.result.unmatched = self.adopting.missing
            if not self.options.dry_run:
                self.result.failures += self.unanswered.sentences()
