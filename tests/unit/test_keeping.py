"""Copies that stay in members: the waits before a workload is removed, and the labels removed afterwards."""

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
    """A control plane that accepts merge patches."""

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
def no_pauses(monkeypatch):
    """No pause takes time; a test's prepared change happens at the first pause."""
    meanwhile = []

    def pause(_seconds):
        for action in meanwhile:
            action()
        return False

    monkeypatch.setattr(works, "pause", pause)
    monkeypatch.setattr(works, "_PATIENCE_SECONDS", 0)
    monkeypatch.setattr(works, "_POLL_SECONDS", 0)
    return meanwhile


# -- before templates are deleted -------------------------------------------------------------------


def plane_with_copies(*, policy=True, bound=True, works=(True, True)):
    """Return a control plane in which a policy, a binding and Works say that copies stay, or don't."""
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
        (plane_with_copies(works=(True, False)), "Deployment default/web in m2"),
        (plane_with_copies(bound=False, works=(False, False)), "Deployment default/web in its binding"),
    ],
)
def test_no_template_is_deleted_before_every_copy_will_stay(plane, missing):
    """Regression: the policy said so, but the Works did not yet; the template was deleted, and its copies with it."""
    with pytest.raises(FlotillaError, match="has not reached copies after 0 s") as failed:
        await_preserved(plane, [ref_of(web())], 0)
    assert missing in failed.value.message
    assert "nothing was removed" in failed.value.hint


@pytest.mark.parametrize(
    "plane",
    [
        plane_with_copies(),
        plane_with_copies(policy=False, bound=False, works=(False, False)),
        Writable(live(web())),
        Writable(),
    ],
    ids=["all say it", "the policy in force doesn't", "no binding", "no template"],
)
def test_copies_that_need_not_stay_are_not_waited_for(plane):
    """The template belongs to another workload now, or the key was removed: the wait would never end."""
    await_preserved(plane, [ref_of(web())], 0)


def test_followers_without_a_policy_are_waited_for():
    plane = plane_with_copies(works=(True, False))
    del plane.objects[ref_of(web())]["metadata"]["annotations"]
    with pytest.raises(FlotillaError, match="Deployment default/web in m2"):
        await_preserved(plane, [ref_of(web())], 0)


def test_wait_ends_when_the_work_says_that_the_copy_stays(no_pauses):
    plane = plane_with_copies(works=(True, False))
    late = ref_of(work(web(), "m2"))
    no_pauses.append(lambda: plane.patch(late, {"spec": {"preserveResourcesOnDeletion": True}}))
    await_preserved(plane, [ref_of(web())], 60)


def kept_namespace(**annotations):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "annotations": annotations}}


def test_namespace_stays_with_its_kept_copies(no_pauses):
    """Karmada sends namespaces without a policy.

    Regression: its Works didn't say that it stays, and its kept copies were deleted with it.
    """
    carried = [work(kept_namespace(), name) for name in ("m1", "m2")]
    plane = Writable(kept_namespace(**{"flotilla.dev/on-removal": "keep"}), *carried)
    # Karmada rewrites the Works again until it sees the label.
    no_pauses.append(lambda: plane.patch(ref_of(carried[0]), {"spec": {"preserveResourcesOnDeletion": None}}))
    no_pauses.append(no_pauses.clear)
    keep_namespaces(plane, ["shop", "gone"], 60)
    assert all(plane.objects[ref_of(one)]["spec"]["preserveResourcesOnDeletion"] for one in carried)
    marks = plane.objects[SPACE]["metadata"]
    assert marks["labels"] == {"namespace.karmada.io/skip-auto-propagation": "true"}
    return_namespaces(plane, ["shop", "gone"])
    found = plane.objects[SPACE]["metadata"]
    assert found == {"name": "shop", "labels": {}, "annotations": {"flotilla.dev/on-removal": "keep"}}


def test_namespace_that_need_not_be_kept_is_not_changed():
    plane = Writable(kept_namespace(), work(kept_namespace(), "m1"))
    before = copy.deepcopy(plane.objects)
    keep_namespaces(plane, ["shop"], 0)
    return_namespaces(plane, ["shop"])
    assert plane.objects == before


# -- after templates were deleted -------------------------------------------------------------------


def work_in_deletion(member="m1", *, applied="True", finalizer=WORK_FINALIZER, **spec):
    item = work(web(), member, identity="id-web", applied=applied, preserveResourcesOnDeletion=True, **spec)
    item["metadata"] |= {"deletionTimestamp": GOING, "finalizers": [finalizer], "resourceVersion": "1"}
    return item


def sent_copy():
    """Return a copy as Karmada creates it in a member."""
    declared = web()
    declared["metadata"]["annotations"] = {
        "pulumi.com/skipAwait": "true",
        "pulumi.com/deletionPropagationPolicy": "background",
        "own": "kept",
    }
    stored = binding(declared, ["m1"])
    return marked(declared, live(declared), binding=stored, work="web-1", work_id="id", cluster="m1")


@pytest.mark.parametrize("copies", [[], [sent_copy()]], ids=["no copy", "a copy that Karmada can't write"])
def test_work_that_karmada_never_finishes_is_finished(monkeypatch, copies):
    """The copy was never sent, was deleted by somebody, or was refused.

    Regression: the Work stayed, and with it the member.
    """
    member = Writable(*copies)
    plane = Writable(cluster("m1"), cluster("m2", ready=False), work_in_deletion(), work_in_deletion("m2"))
    monkeypatch.setattr(works, "reach", lambda _plane, _cluster: member)
    await_released(plane, Finisher(plane, [ref_of(web())]), 60)
    assert [ref.namespace for ref in plane.objects if ref.kind == "Work"] == ["karmada-es-m2"], "it isn't Ready"
    assert all(unmarking_patch(one) is None for one in member.objects.values())


def test_unreachable_member_is_asked_once_per_look_for_any_number_of_works(monkeypatch):
    """Regression: each Work waited for the same member, so the wait was many times longer than its limit."""
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
    """A control plane that answers the first request of each kind with an error."""

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


def test_single_error_of_the_control_plane_ends_no_wait(monkeypatch):
    """Regression: a destroy ended at a single 429 or 503 of the control plane."""
    plane = Busy(kept_namespace(**{"flotilla.dev/on-removal": "keep"}), work(kept_namespace(), "m1"))
    keep_namespaces(plane, ["shop"], 60)
    assert plane.objects[SPACE]["metadata"]["labels"] == {"namespace.karmada.io/skip-auto-propagation": "true"}
    plane = Busy(cluster("m1"), work_in_deletion())
    monkeypatch.setattr(works, "reach", lambda _plane, _cluster: Writable())
    finisher = Finisher(plane, [ref_of(web())])
    for _ in range(4):
        finisher()
    assert plane.refused == {"list", "find", "patch"}
    assert not [ref for ref in plane.objects if ref.kind == "Work"]


def test_work_of_an_unreachable_member_is_named(monkeypatch):
    plane = Writable(cluster("m1"), work_in_deletion())
    monkeypatch.setattr(works, "reach", lambda _plane, _cluster: None)
    with pytest.raises(FlotillaError, match="Karmada doesn't finish deleting Work karmada-es-m1/web-1"):
        await_released(plane, Finisher(plane, [ref_of(web())]), 0)


def test_works_of_an_existing_template_are_not_waited_for():
    plane = Writable(cluster("m1"), live(web()), work(web(), "m1", preserveResourcesOnDeletion=True))
    await_released(plane, Finisher(plane, [ref_of(web())]), 0)


def test_works_of_a_namespace_in_deletion_are_waited_for():
    """Regression: it was taken for another workload's namespace, and its copies kept their labels."""
    leaving = merged(kept_namespace(), {"metadata": {"deletionTimestamp": GOING}})
    plane = Writable(cluster("m1"), leaving, work(kept_namespace(), "m1", preserveResourcesOnDeletion=True))
    with pytest.raises(FlotillaError, match="has not released all copies after 0 s: Works karmada-es-m1/shop-1"):
        await_released(plane, Finisher(plane, [SPACE]), 0)


def released_copy(copy_):
    """Return a copy as Karmada leaves it when it stops managing it."""
    result = copy.deepcopy(copy_)
    result["metadata"]["labels"] = {"app.kubernetes.io/name": "web"}
    stored = result["metadata"]["annotations"]
    result["metadata"]["annotations"] = {
        key: stored[key] for key in stored if not key.startswith(("resource", "work.karmada.io/name"))
    }
    return result


def test_released_copy_has_no_marks_of_karmada_or_the_stack(monkeypatch):
    """Regression: `work.karmada.io/conflict-resolution` and `pulumi.com/skipAwait` stayed."""
    member = Writable(released_copy(sent_copy()))
    monkeypatch.setattr(members, "reach", lambda _plane, one: member if one["metadata"]["name"] == "m1" else None)
    plane = Writable(cluster("m1"), cluster("m2"), cluster("m3", ready=False))
    unreached = members.free_copies(plane, [ref_of(web())])
    assert list(unreached) == ["m2"]
    (left,) = member.objects.values()
    assert left["metadata"]["annotations"] == {"own": "kept"}
    assert left["metadata"]["labels"] == {"app.kubernetes.io/name": "web"}


@pytest.mark.parametrize("many", [1, 5])
def test_copy_that_karmada_still_manages_is_not_changed(many):
    """It belongs to another control plane or to another workload."""
    stored = [merged(sent_copy(), {"metadata": {"name": f"web-{number}"}}) for number in range(many)]
    member = Writable(*stored)
    members.free_in(member, [ref_of(one) for one in stored])
    assert list(member.objects.values()) == stored


def test_object_that_karmada_never_took_over_is_not_changed():
    """With Abort, an object with the same name in a member may belong to another Pulumi program."""
    foreign = merged(web(), {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}})
    assert unmarking_patch(foreign) is None


def test_policy_labels_of_karmada_1_10_are_removed():
    """Regression: they stayed on the copies of a released member."""
    named = merged(web(), {"metadata": {"labels": {"propagationpolicy.karmada.io/name": "web"}}})
    assert unmarking_patch(named) == {"metadata": {"labels": {"propagationpolicy.karmada.io/name": None}}}


def test_autoscaler_annotation_is_removed():
    """Regression: `flotilla.dev/scaled-by` stayed on copies of templates that a FederatedHPA scales."""
    scaled = merged(web(), {"metadata": {"annotations": {"flotilla.dev/scaled-by": "FederatedHPA web", MANAGER: "w"}}})
    assert unmarking_patch(scaled)["metadata"]["annotations"] == {"flotilla.dev/scaled-by": None, MANAGER: None}


def test_skip_await_annotation_of_the_manifest_stays():
    asked = merged(released_copy(sent_copy()), {"metadata": {"annotations": {"flotilla.dev/health-ignored": "true"}}})
    assert "pulumi.com/skipAwait" not in unmarking_patch(asked)["metadata"]["annotations"]


def test_copies_of_a_template_of_another_workload_stay_unchanged(monkeypatch):
    monkeypatch.setattr(members, "reach", lambda *_: pytest.fail("asked a member"))
    assert members.free_copies(Writable(cluster("m1"), live(web())), [ref_of(web())]) == {}


# -- what is declared ------------------------------------------------------------------------------


def test_kept_workload_is_deleted_only_when_its_copies_will_stay(run, absolute):  # noqa: F811
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


def test_plan_says_where_a_workload_stays(capsys):
    """Regression: the plan showed deletions, in red, of copies that continue to run."""
    plan = fleet_plan(removed(), version="1.18.2")
    (workload,) = plan.workloads
    assert [one["kept"] for one in workload.to_json()["clusters"]] == [True, True]
    Output(as_json=False)._workloads(FleetPlan((), plan.workloads))
    printed = capsys.readouterr().out
    assert "- web: stays on member1 and member2" in printed
    assert "= on member1: Deployment default/web stays there, without Karmada's marks (onRemoval: keep)" in printed


def test_plan_says_that_a_removed_namespace_stays():
    kind = "kubernetes:core/v1:Namespace"
    said = resource(kind, "namespace-shop", kept_namespace(**{"flotilla.dev/on-removal": "keep"}))
    unsaid = resource(kind, "namespace-shop", kept_namespace())
    assert keeping([Step(Op.DELETE, said.urn, kind, old=said)]) == {said.parent}
    assert keeping([Step(Op.DELETE, unsaid.urn, kind, old=unsaid)]) == frozenset()


def test_plan_says_that_copies_are_deleted_with_a_namespace_removed_alone():
    """The Works of such a namespace don't say that it stays, so the plan must not promise it."""
    old = {"templates": [web(), kept_namespace()], "placement": on("member1")}
    step = of_workload(rollout_step({**old, "templates": [web()]}, old))
    policy = policy_step(Op.SAME, placement=old["placement"], preserveResourcesOnDeletion=True)
    (workload,) = fleet_plan(Result(steps=[cluster_step("member1"), policy, step]), version="1.18.2").workloads
    assert "Namespace shop is removed" in str(workload.copies)


@pytest.mark.parametrize("keys", [{}, {"onRemoval": "keep"}])
def test_kept_copies_that_are_deleted_with_a_namespace_of_another_workload_are_named(project, sections, keys):
    """Regression: the copies were to stay but were deleted with their namespace, which was not kept."""
    inside = {**web(), "metadata": {"name": "web", "namespace": "shop"}}
    for name, obj in (("base", kept_namespace()), ("web", inside)):
        (project / f"{name}.yaml").write_text(yaml.safe_dump(obj))
    base = {"name": "base", "manifests": ["base.yaml"], "placement": EVERY, **keys}
    kept = {"name": "web", "manifests": ["web.yaml"], "placement": EVERY, "onRemoval": "keep"}
    given = {**sections, "workloads": [base, kept]}
    given["controlPlane"] = {**given["controlPlane"], "version": "1.18.2"}
    files = ManifestFiles(project)
    found = namespace_conflicts(parse_fleet(given, base=project, manifests=files), files)
    assert bool(found) is not bool(keys)
    assert all("workload web: its copies in namespace shop" in line and "to base too" in line for line in found)
