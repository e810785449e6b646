"""Names that Karmada and Kubernetes derive from other names, and the rules that names of a stack have to follow."""

from __future__ import annotations

import re
from urllib.parse import quote

CLUSTER_NAMESPACE = "karmada-cluster"
"""The namespace of join credentials, in the control plane and by default in members."""

EXECUTION_NAMESPACE_PREFIX = "karmada-es-"
MAX_MEMBER_NAME = 63 - len(EXECUTION_NAMESPACE_PREFIX)

CLUSTER_FINALIZER = "karmada.io/cluster-controller"
WORK_FINALIZER = "karmada.io/execution-controller"
BINDING_FINALIZER = "karmada.io/binding-controller"
DEPENDENCIES_FINALIZER = "karmada.io/binding-dependencies-distributor"
"""Karmada's own finalizers.

A Cluster waits until its Works are gone, and a Work until its copies are deleted. A binding goes once its Works are
being deleted. The binding of a workload with dependencies goes once it is removed from the dependencies' bindings."""

RESERVED_CLUSTERS = frozenset({"karmada", "karmada-host"})
"""The names of the control plane and of its host cluster in a stack: plans, drift and providers use them."""

_PROVIDER = "-provider"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_MAX_LABEL = 63
_MAX_SUBDOMAIN = 253


def is_dns_label(value: str, limit: int = _MAX_LABEL) -> bool:
    """Return whether a value is an RFC 1123 label of at most `limit` characters."""
    return len(value) <= limit and bool(_DNS_LABEL.fullmatch(value))


def is_dns_subdomain(value: str) -> bool:
    """Return whether a value is an RFC 1123 subdomain, the rule for most object names."""
    return len(value) <= _MAX_SUBDOMAIN and bool(_DNS_SUBDOMAIN.fullmatch(value))


def is_label_value(value: str) -> bool:
    """Return whether a value is a valid label value (apimachinery's IsValidLabelValue)."""
    return len(value) <= _MAX_LABEL and bool(_LABEL_VALUE.fullmatch(value))


def is_label_key(key: str) -> bool:
    """Return whether a key is a valid label key: an optional DNS prefix and a name."""
    prefix, slash, name = key.rpartition("/")
    if slash and not is_dns_subdomain(prefix):
        return False
    return bool(name) and is_label_value(name)


def execution_namespace(member: str) -> str:
    """Return the namespace of a member's Works in the control plane (upstream: names.GenerateExecutionSpaceName)."""
    return EXECUTION_NAMESPACE_PREFIX + member


def provider_name(cluster: str) -> str:
    """Return the name of the provider for a cluster's objects; plans and drift derive the cluster from this name."""
    return cluster + _PROVIDER


def identity_name(cluster: str) -> str:
    """Return the name of the resource that records which cluster a name stands for."""
    return f"{cluster}-identity"


def cluster_of(provider: str) -> str:
    """Return the name of a provider's cluster, derived from the provider's name; empty for no provider."""
    return provider.removesuffix(_PROVIDER)


def binding_name(kind: str, name: str) -> str:
    """Return the name of a template's ResourceBinding (upstream: names.GenerateBindingName)."""
    return f"{name.replace(':', '.')}-{kind}".lower()


def proxy_path(member: str) -> str:
    """Return the path at which Karmada serves a member's own API (cluster/v1alpha1, the subresource `proxy`)."""
    return f"/apis/cluster.karmada.io/v1alpha1/clusters/{quote(member)}/proxy"
