"""Members whose pods don't start, and a control plane that proxies requests to them."""

from flotilla.kube.connection import Unreachable
from tests.unit.planes import Plane, cluster

PULL = 'Back-off pulling image "nginx:broken"'


def pod(name="web-1", *, image="nginx:broken", message=PULL, made="2026-11-26T10:00:00Z", workload="web"):
    """Return a pod of a workload. A pod with the image `nginx:broken` waits for it; every other pod runs."""
    broken = image == "nginx:broken"
    state = {"waiting": {"reason": "ImagePullBackOff", "message": message}} if broken else {"running": {}}
    labels = {"app.kubernetes.io/name": workload}
    meta = {"name": name, "namespace": "default", "labels": labels, "creationTimestamp": made}
    status = {"phase": "Pending" if broken else "Running", "containerStatuses": [{"name": "web", "state": state}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}


class Member(Plane):
    """A member whose API server answers."""

    def __init__(self, name, *objects):
        super().__init__(*objects)
        self.name = name

    def request(self, *_args, **_more):
        return {}


class Refusing(Member):
    """A member whose requests the control plane's proxy refuses."""

    def request(self, *_args, **_more):
        raise Unreachable("karmada: refused")


class Fleet(Plane):
    """A control plane with a Cluster for each member; it serves each member below its own address."""

    def __init__(self, *members):
        super().__init__(*(cluster(one.name) for one in members))
        self.members = {one.name: one for one in members}
        self.reached = []

    def below(self, _path, *, name):
        self.reached.append(name)
        return self.members[name]
