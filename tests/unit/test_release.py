"""Giving workloads and members back: what is meant, what is refused, and in which order it is done."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from flotilla.cli.main import main
from flotilla.deploy import release as releasing
from flotilla.deploy.release import Release, plan_release, release
from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.keeping import members, works
from flotilla.kube.objects import ref_of
from flotilla.state.checkpoint import Operation, ResourceState, Snapshot
from tests.unit.planes import binding, cluster, live, web, work
from tests.unit.test_keeping import POLICY, Writable, merged

URN = "urn:pulumi:s::p::"
KARMADA = f"{URN}pulumi:providers:kubernetes::karmada-provider"
DIALS = f"{URN}pulumi:providers:kubernetes::member1-provider"
SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def known(name):
    """What the state has of a member besides its objects: its kubeconfig, and its cluster's UID."""
    root = f"{URN}flotilla:index:PushMember::{name}"
    kind = "pulumi-python:dynamic/flotilla:ClusterIdentity"
    urn = f"{URN}flotilla:index:PushMember${kind}::{name}-identity"
    dials, provider = "pulumi:providers:kubernetes", f"{URN}pulumi:providers:kubernetes::{name}-provider"
    return [
        ResourceState(provider, custom=True, type=dials, inputs={"kubeconfig": "text"}),
        ResourceState(urn, custom=True, type=kind, parent=root, outputs={"uid": f"uid-{name}"}),
    ]


def part(kind, name, *objects):
    """A component with objects in the control plane, and one with a provider where it is a member."""
    root = f"{URN}flotilla:index:{kind}::{name}"
    found = [ResourceState(root, custom=False, type=f"flotilla:index:{kind}")]
    for obj in objects:
        token = f"kubernetes:{obj['apiVersion']}:{obj['kind']}"
        urn = f"{URN}flotilla:index:{kind}${token}::{name}-{obj['kind']}-{obj['metadata']['name']}"
        found.append(
            ResourceState(urn, custom=True, type=token, inputs=obj, parent=root, provider=f"{KARMADA}::1", id="1")
        )
    return found


def claimed(template):
    names = {"propagationpolicy.karmada.io/name": "web", "propagationpolicy.karmada.io/namespace": "default"}
    return merged(live(template), {"metadata": {"annotations": names}})


@pytest.fixture
def given(monkeypatch):
    """A state and a control plane; returns what is forgotten."""
    forgotten = []

    def give(plane, *resources, pending=()):
        stack = SimpleNamespace(
            snapshot=lambda: Snapshot(tuple(resources), tuple(pending)),
            changing=lambda: SimpleNamespace(__enter__=None, __exit__=None),
            forget=lambda urns, verb: forgotten.append((verb, sorted(urns))),
        )

        class Changing:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                return False

        stack.changing = Changing
        monkeypatch.setattr(releasing, "embedded_stack", lambda _setting: stack)
        monkeypatch.setattr(releasing, "control_plane_of", lambda *_: plane)
        return forgotten

    return give


SETTING = SimpleNamespace(stack="s", tell=lambda _line: None)


class Karmada(Writable):
    """Carries what a policy says on to binding and Works, and lets copies go with their template."""

    carries = True

    def __init__(self, *objects):
        super().__init__(*objects)
        self.log = []

    def patch(self, ref, body, *, kind="merge", query=None):
        if (query or {}).get("dryRun"):
            return merged(self.objects[ref], body) if self.carries else self.objects[ref]
        super().patch(ref, body)
        self.log.append(("patch", ref.kind))
        if "preserveResourcesOnDeletion" in (body.get("spec") or {}) and ref.kind == "PropagationPolicy":
            for other in [r for r in self.objects if r.kind in ("ResourceBinding", "Work")]:
                super().patch(other, {"spec": {"preserveResourcesOnDeletion": True}})
        return self.objects[ref]

    def delete(self, ref, *, propagation="Foreground", uid=None):
        self.log.append(("delete", ref.kind))
        self.objects.pop(ref, None)
        if ref.kind == "Deployment":
            kept = [r for r in self.objects if r.kind == "Work"]
            assert all(self.objects[r]["spec"]["preserveResourcesOnDeletion"] for r in kept), "its copies are deleted"
            self.objects = {r: obj for r, obj in self.objects.items() if r.kind not in ("ResourceBinding", "Work")}


def fleet(kind=Karmada):
    rule = {**POLICY, "spec": {}}
    works_ = [work(web(), name, identity="id-web") for name in ("m1", "m2")]
    joined = [merged(cluster(name), {"spec": {"id": f"uid-{name}"}}) for name in ("m1", "m2")]
    return kind(*joined, rule, claimed(web()), binding(web(), ["m1", "m2"]), *works_)


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(works, "pause", lambda _seconds: False)
    monkeypatch.setattr(members, "reach", lambda *_: Writable())


def test_a_workload_is_marked_as_kept_before_anything_of_it_goes(given):
    plane = fleet()
    forgotten = given(plane, *part("PropagatedWorkload", "web", POLICY, web()), *part("PropagatedWorkload", "other"))
    plan = plan_release(SETTING, None, ["web"])
    assert isinstance(plan, Release)
    assert plan.to_json()["staying"] == {"m1": ["Deployment default/web"], "m2": ["Deployment default/web"]}
    assert plane.log == [], "a plan changes nothing"
    assert release(SETTING, None, plan) == []
    assert plane.log == [("patch", "PropagationPolicy"), ("delete", "Deployment"), ("delete", "PropagationPolicy")]
    ((verb, urns),) = forgotten
    assert verb == "release"
    assert len(urns) == 3
    assert not any("other" in urn for urn in urns)


def test_nothing_is_removed_where_karmada_does_not_say_that_copies_stay(given, monkeypatch):
    class Deaf(Karmada):
        def patch(self, ref, body, *, kind="merge", query=None):
            return merged(self.objects[ref], body) if query.get("dryRun") else Writable.patch(self, ref, body)

    monkeypatch.setattr(releasing, "_SECONDS", 0)
    plane = fleet(Deaf)
    forgotten = given(plane, *part("PropagatedWorkload", "web", POLICY, web()))
    with pytest.raises(FlotillaError, match="has not reached copies"):
        release(SETTING, None, plan_release(SETTING, None, ["web"]))
    assert (plane.log, forgotten) == ([], [])


def test_a_karmada_that_drops_the_field_is_refused(given):
    """Before 1.12 the API server takes the policy, and says nothing."""

    class Old(Karmada):
        carries = False

    given(fleet(Old), *part("PropagatedWorkload", "web", POLICY, web()))
    with pytest.raises(FlotillaError, match="this Karmada can't let copies go"):
        plan_release(SETTING, None, ["web"])


def test_a_karmada_that_drops_the_field_lets_all_members_go_before_the_workloads(given, monkeypatch):
    """`--all` was refused before 1.12, though a member alone could be released."""

    class Old(Karmada):
        carries = False

    plane = fleet(Old)
    clusters = [ref.name for ref in plane.objects if ref.kind == "Cluster"]
    providers = [one for name in clusters for one in known(name)]
    members = [one for name in clusters for one in part("PushMember", name)]
    forgotten = given(plane, *part("PropagatedWorkload", "web", POLICY, web()), *members, *providers)

    def leave(_plane, one, _text):
        plane.log.append(one.name)
        for ref in [ref for ref in plane.objects if ref.namespace == f"karmada-es-{one.name}"]:
            del plane.objects[ref]

    def take(_plane, name, _cluster_id, _agent):
        plane.log.append(f"take {name}")
        return True

    monkeypatch.setattr(releasing, "_let_member_go", leave)
    monkeypatch.setattr(releasing, "verified", lambda *_: None)
    monkeypatch.setattr(releasing, "connect", lambda *_, **__: None)
    monkeypatch.setattr(releasing, "take_access", take)
    monkeypatch.setattr(releasing, "await_cut_off", lambda _plane, name: plane.log.append(f"await {name}"))
    with pytest.raises(FlotillaError, match="this Karmada can't let copies go"):
        plan_release(SETTING, None, ["web", f"member/{clusters[0]}"])
    plan = plan_release(SETTING, None, [], everything=True)
    assert plan.members_first
    release(SETTING, None, plan)
    cut = [*(f"take {name}" for name in clusters), *(f"await {name}" for name in clusters)]
    assert plane.log[: len(cut) + len(clusters)] == [*cut, *clusters], "replicas of the first would come to the next"
    assert not {ref_of(POLICY), ref_of(web())} & set(plane.objects)
    assert len(forgotten) == len(clusters) + 1


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["nobody"], "no workload or member 'nobody'"),
        (["both"], "'both' is a workload and a member"),
        (["member/web"], "no workload or member 'member/web'"),
        (["spaces"], "workload tenant needs namespace shop, which would go from the control plane"),
    ],
)
def test_what_is_not_clear_or_would_take_others_along_is_refused(given, names, error):
    tenant = merged(web(), {"metadata": {"namespace": "shop"}})
    given(
        fleet(),
        *part("PropagatedWorkload", "web", web()),
        *part("PropagatedWorkload", "both"),
        *part("PushMember", "both"),
        *known("both"),
        *part("PropagatedWorkload", "spaces", SPACE),
        *part("PropagatedWorkload", "tenant", tenant),
    )
    with pytest.raises(FlotillaError, match=error):
        plan_release(SETTING, None, names)
    both = plan_release(SETTING, None, ["workload/both", "spaces", "tenant"])
    assert [one.name for one in both.workloads] == ["both", "spaces", "tenant"]
    whole = plan_release(SETTING, None, [], everything=True)
    assert ([one.name for one in whole.members], len(whole.workloads)) == (["both"], 4)


def test_a_member_that_the_state_can_not_reach_is_refused(given):
    """Its copies would keep Karmada's marks."""
    given(fleet(), *part("PushMember", "m1"))
    with pytest.raises(FlotillaError, match="the state has no kubeconfig of m1"):
        plan_release(SETTING, None, ["m1"])


def test_a_member_whose_cluster_the_state_does_not_know_is_refused(given):
    """Karmada kept its access, so that it deleted all copies when the Cluster went."""
    given(fleet(), *part("PushMember", "m1"), *known("m1")[:1])
    with pytest.raises(FlotillaError, match="the state has no UID of m1's cluster"):
        plan_release(SETTING, None, ["m1"])


@pytest.mark.parametrize(("uid", "said"), [(None, "has no UID"), ("other", "has the UID other")])
def test_a_cluster_that_may_be_another_one_is_refused(given, uid, said):
    """Its access could not be taken away first, so that Karmada would delete what it has sent there."""
    plane = fleet()
    for ref, one in list(plane.objects.items()):
        if ref.kind == "Cluster":
            plane.objects[ref] = merged(one, {"spec": {"id": uid}})
    given(plane, *part("PushMember", "m1"), *known("m1"))
    with pytest.raises(FlotillaError, match=f"Cluster m1 of this control plane {said}"):
        plan_release(SETTING, None, ["m1"])
    assert plane.log == []


def test_a_template_that_another_policy_has_claimed_is_not_deleted_before_its_copies_are_sure_to_stay(
    given, monkeypatch
):
    """The policy in force did not say that copies stay, so that nobody waited, and they were deleted."""
    monkeypatch.setattr(releasing, "_SECONDS", 0)
    plane = fleet()
    name = {"propagationpolicy.karmada.io/name": "others"}
    plane.objects[ref_of(web())] = merged(claimed(web()), {"metadata": {"annotations": name}})
    others = merged(POLICY, {"metadata": {"name": "others"}, "spec": {"preserveResourcesOnDeletion": None}})
    plane.objects[ref_of(others)] = others
    monkeypatch.setattr(plane, "patch", lambda ref, body, **_: merged(plane.objects[ref], body))
    forgotten = given(plane, *part("PropagatedWorkload", "web", POLICY, web()))
    with pytest.raises(FlotillaError, match="has not reached copies"):
        release(SETTING, None, plan_release(SETTING, None, ["web"]))
    assert ref_of(web()) in plane.objects
    assert forgotten == []


def test_a_member_that_is_not_reached_for_its_marks_is_named_and_the_release_ends(given, monkeypatch):
    """Nothing was forgotten, and each further run failed in the same way."""
    plane = fleet()
    forgotten = given(plane, *part("PropagatedWorkload", "web", POLICY, web()), *known("m1"))
    plan = plan_release(SETTING, None, ["web"])
    monkeypatch.setattr(releasing, "free_copies", lambda *_: {"m1": "it is not reached"})

    def unreachable(*_, **__):
        raise ClusterError("m1: no answer")

    monkeypatch.setattr(releasing, "connect", unreachable)
    assert release(SETTING, None, plan) == ["copies in m1 may still have marks of Karmada: it is not reached"]
    assert len(forgotten) == 1


def test_karmadas_own_access_goes_with_a_member_also_where_a_run_broke_off_before(given, monkeypatch):
    """Its Works had gone, and its binding stayed: a later join took the member for another control plane's."""
    member = Karmada()
    monkeypatch.setattr(releasing, "connect", lambda *_, **__: member)
    monkeypatch.setattr(releasing, "verified", lambda *_: None)
    given(Karmada(), *part("PushMember", "m1"), *known("m1"))
    release(SETTING, None, plan_release(SETTING, None, ["m1"]))
    assert member.log == [("delete", "ClusterRoleBinding"), ("delete", "ClusterRole")]


def test_what_is_protected_stays(given):
    first, *rest = part("PropagatedWorkload", "web", web())
    given(fleet(), replace(first, protect=True), *rest)
    with pytest.raises(FlotillaError, match="web is protected and would leave the stack"):
        plan_release(SETTING, None, ["web"])


def test_a_run_that_broke_off_comes_first(given):
    resources = part("PropagatedWorkload", "web", web())
    given(fleet(), *resources, pending=[Operation(resources[1], "updating")])
    with pytest.raises(FlotillaError, match="a run broke off at"):
        plan_release(SETTING, None, ["web"])


def test_a_stack_without_anything_has_nothing_to_release(given):
    given(fleet())
    with pytest.raises(FlotillaError, match="has no workload and no member"):
        plan_release(SETTING, None, [], everything=True)


@pytest.mark.parametrize("arguments", [[], ["--all", "web"]])
def test_names_or_all(arguments, capsys):
    assert main(["release", *arguments]) == 2
    assert "needs names of workloads or members, or --all" in capsys.readouterr().err
