"""A stack on the embedded engine: preview, up, refresh and destroy, each of which reads the state from the disk."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flotilla.counts import counted
from flotilla.engine.adoption import NOTHING, Adoption
from flotilla.engine.deployment import Deployment
from flotilla.engine.digest import PURPOSE, plan_digest
from flotilla.engine.interrupts import INTERRUPTED, Interrupts, abortable, interruptible
from flotilla.engine.program import Program, importable, run_program
from flotilla.engine.recovery import settle
from flotilla.engine.refresh import refresh
from flotilla.engine.removal import delete_all, delete_unregistered
from flotilla.engine.run_state import PARALLEL, Options, Refused
from flotilla.engine.shown import ShownPlan
from flotilla.errors import EngineError
from flotilla.plan.steps import Listener, Result
from flotilla.state.backend import OpenStack, StackFiles, open_stack
from flotilla.state.checkpoint import Encoder, Snapshot, without
from flotilla.state.config import Project, StackConfig
from flotilla.state.crypto import PassphraseCrypter, derived_key, passphrase, passphrase_is_named
from flotilla.state.history import SUCCEEDED, UPDATE, own_part
from flotilla.state.stacks import refuse_unknown
from flotilla.state.urns import STACK_TYPE
from flotilla.state.values import Properties
from flotilla.state.writer import StateWriter

Report = Callable[[str], None]

_REFRESH = "refresh"
_FLUSH_SECONDS = 0.5
"""The time for the last write of a run that is ended at once."""


@dataclass
class EmbeddedStack:
    """One stack of one project. Every method reads the state again."""

    project: Project
    name: str
    backend: Path
    """The folder of the `file://` backend."""
    report: Report = lambda _: None
    listener: Listener = lambda _: None
    program: Program | None = None
    """A program that runs instead of the project's (an inline one, for tests and tools)."""
    config_file: Path | None = None
    """A file that is read instead of the stack file, as with the CLI's --config-file."""
    parallel: int = PARALLEL
    adopt: Adoption = NOTHING
    """The existing objects that `up` adopts, and that `preview` shows as adoptions."""
    back_to: int = 0
    """The number of the update whose declaration `up` restores, for the stack's history; 0 for none."""
    read_only: bool = False
    """Whether no passphrase file may be created; before the first `up`, the process then uses a random passphrase."""

    @property
    def _source(self) -> Program:
        """The program that runs: the given one, or the project's."""
        return self.program or self.project.folder

    @property
    def files(self) -> StackFiles:
        """The stack's files."""
        return StackFiles(self.backend, self.project.name, self.name)

    def preview(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False) -> Result:
        """Return the plan of an `up`. Nothing is written, and no lock is needed."""
        with abortable(), importable(self._source):
            opened, config = self._open()
            snapshot = self._settled(opened.snapshot)
            if refresh_first:
                snapshot = self._refreshed(snapshot).snapshot()
            deployment = self._deployment(snapshot, config, targets, dry_run=True)
            if self._run_program(deployment, config, opened):
                delete_unregistered(deployment)
            deployment.close()
            if not opened.exists and self.files.copies():
                deployment.result.messages.append(f"warning: {self._lost()}")
            return self._with_digest(deployment.result, opened, config)

    def up(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False, plan: Result | None = None) -> Result:
        """Carry out what the program declares; with a plan that was shown, steps that it does not contain fail."""

        def action(deployment: Deployment, opened: OpenStack, config: StackConfig) -> None:
            if self._run_program(deployment, config, opened) and not deployment.ending.is_set():
                delete_unregistered(deployment)

        return self._change(UPDATE, action, targets, refresh_first=refresh_first, plan=plan)

    def refresh(self, *, preview_only: bool = False) -> Result:
        """Store the clusters' values in the state, or only report what differs."""
        opened, _config = self._open()
        if not opened.snapshot.resources and not opened.snapshot.pending:
            return self._nothing()
        if preview_only:
            with abortable(), importable(self._source):
                return self._refreshed(self._settled(opened.snapshot)).result

        def action(deployment: Deployment, _opened: OpenStack, _config: StackConfig) -> None:
            refresh(deployment)

        return self._change(_REFRESH, action, ())

    def destroy(
        self, *, targets: tuple[str, ...] = (), preview_only: bool = False, plan: Result | None = None
    ) -> Result:
        """Delete all resources of the state, or only report them; with a plan, only those that it shows."""

        def action(deployment: Deployment, _opened: OpenStack, _config: StackConfig) -> None:
            existing = [r for r in deployment.base.resources if not r.delete and not deployment.untargeted(r.urn)]
            delete_all(deployment, existing, list(deployment.leftovers))

        opened, config = self._open()
        if not opened.snapshot.resources and not opened.snapshot.pending:
            return self._nothing()
        if preview_only:
            with abortable(), importable(self._source):
                deployment = self._deployment(self._settled(opened.snapshot), config, targets, dry_run=True)
                action(deployment, opened, config)
                deployment.close()
                return self._with_digest(deployment.result, opened, config)
        return self._change("destroy", action, targets, plan=plan)

    def snapshot(self) -> Snapshot:
        """Return the current state.

        Raises:
            EngineError: the stack does not exist.
        """
        return self._open()[0].snapshot

    def remove(self) -> None:
        """Remove the stack itself.

        Raises:
            EngineError: the stack still has resources.
        """
        count = len(self.snapshot().resources)
        if count:
            raise EngineError(
                f"stack {self.name} still has {counted(count, 'resource')}", hint="run `flotilla destroy` first"
            )
        self.files.remove()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the stack against other runs during an operation that doesn't run the program."""
        with interruptible(self.report) as interrupts, self.files.locked(self.report) as lock:
            interrupts.at_last(lambda: lock.unlink(missing_ok=True))
            self.files.back_up(self._open()[0])
            yield

    def forget(self, urns: set[str], *, verb: str = "abandon") -> None:
        """Remove resources from the state, within `changing`; the objects in the clusters are not touched.

        Args:
            urns: the URNs of the resources.
            verb: the name of the operation in the stack's history.
        """
        opened, _ = self._open()
        left = without(opened.snapshot, urns)
        self.files.write(Encoder(opened.crypter, self.files.qualified).encode(left))
        self.files.add_history(verb, time.time(), SUCCEEDED, {"delete": len(urns)})

    # -- parts ------------------------------------------------------------------------------------

    def _passphrase(self, salted: str = "") -> str:
        file = self.backend / "passphrase"
        known = passphrase_is_named() or file.exists() or salted or self.files.exists()
        if self.read_only and not known:
            return _own_passphrase()
        return passphrase(file, salted=salted)

    def _open(self) -> tuple[OpenStack, StackConfig]:
        """Read the stack's state and configuration; a name that has neither is refused as mistyped."""
        refuse_unknown(self.files, self.project, new=bool(self.program or self.config_file))
        config = StackConfig.load(self.project, self.name, self.config_file)
        salted = str(self.config_file or self.project.stack_file(self.name)) if config.salt else ""
        secret = self._passphrase(salted)
        return open_stack(self.files, secret, config.salt), config

    def _with_digest(self, result: Result, opened: OpenStack, config: StackConfig) -> Result:
        """Set a plan's digest, keyed with the passphrase of the stack's secrets.

        A stack gets a random salt at its first write. Until then, the key is derived from the passphrase alone.
        """
        salt = opened.crypter.state if opened.salted or config.salt else None
        secret = self._passphrase()
        result.digest = plan_digest(result, derived_key(secret, salt, f"{PURPOSE} {self.files.qualified}"))
        return result

    def _nothing(self) -> Result:
        """Return the result for a stack without resources; its message says if the state is lost and backups exist."""
        lost = not self.files.exists() and bool(self.files.copies())
        return Result(messages=[self._lost() if lost else f"stack {self.name} has nothing deployed"])

    def _lost(self) -> str:
        return (
            f"stack {self.name} has no state, but backups of one; if it is lost, "
            f"`flotilla state restore -s {self.name}` restores the newest"
        )

    def _settled(self, snapshot: Snapshot) -> Snapshot:
        settled, messages = settle(snapshot)
        for message in messages:
            self.report(message)
        return settled

    def _refreshed(self, snapshot: Snapshot) -> Deployment:
        options = Options(dry_run=True, parallel=self.parallel)
        deployment = Deployment(self.name, self.project.name, snapshot, options, read_stack=self._outputs_of)
        refresh(deployment)
        deployment.close()
        return deployment

    def _deployment(
        self, snapshot: Snapshot, config: StackConfig, targets: tuple[str, ...], *, dry_run: bool
    ) -> Deployment:
        options = Options(dry_run, self.parallel, targets, config.disabled_defaults, self.adopt, self.project.folder)
        return Deployment(self.name, self.project.name, snapshot, options, self.listener, read_stack=self._outputs_of)

    def _outputs_of(self, full: str) -> Properties:
        """Return the outputs of another stack of the same backend, by `organization/project/stack`."""
        *_, project, stack = f"{self.project.name}/{full}".split("/")
        opened = open_stack(StackFiles(self.backend, project, stack), self._passphrase(), None)
        root = next((r for r in opened.snapshot.resources if r.type == STACK_TYPE), None)
        if root is None:
            raise EngineError(f"stack {full} has nothing deployed", hint=f"run `up` for stack {stack} first")
        return root.outputs

    def _run_program(self, deployment: Deployment, config: StackConfig, opened: OpenStack) -> bool:
        """Run the program; return whether all of it ran, so that unregistered resources are no longer declared."""
        crypter = opened.crypter
        if config.salt not in (None, crypter.state):
            # Pulumi's CLI gives a stack file its own salt when it encrypts the first secret in it.
            crypter = PassphraseCrypter(self._passphrase(), config.salt)
        values, secret_keys = config.decrypted(crypter)
        return run_program(self._source, deployment, values, secret_keys)

    def _change(
        self,
        kind: str,
        action: Callable[[Deployment, OpenStack, StackConfig], None],
        targets: tuple[str, ...],
        *,
        refresh_first: bool = False,
        plan: Result | None = None,
    ) -> Result:
        """Run an operation that changes the state: under the lock, with a backup and an entry in the history."""
        started = time.time()
        folder = importable(self._source)
        with interruptible(self.report) as interrupts, self.files.locked(self.report) as lock, folder:
            interrupts.at_last(lambda: lock.unlink(missing_ok=True))
            opened, config = self._open()
            self.files.back_up(opened)
            snapshot = self._settled(opened.snapshot)
            if refresh_first:
                snapshot = self._refreshed(snapshot).snapshot()
            interrupts.refuse_if_asked()
            deployment = self._deployment(snapshot, config, targets, dry_run=False)
            deployment.shown = ShownPlan(plan) if plan is not None else None
            encoder = Encoder(opened.crypter, self.files.qualified)
            writer = StateWriter(self.files, encoder, deployment.snapshot, on_error=deployment.ending.set)
            # Written once before anything is changed, so that a full disk or a read-only folder is reported now.
            writer.flush()
            deployment.save = writer.save
            if kind != _REFRESH:
                self.files.begin(kind, self.back_to)
            self._carry_out(lambda: action(deployment, opened, config), deployment, writer, interrupts)
            failed = bool(deployment.result.failures)
            try:
                self.files.add_history(
                    kind,
                    started,
                    "failed" if failed else SUCCEEDED,
                    deployment.result.counts(),
                    message=f"back to update {self.back_to}" if self.back_to else "",
                    own=own_part(config, opened.crypter, self.back_to) if kind == UPDATE else None,
                )
            except EngineError as error:
                deployment.result.messages.append(f"warning: this run is not in the stack's history: {error.message}")
        return deployment.result

    def _carry_out(
        self, action: Callable[[], None], deployment: Deployment, writer: StateWriter, interrupts: Interrupts
    ) -> None:
        """Run the action that changes the stack, and write the state whether it succeeds or not."""

        def end() -> None:
            deployment.result.failures.append(INTERRUPTED)
            deployment.ending.set()

        interrupts.at_last(lambda: writer.flush(_FLUSH_SECONDS))
        interrupts.at_first(end)
        try:
            action()
        except Refused:
            pass  # the failures contain the reason
        except EngineError as error:
            if not writer.failed:
                raise
            deployment.result.failures.append(error.message)  # the program failed because of it
        finally:
            deployment.close()
            try:
                writer.close()
            except EngineError as error:
                deployment.result.failures.append(f"{error.message}; the next run looks for what this one had begun")


@cache
def _own_passphrase() -> str:
    """Return a random passphrase, the same during the lifetime of this process."""
    return secrets.token_urlsafe(24)
