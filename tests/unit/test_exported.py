"""Fields that a server has set in an exported manifest are left out and reported; fields of the user stay."""

import copy
import json

import pulumi
import pytest
import yaml

from flotilla.cli.main import main
from flotilla.karmada.propagation import HEALTH_IGNORED, template
from flotilla.karmada.rendering.traveling import traveling
from flotilla.stack.files import ManifestFiles
from flotilla.workloads.exported import cleaned, dropped, is_exported, notice
from flotilla.workloads.manifests import parse_manifests
from flotilla.workloads.notices import left_out
from flotilla.workloads.objects import manifests_of
from flotilla.workloads.server_fields import ROWS
from tests.conftest import REPOSITORY
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures

SERVER = {
    "creationTimestamp": "2026-01-05T09:00:00Z",
    "deletionGracePeriodSeconds": 30,
    "deletionTimestamp": "2026-01-06T09:00:00Z",
    "generation": 7,
    "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
    "resourceVersion": "889912",
    "selfLink": "/apis/apps/v1/namespaces/default/deployments/web",
    "uid": "7d7d7d7d-0000-4000-8000-000000000002",
}


def obj(kind, api_version="v1", *, exported=True, annotations=None, labels=None, **body):
    metadata = {"name": "web", "namespace": "default", **(copy.deepcopy(SERVER) if exported else {})}
    metadata |= {"annotations": annotations} if annotations else {}
    metadata |= {"labels": labels} if labels else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def plain(kind, api_version="v1", **body):
    return obj(kind, api_version, exported=False, **body)


PODS = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
JOB_LABELS = {
    "controller-uid": "u",
    "job-name": "web",
    "batch.kubernetes.io/controller-uid": "u",
    "batch.kubernetes.io/job-name": "web",
}
ACCESS = {"name": "kube-api-access-x7x7x", "projected": {}}
MOUNT = {"name": "kube-api-access-x7x7x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
OWN = {"name": "config", "mountPath": "/etc/web"}
BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
CASES = [
    (
        obj(
            "Deployment",
            "apps/v1",
            annotations={
                "deployment.kubernetes.io/revision": "7",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "note": "mine",
            },
            spec={"replicas": 2, "template": PODS},
            status={"replicas": 2},
        ),
        plain("Deployment", "apps/v1", annotations={"note": "mine"}, spec={"replicas": 2, "template": PODS}),
    ),
    (
        obj("Service", spec={"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7"], "healthCheckNodePort": 30001,
                             "ports": [{"port": 80, "nodePort": 30080}]}, status={"loadBalancer": {}}),
        plain("Service", spec={"ports": [{"port": 80, "nodePort": 30080}]}),
    ),
    (
        obj("Service", spec={"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}]}),
        plain("Service", spec={"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}]}),
    ),
    (
        obj("ServiceAccount", secrets=[{"name": "web-token-x7x7x"}, {"name": "mine"}, {"name": "web-dockercfg-abcde"}],
            imagePullSecrets=[{"name": "web-dockercfg-abcde"}]),
        plain("ServiceAccount", secrets=[{"name": "mine"}]),
    ),
    (
        obj("Secret", type="kubernetes.io/service-account-token", data={"token": "dG9rZW4="},
            annotations={"kubernetes.io/service-account.name": "web", "kubernetes.io/service-account.uid": "u"}),
        plain("Secret", type="kubernetes.io/service-account-token",
              annotations={"kubernetes.io/service-account.name": "web"}),
    ),
    (obj("Secret", type="Opaque", data={"a": "YQ=="}), plain("Secret", type="Opaque", data={"a": "YQ=="})),
    (
        obj("PersistentVolumeClaim", annotations={**BOUND, "volume.kubernetes.io/storage-provisioner": "csi"},
            spec={"volumeName": "pvc-7d7d", "storageClassName": "fast"}, status={"phase": "Bound"}),
        plain("PersistentVolumeClaim", spec={"storageClassName": "fast"}),
    ),
    (
        obj("PersistentVolumeClaim", annotations={"pv.kubernetes.io/bind-completed": "yes"},
            spec={"volumeName": "chosen-by-me"}),
        plain("PersistentVolumeClaim", spec={"volumeName": "chosen-by-me"}),
    ),
    (
        obj("PersistentVolume", annotations={"pv.kubernetes.io/provisioned-by": "csi"},
            spec={"claimRef": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "1"}}),
        plain("PersistentVolume", spec={"claimRef": {"name": "web", "namespace": "default"}}),
    ),
    (
        obj("Pod", spec={
            "nodeName": "node-1", "priority": 0, "volumes": [ACCESS],
            "containers": [{"name": "web", "volumeMounts": [OWN, MOUNT]}],
            "initContainers": [{"name": "first", "volumeMounts": [MOUNT]}],
        }),
        plain("Pod", spec={"containers": [{"name": "web", "volumeMounts": [OWN]}],
                           "initContainers": [{"name": "first"}]}),
    ),
    (
        obj("Job", "batch/v1", labels={**JOB_LABELS, "app": "web"}, spec={
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
            "template": {"metadata": {"creationTimestamp": None, "labels": JOB_LABELS}, "spec": {}},
        }),
        plain("Job", "batch/v1", labels={"app": "web"}, spec={"template": {"metadata": {}, "spec": {}}}),
    ),
    (
        obj("Job", "batch/v1", spec={"manualSelector": True, "selector": {"matchLabels": {"controller-uid": "mine"}},
                                     "template": {"metadata": {"labels": {"controller-uid": "mine"}}}}),
        plain("Job", "batch/v1", spec={"manualSelector": True, "selector": {"matchLabels": {"controller-uid": "mine"}},
                                       "template": {"metadata": {"labels": {"controller-uid": "mine"}}}}),
    ),
    (
        obj("StatefulSet", "apps/v1", spec={"template": PODS, "volumeClaimTemplates": [
            {"metadata": {"creationTimestamp": None, "name": "data"}, "spec": {}, "status": {"phase": "Pending"}}]}),
        plain("StatefulSet", "apps/v1", spec={"template": PODS,
                                              "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]}),
    ),
    (obj("Namespace", spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"}), plain("Namespace")),
    (
        obj("HorizontalPodAutoscaler", "autoscaling/v2", spec={"maxReplicas": 3}, status={"currentReplicas": 1},
            annotations={"autoscaling.alpha.kubernetes.io/conditions": "[]"}),
        plain("HorizontalPodAutoscaler", "autoscaling/v2", spec={"maxReplicas": 3}),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("exported", "wanted"), CASES, ids=lambda one: f"{one['kind']}")
def test_fields_of_the_server_are_left_out(exported, wanted):
    given = copy.deepcopy(exported)
    assert cleaned(exported) == wanted
    assert exported == given, "manifests are shared: nobody changes them"
    assert dropped(exported)
    assert cleaned(wanted) is wanted, "what was cleaned is clean"


@pytest.mark.parametrize(("exported", "wanted"), CASES, ids=lambda one: f"{one['kind']}")
def test_remaining_fields_are_all_sent_by_karmada(exported, wanted):
    """A declared field that Karmada never sends would be waited for until the timeout."""
    assert {key: value for key, value in traveling(wanted).items() if value is not None} == wanted


def test_every_row_of_the_table_has_a_case_or_is_karmadas():
    said = json.dumps([case[0] for case in CASES])
    ours = ("karmada.io/", "pulumi.com/", "flotilla.dev/")  # these have cases of their own
    rare = ("revision-history", "desired-replicas", "max-replicas", "template.generation", "/leader", "job-tracking",
            "cronjob-scheduled-timestamp", "current-metrics", "selected-node", "beta.kubernetes.io/storage-provisioner",
            "ephemeralContainers")  # fmt: skip
    last = [row.path[-1] for row in ROWS]
    assert [
        key for key in last if f'"{key}"' not in said and not key.endswith(rare) and not any(o in key for o in ours)
    ] == []
    assert all(row.source for row in ROWS)


@pytest.mark.parametrize(
    "written",
    [
        plain("Service", spec={"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7"]}),
        plain("Pod", spec={"nodeName": "node-1"}),
        plain("PersistentVolumeClaim", annotations=BOUND, spec={"volumeName": "mine"}),
        plain("Deployment", "apps/v1", annotations={"deployment.kubernetes.io/revision": "1"}),
        plain("Deployment", "apps/v1", annotations={"pulumi.com/skipAwait": "true"}),
        plain("ConfigMap", annotations={"work.karmada.io/conflict-resolution": "overwrite"}),
        plain("ServiceAccount", secrets=[{"name": "web-tokens"}]),
    ],
    ids=lambda one: one["kind"],
)
def test_manifest_without_server_fields_is_unchanged(written):
    assert cleaned(written) is written
    assert not is_exported(written)
    assert dropped(written) is None


@pytest.mark.parametrize(
    "generated",
    [
        {**plain("Deployment", "apps/v1"), "status": {}},
        plain("Service", status={"loadBalancer": {}}),
        plain("PodDisruptionBudget", "policy/v1", status={"currentHealthy": 0, "disruptionsAllowed": 0}),
        plain("CustomResourceDefinition", "apiextensions.k8s.io/v1",
              status={"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []}),
        plain("CronJob", "batch/v1", spec={"jobTemplate": {
            "metadata": {"creationTimestamp": None}, "spec": {"template": {"metadata": {"creationTimestamp": None}}}}}),
    ],
    ids=lambda one: one["kind"],
)  # fmt: skip
def test_leftovers_of_generators_are_removed_without_a_notice(generated):
    generated["metadata"]["creationTimestamp"] = None
    left = cleaned(generated)
    assert "status" not in left
    assert "creationTimestamp" not in json.dumps(left)
    assert dropped(generated) is None


def test_owners_and_finalizers_are_removed_from_any_manifest_and_reported_separately():
    """With a finalizer in a template, `destroy` waits ten minutes.

    With an owner, the garbage collector deletes the object.
    """
    written = plain("Application", "argoproj.io/v1alpha1", spec={"project": "x"})
    written["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
    assert "finalizers" not in cleaned(written)["metadata"]
    said = notice("shop", [dropped(written)])
    assert "exported" not in said
    assert "finalizers are left out of Application web (resources-finalizer.argocd.argoproj.io)" in said
    written["metadata"]["ownerReferences"] = [
        {"apiVersion": "example.org/v1", "kind": "App", "name": "one", "uid": "u"}
    ]
    assert cleaned(written)["metadata"] == {"name": "web", "namespace": "default"}
    assert "the owners of Application web (by App one)" in notice("shop", [dropped(written)])


KARMADAS = {
    "resourcetemplate.karmada.io/uid": "u",
    "work.karmada.io/name": "web-687f7fb96f",
    "propagationpolicy.karmada.io/name": "web",
    "propagationpolicy.karmada.io/namespace": "default",
}


def test_object_exported_from_a_member_or_karmada_loses_karmadas_marks():
    labels = {"karmada.io/managed": "true", "work.karmada.io/permanent-id": "u", "app": "web"}
    copied = plain("ConfigMap", labels=labels, annotations={**KARMADAS, "work.karmada.io/conflict-resolution": "abort"})
    assert cleaned(copied) == plain("ConfigMap", labels={"app": "web"})
    claimed = {"propagationpolicy.karmada.io/permanent-id": "u", "resourcetemplate.karmada.io/retain-replicas": "true"}
    templated = plain("ConfigMap", labels=claimed, annotations={"work.karmada.io/conflict-resolution": "overwrite"})
    assert cleaned(templated)["metadata"]["labels"] == {"resourcetemplate.karmada.io/retain-replicas": "true"}
    assert cleaned(templated)["metadata"]["annotations"] == {"work.karmada.io/conflict-resolution": "overwrite"}


@pytest.mark.parametrize("policy", ["propagationpolicy", "clusterpropagationpolicy"])
def test_claim_labels_of_karmada_1_10_are_removed(policy):
    names = {f"{policy}.karmada.io/name": "web", "propagationpolicy.karmada.io/namespace": "default"}
    claimed = plain(
        "ConfigMap", labels={**names, f"{policy}.karmada.io/permanent-id": "u", "app": "web"}, annotations=names
    )
    assert cleaned(claimed) == plain("ConfigMap", labels={"app": "web"})


@pytest.mark.parametrize("asked", [False, True])
def test_exported_template_of_a_stack_equals_its_manifest(asked):
    """Otherwise an exported template would carry the annotation that nobody waits for it."""
    manifest = plain("ConfigMap", annotations={"pulumi.com/skipAwait": "true"} if asked else None)
    exported = template(manifest, namespace="default")
    assert (HEALTH_IGNORED in exported["metadata"]["annotations"]) is asked
    exported["metadata"]["uid"] = "u"
    assert cleaned(exported) == manifest


EXPORT = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [case[0] for case in CASES[:2]]})


def test_one_notice_per_workload_names_the_removed_fields(project, fleet_of):
    (project / "export.yaml").write_text(EXPORT)
    fleet = fleet_of({"image": None, "manifests": ["export.yaml"]})
    files = ManifestFiles(project)
    (said,) = left_out(fleet, files)
    assert said.startswith("workload web: 2 objects exported from a cluster (Deployment web, Service web): fields")
    for field in ("metadata.uid", "status", "spec.clusterIP", "annotation deployment.kubernetes.io/revision"):
        assert field in said
    assert "\n" not in said
    assert manifests_of(fleet.workloads[0], files) == [case[1] for case in CASES[:2]]


def test_validate_prints_the_notice(project, sections, capsys):
    (project / "stacks").mkdir()
    (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    (project / "export.yaml").write_text(EXPORT)
    sections["workloads"] = [{"name": "web", "manifests": ["export.yaml"], "placement": {}}]
    document = {"config": {f"flotilla:{key}": section for key, section in sections.items()}}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))
    assert main(["validate", "-s", "dev", "-C", str(project), "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "2 objects exported from a cluster" in note


def test_plan_prints_the_notice(run, absolute, project, monkeypatch):  # noqa: F811
    (project / "export.yaml").write_text(EXPORT)
    absolute["workloads"] = [{"name": "web", "manifests": [str(project / "export.yaml")], "placement": {}}]
    said = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    registered = run(absolute)
    assert len([text for text in said if "2 objects exported from a cluster" in text]) == 1
    assert "clusterIP" not in registered["service-default/web"].inputs["spec"]


def test_names_and_owners_alone_print_no_notice():
    text = yaml.safe_dump({**plain("ConfigMap"), "metadata": {"name": "a\nb", "finalizers": ["x\ny"], "uid": "u"}})
    assert "\n" not in notice("web", [dropped(one) for one in parse_manifests(text)])


@pytest.mark.parametrize("wrong", [5, "text", [1], {"a": 1}, None])
def test_fields_of_wrong_types_do_not_crash(wrong):
    """The API server checks the content of a file; here a wrong type must only not end the run."""
    refused = (("metadata",), ("metadata", "labels"), ("metadata", "annotations"))  # the parser builds such values
    for row in ROWS:
        group, kind = (row.kinds or (("", "ConfigMap"),))[0]
        for path in {row.path[: length + 1] for length in range(len(row.path))} - {*refused}:
            body = wrong
            for step in reversed(path):
                body = [body] if step == "*" else {step: body}
            broken = obj(kind, f"{group}/v1" if group else "v1")
            broken |= {**body, "metadata": {**broken["metadata"], **body.get("metadata", {})}}
            cleaned(broken)
            dropped(broken)
