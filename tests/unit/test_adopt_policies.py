"""Policies and templates of a fleet become a stack, without running the program: random fleets and special cases."""

import base64
import json
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flotilla.adopt.written import as_written
from flotilla.karmada.propagation import override_policy, propagation_policy, template
from flotilla.karmada.selection import is_policy
from flotilla.karmada.versions import Version
from flotilla.kube.objects import copied, ref_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.specs import override_rules, propagation_spec
from tests.every_key import MEMBERS, NEWEST, declared, workloads_for
from tests.unit.adopting import (
    TAG,
    TO_FIRST,
    Adoption,
    cluster,
    comparable,
    declared_by,
    found_of,
    live,
    own,
    pods,
    policy,
    secret,
    with_both_zones,
)

CLUSTERS = [
    cluster(
        one["name"],
        labels=one["labels"],
        spec={key: one[key] for key in ("provider", "region", "zones")},
    )
    for one in MEMBERS
]
EVERY_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
LIMIT = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def adopted(project, objects, *, clusters=CLUSTERS, version=NEWEST, **more):
    return Adoption(project, found_of(live(objects, version=version), clusters), version=version, **more)


# -- random stacks, random fleets -------------------------------------------------------------------------------------


@st.composite
def own_workloads(draw):
    """Draw workloads with keys of the stack's model; return the objects that the stack declares for them."""
    version = draw(st.sampled_from(["1.10", "1.14", NEWEST]))
    known = [with_both_zones(one) for one in workloads_for(version) if one["name"] != "aimed"]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique_by=lambda one: one["name"]))
    objects = []
    for keys in chosen:
        namespace = draw(st.sampled_from(["shop", "back"]))
        manifests = [pods(f"{keys['name']}-{n}", namespace=namespace) for n in range(draw(st.integers(1, 3)))]
        if draw(st.booleans()):
            manifests.append(own("ConfigMap", "v1", keys["name"], namespace=namespace, data={"a": "1e3", "b": "yes\n"}))
        workload = declared({**keys, "name": keys["name"], "namespace": namespace})
        templates = [template(one) for one in draw(st.permutations(manifests))]
        spec, rules = propagation_spec(workload, Version.parse(version)), override_rules(workload)
        pair = {"namespace": namespace, "templates": templates}
        objects += [
            *templates,
            propagation_policy(keys["name"], spec=spec, **pair),
            override_policy(keys["name"], rules=rules, **pair),
        ]
    return version, objects


@LIMIT
@given(own_workloads())
def test_objects_of_a_stack_are_adopted_in_short_form_and_declared_the_same(drawn):
    version, objects = drawn
    with tempfile.TemporaryDirectory() as folder:
        adoption = adopted(folder, objects, version=version)
        assert declared_by(adoption) == comparable(objects)
        assert [one for one in adoption.workloads.values() if "placement" not in one] == []


LABELS = st.fixed_dictionaries({}, optional={"tier": st.sampled_from(["a", "b"])})


@st.composite
def fleets(draw):
    """Draw templates in two namespaces, and policies of all four kinds that select some of them."""
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True))
    templates = [pods(name, namespace=draw(st.sampled_from(["shop", "back"])), labels=draw(LABELS)) for name in names]
    selectors = st.one_of(
        st.just(EVERY_DEPLOYMENT),
        st.builds(lambda one: {**EVERY_DEPLOYMENT, "name": one}, st.sampled_from(names)),
        st.builds(
            lambda tier: {**EVERY_DEPLOYMENT, "labelSelector": {"matchLabels": {"tier": tier}}}, st.sampled_from("ab")
        ),
    )
    policies = {}
    for number in range(draw(st.integers(1, 5))):
        kind = draw(
            st.sampled_from(
                ["PropagationPolicy", "ClusterPropagationPolicy", "OverridePolicy", "ClusterOverridePolicy"]
            )
        )
        wide, sends = kind.startswith("Cluster"), kind.endswith("PropagationPolicy")
        spec = (
            {"placement": draw(st.sampled_from([TO_FIRST, {}])), "priority": draw(st.integers(0, 2))}
            if sends
            else {"overrideRules": [{"overriders": {"imageOverrider": [TAG]}}]}
        )
        made = policy(
            kind,
            draw(st.sampled_from(["one", "other.policy", f"p{number}"])),
            draw(st.lists(selectors, min_size=1 if sends else 0, max_size=2, unique_by=str)),
            namespace=None if wide else draw(st.sampled_from(["shop", "back"])),
            **spec,
        )
        policies.setdefault(str(ref_of(made)), made)
    return [*templates, *policies.values()]


@LIMIT
@given(fleets())
def test_each_selected_object_is_declared_unchanged_or_reported(objects):
    with tempfile.TemporaryDirectory() as folder:
        there = live(objects)
        adoption = Adoption(folder, found_of(there, CLUSTERS))
        now, wanted = declared_by(adoption), comparable(there)
        assert {key: wanted[key] for key in now} == now
        sent = {
            str(ref_of(one)) for one in there if not is_policy(one) and "permanent-id" in json.dumps(one["metadata"])
        }
        assert sent <= set(now), adoption.left_out
        idle = {str(ref_of(one)) for one in objects if is_policy(one)} - set(now)
        assert idle <= set(adoption.left_out)


# -- single cases ------------------------------------------------------------------------------------------------------


def test_server_defaults_are_left_out_where_kubectls_annotation_has_the_written_manifest(tmp_path):
    web = pods("web")
    (there, *_), extra = live([web, policy("PropagationPolicy", "web", [web])])[1:], {}
    full = copied(there)
    full["spec"] |= {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "replicas": 5, **extra}
    full["spec"]["template"]["spec"] |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
    full["spec"]["template"]["spec"]["containers"][0] |= {"imagePullPolicy": "IfNotPresent", "resources": {}}
    full["metadata"]["labels"]["added"] = "later"
    full["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json.dumps(web)
    adoption = Adoption(tmp_path, found_of([*live([policy("PropagationPolicy", "web", [web])]), full], CLUSTERS))
    (written,) = ManifestFiles(tmp_path).read("adopted/test/web/deployment-web.yaml")
    wanted = copied(web)
    wanted["spec"]["replicas"] = 5  # the annotation is out of date: the stored object counts
    wanted["metadata"]["labels"]["added"] = "later"
    assert written == wanted
    assert set(adoption.left_out) == {"Namespace shop"}


FIELDS = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}},
        },
    },
}


def test_unowned_fields_of_a_server_side_applied_object_are_left_out():
    web = pods("web")
    _, there = live([policy("PropagationPolicy", "web", [web]), web])
    full = copied(there)
    full["spec"] |= {"revisionHistoryLimit": 10, "paused": True}
    full["spec"]["template"]["spec"] |= {"dnsPolicy": "ClusterFirst"}
    full["spec"]["template"]["spec"]["containers"][0] |= {"imagePullPolicy": "IfNotPresent", "resources": {}}
    edit = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    apply = {"manager": "kubectl", "operation": "Apply", "fieldsV1": FIELDS}
    status = {"manager": "karmada", "subresource": "status", "fieldsV1": {"f:spec": {"f:revisionHistoryLimit": {}}}}
    full["metadata"]["managedFields"] = [apply, edit, status]
    assert as_written(full)["spec"] == {**web["spec"], "paused": True}
    full["metadata"]["managedFields"] = [{"manager": "x", "fieldsV1": {"f:spec": {"f:template": {"k:no JSON": {}}}}}]
    assert as_written(full)["metadata"]["name"] == "web"


def texts(folder):
    return "".join(file.read_text() for file in folder.rglob("*.yaml"))


def test_secrets_are_encrypted_and_never_written_in_clear_text(tmp_path):
    web, login = pods("web"), secret("login", {"password": "hunter2-of-login"}, type="kubernetes.io/basic-auth")
    login["data"]["binary"] = base64.b64encode(b"\xff\x00hunter2").decode()
    objects = [web, login, policy("PropagationPolicy", "web", [web, login])]
    adoption = adopted(tmp_path, objects)
    assert declared_by(adoption) == comparable(live(objects))
    (entry,) = adoption.workloads["web"]["secrets"]
    assert (entry["name"], entry["type"], sorted(entry["stringData"]), sorted(entry["data"])) == (
        "login",
        "kubernetes.io/basic-auth",
        ["password"],
        ["binary"],
    )
    everything = texts(tmp_path / "adopted") + adoption.adopted.stack_text(salt="v1:salt") + json.dumps(adoption.report)
    for value in ("hunter2-of-login", *login["data"].values()):
        assert value not in everything
    assert "encryptionsalt: v1:salt" in adoption.adopted.stack_text(salt="v1:salt")


def test_secrets_are_left_out_without_a_passphrase_and_the_report_has_the_remedy(tmp_path):
    web, login = pods("web"), secret("login", {"password": "hunter2"})
    adoption = adopted(tmp_path, [web, login, policy("PropagationPolicy", "web", [web, login])], sealed=False)
    assert "secrets" not in adoption.workloads["web"]
    assert "PULUMI_CONFIG_PASSPHRASE" in adoption.left_out["Secret shop/login"]
    assert "Secret shop/login" not in declared_by(adoption)


def test_policy_that_sets_values_of_a_secret_is_never_written(tmp_path):
    web, login = pods("web"), secret("login", {"password": "hunter2"})
    patch = {"path": "/data/password", "operator": "replace", "value": "aHVudGVyMw=="}
    objects = [
        web,
        login,
        policy("PropagationPolicy", "web", [web, login]),
        policy("OverridePolicy", "everything", [], overrideRules=[{"overriders": {"plaintext": [patch]}}]),
    ]
    adoption = adopted(tmp_path, objects)
    assert "clear text" in adoption.left_out["OverridePolicy shop/everything"]
    assert "aHVudGVyMw" not in texts(tmp_path / "adopted")
    assert "PropagationPolicy shop/web" in declared_by(adoption)


def test_secrets_of_a_policy_of_their_own_are_added_to_a_workload_of_their_namespace(tmp_path):
    web, login = pods("web"), secret("login", {"password": "hunter2"})
    objects = [web, login, policy("PropagationPolicy", "web", [web]), policy("PropagationPolicy", "logins", [login])]
    assert declared_by(adopted(tmp_path, objects)) == comparable(live(objects))


def test_secrets_without_any_workload_are_left_out(tmp_path):
    login = secret("login", {"password": "hunter2"})
    adoption = adopted(tmp_path, [login, policy("PropagationPolicy", "logins", [login])])
    assert adoption.workloads == {}
    assert "needs a manifest" in adoption.left_out["Secret shop/login"]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({"namespaces": ["back"]}, {"db"}),
        ({"labels": {"matchLabels": {"team": "red"}}}, {"web"}),
        ({"policies": ["db"]}, {"db"}),
        ({"policies": ["shop/web"]}, {"web"}),
        ({}, {"db", "web"}),
    ],
)
def test_objects_are_chosen_by_namespace_labels_or_policy(tmp_path, selection, names):
    web, db = pods("web", labels={"team": "red"}), pods("db", namespace="back")
    objects = [web, db, policy("PropagationPolicy", "web", [web])]
    objects.append(policy("PropagationPolicy", "db", [db], namespace="back"))
    adoption = adopted(tmp_path, objects, **selection)
    assert set(adoption.workloads) == names
    assert [what for what in adoption.left_out if not what.startswith("Namespace ")] == []


def test_policy_that_is_adopted_in_part_is_reported(tmp_path):
    objects = [*(pods(name) for name in "ab"), policy("PropagationPolicy", "both", [EVERY_DEPLOYMENT])]
    adoption = adopted(tmp_path, objects, labels={"matchLabels": {"app": "a"}})
    assert any("PropagationPolicy shop/both: sends 1 more object" in note for note in adoption.report["notes"])


def test_members_are_chosen_by_name_and_what_needs_other_members_is_left_out(tmp_path):
    web, db = pods("web"), pods("db")
    objects = [
        web,
        db,
        policy("PropagationPolicy", "web", [web], placement=TO_FIRST),
        policy("PropagationPolicy", "db", [db], placement={"clusterAffinity": {"clusterNames": ["member2"]}}),
    ]
    adoption = adopted(tmp_path, objects, members=["member1"])
    assert [one["name"] for one in adoption.sections["members"]] == ["member1"]
    assert set(adoption.workloads) == {"web"}
    (reason,) = [reason for what, reason in adoption.left_out.items() if what.startswith("workload db")]
    assert reason.endswith("policies (PropagationPolicy shop/db): chooses no member of this stack")


def test_suspicious_objects_are_reported(tmp_path):
    web, lone, lost, bare = pods("web"), pods("lone"), pods("lost"), own("ConfigMap", "v1", "bare", data={})
    needed = own("ConfigMap", "v1", "needed", data={})
    every = [own("ConfigMap", "v1", "kube-root-ca.crt", data={}), pods("elsewhere", namespace="other")]
    objects = live(
        [
            web,
            lone,
            bare,
            needed,
            *every,
            policy("PropagationPolicy", "web", [web], placement={"clusterAffinity": {"clusterNames": ["gone"]}}),
            policy("ClusterPropagationPolicy", "all", [{**EVERY_DEPLOYMENT, "name": "web"}], namespace=None),
        ]
    )
    lost["metadata"]["labels"]["propagationpolicy.karmada.io/permanent-id"] = "of-nobody"
    resource = {"apiVersion": "v1", "kind": "ConfigMap", "name": "needed", "namespace": "shop"}
    bindings = ({"spec": {"resource": resource, "requiredBy": [{"name": "web-deployment"}]}},)
    clusters = [cluster("member1"), cluster("member2", ready=False)]
    adoption = Adoption(tmp_path, found_of([*objects, lost], clusters, bindings=bindings))
    assert adoption.rules == {
        ("member-not-ready", "Cluster member2"),
        ("competing-policies", "Deployment shop/web"),
        ("unknown-cluster", "PropagationPolicy shop/web"),
        ("template-unclaimed", "Deployment shop/lone"),
        ("template-unclaimed", "ConfigMap shop/bare"),
        ("claim-lost", "Deployment shop/lost"),
    }
    assert "sends it along" in adoption.left_out["ConfigMap shop/needed"]


def test_dependencies_of_propagate_deps_are_in_the_workload_that_needs_them(tmp_path):
    web, config, login = pods("web"), own("ConfigMap", "v1", "settings", data={"a": "b"}), secret("login", {"p": "q"})
    sources = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "login"}}]
    web["spec"]["template"]["spec"]["containers"][0]["envFrom"] = sources
    objects = live([web, config, login, policy("PropagationPolicy", "web", [web], propagateDeps=True)])
    needed = [{"spec": {"resource": own_reference(one), "requiredBy": [{"name": "x"}]}} for one in (config, login)]
    adoption = Adoption(tmp_path, found_of(objects, CLUSTERS, bindings=tuple(needed)))
    assert declared_by(adoption) == comparable(objects)
    assert set(adoption.workloads) == {"web"}


def own_reference(obj):
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **obj["metadata"]}


def test_policy_that_selects_nothing_is_left_out(tmp_path):
    web = pods("web")
    idle = policy("PropagationPolicy", "idle", [{**EVERY_DEPLOYMENT, "name": "nowhere"}])
    adoption = adopted(tmp_path, [web, idle, policy("PropagationPolicy", "web", [web])])
    assert adoption.left_out["PropagationPolicy shop/idle"] == "it selects no existing object"


def test_object_that_validate_would_refuse_is_left_out_with_the_reason(tmp_path):
    web = pods("web")
    again = {"ttlSecondsAfterFinished": 5, "workloads": []}
    rebalancer = own("WorkloadRebalancer", "apps.karmada.io/v1alpha1", "again", namespace=None, spec=again)
    adoption = adopted(tmp_path, [web, rebalancer, policy("PropagationPolicy", "web", [web])])
    assert "ttlSecondsAfterFinished" in adoption.left_out["WorkloadRebalancer again"]
    assert "objects" not in adoption.sections
    assert set(adoption.workloads) == {"web"}


def test_secrets_keep_the_labels_and_annotations_by_which_a_policy_selects_them(tmp_path):
    """Regression: a Secret selected by its labels was left out, and with it the policy's whole workload."""
    login = secret("login", {"password": "hunter2"}, immutable=True)
    login["metadata"] |= {"labels": {"part": "web"}, "annotations": {"owner": "platform"}}
    selector = {"apiVersion": "v1", "kind": "Secret", "labelSelector": {"matchLabels": {"part": "web"}}}
    web = policy("PropagationPolicy", "web", [pods("web"), selector], placement=TO_FIRST)
    adoption = Adoption(tmp_path, found_of(live([pods("web"), login, web]), [cluster("member1")]))
    (entry,) = adoption.workloads["web"]["secrets"]
    assert (entry["labels"], entry["annotations"], entry["immutable"]) == ({"part": "web"}, {"owner": "platform"}, True)
    assert declared_by(adoption)[str(ref_of(login))] == comparable([login])[str(ref_of(login))]
    assert "login" not in str(adoption.left_out)
