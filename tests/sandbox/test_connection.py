"""Connections to a real API server: discovery, paging, apply, conflicts, and errors that name the request."""

import pytest

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import ApiError, Connection, KindNotServed, Unreachable, connect
from flotilla.kube.objects import ObjectRef

pytestmark = pytest.mark.sandbox


def config_map(namespace, name="settings", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def test_apply_get_list_delete(connection, namespace):
    ref = ObjectRef("v1", "ConfigMap", "settings", namespace)
    connection.apply(config_map(namespace, a="1"), field_manager="one")
    assert connection.get(ref)["data"] == {"a": "1"}
    names = [o["metadata"]["name"] for o in connection.list("v1", "ConfigMap", namespace=namespace)]
    assert "settings" in names
    assert connection.delete(ref, propagation="Background") is True
    assert connection.find(ref) is None
    assert connection.delete(ref) is False


def test_a_conflict_names_the_other_manager(connection, namespace):
    connection.apply(config_map(namespace, a="1"), field_manager="alice")
    with pytest.raises(ApiError, match='conflict with "alice"') as caught:
        connection.apply(config_map(namespace, a="2"), field_manager="bob")
    assert caught.value.status == 409
    connection.apply(config_map(namespace, a="2"), field_manager="bob", force=True)


def test_a_request_for_an_unserved_kind_is_not_reported_as_a_missing_object(connection):
    with pytest.raises(KindNotServed) as caught:
        connection.find(ObjectRef("example.org/v1", "Thing", "a"))
    assert caught.value.missing is False


def test_a_delete_with_another_uid_deletes_nothing(connection, namespace):
    ref = ObjectRef("v1", "ConfigMap", "settings", namespace)
    connection.apply(config_map(namespace, a="1"), field_manager="one")
    assert connection.delete(ref, uid="00000000-0000-0000-0000-000000000000") is False
    assert connection.find(ref) is not None


def test_a_watch_resumes_from_a_version(connection, namespace):
    first = connection.apply(config_map(namespace, a="1"), field_manager="one")
    connection.apply(config_map(namespace, a="2"), field_manager="one")
    version = first["metadata"]["resourceVersion"]
    events = connection.watch("v1", "ConfigMap", namespace=namespace, resource_version=version, seconds=5)
    event = next(e for e in events if e["object"]["metadata"]["name"] == "settings")
    assert event["type"] == "MODIFIED"
    assert event["object"]["data"] == {"a": "2"}


def broken_connection(sandbox, **changes):
    """Return a connection by the cluster's kubeconfig with wrong values."""
    document = kubeconfigs.select(kubeconfigs.load(sandbox.kubeconfig.read_text()))
    document["clusters"][0]["cluster"].update(changes.get("cluster", {}))
    if "user" in changes:
        document["users"][0]["user"] = changes["user"]
    return Connection(document, name="member1")


def test_errors_name_the_cluster_the_server_and_the_cause(cluster):
    ref = ObjectRef("v1", "Namespace", "kube-system")
    with pytest.raises(Unreachable, match=r"member1: no answer from https://127.0.0.1:1 while .*: connection refused"):
        broken_connection(cluster, cluster={"server": "https://127.0.0.1:1"}).get(ref)
    with pytest.raises(ApiError, match="HTTP 401"):
        broken_connection(cluster, user={"token": "wrong"}).get(ref)
    with pytest.raises(Unreachable, match="certificate verify failed"):
        broken_connection(cluster, cluster={"certificate-authority-data": wrong_authority()}).get(ref)


def test_two_names_of_one_cluster_share_discovery_and_errors_have_the_used_name(cluster):
    text = cluster.kubeconfig.read_text()
    host, member = (connect(text, name=name) for name in ("the host cluster", "member1"))
    assert host.get(ObjectRef("v1", "Namespace", "kube-system"))
    sent = member.traffic.requests
    assert sent, "they count together"
    assert member.get(ObjectRef("v1", "Namespace", "kube-system"))
    assert member.traffic.requests == sent + 1, "what the one has discovered the other knows"
    for connection in (member, host):
        with pytest.raises(ApiError, match=f"^{connection.name}: ") as caught:
            connection.get(ObjectRef("v1", "Namespace", "nowhere"))
        assert caught.value.missing


def wrong_authority():
    import tempfile
    from pathlib import Path

    from flotilla.sandbox.certificates import serving_certificate

    with tempfile.TemporaryDirectory() as folder:
        return serving_certificate(Path(folder) / "pki", ["localhost"]).ca_bundle


def test_lists_are_paged(connection, namespace, monkeypatch):
    monkeypatch.setattr("flotilla.kube.operations.PAGE_SIZE", 2)
    for index in range(5):
        connection.apply(config_map(namespace, f"page-{index}", a="1"), field_manager="one")
    names = [o["metadata"]["name"] for o in connection.list("v1", "ConfigMap", namespace=namespace)]
    assert len([n for n in names if n.startswith("page-")]) == 5
