"""Clusters that a stack makes with kind: kind's own configuration (kind.x-k8s.io/v1alpha4), typed.

Source: kind's published configuration (https://kind.sigs.k8s.io/docs/user/configuration), every key of v1alpha4.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from itertools import combinations
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from flotilla.karmada.names import is_dns_label
from flotilla.stack.problems import ConfigModel, Problem, refuse

MAX_KIND_NAME = 50
# The ranges that kind uses where a file gives none (pkg/apis/config/v1alpha4/default.go).
DEFAULT_POD_SUBNET = "10.244.0.0/16"
DEFAULT_SERVICE_SUBNET = "10.96.0.0/16"
_LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, never bound


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise refuse(
            "must be an IP address", consequence="kind could not listen there", remedy="give one of the machine's"
        ) from None


def _subnet(value: str) -> str:
    for part in value.split(","):  # dual stack: two ranges in one string
        try:
            ipaddress.ip_network(part.strip())
        except ValueError:
            raise refuse(
                "must be a subnet such as 10.6.0.0/16, with no bits set behind the mask",
                consequence="kubeadm refuses it halfway",
                remedy="write the range's first address and its length",
            ) from None
    return value


Address = Annotated[str, AfterValidator(_address)]
Subnet = Annotated[str, AfterValidator(_subnet)]
Port = Annotated[int, Field(ge=-1, le=65535)]


class Runtime(StrEnum):
    """What runs a kind cluster's nodes (KIND_EXPERIMENTAL_PROVIDER)."""

    DOCKER = "docker"
    PODMAN = "podman"
    NERDCTL = "nerdctl"


class NodeRole(StrEnum):
    """The role of a node."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


class Protocol(StrEnum):
    """The protocol of a port mapping."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Propagation(StrEnum):
    """The mount propagation of a mount."""

    NONE = "None"
    HOST_TO_CONTAINER = "HostToContainer"
    BIDIRECTIONAL = "Bidirectional"


class IpFamily(StrEnum):
    """The IP family of a cluster's networks."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DUAL = "dual"


class KubeProxyMode(StrEnum):
    """The mode in which kube-proxy implements Services."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"
    IPVS = "ipvs"
    NONE = "none"


class Json6902Patch(ConfigModel):
    """A JSON patch (RFC 6902) for objects of one kind."""

    group: str = Field(default="", description="API group of the objects.")
    version: str = Field(description="API version of the objects.")
    kind: str = Field(description="Kind of the objects.")
    patch: str = Field(description="The steps of the patch, as YAML or JSON text.")


class Mount(ConfigModel):
    """A folder of the machine that is mounted in a node."""

    host_path: str = Field(description="The path on the machine.")
    container_path: str = Field(description="The path in the node.")
    read_only: bool = Field(default=False, description="Mount it read-only.")
    selinux_relabel: bool = Field(default=False, alias="selinuxRelabel", description="Relabel the folder for SELinux.")
    propagation: Propagation = Field(
        default=Propagation.NONE, description="How mounts below it propagate between machine and node."
    )


class PortMapping(ConfigModel):
    """A port of the machine that leads to a port of a node."""

    container_port: int = Field(ge=1, le=65535, description="The port of the node.")
    host_port: Port = Field(default=0, description="The port of the machine; 0 takes any free one.")
    listen_address: Address = Field(
        default="0.0.0.0",  # noqa: S104
        description="The address of the machine at which the port is open.",
    )
    protocol: Protocol = Field(default=Protocol.TCP, description="The protocol.")


class KindNode(ConfigModel):
    """A node of a kind cluster."""

    role: NodeRole = Field(default=NodeRole.CONTROL_PLANE, description="The role of the node.")
    image: str | None = Field(
        default=None, description="The `kindest/node` image, which decides the version of Kubernetes."
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of the Node.")
    extra_mounts: tuple[Mount, ...] = Field(
        default=(), description="Folders of the machine that are mounted in the node."
    )
    extra_port_mappings: tuple[PortMapping, ...] = Field(
        default=(), description="Ports of the machine that lead to ports of the node."
    )
    kubeadm_config_patches: tuple[str, ...] = Field(
        default=(), description="Merge patches for kubeadm's configuration, as YAML text."
    )
    kubeadm_config_patches_json6902: tuple[Json6902Patch, ...] = Field(
        default=(), alias="kubeadmConfigPatchesJSON6902", description="JSON patches for kubeadm's configuration."
    )


class KindNetworking(ConfigModel):
    """The networks of a kind cluster."""

    ip_family: IpFamily = Field(
        default=IpFamily.IPV4, alias="ipFamily", description="The IP family of pods and services."
    )
    api_server_address: Address = Field(
        default=_LOOPBACK, description="The address of the machine at which the API server is reached."
    )
    api_server_port: Port = Field(
        default=0, description="The port of the machine for the API server; 0 takes any free one."
    )
    pod_subnet: Subnet | None = Field(
        default=None, description="Network range of pods. Default of kind: 10.244.0.0/16."
    )
    service_subnet: Subnet | None = Field(
        default=None, description="Network range of services. Default of kind: 10.96.0.0/16."
    )
    disable_default_cni: bool = Field(
        default=False,
        alias="disableDefaultCNI",
        description="Install no network plugin. Nodes become ready when you install one.",
    )
    kube_proxy_mode: KubeProxyMode = Field(
        default=KubeProxyMode.IPTABLES, description="The mode of kube-proxy; `none` doesn't install it."
    )
    dns_search: tuple[str, ...] | None = Field(default=None, description="DNS search domains of the nodes.")


class KindCluster(ConfigModel):
    """A cluster that `kind` creates on this machine.

    The keys are those of kind's own configuration (`kind.x-k8s.io/v1alpha4`). They are checked before anything is
    created: network ranges that overlap, ports that two clusters use, an API server that Karmada's pods can't
    reach. kind can't change a cluster, so every change of these keys replaces the cluster.
    """

    name: str = Field(description="The cluster's name. Its context in kubeconfigs is `kind-<name>`.")
    runtime: Runtime = Field(default=Runtime.DOCKER, description="The program that runs the nodes as containers.")
    wait: int = Field(default=300, ge=0, description="Seconds to wait until the nodes are ready.")
    protect: bool = Field(default=False, description="Refuse to delete the cluster while this is true.")
    nodes: tuple[KindNode, ...] = Field(default=(), description="The nodes. Default: one control-plane node.")
    networking: KindNetworking = Field(default_factory=KindNetworking, description="Addresses and network ranges.")
    feature_gates: dict[str, bool] = Field(default_factory=dict, description="Feature gates of Kubernetes.")
    runtime_config: dict[str, str] = Field(
        default_factory=dict, description="API groups that the API server serves or doesn't serve, such as `api/alpha`."
    )
    kubeadm_config_patches: tuple[str, ...] = Field(
        default=(), description="Merge patches for kubeadm's configuration, as YAML text."
    )
    kubeadm_config_patches_json6902: tuple[Json6902Patch, ...] = Field(
        default=(), alias="kubeadmConfigPatchesJSON6902", description="JSON patches for kubeadm's configuration."
    )
    containerd_config_patches: tuple[str, ...] = Field(
        default=(), description="Merge patches for containerd's configuration, as TOML text."
    )
    containerd_config_patches_json6902: tuple[str, ...] = Field(
        default=(),
        alias="containerdConfigPatchesJSON6902",
        description="JSON patches for containerd's configuration, as text.",
    )

    @model_validator(mode="after")
    def _valid(self) -> Self:
        if not is_dns_label(self.name, MAX_KIND_NAME):
            raise refuse(
                f"'name' must be at most {MAX_KIND_NAME} lower-case letters, digits and '-'",
                consequence="kind names containers and hosts after it",
                remedy="rename the cluster",
            )
        if self.nodes and all(node.role is not NodeRole.CONTROL_PLANE for node in self.nodes):
            raise refuse("'nodes' has no control-plane", remedy="add `- role: control-plane`")
        return self

    @property
    def pod_subnet(self) -> str:
        """The range of pod addresses."""
        return self.networking.pod_subnet or DEFAULT_POD_SUBNET

    @property
    def service_subnet(self) -> str:
        """The range of Service addresses."""
        return self.networking.service_subnet or DEFAULT_SERVICE_SUBNET

    @property
    def inner_endpoint(self) -> str:
        """The API server's URL within the runtime's network, which the pods of other kind clusters reach."""
        return f"https://{self.name}-control-plane:6443"

    def config(self) -> dict[str, Any]:
        """Return kind's configuration as plain data, without keys that have their default."""
        own = {"runtime", "wait", "protect"}
        document = self.model_dump(mode="json", by_alias=True, exclude=own, exclude_defaults=True)
        return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", **document}


def is_loopback(cluster: KindCluster) -> bool:
    """Return whether only this machine can reach the cluster's API server."""
    address = cluster.networking.api_server_address
    return address in _EVERYWHERE or ipaddress.ip_address(address).is_loopback


def check_clusters(clusters: list[tuple[int, KindCluster]]) -> list[Problem]:
    """Check that the clusters of one machine don't share ranges or ports."""
    problems: list[Problem] = []
    for index, cluster in clusters:
        problems += _overlap(
            f"clusters[{index}].networking.serviceSubnet",
            cluster.service_subnet,
            cluster.pod_subnet,
            "its own podSubnet",
        )
    for (_, one), (index, other) in combinations(clusters, 2):
        for key, range_ in (("podSubnet", other.pod_subnet), ("serviceSubnet", other.service_subnet)):
            where = f"clusters[{index}].networking.{key}"
            problems += _overlap(where, range_, one.pod_subnet, f"the podSubnet of {one.name}")
            problems += _overlap(where, range_, one.service_subnet, f"the serviceSubnet of {one.name}")
    return problems + _check_ports(clusters)


def _overlap(path: str, range_: str, other: str, whose: str) -> list[Problem]:
    def networks(text: str) -> list[Any]:
        return [ipaddress.ip_network(part.strip()) for part in text.split(",")]

    if not any(a.version == b.version and a.overlaps(b) for a in networks(range_) for b in networks(other)):
        return []
    return [
        Problem(
            path,
            f"overlaps {whose}, {other}",
            "traffic between the clusters would end in the wrong one",
            "give each cluster ranges of its own, such as 10.7.0.0/16 and 10.97.0.0/16",
            f'"{range_}"',
        )
    ]


def _check_ports(clusters: list[tuple[int, KindCluster]]) -> list[Problem]:
    taken: list[tuple[str, str, int, str]] = []
    problems = []
    for index, cluster in clusters:
        own = [(f"clusters[{index}].networking.apiServerPort", "TCP", cluster.networking.api_server_port)]
        addresses = [cluster.networking.api_server_address]
        for n, node in enumerate(cluster.nodes):
            for m, mapping in enumerate(node.extra_port_mappings):
                own.append(
                    (
                        f"clusters[{index}].nodes[{n}].extraPortMappings[{m}].hostPort",
                        mapping.protocol,
                        mapping.host_port,
                    )
                )
                addresses.append(mapping.listen_address)
        for (path, protocol, port), address in zip(own, addresses, strict=True):
            clash = next((t for t in taken if port > 0 and t[1:3] == (protocol, port) and _same(t[0], address)), None)
            if clash:
                problems.append(
                    Problem(
                        path,
                        f"is taken by {clash[3]}",
                        "the second cluster could not start",
                        "choose another port",
                        str(port),
                    )
                )
            taken.append((address, protocol, port, path))
    return problems


def _same(one: str, other: str) -> bool:
    return one == other or one in _EVERYWHERE or other in _EVERYWHERE
