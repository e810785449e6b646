"""The values for Karmada's chart.

Every path exists in the chart, and every documented default is the chart's default.
"""

import pytest
import yaml

from flotilla.karmada.installing import chart
from flotilla.stack.helm import HelmControlPlane
from flotilla.stack.installation import changed_values, explained, hazards, release_values

FULL = {
    "host": "kube.yaml",
    "endpoint": {"type": "NodePort", "address": "203.0.113.7", "port": 31443, "annotations": {"a": "b"}},
    "images": {
        "registry": "mirror.example",
        "pullSecrets": ["pull"],
        "repositories": {name: f"m/{name}" for name in chart.COMPONENTS},
        "tags": dict.fromkeys(chart.COMPONENTS, "v1"),
    },
    "etcd": {"storage": "pvc", "size": "10Gi", "storageClass": "fast"},
    "replicas": {name: 5 for name, component in chart.COMPONENTS.items() if component.replicas},
    "resources": {"apiServer": {"requests": {"cpu": "1"}}},
    "components": ["descheduler", "search", "metricsAdapter"],
    "featureGates": {name: {"Failover": True} for name in chart.FEATURE_GATES},
}
LESSON = {
    "host": "kube.yaml",
    "endpoint": {"type": "NodePort", "address": "203.0.113.7", "port": 31443},
    "images": {
        "registry": "mirror.example",
        "repositories": {
            "apiServer": "myifeng/k8s.gcr.io_kube-apiserver",
            "kubeControllerManager": "myifeng/k8s.gcr.io_kube-controller-manager",
            "etcd": "myifeng/k8s.gcr.io_etcd",
        },
    },
    "certificates": {"mode": "auto"},
}
# Keys that the templates read and that the published values don't have.
UNNAMED = {"etcd.podLabels"}


def helm(**changes):
    return HelmControlPlane.model_validate({**FULL, **changes})


@pytest.fixture(params=["1.10.7", "1.18.2"])
def version(request):
    return request.param


@pytest.fixture
def published(repository, version):
    file = repository.parent / "shared" / "karmada" / version / "chart-values.yaml"
    if not file.exists():
        pytest.skip("not beside the checkout: shared/karmada (the chart's published values)")
    return yaml.safe_load(file.read_text())


def value_at(document, path):
    for step in path.split("."):
        document = document[step]
    return document


EXTERNAL = {"servers": ["https://etcd:2379"], "caCert": "c", "cert": "c", "key": "k", "prefix": "/other"}


@pytest.mark.parametrize(
    "settings",
    [{}, {"certificates": {"mode": "auto"}}, {"etcd": {"external": EXTERNAL}}],
    ids=["custom", "auto", "external etcd"],
)
def test_every_path_and_every_default_is_one_of_the_charts(published, version, settings):
    gates = {name: g for name, g in FULL["featureGates"].items() if version != "1.10.7" or name in published_gates()}
    values = changed_values(helm(**settings, featureGates=gates), version)
    assert len(values) > 40
    for value in values:
        if value.path in UNNAMED:
            continue
        stored = value_at(published, value.path)
        if value.path.startswith(("certs.custom.", "etcd.external.certs.")):
            assert "XXXX" in stored, value.path
        elif value.default is not None and value.path != "certs.auto.hosts":
            assert stored == value.default, value.path
        elif value.path == "certs.auto.hosts":
            assert stored == value.default


def published_gates():
    return {name for name, first in chart.FEATURE_GATES.items() if first == (1, 10)}


def test_every_value_has_a_reason_and_a_consequence():
    for value in changed_values(helm(), "1.18.2"):
        assert len(value.reason) > 15, value.path
        assert len(value.otherwise) > 15, value.path


def test_no_image_tag_is_mutable():
    values = release_values(HelmControlPlane.model_validate(LESSON), "1.10.7")
    tags = [
        (name, value_at(values, f"{c.path}.image.tag")) for name, c in chart.COMPONENTS.items() if has_tag(values, c)
    ]
    assert {name for name, _ in tags} >= {"scheduler", "controllerManager", "webhook", "cfssl", "kubectl", "agent"}
    assert all(tag != "latest" for _, tag in tags)
    assert values["karmadaImageVersion"] == "v1.10.7"


def has_tag(values, component):
    try:
        value_at(values, f"{component.path}.image.tag")
    except KeyError:
        return False
    return True


def test_extra_values_are_merged_last_and_reported():
    more = {"apiServer": {"nodePort": 32000, "maxRequestsInflight": 9}}
    settings = helm(values=more)
    values = release_values(settings, "1.18.2")
    assert values["apiServer"]["nodePort"] == 32000
    assert values["apiServer"]["maxRequestsInflight"] == 9
    assert values["apiServer"]["serviceType"] == "NodePort"
    reported = {value.path: value for value in explained(settings, "1.18.2")}
    assert "replaces 31443" in reported["apiServer.nodePort"].reason
    assert reported["apiServer.nodePort"].value == 32000


def test_private_keys_are_never_shown():
    settings = helm(etcd={"external": {**EXTERNAL, "key": "hunter2"}})
    assert "hunter2" not in str([value.shown for value in explained(settings, "1.18.2")])


def test_hazards_are_reported():
    assert len(hazards(HelmControlPlane.model_validate(LESSON), "1.18.2")) == 2
    assert len(hazards(HelmControlPlane.model_validate(LESSON), "1.10.7")) == 3
    assert hazards(helm(), "1.18.2") == []
