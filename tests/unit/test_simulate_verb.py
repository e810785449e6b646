"""`flotilla simulate`: from a plan, the control plane's bindings and the state to the output."""

import json

import pytest
import yaml

from flotilla.agent.simulating import Simulate, simulation_answer
from flotilla.cli import simulate as verb
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.deploy.simulated import simulated
from flotilla.karmada.scheduling import Taint
from flotilla.karmada.simulation.asking import Assumptions, BadAssumption, assumed_of, joining
from flotilla.karmada.simulation.failover import Failover
from flotilla.karmada.simulation.outcome import Outcome, Verdict
from flotilla.karmada.simulation.texts import details, moves_text
from flotilla.karmada.versions import Version
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.simulated import Seen, world_of
from flotilla.plan.steps import Op, Result, Step
from flotilla.report.build import plan_report
from flotilla.report.html import html
from flotilla.stack.fleet import ControlPlane
from flotilla.stack.load import parse_fleet
from flotilla.stack.moving import failover_of
from flotilla.state.checkpoint import ResourceState
from tests.unit.rollouts import binding, cluster, divided, web
from tests.unit.worlds import EVICTS

URN = "urn:pulumi:test::flotilla::{}::{}"
BOTH = divided("member1", "member2")


def state(type_, name, inputs, outputs=None):
    return ResourceState(URN.format(type_, name), True, type_, id=name, inputs=inputs, outputs=outputs or inputs)


def cluster_step(name, mode="Push", **spec):
    inputs = {"metadata": {"name": name}, "spec": {"syncMode": mode, **spec}}
    found = state(CLUSTER_TYPE, f"{name}-cluster", inputs, {**inputs, **cluster(name)})
    return Step(Op.SAME, found.urn, CLUSTER_TYPE, old=found, new=found)


def rollout_step(placement=BOTH, scheduled=None, replicas=4):
    inputs = {"workload": "web", "overrideRules": [], "templates": [web(replicas)], "placement": placement}
    outputs = {"scheduled": {"Deployment default/web": scheduled}} if scheduled else {}
    found = state(ROLLOUT_TYPE, "web-rollout", inputs, outputs)
    return Step(Op.SAME, found.urn, ROLLOUT_TYPE, old=found, new=found)


def bound(shares, placement=BOTH, **more):
    found = binding(shares, placement, **more)
    found["spec"]["resource"]["namespace"] = "default"
    found["metadata"]["annotations"] = {"policy.karmada.io/applied-placement": json.dumps(placement)}
    return found


def planned(*more, scheduled=None, placement=BOTH, live=True):
    steps = [cluster_step("member1"), cluster_step("member2"), rollout_step(placement, scheduled), *more]
    names = [s.name.removesuffix("-cluster") for s in steps if s.type == CLUSTER_TYPE]
    return Result(steps=steps, clusters={name: cluster(name) for name in names} if live else {})


def world(result, *bindings, version="1.18.2", policies=()):
    seen = Seen(tuple(bindings), tuple(policies))
    return world_of(result, seen, version=version, failovers=(Failover(),))


# -- known state -----------------------------------------------------------------------------------


def test_clusters_of_a_template_come_from_its_binding():
    (found,) = world(planned(scheduled={"member1": 4}), bound({"member1": 1, "member2": 3})).placed
    assert (found.current.shares, found.current.placement, found.seen) == ({"member1": 1, "member2": 3}, BOTH, True)


@pytest.mark.parametrize(("version", "groups"), [("1.17.3", ("then",)), ("1.18.2", ("first", "then"))])
def test_possible_affinity_groups_depend_on_karmadas_version(version, groups):
    """Before 1.18, a group by one zone doesn't choose a cluster of two zones. Regression: it was taken for possible."""
    zone = {"key": "zone", "operator": "In", "values": ["us-a"]}
    first = {"affinityName": "first", "fieldSelector": {"matchExpressions": [zone]}}
    listed = {"clusterAffinities": [first, {"affinityName": "then", "clusterNames": ["member1"]}]}
    steps = [cluster_step("member1", zones=["us-a", "us-b"]), rollout_step(listed, {"member1": 4})]
    (found,) = world(Result(steps=steps), version=version).placed
    assert found.groups == groups


def test_clusters_come_from_the_state_without_bindings():
    (found,) = world(planned(scheduled={"member1": 4}, live=False)).placed
    assert (found.current.shares, found.current.placement, found.seen) == ({"member1": 4}, BOTH, False)


def test_suspended_scheduling_is_recognised():
    suspended = bound({"member1": 4})
    suspended["spec"]["suspension"] = {"scheduling": True}
    assert world(planned(), suspended).placed[0].suspended


def test_binding_with_a_malformed_annotation_is_read():
    broken = bound({"member1": 4})
    broken["metadata"]["annotations"] = {"policy.karmada.io/applied-placement": "{"}
    assert world(planned(), broken).placed[0].current.placement is None


def test_clusters_have_their_reported_capacity_and_mode():
    result = planned(cluster_step("member3", "Pull", region="eu"))
    result.clusters["member1"]["status"]["resourceSummary"] = {"allocatable": {"pods": "110"}}
    result.clusters["member2"]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    result.clusters["other"] = cluster("other", labels={"of": "another stack"})
    found = world(result)
    facts = {one.name: one for one in found.clusters}
    assert facts["member1"].capacity.allocatable == {"pods": "110"}
    assert facts["other"].labels == {"of": "another stack"}
    assert (found.pull, found.down, facts["member3"].region) == ({"member3"}, {"member2"}, "eu")


def test_every_condition_counts_for_taint_policies():
    result = planned()
    result.clusters["member1"]["status"]["conditions"].append({"type": "DiskPressure", "status": "True"})
    assert world(result).conditions["member1"] == {"Ready": "True", "DiskPressure": "True"}


def test_member_that_the_plan_removes_is_not_in_the_fleet():
    gone = cluster_step("member3")
    result = planned(Step(Op.DELETE, gone.urn, CLUSTER_TYPE, old=gone.old))
    result.clusters["member3"] = cluster("member3")
    assert world(result).names == ["member1", "member2"]


def test_replicas_in_a_removed_cluster_do_not_count_as_running(run):
    """Regression: replicas in a member that the stack removes kept a workload alive in the simulation."""
    step = cluster_step("member2")
    leaves = Step(Op.DELETE, step.urn, step.type, old=step.old)
    live = {name: cluster(name) for name in ("member1", "member2")}
    result = Result(steps=[cluster_step("member1"), leaves, rollout_step()], clusters=live)
    code, out, _ = run("--without", "member1", result=result)
    assert code == ExitCode.DONE
    assert "lost     web: Deployment default/web: member1 1 → lost, member2 3" in out
    assert "not ready, or not in the fleet" in out


def test_taint_policies_of_the_control_plane_override_declared_ones():
    def policy(name, time=None):
        return {**EVICTS, "kind": "ClusterTaintPolicy", "metadata": {"name": name, "creationTimestamp": time}}

    inputs = policy("declared")
    declared = state("kubernetes:policy.karmada.io/v1alpha1:ClusterTaintPolicy", "declared", inputs)
    step = Step(Op.CREATE, declared.urn, declared.type, new=declared)
    found = world(planned(step), policies=(policy("b", "2026-01-02"), policy("a", "2026-01-01"))).taint_policies
    assert [one["metadata"]["name"] for one in found] == ["a", "b", "declared"]


# -- assumptions -----------------------------------------------------------------------------------


def assumed(**asked):
    return assumed_of(
        Assumptions(**asked), world(planned(cluster_step("member3", region="eu", zones=["a"]))), lambda _: ()
    )


def test_options_are_parsed():
    found = assumed(
        without=("member1", "region=eu"),
        cordon=("member2",),
        taints=("member2=site=gone:NoExecute", "member2=edge:NoSchedule"),
        replicas=("web=20",),
        members=({"name": "member9", "zones": ["b"], "taints": [{"key": "x", "effect": "NoSchedule"}]},),
        karmada="v1.16.1",
    )
    assert (found.without, found.cordoned, found.replicas) == ({"member1", "member3"}, {"member2"}, {"web": 20})
    assert found.taints == (("member2", Taint("site", "gone", "NoExecute")), ("member2", Taint("edge")))
    assert found.joins[0].zones == ("b",)
    assert found.scheduler.version == Version(1, 16)
    assert assumed(without=("zone=a",)).without == {"member3"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"without": ("member7",)}, ["'member7'", "member1"]),
        ({"without": ("region=mars",)}, ["region=mars"]),
        ({"without": ("region=",)}, ["'region='"]),
        ({"without": ("colour=red",)}, ["colour=red", "region=NAME"]),
        ({"cordon": ("",)}, ["no member ''"]),
        ({"taints": ("member1=site:PreferNoSchedule",)}, ["NoSchedule or NoExecute"]),
        ({"taints": ("member1",)}, ["MEMBER=KEY"]),
        ({"taints": ("member8=a:NoExecute",)}, ["'member8'"]),
        ({"replicas": ("web",)}, ["NAME=COUNT"]),
        ({"replicas": ("web=-1",)}, ["NAME=COUNT"]),
        ({"replicas": ("web=99999999999",)}, ["NAME=COUNT"]),
        ({"replicas": ("shop=2",)}, ["'shop'", "web"]),
        ({"karmada": "1.9"}, ["'1.9'", "1.10 and 1.18"]),
        ({"karmada": "latest"}, ["'latest'"]),
        ({"members": ({"name": "member1"},)}, ["member1 is a member already"]),
        ({"members": ({"labels": {}},)}, ["no name"]),
        ({"members": ({"name": "m9"}, {"name": "m9", "region": "eu"})}, ["m9 joins twice"]),
        ({"members": ([],)}, ["a map"]),
        ({"members": ({"name": "m", "taints": 7},)}, ["can't be read"]),
        ({"members": ({"name": "m", "zones": 7},)}, ["can't be read"]),
        ({"members": ({"name": "m", "zones": "eu"},)}, ["can't be read"]),
        ({"members": ({"name": "m", "labels": ["a"]},)}, ["can't be read"]),
        ({"members": ({"name": "m", "labels": {"a": 1}},)}, ["can't be read"]),
        ({"members": ({"name": "m", "region": {"a": 1}},)}, ["can't be read"]),
        ({"members": ({"kind": "Cluster", "metadata": {"name": "m"}, "spec": [1]},)}, ["can't be read"]),
        ({"members": ({"kind": "Cluster", "metadata": {"name": "m"}, "status": "x"},)}, ["can't be read"]),
    ],
)
def test_invalid_or_unknown_option_value_is_one_line(asked, words):
    with pytest.raises(BadAssumption) as error:
        assumed(**asked)
    assert "\n" not in error.value.message
    for word in words:
        assert word in str(error.value)


def test_member_can_be_given_as_a_cluster_of_the_api():
    found = joining({"kind": "Cluster", **cluster("member9", labels={"env": "prod"})})
    assert (found.name, found.labels) == ("member9", {"env": "prod"})


# -- this Karmada's failover ----------------------------------------------------------------------


def helm(version, values=None, **gates):
    section = {"host": "host.yaml", "endpoint": {"type": "NodePort", "address": "10.0.0.1", "port": 32443}}
    section |= {"featureGates": {"controllerManager": gates}} if gates else {}
    return ControlPlane.model_validate({"version": version, "helm": section | ({"values": values} if values else {})})


def test_failover_is_set_by_the_stack_or_by_the_versions_default():
    flag = {"controllerManager": {"extraCommandArgs": {"enable-no-execute-taint-eviction": "true"}}}
    gate_alone, both = failover_of(helm("1.18.2", Failover=True)), failover_of(helm("1.18.2", flag, Failover=True))
    assert gate_alone.ways == (Failover(taint_policies=True),)
    assert both.ways == (Failover(taints_evict=True, taint_policies=True),)
    assert failover_of(helm("1.18.2")).ways == (Failover(),)
    assert failover_of(helm("1.10.7")).ways == (Failover(unready_evicts=True, taints_evict=True),)
    assert failover_of(helm("1.10.7", Failover=False)).ways == (Failover(taints_evict=True),)


def test_unknown_version_leaves_failover_open_unless_the_user_sets_it():
    unknown = ControlPlane.model_validate({"kubeconfig": "kube.yaml"})
    assert len(failover_of(unknown).ways) > 1
    assert "isn't known" in failover_of(unknown).text
    named = ControlPlane.model_validate({"kubeconfig": "kube.yaml", "version": "1.18.2"})
    assert failover_of(named).ways == (Failover(),)
    assert failover_of(named, given=True).ways == (Failover(taints_evict=True, taint_policies=True),)
    assert failover_of(named, release="1.10.7").ways == (Failover(unready_evicts=True, taints_evict=True),)


def test_gates_of_another_stacks_karmada_are_used(project, sections):
    """Regression: a stack with another stack's Karmada was simulated with the version's default."""
    (project / "stacks").mkdir()
    plane = helm("1.18.2", Failover=True).model_dump(mode="json", by_alias=True, exclude_unset=True)
    installs = {"flotilla:controlPlane": plane}
    (project / "stacks" / "Pulumi.base.yaml").write_text(yaml.safe_dump({"config": installs}))
    fleet = parse_fleet({**sections, "controlPlane": {"stack": "base"}}, base=project)
    found = failover_of(fleet.installed)
    assert found.text.startswith("failover is on: stack base sets the feature gate Failover")
    assert found.ways == (Failover.of(Version(1, 18), gate=True, no_execute=False),)


# -- the verb -------------------------------------------------------------------------------------


@pytest.fixture
def run(project, sections, monkeypatch, capsys):
    """Run the verb on a stack with the given plan and bindings; return its exit code, output and errors."""
    sections["controlPlane"]["version"] = "1.18.2"
    sections["workloads"][0]["name"] = "web"
    (project / "Pulumi.yaml").write_text("name: flotilla\nruntime: python\nstackConfigDir: stacks\n")
    (project / "stacks").mkdir()
    config = {f"flotilla:{key}": value for key, value in sections.items()}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))

    def do(*words, result=None, seen=None):
        found = planned() if result is None else result

        class Stack:
            def preview(self):
                return found

        monkeypatch.setattr(verb, "open_stack", lambda *_: Stack())
        monkeypatch.setattr(verb, "seen_of", lambda *_: seen or Seen((bound({"member1": 1, "member2": 3}),)))
        code = main(["simulate", "-C", str(project), "-s", "dev", *words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return do


def test_output_has_lost_and_remaining_workloads(run):
    code, out, _ = run("--without", "member2")
    assert code == ExitCode.DONE
    assert "Failover is assumed to be off, the default of Karmada 1.18.2." in out
    assert "If member2 is lost:" in out
    assert "fewer    web: Deployment default/web: member1 1, member2 3 → lost" in out
    assert "Karmada leaves it scheduled to member2, where it doesn't run" in out


def test_assumptions_can_be_combined(run):
    seen = Seen((bound({"member1": 1, "member2": 3}),), ({**EVICTS, "metadata": {"name": "p"}},))
    more = ("--cordon", "member1", "--replicas", "web=6", "--failover", "on")
    code, out, _ = run("--without", "member2", *more, seen=seen)
    assert code == ExitCode.DONE
    assert "If member2 is lost, member1 is cordoned and web has 6 replicas:" in out
    assert "member1 1 → 6, member2 3 → lost" in out


def test_document_has_every_template_and_the_assumptions(run):
    code, out, _ = run("--json", "--without", "member2", "--karmada", "1.10.7")
    document = json.loads(out)
    assert (code, document["stack"], document["assumed"]["karmada"]) == (0, "dev", "1.10")
    (template,) = document["templates"]
    assert template["before"] == {"member1": 1, "member2": 3}
    assert template["evicted"] == {"member2": 0}, "stored by 1.18, the placement has no tolerations by default"


def test_each_lists_the_single_points_of_failure(run):
    code, out, _ = run("--each", seen=Seen((bound({"member2": 4}),)))
    assert code == ExitCode.DONE
    assert "single points of failure: cluster member2" in out
    assert "no cluster, region or zone" in run("--each")[1]


def test_require_survival_sets_the_exit_code(run):
    alone = Seen((bound({"member2": 4}),))
    code, out, err = run("--each", "--require-survival", "--json", seen=alone)
    document = json.loads(out)
    assert (code, document["singlePointsOfFailure"]) == (ExitCode.FAILED, [{"kind": "cluster", "name": "member2"}])
    assert "not everything survives: cluster member2: web (Deployment default/web)" in err
    assert run("--without", "member2", "--require-survival", seen=alone)[0] == ExitCode.FAILED
    assert run("--each", "--require-survival")[0] == ExitCode.DONE


def test_templates_hidden_by_the_engine_are_reported_and_do_not_count_as_surviving(run):
    """Regression: a workload with hidden templates was left out, and `--require-survival` passed."""
    inputs = {"workload": "shop", "templates": "[secret]", "overrideRules": [], "placement": BOTH}
    found = state(ROLLOUT_TYPE, "shop-rollout", inputs)
    result = planned(Step(Op.SAME, found.urn, ROLLOUT_TYPE, old=found, new=found))
    code, out, err = run("--each", "--require-survival", result=result)
    assert code == ExitCode.FAILED
    assert "not simulated, because the engine doesn't show their objects: shop" in out
    assert "not everything survives: perhaps shop, which isn't simulated" in err


def test_fleet_without_clusters_has_an_empty_list_of_losses(run):
    code, out, _ = run("--each", "--json", result=Result(steps=[]), seen=Seen())
    document = json.loads(out)
    assert (code, document["each"], document["singlePointsOfFailure"]) == (ExitCode.DONE, [], [])


def test_joining_member_is_read_from_a_file(run, project):
    file = project / "new.yaml"
    file.write_text("name: member9\nregion: eu\n")
    code, out, _ = run("--member", str(file), "--all")
    assert code == ExitCode.DONE
    assert "If member9 joins:" in out


def test_list_in_the_output_format_of_kubectl_is_read(run, project):
    """`kubectl get cluster -o yaml` prints a list. Regression: it was read as a member without a name."""
    file = project / "new.yaml"
    entry = {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "spec": {}}
    items = [{**entry, "metadata": {"name": name}} for name in ("member8", "member9")]
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    code, out, _ = run("--member", str(file))
    assert code == ExitCode.DONE
    assert "If member8 joins and member9 joins:" in out


NO_MEMBERS = [
    "",
    "kind: List\nitems: []\n",
    "- 1\n",
    "[",
    "name: [",
    "name: 7\n",
    "!!python/object/apply:os.system [ls]\n",
]


@pytest.mark.parametrize("text", NO_MEMBERS)
def test_file_without_a_member_is_one_line(run, project, text):
    file = project / "new.yaml"
    file.write_text(text)
    code, _, err = run("--member", str(file))
    assert code == ExitCode.USAGE
    assert err.count("error:") == 1
    assert run("--member", str(project / "nowhere.yaml"))[0] == ExitCode.USAGE


@pytest.mark.parametrize("words", [(), ("--without", "member7"), ("--taint", "x"), ("--karmada", "9")])
def test_contradictory_options_are_refused_with_a_hint(run, words):
    code, _, err = run(*words)
    assert code == ExitCode.USAGE
    assert "hint:" in err


def test_unreachable_control_plane_is_reported(run):
    result = planned(scheduled={"member2": 4}, live=False)
    code, out, _ = run("--without", "member2", result=result, seen=Seen(unasked="Karmada does not answer"))
    assert code == ExitCode.DONE
    assert "the control plane was not asked (Karmada does not answer)" in out
    assert "lost     web" in out


# -- a report, and an agent's tool ----------------------------------------------------------------


def simulation(shares, **more):
    plane = ControlPlane.model_validate({"kubeconfig": "kube.yaml", "version": "1.18.2"})
    return simulated(planned(), Seen((bound(shares),)), plane, **more)


def test_report_of_a_plan_lists_what_the_fleet_would_not_survive():
    result = planned()
    found = simulation({"member2": 4}, each=True).losses
    report = plan_report(fleet_plan(result), result, stack="dev", engine="embedded", losses=found)
    (section,) = (one for one in report.sections if "is lost" in one.title)
    worst, other = section.items
    assert (worst.title, worst.word) == ("cluster member2", "single point of failure")
    assert worst.summary == "lost: web (Deployment default/web)"
    assert (other.title, other.word) == ("cluster member1", "survived")
    assert "If a cluster, a region or a zone is lost" in html(report)
    without = plan_report(fleet_plan(result), result, stack="dev", engine="embedded")
    assert "is lost" not in html(without)


def test_agent_gets_changes_with_the_worst_first_and_the_losses():
    asked = Simulate(without=("member2",), each=True)
    question = Assumptions(without=("member2",))
    answer = simulation_answer(simulation({"member1": 1, "member2": 3}, asked=question, each=True), asked)
    (template,) = answer.templates
    assert (template.verdict, template.moves) == ("fewer", "member1 1, member2 3 → lost")
    assert [(loss.of, loss.lost) for loss in answer.losses] == [("cluster member1", "web (Deployment default/web)")]
    assert (answer.same, answer.total) == (0, 1)


# -- texts -----------------------------------------------------------------------------------------


def outcome(**more):
    given = {"workload": "web", "template": "Deployment default/web", "verdict": Verdict.CHANGES}
    return Outcome(**{**given, "before": {"a": 2, "b": 2}, "after": {"a": 3, "c": 1}, **more})


def test_moves_are_listed_by_cluster():
    assert moves_text(outcome(lost=("b",))) == "a 2 → 3, b 2 → lost, c 0 → 1"
    assert moves_text(outcome(before={"a": None}, after={"a": None, "b": None})) == "a a copy, b none → a copy"
    assert moves_text(outcome(before={}, after={})) == "nowhere"


def test_text_of_a_template_has_everything_known():
    said = details(
        outcome(
            lost=("b",), interrupted=True, evicted={"b": 300}, returns=("b",), problem="0/3 clusters are available",
            broken=("the spread constraint by region requires at least 2, and it is in 1",), pending={"c": 1, "a": 2},
            open={"a": (0, 4), "c": (1, 1)}, why="free capacity", guessed=True,
        )
    )  # fmt: skip
    assert said == [
        "all its copies were there: nothing of it runs until copies run elsewhere",
        "Karmada evicts it from b after 300 s, as long as it tolerates the taint",
        "it returns to b after the eviction, and is evicted again, because it tolerates the taint only for a time",
        "Karmada can't schedule it: 0/3 clusters are available",
        "the spread constraint by region requires at least 2, and it is in 1",
        "1 replica at least stays pending in c: it has no room",
        "2 replicas at least stay pending in a: it has no room",
        "Karmada chooses among a (0 to 4), c: by free capacity; the capacity that Clusters report now is used",
        "where it is before isn't certain either: one of Karmada's possible choices is shown",
    ]


def test_stack_that_was_never_applied_is_simulated_as_after_an_up(run):
    new = [rollout_step(), cluster_step("member1"), cluster_step("member2")]
    steps = [Step(Op.CREATE, one.urn, one.type, new=one.new) for one in new]
    code, out, _ = run("--without", "member2", result=Result(steps=steps), seen=Seen(unasked="nothing is deployed"))
    assert code == ExitCode.DONE
    assert "this is the result after `up`" in out
    assert "fewer    web: Deployment default/web: member1 2, member2 2 → lost" in out


def test_upgrade_lists_changed_scheduling_decisions(run):
    code, out, _ = run("--karmada", "1.10.7")
    assert code == ExitCode.DONE
    assert "The upgrade itself moves nothing. When Karmada schedules next:" in out
