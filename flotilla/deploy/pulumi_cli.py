"""Pulumi's CLI, with the common interface of engines: by its Automation API, whose events become the same steps."""

from __future__ import annotations

import hmac
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pulumi import automation
from pulumi.automation import events

from flotilla.deploy.clusters import with_clusters
from flotilla.deploy.interface import EngineName, Setting, backend_folder, load_project
from flotilla.deploy.unanswered import with_unanswered
from flotilla.engine.digest import PURPOSE, differences, plan_digest
from flotilla.errors import EngineError
from flotilla.karmada.status.judgements import REMEDY
from flotilla.karmada.status.texts import LINE_PREFIX
from flotilla.kube.secrecy import HIDDEN, redacted
from flotilla.plan.steps import Op, Phase, Result, Step, StepEvent
from flotilla.providers.dynamic import BY_ITS_JUDGEMENT, differing
from flotilla.stack.files import resolve
from flotilla.stack.stackfile import manifest_names, read_stack_file
from flotilla.state.backend import StackFiles
from flotilla.state.checkpoint import ResourceState, Snapshot, from_export
from flotilla.state.crypto import derived_key, passphrase, passphrase_is_named
from flotilla.state.diff import Change, ChangeKind, parse_path
from flotilla.state.stacks import refuse_unknown
from flotilla.state.urns import DYNAMIC_PREFIX, is_default_provider
from flotilla.state.values import SIGNATURE_KEY, UNKNOWN, UNKNOWN_TEXT, Secret
from flotilla.workloads.sources.renderings import rendering_keys

_OPERATIONS = {str(op): op for op in Op}
_WHOLE = (
    "Pulumi's CLI can't leave a workload out of a plan, so nothing was done; `--engine embedded` does the rest, and "
    f"{REMEDY}"
)
_MARKS = {HIDDEN: Secret(None), UNKNOWN_TEXT: UNKNOWN}
_EXISTS = "\nThe resource already exists in the cluster. This can happen when:"
"""The line after which pulumi-kubernetes lists possible remedies (4.32.0, provider/pkg/await/await.go)."""


class PulumiStack:
    """One stack on the installed CLI."""

    engine = EngineName.PULUMI

    def __init__(self, setting: Setting) -> None:
        """Keep the setting; the CLI is called only by an operation."""
        self._setting = setting

    @property
    def _config_file(self) -> str | None:
        return str(self._setting.config_file) if self._setting.config_file else None

    def preview(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False) -> Result:
        """Return the plan of an `up`."""
        result = self._run(
            "preview",
            lambda stack, on: stack.preview(
                on_event=on,
                target=list(targets) or None,
                refresh=refresh_first or None,
                config_file=self._config_file,
            ),
        )
        return self._with_digest(with_clusters(with_unanswered(result, changing=False)))

    def up(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False, plan: Result | None = None) -> Result:
        """Carry out the program's declaration; with a plan, only if another preview still has the same digest."""
        if plan is not None:
            if plan.stopped:
                return Result(failures=[*plan.stopped.values(), _WHOLE])
            changed = self._changed_since(plan, self.preview(targets=targets, refresh_first=refresh_first))
            if changed is not None:
                return changed
        result = self._run(
            "up",
            lambda stack, on: stack.up(
                on_event=on,
                target=list(targets) or None,
                refresh=refresh_first or None,
                config_file=self._config_file,
            ),
            report=True,
        )
        return with_unanswered(result, changing=True)

    def refresh(self, *, preview_only: bool = False) -> Result:
        """Store the clusters' values in the state, or only report what differs."""
        if preview_only:
            return self._run("refresh", lambda stack, on: stack.preview_refresh(on_event=on))
        return self._run("refresh", lambda stack, on: stack.refresh(on_event=on), report=True)

    def destroy(
        self, *, targets: tuple[str, ...] = (), preview_only: bool = False, plan: Result | None = None
    ) -> Result:
        """Delete all resources, or only report them; a plan that was shown is compared as in `up`."""
        target = list(targets) or None
        if preview_only:
            result = self._run("destroy", lambda stack, on: stack.preview_destroy(on_event=on, target=target))
            return self._with_digest(result)
        if plan is not None:
            changed = self._changed_since(plan, self.destroy(targets=targets, preview_only=True))
            if changed is not None:
                return changed
        return self._run("destroy", lambda stack, on: stack.destroy(on_event=on, target=target), report=True)

    def snapshot(self) -> Snapshot:
        """Return the current state, with readable secrets."""
        try:
            return from_export(dict(self._stack().export_stack().deployment or {}))
        except automation.CommandError as error:
            raise EngineError(last_error_line("pulumi stack export", error)) from None

    def _with_digest(self, result: Result) -> Result:
        """Set a plan's digest. The CLI's events hide secrets, so the digest covers the files that contain them."""
        setting = self._setting
        key, secret = self._digest_key()
        contents = contents_keyed(setting.stack_file, setting.project, key, manifests=secret)
        result.digest = plan_digest(result, key, more=contents)
        return result

    def _digest_key(self) -> tuple[bytes, bool]:
        """Return the digest's key, and whether the key is secret, which it is if the stack has a passphrase."""
        setting = self._setting
        project = load_project(setting)
        named = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE") or setting.state_folder / "passphrase"
        has_passphrase = "PULUMI_CONFIG_PASSPHRASE" in os.environ or Path(named).is_file()
        secret = passphrase(Path(named)) if has_passphrase else ""
        # Read directly, since a stack whose secrets a key service encrypts has no salt.
        salt = read_stack_file(setting.stack_file).get("encryptionsalt") if setting.stack_file.exists() else None
        purpose = f"{PURPOSE} {project.name}/{setting.stack}"
        return derived_key(secret, salt if has_passphrase else None, purpose), has_passphrase

    def _changed_since(self, plan: Result, now: Result) -> Result | None:
        """Return a failed result if the plan has changed; nothing was done then. None if it has not."""
        if now.digest == plan.digest:
            return None
        found = differences(plan, now, self._digest_key()[0]) or ["one of its source files has other content"]
        now.steps.clear()
        now.failures.append(
            f"the plan is not the one that was shown any more, so nothing was done: {'; '.join(found)}\n"
            "  hint: `flotilla preview` shows the plan as it is now"
        )
        return now

    def _run(
        self,
        doing: str,
        action: Callable[[automation.Stack, Callable[[events.EngineEvent], None]], Any],
        *,
        report: bool = False,
    ) -> Result:
        collector = _Collector(self._setting, report=report)
        try:
            with _temporary_files() as environment:
                done = action(self._stack(environment), collector.take)
        except automation.CommandError as error:
            if not collector.result.failures:
                raise EngineError(last_error_line(f"pulumi {doing}", error)) from None
            return collector.result
        if getattr(done, "outputs", None):
            collector.result.outputs = {
                key: Secret(output.value) if output.secret else output.value for key, output in done.outputs.items()
            }
        return collector.result

    def _stack(self, environment: Mapping[str, str] = MappingProxyType({})) -> automation.Stack:
        """Return the stack, created if necessary; the CLI gets `environment` in addition to the stack's variables."""
        setting = self._setting
        project = load_project(setting)
        self._refuse_unknown()
        if setting.read_only:
            return self._existing(environment)
        options = automation.LocalWorkspaceOptions(env_vars={**cli_environment(setting), **environment})
        try:
            if setting.program is not None and not isinstance(setting.program, Path):
                return automation.create_or_select_stack(
                    stack_name=setting.stack,
                    project_name=project.name,
                    program=setting.program,
                    opts=automation.LocalWorkspaceOptions(work_dir=str(setting.project), env_vars=options.env_vars),
                )
            # In other backends only the CLI knows the stacks: one without a stack file is selected, but not created.
            known = setting.stack_file.exists() or setting.backend_url().startswith("file://")
            choose = automation.create_or_select_stack if known else automation.select_stack
            return choose(stack_name=setting.stack, work_dir=str(setting.project), opts=options)
        except automation.CommandError as error:
            raise EngineError(last_error_line(f"pulumi stack select {setting.stack}", error)) from None

    def _existing(self, environment: Mapping[str, str]) -> automation.Stack:
        """Return the stack without creating anything: no state, no passphrase, no salt in the stack file."""
        setting = self._setting
        if not passphrase_is_named() and not (setting.state_folder / "passphrase").is_file():
            raise EngineError(
                f"stack {setting.stack} does not exist yet", hint="a person has to run `flotilla up` first"
            )
        options = automation.LocalWorkspaceOptions(env_vars={**cli_environment(setting), **environment})
        try:
            return automation.select_stack(stack_name=setting.stack, work_dir=str(setting.project), opts=options)
        except automation.CommandError as error:
            raise EngineError(last_error_line(f"pulumi stack select {setting.stack}", error)) from None

    def _refuse_unknown(self) -> None:
        """Refuse a mistyped name, for which the CLI would create a stack."""
        setting, url = self._setting, self._setting.backend_url()
        if url.startswith("file://"):
            project = load_project(setting)
            files = StackFiles(backend_folder(url), project.name, setting.stack)
            refuse_unknown(files, project, new=bool(setting.program or setting.config_file))


@contextmanager
def _temporary_files() -> Iterator[dict[str, str]]:
    """Yield environment variables that name a separate folder for temporary files, which is removed at the end.

    pulumi-kubernetes writes the kubeconfig of every provider into a temporary file and does not remove it (4.32.0,
    provider/pkg/provider/util.go).
    """
    with tempfile.TemporaryDirectory(prefix="flotilla-", ignore_cleanup_errors=True) as folder:
        yield {"TMPDIR": folder}


def cli_environment(setting: Setting) -> dict[str, str]:
    """Return the variables by which the CLI finds the stack: backend and passphrase, which is created if missing."""
    environment = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    url = setting.backend_url()
    environment["PULUMI_BACKEND_URL"] = url
    if url == f"file://{setting.state_folder}":
        setting.state_folder.mkdir(parents=True, exist_ok=True)
    if not passphrase_is_named():
        file = setting.state_folder / "passphrase"
        passphrase(file)
        environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(file)
    return environment


def contents_keyed(stack_file: Path, project: Path, key: bytes, *, manifests: bool) -> dict[str, str]:
    """Return keyed hashes of a plan's sources, by name: the stack file's values, manifests, charts and so on.

    Without a secret key, `manifests` has to be false: they may contain a Secret, whose value could be found by trying.
    Layout, comments and the salt that the CLI adds are not part of a plan.
    """
    if not stack_file.exists():
        return {}
    document = {k: v for k, v in read_stack_file(stack_file).items() if k != "encryptionsalt"}
    found = {"stack file": json.dumps(document, sort_keys=True, default=str).encode()}
    for name in sorted(manifest_names(stack_file, project)) if manifests else ():
        with suppress(OSError):
            found[name] = resolve(name, project).read_bytes()
    if manifests:
        found |= rendering_keys(stack_file, project)
    return {name: hmac.digest(key, content, "sha256").hex() for name, content in found.items()}


class _Collector:
    """Turns the CLI's events into a result."""

    def __init__(self, setting: Setting, *, report: bool) -> None:
        self.result = Result()
        self._setting = setting
        self._report = report
        self._begun: dict[str, Step] = {}

    def take(self, event: events.EngineEvent) -> None:
        if event.resource_pre_event:
            self._begin(event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._outputs(event.res_outputs_event.metadata)
        elif event.res_op_failed_event and self._report:
            self._end(event.res_op_failed_event.metadata, Phase.FAILED)
        elif event.diagnostic_event:
            self._diagnose(event.diagnostic_event)

    def _begin(self, metadata: Any) -> None:
        op = _OPERATIONS.get(_text(metadata.op))
        if op in (None, Op.REFRESH) or is_default_provider(metadata.urn, metadata.type):
            return  # the result of a refresh is reported by its outputs event
        step = step_of(metadata, op)
        self._begun[metadata.urn] = step
        self.result.steps.append(step)
        if self._report:
            self._setting.listener(StepEvent(Phase.BEGIN, step))

    def _outputs(self, metadata: Any) -> None:
        begun = self._begun.get(metadata.urn)
        if begun is None and not is_default_provider(metadata.urn, metadata.type):
            op = _OPERATIONS.get(_text(metadata.op))
            if op is not None:
                step = step_of(metadata, Op.SAME if op is Op.REFRESH else op)
                self._begun[metadata.urn] = step
                self.result.steps.append(step)
        if self._report:
            self._end(metadata, Phase.DONE)

    def _end(self, metadata: Any, phase: Phase) -> None:
        step = self._begun.get(metadata.urn)
        if step is not None:
            self._setting.listener(StepEvent(phase, step))

    def _diagnose(self, diagnostic: Any) -> None:
        text = diagnostic.message.strip()
        if not text:
            return
        if diagnostic.severity == "error":
            name = diagnostic.urn.rpartition("::")[2] if diagnostic.urn else "pulumi"
            self.result.failures.append(f"{name}: {redacted(_adoptable(_uncoloured(text)))}")
        elif diagnostic.severity == "warning":
            self.result.messages.append(f"warning: {redacted(_uncoloured(text))}")
        elif self._report and text.startswith(LINE_PREFIX):
            # The CLI doesn't say which resource's provider printed a line.
            said = StepEvent(Phase.WAITING, Step(Op.SAME, "", ""), said=redacted(_uncoloured(text)))
            self._setting.listener(said)


def step_of(metadata: Any, op: Op) -> Step:
    """Return the step of an event's metadata."""
    old, new = _state(metadata.old), _state(metadata.new)
    changes = _detailed(metadata, old, new)
    if metadata.type.startswith(DYNAMIC_PREFIX) and op in (Op.UPDATE, Op.REPLACE) and old and new:
        changes = differing(old, new.inputs, metadata.keys or []) or [BY_ITS_JUDGEMENT]
    provider = metadata.provider or ""
    return Step(op, metadata.urn, metadata.type, provider, tuple(changes), old, new)


def _detailed(metadata: Any, old: ResourceState | None, new: ResourceState | None) -> list[Change]:
    changes = []
    for path, difference in sorted((metadata.detailed_diff or {}).items()):
        kind = _text(difference.diff_kind)
        steps = parse_path(path)
        changes.append(
            Change(
                steps,
                ChangeKind(kind.removesuffix("-replace")),
                _at(old.inputs if old else {}, steps),
                _at(new.inputs if new else {}, steps),
                replaces=kind.endswith("-replace"),
            )
        )
    return changes


def _state(metadata: Any) -> ResourceState | None:
    if metadata is None:
        return None
    return ResourceState(
        urn=metadata.urn,
        custom=bool(metadata.custom),
        type=metadata.type,
        id=metadata.id or "",
        inputs=_unmask(metadata.inputs or {}),
        outputs=_unmask(metadata.outputs or {}),
        parent=metadata.parent or "",
        protect=bool(metadata.protect),
        provider=metadata.provider or "",
    )


def _unmask(value: Any) -> Any:
    """Convert values of events, in which secrets and unknowns are signed objects or placeholder texts."""
    if isinstance(value, dict):
        if SIGNATURE_KEY in value:
            return Secret(value.get("plaintext") or value.get("ciphertext") or value.get("value"))
        return {key: _unmask(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_unmask(entry) for entry in value]
    return _MARKS.get(value, value) if isinstance(value, str) else value


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(value, Secret):
            return value
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))


def _adoptable(text: str) -> str:
    """Replace the provider's remedies for an existing object, which don't fit this project, by a hint to `--adopt`."""
    said, exists, _ = text.partition(_EXISTS)
    return f"{said.rstrip()}\n  hint: `flotilla up --adopt` takes over what exists" if exists else text


def _uncoloured(text: str) -> str:
    for mark in ("<{%reset%}>", "<{%fg 1%}>", "<{%fg 3%}>", "<{%bold%}>"):
        text = text.replace(mark, "")
    return text


def last_error_line(command: str, error: Exception | str) -> str:
    """Return the error of a failed command of the CLI, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    errors = [line.removeprefix("stderr:").strip() for line in lines if "error" in line.lower()]
    return redacted(f"{command}: {(errors or lines or ['failed'])[-1]}")
