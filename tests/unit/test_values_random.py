"""Random members and overrides with expressions: evaluated rules, compared with rules written for a single member."""

import json
import random

import pytest

from flotilla.karmada.propagation import template
from flotilla.karmada.rendering import policies
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.policies import Rules, rules_for, targets
from flotilla.karmada.rendering.render import render
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.versions import SUPPORTED
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import facts
from flotilla.stack.load import parse_fleet
from flotilla.stack.overrides import Override
from flotilla.stack.specs import override_rule, override_rules
from flotilla.workloads.objects import manifests_of
from tests.rendering.overrides import target

PARTS = [
    ("${member.name}", lambda m: m["name"]),
    ("${member.region:-nowhere}", lambda m: m.get("region") or "nowhere"),
    ("${member.labels.tier:-none}", lambda m: m["labels"].get("tier", "none")),
    ('${member.labels["example.org/team"]:-x}', lambda m: m["labels"].get("example.org/team", "x")),
    ("${member.facts.size:-2}", lambda m: m["facts"].get("size", 2)),
    ("${member.facts.spot:-false}", lambda m: m["facts"].get("spot", False)),
    ("${member.zones[0]:-z}", lambda m: (m["zones"] or ["z"])[0]),
]
TEXTS = [lambda text: text, lambda text: f"a-{text}", lambda text: f"{text}-z"]


def as_text(value):
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def random_member(rnd, name):
    member = {"name": name, "zones": rnd.choice([[], ["z1"], ["z2", "z1"]]), "labels": {}, "facts": {}}
    if rnd.random() < 0.7:
        member["region"] = rnd.choice(["eu", "us"])
    for key, values in (("tier", ("front", "back")), ("example.org/team", ("a", "b"))):
        if rnd.random() < 0.6:
            member["labels"][key] = rnd.choice(values)
    for key, values in (("size", (1, 2, 3)), ("spot", (True, False))):
        if rnd.random() < 0.6:
            member["facts"][key] = rnd.choice(values)
    return member


def random_text(rnd, *, whole=True):
    """Return a value with an expression, and its result for a member, computed in Python."""
    (expression, value), around = rnd.choice(PARTS), rnd.choice(TEXTS if whole else TEXTS[1:])
    return around(expression), lambda m: around(as_text(value(m)))


def random_override(rnd):
    """Return an override with expressions, a test for its members, and the plain override for one member."""
    target, meant = rnd.choice(
        [
            ({}, lambda _: True),
            ({"labels": {"tier": "front"}}, lambda m: m["labels"].get("tier") == "front"),
            ({"regions": ["eu"]}, lambda m: m.get("region") == "eu"),
            ({"exclude": ["m0"]}, lambda m: m["name"] != "m0"),
        ]
    )
    texts = [random_text(rnd, whole=number < 3) for number in range(5)]  # the last two kinds are for patches
    expression, typed = rnd.choice(PARTS)
    fill = rnd.choice(
        [
            lambda t, _: {"image": {"registry": t[0], "tag": t[1]}},
            lambda t, _: {"args": [t[0]], "removeArgs": ["-q"], "labels": {"a": t[1]}},
            lambda t, _: {"command": [t[0], t[1]], "annotations": {"note": t[2]}},
            lambda t, v: {"patches": [{"op": "add", "path": "/metadata/annotations/n", "value": t[3]}, replicas(v)]},
            lambda t, v: {
                "patches": [{"op": "add", "path": "/spec/template/spec/x", "value": {"deep": [v, t[4], 1]}}],
                "replaceLabels": {"app.kubernetes.io/name": t[0]},
            },
        ]
    )
    return (
        {"target": target, "evaluate": True, **fill([text for text, _ in texts], expression)},
        meant,
        lambda m: {"clusters": [m["name"]], **fill([value(m) for _, value in texts], typed(m))},
    )


def replicas(value):
    return {"op": "replace", "path": "/spec/replicas", "value": value}


@pytest.mark.parametrize("number", range(60))
def test_evaluated_rules_give_each_member_the_same_as_its_own_rules(project, number):
    """Rendering by the rules for all members is compared with rendering by rules that are written for one member."""
    rnd = random.Random(f"values-{number}")  # noqa: S311 - no secret
    members = [random_member(rnd, f"m{index}") for index in range(rnd.randint(1, 8))]
    overrides = [random_override(rnd) for _ in range(rnd.randint(1, 3))]
    overrides = [one for one in overrides if any(one[1](m) for m in members)]
    sections = {
        "controlPlane": {"kubeconfig": "kube.yaml"},
        "members": [{"kubeconfig": "kube.yaml", **member} for member in members],
        "workloads": [
            {"name": "web", "image": "nginx:1.27", "placement": {}, "overrides": [raw for raw, _, _ in overrides]}
        ],
    }
    fleet = parse_fleet(sections, base=project, files=False)
    (workload,) = fleet.workloads
    (declared,) = (template(obj, namespace="default") for obj in manifests_of(workload, ManifestFiles(project)))
    rules = override_rules(workload)
    for index in range(len(overrides)):
        names = [name for i, one in workload.evaluated if i == index for name in one.clusters]
        assert sorted(names) == sorted(m["name"] for m in members if overrides[index][1](m)), "each member once"
    for member, raw in zip(fleet.members, members, strict=True):
        own = [
            override_rule(Override.model_validate(plain(raw)), container="web")
            for _, meant, plain in overrides
            if meant(raw)
        ]
        assert outcome(declared, member, rules) == outcome(declared, member, own)


def outcome(declared, member, rules):
    try:
        return json.dumps(render(declared, facts(member), replicas=None, rules=rules))
    except OverrideError as error:
        return error.what, error.why


CLUSTERS = [
    ClusterFacts("a", {"env": "prod"}, "aws", "eu", ("eu-a",)),
    ClusterFacts("b", {"gpu": "yes"}, "", "eu"),
    ClusterFacts("c", {}, "gcp", "us", ("us-b",)),
    ClusterFacts("d"),
]


@pytest.mark.parametrize("number", range(40))
def test_rules_are_found_by_their_cluster_names(number):
    """The same rules in the same order as when each of them is matched."""
    rnd = random.Random(f"rules-{number}")  # noqa: S311 - no secret
    names = [cluster.name for cluster in CLUSTERS]
    meant = [target(rnd, names) for _ in range(rnd.randint(0, 12))]
    rules = [{**({"targetCluster": one} if one is not None else {}), "overriders": {}} for one in meant]
    for cluster in CLUSTERS:
        for version in (SUPPORTED.oldest, SUPPORTED.newest):
            asked = [rule for rule in rules if targets(rule, cluster, version)]
            assert rules_for(rules, cluster, version) == Rules(rules).of(cluster, version) == asked


def test_rule_lookup_does_not_match_every_rule_with_every_cluster(monkeypatch):
    asked = []
    monkeypatch.setattr(policies, "targets", lambda rule, *_: asked.append(rule) or True)
    rules = Rules([{"targetCluster": {"clusterNames": [f"m{n}"]}, "overriders": {}} for n in range(500)])
    assert [len(rules.of(ClusterFacts(f"m{n}"), SUPPORTED.newest)) for n in range(500)] == [1] * 500
    assert len(asked) == 500
