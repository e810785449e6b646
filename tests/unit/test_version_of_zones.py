"""`zones` selects by the rules of the stack's Karmada version in validation, rollouts, plans and policy rules.

From 1.18 on, one zone of a cluster is enough; before, every zone of the cluster had to be listed.
"""

import pytest
import yaml

from components.served_kinds import ServedKindsProvider
from flotilla.deploy.policies import judge
from flotilla.karmada.enablements import missing_kinds
from flotilla.karmada.objects import ResourceBinding, Work
from flotilla.karmada.propagation import override_policy, propagation_policy
from flotilla.karmada.status.expected import compare
from flotilla.karmada.status.fleet import fleet_of as judged_fleet
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.versions import Version
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.notices import notice_text
from flotilla.plan.rollouts import rollouts_of
from flotilla.plan.steps import Op, Result, Step
from flotilla.policy.evaluate import Status
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import ConfigError
from flotilla.state.checkpoint import ResourceState, Snapshot
from tests.unit.rollouts import TAINT, binding, changes, divided, members, on, props, web
from tests.unit.test_plan_taints import declared, rollout_step, state

EITHER = ["us-a", "eu-a"]
IN_ZONE = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["us-a"]}]}}
DUPLICATED = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}


@pytest.mark.parametrize(("version", "chosen"), [("1.17", ["member1"]), ("1.18", ["member1", "member2"])])
def test_rollout_expects_the_members_of_this_karmada_version(fleet_of, version, chosen):
    """Regression: by the rules of the newest version, `up` waited for a cluster that Karmada 1.17 doesn't choose."""
    fleet = fleet_of({"placement": {"zones": EITHER}}, version=version)
    assert [member.name for member in fleet.chosen(fleet.workloads[0].placement)] == chosen


@pytest.mark.parametrize(
    ("workload", "text"),
    [
        ({"placement": {"zones": ["us-a"]}}, "placement: chooses no member of this stack"),
        (
            {"placement": {"zones": EITHER}, "overrides": [{"clusters": ["member2"], "image": {"tag": "2"}}]},
            "is overridden but the placement doesn't choose it",
        ),
        (
            {"overrides": [{"target": {"zones": ["us-a"]}, "image": {"tag": "2"}}]},
            "matches no member that the placement chooses",
        ),
    ],
)
def test_zones_without_effect_in_this_version_are_refused(fleet_of, workload, text):
    fleet_of(workload, version="1.18.2")
    with pytest.raises(ConfigError, match=text):
        fleet_of(workload, version="1.17.3")


@pytest.mark.parametrize(("version", "image"), [("1.17", "web:1"), ("1.18", "web:2")])
def test_overrides_by_zone_are_rendered_as_by_this_karmada_version(fleet_of, project, version, image):
    fleet = fleet_of({"overrides": [{"target": {"zones": EITHER}, "image": {"tag": "2"}}]}, version=version)
    (copy,) = rendered(fleet, ManifestFiles(project))["member2"]
    assert copy["spec"]["template"]["spec"]["containers"][0]["image"] == image


def zoned(name, zones, taints=()):
    spec = {"syncMode": "Push", "zones": zones, "taints": list(taints)}
    inputs = {"apiVersion": "cluster.karmada.io/v1alpha1", "metadata": {"name": name}, "spec": spec}
    found = state(CLUSTER_TYPE, f"{name}-cluster", inputs)
    return Step(Op.SAME, found.urn, CLUSTER_TYPE, old=found, new=found)


@pytest.mark.parametrize(("version", "unscheduled"), [("1.17", []), ("1.18", ["member2"])])
def test_plan_names_taints_of_clusters_that_this_karmada_version_chooses(version, unscheduled):
    asked = declared(1, {"clusterAffinity": IN_ZONE, **DUPLICATED})
    members = (zoned("member1", ["us-a"]), zoned("member2", ["us-a", "us-b"], [TAINT]))
    step = rollout_step(asked, asked, {"member1": 1})
    (workload,) = fleet_plan(Result(steps=[*members, step]), version=version).workloads
    assert [one.cluster for one in workload.unscheduled] == unscheduled


@pytest.mark.parametrize(
    ("version", "texts"), [("1.17", ["override 1 applies to no cluster that gets the workload"]), ("1.18", [])]
)
def test_plan_shows_the_overrides_that_this_karmada_version_applies(version, texts):
    rule = {"targetCluster": IN_ZONE, "overriders": {"labelsOverrider": [{"operator": "add", "value": {"a": "b"}}]}}
    step = rollout_step({**declared(1, DUPLICATED), "overrideRules": [rule]})
    result = Result(steps=[zoned("member2", ["us-a", "us-b"]), step])
    (workload,) = fleet_plan(result, version=version).workloads
    assert [notice_text(notice) for notice in workload.notices] == texts


@pytest.mark.parametrize("version", ["latest", "0.9", "2.0.0"])
def test_invalid_version_of_another_stack_counts_as_unknown(fleet_of, project, version):
    """Regression: the text was used unchanged, and every use of Karmada's version ended in a traceback."""
    sections = {"flotilla:controlPlane": {"kubeconfig": "kube.yaml", "version": version}}
    (project / "stacks").mkdir()
    (project / "stacks" / "Pulumi.base.yaml").write_text(yaml.safe_dump({"config": sections}))
    fleet = fleet_of({}, version=None, stack="base")
    assert (fleet.control_plane.version, fleet.karmada) == (None, None)
    assert rendered(fleet, ManifestFiles(project))["member1"]
    sections["flotilla:controlPlane"]["version"] = "1.17.2"
    (project / "stacks" / "Pulumi.base.yaml").write_text(yaml.safe_dump({"config": sections}))
    assert fleet_of({}, version=None, stack="base").karmada == Version(1, 17)


# -- rollouts --------------------------------------------------------------------------------------------------------

RULE = {"targetCluster": IN_ZONE, "overriders": {"labelsOverrider": [{"operator": "add", "value": {"a": "b"}}]}}
ZONES = {"member1": ["us-a"], "member2": ["us-a", "us-b"]}


def live(name):
    ready = {"type": "Ready", "status": "True"}
    return {"metadata": {"name": name}, "spec": {"zones": ZONES[name]}, "status": {"conditions": [ready]}}


def progress(placement, targets, rules, version):
    """Return the progress of a rollout in which only member1's copy has the label of RULE."""
    template = web()
    inputs = {"templates": [template], "placement": placement, "overrideRules": rules, "members": members(*targets)}
    check = RolloutCheck.of({**inputs, **({"karmadaVersion": version} if version else {})})
    done = {"conditions": [{"type": "Applied", "status": "True"}]}
    labelled = {
        **template,
        "metadata": {**template["metadata"], "labels": {**template["metadata"]["labels"], "a": "b"}},
    }
    works = {
        name: Work.read(
            {
                "metadata": {"name": "w"},
                "spec": {"workload": {"manifests": [labelled if name == "member1" else template]}},
                "status": done,
            }
        )
        for name in targets
    }
    there = {**template, "metadata": {**template["metadata"], "uid": "u", "generation": 1}}
    bound = ResourceBinding.read(binding(targets, placement))
    return check.judge(template, there, bound, works, judged_fleet([live(name) for name in ZONES]))


@pytest.mark.parametrize(("version", "done"), [("1.17", True), ("1.18", False), (None, False), ("latest", False)])
def test_rollout_waits_for_overrides_by_zone_as_this_karmada_version_applies_them(version, done):
    """Regression: `up` waited until its timeout for a label that Karmada 1.17 does not set."""
    found = progress(on("member1", "member2"), {"member1": 4, "member2": 4}, [RULE], version)
    assert found.done is done
    assert ("member2: its Work doesn't have metadata.labels.a" in str(found)) is not done


@pytest.mark.parametrize(("version", "late"), [(Version(1, 17), {}), (Version(1, 18), {"member1": 2}), (None, {})])
def test_division_is_checked_for_the_clusters_of_this_karmada_version(version, late):
    """In 1.17 all replicas go to member1, in 1.18 half of them.

    If the version is unknown, both divisions are accepted.
    """
    placement = {**divided("member1", "member2"), "clusterAffinity": IN_ZONE}
    fleet = judged_fleet([live(name) for name in ZONES])
    found = compare(web(), {"member1": 4}, placement, members("member1"), fleet, redivided=True, version=version)
    assert found.waiting == {name: f"has 4 replicas, planned {count}" for name, count in late.items()}


def test_only_another_minor_version_is_a_change_of_the_rollout():
    """The state of an older program has no version: a version that is known now changes no declaration."""
    settled = {"settled": True}
    assert not changes(props(**settled), props(karmadaVersion="1.17"))
    assert not changes(props(karmadaVersion="1.17", **settled), props())
    assert not changes(props(karmadaVersion="1.17", **settled), props(karmadaVersion="1.17"))
    assert changes(props(karmadaVersion="1.17", **settled), props(karmadaVersion="1.18"))
    kinds = {"kinds": [], "affinity": {}}
    assert not ServedKindsProvider().diff("web", kinds, {**kinds, "karmadaVersion": "1.17"}).changes


def test_drift_uses_the_version_of_the_rollouts():
    """A workload whose first rollout failed has no version; that of another workload is used."""
    asked = {"templates": [web()], "placement": {}, "overrideRules": []}
    parent = "urn:pulumi:s::p::flotilla:index:PropagatedWorkload::shop"

    def rollout_state(kind, name, inputs, parent=""):
        own = f"flotilla:index:PropagatedWorkload${kind}" if parent else kind
        return ResourceState(f"urn:pulumi:s::p::{own}::{name}", custom=True, type=kind, inputs=inputs, parent=parent)

    policy = propagation_policy("shop", namespace="default", templates=[web()], spec={"placement": {}})
    found = rollouts_of(
        Snapshot(
            (
                rollout_state(ROLLOUT_TYPE, "web-rollout", {"workload": "web", **asked, "karmadaVersion": "1.17"}),
                rollout_state("kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy", "shop-policy", policy, parent),
                rollout_state("kubernetes:apps/v1:Deployment", "deployment-default/web", web(), parent),
            )
        )
    )
    assert {name: check.version for name, check in found.checks.items()} == dict.fromkeys(
        ("web", "shop"), Version(1, 17)
    )


@pytest.mark.parametrize(("version", "waiting"), [(Version(1, 17), ["member1"]), (Version(1, 18), list(ZONES))])
def test_kinds_are_waited_for_in_the_clusters_of_this_karmada_version(version, waiting):
    """Karmada 1.17 does not send the definition there. Regression: `up` waited for the kind until its timeout."""

    class Server:
        def resource(self, _api_version, _kind):
            return None

        def list(self, _api_version, _kind):
            return [live(name) for name in ZONES]

    missing = missing_kinds(Server(), [("example.org/v1", "Shop")], [IN_ZONE], version)
    assert missing == [f"{name}: no Shop in example.org/v1" for name in waiting]


# -- policy rules ----------------------------------------------------------------------------------------------------


def in_file(project, sections, name="test"):
    (project / "stacks").mkdir(exist_ok=True)
    file = project / "stacks" / f"Pulumi.{name}.yaml"
    config = {f"flotilla:{key}": value for key, value in sections.items()}
    file.write_text(yaml.safe_dump({"config": config}))
    return file


@pytest.mark.parametrize(("version", "status"), [("1.17.3", Status.FAIL), ("1.18.2", Status.PASS), ("", Status.PASS)])
@pytest.mark.parametrize("through", ["", "base"], ids=["its own", "another stack's"])
def test_policy_rules_check_the_copies_of_this_karmada_version(project, repository, version, status, through):
    """Before 1.18, an override for `us-a` has no effect in a cluster of two zones. Regression: the rule passed."""
    (project / "policies").symlink_to(repository / "policies")
    parent = "urn:pulumi:test::flotilla::flotilla:index:PropagatedWorkload::web"
    named = {"kubeconfig": "kube.yaml", **({"version": version} if version else {})}
    in_file(project, {"controlPlane": named}, "base")
    file = in_file(project, {"controlPlane": {"stack": "base"} if through else named})
    declared_objects = [
        propagation_policy("web", namespace="default", templates=[web()], spec={"placement": on("member2")}),
        override_policy("web", namespace="default", templates=[web()], rules=[RULE]),
        web(),
    ]
    steps = [zoned("member2", ["us-a", "us-b"])]
    for obj in declared_objects:
        kind = f"kubernetes:{obj['apiVersion']}:{obj['kind']}"
        found = ResourceState(f"urn:pulumi:test::flotilla::{kind}::x", True, kind, inputs=obj, parent=parent)
        steps.append(Step(Op.CREATE, f"{found.urn}-{kind}", kind, new=found))
    verdicts = judge(Result(steps=steps), project, file)
    assert [one.status for one in verdicts if one.rule.name == "overrides-change-something"] == [status]
