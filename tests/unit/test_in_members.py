"""Objects that members already have before a plan sends them: read, compared, reported, and left out of an `up`."""

import json

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.kubernetes_object import KubernetesObject
from flotilla.agent.bounds import PagedArguments
from flotilla.agent.judging import plan_answer
from flotilla.agent.planning import Planned
from flotilla.cli.output import Output, plan_document
from flotilla.deploy import in_members
from flotilla.deploy.in_members import access_in, previewed
from flotilla.deploy.interface import EngineName, Setting
from flotilla.engine.stack import EmbeddedStack
from flotilla.errors import ClusterError
from flotilla.karmada.rendering.retaining import written_over
from flotilla.kube.connection import ApiError, KindNotServed
from flotilla.kube.objects import ref_of
from flotilla.kube.several import find_several
from flotilla.observe.access import FleetAccess
from flotilla.plan.coming import Coming
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.rollouts import ROLLOUT_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.report.build import plan_report
from flotilla.report.html import html
from flotilla.state.checkpoint import ResourceState
from flotilla.state.config import Project
from flotilla.state.values import UNKNOWN, Secret
from tests.faults import FakeApi

WORKLOAD = "urn:pulumi:dev::p::flotilla:index:PropagatedWorkload::web"
POLICY = "kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy"
BOTH = ("member1", "member2")


def web(replicas=2, image="web:1", selector=("app",), **metadata):
    labels = dict.fromkeys(("app", *selector), "web")
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": dict.fromkeys(selector, "web")}, "template": pods}
    meta = {"name": "web", "namespace": "default", **metadata}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def config(name="settings", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


def by(obj, manager="kubectl-client-side-apply", **metadata):
    fields = [
        {"manager": manager, "operation": "Update"},
        {"manager": "kube-controller-manager", "subresource": "status"},
    ]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": fields, "resourceVersion": "7", **metadata}}


class Member:
    """A member with some objects. It performs dry runs, refuses them with `refusing`, or doesn't answer."""

    def __init__(self, *objects, refusing=None, broken=None, name="member1"):
        self.objects = {ref_of(one): one for one in objects}
        self.refusing, self.broken, self.name = refusing, broken, name
        self.asked = []

    def find(self, ref):
        self.asked.append(f"GET {ref}")
        if self.broken:
            raise self.broken
        if ref.kind == "Widget":
            raise KindNotServed("no such kind", status=404)
        return self.objects.get(ref)

    def list(self, api_version, kind, *, namespace=None):
        self.asked.append(f"LIST {kind} {namespace}")
        return [one for ref, one in self.objects.items() if (ref.api_version, ref.kind) == (api_version, kind)]

    def replace(self, obj, *, field_manager, dry_run=False):
        assert dry_run, "a preview writes nothing"
        assert field_manager == "flotilla"
        self.asked.append(f"PUT {ref_of(obj)}")
        if self.refusing:
            raise self.refusing
        return obj


def copy_to_send(item, resolution="Abort", cluster="member1", workload="web"):
    return Coming(cluster, workload, WORKLOAD, item, resolution)


def ask_members(*sent, **members):
    """Ask members for the objects that a plan sends to them.

    Return the existing objects and the members that were not asked.
    """
    access = FleetAccess(Member(), dict)
    access._members.update(members)
    return in_members.in_members(sent, access, {})


def one(sent, member, resolution="Abort"):
    ((found,), unasked) = ask_members(copy_to_send(sent, resolution), member1=member)
    assert unasked == {}
    return found


def refused(status, message="no"):
    return ApiError(message, status=status)


# -- reads ------------------------------------------------------------------------------------------------------------


def test_few_objects_are_read_singly_and_many_by_one_list():
    member = Member(config("a"), config("c"), web())
    refs = [ref_of(config(name)) for name in "abc"] + [ref_of(web())]
    assert set(find_several(member, refs)) == {ref_of(config("a")), ref_of(config("c")), ref_of(web())}
    assert member.asked == ["GET Deployment default/web", "LIST ConfigMap default"]
    widget = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}}
    assert find_several(member, [ref_of(widget)]) == {}


def test_member_is_asked_only_for_its_own_objects_and_once_for_existing_ones():
    first, second = Member(by(web())), Member(name="member2")
    sent = (copy_to_send(web()), copy_to_send(config()), copy_to_send(web(), cluster="member2"))
    found, unasked = ask_members(*sent, member1=first, member2=second)
    assert [(o.cluster, o.object) for o in found] == [("member1", "Deployment default/web")]
    assert unasked == {}
    assert first.asked == ["GET Deployment default/web", "GET ConfigMap default/settings", "PUT Deployment default/web"]
    assert second.asked == ["GET Deployment default/web"]


def test_broken_member_is_named_and_the_others_are_asked():
    broken = Member(name="member2", broken=ClusterError("member2: no answer"))
    sent = [copy_to_send(web(), cluster=name) for name in BOTH]
    found, unasked = ask_members(*sent, member1=Member(by(web())), member2=broken)
    assert [o.cluster for o in found] == ["member1"]
    assert unasked == {"member2": "member2: no answer"}
    silent = in_members.in_members(sent[:1], FleetAccess(Member(), dict), {"member1": "it is off"})
    assert silent == ((), {"member1": "it is off"})
    assert in_members.in_members(sent[:1], None, {})[1]["member1"].startswith("this engine hides")


def test_object_created_by_karmada_is_not_reported():
    assert ask_members(copy_to_send(web()), member1=Member(by(web(), labels={"karmada.io/managed": "true"}))) == (
        (),
        {},
    )


def test_number_of_dry_runs_in_a_member_is_bounded(monkeypatch):
    monkeypatch.setattr(in_members, "_MOST_JUDGED", 1)
    member = Member(*(by(config(name, x="1")) for name in "abc"))
    found, _ = ask_members(*(copy_to_send(config(name, x="2")) for name in "abc"), member1=member)
    assert [line for line in member.asked if line.startswith("PUT")] == ["PUT ConfigMap default/a"]
    assert [(o.judged, [c.text for c in o.changes]) for o in found] == [(n == 0, ["data.x"]) for n in range(3)]


# -- reports ----------------------------------------------------------------------------------------------------------


def test_differences_are_reported_with_their_effect_on_pods():
    found = one(web(), Member(by(web(3, "web:old"))))
    assert found.text == (
        "Deployment default/web is there already (by kubectl; 3 replicas, web:old); conflictResolution Abort: Karmada "
        "would not apply it, `up` would stop; with Overwrite: replicas 3 → 2; image web:old → web:1; the pod template "
        "changes: its pods restart"
    )
    found = one(web(), Member(by(web(3))), "Overwrite")
    assert found.text.endswith("is taken over (Overwrite): replicas 3 → 2; no pod restarts")
    found = one(web(), Member(by(web())), "Overwrite")
    assert found.text.endswith("is taken over (Overwrite): nothing changes; no pod restarts")
    assert "pod" not in one(config(x="2"), Member(by(config(x="1"))), "Overwrite").text


def test_field_that_only_the_member_has_is_lost_and_reported():
    """Karmada replaces whole objects.

    The annotation of `kubectl rollout restart` in the pod template is lost, and pods restart.
    """
    there = web()
    there["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026"}
    found = one(web(), Member(by(there)), "Overwrite")
    assert found.restarts
    assert "spec.template.metadata.annotations" in [change.text for change in found.changes]


def test_metadata_of_the_member_and_pulumis_annotations_are_no_difference():
    there = by(web(), labels={"team": "a"}, annotations={"b": "c"}, finalizers=["x/y"], ownerReferences=[{"uid": "1"}])
    sent = web(annotations={"pulumi.com/skipAwait": "true"})
    assert one(sent, Member(there), "Overwrite").changes == ()


@pytest.mark.parametrize("resolution", ["Abort", "Overwrite"])
@pytest.mark.parametrize("status", [422, 403])
def test_object_with_another_selector_cannot_be_taken_over(resolution, status):
    """Also where the member allows no dry runs, and where the selector only loses a label."""
    there = by(web(selector=("app", "tier")))
    found = one(web(), Member(there, refusing=refused(status, "immutable")), resolution)
    assert found.outcome == {"Abort": "stops", "Overwrite": "impossible"}[resolution]
    assert found.refusal.startswith("spec.selector is {'matchLabels': {'app': 'web', 'tier': 'web'}} there and {'match")
    assert found.refusal.endswith("which can't be changed")
    assert found.refusal in found.text


def test_declared_fields_are_compared_without_the_right_to_a_dry_run():
    found = one(web(), Member(by(web(3)), refusing=refused(403)), "Overwrite")
    assert (found.judged, found.outcome) == (False, "takes-over")
    assert "of the declared fields (the member was not asked for more) replicas 3 → 2" in found.text
    assert one(web(), Member(by(web(3)), refusing=refused(400, "it is odd"))).note == "it is odd"
    assert one(web(), Member(by(web(3)), refusing=refused(409))).note == ""


def test_unknown_values_are_not_sent():
    member = Member(by(config(x="1")))
    found = one(config(x=UNKNOWN), member, "Overwrite")
    assert (found.judged, [c.text for c in found.changes]) == (False, ["data.x"])
    assert member.asked == ["GET ConfigMap default/settings"]


def test_secrets_stay_hidden():
    there = {**config(), "kind": "Secret", "data": {"k": "b2xk"}}
    sent = {**config(), "kind": "Secret", "data": Secret({"k": "bmV3"})}
    found = one(sent, Member(by(there)), "Overwrite")
    assert [change.text for change in found.changes] == ["data.k"]
    assert not {"b2xk", "bmV3"} & set(json.dumps(found.to_json()).replace('"', " ").split())
    assert "b2xk" not in found.text
    hidden = web()
    hidden["spec"]["template"]["spec"]["containers"][0]["image"] = Secret("secret:1")
    assert "secret:1" not in json.dumps(one(hidden, Member(by(web())), "Overwrite").to_json())


def test_other_owner_of_an_object_is_named():
    there = by(config(x="1"), ownerReferences=[{"kind": "Certificate", "name": "web"}])
    there["metadata"]["managedFields"] += [{"manager": "argocd-controller", "operation": "Apply"}]
    found = one(config(x="1"), Member(there), "Overwrite")
    assert "argocd-controller applies it, too" in found.text
    assert found.text.endswith("it belongs to Certificate web")


def test_existing_namespace_stays_unchanged():
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    found = one(space, Member(by(space)), "")
    assert (found.outcome, found.changes) == ("stays", ())
    assert one(space, Member(by(space)), "Abort").outcome == "stops", "one that a policy sends"


def test_fields_that_karmada_retains_in_members():
    """By kind: pkg/resourceinterpreter/default/native/retain.go."""

    def over(kind, sent, live, api_version="v1"):
        def made(body):
            return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **body}

        result = written_over(made(sent), made(live))
        return {key: value for key, value in result.items() if key not in ("apiVersion", "kind", "metadata")}

    assert over("Service", {"spec": {"clusterIP": "None"}}, {"spec": {"clusterIP": "10.0.0.1"}}) == {
        "spec": {"clusterIP": "10.0.0.1"}
    }
    assert over("PersistentVolumeClaim", {"spec": {}}, {"spec": {"volumeName": "v"}}) == {"spec": {"volumeName": "v"}}
    assert over("PersistentVolume", {"spec": {}}, {"spec": {"claimRef": {"name": "c"}}})["spec"]["claimRef"]
    token = {"type": "kubernetes.io/service-account-token"}
    assert over("Secret", {**token, "data": None}, {**token, "data": {"t": "x"}})["data"] == {"t": "x"}
    assert over("Secret", {"data": {"a": "1"}}, {"data": {"a": "2"}}) == {"data": {"a": "1"}}
    assert over("ServiceAccount", {"secrets": [{"name": "a"}]}, {"secrets": [{"name": "a"}, {"name": "b"}]}) == {
        "secrets": [{"name": "a"}, {"name": "b"}]
    }
    pod = over(
        "Pod",
        {"spec": {"containers": [{"name": "c"}]}},
        {"spec": {"nodeName": "n", "containers": [{"name": "c", "volumeMounts": [{"name": "t"}]}]}},
    )
    assert pod["spec"] == {"nodeName": "n", "containers": [{"name": "c", "volumeMounts": [{"name": "t"}]}]}
    meta = written_over(
        config(),
        by(config(), annotations={"resourcetemplate.karmada.io/managed-labels": "a"}, labels={"a": "1", "b": "2"}),
    )["metadata"]
    assert meta["labels"] == {"b": "2"}
    assert meta["resourceVersion"] == "7"


# -- plans ------------------------------------------------------------------------------------------------------------


def state(type_, name, inputs, parent=WORKLOAD, **outputs):
    urn = f"urn:pulumi:dev::p::{type_}::{name}"
    return ResourceState(urn=urn, custom=True, type=type_, inputs=inputs, parent=parent, outputs=outputs)


def plan_of(*objects, op=Op.CREATE, old=None, resolution="Abort", was="Abort", settled=True, suspension=None):
    """A preview of one workload on both members, which had `old` objects."""
    placement = {"clusterAffinity": {"clusterNames": list(BOTH)}}
    joined = [
        Step(
            Op.SAME,
            "urn:pulumi:dev::p::c::" + name,
            CLUSTER_TYPE,
            old=state(CLUSTER_TYPE, name, {"metadata": {"name": name}, "kind": "Cluster"}, parent=""),
        )
        for name in BOTH
    ]
    for one in joined:
        object.__setattr__(one, "new", one.old)

    def rollout(listed):
        inputs = {"workload": "web", "templates": listed, "placement": placement, "overrideRules": []}
        return state(ROLLOUT_TYPE, "web-rollout", inputs, settled=settled)

    def policy(word):
        spec = {"conflictResolution": word, "placement": placement, "resourceSelectors": []}
        body = {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "spec": spec}
        spec |= {"suspension": suspension} if suspension else {}
        return state(POLICY, "web-policy", {**body, "metadata": {"name": "web", "namespace": "default"}})

    before = rollout(list(old)) if old is not None else None
    after = rollout(list(objects))
    changes = op if was == resolution or op is Op.CREATE else Op.UPDATE
    return Result(
        steps=[
            *joined,
            Step(changes, policy(was).urn, POLICY, old=policy(was) if before else None, new=policy(resolution)),
            Step(op, after.urn, ROLLOUT_TYPE, old=before, new=after),
        ]
    )


def planned_copies(result):
    return {(c.cluster, str(ref_of(c.item)), c.resolution) for c in fleet_plan(result, version="1.18.2").coming}


def test_only_objects_that_are_new_in_a_cluster_are_read():
    settings = ("ConfigMap default/settings", "Abort")
    everything = {(name, *settings) for name in BOTH}
    assert planned_copies(plan_of(config(x="1"))) == everything
    assert planned_copies(plan_of(config(x="1"), op=Op.SAME, old=[config(x="1")])) == set()
    assert planned_copies(plan_of(config(x="2"), op=Op.UPDATE, old=[config(x="1")])) == set()
    more = plan_of(config(x="1"), config("more"), op=Op.UPDATE, old=[config(x="1")])
    assert planned_copies(more) == {(name, "ConfigMap default/more", "Abort") for name in BOTH}
    assert planned_copies(plan_of(config(x="1"), suspension={"dispatching": True})) == set()


def test_copies_that_karmada_may_have_refused_are_read_again():
    """After an `up` in which Karmada refused copies, the state lists copies that do not exist."""
    known = {"op": Op.UPDATE, "old": [config(x="1")]}
    assert planned_copies(plan_of(config(x="1"), settled=False, **known)) == {
        (name, "ConfigMap default/settings", "Abort") for name in BOTH
    }
    assert planned_copies(plan_of(config(x="1"), resolution="Overwrite", **known)) == {
        (name, "ConfigMap default/settings", "Overwrite") for name in BOTH
    }


def test_annotation_of_a_template_overrides_its_policy_and_namespaces_ignore_policies():
    own = {
        **config(),
        "metadata": {**config()["metadata"], "annotations": {"work.karmada.io/conflict-resolution": "overwrite"}},
    }
    assert {word for *_, word in planned_copies(plan_of(own))} == {"Overwrite"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    assert {word for *_, word in planned_copies(plan_of(space, resolution="Overwrite", was="Overwrite"))} == {""}
    labels = {"namespace.karmada.io/skip-auto-propagation": "true"}
    own = {**space, "metadata": {"name": "shop", "labels": labels}}
    assert {word for *_, word in planned_copies(plan_of(own))} == {"Abort"}


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """Preview a workload whose Deployment exists in member1 as `there`."""

    def shown(there, resolution="Abort"):
        access = FleetAccess(Member(), dict)
        access._members.update(member1=Member(there), member2=Member(name="member2", broken=ClusterError("it is off")))
        monkeypatch.setattr(in_members, "access_in", lambda *_: access)
        result = plan_of(web(), resolution=resolution, was=resolution)
        return previewed(result, Setting(tmp_path, "dev"), version="1.18.2"), result

    return shown


def test_every_format_of_a_plan_shows_conflicts_and_members_not_asked(shown, capsys):
    plan, result = shown(by(web(3, "web:old")))
    (why,) = result.stopped.values()
    assert why.startswith("workload web: member1: Deployment default/web is there already (by kubectl")
    assert result.failures == []
    document = plan_document(plan, result, stack="dev", engine=EngineName.EMBEDDED)
    assert document["unasked"] == {"member2": "it is off"}
    (found,) = document["inMembers"]
    assert (found["cluster"], found["workload"], found["outcome"]) == ("member1", "web", "stops")
    assert (found["managers"], found["looks"]) == (["kubectl-client-side-apply"], ["3 replicas", "web:old"])
    assert [change["path"] for change in found["changes"]] == [
        "spec.replicas",
        "spec.template.spec.containers[0].image",
    ]
    Output(as_json=False).plan(
        plan, result, stack="dev", engine=EngineName.EMBEDDED, detail=False, rendered=False, title="Plan"
    )
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    after = lines[lines.index("+ on member1: Deployment default/web, 2 replicas, web:1") + 1]
    assert after.startswith("! Deployment default/web is there already")
    assert "exist already in members: `up` would leave out 1 workload (web), and apply the rest" in lines
    assert "`conflictResolution: Overwrite` in the workload takes over what is there" in lines
    assert "member2 was not asked whether it has the new copies already: it is off" in lines
    answer = plan_answer(Planned(result, [], "", plan), PagedArguments(), enabled=True)
    assert any("that is a person's decision" in text for text in answer.refused_by)
    assert ("web in member1", "there already") in [(w.what, w.verb) for w in answer.workloads]
    page = html(plan_report(plan, result, stack="dev", engine="embedded"))
    assert "Exist already in members" in page
    assert "it is off" in page


def test_object_that_cannot_be_taken_over_fails_the_plan_and_a_takeover_does_not(shown):
    _, result = shown(by(web(3)), "Overwrite")
    assert (result.failures, result.stopped) == ([], {})
    stuck = by(web(selector=("app", "tier")))
    access = FleetAccess(Member(), dict)
    access._members.update(member1=Member(stuck, refusing=refused(422)), member2=Member(name="member2"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_members, "access_in", lambda *_: access)
        result = plan_of(web(), resolution="Overwrite", was="Overwrite")
        previewed(result, Setting(None, "dev"))
    (failure,) = result.failures
    assert failure.startswith("workload web: member1: Deployment default/web is there already (by kubectl; 2 replicas")
    assert "can't be taken over: spec.selector is" in failure


def test_plan_without_new_copies_asks_no_member(monkeypatch, tmp_path):
    monkeypatch.setattr(in_members, "access_in", lambda *_: pytest.fail("nobody is to be asked"))
    result = plan_of(config(x="1"), op=Op.SAME, old=[config(x="1")])
    assert previewed(result, Setting(tmp_path, "dev")).there == ()


@pytest.mark.parametrize("hidden", [False, True])
def test_members_are_reached_by_kubeconfigs_of_the_plan_or_files_of_the_stack(tmp_path, hidden):
    """Pulumi's CLI hides kubeconfigs in a plan; the stack file says where the files are."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\nstackConfigDir: stacks\n")
    steps = []
    with FakeApi() as api:
        for name in ("karmada", "member1"):
            (tmp_path / f"{name}.yaml").write_text(api.kubeconfig)
            inputs = {"kubeconfig": Secret("[secret]" if hidden else api.kubeconfig)}
            made = state("pulumi:providers:kubernetes", f"{name}-provider", inputs)
            steps.append(Step(Op.CREATE, made.urn, made.type, new=made))
        members = [{"name": "member1", "kubeconfig": "member1.yaml"}] if hidden else []
        named = {"flotilla:controlPlane": {"kubeconfig": "karmada.yaml"}, "flotilla:members": members}
        (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(json.dumps({"config": named if hidden else {}}))
        access = access_in(Result(steps=steps), Setting(tmp_path, "dev"))
        assert access.known == ["member1"]
        assert access.member("member1").find(ref_of(config())) is None
    assert access_in(Result(), Setting(tmp_path / "nowhere", "dev")) is None


# -- up ---------------------------------------------------------------------------------------------------------------


class Workload(pulumi.ComponentResource):
    """A component with objects, like a workload."""

    def __init__(self, name, provider, *objects):
        super().__init__("flotilla:index:PropagatedWorkload", name)
        made = []
        for one in objects:
            options = pulumi.ResourceOptions(parent=self, provider=provider, depends_on=list(made))
            made.append(KubernetesObject(one["metadata"]["name"], one, options))


def test_up_leaves_a_conflicting_workload_unchanged_and_does_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    with FakeApi() as api:

        def program():
            made = k8s.Provider("cluster", kubeconfig=api.kubeconfig, cluster_identifier="karmada")
            Workload("web", made, config("a"), config("b"))
            Workload("side", made, config("c"))

        stack = EmbeddedStack(Project.load(tmp_path), "dev", tmp_path, program=program)
        planned = stack.preview()
        planned.stopped[WORKLOAD] = "workload web: member1: it is there already"
        done = stack.up(plan=planned)
        there = [name for name in "abc" if api.find("v1", "ConfigMap", name, "default")]
        assert there == ["c"]
        (failure,) = done.failures
        assert "workload web: member1: it is there already; nothing of this workload was done" in failure
        assert "`conflictResolution: Overwrite` in the workload takes over" in failure
        assert stack.up(plan=stack.preview()).failures == []
        assert all(api.find("v1", "ConfigMap", name, "default") for name in "abc")
