"""Which objects follow a template by Karmada's propagateDeps, and into which clusters."""

import pytest

from flotilla.karmada.dependencies import (
    ABORT,
    OVERWRITE,
    Reference,
    Sender,
    following,
    references_of,
)
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import ObjectRef
from flotilla.plan.interpreters import interpreted_kinds

TEMPLATE = ("spec", "template", "spec")
KINDS = {
    ("v1", "Pod"): ("spec",),
    ("apps/v1", "Deployment"): TEMPLATE,
    ("apps/v1", "StatefulSet"): TEMPLATE,
    ("apps/v1", "DaemonSet"): TEMPLATE,
    ("batch/v1", "Job"): TEMPLATE,
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", *TEMPLATE),
    ("apps.kruise.io/v1alpha1", "CloneSet"): TEMPLATE,
}


def of_kind(kind, pod, path=TEMPLATE, **spec):
    body = pod
    for step in reversed(path[1:]):
        body = {step: body}
    return {
        "apiVersion": kind[0],
        "kind": kind[1],
        "metadata": {"name": "front", "namespace": "shop"},
        "spec": {**body, **spec},
    }


def deployment(pod):
    return of_kind(("apps/v1", "Deployment"), pod)


def named(template, version=SUPPORTED.newest):
    return {(one.kind, one.name) for one in references_of(template, version)}


def container(**what):
    return {"containers": [{"name": "a", **what}]}


POD = {
    "serviceAccountName": "runner",
    "imagePullSecrets": [{"name": "pull"}],
    "initContainers": [{"name": "i", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "init"}}}]}],
    "containers": [{"name": "a", "envFrom": [{"configMapRef": {"name": "common"}}]}],
    "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}],
}
FOUND = {
    ("ServiceAccount", "runner"),
    ("Secret", "pull"),
    ("Secret", "init"),
    ("ConfigMap", "common"),
    ("PersistentVolumeClaim", "disk"),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1])
def test_every_kind_with_a_pod_is_read(kind):
    template = of_kind(kind, POD, KINDS[kind])
    assert named(template) == named(template, SUPPORTED.oldest) == FOUND
    assert {one.namespace for one in references_of(template)} == {"shop"}


@pytest.mark.parametrize(
    ("pod", "found"),
    [
        (
            container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]),
            ("ConfigMap", "c"),
        ),
        (container(envFrom=[{"secretRef": {"name": "s"}}]), ("Secret", "s")),
        ({"ephemeralContainers": [{"name": "e", "envFrom": [{"secretRef": {"name": "s"}}]}]}, ("Secret", "s")),
        ({"volumes": [{"configMap": {"name": "c"}}]}, ("ConfigMap", "c")),
        ({"volumes": [{"secret": {"secretName": "s"}}]}, ("Secret", "s")),
        ({"volumes": [{"projected": {"sources": [{"configMap": {"name": "c"}}]}}]}, ("ConfigMap", "c")),
        ({"volumes": [{"projected": {"sources": [{"secret": {"name": "s"}}]}}]}, ("Secret", "s")),
        ({"volumes": [{"azureFile": {"secretName": "s", "shareName": "x"}}]}, ("Secret", "s")),
        ({"volumes": [{"csi": {"driver": "d", "nodePublishSecretRef": {"name": "s"}}}]}, ("Secret", "s")),
        ({"volumes": [{"cephfs": {"secretRef": {"name": "s"}}}]}, ("Secret", "s")),
        ({"volumes": [{"flexVolume": {"driver": "d", "secretRef": {"name": "s"}}}]}, ("Secret", "s")),
        ({"serviceAccount": "old"}, ("ServiceAccount", "old")),
    ],
)
def test_each_reference_in_a_pod_is_read(pod, found):
    assert named(deployment(pod)) == {found}


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"serviceAccountName": "default"},
        {"volumes": [{"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}, {"emptyDir": {}}]},
        container(env=[{"name": "A", "value": "b"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
        {"volumes": "a text", "containers": [None, 3], "imagePullSecrets": {"name": "odd"}},
    ],
)
def test_reference_without_a_name_is_no_dependency(pod):
    assert references_of(deployment(pod)) == ()


def test_claims_that_a_statefulset_creates_do_not_follow():
    template = of_kind(("apps/v1", "StatefulSet"), POD, volumeClaimTemplates=[{"metadata": {"name": "disk"}}])
    assert named(template) == FOUND - {("PersistentVolumeClaim", "disk")}


def test_dependency_is_optional_only_if_every_reference_is():
    one = {"name": "c", "optional": True}
    (reference,) = references_of(
        deployment({"volumes": [{"configMap": one}], **container(envFrom=[{"configMapRef": one}])})
    )
    assert reference.optional
    needed = {"volumes": [{"configMap": one}], **container(envFrom=[{"configMapRef": {"name": "c"}}])}
    (reference,) = references_of(deployment(needed))
    assert not reference.optional


def test_replica_sets_have_dependencies_since_1_16():
    template = of_kind(("apps/v1", "ReplicaSet"), POD)
    assert named(template, Version(1, 15)) == set()
    assert named(template, Version(1, 16)) == FOUND


def test_ingress_depends_on_its_certificate_secrets():
    template = of_kind(("networking.k8s.io/v1", "Ingress"), {}, tls=[{"secretName": "b"}, {"secretName": "a"}])
    assert references_of(template) == tuple(Reference("v1", "Secret", name, "shop") for name in "ab")


def test_service_import_depends_on_the_derived_service():
    template = of_kind(("multicluster.x-k8s.io/v1alpha1", "ServiceImport"), {})
    service, slices = references_of(template)[::-1] if references_of(template)[0].labels else references_of(template)
    assert str(service) == "Service shop/derived-front"
    assert slices.labels == (("kubernetes.io/service-name", "derived-front"),)


def test_dependencies_of_kinds_with_an_interpreter_are_not_guessed():
    """A script of Karmada or of the user decides about the dependencies of such a kind."""
    assert references_of(of_kind(("argoproj.io/v1alpha1", "Workflow"), {})) is None
    sidecars = of_kind(("apps.kruise.io/v1alpha1", "SidecarSet"), {})
    assert references_of(sidecars, Version(1, 14)) == ()
    assert references_of(sidecars, Version(1, 15)) is None
    customization = {
        "kind": "ResourceInterpreterCustomization",
        "spec": {
            "target": {"apiVersion": "apps/v1", "kind": "Deployment"},
            "customizations": {"dependencyInterpretation": {"luaScript": "..."}},
        },
    }
    interpreted = interpreted_kinds([customization, {"kind": "Deployment", "spec": None}], "dependencyInterpretation")
    assert interpreted == {("apps", "Deployment")}
    assert references_of(deployment(POD), interpreted=interpreted) is None


# -- target clusters ------------------------------------------------------------------------------

COMMON = Reference("v1", "ConfigMap", "common", "shop")


def sender(name, clusters, possible=(), resolution=ABORT, preserves=False, references=(COMMON,)):
    spec = {"conflictResolution": resolution, "preserveResourcesOnDeletion": preserves}
    return Sender.of(ObjectRef("apps/v1", "Deployment", name, "shop"), references, clusters, possible, spec)


def test_dependency_goes_to_the_clusters_of_all_its_users():
    (found,) = following([sender("front", ["m1"], ["m3"]), sender("back", ["m1", "m2"], ["m4", "m2"])])
    assert {name: [ref.name for ref in refs] for name, refs in found.clusters.items()} == {
        "m1": ["front", "back"],
        "m2": ["back"],
    }
    assert sorted(found.possible) == ["m3", "m4"]


@pytest.mark.parametrize(
    ("version", "resolution", "preserves"),
    [
        ((1, 10), ABORT, False),
        ((1, 11), ABORT, False),
        ((1, 12), "", None),
        ((1, 15), "", None),
        ((1, 16), OVERWRITE, True),
        ((1, 18), OVERWRITE, True),
    ],
)
def test_policy_that_wins_depends_on_the_version(version, resolution, preserves):
    users = [sender("front", ["m1"]), sender("back", ["m2"], resolution=OVERWRITE, preserves=True)]
    (found,) = following(users, Version(*version))
    assert (found.conflict_resolution, found.preserves) == (resolution, preserves)


def test_users_with_the_same_policy_are_certain_between_1_12_and_1_15():
    users = [sender(name, ["m1"], resolution=OVERWRITE) for name in ("front", "back")]
    (found,) = following(users, Version(1, 13))
    assert (found.conflict_resolution, found.preserves) == (OVERWRITE, False)


def test_empty_reference_has_no_followers():
    assert following([sender("front", ["m1"], references=(Reference("v1", "Secret", "", "shop"),))]) == []
