"""The kinds of Karmada that have a view."""

from __future__ import annotations

from flotilla.karmada.objects.bindings import ClusterResourceBinding, ResourceBinding
from flotilla.karmada.objects.clusters import Cluster
from flotilla.karmada.objects.overrides import ClusterOverridePolicy, OverridePolicy
from flotilla.karmada.objects.policies import ClusterPropagationPolicy, PropagationPolicy
from flotilla.karmada.objects.views import ApiObject
from flotilla.karmada.objects.works import Work

KINDS: tuple[type[ApiObject], ...] = (
    Cluster,
    PropagationPolicy,
    ClusterPropagationPolicy,
    OverridePolicy,
    ClusterOverridePolicy,
    ResourceBinding,
    ClusterResourceBinding,
    Work,
)
"""Every kind of Karmada that has a view."""
