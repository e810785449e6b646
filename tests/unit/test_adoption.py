"""Objects that exist already are adopted by a stack: the plan, the writes of `up`, and the owners of the fields."""

import json

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.kubernetes_object import KubernetesObject
from flotilla.engine.adoption import NOTHING, Adoption, names_of, part_of
from flotilla.engine.stack import EmbeddedStack
from flotilla.plan.adoptions import changes_no_cluster
from flotilla.plan.steps import Op
from flotilla.providers.adoption import existing, taken_over
from flotilla.state.config import Project
from flotilla.state.diff import compare
from flotilla.state.values import UNKNOWN, UNKNOWN_TEXT, Secret
from tests.faults import FakeApi
from tests.faults.applied import owners, written

ALL = Adoption(asked=True)


def config_map(name="settings", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "annotations": {"pulumi.com/skipAwait": "true"}},
        "data": data,
    }


def existing_config_map(name="settings", manager="kubectl-client-side-apply", **data):
    obj = config_map(name, **data)
    obj["metadata"] = {"name": name, "namespace": "default", "labels": {"by": "somebody"}}
    return written(obj, manager)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run manifests as a stack on a fake API server: `run(api, "up", manifest, ..., adopt=ALL)`.

    A function in place of a manifest is called within the program, where outputs can be created.
    """
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    (tmp_path / "Pulumi.yaml").write_text("name: adopting\nruntime: python\n")

    def run(api, verb, *manifests, adopt=NOTHING, options=None, **arguments):
        def program():
            mutable = {"enable_config_map_mutable": True, "enable_secret_mutable": True}
            made = k8s.Provider("cluster", kubeconfig=api.kubeconfig, cluster_identifier="member1", **mutable)
            for one in manifests:
                manifest = one() if callable(one) else one
                name = manifest["metadata"]["name"]
                KubernetesObject(name, manifest, pulumi.ResourceOptions(provider=made, **(options or {})))

        stack = EmbeddedStack(Project.load(tmp_path), "test", tmp_path, program=program, adopt=adopt)
        return getattr(stack, verb)(**arguments)

    return run


def ops(result):
    return {step.name: str(step.op) for step in result.steps if step.type.startswith("kubernetes:")}


def changes(result):
    return {s.name: [(c.text, c.old, c.new) for c in s.changes] for s in result.steps if s.op is Op.ADOPT}


def stored_object(api, name="settings"):
    return api.find("v1", "ConfigMap", name, "default")


# -- plans ----------------------------------------------------------------------------------------


def test_existing_objects_are_all_listed_also_without_owners_or_with_unknown_values(run):
    """An account that was created without any field has no owner, and a Secret's data may be unknown in a preview."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "default"}}
    with FakeApi(existing_config_map(x="1"), account, existing_config_map("later", manager="karmadactl", y="1")) as api:
        later = config_map("later", y=UNKNOWN_TEXT)
        planned = run(api, "preview", config_map(x="1"), account, later, config_map("new"))
        assert planned.failures == planned.messages == []
        assert sorted((one.object, one.managers) for one in planned.there) == [
            ("ConfigMap default/later", ("karmadactl",)),
            ("ConfigMap default/settings", ("kubectl-client-side-apply",)),
            ("ServiceAccount default/a", ()),
        ]
        assert ops(planned) == dict.fromkeys(("settings", "a", "later", "new"), "create")


def test_autoscaler_annotation_is_no_difference(run):
    """Regression: a plan showed a template that a FederatedHPA scales, and its copies, as changed."""
    declared = config_map(x="1")
    declared["metadata"]["annotations"] |= {"flotilla.dev/scaled-by": "FederatedHPA web"}
    with FakeApi(existing_config_map(x="1")) as api:
        planned = run(api, "preview", declared, adopt=ALL)
        assert (ops(planned), changes(planned)) == ({"settings": "adopt"}, {"settings": []})


def test_adoption_without_differences_reports_no_changes(run):
    with FakeApi(existing_config_map(x="1")) as api:
        planned = run(api, "preview", config_map(x="1"), adopt=ALL)
        assert (ops(planned), changes(planned)) == ({"settings": "adopt"}, {"settings": []})
        assert changes_no_cluster(planned)
        assert planned.there == []
        (step,) = planned.changes[-1:]
        assert compare(step.old.inputs, step.new.inputs) == [], "marks for Pulumi are no difference"
        assert not changes_no_cluster(run(api, "preview", config_map(x="1"), config_map("new"), adopt=ALL))
        assert not changes_no_cluster(run(api, "preview", config_map(x="2"), adopt=ALL))
        assert not changes_no_cluster(run(api, "preview", config_map(x="1")))


def test_plan_shows_differences_and_leaves_fields_of_others(run):
    with FakeApi(existing_config_map(x="1", theirs="kept")) as api:
        planned = run(api, "preview", config_map(x="2", y="3"), adopt=ALL)
        assert changes(planned) == {"settings": [("data.x", "1", "2"), ("data.y", None, "3")]}
        assert stored_object(api)["data"] == {"x": "1", "theirs": "kept"}, "a preview changes nothing"


def test_unknown_value_counts_as_different(run):
    with FakeApi(existing_config_map(x="1", y="1")) as api:
        declared = config_map(x=UNKNOWN_TEXT, y="1")
        assert changes(run(api, "preview", declared, adopt=ALL)) == {"settings": [("data.x", "1", UNKNOWN)]}


def test_plan_shows_no_value_of_an_adopted_secret(run):
    old = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}
    with FakeApi(written({**old, "data": {"key": "aHVudGVyMg=="}}, "kubectl-create")) as api:
        planned = run(api, "preview", {**old, "data": {"key": "b3RoZXI="}}, adopt=ALL)
        ((text, was, now),) = changes(planned)["s"]
        assert (text, type(was), type(now)) == ("data.key", Secret, Secret)
        assert "hunter2" not in json.dumps([step.to_json() for step in planned.steps])
        assert "aHVudGVyMg" not in json.dumps([step.to_json() for step in planned.steps])


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_immutable_difference_is_refused_in_one_line_and_other_objects_are_adopted(run, verb):
    labels = {"matchLabels": {"app": "web"}}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}}
    declared = {**web, "spec": {"selector": {"matchLabels": {"app": "nginx"}}}}
    declared["metadata"] = {**web["metadata"], "annotations": {"pulumi.com/skipAwait": "true"}}
    with FakeApi(written({**web, "spec": {"selector": labels}}, "kubectl"), existing_config_map(x="1")) as api:
        api.refusals["Deployment", "web"] = 'Deployment.apps "web" is invalid: spec.selector: field is immutable'
        result = run(api, verb, declared, config_map(x="1"), adopt=ALL)
        (failure,) = result.failures
        assert (
            "fake: Deployment default/web can't be adopted: spec.selector.matchLabels.app is web there and nginx here"
            in (failure).replace("cluster: ", "fake: ")
        )
        assert ops(result)["settings"] == "adopt"
        assert api.find("apps/v1", "Deployment", "web", "default")["spec"]["selector"] == labels


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_refused_adoption_shows_neither_the_declared_nor_the_stored_secret(run, verb):
    def job(value, **annotations):
        pods = {"spec": {"containers": [{"name": "main", "env": [{"name": "PASSWORD", "value": value}]}]}}
        metadata = {"name": "job", "namespace": "default", "annotations": annotations}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": pods}}

    def declared():  # the secret is too short to be registered, so `redacted` leaves it in texts
        return job(pulumi.Output.secret("hunter2"), **{"pulumi.com/skipAwait": "true"})

    with FakeApi(written(job("their-own-password"), "kubectl-create")) as api:
        api.refusals["Job", "job"] = 'Job.batch "job" is invalid: spec.template: field is immutable'
        result = run(api, verb, declared, adopt=ALL)
        (failure,) = result.failures
        assert "env[0].value is [secret] there and [secret] here, which can't be changed" in failure
        assert "hunter2" not in failure
        assert "their-own-password" not in failure


@pytest.mark.parametrize(("uid", "refused"), [("a", False), ("b", True), (None, False), (UNKNOWN, False)])
def test_cluster_with_the_same_name_and_another_uid_is_refused(uid, refused):
    api = {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster"}
    stored_cluster = written({**api, "metadata": {"name": "member1", "uid": "1"}, "spec": {"id": "a"}}, "karmadactl")
    declared = {**api, "metadata": {"name": "member1"}, "spec": {"id": uid} if uid else {}}
    found = existing(stored_cluster, declared, None, "pulumi-kubernetes-x")
    assert bool(found.refusal) is refused
    assert not refused or "is another cluster (UID a) than the one that the kubeconfig leads to (UID b)" in str(
        found.refusal
    )


# -- writes ---------------------------------------------------------------------------------------


def test_adopted_object_is_owned_by_the_stack_and_keeps_its_uid(run):
    """A field that the stack no longer declares is removed; a field that it never declared stays with its owner."""
    with FakeApi(existing_config_map(x="1", dropped="1", theirs="kept")) as api:
        uid = stored_object(api)["metadata"]["uid"]
        planned = run(api, "preview", config_map(x="1", dropped="1"), adopt=ALL)
        done = run(api, "up", config_map(x="1", dropped="1"), adopt=ALL, plan=planned)
        assert (done.failures, ops(done)) == ([], {"settings": "adopt"})
        assert stored_object(api)["metadata"]["uid"] == uid
        (ours,) = owners(stored_object(api), "data", "x")
        assert ours.startswith("pulumi-kubernetes-")
        assert owners(stored_object(api), "data", "theirs") == {"kubectl-client-side-apply"}
        assert stored_object(api)["metadata"]["labels"] == {"by": "somebody"}
        assert run(api, "preview", config_map(x="1", dropped="1")).changes == []
        assert run(api, "preview", config_map(x="1", dropped="1"), adopt=ALL).changes == []
        assert run(api, "refresh", preview_only=True).changes == []
        assert run(api, "up", config_map(x="1")).failures == []
        assert stored_object(api)["data"] == {"x": "1", "theirs": "kept"}


def test_object_without_a_field_manager_is_owned_by_the_stack_alone(run):
    """The first apply makes `before-first-apply` an owner of every existing field."""
    bare = {**config_map(x="1", y="2"), "metadata": {"name": "settings", "namespace": "default"}}
    with FakeApi(bare) as api:
        assert run(api, "up", config_map(x="1", y="2"), adopt=ALL).failures == []
        assert run(api, "up", config_map(x="1")).failures == []
        assert stored_object(api)["data"] == {"x": "1"}


def test_state_after_an_adoption_equals_that_of_a_creation_and_marks_the_adoption(run, tmp_path):
    with FakeApi(existing_config_map(x="1")) as api:
        run(api, "up", config_map(x="1"), config_map("new", x="1"), adopt=ALL)
        run(api, "up", config_map(x="2"), config_map("new", x="1"))
        document = json.loads((tmp_path / ".pulumi/stacks/adopting/test.json").read_text())
        states = {r["urn"].rpartition("::")[2]: r for r in document["checkpoint"]["latest"]["resources"]}
        adopted, made = states["settings"], states["new"]
        assert adopted.keys() - made.keys() == {"importID"}
        assert adopted["outputs"].keys() == made["outputs"].keys()
        assert (adopted["id"], adopted["importID"]) == ("default/settings", "default/settings")
        assert adopted["inputs"]["data"] == {"x": "2"}


def test_only_named_objects_are_adopted(run):
    with FakeApi(existing_config_map(x="1"), existing_config_map("other", x="1")) as api:
        for name in ("other", "ConfigMap/other", "ConfigMap default/other"):
            planned = run(api, "preview", config_map(x="1"), config_map("other", x="1"), adopt=Adoption(True, (name,)))
            assert ops(planned) == {"settings": "create", "other": "adopt"}
            assert [one.object for one in planned.there] == ["ConfigMap default/settings"]
            assert planned.unmatched == ()
        assert run(api, "preview", config_map(x="1"), adopt=Adoption(True, ("othr",))).unmatched == ("othr",)


def test_adoption_is_refused_if_the_object_differs_from_the_plan(run):
    """The object changes between the plan and the run, or is replaced by another one."""
    with FakeApi(existing_config_map(x="1")) as api:
        shown = run(api, "preview", config_map(x="1"), adopt=ALL)
        api.put(existing_config_map(x="changed"))
        (failure,) = run(api, "up", config_map(x="1"), adopt=ALL, plan=shown).failures
        assert "data.x would change from changed, which is not what was shown" in failure
        shown = run(api, "preview", config_map(x="1"), adopt=ALL)
        api.take("v1", "ConfigMap", "settings", "default")
        api.put(existing_config_map(x="changed"))
        (failure,) = run(api, "up", config_map(x="1"), adopt=ALL, plan=shown).failures
        assert "another resource is in its place" in failure
        api.take("v1", "ConfigMap", "settings", "default")
        (failure,) = run(api, "up", config_map(x="1"), adopt=ALL, plan=shown).failures
        assert "does not create it" in failure


def test_up_without_adopt_refuses_existing_objects_and_names_the_option(run):
    with FakeApi(existing_config_map(x="1")) as api:
        (failure,) = run(api, "up", config_map(x="1")).failures
        assert "already exists and does not belong to this stack" in failure
        assert "flotilla up --adopt" in failure
        assert not any(owner.startswith("pulumi") for owner in owners(stored_object(api), "data", "x"))


def test_ignored_fields_keep_their_owner_and_value(run):
    """For example, an autoscaler owns the replicas: an adoption that set them would restart pods."""
    with FakeApi(existing_config_map(x="5", y="1")) as api:
        planned = run(api, "preview", config_map(x="1", y="1"), adopt=ALL, options={"ignore_changes": ["data.x"]})
        assert changes(planned) == {"settings": []}
        assert run(api, "up", config_map(x="1", y="1"), adopt=ALL, options={"ignore_changes": ["data.x"]}).failures == (
            []
        )
        assert stored_object(api)["data"]["x"] == "5"
        assert owners(stored_object(api), "data", "x") == {"kubectl-client-side-apply"}


# -- owners ---------------------------------------------------------------------------------------


def owned(manager, operation, *fields, **more):
    tree = {"f:data": {f"f:{field}": {} for field in fields}}
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": tree, **more}


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        (owned("kubectl-client-side-apply", "Update", "x"), []),
        (owned("karmadactl", "Update", "x", "z"), [owned("karmadactl", "Update", "z")]),
        (owned("kubectl", "Apply", "x"), []),
        (owned("pulumi-kubernetes-00000000", "Apply", "x"), []),
        (owned("before-first-apply", "Update", "x"), []),
        (owned("argocd-controller", "Apply", "x"), None),
        (owned("kube-controller-manager", "Update", "x", subresource="scale"), None),
        (owned("kubectl", "Update", "z"), None),
    ],
)
def test_adoption_takes_over_fields_of_these_managers(entry, left):
    live = {"metadata": {"managedFields": [entry]}}
    planned = {"metadata": {"managedFields": [entry, owned("ours", "Apply", "x", "y")]}}
    moved = taken_over(live, planned, "ours")
    assert moved == (None if left is None else [owned("ours", "Apply", "x"), *left])


def test_other_managers_that_apply_the_object_are_reported():
    for manager, said in (("argocd-controller", "argocd-controller applies it, too"), ("pulumi-kubernetes-1", "stack")):
        live = {**config_map(), "metadata": {**config_map()["metadata"], "managedFields": [owned(manager, "Apply")]}}
        assert said in existing(live, config_map(), None, "ours").note
    assert existing(existing_config_map(), config_map(), None, "ours").note == ""


# -- names ----------------------------------------------------------------------------------------


def test_resource_is_found_by_its_name_its_parents_name_or_its_objects_name():
    chain = [
        "urn:pulumi:s::p::flotilla:index:PushMember$kubernetes:core/v1:Secret::member1-token",
        "urn:pulumi:s::p::flotilla:index:PushMember::member1",
        "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s",
    ]
    assert part_of(chain) == "member1"
    names = names_of(chain, {"kind": "Secret", "metadata": Secret({"name": "t", "namespace": "n"})})
    assert names == ["member1-token", "member1", "Secret t", "Secret/t", "Secret n/t", "Secret/n/t"]
    assert names_of(chain, {"kind": "Secret", "metadata": UNKNOWN}) == ["member1-token", "member1"]
