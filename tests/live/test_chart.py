"""The objects of Karmada's chart with our values, by `helm template`, for the oldest and the newest version."""

import subprocess
from pathlib import Path

import pytest
import yaml

from flotilla.karmada.installing import chart, pki
from flotilla.karmada.installing.chart_values import Pki
from flotilla.karmada.versions import Version
from flotilla.stack.installation import certificate_names, release_values
from flotilla.stack.load import load_stack_file
from tests.live.chart import karmada_chart
from tests.unit.test_chart import helm

pytestmark = pytest.mark.live
STACKS = Path(__file__).parents[2] / "stacks"


@pytest.fixture
def render(tmp_path):
    def render(settings, version):
        made = pki.issue(certificate_names(settings), lifetime_days=90, ca_lifetime_days=900).plain()
        del made["front_proxy_ca_key"], made["admin_cert"], made["admin_key"]
        values = tmp_path / "values.yaml"
        certificates = Pki(**made, fingerprint="f1")
        values.write_text(yaml.safe_dump(release_values(settings, version, certificates)))
        command = ["helm", "template", "karmada", str(karmada_chart(version, tmp_path)), "-n", "karmada-system"]
        command += [f"--values={values}", "--kube-version=1.33.0"]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        found = {}
        for obj in yaml.safe_load_all(result.stdout):
            if obj:
                found[obj["kind"], obj["metadata"]["name"]] = obj
        return found

    return render


def container(rendered, kind, name):
    return rendered[kind, name]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("version", ["1.10.7", "1.18.2"])
def test_the_six_values_of_the_lesson_are_in_the_objects(render, version):
    control_plane = load_stack_file(STACKS / "Pulumi.lesson.yaml").control_plane
    rendered = render(control_plane.helm, version)
    images = {
        name: container(rendered, kind, name)["image"].rpartition(":")[0]
        for kind, name in (
            ("Deployment", "karmada-apiserver"),
            ("Deployment", "karmada-kube-controller-manager"),
            ("StatefulSet", "etcd"),
            ("Deployment", "karmada-controller-manager"),
        )
    }
    assert images == {
        "karmada-apiserver": "mirror.example.org/myifeng/k8s.gcr.io_kube-apiserver",
        "karmada-kube-controller-manager": "mirror.example.org/myifeng/k8s.gcr.io_kube-controller-manager",
        "etcd": "mirror.example.org/myifeng/k8s.gcr.io_etcd",
        "karmada-controller-manager": "mirror.example.org/karmada/karmada-controller-manager",
    }
    service = rendered["Service", "karmada-apiserver"]["spec"]
    assert (service["type"], service["ports"][0]["nodePort"]) == ("NodePort", 31443)
    job = rendered["Job", "karmada-pre-install"]["spec"]["template"]["spec"]["initContainers"][0]["command"][-1]
    assert '"203.0.113.7"' in job
    assert '"*.karmada-system.svc.cluster.local"' in job


@pytest.mark.parametrize("version", ["1.10.7", "1.18.2"])
def test_every_setting_reaches_the_objects(render, version):
    gates = {name: {"Failover": True} for name, first in chart.FEATURE_GATES.items() if first <= Version.parse(version)}
    settings = helm(featureGates=gates)
    rendered = render(settings, version)
    floating = [
        image
        for obj in rendered.values()
        for part in ("containers", "initContainers")
        for one in ((obj.get("spec") or {}).get("template") or {}).get("spec", {}).get(part) or []
        if (image := one["image"]).endswith(":latest") or not image.startswith("mirror.example/")
    ]
    assert floating == []
    assert rendered["Deployment", "karmada-apiserver"]["spec"]["replicas"] == 5
    claim = rendered["StatefulSet", "etcd"]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "10Gi")
    assert ("Deployment", "karmada-descheduler") in rendered
    assert ("Deployment", "karmada-search") in rendered
    assert ("Deployment", "karmada-metrics-adapter") in rendered
    assert container(rendered, "Deployment", "karmada-apiserver")["resources"] == {
        "requests": {"cpu": "1"},
        "limits": {},
    }
    for name in gates:
        component = {"controllerManager": "controller-manager"}.get(name, name)
        if ("Deployment", f"karmada-{component}") in rendered:
            command = container(rendered, "Deployment", f"karmada-{component}")["command"]
            assert any("Failover=true" in argument for argument in command), name


@pytest.mark.parametrize("version", ["1.10.7", "1.18.2"])
def test_every_pod_template_has_the_fingerprint_of_the_certificates(render, version):
    settings = helm(featureGates={})
    rendered = render(settings, version)
    for (kind, name), obj in rendered.items():
        if kind in ("Deployment", "StatefulSet"):
            meta = obj["spec"]["template"]["metadata"]
            marks = {**(meta.get("annotations") or {}), **meta["labels"]}
            assert "f1" in marks.values(), name
    assert ("Job", "karmada-post-delete") not in rendered, "certs.mode custom has no job at uninstall"
