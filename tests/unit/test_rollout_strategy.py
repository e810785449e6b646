"""The `rollout` key of the stack file: its meaning, the workloads that it applies to, and what is refused."""

import pytest
import yaml

from flotilla import durations
from flotilla.karmada.waves.division import divide
from flotilla.karmada.waves.strategy import Approval, Gate, OnFailure, Strategy, WaveRule
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.stack.rollout_strategy import RolloutStrategy

WAVES = {"waves": [{"clusters": ["member1"]}]}
MEMBERS = [
    {"name": "member1", "kubeconfig": "k1", "labels": {"tier": "canary"}},
    {"name": "member2", "kubeconfig": "k2", "labels": {"tier": "rest"}},
    {"name": "member3", "kubeconfig": "k3"},
]
EVERYTHING = {
    "waves": [
        {"clusters": ["member1"], "approve": "before"},
        {"labels": {"tier": "rest"}, "approve": ["after", "before"], "maxConcurrent": "25%"},
        {"percent": 100, "maxConcurrent": 2},
    ],
    "gate": {
        "healthyFor": "1m30s",
        "maxUnavailable": "10%",
        "checks": [
            {"command": ["./smoke.sh", "--fast"]},
            {"command": ["true"], "timeout": "5m"},
            {"prometheus": "http://prom:9090", "query": "up"},
            {"condition": "Complete", "of": "Job/migrate"},
            {"condition": "Stalled", "status": False, "of": "Widget.example.org"},
        ],
    },
    "onFailure": "revert",
}


def sections(*workloads, version="1.18.2", **more):
    whole = [{"name": f"w{i}", "image": "web:1", "placement": {}, **one} for i, one in enumerate(workloads)]
    plane = {"kubeconfig": "k", **({"version": version} if version else {})}
    return {"controlPlane": plane, "members": MEMBERS, "workloads": whole, **more}


def fleet(*workloads, **more):
    return parse_fleet(sections(*workloads, **more))


def refusals(*workloads, **more):
    with pytest.raises(ConfigError) as error:
        fleet(*workloads, **more)
    return [str(one) for one in error.value.problems]


def refusal(*workloads, **more):
    (one,) = refusals(*workloads, **more)
    return one


# -- meaning -----------------------------------------------------------------------------------------------------------


def test_every_key_is_in_the_plain_form_for_rollouts():
    strategy = Strategy.of(RolloutStrategy.model_validate(EVERYTHING).plain())
    assert strategy.waves == (
        WaveRule(clusters=("member1",), approve=(Approval.BEFORE,)),
        WaveRule(labels={"tier": "rest"}, max_concurrent="25%", approve=(Approval.BEFORE, Approval.AFTER)),
        WaveRule(percent=100, max_concurrent=2),
    )
    assert strategy.on_failure is OnFailure.REVERT
    assert (strategy.gate.healthy_seconds, strategy.gate.max_unavailable) == (90.0, "10%")
    assert strategy.gate.checks == (
        {"command": ["./smoke.sh", "--fast"], "timeoutSeconds": 60},
        {"command": ["true"], "timeoutSeconds": 300},
        {"prometheus": "http://prom:9090", "query": "up"},
        {"condition": "Complete", "status": "True", "of": "Job/migrate"},
        {"condition": "Stalled", "status": "False", "of": "Widget.example.org"},
    )


def test_default_is_to_stop_at_an_unhealthy_wave():
    plain = RolloutStrategy.model_validate(WAVES).plain()
    assert plain == {"waves": [{"clusters": ["member1"]}], "onFailure": "stop"}
    assert Strategy.of(plain) == Strategy((WaveRule(clusters=("member1",)),), Gate(), OnFailure.STOP)


def test_strategy_of_the_stack_is_for_workloads_without_their_own():
    own = {"waves": [{"percent": 50}]}
    found = fleet({}, {"rollout": own}, {"rollout": False}, rollout=WAVES)
    default, other, none = found.workloads
    assert default.rollout is not None
    assert default.rollout.plain() == {"waves": [{"clusters": ["member1"]}], "onFailure": "stop"}
    assert other.rollout is not None
    assert other.rollout.plain()["waves"] == [{"percent": 50}]
    assert none.rollout is None
    assert found.rollout is default.rollout


def test_waves_need_a_strategy_of_the_workload_or_the_stack():
    plain, out, one = fleet({}, {"rollout": False}, {"rollout": WAVES}).workloads
    assert (plain.rollout, out.rollout) == (None, None)
    assert one.rollout is not None


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("1h30m", 5400), ("500ms", 0.5), ("0s", 0), (90, 90)]
)
def test_durations_have_a_unit_or_are_seconds(text, seconds):
    found = RolloutStrategy.model_validate({**WAVES, "gate": {"healthyFor": text}})
    assert found.gate.healthy_for == seconds


@pytest.mark.parametrize("text", ["", "s", "10x", "1.2.3s", "-5s", "٣s", "1 h"])
def test_invalid_durations_are_refused(text):
    if text:
        with pytest.raises(ValueError, match="is not a duration"):
            durations.seconds(text)
    line = refusal({"rollout": {**WAVES, "gate": {"healthyFor": text}}})
    assert "must be a duration" in line
    assert "write it as 60s, 5m or 1h" in line


# -- what is refused, in one line each --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rollout", "line"),
    [
        (True, "workloads[0].rollout: true — must be a mapping with `waves`, or `false`"),
        (None, "must be a mapping with `waves`, or `false`"),
        ([], "must be a mapping with `waves`, or `false`"),
        ({}, "workloads[0].rollout.waves: is required; add it"),
        ({"waves": []}, "workloads[0].rollout.waves: has no wave; a change would reach all clusters at the same time"),
        ({"waves": [{}]}, "waves[0]: needs exactly one of 'clusters', 'labels' and 'percent', and has none of them"),
        ({"waves": [{"clusters": []}]}, "and has none of them; it would be unclear which clusters the wave has"),
        ({"waves": [{"clusters": ["member1"], "percent": 5}]}, "and has 'clusters' and 'percent'"),
        ({"waves": [{"percent": 0}]}, "waves[0].percent: 0 — must be greater than or equal to 1"),
        ({"waves": [{"percent": 101}]}, "waves[0].percent: 101 — must be less than or equal to 100"),
        (
            {"waves": [{"percent": 50}, {"clusters": ["member1"]}, {"percent": 50}]},
            "it counts all clusters that have the change after that wave, so it must rise; the wave would have no",
        ),
        ({"waves": [{"percent": 100}, {"clusters": ["member1"]}]}, "has a wave after wave 1 with `percent: 100`"),
        (
            {"waves": [{"clusters": ["member1"]}, {"clusters": ["member2", "member1"]}]},
            "has 'member1' twice; a cluster gets a change once",
        ),
        ({"waves": [{"clusters": ["member1"], "maxConcurrent": 0}]}, "maxConcurrent: 0 — must be 1 or more"),
        ({"waves": [{"clusters": ["member1"], "maxConcurrent": "0%"}]}, 'maxConcurrent: "0%" — must be 1 or more'),
        ({"waves": [{"clusters": ["member1"], "maxConcurrent": True}]}, "must be a whole number of clusters"),
        ({"waves": [{"clusters": ["member1"], "approve": "now"}]}, 'approve: "now" — must be before, after, or both'),
        ({"waves": [{"clusters": ["member1"], "approve": [["after"]]}]}, "approve: must be before, after, or both"),
        ({**WAVES, "gate": {"maxUnavailable": "101%"}}, 'maxUnavailable: "101%" — must be a whole number of clusters'),
        ({**WAVES, "gate": {"maxUnavailable": -1}}, "maxUnavailable: -1 — must be a whole number of clusters"),
        ({**WAVES, "gate": {"healthyFor": "25h"}}, "is more than 24h; an `up` would run"),
        ({**WAVES, "onFailure": "retry"}, "onFailure: \"retry\" — must be 'stop' or 'revert'"),
        ({**WAVES, "wave": []}, "did you mean 'waves'?"),
    ],
)
def test_malformed_rollout_is_refused_in_one_line(rollout, line):
    assert line in refusal({"rollout": rollout})


@pytest.mark.parametrize(
    ("check", "line"),
    [
        ({}, "checks[0]: needs exactly one of 'command', 'prometheus' and 'condition'"),
        ({"command": ["a"], "condition": "B", "of": "Job"}, "needs exactly one of 'command', 'prometheus'"),
        ({"command": "./smoke.sh --fast"}, "must be a list of texts: the program and its arguments; no shell runs it"),
        ({"command": []}, "must be a list of texts"),
        ({"command": ["a", 1]}, "must be a list of texts"),
        ({"command": [" "]}, "must begin with a program"),
        ({"command": ["a"], "query": "up"}, "has 'query' without 'prometheus'; it would have no effect"),
        ({"prometheus": "http://p", "query": "up", "timeout": "5s"}, "has 'timeout' without 'command'"),
        ({"command": ["a"], "timeout": "soon"}, 'timeout: "soon" — must be a duration'),
        ({"prometheus": "http://p"}, "has 'prometheus' without 'query'"),
        ({"prometheus": "ftp://p", "query": "up"}, "must be a URL that begins with http:// or https://"),
        ({"prometheus": "http://", "query": "up"}, "must be a URL that begins with http:// or https://"),
        ({"prometheus": "http://p:x", "query": "up"}, "must be a URL that begins with http:// or https://"),
        ({"condition": "Ready"}, "has 'condition' without 'of'"),
        ({"condition": "Ready", "of": "web"}, 'checks[0].of: "web" — is not Kind, Kind.group, Kind/name'),
        ({"condition": "Ready", "of": "Job", "status": "Maybe"}, "must be 'True', 'False' or 'Unknown'"),
    ],
)
def test_malformed_check_is_refused_in_one_line(check, line):
    assert line in refusal({"rollout": {**WAVES, "gate": {"checks": [check]}}})


def test_credentials_in_a_url_are_refused_and_never_printed():
    check = {"prometheus": "http://me:hunter2@prom:9090", "query": "up"}
    line = refusal({"rollout": {**WAVES, "gate": {"checks": [check]}}})
    assert "'prometheus' has credentials in its URL; they would be stored in clear text" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("wave", "line"),
    [
        ({"clusters": ["member9"]}, 'waves[0].clusters[0]: "member9" — is not a member of this stack'),
        ({"clusters": ["member3"]}, '"member3" — is in a wave but the placement doesn\'t choose it'),
        ({"labels": {"tier": "none"}}, "waves[0].labels: matches no member that the placement chooses"),
    ],
)
def test_wave_of_clusters_that_the_placement_cannot_choose_is_refused(wave, line):
    placement = {"clusters": ["member1", "member2"]}
    assert line in refusal({"placement": placement, "rollout": {"waves": [wave]}})


def test_named_cluster_that_an_earlier_wave_has_by_its_labels_is_refused():
    waves = [{"labels": {"tier": "canary"}}, {"clusters": ["member1"]}]
    assert "is in wave 1 already, by its labels" in refusal({"rollout": {"waves": waves}})
    fleet({"rollout": {"waves": [*waves[::-1], {"labels": {"tier": "rest"}}]}})


def test_strategy_of_the_stack_names_clusters_that_some_of_its_workloads_use():
    waves = {"waves": [{"clusters": ["member1", "member2"]}, {"labels": {"tier": "rest"}}]}
    first, second = {"placement": {"clusters": ["member1"]}}, {"placement": {"clusters": ["member2"]}}
    fleet(first, second, rollout=waves)
    lines = refusals(first, rollout=waves)
    assert (
        'rollout.waves[0].clusters[1]: "member2" — is in a wave but no placement of its workloads chooses it'
        in lines[0]
    )
    assert lines[1].startswith("rollout.waves[1].labels: matches no member of a placement of its workloads")


def test_strategy_of_the_stack_is_checked_without_any_workload():
    assert "is not a member of this stack" in refusal(rollout={"waves": [{"clusters": ["nobody"]}]})
    assert refusal(rollout=False).startswith("rollout: false — must be")


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ({"suspend": True}, "workloads[0].suspend: suspends dispatching beside"),
        ({"suspend": ["member2"]}, "workloads[0].suspend: suspends dispatching beside"),
        ({"activation": "Lazy"}, "workloads[0].activation: has the activation Lazy beside"),
    ],
)
def test_key_that_excludes_waves_is_refused_with_the_remedy(key, line):
    own = refusal({**key, "rollout": WAVES})
    assert line in own
    assert "remove this `rollout`" in own
    default = refusal(key, rollout=WAVES)
    assert f"{line} the stack's `rollout`" in default
    assert "write `rollout: false` in workloads[0]" in default
    fleet({**key, "rollout": False}, {}, rollout=WAVES)


def test_workload_without_a_suspension_can_have_waves():
    assert fleet({"suspend": False, "rollout": WAVES}).workloads[0].rollout


def test_karmada_that_cannot_suspend_clusters_is_reported_once():
    assert "workloads[0].rollout: needs Karmada 1.11 or newer, and this is 1.10" in refusal(
        {"rollout": WAVES}, version="1.10.7"
    )
    line = refusal({}, {}, rollout=WAVES, version="1.10.7")
    assert line.startswith("rollout: needs Karmada 1.11 or newer")
    assert "the stack doesn't give its version" in refusal({"rollout": WAVES}, version="")


# -- conditions, and given policies ------------------------------------------------------------------------------------

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}], "volumes": []},
        },
    },
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "migrate"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "m:1"}]}}},
}
POLICY = {
    "apiVersion": "policy.karmada.io/v1alpha1",
    "kind": "PropagationPolicy",
    "metadata": {"name": "web"},
    "spec": {
        "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}],
        "placement": {"clusterAffinity": {"clusterNames": ["member1", "member2"]}},
    },
}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}


@pytest.fixture
def read(tmp_path):
    def _read(workload, *objects, **more):
        for name in ("k", "k1", "k2", "k3"):
            (tmp_path / name).write_text(yaml.safe_dump(_kubeconfig(name)))
        (tmp_path / "app.yaml").write_text(yaml.safe_dump_all(objects))
        own = {"name": "web", "manifests": ["app.yaml"], **workload}
        return parse_fleet({**sections(**more), "workloads": [own]}, base=tmp_path)

    return _read


def _kubeconfig(name):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"https://{name}:6443"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }


def lines(read, *args, **more):
    with pytest.raises(ConfigError) as error:
        read(*args, **more)
    return [str(one) for one in error.value.problems]


def of(selector):
    return {**WAVES, "gate": {"checks": [{"condition": "Complete", "of": selector}]}}


def test_condition_needs_an_object_whose_conditions_karmada_collects(read):
    assert read({"placement": {}, "rollout": of("Job/migrate")}, DEPLOYMENT, JOB).workloads[0].rollout
    (none,) = lines(read, {"placement": {}, "rollout": of("Job/other")}, DEPLOYMENT, JOB)
    assert "workloads[0].rollout.gate.checks[0].of: matches no object of the workload" in none
    (uncollected,) = lines(read, {"placement": {}, "rollout": of("Deployment")}, DEPLOYMENT, JOB)
    assert "asks for a condition of Deployment web, of which Karmada doesn't collect conditions" in uncollected


def test_every_workload_needs_an_object_for_a_condition_of_the_stacks_strategy(read):
    """A gate checks the condition after each wave; without such an object it would never pass."""
    assert read({"placement": {}}, JOB, rollout=of("Job")).workloads[0].rollout
    (line,) = lines(read, {"placement": {}}, DEPLOYMENT, rollout=of("Job"))
    assert line.startswith("rollout.gate.checks[0].of: matches no object of the workload 'web'; none of its waves")
    assert line.endswith("or give workloads[0] another `rollout`, or `rollout: false`")
    assert read({"placement": {}, "rollout": False}, DEPLOYMENT, rollout=of("Job")).workloads[0].rollout is None


def test_rollout_key_applies_to_each_part_of_a_workload_with_policies(read):
    workload = {"policies": ["app.yaml"], "rollout": WAVES}
    second = {
        **POLICY,
        "metadata": {"name": "job"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "batch/v1", "kind": "Job", "name": "migrate"}],
            "placement": {"clusterAffinity": {"clusterNames": ["member2"]}},
        },
    }
    parts = read(workload, DEPLOYMENT, JOB, POLICY, second).workloads
    assert [part.name for part in parts] == ["web-web", "web-job"]
    assert all(part.given and part.rollout and part.rollout.plain()["waves"] for part in parts)
    parts = read({"policies": ["app.yaml"]}, DEPLOYMENT, POLICY, rollout=WAVES).workloads
    assert parts[0].rollout is not None


def test_given_policies_that_cannot_be_changed_in_waves_are_refused(read):
    workload = {"policies": ["app.yaml"], "rollout": WAVES}
    spec = POLICY["spec"]
    suspended = {**POLICY, "spec": {**spec, "suspension": {"dispatching": True}}}
    (line,) = lines(read, workload, DEPLOYMENT, suspended)
    assert "workloads[0].policies (PropagationPolicy default/web): suspends dispatching beside `rollout`" in line
    lazy = {**POLICY, "spec": {**spec, "activationPreference": "Lazy"}}
    (line,) = lines(read, workload, DEPLOYMENT, lazy)
    assert "has the activation Lazy beside `rollout`" in line
    using = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "template": _using()}}
    followed = {**POLICY, "spec": {**spec, "propagateDeps": True}}
    (line,) = lines(read, workload, using, SETTINGS, followed)
    assert "no policy selects ConfigMap default/settings, which follows others (propagateDeps)" in line
    assert "it would change in all clusters at the same time; let a policy select it" in line


def _using():
    template = DEPLOYMENT["spec"]["template"]
    volumes = [{"name": "settings", "configMap": {"name": "settings"}}]
    return {**template, "spec": {**template["spec"], "volumes": volumes}}


# -- the clusters of a wave --------------------------------------------------------------------------------------------


def test_waves_of_a_stack_file_divide_its_members():
    plain = RolloutStrategy.model_validate({"waves": [{"labels": {"tier": "canary"}}, {"percent": 60}]}).plain()
    labels = {one["name"]: one.get("labels", {}) for one in MEMBERS}
    waves = divide(Strategy.of(plain), labels)
    assert [(wave.number, wave.clusters, wave.rest) for wave in waves] == [
        (1, ("member1",), False),
        (2, ("member2",), False),
        (3, ("member3",), True),
    ]
