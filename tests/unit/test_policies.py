"""The policy rules: pass, fail, not applicable and unknown; levels and exemptions."""

import copy
import datetime as dt
from pathlib import Path

import pytest

from flotilla.errors import FlotillaError
from flotilla.karmada.installing.chart import COMPONENTS
from flotilla.karmada.propagation import CHANGES_NOTHING
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.policy.evaluate import Status, check_settings, evaluate
from flotilla.policy.model import UNKNOWN, Resource, StackView
from flotilla.policy.pack import load_rules
from flotilla.stack.policies import Environment, Exemption, Level, PolicySettings
from flotilla.stack.problems import ConfigError

RULES = {rule.name: rule for rule in load_rules(Path(__file__).parents[2])}
TODAY = dt.date(2026, 6, 1)
PRODUCTION = PolicySettings(environment=Environment.PRODUCTION)
PARENT = "urn:pulumi:s::p::flotilla:index:PropagatedWorkload::nginx"
MEMBER = "urn:pulumi:s::p::flotilla:index:PushMember::member1"
CONTAINER = {
    "name": "nginx",
    "image": "nginx:1.27",
    "env": [{"name": "COLOUR", "value": "blue"}],
    "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
}


def resource(kind, name, props, *, parent=PARENT, protect=False, cluster="karmada"):
    return Resource(f"urn:pulumi:s::p::{kind}::{name}", kind, name, props, protect, parent, cluster)


def deployment(container=None, replicas=2):
    spec = {"replicas": replicas, "template": {"spec": {"containers": [{**CONTAINER, **(container or {})}]}}}
    meta = {"name": "nginx", "namespace": "default", "labels": {"app": "nginx"}}
    return resource(
        "kubernetes:apps/v1:Deployment",
        "nginx-deployment",
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
    )


SELECTORS = [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "nginx"}]


def policy(kind, name, spec):
    props = {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"resourceSelectors": SELECTORS, **spec},
    }
    return resource(f"kubernetes:policy.karmada.io/v1alpha1:{kind}", name, props)


BOTH = {"clusterNames": ["member1", "member2"]}
DIVIDED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}


def weighted(**weights):
    listed = [{"targetCluster": {"clusterNames": [name]}, "weight": weight} for name, weight in weights.items()]
    return {**DIVIDED, "weightPreference": {"staticWeightList": listed}}


def placed(**keys):
    return policy("PropagationPolicy", "nginx-policy", {"placement": keys})


def placement(*names):
    return placed(clusterAffinity={"clusterNames": list(names)})


def overrides(*rules):
    return policy("OverridePolicy", "nginx-override", {"overrideRules": list(rules)})


def tag(value, *clusters):
    image = [{"component": "Tag", "operator": "replace", "value": value}]
    return {"targetCluster": {"clusterNames": list(clusters)}, "overriders": {"imageOverrider": image}}


def mirror():
    image = [{"component": "Registry", "operator": "replace", "value": "mirror.example"}]
    return {"overriders": {"imageOverrider": image}}


def cluster(name, **spec):
    props = {"apiVersion": "cluster.karmada.io/v1alpha1", "metadata": {"name": name}, "spec": spec}
    return resource("kubernetes:cluster.karmada.io/v1alpha1:Cluster", f"{name}-cluster", props, parent=MEMBER)


def role(verbs, resources, *, parent=PARENT):
    props = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "r"},
        "rules": [{"verbs": verbs, "resources": resources}],
    }
    return resource("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", "role", props, parent=parent)


def namespace(**labels):
    props = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": labels}}
    return resource("kubernetes:core/v1:Namespace", "namespace", props)


def secret(parent=PARENT):
    return resource("kubernetes:core/v1:Secret", "secret", {"apiVersion": "v1", "kind": "Secret"}, parent=parent)


def member(protect):
    return resource("flotilla:index:PushMember", "member1", {}, parent="", protect=protect)


def release(**values):
    return resource("kubernetes:helm.sh/v3:Release", "karmada-release", {"name": "karmada", "values": values})


def pinned(**tags):
    """Return the chart's values with every mutable tag pinned, except the given ones."""
    return {name: {"image": {"tag": tags.get(name, "v1")}} for name in COMPONENTS if name != "etcd"}


def certificates(lifetime=365, window=60, names=("karmada.example.org",)):
    props = {"lifetimeDays": lifetime, "renewBeforeDays": window, "names": list(names)}
    return resource("pulumi-python:dynamic/flotilla:Certificates", "karmada-pki-certificates", props)


def published(host):
    props = {"server": f"https://{host}:31443"}
    return resource("pulumi-python:dynamic/flotilla:ControlPlaneReady", "karmada-ready", props)


FLEET = (cluster("member1"), cluster("member2"))
SOUND = (*FLEET, deployment(), placement("member1", "member2"))
CASES = [
    ("etcd-persistent", (release(etcd={"internal": {"storageType": "pvc"}}),), (release(),), FLEET),
    ("etcd-persistent", (release(etcd={"mode": "external"}),), (release(etcd={"mode": "internal"}),), FLEET),
    ("chart-images-pinned", (release(**pinned()),), (release(**pinned(scheduler="latest")),), FLEET),
    ("certificates-renewed", (release(certs={"mode": "custom"}),), (release(certs={"mode": "auto"}),), FLEET),
    ("certificates-renewed", (certificates(),), (certificates(lifetime=3650),), FLEET),
    ("certificates-renewed", (certificates(),), (certificates(window=5),), FLEET),
    (
        "endpoint-in-certificate",
        (certificates(), published("karmada.example.org")),
        (certificates(), published("other.example.org")),
        FLEET,
    ),
    (
        "endpoint-in-certificate",
        (release(certs={"auto": {"hosts": ["*.example.org"]}}), published("karmada.example.org")),
        (release(certs={"auto": {"hosts": ["*.example.org"]}}), published("203.0.113.7")),
        FLEET,
    ),
    ("images-pinned", (deployment(),), (deployment({"image": "nginx"}),), FLEET),
    (
        "images-pinned",
        (deployment({"image": "nginx@sha256:" + "a" * 64}),),
        (deployment({"image": "r.io:5000/n:latest"}),),
        FLEET,
    ),
    # The template is pinned, but the image that Karmada sends to the members with the mirror isn't.
    (
        "images-pinned",
        (deployment({"image": "nginx:latest@sha256:" + "a" * 64}), overrides(tag("1.28"))),
        (deployment({"image": "nginx:latest@sha256:" + "a" * 64}), overrides(mirror())),
        FLEET,
    ),
    ("images-pinned", (overrides(tag("1.28", "member1")),), (overrides(tag("latest", "member1")),), FLEET),
    (
        "no-plaintext-secrets",
        (deployment(),),
        (deployment({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}),),
        (secret(parent=MEMBER),),
    ),
    (
        "no-plaintext-secrets",
        (deployment({"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}),),
        (secret(),),
        FLEET,
    ),
    ("requests-and-limits", (deployment(),), (deployment({"resources": {"requests": {"cpu": "1"}}}),), FLEET),
    ("two-of-each", SOUND, (*FLEET, deployment(), placement("member1")), FLEET),
    ("two-of-each", SOUND, (*FLEET, deployment(replicas=1), placement("member1", "member2")), FLEET),
    ("survives-any-cluster", SOUND, (*FLEET, deployment(), placement("member1")), FLEET),
    (
        "survives-any-cluster",
        (*FLEET, deployment(), placed(clusterAffinity=BOTH, replicaScheduling=weighted(member1=1, member2=1))),
        (*FLEET, deployment(), placed(clusterAffinity=BOTH, replicaScheduling=weighted(member1=9, member2=1))),
        FLEET,
    ),
    (
        "survives-any-cluster",
        (*FLEET, deployment(), placed(clusterAffinity=BOTH, replicaScheduling=DIVIDED)),
        (*FLEET, deployment(replicas=1), placed(clusterAffinity=BOTH, replicaScheduling=DIVIDED)),
        FLEET,
    ),
    ("placement-names-members", SOUND, (*FLEET, placement("member3")), FLEET),
    (
        "namespaces-stay",
        (namespace(**{"namespace.karmada.io/skip-auto-propagation": "true"}),),
        (namespace(),),
        FLEET,
    ),
    (
        "overrides-change-something",
        (*SOUND, overrides(tag("1.28", "member2"))),
        (*SOUND, overrides(tag("1.27", "member2"))),
        (*SOUND, overrides(CHANGES_NOTHING)),
    ),
    (
        "overrides-change-something",
        (*SOUND, overrides(tag("1.28", "member2"))),
        (*FLEET, deployment(), placement("member1"), overrides(tag("1.28", "member2"))),
        SOUND,
    ),
    ("no-wildcard-rights", (role(["get"], ["*"]),), (role(["*"], ["*"]),), (role(["*"], ["*"], parent=MEMBER),)),
    ("tls-verified", FLEET, (cluster("member1", insecureSkipTLSVerification=True),), (deployment(),)),
    ("protected", (member(True),), (member(False),), FLEET),
]


def statuses(rule, resources, settings=PRODUCTION):
    return {v.status for v in evaluate([RULES[rule]], StackView(tuple(resources), settings), today=TODAY)}


@pytest.mark.parametrize(
    ("rule", "passes", "fails", "other"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_pass_fail_and_not_applicable(rule, passes, fails, other):
    assert statuses(rule, passes) == {Status.PASS}
    assert Status.FAIL in statuses(rule, fails)
    assert statuses(rule, other) == set()


def test_members_of_another_stack_are_considered():
    """A stack of workloads alone declares no Cluster: its placements choose members of the stack that it names."""
    fleet = [resource for resource in SOUND if resource.kind != "Cluster"]
    others = tuple(ClusterFacts(name) for name in ("member1", "member2"))
    for rule in ("placement-names-members", "two-of-each"):
        for given, status in (((), Status.FAIL), (others, Status.PASS)):
            view = StackView(tuple(fleet), PRODUCTION, given)
            assert {v.status for v in evaluate([RULES[rule]], view, today=TODAY)} == {status}


BOTH = {"clusterAffinity": {"clusterNames": ["member1", "member2"]}}
AGGREGATED = {"replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}}


def spread(**bounds):
    return {"spreadConstraints": [{"spreadByField": "cluster", **bounds}]}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({**BOTH, **spread(minGroups=2)}, ""),
        ({**BOTH, **spread(minGroups=1, maxGroups=1)}, "chooses fewer than 2 clusters (1)"),
        ({**BOTH, **AGGREGATED}, "one cluster may get all of them"),
        ({**BOTH, **AGGREGATED, **spread(minGroups=2)}, ""),
        ({"clusterAffinities": [{"affinityName": "a", "clusterNames": ["member1"]}]}, "fewer than 2 clusters (1)"),
        ({"clusterAffinities": [{"affinityName": "a"}]}, ""),
    ],
)
def test_rule_for_two_clusters_considers_every_kind_of_spread(keys, said):
    """Regression: a placement of two members passed although Karmada puts the workload on one of them."""
    view = StackView((*FLEET, deployment(), placed(**keys)), PRODUCTION)
    texts = [verdict.message for verdict in evaluate([RULES["two-of-each"]], view, today=TODAY)]
    found = [v for v in evaluate([RULES["two-of-each"]], view, today=TODAY) if v.status is Status.FAIL]
    assert bool(found) == bool(said)
    assert said in " ".join(texts)


def test_override_for_a_later_affinity_group_has_a_cluster():
    """The workload may run in the later group. Regression: the override was reported as having no cluster."""
    groups = [{"affinityName": "a", "clusterNames": ["member1"]}, {"affinityName": "b", "clusterNames": ["member2"]}]
    policies = (placed(clusterAffinities=groups), overrides(tag("1.28", "member2")))
    assert statuses("overrides-change-something", (*FLEET, deployment(), *policies)) == {Status.PASS}
    policies = (placed(clusterAffinities=groups[:1]), overrides(tag("1.28", "member2")))
    assert statuses("overrides-change-something", (*FLEET, deployment(), *policies)) == {Status.FAIL}


def test_override_is_checked_against_all_namespaces_of_the_workload():
    """A rule for images changes nothing in a namespace that holds only a ConfigMap, but it changes the workload."""
    rules = {"overrideRules": [tag("1.28", "member1")]}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nginx", "namespace": "other"}}
    selector = [{"apiVersion": "v1", "kind": "ConfigMap", "namespace": "other", "name": "nginx"}]
    there = [
        policy(kind, f"nginx.other-{suffix}", {**spec, "resourceSelectors": selector})
        for kind, suffix, spec in (
            ("PropagationPolicy", "policy", {"placement": {"clusterAffinity": {"clusterNames": ["member1"]}}}),
            ("OverridePolicy", "override", rules),
        )
    ]
    for one in there:
        one.props["metadata"] = {"name": "nginx.other", "namespace": "other"}
    objects = [placement("member1"), *there, resource("kubernetes:v1:ConfigMap", "configmap-other/nginx", config)]
    named = "overrides-change-something"
    assert statuses(named, (*FLEET, deployment(), overrides(*rules["overrideRules"]), *objects)) == {Status.PASS}
    same = tag("1.27", "member1")
    there[1].props["spec"]["overrideRules"] = [same]
    assert statuses(named, (*FLEET, deployment(), overrides(same), *objects)) == {Status.FAIL}


def test_members_in_affinity_groups_and_overflow_must_exist():
    overflow = [{"affinityName": "b", "clusterNames": ["member8"]}]
    keys = {"clusterAffinities": [{"affinityName": "a", "clusterNames": ["member9"], "overflowAffinities": overflow}]}
    view = StackView((*FLEET, deployment(), placed(**keys)))
    texts = [v.message for v in evaluate([RULES["placement-names-members"]], view, today=TODAY)]
    assert ["places on member9" in " ".join(texts), "places on member8" in " ".join(texts)] == [True, True]


def test_every_rule_has_test_cases_a_reason_and_a_remedy():
    assert {case[0] for case in CASES} == set(RULES)
    for rule in RULES.values():
        assert rule.reason
        assert rule.remedy


def test_every_rule_is_in_the_reference(repository):
    text = (repository / "docs" / "reference" / "policies.md").read_text()
    assert [name for name in RULES if f"`{name}`" not in text] == []


def unknown_at(resource, *path):
    props = copy.deepcopy(resource.props)
    inner = props
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = UNKNOWN
    return Resource(
        resource.urn, resource.type, resource.name, props, resource.protect, resource.parent, resource.cluster
    )


@pytest.mark.parametrize(
    ("rule", "resources"),
    [
        ("images-pinned", (unknown_at(deployment(), "spec", "template", "spec", "containers", 0, "image"),)),
        ("requests-and-limits", (unknown_at(deployment(), "spec", "template"),)),
        ("placement-names-members", (*FLEET, unknown_at(placement("member3"), "spec", "placement"))),
        ("two-of-each", (unknown_at(FLEET[0], "metadata", "labels"), deployment(), placement("member1"))),
        (
            "overrides-change-something",
            (*SOUND[:2], unknown_at(deployment(), "spec", "replicas"), SOUND[3], overrides(tag("1.27", "member1"))),
        ),
        (
            "tls-verified",
            (unknown_at(cluster("member1", insecureSkipTLSVerification=False), "spec", "insecureSkipTLSVerification"),),
        ),
    ],
)
def test_unknown_value_is_neither_a_pass_nor_a_violation(rule, resources):
    assert statuses(rule, resources) == {Status.UNDECIDED}


def test_levels_are_those_of_the_environment_unless_the_stack_sets_them():
    view = StackView((deployment({"image": "nginx"}),), PolicySettings())
    (advice,) = [v for v in evaluate(RULES.values(), view) if v.status is Status.FAIL]
    assert (advice.level, advice.refuses) == (Level.ADVISORY, False)
    (refusal,) = [v for v in evaluate(RULES.values(), StackView(view.resources, PRODUCTION)) if v.status is Status.FAIL]
    assert refusal.refuses
    off = PolicySettings(levels={"images-pinned": Level.DISABLED})
    assert statuses("images-pinned", view.resources, off) == set()


def test_production_rules_do_not_apply_elsewhere():
    assert statuses("protected", (member(False),), PolicySettings()) == set()


def exemption(**changes):
    given = {"rule": "images-pinned", "resource": "nginx-*", "reason": "a trial", "expires": TODAY, **changes}
    return PolicySettings(environment=Environment.PRODUCTION, exemptions=(Exemption(**given),))


def test_exemption_applies_through_its_last_day():
    found = (deployment({"image": "nginx"}),)
    assert statuses("images-pinned", found, exemption()) == {Status.EXEMPT}
    assert statuses("images-pinned", found, exemption(resource="other")) == {Status.FAIL}
    ended = exemption(expires=TODAY - dt.timedelta(days=1))
    (verdict,) = evaluate([RULES["images-pinned"]], StackView(found, ended), today=TODAY)
    assert verdict.refuses
    assert "its exemption ended on 2026-05-31" in verdict.message


def test_settings_with_an_unknown_rule_are_refused():
    settings = PolicySettings(levels={"image-pinned": Level.DISABLED}, exemptions=exemption(rule="nothing").exemptions)
    with pytest.raises(ConfigError) as reported:
        check_settings(RULES.values(), settings, origin="Pulumi.dev.yaml")
    assert [problem.path for problem in reported.value.problems] == [
        "policies.exemptions[0].rule",
        "policies.levels.image-pinned",
    ]


def test_unreadable_policy_pack_is_reported(tmp_path):
    assert load_rules(tmp_path) == ()
    (tmp_path / "policies" / "rules").mkdir(parents=True)
    (tmp_path / "policies" / "rules" / "__init__.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(FlotillaError, match="nothing_of_this_name"):
        load_rules(tmp_path)
