"""kind clusters: settings that are refused before anything is created, and the arguments of the `kind` command."""

import json
import stat
import threading

import pytest
import yaml

from components.kind_cluster import KindClusterProvider
from flotilla.kube.kind import Kind, KindError
from flotilla.stack.clusters import KindCluster
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError

# A fake of the command: it keeps clusters as files, and records every call with its input.
RECORDING = """#!/bin/sh
set -e
echo "$KIND_EXPERIMENTAL_PROVIDER $*" >> "$RECORD/calls"
for argument in "$@"; do
  case $argument in
    --name=*) name=${argument#--name=};;
    --config=*) config=${argument#--config=};;
  esac
done
case "$1 $2" in
  "create cluster")
    if [ "$name" = broken ]; then echo "ERROR: failed to create cluster: no room" >&2; exit 1; fi
    sleep 0.3; mkdir -p "$RECORD/clusters"; cp "$config" "$RECORD/clusters/$name";;
  "get clusters") ls "$RECORD/clusters" 2>/dev/null || true;;
  "get kubeconfig") echo "kubeconfig of $name";;
  "delete cluster") rm -f "$RECORD/clusters/$name";;
esac
"""


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "kind"
    program.parent.mkdir()
    program.write_text(RECORDING)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("RECORD", str(tmp_path))
    return tmp_path


def props(name, **more):
    return {"config": KindCluster(name=name, **more).config(), "runtime": "docker", "wait": 30}


def calls(folder):
    return (folder / "calls").read_text().splitlines()


def test_a_cluster_is_created_read_and_deleted(recorded):
    provider = KindClusterProvider()
    made = provider.create(props("one", networking={"podSubnet": "10.6.0.0/16"}))
    assert made.outs["kubeconfig"] == "kubeconfig of one\n"
    config = yaml.safe_load((recorded / "clusters" / "one").read_text())
    assert config == {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": "one",
        "networking": {"podSubnet": "10.6.0.0/16"},
    }
    assert provider.read("one", made.outs).outs["kubeconfig"] == "kubeconfig of one\n"
    provider.delete("one", made.outs)
    assert provider.read("one", made.outs).id == ""
    create = next(call for call in calls(recorded) if " create " in call)
    assert "--wait=30s" in create
    assert "--kubeconfig=" in create, "the user's own kubeconfig is left alone"


def test_container_runtime_is_passed_to_kind(recorded):
    Kind("podman").clusters()
    assert calls(recorded) == ["podman get clusters"]


def test_existing_cluster_is_not_taken_over(recorded):
    KindClusterProvider().create(props("one"))
    with pytest.raises(KindError, match="exists already, and this stack did not create it"):
        KindClusterProvider().create(props("one"))
    assert (recorded / "clusters" / "one").exists()


def test_failure_has_the_message_of_kind(recorded):
    with pytest.raises(KindError, match="kind create cluster: failed to create cluster: no room"):
        KindClusterProvider().create(props("broken"))


def test_missing_kind_command_is_reported_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KindError, match=r"isn't on the PATH"):
        Kind().clusters()


def test_every_change_replaces_the_cluster(recorded):
    old = props("one")
    new = props("one", networking={"kubeProxyMode": "ipvs"})
    diff = KindClusterProvider().diff("one", old, new)
    assert (diff.changes, diff.replaces, diff.delete_before_replace) == (True, ["config"], True)
    assert KindClusterProvider().diff("one", old, {**old, "wait": 99}).changes is False


def test_clusters_are_created_in_parallel(recorded):
    threads = [threading.Thread(target=KindClusterProvider().create, args=(props(name),)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Kind().clusters()) == ["one", "two"]


def cluster(name, number, **networking):
    subnets = {"podSubnet": f"10.{number}.0.0/16", "serviceSubnet": f"10.{number + 100}.0.0/16"}
    return {"name": name, "networking": {**subnets, **networking}}


def sections(*clusters, members=()):
    helm = {"host": {"cluster": "a"}, "endpoint": {"type": "NodePort", "address": "192.0.2.1", "port": 31443}}
    plane = {"version": "1.18.2", "helm": helm}
    return {"clusters": list(clusters), "controlPlane": plane, "members": list(members)}


def mapped(port, **more):
    return {"nodes": [{"extraPortMappings": [{"containerPort": 80, "hostPort": port, **more}]}]}


REFUSED = [
    ([cluster("a", 6), cluster("b", 6)], "clusters[1].networking.podSubnet", "overlaps the podSubnet of a"),
    ([{"name": "a"}, {"name": "b"}], "clusters[1].networking.serviceSubnet", "overlaps the serviceSubnet of a"),
    (
        [cluster("a", 6, serviceSubnet="10.6.1.0/24")],
        "clusters[0].networking.serviceSubnet",
        "overlaps its own podSubnet",
    ),
    (
        [cluster("a", 6, apiServerPort=6443), cluster("b", 7, apiServerPort=6443)],
        "clusters[1].networking.apiServerPort",
        "is taken by clusters[0].networking.apiServerPort",
    ),
    (
        [{**cluster("a", 6), **mapped(31443)}, {**cluster("b", 7), **mapped(31443, listenAddress="127.0.0.1")}],
        "clusters[1].nodes[0].extraPortMappings[0].hostPort",
        "is taken by",
    ),
    ([cluster("a", 6), cluster("a", 7)], "clusters[0].name", "must be unique"),
    ([{"name": "a", "nodes": [{"role": "worker"}]}], "clusters[0]", "has no control-plane"),
    ([cluster("a", 6, podSubnet="10.6.0.1/16")], "clusters[0].networking.podSubnet", "must be a subnet"),
    ([cluster("a", 6, kubeProxyMod="ipvs")], "clusters[0].networking.kubeProxyMod", "did you mean 'kubeProxyMode'"),
]


@pytest.mark.parametrize(("clusters", "where", "what"), REFUSED, ids=[f"{r[1]}: {r[2]}"[:60] for r in REFUSED])
def test_invalid_settings_are_refused_before_anything_is_created(clusters, where, what):
    with pytest.raises(ConfigError) as caught:
        parse_fleet(sections(*clusters))
    found = {problem.path: str(problem) for problem in caught.value.problems}
    assert what in found[where], json.dumps(found, indent=1)


def test_members_need_an_api_server_address_that_pods_can_reach():
    member = {"name": "m", "kubeconfig": {"cluster": "a"}}
    with pytest.raises(ConfigError, match=r"listens on 127\.0\.0\.1, which pods can't reach") as caught:
        parse_fleet(sections(cluster("a", 6), members=[member]))
    assert "apiEndpoint: https://a-control-plane:6443" in str(caught.value)
    parse_fleet(sections(cluster("a", 6, apiServerAddress="192.0.2.9"), members=[member]))
    parse_fleet(sections(cluster("a", 6), members=[{**member, "apiEndpoint": "https://a-control-plane:6443"}]))


def test_two_protocols_can_share_a_port():
    parse_fleet(sections({**cluster("a", 6), **mapped(53)}, {**cluster("b", 7), **mapped(53, protocol="UDP")}))


def test_an_unknown_cluster_is_refused():
    with pytest.raises(ConfigError, match=r"members\[0\].kubeconfig.cluster.*is not a cluster of this stack"):
        parse_fleet(sections(cluster("a", 6), members=[{"name": "m", "kubeconfig": {"cluster": "b"}}]))
