"""Copies that stay in members: what is waited for before a workload goes, and what is taken off them after it."""

import copy

import pytest
import yaml

from components.keeping import KeepingProvider
from components.withdrawal import WithdrawalProvider
from flotilla.cli.output import Output
from flotilla.errors import FlotillaError
from flotilla.karmada.keeping import members, works
from flotilla.karmada.keeping.marks import unmarking_patch
from flotilla.karmada.keeping.works import (
    Finisher,
    await_preserved,
    await_released,
    keep_namespaces,
    return_namespaces,
)
from flotilla.karmada.names import WORK_FINALIZER
from flotilla.karmada.rendering.marks import marked
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.found import keeping
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack import parse_fleet
from flotilla.stack.files import ManifestFiles
from flotilla.workloads.notices import namespace_conflicts
from tests.unit.planes import Plane, binding, cluster, live, web, work
from tests.unit.rollouts import on
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures
from tests.unit.test_plan_taints import cluster_step, rollout_step
from tests.unit.test_suspension_and_removal import GOING, fleet_plan, of_workload, policy_step, resource

POLICY = {
    "apiVersion": "policy.karmada.io/v1alpha1",
    "kind": "PropagationPolicy",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"preserveResourcesOnDeletion": True},
}
EVERY = {"clusters": ["member1", "member2"]}
SPACE = ObjectRef("v1", "Namespace", "shop")


class Writable(Plane):
    """A plane that takes merge patches."""

    def patch(self, ref, body, *, kind="merge", query=None):
        self.objects[ref] = merged(self.objects[ref], body)
        if self.objects[ref]["metadata"].get("deletionTimestamp") and not self.objects[ref]["metadata"]["finalizers"]:
            del self.objects[ref]


MANAGER = "work.karmada.io/conflict-resolution"


def merged(target, patch):
    result = copy.deepcopy(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key) or {}, value) if isinstance(value, dict) else value
    return result


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Nothing is waited for; what a test lets happen in the meantime happens at the first pause."""
    meanwhile = []

    def pause(_seconds):
        for action in meanwhile:
            action()
        return False

    monkeypatch.setattr(works, "pause", pause)
    monkeypatch.setattr(works, "_PATIENCE_SECONDS", 0)
    monkeypatch.setattr(works, "_POLL_SECONDS", 0)
    return meanwhile


# -- before templates go ---------------------------------------------------------------------------


def sent(*, policy=True, bound=True, works=(True, True)):
    """A control plane where a policy, a binding and Works say that copies stay, or don't."""
    template = live(web())
    template["metadata"]["annotations"] = {
        "propagationpolicy.karmada.io/name": "web",
        "propagationpolicy.karmada.io/namespace": "default",
    }
    stored = binding(web(), ["m1", "m2"])
    stored["spec"]["preserveResourcesOnDeletion"] = bound
    carried = [
        work(web(), f"m{number}", identity="id-web", preserveResourcesOnDeletion=kept)
        for number, kept in enumerate(works, 1)
    ]
    rule = {**POLICY, "spec": {"preserveResourcesOnDeletion": policy}}
    return Writable(cluster("m1"), cluster("m2"), rule, template, stored, *carried)


@pytest.mark.parametrize(
    ("plane", "missing"),
    [
        (sent(works=(True, False)), "Deployment default/web in m2"),
        (sent(bound=False, works=(False, False)), "Deployment default/web in its binding"),
    ],
)
def test_nothing_goes_before_every_copy_is_sure_to_stay(plane, missing):
    """The policy said so, the Works did not yet: the template went, and its copies were deleted."""
    with pytest.raises(FlotillaError, match="has not reached copies after 0 s") as failed:
        await_preserved(plane, [ref_of(web())], 0)
    assert missing in failed.value.message
    assert "nothing was removed" in failed.value.hint


@pytest.mark.parametrize(
    "plane",
    [sent(), sent(policy=False, bound=False, works=(False, False)), Writable(live(web())), Writable()],
    ids=["all say it", "the policy in force doesn't", "no binding", "no template"],
)
def test_what_is_not_to_stay_is_not_waited_for(plane):
    """Another workload's by now, or the key was dropped: the wait would have no end."""
    await_preserved(plane, [ref_of(web())], 0)


def test_what_follows_others_without_a_policy_is_waited_for():
    plane = sent(works=(True, False))
    del plane.objects[ref_of(web())]["metadata"]["annotations"]
    with pytest.raises(FlotillaError, match="Deployment default/web in m2"):
        await_preserved(plane, [ref_of(web())], 0)


def test_a_work_that_comes_to_say_it_ends_the_wait(hurried):
    plane = sent(works=(True, False))
    late = ref_of(work(web(), "m2"))
    hurried.append(lambda: plane.patch(late, {"spec": {"preserveResourcesOnDeletion": True}}))
    await_preserved(plane, [ref_of(web())], 60)


def space(**annotations):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "annotations": annotations}}


def test_a_namespace_stays_with_the_copies_in_it(hurried):
    """It goes to members without a policy: its Works said nothing, and it took what was kept along."""
    carried = [work(space(), name) for name in ("m1", "m2")]
    plane = Writable(space(**{"flotilla.dev/on-removal": "keep"}), *carried)
    # Karmada writes the Works again until it sees the label.
    hurried.append(lambda: plane.patch(ref_of(carried[0]), {"spec": {"preserveResourcesOnDeletion": None}}))
    hurried.append(hurried.clear)
    keep_namespaces(plane, ["shop", "gone"], 60)
    assert all(plane.objects[ref_of(one)]["spec"]["preserveResourcesOnDeletion"] for one in carried)
    marks = plane.objects[SPACE]["metadata"]
    assert marks["labels"] == {"namespace.karmada.io/skip-auto-propagation": "true"}
    return_namespaces(plane, ["shop", "gone"])
    found = plane.objects[SPACE]["metadata"]
    assert found == {"name": "shop", "labels": {}, "annotations": {"flotilla.dev/on-removal": "keep"}}


def test_a_namespace_that_is_not_to_be_kept_is_left_alone():
    plane = Writable(space(), work(space(), "m1"))
    before = copy.deepcopy(plane.objects)
    keep_namespaces(plane, ["shop"], 0)
    return_namespaces(plane, ["shop"])
    assert plane.objects == before


# -- after templates have gone ---------------------------------------------------------------------


def going(member="m1", *, applied="True", finalizer=WORK_FINALIZER, **spec):
    item = work(web(), member, identity="id-web", applied=applied, preserveResourcesOnDeletion=True, **spec)
    item["metadata"] |= {"deletionTimestamp": GOING, "finalizers": [finalizer], "resourceVersion": "1"}
    return item


def sent_copy():
    """A copy as a member has it of Karmada."""
    declared = web()
    declared["metadata"]["annotations"] = {
        "pulumi.com/skipAwait": "true",
        "pulumi.com/deletionPropagationPolicy": "background",
        "own": "kept",
    }
    stored = binding(declared, ["m1"])
    return marked(declared, live(declared), binding=stored, work="web-1", work_id="id", cluster="m1")


@pytest.mark.parametrize("copies", [[], [sent_copy()]], ids=["no copy", "a copy that Karmada can't write"])
def test_a_work_that_karmada_never_ends_is_ended(monkeypatch, copies):
    """A copy that was never sent, or deleted by somebody, or refused: the Work stayed, and with it the member."""
    member = Writable(*copies)
    plane = Writable(cluster("m1"), cluster("m2", ready=False), going(), going("m2"))
    monkeypatch.setattr(works, "reach", lambda _plane, _cluster: member)
    await_released(plane, Finisher(plane, [ref_of(web())]), 60)
    assert [ref.namespace for ref in plane.objects if ref.kind == "Work"] == ["karmada-es-m2"], "it isn't Ready"
    assert all(unmarking_patch(one) is None for one in member.objects.values())


def test_a_member_is_reached_once_a_look_however_many_works_it_has(monkeypatch):
    """Each Work waited again for a member that doesn't answer: the wait was longer than its bound, many times."""
    others = [web(name) for name in ("a", "b", "c")]
    ending = [
        merged(work(one, "m1", preserveResourcesOnDeletion=True), {"metadata": {"name": one["metadata"]["name"]}})
        for one in others
    ]
    for one in ending:
        one["metadata"] |= {"deletionTimestamp": GOING, "finalizers": [WORK_FINALIZER], "resourceVersion": "1"}
    asked = []
    monkeypatch.setattr(works, "reach", lambda _plane, found: asked.append(found["metadata"]["name"]))
    Finisher(Writable(cluster("m1"), *ending), map(ref_of, others))()
    assert asked == ["m1"]


class Busy(Writable):
    """A control plane that is too busy for the first request of each kind."""

    def __init__(self, *objects):
        super().__init__(*objects)
        self.refused = set()

    def _once(self, what):
        if what not in self.refused:
            self.refused.add(what)
            raise ApiError("too many requests", status=429, reason="TooManyRequests")

    def find(self, ref):
        self._once("find")
        return super().find(ref)

    def list(self, *arguments, **named):
        self._once("list")
        return super().list(*arguments, **named)

    def patch(self, ref, body, *, kind="merge", query=None):
        self._once("patch")
        return super().patch(ref, body, kind=kind, query=query)


def test_a_control_plane_that_is_busy_for_a_moment_ends_no_wait(monkeypatch):
    """A destroy broke off at a single 429 or 503 of the control plane."""
    plane = Busy(space(**{"flotilla.dev/on-removal": "keep"}), work(space(), "m1"))
    keep_namespaces(plane, ["shop"], 60)
    assert plane.objects[SPACE]["metadata"]["labels"] == {"namespace.karmada.io/skip-auto-propagation": "true"}
    plane = Busy(cluster("m1"), going())
    monkeypatch.setattr(works, "reach", lambda _plane, _cluster: Writable())
    finisher = Finisher(plane, [ref_of(web())])
    for _ in range(4):
        finisher()
    assert plane.refused == {"list", "find", "patch"}
    assert not [ref for ref in plane.objects if ref.kind == "Work"]


def test_a_work_of_a_member_that_is_not_reached_is_named(monkeypatch):
    plane = Writable(cluster("m1"), going())
    monkeypatch.setattr(works, "reach", lambda _plane, _cluster: None)
    with pytest.raises(FlotillaError, match="Karmada doesn't finish deleting Work karmada-es-m1/web-1"):
        await_released(plane, Finisher(plane, [ref_of(web())]), 0)


def test_works_of_a_template_that_stands_are_not_waited_for():
    plane = Writable(cluster("m1"), live(web()), work(web(), "m1", preserveResourcesOnDeletion=True))
    await_released(plane, Finisher(plane, [ref_of(web())]), 0)


def test_works_of_a_namespace_that_is_being_deleted_are_waited_for():
    """It counted as another workload's: its copies kept their marks."""
    leaving = merged(space(), {"metadata": {"deletionTimestamp": GOING}})
    plane = Writable(cluster("m1"), leaving, work(space(), "m1", preserveResourcesOnDeletion=True))
    with pytest.raises(FlotillaError, match="has not released all copies after 0 s: Works karmada-es-m1/shop-1"):
        await_released(plane, Finisher(plane, [SPACE]), 0)


def let_go(copy_):
    """A copy as Karmada leaves it."""
    result = copy.deepcopy(copy_)
    result["metadata"]["labels"] = {"app.kubernetes.io/name": "web"}
    stored = result["metadata"]["annotations"]
    result["metadata"]["annotations"] = {
        key: stored[key] for key in stored if not key.startswith(("resource", "work.karmada.io/name"))
    }
    return result


def test_no_mark_of_karmada_or_of_a_stack_stays_on_a_copy(monkeypatch):
    """`work.karmada.io/conflict-resolution` and `pulumi.com/skipAwait` stayed."""
    member = Writable(let_go(sent_copy()))
    monkeypatch.setattr(members, "reach", lambda _plane, one: member if one["metadata"]["name"] == "m1" else None)
    plane = Writable(cluster("m1"), cluster("m2"), cluster("m3", ready=False))
    unreached = members.free_copies(plane, [ref_of(web())])
    assert list(unreached) == ["m2"]
    (left,) = member.objects.values()
    assert left["metadata"]["annotations"] == {"own": "kept"}
    assert left["metadata"]["labels"] == {"app.kubernetes.io/name": "web"}


@pytest.mark.parametrize("many", [1, 5])
def test_what_karmada_manages_still_is_left_alone(many):
    """Another control plane's, or another workload's."""
    stored = [merged(sent_copy(), {"metadata": {"name": f"web-{number}"}}) for number in range(many)]
    member = Writable(*stored)
    members.free_in(member, [ref_of(one) for one in stored])
    assert list(member.objects.values()) == stored


def test_what_karmada_never_took_over_is_left_alone():
    """With Abort, an object of the same name in a member may be another Pulumi program's."""
    foreign = merged(web(), {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}})
    assert unmarking_patch(foreign) is None


def test_the_labels_that_name_a_policy_in_1_10_are_taken_off():
    """They stayed on the copies of a released member."""
    named = merged(web(), {"metadata": {"labels": {"propagationpolicy.karmada.io/name": "web"}}})
    assert unmarking_patch(named) == {"metadata": {"labels": {"propagationpolicy.karmada.io/name": None}}}


def test_the_mark_of_an_autoscaler_is_taken_off():
    """`flotilla.dev/scaled-by` stayed on the copies of what a FederatedHPA scales."""
    scaled = merged(web(), {"metadata": {"annotations": {"flotilla.dev/scaled-by": "FederatedHPA web", MANAGER: "w"}}})
    assert unmarking_patch(scaled)["metadata"]["annotations"] == {"flotilla.dev/scaled-by": None, MANAGER: None}


def test_what_the_manifest_itself_says_of_waiting_stays():
    asked = merged(let_go(sent_copy()), {"metadata": {"annotations": {"flotilla.dev/health-ignored": "true"}}})
    assert "pulumi.com/skipAwait" not in unmarking_patch(asked)["metadata"]["annotations"]


def test_a_template_that_another_workload_has_now_keeps_its_copies_as_they_are(monkeypatch):
    monkeypatch.setattr(members, "reach", lambda *_: pytest.fail("asked a member"))
    assert members.free_copies(Writable(cluster("m1"), live(web())), [ref_of(web())]) == {}


# -- what is declared ------------------------------------------------------------------------------


def test_a_kept_workload_goes_only_once_its_copies_are_sure_to_stay(run, absolute):  # noqa: F811
    plain = absolute["workloads"][0]
    absolute["controlPlane"]["version"] = "1.18.2"
    absolute["workloads"] = [{**plain, "name": "web", "onRemoval": "keep"}, {**plain, "name": "other"}]
    registered = run(absolute)
    assert registered["web-keeping"].inputs["templates"] == [["apps/v1", "Deployment", "web", "default"]]
    assert registered["web-withdrawal"].inputs["keeps"] is True
    assert "keeps" not in registered["other-withdrawal"].inputs
    assert "other-keeping" not in registered
    props = registered["web-withdrawal"].inputs
    olds = {key: value for key, value in props.items() if key != "keeps"}
    assert WithdrawalProvider().diff("id", olds, props).changes
    asked = registered["web-keeping"].inputs
    assert not KeepingProvider().diff("id", asked, {**asked, "timeout": 5}).changes
    assert KeepingProvider().diff("id", asked, {**asked, "templates": []}).changes


# -- plans -----------------------------------------------------------------------------------------


def removed():
    both = {"templates": [web()], "placement": on("member1", "member2")}
    step = of_workload(rollout_step(both, both))
    gone = Step(Op.DELETE, step.urn, step.type, old=step.old)
    policy = policy_step(Op.DELETE, placement=both["placement"], preserveResourcesOnDeletion=True)
    return Result(steps=[cluster_step("member1"), cluster_step("member2"), policy, gone])


def test_a_plan_says_where_a_workload_stays(capsys):
    """It showed deletions, in red, of copies that run on."""
    plan = fleet_plan(removed(), version="1.18.2")
    (workload,) = plan.workloads
    assert [one["kept"] for one in workload.to_json()["clusters"]] == [True, True]
    Output(as_json=False)._workloads(FleetPlan((), plan.workloads))
    printed = capsys.readouterr().out
    assert "- web: stays on member1 and member2" in printed
    assert "= on member1: Deployment default/web stays there, without Karmada's marks (onRemoval: keep)" in printed


def test_a_namespace_alone_says_itself_that_it_stays():
    kind = "kubernetes:core/v1:Namespace"
    said = resource(kind, "namespace-shop", space(**{"flotilla.dev/on-removal": "keep"}))
    unsaid = resource(kind, "namespace-shop", space())
    assert keeping([Step(Op.DELETE, said.urn, kind, old=said)]) == {said.parent}
    assert keeping([Step(Op.DELETE, unsaid.urn, kind, old=unsaid)]) == frozenset()


def test_a_namespace_that_a_workload_drops_alone_takes_its_copies_along():
    """Nothing says of its Works that they stay: the plan may not promise it."""
    old = {"templates": [web(), space()], "placement": on("member1")}
    step = of_workload(rollout_step({**old, "templates": [web()]}, old))
    policy = policy_step(Op.SAME, placement=old["placement"], preserveResourcesOnDeletion=True)
    (workload,) = fleet_plan(Result(steps=[cluster_step("member1"), policy, step]), version="1.18.2").workloads
    assert "Namespace shop is removed" in str(workload.copies)


@pytest.mark.parametrize("keys", [{}, {"onRemoval": "keep"}])
def test_copies_that_go_with_the_namespace_of_another_workload_are_named(project, sections, keys):
    """They were to stay, and went with the namespace, which nobody said was to stay."""
    inside = {**web(), "metadata": {"name": "web", "namespace": "shop"}}
    for name, obj in (("base", space()), ("web", inside)):
        (project / f"{name}.yaml").write_text(yaml.safe_dump(obj))
    base = {"name": "base", "manifests": ["base.yaml"], "placement": EVERY, **keys}
    kept = {"name": "web", "manifests": ["web.yaml"], "placement": EVERY, "onRemoval": "keep"}
    given = {**sections, "workloads": [base, kept]}
    given["controlPlane"] = {**given["controlPlane"], "version": "1.18.2"}
    files = ManifestFiles(project)
    found = namespace_conflicts(parse_fleet(given, base=project, manifests=files), files)
    assert bool(found) is not bool(keys)
    assert all("workload web: its copies in namespace shop" in line and "to base too" in line for line in found)
