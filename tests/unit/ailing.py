"""Members whose pods don't start, and a control plane through which they are reached, for tests."""

from flotilla.kube.connection import Unreachable
from tests.unit.planes import Plane, cluster

PULL = 'Back-off pulling image "nginx:broken"'


def pod(name="web-1", *, image="nginx:broken", message=PULL, made="2026-11-26T10:00:00Z", workload="web"):
    """A pod of a workload; one with the image `nginx:broken` waits for it, all others run."""
    broken = image == "nginx:broken"
    state = {"waiting": {"reason": "ImagePullBackOff", "message": message}} if broken else {"running": {}}
    labels = {"app.kubernetes.io/name": workload}
    meta = {"name": name, "namespace": "default", "labels": labels, "creationTimestamp": made}
    status = {"phase": "Pending" if broken else "Running", "containerStatuses": [{"name": "web", "state": state}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}


class Member(Plane):
    """A member that answers."""

    def __init__(self, name, *objects):
        super().__init__(*objects)
        self.name = name

    def request(self, *_args, **_more):
        return {}


class Refusing(Member):
    """A member whose proxy refuses."""

    def request(self, *_args, **_more):
        raise Unreachable("karmada: refused")


class Fleet(Plane):
    """A control plane that has a Cluster for each member, and serves it below its own address."""

    def __init__(self, *members):
        super().__init__(*(cluster(one.name) for one in members))
        self.members = {one.name: one for one in members}
        self.reached = []

    def below(self, _path, *, name):
        self.reached.append(name)
        return self.members[name]
