"""kind parses and validates the configurations that Flotilla writes; no containers run."""

import shutil
import stat
import subprocess

import pytest
import yaml

from flotilla.stack.clusters import KindCluster

pytestmark = pytest.mark.live

# A docker that answers kind's requests before the node image, and fails afterwards.
DOCKER = """#!/bin/sh
case "$1" in
  info) echo '{"CgroupVersion":"2","SecurityOptions":[],"MemoryLimit":true,"PidsLimit":true,"CPUShares":true}';;
  ps|version) ;;
  *) exit 1;;
esac
"""
EVERYTHING = {
    "name": "full",
    "featureGates": {"InPlacePodVerticalScaling": True},
    "runtimeConfig": {"api/alpha": "false"},
    "kubeadmConfigPatches": ["kind: ClusterConfiguration\nkubernetesVersion: v1.33.0\n"],
    "kubeadmConfigPatchesJSON6902": [
        {"group": "kubeadm.k8s.io", "version": "v1beta3", "kind": "ClusterConfiguration", "patch": "[]"}
    ],
    "containerdConfigPatches": ['[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/certs.d"\n'],
    "containerdConfigPatchesJSON6902": ["[]"],
    "networking": {
        "ipFamily": "ipv4",
        "apiServerAddress": "192.0.2.1",
        "apiServerPort": 6443,
        "podSubnet": "10.6.0.0/16",
        "serviceSubnet": "10.96.0.0/16",
        "disableDefaultCNI": True,
        "kubeProxyMode": "ipvs",
        "dnsSearch": ["example.org"],
    },
    "nodes": [
        {
            "role": "control-plane",
            "image": "kindest/node:v1.24.15",
            "labels": {"tier": "front"},
            "extraMounts": [
                {
                    "hostPath": "/tmp",  # noqa: S108 - a mount of a cluster that is never made
                    "containerPath": "/data",
                    "readOnly": True,
                    "selinuxRelabel": True,
                    "propagation": "HostToContainer",
                }
            ],
            "extraPortMappings": [
                {"containerPort": 6443, "hostPort": 36443, "listenAddress": "127.0.0.1", "protocol": "TCP"},
                {"containerPort": 53, "hostPort": 53, "protocol": "UDP"},
            ],
            "kubeadmConfigPatches": ["kind: InitConfiguration\n"],
            "kubeadmConfigPatchesJSON6902": [
                {"group": "kubeadm.k8s.io", "version": "v1beta3", "kind": "InitConfiguration", "patch": "[]"}
            ],
        },
        {"role": "worker"},
    ],
}
VALUES = [
    *({"networking": {"kubeProxyMode": mode}} for mode in ("iptables", "ipvs", "nftables", "none")),
    *({"networking": {"ipFamily": family}} for family in ("ipv4", "ipv6")),
    {
        "networking": {
            "ipFamily": "dual",
            "podSubnet": "10.6.0.0/16,fd00:6::/56",
            "serviceSubnet": "10.7.0.0/16,fd00:7::/112",
        }
    },
    {"networking": {"apiServerPort": -1}},
    *(
        {"nodes": [{"extraMounts": [{"hostPath": "/a", "containerPath": "/b", "propagation": p}]}]}
        for p in ("None", "HostToContainer", "Bidirectional")
    ),
    {"nodes": [{"extraPortMappings": [{"containerPort": 1, "protocol": "SCTP"}]}]},
]


@pytest.fixture
def create(tmp_path, monkeypatch):
    program = shutil.which("kind")
    if program is None:
        pytest.skip("not on the PATH: kind")
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)

    def create(document):
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(document))
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
        command = [program, "create", "cluster", f"--config={file}", f"--kubeconfig={tmp_path / 'kubeconfig'}"]
        # kind would retry to fetch the image; the test needs only the output before that.
        seen = ""
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr:
                seen += line
                if ACCEPTED in line:
                    process.terminate()
                    break
        return seen

    return create


# kind looks for the image after it has read and validated the whole configuration.
ACCEPTED = "Ensuring node image"


def keys(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list | tuple) else set()


def test_kind_accepts_every_field(create):
    config = KindCluster.model_validate(EVERYTHING).config()
    assert ACCEPTED in create(config)
    # EVERYTHING has every field of the models, by kind's names.
    own = {"runtime", "wait", "protect"}
    assert keys(KindCluster.model_validate(EVERYTHING).model_dump(by_alias=True)) == keys(EVERYTHING) | own


@pytest.mark.parametrize("values", VALUES, ids=[str(v)[:60] for v in VALUES])
def test_kind_accepts_every_value(create, values):
    assert ACCEPTED in create(KindCluster.model_validate({"name": "a", **values}).config())


def test_kind_refuses_unknown_fields_and_values(create):
    assert "unable to decode config" in create({**KindCluster(name="a").config(), "netwroking": {}})
    wrong = {**KindCluster(name="a").config(), "networking": {"kubeProxyMode": "magic"}}
    assert ACCEPTED not in create(wrong)
