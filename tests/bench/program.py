"""The measured program: one control plane, and N members that share an API server with a namespace for each."""

import json
import resource
import sys
import time
import uuid
from pathlib import Path

import pulumi

from components import KarmadaControlPlane, PushMember, cluster_identity
from flotilla.deploy.declared import declared
from flotilla.drift.check import Limits, check_drift
from flotilla.engine.stack import EmbeddedStack
from flotilla.kube import identity
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.state.config import Project


def declare(count: int, karmada: str, member: str, *, last: str = "", region: str = "") -> None:
    """Declare the fleet.

    Args:
        count: how many members.
        karmada: the control plane's kubeconfig.
        member: the kubeconfig of all members.
        last: another kubeconfig for the last member.
        region: the region of all members; a new value changes every Cluster.
    """
    make_up_identities()
    control_plane = KarmadaControlPlane("karmada", {"kubeconfig": karmada})
    server = kubeconfigs.server(kubeconfigs.select(kubeconfigs.load(member)))
    for index in range(count):
        name = f"bench-{index:03}"
        PushMember(
            name,
            {
                "control_plane": control_plane,
                "kubeconfig": last if last and index == count - 1 else member,
                "api_endpoint": server,
                "namespace": name,
                "region": region,
                "ready_timeout": 300,
            },
        )


def make_up_identities() -> None:
    """Give each member an invented identity, because Flotilla refuses to join one cluster twice."""
    ask = identity.uid_of
    if getattr(ask, "made_up", False):
        return

    def uid_of(connection: Connection) -> str:
        found = ask(connection)
        is_member = connection.name.startswith("bench-")
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, connection.name)) if is_member else found

    uid_of.made_up = True
    identity.uid_of = cluster_identity.uid_of = uid_of


def requests_sent() -> list[tuple[str, str, float]]:
    """Return a list to which each later request is added: cluster, method and time."""
    sent: list[tuple[str, str, float]] = []
    send = Connection.send

    def noted(self, request):
        sent.append((self.name, request.method, time.monotonic()))
        return send(self, request)

    Connection.send = noted
    return sent


def run_embedded(verb: str, count: int, folder: Path, karmada: str, member: str) -> dict:
    """Run one verb and return seconds, memory and counts."""
    (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    stack = EmbeddedStack(Project.load(folder), f"n{count}", folder, program=lambda: declare(count, karmada, member))
    sent = requests_sent()
    started = time.monotonic()
    result = getattr(stack, verb)(**({"preview_only": True} if verb == "refresh" else {}))
    writes = [when - started for _, method, when in sent if method != "GET"]
    # After the last write, the run only waits for the servers.
    return {**_measured(started, result.counts(), result.failures), "written": max(writes, default=None)}


def run_drift(count: int, folder: Path, karmada: str, member: str) -> dict:
    """Check drift once, and count the requests."""
    stack = EmbeddedStack(Project.load(folder), f"n{count}", folder, program=lambda: declare(count, karmada, member))
    found = declared(stack.snapshot())
    sent = requests_sent()
    started = time.monotonic()
    report = check_drift(found, Limits(second_look=0))
    members = [name for name, _, _ in sent if name != "karmada"]
    counts = {"objects": report.objects, "requests a member": round(len(members) / count, 1), "in all": len(sent)}
    # The members share one API server, so Karmada's role for each member overwrites the role of the one before.
    ours = [f for f in report.findings if not f.object.endswith(" karmada-impersonator")]
    problems = [f"{f.rule} {f.cluster} {f.object} {f.message}" for f in ours]
    return _measured(started, counts, problems + [one.reason for one in report.unknown])


def run_mocks(count: int, karmada: str, member: str) -> dict:
    """Run the program with the SDK's mocks: the minimum that any engine takes."""
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
    elif verb == "drift":
        print(json.dumps(run_drift(int(count), Path(folder), *texts)))
    else:
        print(json.dumps(run_embedded(verb, int(count), Path(folder), *texts)))
