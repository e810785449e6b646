"""The embedded engine, with the common interface of engines."""

from __future__ import annotations

from contextlib import suppress

from flotilla.deploy.clusters import with_clusters
from flotilla.deploy.interface import EngineName, Setting, backend_folder, load_project
from flotilla.deploy.unanswered import with_unanswered
from flotilla.engine.stack import EmbeddedStack
from flotilla.plan.steps import Result
from flotilla.providers.dynamic import register_project
from flotilla.stack.stackfile import read_stack_file
from flotilla.state.backend import StackFiles
from flotilla.state.reading import StateError, parse


class EmbeddedEngine(EmbeddedStack):
    """One stack on the embedded engine, which runs in this process."""

    engine = EngineName.EMBEDDED

    def preview(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False) -> Result:
        """Return the plan of an `up`, with the clusters that did not answer."""
        planned = super().preview(targets=targets, refresh_first=refresh_first)
        return with_clusters(with_unanswered(planned, changing=False))

    def up(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False, plan: Result | None = None) -> Result:
        """Carry out the program's declaration; a cluster that did not answer is a failure."""
        return with_unanswered(super().up(targets=targets, refresh_first=refresh_first, plan=plan), changing=True)


def opens_embedded(setting: Setting) -> bool:
    """Return whether the embedded engine can open a stack: the backend is a folder, and secrets use a passphrase.

    An unreadable state is not refused here; opening it reports the error.
    """
    url = setting.backend_url()
    if not url.startswith("file://"):
        return False
    project = load_project(setting)
    file = setting.stack_file
    providers = [read_stack_file(file).get("secretsprovider") if file.exists() else None]
    with suppress(StateError):
        data = StackFiles(backend_folder(url), project.name, setting.stack).read()
        latest = parse(data, project.name, setting.stack)["checkpoint"].get("latest") or {} if data else {}
        providers.append((latest.get("secrets_providers") or {}).get("type"))
    return all(provider in (None, "passphrase") for provider in providers)


def embedded_stack(setting: Setting) -> EmbeddedEngine:
    """Return a stack on the embedded engine."""
    register_project(setting.project)
    return EmbeddedEngine(
        project=load_project(setting),
        name=setting.stack,
        backend=backend_folder(setting.backend_url()),
        report=setting.report,
        listener=setting.listener,
        program=setting.program,
        config_file=setting.config_file,
        adopt=setting.adopt,
        back_to=setting.back_to,
        read_only=setting.read_only,
    )
