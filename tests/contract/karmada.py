"""The behaviour of Karmada on which Flotilla depends, one case for each documented rule.

The cases run unchanged on real Karmada and on the stand-in. Each names its source: a page of Karmada's documentation
(docs: ...), a recording of a real control plane (recorded: ...), or a rule of this project (ours: ...).
"""

import base64
import time
import uuid

import pytest

from flotilla.karmada.joining import join
from flotilla.karmada.names import CLUSTER_NAMESPACE, execution_namespace
from flotilla.karmada.objects import CLUSTER_API, POLICY_API, Cluster
from flotilla.karmada.propagation import deployment
from flotilla.karmada.status.snapshot import binding_ref
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.objects import ObjectRef, condition, is_true, ref_of
from flotilla.stack.overrides import Override
from flotilla.stack.specs import override_rule

MANAGER = "contract"
MEMBERS = ("member1", "member2")


def eventually(check, *, seconds=40, problem="not in time"):
    """Call `check` until it returns a true value, and return that; fail with `problem` after the time."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, problem
        time.sleep(0.2)


def await_gone(connection, ref, *, seconds=90):
    eventually(lambda: connection.find(ref) is None, seconds=seconds, problem=f"{ref} stays")


def require_newest(karmada):
    """Skip a case whose fields or outcome only the newest supported Karmada has."""
    if Version.parse(karmada.fleet.version) < SUPPORTED.newest:
        pytest.skip(
            f"a case of Karmada {SUPPORTED.newest.major}.{SUPPORTED.newest.minor}; this one is {karmada.fleet.version}"
        )


class Karmada:
    """A control plane with joined members, and helpers to create objects in it."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.api = fleet.connection("karmada")
        self.members = {name: fleet.connection(name) for name in MEMBERS}

    def join(self, name, *, token=None, endpoint=None, authority=None, cluster_id=None):
        member = self.fleet.connection(name)
        account = join.controller_account(name)
        for obj in (
            join.namespace(),
            join.service_account(account),
            join.service_account(join.IMPERSONATOR),
            join.cluster_role(name),
            join.cluster_role_binding(name),
            join.token_secret(account),
            join.token_secret(join.IMPERSONATOR),
        ):
            member.apply(obj, field_manager=MANAGER, force=True)

        def data(secret):
            ref = ObjectRef("v1", "Secret", secret, "karmada-cluster")
            return eventually(lambda: {**(member.get(ref).get("data") or {})})

        given, impersonator = data(account), data(join.IMPERSONATOR)
        encoded = base64.b64encode(token.encode()).decode() if token else given["token"]
        for obj in (
            join.credentials(name, {"token": encoded, "caBundle": authority or given["ca.crt"]}),
            join.impersonator_credentials(name, {"token": impersonator["token"]}),
            join.cluster(
                name,
                cluster_id=cluster_id or member.get(ObjectRef("v1", "Namespace", "kube-system"))["metadata"]["uid"],
                api_endpoint=endpoint or member.server,
                labels={"site": "edge" if name == "member2" else "core"},
            ),
        ):
            self.api.apply(obj, field_manager=MANAGER, force=True)

    def cluster(self, name):
        found = self.api.find(ObjectRef(CLUSTER_API, "Cluster", name))
        return Cluster.read(found) if found else None

    def leave(self, name):
        self.api.delete(ObjectRef(CLUSTER_API, "Cluster", name))
        eventually(lambda: self.cluster(name) is None, seconds=90)
        for secret in (name, f"{name}-impersonator"):
            self.api.delete(ObjectRef("v1", "Secret", secret, "karmada-cluster"))
        member = self.fleet.connection(name)
        for obj in (join.cluster_role_binding(name), join.cluster_role(name), join.namespace()):
            member.delete(ref_of(obj))
        eventually(lambda: member.find(ref_of(join.namespace())) is None)

    def make(self, obj):
        return self.api.apply(obj, field_manager=MANAGER, force=True)

    def policy(self, name, namespace, selectors, placement, **spec):
        return self.make(
            {
                "apiVersion": POLICY_API,
                "kind": "PropagationPolicy",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"resourceSelectors": selectors, "placement": placement, **spec},
            }
        )

    def in_member(self, member, ref):
        return self.members[member].find(ref)


@pytest.fixture(scope="module")
def karmada(fleet):
    made = Karmada(fleet)
    for name in MEMBERS:
        made.join(name)
    for name in MEMBERS:
        eventually(lambda name=name: made.cluster(name).ready)
    yield made
    for name in MEMBERS:
        made.leave(name)


@pytest.fixture
def namespace(karmada):
    """A namespace for one case; Karmada sends it to the members."""
    name = f"case-{uuid.uuid4().hex[:6]}"
    karmada.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for member in MEMBERS:
        eventually(lambda member=member: karmada.in_member(member, ObjectRef("v1", "Namespace", name)))
    yield name
    karmada.api.delete(ObjectRef("v1", "Namespace", name), propagation="Background")


def web(namespace, replicas=2, name="web"):
    return deployment(
        name, namespace=namespace, image="nginx:1.27", replicas=replicas, ports=[], env={}, resources=None, labels={}
    )


def selector(obj):
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]}


def bound(karmada, obj):
    """Return the clusters in the binding of an object, with their replicas."""
    found = karmada.api.find(binding_ref(ref_of(obj)))
    return {c["name"]: c.get("replicas") for c in (found or {}).get("spec", {}).get("clusters") or []}


def reported(karmada, obj):
    """Return the clusters whose status of an object has reached Karmada: only then Karmada surely knows that copy."""
    found = karmada.api.find(binding_ref(ref_of(obj)))
    items = (found or {}).get("status", {}).get("aggregatedStatus") or []
    return {item["clusterName"] for item in items if item.get("status")}


def test_a_joined_member_becomes_ready_and_reports_its_nodes(karmada):
    """recorded: clusters"""
    cluster = karmada.cluster("member1")
    assert cluster.status.kubernetes_version.startswith("v1.")
    assert (cluster.status.node_summary.ready_num, cluster.status.node_summary.total_num) == (3, 3)
    assert "karmada.io/cluster-controller" in cluster.metadata.finalizers
    assert karmada.api.find(ObjectRef("v1", "Namespace", execution_namespace("member1")))


@pytest.mark.parametrize("wrong", ["token", "endpoint", "authority"])
def test_a_member_with_a_wrong_token_endpoint_or_authority_is_not_ready_and_has_a_reason(karmada, third_member, wrong):
    """docs: administrator guide, cluster registration"""
    others = karmada.members["member1"].get(
        ObjectRef("v1", "Secret", join.controller_account("member1"), CLUSTER_NAMESPACE)
    )
    values = {"token": "wrong", "endpoint": "https://127.0.0.1:1", "authority": others["data"]["ca.crt"]}
    karmada.join("member3", cluster_id=str(uuid.uuid4()), **{wrong: values[wrong]})
    try:

        def refused():
            found = karmada.cluster("member3").condition("Ready")
            return found if found and found.status != "True" and found.reason else None

        eventually(refused, seconds=150)
        taints = ObjectRef(CLUSTER_API, "Cluster", "member3")
        eventually(
            lambda: [
                taint
                for taint in karmada.api.get(taints)["spec"].get("taints") or []
                if (taint["key"], taint["effect"]) == ("cluster.karmada.io/not-ready", "NoSchedule")
            ],
            seconds=60,
        )
    finally:
        karmada.leave("member3")


def test_a_policy_gets_default_values_and_a_permanent_id(karmada, namespace):
    """recorded: duplicated-both, propagationpolicies"""
    template = web(namespace)
    made = karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": {"clusterNames": ["member1"]}})
    ref = ref_of(made)
    spec = karmada.api.get(ref)["spec"]
    assert (spec["priority"], spec["preemption"], spec["conflictResolution"]) == (0, "Never", "Abort")
    key = "propagationpolicy.karmada.io/permanent-id"
    assert eventually(lambda: (karmada.api.get(ref)["metadata"].get("labels") or {}).get(key))


def test_duplicated_scheduling_runs_all_replicas_in_every_cluster(karmada, namespace):
    """recorded: duplicated-both"""
    template = karmada.make(web(namespace))
    karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": {"clusterNames": list(MEMBERS)}})
    for member in MEMBERS:
        eventually(
            lambda member=member: (
                (karmada.in_member(member, ref_of(template)) or {}).get("status", {}).get("readyReplicas") == 2
            )
        )
    found = binding_ref(ref_of(template))
    eventually(lambda: is_true(karmada.api.get(found), "FullyApplied"))
    assert is_true(karmada.api.get(found), "Scheduled")
    eventually(lambda: karmada.api.get(ref_of(template)).get("status", {}).get("readyReplicas") == 4)


def test_divided_scheduling_rounds_replicas_as_karmada_does(karmada, namespace):
    """recorded: divided-weighted-2-1-replicas-7"""
    template = karmada.make(web(namespace, replicas=7))
    weights = [
        {"targetCluster": {"clusterNames": ["member1"]}, "weight": 2},
        {"targetCluster": {"clusterNames": ["member2"]}, "weight": 1},
    ]
    karmada.policy(
        "p",
        namespace,
        [selector(template)],
        {
            "clusterAffinity": {"clusterNames": list(MEMBERS)},
            "replicaScheduling": {
                "replicaSchedulingType": "Divided",
                "replicaDivisionPreference": "Weighted",
                "weightPreference": {"staticWeightList": weights},
            },
        },
    )
    eventually(lambda: bound(karmada, template) == {"member1": 5, "member2": 2})
    eventually(lambda: (karmada.in_member("member2", ref_of(template)) or {}).get("spec", {}).get("replicas") == 2)


@pytest.mark.parametrize(
    ("affinity", "chosen"),
    [
        ({"labelSelector": {"matchLabels": {"site": "edge"}}}, {"member2"}),
        ({"exclude": ["member2"]}, {"member1"}),
        ({}, {"member1", "member2"}),
    ],
)
def test_a_cluster_affinity_chooses_clusters(karmada, namespace, affinity, chosen):
    """docs: user guide, propagation policy, clusterAffinity"""
    template = karmada.make(web(namespace))
    karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": affinity})
    eventually(lambda: set(bound(karmada, template)) == chosen)


def test_a_policy_selects_templates_by_label(karmada, namespace):
    """docs: user guide, propagation policy, resourceSelectors"""
    template = karmada.make(web(namespace))
    labels = {"matchLabels": {"app.kubernetes.io/name": "web"}}
    karmada.policy(
        "p",
        namespace,
        [{"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": labels}],
        {"clusterAffinity": {"clusterNames": ["member1"]}},
    )
    eventually(lambda: set(bound(karmada, template)) == {"member1"})


def test_a_placement_without_a_matching_cluster_is_reported_as_not_scheduled(karmada, namespace):
    """docs: user guide, scheduling"""
    template = karmada.make(web(namespace))
    karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": {"clusterNames": ["nowhere"]}})

    def refused():
        found = karmada.api.find(binding_ref(ref_of(template)))
        output = condition(found, "Scheduled") if found else None
        return output and output["status"] == "False"

    eventually(refused)


def test_the_policy_with_the_higher_priority_applies(karmada, namespace):
    """docs: user guide, propagation policy, configure PropagationPolicy priority"""
    template = web(namespace)
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "namespace": namespace}}
    for name, priority, member, selected in (
        ("low", 1, "member1", [template]),
        ("high", 2, "member2", [template, probe]),
    ):
        karmada.policy(
            name,
            namespace,
            [selector(one) for one in selected],
            {"clusterAffinity": {"clusterNames": [member]}},
            priority=priority,
        )
    # Karmada must know the policy before it schedules the template: the probe shows that it does.
    karmada.make(probe)
    eventually(lambda: bound(karmada, probe))
    karmada.make(template)
    eventually(lambda: set(bound(karmada, template)) == {"member2"})


def test_an_override_changes_the_copy_of_its_cluster_only(karmada, namespace):
    """recorded: override-member2"""
    template = karmada.make(web(namespace))
    override = {
        "clusters": ["member2"],
        "image": {"tag": "1.28"},
        "command": ["nginx"],
        "args": ["-q"],
        "labels": {"site": "edge"},
        "annotations": {"by": "override"},
        "patches": [{"path": "/spec/minReadySeconds", "op": "add", "value": 1}],
    }
    rule = override_rule(Override.model_validate(override), container="web")
    karmada.make(
        {
            "apiVersion": POLICY_API,
            "kind": "OverridePolicy",
            "metadata": {"name": "o", "namespace": namespace},
            "spec": {"resourceSelectors": [selector(template)], "overrideRules": [rule]},
        }
    )
    karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": {"clusterNames": list(MEMBERS)}})
    changed = eventually(lambda: karmada.in_member("member2", ref_of(template)))
    container = changed["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["command"], container["args"]) == ("nginx:1.28", ["nginx"], ["-q"])
    assert changed["metadata"]["labels"]["site"] == "edge"
    assert changed["metadata"]["annotations"]["by"] == "override"
    assert changed["spec"]["minReadySeconds"] == 1
    plain = eventually(lambda: karmada.in_member("member1", ref_of(template)))
    assert plain["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27"


def test_karmada_reverts_a_manual_change_in_a_member(karmada, namespace):
    """docs: user guide, work: members follow the control plane"""
    template = karmada.make(web(namespace))
    karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": {"clusterNames": ["member1"]}})
    eventually(lambda: karmada.in_member("member1", ref_of(template)))
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:kubectl-edit"}]
    karmada.members["member1"].patch(ref_of(template), image, kind="json")

    def stored():
        found = karmada.in_member("member1", ref_of(template))
        return found["spec"]["template"]["spec"]["containers"][0]["image"]

    eventually(lambda: stored() == "nginx:1.27")


def test_a_copy_is_deleted_in_a_cluster_that_leaves_the_placement(karmada, namespace):
    """docs: user guide, propagation policy: changing the placement"""
    template = karmada.make(web(namespace))
    for members in (list(MEMBERS), ["member1"]):
        karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": {"clusterNames": members}})
        eventually(lambda members=members: set(bound(karmada, template)) == set(members))
        # Karmada deletes only objects that are in its cache of the member. If the Work is deleted before the cache has
        # the object, the object stays. `up` waits for the reported status, too, so it is never that early.
        eventually(lambda members=members: reported(karmada, template) == set(members))
    eventually(lambda: karmada.in_member("member2", ref_of(template)) is None)
    assert karmada.in_member("member1", ref_of(template))


def test_copies_are_deleted_with_their_template(karmada, namespace):
    """docs: user guide, works follow their template"""
    template = karmada.make(web(namespace))
    karmada.policy("p", namespace, [selector(template)], {"clusterAffinity": {"clusterNames": list(MEMBERS)}})
    eventually(lambda: reported(karmada, template) == set(MEMBERS))
    karmada.api.delete(ref_of(template), propagation="Foreground")
    for member in MEMBERS:
        eventually(lambda member=member: karmada.in_member(member, ref_of(template)) is None)


@pytest.mark.parametrize("resolution", ["Abort", "Overwrite"])
def test_an_existing_object_of_a_member_is_kept_by_abort_and_changed_by_overwrite(karmada, namespace, resolution):
    """docs: user guide, propagation policy, conflictResolution"""
    template = web(namespace)
    theirs = web(namespace, replicas=1)
    theirs["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:theirs"
    karmada.members["member1"].apply(theirs, field_manager="theirs")
    karmada.make(template)
    karmada.policy(
        "p",
        namespace,
        [selector(template)],
        {"clusterAffinity": {"clusterNames": ["member1"]}},
        conflictResolution=resolution,
    )

    def report():
        found = karmada.api.find(binding_ref(ref_of(template))) or {}
        items = (found.get("status") or {}).get("aggregatedStatus") or []
        return items[0] if items else None

    if resolution == "Abort":
        eventually(lambda: "already exist" in (report() or {}).get("appliedMessage", ""))
        image = karmada.in_member("member1", ref_of(template))["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == "nginx:theirs"
    else:
        eventually(lambda: (report() or {}).get("applied"))

        def image():
            stored = karmada.in_member("member1", ref_of(template))
            return stored["spec"]["template"]["spec"]["containers"][0]["image"]

        eventually(lambda: image() == "nginx:1.27")


def test_kubeconfigs_are_readable_only_by_their_owner(fleet):
    """ours: only the owner of a sandbox may read its credentials"""
    for file in fleet.kubeconfigs.glob("*.yaml"):
        assert file.stat().st_mode & 0o077 == 0
        assert kubeconfigs.server(kubeconfigs.load(file.read_text())).startswith("https://127.0.0.1:")
