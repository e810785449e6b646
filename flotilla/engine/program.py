"""Runs a Pulumi program in this process against a monitor; Pulumi's language host does it in a separate process."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import runpy
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from inspect import isawaitable
from pathlib import Path
from typing import Any

from flotilla import plugins
from flotilla.engine.deployment import Deployment
from flotilla.errors import EngineError, FlotillaError
from flotilla.kube.secrecy import redacted
from flotilla.providers.dynamic import capturing

Program = Path | Callable[[], Any]


def run_program(program: Program, deployment: Deployment, config: dict[str, str], secret_keys: list[str]) -> bool:
    """Run a program; return whether it ran to its end, even if resources failed.

    Args:
        program: the project's folder with a `__main__.py`, or a function (an inline program).
        deployment: receives the registrations.
        config: the stack's decrypted configuration: `project:key` to text (JSON for objects).
        secret_keys: the keys whose values are secrets.

    Raises:
        EngineError: the program itself failed. Failures of resources are in the deployment's result.
    """
    import pulumi
    from pulumi.runtime import configure, run_in_stack
    from pulumi.runtime.settings import SETTINGS, Settings
    from pulumi.runtime.stack import ResourceRegistrationFailed

    from flotilla.engine.calls import LenientCalls
    from flotilla.engine.monitor import EmbeddedEngine, EmbeddedMonitor  # imports the SDK's messages

    pending: list[Any] = []

    async def main() -> None:
        with capturing(deployment.registry.dynamic.take):
            await deploy()

    async def deploy() -> None:
        loop = asyncio.get_running_loop()
        # Each registration in progress occupies a thread, which mostly sleeps.
        loop.set_default_executor(ThreadPoolExecutor(deployment.options.parallel))
        # A failed resource leaves tasks unawaited. The deployment reports the failure, so the event loop must not.
        loop.set_exception_handler(lambda _loop, _context: None)
        configure(
            Settings(
                project=deployment.project,
                stack=deployment.stack,
                organization="organization",
                root_directory=str(program) if isinstance(program, Path) else str(Path.cwd()),
                monitor=EmbeddedMonitor(deployment),
                engine=EmbeddedEngine(deployment),
                parallel=deployment.options.parallel,
                dry_run=deployment.options.dry_run,
            )
        )
        SETTINGS.rpc_manager = LenientCalls(deployment.skipped.update)
        pending.extend((SETTINGS.rpc_manager, SETTINGS.outputs))
        pulumi.runtime.set_all_config(config, secret_keys)
        await run_in_stack(lambda: _load_and_settle(program))

    with _without_config_in_environment(), importable(program), _rare_collections(), warnings.catch_warnings():
        # A program that ends early leaves the SDK's coroutines unawaited. The failure itself is reported below.
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
        try:
            # A separate context, since the SDK keeps its settings and its root resource in context variables.
            contextvars.Context().run(lambda: asyncio.run(main()))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again below, after its tasks are freed
            follows = any(isinstance(cause, ResourceRegistrationFailed) for cause in _causes(error))
            failure = _program_error(error)
        else:
            if deployment.failed:
                _free(pending)
            return True
        _free(pending)
    if not deployment.failed and not deployment.result.failures:
        raise failure
    if not follows:
        deployment.result.failures.append(str(failure))
    return False


async def _load_and_settle(program: Program) -> None:
    """Run the program's code, then wait until all outputs are known, or one failed.

    The SDK waits as well, but goes through all pending outputs again whenever one is done. That takes quadratic time,
    which is noticeable in fleets with hundreds of members.
    """
    from pulumi.runtime.settings import SETTINGS

    result = _load(program)
    if isawaitable(result):
        await result
    while not any(map(_failed, outputs := list(SETTINGS.outputs))):
        pending = [output for output in outputs if not output.done()]
        if not pending:
            break
        await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)


def _failed(output: asyncio.Task[Any]) -> bool:
    """Return whether an output failed by an error of the program itself, and not because a resource failed."""
    from pulumi.runtime.stack import ResourceRegistrationFailed

    if not output.done():
        return False
    return output.cancelled() or not isinstance(output.exception(), ResourceRegistrationFailed | None)


def _load(program: Program) -> Any:
    if callable(program):
        return program()
    runpy.run_path(str(program / "__main__.py"), run_name="__main__")
    return None


def _program_error(error: BaseException) -> FlotillaError:
    """Return the error to report, with the traceback as text; its objects would keep the program's objects alive."""
    failure = next((cause for cause in _causes(error) if isinstance(cause, FlotillaError)), None)
    if failure is None and isinstance(error, SystemExit):
        failure = EngineError(f"the program ended itself with {error.code!r}")
    elif failure is None:
        text = redacted(f"the program failed: {type(error).__name__}: {error}")
        failure = EngineError(text, hint="--debug shows the traceback")
    failure.add_note("".join(traceback.format_exception(error)))
    failure.__traceback__ = failure.__cause__ = failure.__context__ = None
    return failure


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    seen: set[int] = set()  # the SDK makes errors their own cause
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _free(pending: list[Any]) -> None:
    """Free the coroutines that a failed program leaves unawaited; otherwise Python would warn of them at a later time.

    The SDK keeps references to them in these collections until the next run replaces the collections.
    """
    for one in pending:
        one.clear()
    gc.collect()


@contextmanager
def _without_config_in_environment() -> Iterator[None]:
    """Remove the configuration from the environment, since it contains secrets and child processes inherit it."""
    taken = {key: os.environ.pop(key) for key in ("PULUMI_CONFIG", "PULUMI_CONFIG_SECRET_KEYS") if key in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Make garbage collections rare: nearly all objects that a program creates live until its end.

    With the default thresholds, a preview of 200 members spends half of its time in collections.
    """
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def importable(program: Program) -> AbstractContextManager[None]:
    """Let the program import modules in its folder."""
    return plugins.importable(program if isinstance(program, Path) else None)
