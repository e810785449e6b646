"""Each stage of a rollout on plain data: what is missing until the stage is reached."""

import pytest

from flotilla.errors import ClusterError
from flotilla.karmada.objects import ResourceBinding, Work
from flotilla.karmada.status import judgements
from flotilla.karmada.status.ready import Goal, Until
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.versions import known_version
from flotilla.observe.workloads import copies_of
from tests.unit.planes import EVERYWHERE, Plane, binding, check_once, cluster, done, live, web, work


def check(declared, *members):
    return RolloutCheck(declared, EVERYWHERE, [], {name: {"id": name, "unanswered": ""} for name in members})


def named(members):
    return [f"m{number}" for number in range(members)]


NEWER = {"name": "b", "generation": 3}
SEEN = {"conditions": [{"type": "Scheduled", "status": "True"}], "schedulerObservedGeneration": 2}


def bound(**changes):
    obj = binding(web(), ["m0"])
    return ResourceBinding.read({**obj, **changes})


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        (judgements.not_declared(web(), live(web())), ""),
        (judgements.not_declared(web(replicas=3), live(web())), "is not as declared in the control plane: spec.repl"),
        (judgements.not_claimed(live(web()), bound()), ""),
        (judgements.not_claimed(live(web()), None), "no policy has claimed it yet"),
        (
            judgements.not_claimed({"metadata": {"uid": "another"}}, bound()),
            "its ResourceBinding belongs to an",
        ),
        (judgements.another_placement(bound(), EVERYWHERE), ""),
        (judgements.another_placement(bound(), {"clusterAffinity": {"exclude": ["m0"]}}), "its ResourceBinding has an"),
        (judgements.not_scheduled(bound()), ""),
        (judgements.not_scheduled(bound(status={})), "the scheduler has not seen it yet"),
        (
            judgements.not_scheduled(
                bound(status={"conditions": [{"type": "Scheduled", "status": "False", "reason": "NoClusterFit"}]})
            ),
            "not scheduled: NoClusterFit",
        ),
        (judgements.not_scheduled(bound(metadata=NEWER, status=SEEN)), "the scheduler has not seen its change yet"),
        (judgements.not_scheduled(bound(metadata={**NEWER, "generation": 2}, status=SEEN)), ""),
    ],
)
def test_template_is_declared_claimed_and_scheduled(judged, text):
    assert judged.startswith(text)
    assert bool(judged) is bool(text)


def sent(**keys):
    return Work.read(work(web(), "m0", identity="id", **keys))


def deleted():
    obj = work(web(), "m0", identity="id")
    return Work.read({**obj, "metadata": {**obj["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})


@pytest.mark.parametrize(
    ("work_found", "wanted", "text"),
    [
        (sent(), web(), ""),
        (None, web(), "not sent yet (there is no Work)"),
        (ClusterError("it is odd"), web(), "its Work can't be read: it is odd"),
        (sent(workload={"manifests": []}), web(), "its Work is empty"),
        (sent(), web(replicas=7), "its Work doesn't have spec.replicas = 7 yet"),
        (sent(applied=""), web(), "sent, not applied yet"),
        (sent(applied="False", message="no quota"), web(), "not applied: no quota"),
        (sent(suspendDispatching=True), web(), "its Work is suspended: Karmada doesn't send it"),
        (deleted(), web(), "its Work is being deleted"),
    ],
)
def test_copy_is_sent_and_applied(work_found, wanted, text):
    """A suspended Work keeps the Applied condition of its former content. Regression: such a copy was called done."""
    assert judgements.arrived(work_found, wanted) == text


def report(**keys):
    obj = binding(web(), ["m0"])
    obj["status"]["aggregatedStatus"][0] |= keys
    return ResourceBinding.read(obj).status.aggregated_status[0]


@pytest.mark.parametrize(
    ("item", "ignored", "text"),
    [
        (report(), False, ""),
        (None, False, "applied, not reported yet"),
        (report(applied=False, appliedMessage="denied"), False, "not applied: denied"),
        (report(applied=False), False, "not applied: no reason given"),
        (report(status={"resourceTemplateGeneration": 1}), False, "applied, but the report is about an older version"),
        (report(status={"resourceTemplateGeneration": 2}), False, ""),
        (report(health="Unhealthy", status={"readyReplicas": 1}), False, "1 of 2 replicas ready"),
        (report(health="Unhealthy"), True, ""),
        (report(health=None, status=None), False, "health not known yet, 0 of 2 replicas ready"),
    ],
)
def test_copy_is_healthy(item, ignored, text):
    goal = Goal(Until.APPLIED) if ignored else None
    found = judgements.not_ready(item, 2, 2, goal=goal, sent=web(), version=None)
    assert found == text


@pytest.mark.parametrize(
    ("kind", "version", "text"),
    [
        (("", "ConfigMap"), "1.10.7", ""),
        (("batch", "Job"), "1.11.0", ""),
        (("example.org", "Widget"), None, ""),
        (("apps", "Deployment"), "1.10.7", "unknown, 0 of 2 replicas ready"),
        (("example.org", "Widget"), "1.18.2", "unknown, 0 of 2 replicas ready"),
    ],
)
def test_health_that_karmada_before_1_12_does_not_report_is_not_waited_for(kind, version, text):
    """Regression: a workload with a ConfigMap was never done on Karmada 1.10 and 1.11."""
    known = known_version(version)
    item = report(health="Unknown", status=None)
    group, name = kind
    sent = {"apiVersion": f"{group}/v1" if group else "v1", "kind": name, "metadata": {"name": "x"}}
    assert judgements.not_ready(item, 2, 2, goal=None, sent=sent, version=known) == text


@pytest.mark.parametrize(
    ("api_version", "kind", "shown"), [("v1", "ConfigMap", "Healthy"), ("apps/v1", "Deployment", "Unknown")]
)
def test_status_shows_an_applied_object_without_health_as_healthy(api_version, kind, shown):
    obj = binding(web(), ["m0"])
    obj["status"] |= {"aggregatedStatus": [{"clusterName": "m0", "applied": True, "health": "Unknown"}]}
    obj["spec"]["resource"] |= {"apiVersion": api_version, "kind": kind}
    (copy,) = copies_of(Plane(obj, work(web(), "m0", identity="id")))
    assert copy.health == shown


@pytest.mark.parametrize("missing", ["template", "binding", "work", "report"])
def test_workload_is_not_done_while_any_stage_is_missing(missing):
    declared, objects = done(1, 2)
    kinds = {"template": "Deployment", "binding": "ResourceBinding", "work": "Work"}
    kept = [obj for obj in objects if obj["kind"] != kinds.get(missing)]
    if missing == "report":
        kept.append(binding(declared[0], named(2), healthy=["m1"]))
    (progress,) = check_once(check(declared, *named(2)), Plane(*kept))
    assert not progress.done
    assert check_once(check(declared, *named(2)), Plane(*objects))[0].done


@pytest.mark.parametrize(
    ("suspension", "late"),
    [
        ({}, ["m0", "m1"]),
        ({"dispatchingOnClusters": {"clusterNames": ["m1"]}}, ["m0"]),
        ({"dispatching": True}, []),
    ],
)
def test_suspended_cluster_is_not_waited_for(suspension, late):
    declared, objects = done(1, 2)
    kept = [obj for obj in objects if obj["kind"] != "Work"]
    members = {name: {"id": name, "unanswered": ""} for name in named(2)}
    (progress,) = check_once(RolloutCheck(declared, EVERYWHERE, [], members, suspension=suspension), Plane(*kept))
    assert [one.cluster for one in progress.clusters if not one.done] == late


def test_lazy_policy_takes_effect_with_the_next_change_and_is_not_waited_for():
    declared, objects = done(1, 2)
    placement = {"clusterAffinity": {"clusterNames": ["m1"]}}
    members = {"m1": {"id": "1", "unanswered": ""}}
    (progress,) = check_once(RolloutCheck(declared, placement, [], members), Plane(*objects))
    assert "another placement" in progress.waiting_for
    (progress,) = check_once(RolloutCheck(declared, placement, [], members, lazy=True), Plane(*objects))
    assert progress.done


def moved(**spec):
    """Return a fleet whose template is scheduled to m0 and m1 while m2 still has a copy."""
    declared, objects = done(1, 2)
    bound = binding(declared[0], named(2))
    kept = [obj for obj in objects if obj["kind"] != "ResourceBinding"]
    copy = work(declared[0], "m2", identity="id-web-0")
    return declared, [*kept, {**bound, "spec": {**bound["spec"], **spec}}, copy]


@pytest.mark.parametrize(
    ("spec", "m2", "left"),
    [
        ({}, cluster("m2"), ["m2"]),
        ({}, cluster("m2", ready=False), []),
        ({"requiredBy": [{"name": "front", "clusters": [{"name": "m2"}]}]}, cluster("m2"), []),
        ({"gracefulEvictionTasks": [{"fromCluster": "m2", "producer": "p", "reason": "r"}]}, cluster("m2"), []),
    ],
    ids=["chosen no more", "not Ready", "needed by another", "being evicted"],
)
def test_workload_that_still_runs_in_its_former_cluster_is_not_done(spec, m2, left):
    """Regression: a moving workload was called done while a copy was still in its former cluster."""
    declared, objects = moved(**spec)
    placement = {"clusterAffinity": {"clusterNames": named(2)}}
    rollout = RolloutCheck(declared, placement, [], {name: {"id": name, "unanswered": ""} for name in named(2)})
    objects = [{**o, "spec": {**o["spec"], "placement": placement}} if "Binding" in o["kind"] else o for o in objects]
    (progress,) = check_once(rollout, Plane(*objects, m2))
    assert [one.cluster for one in progress.clusters if not one.done] == left
    assert all("is not chosen any more" in one.waiting_for for one in progress.clusters if not one.done)


ZEROS = {"hostNetwork": False, "restartPolicy": "", "terminationGracePeriodSeconds": 0}


def with_pod(spec):
    obj = web()
    return {**obj, "spec": {**obj["spec"], "template": {"spec": spec}}}


def test_zero_values_that_an_api_server_omits_are_not_waited_for():
    """Charts write `hostNetwork: false` and `initialDelaySeconds: 0`; the server omits such fields."""
    declared, there = with_pod(ZEROS), with_pod({})
    assert judgements.not_declared(declared, live(there)) == ""
    assert "doesn't have spec.template" not in judgements.not_sent(Work.read(work(there, "m0")), declared)
    for key in ZEROS:
        other = with_pod({**ZEROS, key: 7})
        assert f"spec.template.spec.{key} differs" in judgements.not_declared(other, live(there))
        assert f"spec.template.spec.{key} differs" in judgements.not_declared(declared, live(other))


THERE = (
    "Failed to apply all manifests (0/1): resource(kind=Deployment, default/web) already exists in the cluster m0 and "
    "the work.karmada.io/conflict-resolution strategy value is empty, Karmada will not manage this resource"
)
"""What Karmada says (1.10 to 1.18) of a copy that it doesn't take over."""


def test_conflicting_copy_is_reported_with_the_key_that_takes_it_over():
    """Karmada's own message in rollouts, drift and status names neither Abort nor a remedy."""
    refused = work(web(), "m0", identity="id-web", applied="False", message=THERE)
    said = judgements.not_applied(Work.read(refused))
    assert said == (
        "not applied: the member has it already, made by somebody else, and Karmada leaves that alone; "
        "`conflictResolution: Overwrite` in the workload takes over what is there"
    )
    assert judgements.not_reported(report(applied=False, appliedMessage=THERE), 1) == said
    obj = binding(web(), ["m0"])
    obj["status"] |= {"aggregatedStatus": [{"clusterName": "m0", "applied": False, "appliedMessage": THERE}]}
    (copy,) = copies_of(Plane(obj, refused))
    assert f"not applied: {copy.reason}" == said
    other = work(web(), "m0", identity="id-web", applied="False", message="denied")
    assert judgements.not_applied(Work.read(other)) == "not applied: denied"


def test_namespace_that_a_member_already_has_does_not_block_a_rollout():
    """Karmada doesn't take over a Namespace that it has not created.

    Regression: such a workload waited until its timeout.
    """
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}

    def late(message):
        sent = [work(space, name, applied="False", message=message) for name in ("m0", "m1")]
        (progress,) = check_once(check([space], "m0", "m1"), Plane(cluster("m0"), cluster("m1"), live(space), *sent))
        return [one.late for one in progress.clusters]

    assert late(THERE) == ["", ""]
    assert late("denied") == ["not applied: denied"] * 2
