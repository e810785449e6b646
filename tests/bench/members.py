"""Part of `make bench`: the embedded engine on growing fleets, and the main job compared with shell commands.

Every number and ratio is measured in this one run, on real API servers; nothing is asserted. Without Karmada's
programs, the stand-in makes members Ready. If Pulumi's programs are installed, its CLI runs the same program.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flotilla.sandbox.fleet import Sandbox
from flotilla.sandbox.karmada import find_karmada
from tests.bench.pulumi_cli import PulumiRun, missing
from tests.contract.fleet import copy_program

REPOSITORY = Path(__file__).parents[2]
SIZES = tuple(int(size) for size in os.environ.get("BENCH_SIZES", "2,10,50").split(","))
CLI_SIZE = int(os.environ.get("BENCH_CLI_SIZE", "50"))
"""The most members that Pulumi's CLI is measured with."""
VERBS = ("preview", "up", "preview", "refresh", "drift", "destroy")


def main() -> int:
    """Start a sandbox, measure, and remove it."""
    programs = find_karmada(None)
    os.environ.setdefault("PULUMI_CONFIG_PASSPHRASE", "bench")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        copy_program(project)
        sandbox = Sandbox(project)
        try:
            started = time.monotonic()
            sandbox.up(lambda _: None, members=2, karmada_bin=programs)
            what = "Karmada" if programs else "the stand-in for Karmada, which is quicker than Karmada"
            print(f"sandbox of 3 control planes and {what}: {time.monotonic() - started:.1f} s")
            kubeconfigs = project / ".flotilla" / "sandbox" / "kubeconfigs"
            manual(project, kubeconfigs, programs)
            sizes(project, kubeconfigs)
        finally:
            sandbox.down(lambda _: None)
    return 0


def manual(project: Path, kubeconfigs: Path, programs: Path | None) -> None:
    """Compare `flotilla up` with `karmadactl join` twice and `kubectl apply`."""
    flotilla = [sys.executable, "-m", "flotilla.cli.main"]
    common = ["-C", str(project), "--engine", "embedded", "--yes"]
    started = time.monotonic()
    subprocess.run([*flotilla, "up", *common], check=True, capture_output=True)
    ours = time.monotonic() - started
    subprocess.run([*flotilla, "destroy", *common], check=True, capture_output=True)
    print(f"\ntwo members and nginx, until healthy: flotilla up {ours:.1f} s", end="")
    kubectl = shutil.which("kubectl")
    karmadactl = programs / "karmadactl" if programs else None
    if karmadactl is None or not karmadactl.exists() or not kubectl:
        print("; karmadactl or kubectl isn't there to compare with")
        return
    karmada = f"--kubeconfig={kubeconfigs / 'karmada.yaml'}"
    started = time.monotonic()
    for member in ("member1", "member2"):
        file = kubeconfigs / f"{member}.yaml"
        join = [str(karmadactl), "join", member, karmada, f"--cluster-kubeconfig={file}"]
        subprocess.run(join, check=True, capture_output=True)
    joined = time.monotonic() - started
    subprocess.run([kubectl, karmada, "apply", "-f", "-"], input=NGINX, text=True, check=True, capture_output=True)
    for member in ("member1", "member2"):
        wait_for_nginx(kubectl, kubeconfigs / f"{member}.yaml")
    theirs = time.monotonic() - started
    print(f", karmadactl join twice ({joined:.1f} s) and kubectl apply {theirs:.1f} s: ratio {ours / theirs:.2f}")
    subprocess.run([kubectl, karmada, "delete", "-f", "-"], input=NGINX, text=True, check=True, capture_output=True)
    for member in ("member1", "member2"):
        file = kubeconfigs / f"{member}.yaml"
        unjoin = [str(karmadactl), "unjoin", member, karmada, f"--cluster-kubeconfig={file}"]
        subprocess.run(unjoin, check=False, capture_output=True)  # measured no further


def wait_for_nginx(kubectl: str, kubeconfig: Path) -> None:
    """Wait until nginx is ready in a member, with a time limit."""
    command = [
        kubectl,
        f"--kubeconfig={kubeconfig}",
        "get",
        "deploy",
        "nginx",
        "-o",
        "jsonpath={.status.readyReplicas}",
    ]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if subprocess.run(command, capture_output=True, text=True, check=False).stdout == "2":
            return
        time.sleep(0.2)
    raise TimeoutError("nginx is not ready")


def sizes(project: Path, kubeconfigs: Path) -> None:
    """Measure the verbs on growing fleets; each verb runs in its own process, so that its peak memory is known."""
    print("\nmembers  verb      seconds  peak MB  against the SDK's mocks")
    lacking = missing()
    if lacking:
        print(f"         without Pulumi's CLI beside it: not on the PATH: {', '.join(lacking)}")
    for count in SIZES:
        folder = project / f"bench-{count}"
        folder.mkdir()

        def run(verb: str, count: int = count, folder: Path = folder) -> dict:
            files = [str(kubeconfigs / name) for name in ("karmada.yaml", "member1.yaml")]
            command = [sys.executable, "-m", "tests.bench.program", verb, str(count), str(folder), *files]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=1200)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            return dict(json.loads(done.stdout.splitlines()[-1]))

        floor = run("mocks")
        print(f"{count:7}  mocks    {floor['seconds']:8.2f} {floor['megabytes']:8.0f}")
        ran = []
        for verb in VERBS:
            got = run(verb)
            ran.append((verb, got))
            ratio = got["seconds"] / floor["seconds"]
            print(f"{count:7}  {verb:8} {got['seconds']:8.2f} {got['megabytes']:8.0f}  {ratio:5.1f}x  {got['counts']}")
            if verb == "up":
                ours = got["written"]
                share = f"all written after {ours:.2f} s ({ours / floor['seconds']:.1f}x), the rest Karmada's own"
                print(f"         {share} (until each member is Ready)")
            for failure in got["failures"]:
                print(f"         failed: {failure[:200]}")
        if lacking:
            continue
        if count > CLI_SIZE:
            print(f"    CLI  left out: one process of 130 MB or more for each of {count} members")
        else:
            beside(PulumiRun(folder / "cli", count, kubeconfigs / "karmada.yaml", kubeconfigs / "member1.yaml"), ran)


def beside(cli: PulumiRun, ours: list[tuple[str, dict]]) -> None:
    """Measure Pulumi's CLI with the same program and servers, after the embedded engine has destroyed its stack."""
    for verb, embedded in ours:
        if verb == "drift":
            continue  # a verb of ours alone
        got = cli.run(verb)
        times, memory = (got[key] / embedded[key] for key in ("seconds", "megabytes"))
        figures = f"{got['seconds']:8.2f} {got['megabytes']:8.0f}"
        print(
            f"    CLI  {verb:8} {figures}  {times:5.1f}x the seconds, {memory:.1f}x the memory of the embedded engine"
        )


NGINX = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec: {containers: [{name: nginx, image: "nginx:1.27"}]}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: nginx, namespace: default}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: nginx}]
  placement: {clusterAffinity: {clusterNames: [member1, member2]}}
"""


if __name__ == "__main__":
    sys.exit(main())
