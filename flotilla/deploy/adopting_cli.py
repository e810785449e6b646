"""Adoption on a stack of Pulumi's CLI, with any backend and any secrets provider.

Pulumi has no operation that adopts an existing object with other content, so the embedded engine plans and does it
(docs/decisions/adoption.md). If it can open the stack itself, it works on the CLI's files. Otherwise it works on a
copy: the CLI exports the state and the configuration, both decrypted, and imports the state afterwards.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pulumi import automation

from flotilla.counts import counted
from flotilla.deploy.embedded import EmbeddedEngine, embedded_stack, opens_embedded
from flotilla.deploy.interface import Setting, load_project
from flotilla.deploy.pulumi_cli import PulumiStack, cli_environment, last_error_line
from flotilla.engine.digest import plan_digest
from flotilla.errors import EngineError
from flotilla.kube import children
from flotilla.kube.secrecy import HIDDEN
from flotilla.plan.steps import Result
from flotilla.state.backend import StackFiles
from flotilla.state.checkpoint import Encoder, from_export, to_export
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.values import Properties, Secret

BY_WHOM = "adopted by the embedded engine, into the state of Pulumi's CLI, which continues from there"
_TRIES = 3
_PAUSE_SECONDS = 2.0


class AdoptingPulumiStack(PulumiStack):
    """One stack of Pulumi's CLI, for runs that adopt existing objects."""

    def preview(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False) -> Result:
        """Return the plan of an `up`; nothing is written, except that the CLI creates a new stack."""
        if opens_embedded(self._setting):
            result = embedded_stack(self._setting).preview(targets=targets, refresh_first=refresh_first)
        else:
            with self._copied() as copy:
                result = copy.engine.preview(targets=targets, refresh_first=refresh_first)
            result.digest = plan_digest(result, self._digest_key()[0])
        result.messages.append(BY_WHOM)
        return result

    def up(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False, plan: Result | None = None) -> Result:
        """Carry out the program's declaration (with a plan, only that plan), and import the state into the CLI.

        Raises:
            EngineError: the backend refused the state; the message says whether anything was changed.
        """
        if opens_embedded(self._setting):
            return embedded_stack(self._setting).up(targets=targets, refresh_first=refresh_first, plan=plan)
        with self._copied() as copy:
            self._check_writable(copy)
            try:
                return copy.engine.up(targets=targets, refresh_first=refresh_first, plan=plan)
            finally:
                self._import_result(copy)

    # -- the copy ---------------------------------------------------------------------------------

    @contextmanager
    def _copied(self) -> Iterator[_Copy]:
        """Make a temporary copy of the stack.

        The copy is in a separate folder, encrypted with a passphrase that only this process knows.
        """
        setting = self._setting
        project = load_project(setting)
        self._stack()  # creates the stack if it is new
        exported = self._exported()
        values = self._configuration()
        secret = secrets.token_urlsafe(24)
        crypter = PassphraseCrypter(secret)
        with tempfile.TemporaryDirectory(prefix="flotilla-", ignore_cleanup_errors=True) as folder:
            files = StackFiles(Path(folder), project.name, setting.stack)
            files.write(Encoder(crypter, files.qualified).encode(from_export(exported["deployment"])))
            config = Path(folder) / "config.yaml"
            sealed = {k: {"secure": crypter.encrypt(text)} if hidden else text for k, (text, hidden) in values.items()}
            config.write_text(json.dumps({"encryptionsalt": crypter.state, "config": sealed}))
            engine = _OnCopy(
                project=project,
                name=setting.stack,
                backend=Path(folder),
                report=setting.report,
                listener=setting.listener,
                program=setting.program or project.folder,
                config_file=config,
                adopt=setting.adopt,
            )
            engine.secret, engine.outputs_of = secret, self._outputs
            yield _Copy(engine, exported)

    def _check_writable(self, copy: _Copy) -> None:
        """Write the unchanged state back before anything is changed, to find out whether the backend accepts it.

        Raises:
            EngineError: the backend refuses the state, or another run has locked the stack.
        """
        if not copy.exported["deployment"].get("secrets_providers"):
            raise EngineError(
                f"the state of stack {self._setting.stack} names no secrets provider, so that its secrets would be "
                "written in plain text; nothing was changed",
                hint=f"`pulumi stack change-secrets-provider -s {self._setting.stack} ...` gives it one",
            )
        if copy.exported["deployment"].get("pending_operations"):
            return  # an import would drop the pending operations, which the run needs
        try:
            self._import(copy.exported)
        except EngineError as error:
            raise EngineError(f"{error.message}; nothing was changed", hint=error.hint) from None
        copy.exported = self._exported()

    def _import_result(self, copy: _Copy) -> None:
        """Write the state after the run into the backend, if it has changed.

        Raises:
            EngineError: another run has changed the state in the meantime, or the backend refuses it.
        """
        left, before = copy.engine.snapshot(), copy.exported["deployment"]
        if left == from_export(before):
            return
        again = "run the same command again: it finds what is done, and does the rest"
        if self._exported() != copy.exported:
            raise EngineError(
                f"another run has changed the state of stack {self._setting.stack} meanwhile: the state was not "
                "overwritten, and does not contain the changes of this run",
                hint=again,
            )
        document = {**copy.exported, "deployment": to_export(left, before)}
        self._retried(lambda: self._import(document), again)
        if left.pending:
            broke = counted(len(left.pending), "operation")
            self._setting.report(f"{broke} broke off, and the CLI's import doesn't keep that: {again}")

    def _retried(self, action: Callable[[], None], hint: str) -> None:
        for left in reversed(range(_TRIES)):
            try:
                action()
            except EngineError as error:
                if not left:
                    raise EngineError(
                        f"{error.message}; the changes of this run are not in the state", hint=hint
                    ) from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    # -- commands of the CLI ----------------------------------------------------------------------

    def _exported(self) -> Properties:
        """Return the CLI's export, with secrets in plain text; its `deployment` is the state."""
        document: Properties = json.loads(self._pulumi("stack", "export", "--show-secrets"))
        return {**document, "deployment": document.get("deployment") or {}}

    def _import(self, document: Properties) -> None:
        """Replace the stack's state; its secrets are passed through a pipe, not in a file."""
        self._pulumi("stack", "import", given=json.dumps(document))

    def _configuration(self) -> dict[str, tuple[str, bool]]:
        """Return the stack's values as texts (JSON for objects), and whether each is a secret."""
        file = ["--config-file", self._config_file] if self._config_file else []
        found = json.loads(self._pulumi("config", "--show-secrets", "--json", *file))
        return {key: (one["value"], bool(one["secret"])) for key, one in found.items() if "value" in one}

    def _outputs(self, full: str) -> Properties:
        """Return the outputs of another stack of the same backend."""
        plain = json.loads(self._pulumi("stack", "output", "--json", "--show-secrets", stack=full))
        masked = json.loads(self._pulumi("stack", "output", "--json", stack=full))
        return {key: Secret(value) if masked.get(key) == HIDDEN else value for key, value in plain.items()}

    def _pulumi(self, *arguments: str, given: str = "", stack: str = "") -> str:
        """Run a command of the CLI on the stack, or on another one, and return its output.

        Raises:
            EngineError: the command failed.
        """
        command = " ".join(word for word in arguments if not word.startswith("-"))
        line = [*arguments, "--stack", stack or self._setting.stack, "--non-interactive"]
        try:
            return _run(line, self._setting, given)
        except subprocess.CalledProcessError as error:
            raise EngineError(last_error_line(f"pulumi {command}", error.stderr or error.stdout or "failed")) from None


@dataclass
class _Copy:
    """A stack's copy, and the export from which it was made."""

    engine: _OnCopy
    exported: Properties


class _OnCopy(EmbeddedEngine):
    """The embedded engine on a copy of a stack."""

    secret: str
    """The copy's passphrase, used instead of the environment's."""
    outputs_of: Callable[[str], Properties]

    def _passphrase(self, salted: str = "") -> str:
        return self.secret

    def _outputs_of(self, full: str) -> Properties:
        return self.outputs_of(full)


def _run(line: list[str], setting: Setting, given: str) -> str:
    done = subprocess.run(
        [_command(), *line],
        cwd=setting.project,
        env=children.whole_environment(**cli_environment(setting)),
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@cache
def _command() -> str:
    """Return the path of the CLI. Cached, since the SDK runs the CLI to ask for its version."""
    return automation.PulumiCommand().command
