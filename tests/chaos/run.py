"""Random faults and kills during `up`, an `up` with changes, and `destroy`; a clean run follows each.

`python -m tests.chaos.run 200` (make chaos) runs schedules on two of the sandbox's API servers, each behind a fault
proxy; `--seed N` repeats one. After every faulted run, drift must not report a clean stack if the clusters differ from
the state. Every clean run must succeed; then state and clusters must be equal and have exactly the declared objects,
none of them twice.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flotilla.deploy.declared import declared
from flotilla.drift.check import Limits, check_drift
from flotilla.errors import FlotillaError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef, differences
from flotilla.sandbox.binaries import ensure
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.state.values import reveal
from tests.chaos.program import LABEL, carry_out, stack_in
from tests.chaos.schedule import CLUSTERS, Schedule, Trouble
from tests.faults import FaultProxy

REPOSITORY = Path(__file__).parents[2]
KINDS = (("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "ServiceAccount"), ("apps/v1", "Deployment"))
_GONE_SECONDS = 60.0


class Chaos:
    """Two clusters behind proxies, on which one stack after the other runs."""

    def __init__(self, folder: Path, kubeconfigs_by_cluster: dict[str, str], *, slow: bool) -> None:
        self._folder = folder
        self._texts = kubeconfigs_by_cluster
        self._slow = slow
        self._direct = {
            name: Connection(kubeconfigs.select(kubeconfigs.load(text)), name=name)
            for name, text in kubeconfigs_by_cluster.items()
        }
        self.counts: Counter[str] = Counter()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # Shells start background processes with SIGINT ignored; the runs would inherit this and ignore SIGINT, too.
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(self, seed: int) -> None:
        """Run one schedule; an AssertionError has the seed and the reports of the proxies."""
        schedule = Schedule(seed)
        project = self._folder / f"schedule-{seed}"
        project.mkdir()
        (project / "Pulumi.yaml").write_text("name: chaos\nruntime: python\n")
        with ExitStack() as stack:
            self._proxies = {
                name: stack.enter_context(FaultProxy(text, project / name, seed=seed, name=name))
                for name, text in self._texts.items()
            }
            (project / "clusters.json").write_text(json.dumps({n: p.kubeconfig for n, p in self._proxies.items()}))
            try:
                self._phases(project, schedule)
            except AssertionError as error:
                reports = "\n".join(proxy.report() for proxy in self._proxies.values())
                raise AssertionError(f"seed {seed}: {error}\n{reports}") from error
        shutil.rmtree(project)

    def _phases(self, project: Path, schedule: Schedule) -> None:
        wanted = schedule.desired()
        for number, verb in enumerate(("up", "up", "destroy")):
            if number == 1:
                wanted = schedule.changed(wanted)
            (project / "desired.json").write_text(json.dumps(wanted))
            trouble = schedule.trouble(slow=self._slow)
            self._faulted(project, verb, trouble)
            self._check_drift_result(project, f"{verb} {number} with {trouble}")
            self._clean(project, verb, f"{verb} {number} after {trouble}")
            self._check_state_and_clusters(
                project, wanted if verb == "up" else {}, schedule.seed, f"{verb} {number} after {trouble}"
            )

    def _faulted(self, project: Path, verb: str, trouble: Trouble) -> None:
        for cluster, fault in trouble.faults:
            self._proxies[cluster].fail(fault)
        if trouble.dead:
            self._proxies[trouble.dead].close_port()
        try:
            if trouble.kill:
                self.counts["killed"] += self._killed(project, verb, *trouble.kill)
            else:
                result = carry_out(project, verb)
                self.counts["failed" if result.failures else "succeeded"] += 1
        except FlotillaError:
            self.counts["refused"] += 1
        finally:
            for proxy in self._proxies.values():
                proxy.clear()

    def _killed(self, project: Path, verb: str, number: int, after: float) -> bool:
        command = [sys.executable, "-m", "tests.chaos.program", verb, str(project)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            try:
                process.wait(60 if number != signal.SIGKILL else 10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"signal {number} did not end {verb} within 60 s") from None
            return True
        return False

    def _check_drift_result(self, project: Path, when: str) -> None:
        """Compare the result of drift with an independent comparison of state and clusters."""
        try:
            snapshot = stack_in(project).snapshot()
        except FlotillaError as error:
            raise AssertionError(f"{when}: the state can't be read: {error}") from error
        report = check_drift(declared(snapshot), Limits(seconds=60, second_look=0))
        wrong = self._differences_from(snapshot)
        if wrong:
            self.counts["drifted"] += 1
        assert not (report.clean and wrong), f"{when}: drift says clean, but {wrong}"

    def _clean(self, project: Path, verb: str, when: str) -> None:
        try:
            result = carry_out(project, verb)
        except FlotillaError as error:
            raise AssertionError(f"{when}: the clean run is refused: {error}") from error
        assert not result.failures, f"{when}: the clean run fails: {result.failures}"

    def _check_state_and_clusters(
        self, project: Path, wanted: dict[str, list[dict[str, Any]]], seed: int, when: str
    ) -> None:
        snapshot = stack_in(project).snapshot()
        snapshot.check()
        assert not snapshot.pending, f"{when}: pending {[op.resource.name for op in snapshot.pending]}"
        wrong = self._differences_from(snapshot)
        assert not wrong, f"{when}: state and clusters differ: {wrong}"
        known = {
            (r.provider.rpartition("::")[0].rpartition("::")[2], r.id, r.type.rpartition(":")[2]): r
            for r in snapshot.resources
            if r.type.startswith("kubernetes:")
        }
        for name in CLUSTERS:
            there = self._objects(name, seed)
            listed = {key for key in known if key[0] == f"{name}-provider"}
            assert {(f"{name}-provider", *key) for key in there} == listed, f"{when}: {name} holds {sorted(there)}"
            declared_here = wanted.get(name, [])
            assert len(there) == len(declared_here), (
                f"{when}: {name} holds {len(there)} of {len(declared_here)} objects"
            )
            for one in declared_here:
                self._check_object(name, one["manifest"], there, when)

    def _check_object(self, cluster: str, manifest: dict[str, Any], there: dict[Any, Any], when: str) -> None:
        plain = {key: value for key, value in manifest.items() if key != "stringData"}
        if "stringData" in manifest:
            plain["data"] = {k: base64.b64encode(v.encode()).decode() for k, v in manifest["stringData"].items()}
        stored = [obj for obj in there.values() if obj["kind"] == manifest["kind"] and not differences(plain, obj)]
        assert stored, f"{when}: {cluster} doesn't hold {manifest['kind']} {manifest['metadata'].get('name', manifest)}"

    def _objects(self, cluster: str, seed: int) -> dict[tuple[str, str], Any]:
        """Return a schedule's objects in a cluster, after objects that are being deleted are gone."""
        connection = self._direct[cluster]
        deadline = time.monotonic() + _GONE_SECONDS
        while True:
            found = [
                obj
                for api_version, kind in (("v1", "Namespace"), *KINDS)
                for obj in connection.list(api_version, kind, labels=f"{LABEL}={seed}")
            ]
            if not any(obj["metadata"].get("deletionTimestamp") for obj in found) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return {
            (
                f"{o['metadata']['namespace']}/{o['metadata']['name']}"
                if o["metadata"].get("namespace")
                else o["metadata"]["name"],
                o["kind"],
            ): o
            for o in found
        }

    def _differences_from(self, snapshot: Any) -> list[str]:
        """Return the differences between a state and the clusters, without the code under test."""
        wrong = []
        for resource in snapshot.resources:
            if not resource.type.startswith("kubernetes:") or resource.delete:
                continue
            inputs = reveal(resource.inputs)
            namespace, _, name = resource.id.rpartition("/")
            cluster = resource.provider.rpartition("::")[0].rpartition("::")[2].removesuffix("-provider")
            live = self._direct[cluster].find(ObjectRef(inputs["apiVersion"], inputs["kind"], name, namespace))
            if live is None:
                wrong.append(f"{resource.name} is not there")
            else:
                plain = {key: value for key, value in inputs.items() if key != "stringData"}
                wrong += [f"{resource.name}: {d.text}" for d in differences(plain, live)]
        return wrong


def chaos_on(folder: Path, clusters: list[SandboxCluster], *, slow: bool) -> Chaos:
    """Return the chaos runs on running clusters."""
    return Chaos(folder, {cluster.name: cluster.kubeconfig.read_text() for cluster in clusters}, slow=slow)


def main() -> int:
    """Start two clusters, run the schedules, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=200)
    parser.add_argument("--first", type=int, default=int(time.time()), help="the first seed; the others follow it")
    parser.add_argument("--seed", type=int, help="run this one alone")
    options = parser.parse_args()
    seeds = [options.seed] if options.seed is not None else list(range(options.first, options.first + options.count))
    os.environ.setdefault("PULUMI_CONFIG_PASSPHRASE", "chaos")
    print(f"{len(seeds)} schedules from seed {seeds[0]}; `python -m tests.chaos.run --seed N` runs one again")
    began = time.monotonic()
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        programs = ensure(print)
        clusters = [SandboxCluster(name, Path(folder), programs) for name in CLUSTERS]
        try:
            for cluster in clusters:
                cluster.up(workloads=True, nodes=1)
            chaos = chaos_on(Path(folder), clusters, slow=True)
            for number, seed in enumerate(seeds, 1):
                try:
                    chaos.run(seed)
                except AssertionError as error:
                    failed.append(seed)
                    print(f"FAILED {error}", flush=True)
                if number % 10 == 0:
                    print(f"{number} schedules, {len(failed)} failed, {time.monotonic() - began:.0f} s", flush=True)
        finally:
            for cluster in clusters:
                cluster.down()
    runs = ", ".join(f"{count} {what}" for what, count in sorted(chaos.counts.items()))
    print(f"{len(seeds)} schedules, 3 faulted runs each ({runs}), each followed by a clean one: {len(failed)} failed")
    if failed:
        print(f"seeds that failed: {failed}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
