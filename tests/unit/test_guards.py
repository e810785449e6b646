"""What guards refuse: the kinds of mass deletion that users of other tools report; limits, levels and freezes."""

import datetime as dt

import pytest

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.policy.evaluate import Status
from flotilla.policy.guards import guard_verdicts
from flotilla.stack.policies import PolicySettings
from tests.unit.rollouts import on
from tests.unit.test_plan_taints import cluster_step, state

NOW = dt.datetime(2026, 6, 3, 12, 0, tzinfo=dt.UTC)  # a Wednesday
TEN = tuple(f"m{number}" for number in range(10))
FRONT = {"tier": "front"}


def member(name, before=FRONT, after=FRONT):
    """Return the step of a member; labels of None mean that the member isn't there before or after."""

    def declared(labels):
        outputs = {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": cluster_step(name).old.outputs}
        return state(CLUSTER_TYPE, f"{name}-cluster", {"metadata": outputs["metadata"], "spec": {}}, outputs)

    old = None if before is None else declared(before)
    new = None if after is None else declared(after)
    op = Op.CREATE if old is None else Op.DELETE if new is None else Op.SAME if before == after else Op.UPDATE
    return Step(op, (old or new).urn, CLUSTER_TYPE, old=old, new=new)


def deployment(name="web", *, replicas=2, image="nginx:1.27", kind="Deployment", **spec):
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    count = {} if kind == "DaemonSet" else {"replicas": replicas}
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": {**count, "template": pod, **spec}}


def obj(kind, name="common"):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}}


def labelled(**labels):
    return {"clusterAffinity": {"labelSelector": {"matchLabels": labels}}}


def declares(placement, *templates, **more):
    return {"templates": list(templates or [deployment()]), "placement": placement, "overrideRules": [], **more}


def workload(name="web", before=None, after=None, scheduled=None):
    """Return the step of a workload's rollout.

    `scheduled` is where its templates are, by default where the placement chooses.
    """

    def made(props, outputs):
        return state(ROLLOUT_TYPE, f"{name}-rollout", {"workload": name, **props}, outputs)

    outputs = {"scheduled": scheduled} if scheduled else {}
    old = None if before is None else made(before, outputs)
    new = None if after is None else made(after, {})
    op = Op.CREATE if old is None else Op.DELETE if new is None else Op.SAME if before == after else Op.UPDATE
    return Step(op, (old or new).urn, ROLLOUT_TYPE, old=old, new=new)


def planned(*steps, **more):
    return fleet_plan(Result(steps=list(steps), **more), version="1.18.2")


def ran(*names, template="Deployment default/web"):
    return {template: dict.fromkeys(names, 2)}


def verdicts_of(plan, *, now=NOW, applying=True, **settings):
    given = PolicySettings.model_validate({"environment": "production", **settings})
    return guard_verdicts(plan.blast_radius, given, applying=applying, now=now)


def refused(plan, **settings):
    """Return the refusals of a plan: the guard and its subject."""
    return [(v.rule.name, v.resource) for v in verdicts_of(plan, **settings) if v.refuses]


def text_of(plan, rule, **settings):
    (found,) = [v.message for v in verdicts_of(plan, **settings) if v.rule.name == rule and v.status is Status.FAIL]
    return found


# -- kinds of mass deletion from reports of users ----------------------------------------------------

ALL = on(*TEN)
MEMBERS = tuple(member(name) for name in TEN)
HALF_TYPO = [member(name, after={"teir": "front"} if index < 5 else FRONT) for index, name in enumerate(TEN)]
BY_LABEL = declares(labelled(tier="front"))
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.b.c"}}
SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}

DELETIONS = {
    "a label of half the members is mistyped": (
        [*HALF_TYPO, workload("web", BY_LABEL, BY_LABEL, ran(*TEN))],
        [("max-removed-share", "web")],
    ),
    "the label of a placement is mistyped": (
        [*MEMBERS, workload("web", BY_LABEL, declares(labelled(teir="front")), ran(*TEN))],
        [("max-removed-share", "web"), ("emptied", "web")],
    ),
    "a list of clusters loses most of its lines": (
        [*MEMBERS, workload("web", declares(ALL), declares(on("m0", "m1")), ran(*TEN))],
        [("max-removed-share", "web")],
    ),
    "the list of members is empty": (
        [*(member(name, after=None) for name in TEN), workload("web", BY_LABEL, BY_LABEL, ran(*TEN))],
        [("max-removed-share", "web"), ("max-removed-share", "members"), ("emptied", "members")],
    ),
    "half of the members are missing from the list": (
        [*MEMBERS[:5], *(member(name, after=None) for name in TEN[5:]), workload("web", BY_LABEL, BY_LABEL, ran(*TEN))],
        [("max-removed-share", "web"), ("max-removed-share", "members")],
    ),
    "a list of workloads is empty": (
        [
            *MEMBERS,
            workload("web", declares(ALL), None, ran(*TEN)),
            workload(
                "db",
                declares(on("m0", "m1"), deployment("db")),
                None,
                ran("m0", "m1", template="Deployment default/db"),
            ),
        ],
        [("max-removals", "stack"), ("max-removed-share", "db"), ("max-removed-share", "web")],
    ),
    "a workload gets another name without `formerly`": (
        [
            *MEMBERS,
            workload("web", declares(on("m0", "m1")), None, ran("m0", "m1")),
            workload("shop", None, declares(on("m0", "m1"), deployment("shop"))),
        ],
        [("max-removed-share", "web")],
    ),
    "the only cluster of a workload is exchanged for another one": (
        [*MEMBERS, workload("web", declares(on("m0")), declares(on("m1")), ran("m0"))],
        [("max-removed-share", "web")],
    ),
    "the namespace is missing from the manifests": (
        [*MEMBERS, workload("web", declares(ALL, SPACE, deployment()), declares(ALL), ran(*TEN))],
        [("max-removed-share", "web")],
    ),
    "a custom resource definition is missing, and its objects go with it": (
        [*MEMBERS, workload("web", declares(ALL, CRD, deployment()), declares(ALL), ran(*TEN))],
        [("max-removed-share", "web")],
    ),
    "one of two Deployments is missing from a folder": (
        [*MEMBERS, workload("web", declares(ALL, deployment("api"), deployment()), declares(ALL), ran(*TEN))],
        [("max-removed-share", "web")],
    ),
    "replicas are 0": (
        [*MEMBERS, workload("web", declares(ALL), declares(ALL, deployment(replicas=0)), ran(*TEN))],
        [("max-removed-share", "web")],
    ),
}


@pytest.mark.parametrize(("steps", "by"), DELETIONS.values(), ids=DELETIONS)
def test_a_mass_deletion_is_refused_in_production(steps, by):
    plan = planned(*steps)
    assert refused(plan) == by
    assert all(v.confirmable for v in verdicts_of(plan))


@pytest.mark.parametrize("name", ["a label of half the members is mistyped", "a list of workloads is empty"])
def test_guards_warn_in_staging_and_are_silent_in_development(name):
    plan = planned(*DELETIONS[name][0])
    advised = [v.rule.name for v in verdicts_of(plan, environment="staging") if v.status is Status.FAIL]
    assert advised == [rule for rule, _ in DELETIONS[name][1]]
    assert refused(plan, environment="staging") == []
    assert [v for v in verdicts_of(plan, environment="development") if v.status is Status.FAIL] == []


def test_list_that_becomes_empty_is_refused_in_every_environment():
    """Regression: an empty list of members, or a placement without a match, removed every workload."""
    gone = planned(*DELETIONS["the list of members is empty"][0])
    nothing = planned(*DELETIONS["the label of a placement is mistyped"][0])
    assert refused(gone, environment="development") == [("emptied", "members")]
    assert text_of(gone, "emptied").startswith("no member is left: all 10 leave (m0, m1, m2, m3, m4 and 5 more)")
    assert refused(nothing, environment="development") == [("emptied", "web")]
    assert refused(nothing, environment="development", levels={"emptied": "disabled"}) == []


def test_mistyped_label_of_members_of_another_stack_is_found():
    """Regression: a stack that uses another stack's members (`membersFrom`) was planned as if there were no cluster."""
    live = {name: member(name).old.outputs for name in ("m0", "m1")}
    typo = workload("web", BY_LABEL, declares(labelled(teir="front")), ran("m0", "m1"))
    plan = planned(typo, clusters=live)
    assert [(c.cluster, c.verb) for c in plan.workloads[0].copies] == [("m0", "gone"), ("m1", "gone")]
    assert ("emptied", "web") in refused(plan, environment="development")
    leaving = {**live, "m1": {**live["m1"], "metadata": {**live["m1"]["metadata"], "deletionTimestamp": "2026-01-01"}}}
    stays = workload("web", BY_LABEL, BY_LABEL, ran("m0"))
    assert [c.cluster for c in planned(stays, clusters=leaving).workloads[0].copies] == ["m0"]


def test_small_change_passes():
    one = planned(*MEMBERS, workload("web", declares(ALL), declares(on(*TEN[1:])), ran(*TEN)))
    image = planned(*MEMBERS, workload("web", declares(ALL), declares(ALL, deployment(image="nginx:2")), ran(*TEN)))
    config = planned(*MEMBERS, workload("web", declares(ALL, obj("ConfigMap"), deployment()), declares(ALL), ran(*TEN)))
    new = planned(*MEMBERS, workload("web", None, declares(ALL)))
    assert [refused(plan) for plan in (one, image, config, new)] == [[], [], [], []]


def test_job_that_gets_a_new_name_with_every_release_is_no_loss():
    """Jobs are immutable, so releases replace them. Regression: in production, each release was refused."""

    def job(name):
        pod = {"spec": {"containers": [{"name": "main", "image": "nginx:1.27"}]}}
        meta = {"name": name, "namespace": "default"}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": pod}}

    before, after = (declares(ALL, deployment(), job(name)) for name in ("migrate-1", "migrate-2"))
    plan = planned(*MEMBERS, workload("web", before, after, ran(*TEN)))
    assert plan.blast_radius.text == "copies: 10 changed; 10 clusters touched"
    assert refused(plan) == []
    gone = planned(*MEMBERS, workload("web", declares(ALL, job("a")), None, ran(*TEN, template="Job default/a")))
    assert refused(gone) == [("max-removed-share", "web")], "a workload that goes as a whole counts"


def test_copies_that_members_keep_are_no_loss():
    policy = {"resourceSelectors": [], "preserveResourcesOnDeletion": True}
    kept = {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "p"}}
    parent = "urn:pulumi:s::p::flotilla:index:PropagatedWorkload::web"
    listed = [*MEMBERS, workload("web", declares(on("m0")), None, ran("m0"))]
    found = state("kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy", "p", {**kept, "spec": policy})
    for one in (listed[-1].old, found):
        object.__setattr__(one, "parent", parent)
    plan = planned(*listed, Step(Op.DELETE, found.urn, found.type, old=found))
    assert plan.blast_radius.text == "copies: 1 let go of; 1 cluster touched"
    assert refused(plan) == []


# -- limits, levels, exemptions, freezes ------------------------------------------------------------

TAKEN = planned(*MEMBERS, workload("web", declares(ALL), declares(on("m0", "m1", "m2", "m3", "m4", "m5")), ran(*TEN)))
CHANGED = planned(*MEMBERS, workload("web", declares(ALL), declares(ALL, deployment(image="nginx:2")), ran(*TEN)))


def test_limit_of_the_stack_file_applies_in_every_environment():
    assert refused(TAKEN) == []
    for environment in ("development", "staging", "production"):
        given = {"environment": environment, "guards": {"maxRemovals": 3, "maxRemovedShare": 39, "maxClusters": 3}}
        assert [rule for rule, _ in refused(TAKEN, **given)] == ["max-removals", "max-removed-share", "max-clusters"]
        loose = {"maxRemovals": 4, "maxRemovedShare": 40, "maxClusters": 4}
        assert refused(TAKEN, environment=environment, guards=loose) == []
        levels = {"max-removals": "advisory", "max-removed-share": "disabled", "max-clusters": "disabled"}
        assert refused(TAKEN, **given, levels=levels) == []


def test_the_message_names_counts_limits_and_clusters():
    limits = {"guards": {"maxRemovals": 3, "maxRemovedShare": 39, "maxClusters": 3}}
    assert text_of(TAKEN, "max-removals", **limits) == (
        "4 copies would be removed, more than 3 (web in m6, m7, m8, m9)"
    )
    assert text_of(TAKEN, "max-removed-share", **limits) == (
        "is removed from 4 of the 10 clusters in which it runs (m6, m7, m8, m9), more than 39 %"
    )
    assert text_of(TAKEN, "max-clusters", **limits) == "4 clusters would be touched, more than 3 (m6, m7, m8, m9)"
    moved = planned(*DELETIONS["the only cluster of a workload is exchanged for another one"][0])
    assert text_of(moved, "max-removed-share").endswith("more than 40 %, before the new copies (m1) are healthy")


def test_exemption_applies_to_one_workload_until_it_expires():
    one = {"resource": "we*", "reason": "retired", "expires": "2026-06-03"}
    limits = {"guards": {"maxRemovals": 3, "maxRemovedShare": 39}}
    both = [{"rule": "max-removals", **one}, {"rule": "max-removed-share", **one}]
    assert refused(TAKEN, **limits, exemptions=both) == []
    assert [v.status for v in verdicts_of(TAKEN, **limits, exemptions=both)][1:2] == [Status.EXEMPT]
    ended = [{**entry, "expires": "2026-06-02"} for entry in both]
    assert len(refused(TAKEN, **limits, exemptions=ended)) == 2


WEEKEND = {"from": "Fri 16:00", "until": "Mon 08:00", "timeZone": "Europe/Berlin", "reason": "weekend"}
WHOLE_DAYS = {"from": "Saturday", "until": "sun", "reason": "weekend"}
HOLIDAYS = {"from": dt.date(2026, 12, 20), "until": "2027-01-03", "reason": "year"}


@pytest.mark.parametrize(
    ("freeze", "at", "until"),
    [
        (WEEKEND, "2026-06-05T13:59", None),
        (WEEKEND, "2026-06-05T14:00", "Mon 2026-06-08 08:00 Europe/Berlin"),
        (WEEKEND, "2026-06-08T05:59", "Mon 2026-06-08 08:00 Europe/Berlin"),
        (WEEKEND, "2026-06-08T06:00", None),
        (WHOLE_DAYS, "2026-06-07T23:59", "Mon 2026-06-08 00:00 UTC"),
        (WHOLE_DAYS, "2026-06-08T00:00", None),
        ({"from": "22:00", "until": "6:00", "reason": "night"}, "2026-06-04T05:59", "Thu 2026-06-04 06:00 UTC"),
        ({"from": "22:00", "until": "6:00", "reason": "night"}, "2026-06-04T06:00", None),
        ({"from": "09:00", "until": "17:00", "reason": "day"}, "2026-06-04T08:59", None),
        (HOLIDAYS, "2026-12-19T23:59", None),
        (HOLIDAYS, "2027-01-03T23:59", "Mon 2027-01-04 00:00 UTC"),
        (HOLIDAYS, "2027-01-04T00:00", None),
        ({**HOLIDAYS, "until": "2026-12-20 18:00"}, "2026-12-20T17:59", "Sun 2026-12-20 18:00 UTC"),
    ],
)  # fmt: skip
def test_freeze_refuses_until_its_end_which_the_message_has(freeze, at, until):
    now = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)
    guards = {"freeze": [freeze]}
    found = [v for v in verdicts_of(CHANGED, now=now, guards=guards) if v.rule.name == "freeze"]
    assert [v.status for v in found] == [Status.FAIL if until else Status.PASS]
    if until:
        assert found[0].refuses
        assert found[0].message == f"no changes until {until} ({freeze['reason']})"
        looked = verdicts_of(CHANGED, now=now, guards=guards, applying=False)
        assert not any(v.refuses for v in looked), "a plan may be looked at any time"


def test_freeze_of_other_environments_does_not_apply():
    stored = {**WEEKEND, "from": "Mon", "until": "Sat", "environments": ["production"]}
    assert refused(CHANGED, guards={"freeze": [stored]}) == [("freeze", "stack")]
    assert refused(CHANGED, environment="staging", guards={"freeze": [stored]}) == []


@pytest.mark.parametrize(
    ("guards", "said"),
    [
        ({"maxRemovals": -1}, "policies.guards.maxRemovals: -1 — must be greater than or equal to 0"),
        ({"maxRemovedShare": 101}, "policies.guards.maxRemovedShare: 101 — must be less than or equal to 100"),
        ({"maxRemoval": 1}, "did you mean 'maxRemovals'?"),
        ({"freeze": [{**WEEKEND, "from": "Fry 16:00"}]}, 'freeze[0].from: "Fry 16:00" — must be a day and a time'),
        ({"freeze": [{**WEEKEND, "from": "25:00"}]}, "must be a day and a time (Fri 16:00)"),
        ({"freeze": [{**WEEKEND, "from": "2026-02-30"}]}, "must be a day and a time (Fri 16:00)"),
        ({"freeze": [{**WEEKEND, "until": "22:00"}]}, "has a beginning and an end of different forms"),
        ({"freeze": [{**WEEKEND, "until": "Fri 16:00"}]}, "begins and ends at the same time"),
        ({"freeze": [{**WEEKEND, "from": "Mon", "until": "Sun"}]}, "begins and ends at the same time"),
        ({"freeze": [{**WEEKEND, "from": "2026-06-02", "until": "2026-06-01"}]}, "ends before it begins"),
        ({"freeze": [{**WEEKEND, "from": "2026-06-02", "until": "9999-12-31"}]}, "ends on 9999-12-31, after which"),
        ({"freeze": [{**WEEKEND, "timeZone": "Mars/Olympus"}]}, 'timeZone: "Mars/Olympus" — is not a time zone'),
        ({"freeze": [{**WEEKEND, "timeZone": "../../etc/passwd"}]}, "is not a time zone"),
        ({"freeze": [{"from": "Fri", "until": "Sun"}]}, "freeze[0].reason: is required"),
    ],
)  # fmt: skip
def test_invalid_guard_is_a_problem_of_the_stack_file(stack, project, sections, capsys, guards, said):
    stack({**sections, "policies": {"guards": guards}})
    assert main(["validate", "-C", str(project), "-s", "dev"]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
