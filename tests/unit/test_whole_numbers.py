"""Pulumi's CLI passes all numbers to dynamic providers as floating-point numbers."""

import importlib

import pytest
from pulumi.dynamic import ResourceProvider

from components.dynamic_providers import PROVIDERS
from components.rollout import RolloutProvider
from flotilla.kube.objects import whole

METHODS = ("check", "diff", "create", "read", "update", "delete")


def provider_of(path):
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def test_numbers_are_converted_at_any_depth():
    given = {"replicas": 2.0, "list": [{"weight": 1.0}, 0.5], "text": "2.0", "none": None, "flag": True}
    found = whole(given)
    assert found == {"replicas": 2, "list": [{"weight": 1}, 0.5], "text": "2.0", "none": None, "flag": True}
    assert isinstance(found["replicas"], int)
    assert isinstance(found["list"][0]["weight"], int)
    assert found["flag"] is True


@pytest.mark.parametrize("path", sorted(PROVIDERS.values()))
def test_every_dynamic_provider_accepts_floating_point_numbers(path):
    """Regression: a rollout ended with `spec.replicas is not a whole number` under Pulumi's CLI."""
    provider = provider_of(path)
    ours = [name for name in METHODS if getattr(provider, name) is not getattr(ResourceProvider, name)]
    assert ours
    assert [name for name in ours if not hasattr(getattr(provider, name), "__wrapped__")] == []


def test_rollout_accepts_the_replicas_from_the_cli():
    template = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2.0},
    }
    olds = {"templates": [template], "placement": {}, "settled": True, "workload": "web"}
    assert not RolloutProvider().diff("", olds, {**olds, "templates": [{**template, "spec": {"replicas": 2}}]}).changes
