"""Joins and registrations by karmadactl, and the objects that Karmada's installers create for them."""

import re
import shutil
import subprocess

import pytest
import yaml

from flotilla.karmada.versions import Version
from flotilla.kube import kubeconfig as kubeconfigs
from tests.contract.fleet import real_karmada
from tests.contract.objects import obj

RBAC = "rbac.authorization.k8s.io"
TOKENS = "system:bootstrappers:karmada:default-cluster-token"
NODES = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
"""Before 1.12 an agent gets a node's certificate, which Kubernetes' own controller approves."""
CLUSTER_INFO = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cluster-info"], "verbs": ["get"]}
APPROVE = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests/clusteragent"]}
OWN_ETC = "mkdir -p {0} && cp /etc/hosts /etc/passwd /etc/nsswitch.conf {0} && mount --bind {0} /etc && exec "
"""Before 1.12 `karmadactl register` writes to /etc/karmada; in a mount namespace it gets its own /etc."""


def granted(kind, name, role, role_kind, subject_kind, subject, namespace=None):
    return obj(
        f"{RBAC}/v1",
        kind,
        name,
        namespace,
        roleRef={"apiGroup": RBAC, "kind": role_kind, "name": role},
        subjects=[{"apiGroup": RBAC, "kind": subject_kind, "name": subject}],
    )


def for_tokens(kubeconfig):
    """Return the objects of `karmadactl init` and the chart by which a member can register with a bootstrap token."""
    cluster = kubeconfig["clusters"][0]["cluster"]
    info = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]}
    signer, approver = (
        "system:karmada:bootstrap-signer-clusterinfo",
        "system:karmada:certificatesigningrequest:autoapprover",
    )
    return [
        obj("v1", "ConfigMap", "cluster-info", "kube-public", data={"kubeconfig": yaml.safe_dump(info)}),
        obj(f"{RBAC}/v1", "Role", signer, "kube-public", rules=[CLUSTER_INFO]),
        granted("RoleBinding", signer, signer, "Role", "User", "system:anonymous", "kube-public"),
        granted(
            "ClusterRoleBinding",
            "system:karmada:agent-bootstrap",
            "system:node-bootstrapper",
            "ClusterRole",
            "Group",
            TOKENS,
        ),
        obj(f"{RBAC}/v1", "ClusterRole", approver, rules=[{**APPROVE, "verbs": ["create"]}]),
        granted(
            "ClusterRoleBinding", "system:karmada:agent-autoapprove-bootstrap", approver, "ClusterRole", "Group", TOKENS
        ),
        granted("ClusterRoleBinding", "karmada:agent-autoapprove-bootstrap", NODES, "ClusterRole", "Group", TOKENS),
        *for_registration(),
    ]


def for_registration():
    """Return the rights with which `karmadactl register` creates an agent's (1.18), and those of all agents (1.10)."""
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    generator, agents = "system:karmada:agent-rbac-generator", "system:karmada:agent"
    return [
        obj(f"{RBAC}/v1", "ClusterRole", generator, rules=everything),
        granted(
            "ClusterRoleBinding", generator, generator, "ClusterRole", "User", "system:karmada:agent:rbac-generator"
        ),
        obj(f"{RBAC}/v1", "ClusterRole", agents, rules=everything),
        granted("ClusterRoleBinding", agents, agents, "ClusterRole", "Group", "system:nodes"),
    ]


class Karmadactl:
    """karmadactl, run on the sandbox's clusters."""

    def __init__(self, fleet, folder):
        found = shutil.which("karmadactl", path=str(real_karmada())) or shutil.which("karmadactl")
        if found is None:
            pytest.skip("karmadactl is neither beside Karmada's programs nor on the PATH")
        self._program, self._fleet, self._folder = found, fleet, folder

    def _file(self, name):
        return str(self._fleet.kubeconfigs / f"{name}.yaml")

    def __call__(self, *arguments, seconds=120, before=""):
        command = [self._program, *arguments]
        if before:
            command = ["unshare", "--mount", "sh", "-c", before + '"$0" "$@"', *command]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def join(self, name, *options):
        """Join a member in push mode."""
        self(
            "join", name, f"--kubeconfig={self._file('karmada')}", f"--cluster-kubeconfig={self._file(name)}", *options
        )

    def register(self, name, *options):
        """Register a member in pull mode, by a bootstrap token."""
        karmada = self._fleet.connection("karmada")
        document = kubeconfigs.select(kubeconfigs.load((self._fleet.kubeconfigs / "karmada.yaml").read_text()))
        for one in for_tokens(document):
            karmada.apply(one, field_manager="karmadactl")
        printed = self("token", "create", f"--kubeconfig={self._file('karmada')}", "--print-register-command")
        token = re.search(r"--token (\S+)", printed)[1]
        digest = re.search(r"--discovery-token-ca-cert-hash (\S+)", printed)[1]
        old = Version.parse(self._fleet.version) < Version(1, 12)
        arguments = (
            "register",
            karmada.server.removeprefix("https://"),
            f"--kubeconfig={self._file(name)}",
            f"--cluster-name={name}",
            f"--token={token}",
            f"--discovery-token-ca-cert-hash={digest}",
            *options,
        )
        said = self(*arguments, before=OWN_ETC.format(self._folder / "etc") if old else "")
        assert "joined successfully" in said, said
