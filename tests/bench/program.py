"""The program that is measured: one control plane and N members that share an API server, a namespace each."""

import json
import resource
import sys
import time
import uuid
from pathlib import Path

import pulumi

from components import KarmadaControlPlane, PushMember
from flotilla.engine.config import Project
from flotilla.engine.stack import EmbeddedStack
from flotilla.kube import kubeconfig as kubeconfigs


def declare(count: int, karmada: str, member: str) -> None:
    """Declare the fleet. Identities are made up: Karmada refuses one cluster twice, and here it is one."""
    control_plane = KarmadaControlPlane("karmada", {"kubeconfig": karmada})
    server = kubeconfigs.server(kubeconfigs.select(kubeconfigs.load(member)))
    for index in range(count):
        name = f"bench-{index:03}"
        PushMember(
            name,
            {
                "control_plane": control_plane,
                "kubeconfig": member,
                "api_endpoint": server,
                "cluster_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
                "namespace": name,
                "ready_timeout": 300,
            },
        )


def run_embedded(verb: str, count: int, folder: Path, karmada: str, member: str) -> dict:
    """Run one verb and return seconds, memory and counts."""
    (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    stack = EmbeddedStack(Project.load(folder), f"n{count}", folder, program=lambda: declare(count, karmada, member))
    started = time.monotonic()
    result = getattr(stack, verb)(**({"preview_only": True} if verb == "refresh" else {}))
    return _measured(started, result.counts(), result.failures)


def run_mocks(count: int, karmada: str, member: str) -> dict:
    """Run the program with the SDK's own mocks: the floor of what any engine takes."""
    import asyncio

    from pulumi.runtime.stack import run_pulumi_func

    class Mocks(pulumi.runtime.Mocks):
        def new_resource(self, args):
            return f"{args.name}-id", {**args.inputs, "data": args.inputs.get("data") or {"token": "", "ca.crt": ""}}

        def call(self, args):
            return {}

    async def main() -> None:
        pulumi.runtime.set_mocks(Mocks(), preview=False)
        await run_pulumi_func(lambda: declare(count, karmada, member))

    started = time.monotonic()
    asyncio.run(main())
    return _measured(started, {}, [])


def _measured(started: float, counts: dict, failures: list) -> dict:
    return {
        "seconds": time.monotonic() - started,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "counts": counts,
        "failures": failures[:3],
    }


if __name__ == "__main__":
    verb, count, folder, karmada_file, member_file = sys.argv[1:6]
    texts = Path(karmada_file).read_text(), Path(member_file).read_text()
    if verb == "mocks":
        print(json.dumps(run_mocks(int(count), *texts)))
    else:
        print(json.dumps(run_embedded(verb, int(count), Path(folder), *texts)))
