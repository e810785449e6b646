"""Runs a change wave by wave: releases clusters, waits for health and gates, and stops or reverts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.karmada.enablements import await_kinds
from flotilla.karmada.scheduling import every_affinity
from flotilla.karmada.status.rollout import ClusterProgress, Progress
from flotilla.karmada.status.sharing import SharedReader
from flotilla.karmada.status.texts import WaitTexts
from flotilla.karmada.status.unhealthy import explained
from flotilla.karmada.status.waiting import POLL_SECONDS, poll
from flotilla.karmada.waves.checks import CheckContext, run_checks
from flotilla.karmada.waves.division import Wave
from flotilla.karmada.waves.holding import hold, numbered, policies_of, suspend, suspension_of, waves_of
from flotilla.karmada.waves.record import ABORTED, Phase, Record, Store, TooLarge
from flotilla.karmada.waves.reverting import inputs_of, take_back, write_all
from flotilla.karmada.waves.strategy import Approval, OnFailure, count_of
from flotilla.karmada.waves.subject import Subject, declaration_of
from flotilla.kube.objects import ref_of
from flotilla.project_folder import project_folder
from flotilla.waiting import pause, say

Props = dict[str, Any]
Look = Callable[[], list[Progress]]
LookFor = Callable[[Props], Look]
"""Returns a function that looks at the clusters, for a Rollout's inputs; it doesn't wait for suspended clusters."""
_PERSON_SECONDS = 2.0


class Stopped(FlotillaError):
    """A change in waves doesn't continue; the message says why, and what the clusters run."""


class _Aborted(Exception):
    """A person has requested an abort."""


@dataclass
class Waves:
    """One run of a change in waves."""

    reader: SharedReader
    props: Props
    """The inputs of the workload's Rollout."""
    subject: Subject
    look_for: LookFor
    olds: Props | None = None
    """The former inputs of its Rollout, if there were any."""

    def __post_init__(self) -> None:
        """Create the store for the record."""
        self.store = Store(self.reader.connection, self.subject.record)
        self.record = Record(self.subject.workload, self.subject.declaration)

    def run(self) -> bool:
        """Run the change through all waves that it has not passed yet.

        Returns:
            Whether a change was under way.

        Raises:
            Stopped: the change doesn't continue.
            ClusterError: the control plane could not be asked.
        """
        found = self.store.read()
        if found is None:
            return False
        if found.declaration == self.subject.declaration and self._is_taken_back(found):
            found = self._restart()
        self.record = found
        if self.record.aborted:
            self._abort()
        waves = waves_of(self.reader.connection, self.subject)
        every = {name for wave in waves for name in wave.clusters}
        reached = tuple(sorted(every - set(self.record.held_back)))
        self._note(waves=numbered(waves), reached=reached, phase=Phase.MOVING, why="")
        if not (self.record.before or self.record.touched or self.record.reached):
            self._note(before=declaration_of(self.olds))
        # A run that was killed may have noted a cluster without releasing it.
        suspend(self.reader.connection, policies_of(self.record, self.subject), self.record.held_back)
        try:
            for wave in waves:
                if not set(wave.clusters) <= set(self.record.passed):
                    self._wave(wave, f"wave {wave.number} of {waves[-1].number} ({', '.join(wave.clusters)})")
        except _Aborted:
            self._abort()
        suspend(self.reader.connection, policies_of(self.record, self.subject), ())
        self.store.remove()
        return True

    def _is_taken_back(self, found: Record) -> bool:
        """Return whether a change was reverted, also if a run that restarted it was killed meanwhile."""
        if found.phase is Phase.NOT_BEGUN:
            return bool(self.store.contents("after"))
        return found.phase in (Phase.REVERTED, Phase.REVERTING)

    def _restart(self) -> Record:
        """Hold all clusters back again, and write the change that was reverted.

        Raises:
            Stopped: kinds that it brings are not served in time.
        """
        after = self.store.contents("after")
        hold(self.reader, self.subject)
        custom = [one for one in after if (one["apiVersion"], one["kind"]) in self.subject.kinds]
        write_all(self.reader.connection, (one for one in after if one not in custom))
        if custom:
            self._await_kinds()
            write_all(self.reader.connection, custom)
        found = self.store.read() or self.record
        self.store.write(found, {"after": None})
        return found

    def _await_kinds(self) -> None:
        """Wait until all clusters serve the kinds of the workload: Karmada schedules their objects nowhere else."""
        subject, affinities = self.subject, every_affinity(self.subject.placement)
        missing = await_kinds(self.reader.connection, list(subject.kinds), affinities, subject.version, subject.seconds)
        if missing:
            raise Stopped(f"its kinds are not served: {'; '.join(missing)}", hint="run `up` again")

    # -- one wave -------------------------------------------------------------------------------------

    def _wave(self, wave: Wave, name: str) -> None:
        if self._is_untouched(wave):
            # The clusters already run the declaration: a change was given up and undone in the stack file.
            self._release(wave.clusters)
            self._note(passed=(*self.record.passed, *wave.clusters))
            return
        if Approval.BEFORE in wave.approve and not set(wave.clusters) & set(self.record.reached):
            self._await_person(wave, Approval.BEFORE, name)
        for batch in wave.batches:
            if not set(batch) <= set(self.record.reached):
                self._await_resumed(name)
                self._note(phase=Phase.MOVING, why=f"{name} is getting the change")
                say(f"{self.subject.workload}: {name} begins" + (f": {', '.join(batch)}" if wave.batches[1:] else ""))
                self._release(batch)
            if batch != wave.batches[-1]:
                self._await_healthy(wave, name, 0.0)
        self._await_healthy(wave, name, self.subject.strategy.gate.healthy_seconds, gate=True)
        if Approval.AFTER in wave.approve:
            self._await_person(wave, Approval.AFTER, name)
        self._note(passed=(*self.record.passed, *wave.clusters), why="")
        say(f"{self.subject.workload}: {name} is healthy")

    def _is_untouched(self, wave: Wave) -> bool:
        as_before = bool(self.record.before) and self.record.before == self.subject.declaration
        return as_before and not set(wave.clusters) & set(self.record.touched)

    def _release(self, clusters: Collection[str]) -> None:
        """Release some clusters. The record is written first, so that an interrupted run never forgets a cluster."""
        self._note(reached=tuple(sorted({*self.record.reached, *clusters})))
        suspend(self.reader.connection, policies_of(self.record, self.subject), self.record.held_back)

    def _await_healthy(self, wave: Wave, name: str, healthy: float, *, gate: bool = False) -> None:
        """Wait until clusters with the change are healthy for `healthy` seconds; optionally run the gate's checks."""
        looking = self.look_for({**self.props, "suspension": suspension_of(self.record.held_back)})

        last: list[Progress] = []

        def look() -> list[Progress]:
            self._ask_for_abort()
            last[:] = self._tolerated(looking())
            return last

        deadline = time.monotonic() + self.subject.seconds + healthy
        texts = WaitTexts(f"{self.subject.workload}, {name}", say)
        while True:
            _, problem = poll(look, max(POLL_SECONDS, deadline - time.monotonic()), texts=texts)
            if pause(0):
                raise Stopped(f"{name} was interrupted", hint="run `up` again: it goes on from here")
            if not problem:
                problem = self._stays_healthy(look, healthy)
                if not problem and gate:
                    problem = self._failed_checks(wave)
                if not problem:
                    return
                if time.monotonic() < deadline:
                    texts.waiting(problem, self.subject.seconds - (deadline - time.monotonic()))
                    if pause(POLL_SECONDS):
                        continue
                    continue
            # Before a revert: after it, the pods that can report the reason are gone.
            self._fail(name, explained(problem, self.reader.connection, last))

    def _stays_healthy(self, look: Look, seconds: float) -> str:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if pause(min(POLL_SECONDS * 2, max(0.0, seconds - (time.monotonic() - began)))):
                return "interrupted"
            late = [str(one) for one in look() if not one.done_where_answered]
            if late:
                return f"was healthy for {int(time.monotonic() - began)} s, of {int(seconds)}: {'; '.join(late)}"
        return ""

    def _failed_checks(self, wave: Wave) -> str:
        """Return which check of the gate doesn't pass; empty where all pass."""
        checks = self.subject.strategy.gate.checks
        if not checks:
            return ""
        snapshot = self.reader.read_for(self.subject.sent)
        bindings = {ref: snapshot.binding_of(ref) for ref in map(ref_of, self.subject.sent)}
        statuses = {
            ref: {item.cluster_name: item for item in binding.status.aggregated_status}
            for ref, binding in bindings.items()
            if binding is not None
        }
        found = run_checks(
            checks, CheckContext(self.subject.workload, wave.number, wave.clusters, statuses, project_folder())
        )
        return f"doesn't pass its gate: {found}" if found else ""

    def _tolerated(self, found: list[Progress]) -> list[Progress]:
        """Leave out clusters that aren't healthy, as many as the gate allows in each wave."""
        allowed = self.subject.strategy.gate.max_unavailable
        if not allowed:
            return found
        waves = [set(names) for _, names in self.record.waves]
        late = {cluster.cluster for one in found for cluster in one.clusters if not _is_done(cluster)}
        passes: set[str] = set()
        for names in waves:
            missing = late & names
            if len(missing) <= count_of(allowed, len(names), up=False):
                passes |= missing
        return [replace(one, clusters=tuple(c for c in one.clusters if c.cluster not in passes)) for one in found]

    # -- a person's requests --------------------------------------------------------------------------

    def _ask_for_abort(self) -> None:
        record = self.store.read()
        if record is not None and record.aborted:
            self.record = replace(self.record, aborted=record.aborted)
            raise _Aborted

    def _await_resumed(self, name: str) -> None:
        self._await(Phase.PAUSED, name, lambda record: bool(record.paused), "is paused", "resume")

    def _await_person(self, wave: Wave, when: Approval, name: str) -> None:
        wanted = f"{when}-{wave.number}"
        what = f"waits for approval {'before it begins' if when is Approval.BEFORE else 'before the next begins'}"
        self._await(Phase.APPROVAL, name, lambda record: wanted not in record.approved, what, "approve")

    def _await(self, phase: Phase, name: str, waits: Callable[[Record], bool], what: str, verb: str) -> None:
        """Wait for a person for at most the workload's timeout; after that, the next run continues from here."""
        deadline = time.monotonic() + self.subject.seconds
        printed = False
        while waits(record := self.store.read() or self.record):
            self._note(phase=phase, why=f"{name} {what}{f' ({record.paused})' if record.paused else ''}")
            if record.aborted:
                self.record = replace(self.record, aborted=record.aborted)
                raise _Aborted
            command = f"`flotilla rollout {verb} {self.subject.workload}`"
            if not printed:
                say(f"{self.subject.workload}: {self.record.why}: {command}")
                printed = True
            if time.monotonic() > deadline or pause(_PERSON_SECONDS):
                raise Stopped(
                    f"{self.record.why}; {self._kept()}", hint=f"{command}, then run `up` again: it goes on from here"
                )
        self._note(phase=Phase.MOVING, why="")

    # -- the end --------------------------------------------------------------------------------------

    def _fail(self, name: str, problem: str) -> None:
        """Stop, or revert; always raises."""
        why = f"{name} {problem}"
        self._note(phase=Phase.FAILED, why=why)
        if self.subject.strategy.on_failure is OnFailure.REVERT:
            self._revert(why)
        raise Stopped(
            f"{why}; {self._kept()}",
            hint="correct the declaration, or undo it, and run `up` again: it goes on from here",
        )

    def _abort(self) -> None:
        """Revert on a person's request; always raises."""
        self._revert(f"aborted by {self.record.aborted}")
        raise Stopped(
            f"aborted by {self.record.aborted}; there is nothing to go back to: {self._kept()}",
            hint="correct the declaration, or remove the workload, and run `up` again",
        )

    def _revert(self, why: str) -> None:
        """Write the former objects, wait for them, and raise; return where the former objects aren't known."""
        self._note(phase=Phase.REVERTING, why=why)
        try:
            before = take_back(self.reader.connection, self.store, self.subject)
        except TooLarge as error:
            self._note(phase=Phase.FAILED)
            raise Stopped(
                f"{why}; it can't be taken back, because its objects are too large to store ({error}); {self._kept()}",
                hint="undo the change of the declaration and run `up` again, or divide the workload",
            ) from None
        if not before:
            self._note(phase=Phase.FAILED)
            return
        props = {**inputs_of(self.props, before), "suspension": suspension_of(self.record.held_back)}
        found, problem = poll(self.look_for(props), self.subject.seconds, texts=WaitTexts(self.subject.workload, say))
        if problem:
            problem = explained(problem, self.reader.connection, found)
            raise Stopped(
                f"{why}; the revert {problem}; {self._kept()}",
                hint="look at these clusters, then run `up` again: it goes on from here",
            )
        suspend(self.reader.connection, policies_of(self.record, self.subject), ())
        # Karmada releases the Works a moment later.
        poll(self.look_for({**props, "suspension": {}}), self.subject.seconds)
        self._note(phase=Phase.REVERTED, why=why)
        self.store.forget_requests(ABORTED)
        reached = ", ".join(self.record.reached) or "no cluster"
        raise Stopped(
            f"{why}; taken back in {reached}, and every cluster runs what it ran before",
            hint="correct the declaration and run `up` again",
        )

    def _kept(self) -> str:
        names = self.record.held_back
        if not names:
            return "every cluster has the change"
        return f"{', '.join(names)} {'keep what they ran' if names[1:] else 'keeps what it ran'}"

    def _note(self, **values: Any) -> None:
        new = replace(self.record, **values)
        if new != self.record:
            self.record = new
            self.store.write(new)


def _is_done(cluster: ClusterProgress) -> bool:
    return not cluster.waiting_for and not cluster.unanswered
