"""The stand-in as a process: until SIGTERM, it makes one pass over everything after each write in any cluster."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

from flotilla.errors import FlotillaError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.sandbox.standin.clusters import reconcile_clusters
from flotilla.sandbox.standin.dependencies import reconcile_dependencies
from flotilla.sandbox.standin.execution import reconcile_execution, reconcile_reports
from flotilla.sandbox.standin.policies import reconcile_policies
from flotilla.sandbox.standin.reading import ReadingOnce
from flotilla.sandbox.standin.scheduler import reconcile_schedules
from flotilla.sandbox.standin.works import reconcile_works
from flotilla.sandbox.standin.world import World

_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE = 0.5
"""The longest pause while nothing is written: each read of the revision costs the servers some milliseconds."""
_LONGEST_REST = 2.0
"""The longest time between two passes, in seconds: some changes, such as a member's readiness, come without a write."""


def one_pass(world: World) -> None:
    """Reconcile everything once, in the order in which the results depend on each other."""
    reconcile_policies(world)
    # Clusters are read after the bindings are made, so that a taint that is older than a template applies to it.
    clusters = reconcile_clusters(world)
    reconcile_schedules(world, clusters)
    reconcile_dependencies(world)
    reconcile_works(world, clusters)
    reconcile_execution(world)
    reconcile_reports(world)


def main() -> int:
    """Run until SIGTERM. A failed pass is reported and repeated; it leaves no state behind that could be wrong."""
    parser = argparse.ArgumentParser(description="a stand-in for Karmada's controllers, for the sandbox alone")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    document = kubeconfigs.select(kubeconfigs.load(options.kubeconfig.read_text()))
    world = World(ReadingOnce(document, name="karmada"))
    sys.stdout.write("stand-in for Karmada: not Karmada, for the sandbox alone\n")
    looked, pause = -_LONGEST_REST, _PAUSE_SECONDS
    while not stop.is_set():
        written = world.renew()
        pause = _PAUSE_SECONDS if written else min(pause * 1.1, _LONGEST_PAUSE)
        if written or time.monotonic() - looked >= _LONGEST_REST:
            try:
                one_pass(world)
            except FlotillaError as error:
                sys.stdout.write(f"{time.strftime('%H:%M:%S')} {error.message}\n")
                sys.stdout.flush()
            looked = time.monotonic()
        stop.wait(pause)
    return 0


if __name__ == "__main__":
    sys.exit(main())
