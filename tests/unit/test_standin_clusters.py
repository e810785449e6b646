"""How the stand-in removes a member: first the Works, then the execution namespace, without waiting in push mode."""

import pytest

from flotilla.sandbox.standin.clusters import reconcile_clusters
from flotilla.sandbox.standin.world import World

GOING = "2026-01-01T00:00:00Z"


class Plane:
    """A control plane with one Cluster in deletion; it records the requests."""

    def __init__(self, mode, *, works=(), namespace=None):
        self._cluster = {
            "metadata": {"name": "m1", "deletionTimestamp": GOING, "finalizers": []},
            "spec": {"syncMode": mode},
        }
        self._works, self._namespace = list(works), namespace
        self.asked = []

    def list(self, _, kind, **where):
        return {"Cluster": [self._cluster], "Work": self._works}.get(kind, [])

    def find(self, ref):
        return self._namespace

    def delete(self, ref, **how):
        self.asked.append(("DELETE", ref.name))

    def request(self, method, path, *, doing, body):
        self.asked.append((method, path, body["spec"]))


def cluster_in_deletion(**metadata):
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "karmada-es-m1", **metadata},
        "spec": {"finalizers": ["kubernetes"]},
    }


def requests_of(mode, **there):
    plane = Plane(mode, **there)
    assert reconcile_clusters(World(plane)) == []
    return plane.asked


@pytest.mark.parametrize("mode", ["Push", "Pull"])
def test_works_are_deleted_before_their_namespace(mode):
    work = {"metadata": {"name": "w", "namespace": "karmada-es-m1"}}
    assert requests_of(mode, works=[work], namespace=cluster_in_deletion()) == [("DELETE", "w")]
    assert requests_of(mode, namespace=cluster_in_deletion()) == [("DELETE", "karmada-es-m1")]


def test_namespace_in_deletion_is_finished_only_if_it_had_nothing_but_works():
    """Its controller took five seconds each time.

    A pull member's namespace has an agent's Role, which must not stay.
    """
    finished = ("PUT", "/api/v1/namespaces/karmada-es-m1/finalize", {"finalizers": []})
    assert requests_of("Push", namespace=cluster_in_deletion(deletionTimestamp=GOING)) == [finished]
    assert requests_of("Pull", namespace=cluster_in_deletion(deletionTimestamp=GOING)) == []
