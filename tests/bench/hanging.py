"""Part of `make bench`: how much slower the other members get while one member hangs.

The same fleet in one run: an `up` of a change with every member answering, and one with the last member's API server
accepting connections and saying nothing. `python -m tests.bench.hanging 50` chooses the size.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from flotilla.engine.stack import EmbeddedStack
from flotilla.plan.steps import Op, Result
from flotilla.sandbox.fleet import Sandbox
from flotilla.sandbox.karmada import find_karmada
from flotilla.state.config import Project
from tests.bench.program import declare
from tests.faults import FaultProxy


def main(count: int) -> int:
    """Start a sandbox, measure, and remove it."""
    os.environ.setdefault("PULUMI_CONFIG_PASSPHRASE", "bench")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stacks").mkdir()
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        sandbox = Sandbox(folder)
        try:
            sandbox.up(lambda _: None, members=1, karmada_bin=find_karmada(None))
            kubeconfigs = folder / ".flotilla" / "sandbox" / "kubeconfigs"
            texts = [(kubeconfigs / f"{cluster}.yaml").read_text() for cluster in ("karmada", "member1")]
            with FaultProxy(texts[1], folder / "proxy") as proxy:
                measure(folder, count, *texts, proxy)
        finally:
            sandbox.down(lambda _: None)
    return 0


def measure(folder: Path, count: int, karmada: str, member: str, proxy: FaultProxy) -> None:
    """Join all members, then change all of them twice."""

    def up(region: str) -> tuple[float, Result]:
        def program() -> None:
            declare(count, karmada, member, last=proxy.kubeconfig, region=region)

        stack = EmbeddedStack(Project.load(folder), "hanging", folder / "state", program=program)
        began = time.monotonic()
        result = stack.up()
        return time.monotonic() - began, result

    seconds, _ = up("one")
    print(f"{count} members join: {seconds:.1f} s")
    answering, _ = up("two")
    proxy.silence_port()
    hanging, result = up("three")
    proxy.clear()
    done = sum(step.op is Op.UPDATE and step.name.endswith("-cluster") for step in result.steps)
    print(f"a change of {count} members, all answering: {answering:.1f} s")
    print(f"the same with one that hangs: {hanging:.1f} s, {hanging - answering:.1f} s more; {done} Clusters changed")
    for failure in result.failures:
        print(f"  {failure}")
    print(f"clusters that did not answer: {', '.join(sorted(result.unknown)) or 'reported by the plan of the command'}")
    EmbeddedStack(Project.load(folder), "hanging", folder / "state", program=lambda: None).destroy()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
