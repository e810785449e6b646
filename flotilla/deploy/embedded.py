"""The embedded engine behind the common interface."""

from __future__ import annotations

from flotilla.deploy.clusters import with_clusters
from flotilla.deploy.interface import EngineName, Setting, backend_folder, load_project
from flotilla.deploy.unanswered import with_unanswered
from flotilla.engine.stack import EmbeddedStack
from flotilla.plan.steps import Result


class EmbeddedEngine(EmbeddedStack):
    """One stack, run in this process."""

    engine = EngineName.EMBEDDED

    def preview(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False) -> Result:
        """Say what `up` would do, and which clusters did not answer."""
        planned = super().preview(targets=targets, refresh_first=refresh_first)
        return with_clusters(with_unanswered(planned, changing=False))

    def up(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False, plan: Result | None = None) -> Result:
        """Make it so; a cluster that did not answer is a failure."""
        return with_unanswered(super().up(targets=targets, refresh_first=refresh_first, plan=plan), changing=True)


def embedded_stack(setting: Setting) -> EmbeddedEngine:
    """Return a stack on the embedded engine."""
    return EmbeddedEngine(
        project=load_project(setting),
        name=setting.stack,
        backend=backend_folder(setting.backend_url()),
        tell=setting.tell,
        listener=setting.listener,
        program=setting.program,
        config_file=setting.config_file,
        adopt=setting.adopt,
        read_only=setting.read_only,
    )
