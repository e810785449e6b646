"""Names that Karmada and Kubernetes derive, and the rules that they put on ours."""

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
"""Karmada's own finalizers. A Cluster waits until its Works are gone, a Work until its copies are deleted; a binding
goes once its Works are being deleted, and that of a workload that others follow once it is taken out of theirs."""

RESERVED_CLUSTERS = frozenset({"karmada", "karmada-host"})
"""What stacks call the control plane and its host cluster: plans, drift and providers go by these names."""

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
    """Return whether a value may stand in a label (apimachinery's IsValidLabelValue)."""
    return len(value) <= _MAX_LABEL and bool(_LABEL_VALUE.fullmatch(value))


def is_label_key(key: str) -> bool:
    """Return whether a key may name a label: an optional DNS prefix and a name."""
    prefix, slash, name = key.rpartition("/")
    if slash and not is_dns_subdomain(prefix):
        return False
    return bool(name) and is_label_value(name)


def execution_namespace(member: str) -> str:
    """Return the control plane's namespace that holds a member's Works (upstream: names.GenerateExecutionSpaceName)."""
    return EXECUTION_NAMESPACE_PREFIX + member


def provider_name(cluster: str) -> str:
    """Return what a stack calls the provider for a cluster's objects; plans and drift read the cluster off it."""
    return cluster + _PROVIDER


def identity_name(cluster: str) -> str:
    """Return what a stack calls the resource that says which cluster is meant by a name."""
    return f"{cluster}-identity"


def cluster_of(provider: str) -> str:
    """Return the cluster that a provider is for, by its name; empty for no provider."""
    return provider.removesuffix(_PROVIDER)


def binding_name(kind: str, name: str) -> str:
    """Return the ResourceBinding's name of a template (upstream: names.GenerateBindingName)."""
    return f"{name.replace(':', '.')}-{kind}".lower()


def proxy_path(member: str) -> str:
    """Return where Karmada serves a member's own API (cluster/v1alpha1, the subresource `proxy`)."""
    return f"/apis/cluster.karmada.io/v1alpha1/clusters/{quote(member)}/proxy"
