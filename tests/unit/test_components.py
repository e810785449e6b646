"""The resources that the program declares, with recording mocks: all of them, in their order, with their options."""

import asyncio
import json
import runpy
from concurrent.futures import ThreadPoolExecutor

import pulumi
import pytest
import yaml
from pulumi.runtime.stack import run_pulumi_func

import components
from components.rollout import RolloutProvider
from components.secret_patches import sealed_patches
from components.served_kinds import ServedKindsProvider
from components.withdrawal import WithdrawalProvider
from flotilla.karmada.installing import pki
from flotilla.karmada.template_references import reference_to
from flotilla.kube.objects import whole
from flotilla.kube.reading import read_text
from flotilla.state.values import SIGNATURE_KEY
from flotilla.workloads.sources import renderings
from tests.renderers import Programs, write_chart
from tests.unit.adopting import plain
from tests.unit.conftest import KUBECONFIG, answering


class Recorder(pulumi.runtime.Mocks):
    def __init__(self):
        self.registered = {}

    def new_resource(self, args):
        self.registered[args.name] = args
        outputs = dict(args.inputs)
        if args.typ == "kubernetes:core/v1:Secret" and not outputs.get("data"):
            outputs["data"] = {"token": "dG9rZW4=", "ca.crt": "Y2E="}
        if args.typ.endswith((":Kind", ":ControlPlaneReady")):
            outputs["kubeconfig"] = yaml.safe_dump(KUBECONFIG)
        if args.typ.endswith(":Certificates"):
            outputs |= dict.fromkeys(pki.Certificates.__dataclass_fields__, "PEM")
        return f"{args.name}-id", outputs

    def call(self, args):
        return {}


@pytest.fixture
def run(monkeypatch, project, repository):
    """Run the whole program on some sections, and return what it registered."""
    answering(monkeypatch)

    def run(sections):
        text = {f"flotilla:{key}": json.dumps(value) for key, value in sections.items()}
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(text))
        recorder = Recorder()
        loops = []

        def give_a_loop():
            loops.append(asyncio.new_event_loop())
            asyncio.set_event_loop(loops[-1])

        async def main():
            # The SDK's mocks open an event loop in each thread and close none: the next test would get a warning.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(initializer=give_a_loop))
            pulumi.runtime.set_mocks(recorder, project="flotilla", stack="test", preview=False)
            await run_pulumi_func(lambda: runpy.run_path(str(repository / "__main__.py")) and None)

        asyncio.run(main())
        for loop in loops:
            loop.close()
        return recorder.registered

    return run


@pytest.fixture
def absolute(sections, project):
    for entry in (sections["controlPlane"], *sections["members"]):
        entry["kubeconfig"] = str(project / entry["kubeconfig"])
    return sections


def test_a_member_is_every_object_of_its_join(run, absolute):
    registered = run(absolute)
    suffixes = {
        "namespace": "kubernetes:core/v1:Namespace",
        "account": "kubernetes:core/v1:ServiceAccount",
        "impersonator": "kubernetes:core/v1:ServiceAccount",
        "token": "kubernetes:core/v1:Secret",
        "impersonator-token": "kubernetes:core/v1:Secret",
        "role": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        "role-binding": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
        "credentials": "kubernetes:core/v1:Secret",
        "impersonator-credentials": "kubernetes:core/v1:Secret",
        "cluster": "kubernetes:cluster.karmada.io/v1alpha1:Cluster",
    }
    for member in ("member1", "member2"):
        assert {s: registered[f"{member}-{s}"].typ for s in suffixes} == suffixes
    assert registered["member1-cluster"].inputs["spec"]["id"] == "uid-of-member1"
    assert secret_content(registered["member1-credentials"].inputs["data"]) == {"token": "dG9rZW4=", "caBundle": "Y2E="}
    assert secret_content(registered["member1-impersonator-credentials"].inputs["data"]) == {"token": "dG9rZW4="}


def opened(value):
    """Return a list, whether or not it is marked as a secret."""
    return secret_content(value) if isinstance(value, dict) else value


def secret_content(value):
    """Return the content of a secret; fails for other values."""
    assert SIGNATURE_KEY in value
    return value["value"]


def test_every_object_uses_the_provider_of_its_cluster(run, absolute):
    registered = run(absolute)
    for name, args in registered.items():
        if args.typ.startswith("kubernetes:"):
            control_plane = name.startswith(("nginx", "deployment")) or name.endswith(("credentials", "-cluster"))
            expected = "karmada-provider" if control_plane else f"{name.split('-')[0]}-provider"
            assert f"::{expected}::" in args.provider, name


def test_provider_is_kept_when_its_kubeconfig_is_renewed(run, absolute):
    registered = run(absolute)
    for name in ("karmada", "member1", "member2"):
        assert registered[f"{name}-provider"].inputs["clusterIdentifier"] == f"uid-of-{name}"


def test_a_workload_is_policies_templates_and_a_rollout(run, absolute):
    absolute["workloads"][0]["overrides"] = [{"clusters": ["member2"], "image": {"tag": "1.28"}}]
    registered = run(absolute)
    template = registered["deployment-default/nginx"].inputs
    assert template["metadata"]["annotations"] == {
        "pulumi.com/skipAwait": "true",
        "pulumi.com/deletionPropagationPolicy": "background",
    }
    policy = registered["nginx-policy"].inputs["spec"]
    assert policy["placement"]["clusterAffinity"] == {"clusterNames": ["member1", "member2"]}
    assert policy["conflictResolution"] == "Abort"
    rule = registered["nginx-override"].inputs["spec"]["overrideRules"][0]
    assert rule["overriders"]["imageOverrider"] == [{"component": "Tag", "operator": "replace", "value": "1.28"}]
    assert registered["nginx-rollout"].inputs["overrideRules"] == [rule]


def test_rules_of_the_stack_are_used_where_nothing_is_overridden(run, absolute):
    registered = run(absolute)
    assert registered["nginx-override"].inputs["spec"]["overrideRules"] == [{"overriders": {}}]
    assert registered["nginx-rollout"].inputs["overrideRules"] == []


def test_program_declares_evaluated_rules_and_keeps_facts_in_the_stack(run, absolute):
    """Karmada has no expressions, and facts belong to the stack: no Cluster has them."""
    for member, text in zip(absolute["members"], ("one.example", "two.example"), strict=True):
        member["facts"] = {"registry": text}
    plain = {"clusters": ["member2"], "labels": {"a": "b"}}
    by_member = {"target": {}, "evaluate": True, "image": {"registry": "${member.facts.registry}"}}
    absolute["workloads"][0]["overrides"] = [plain, by_member]
    registered = run(absolute)
    rollout = registered["nginx-rollout"].inputs
    assert [
        (rule["targetCluster"]["clusterNames"], rule["overriders"]["imageOverrider"][0]["value"])
        for rule in rollout["overrideRules"][1:]
    ] == [(["member1"], "one.example"), (["member2"], "two.example")]
    assert registered["nginx-override"].inputs["spec"]["overrideRules"] == rollout["overrideRules"]
    assert rollout["overrideNumbers"] == [1, 2, 2]
    holders = [name for name, one in registered.items() if "one.example" in json.dumps(one.inputs, default=str)]
    assert holders == ["nginx-override", "nginx-move", "nginx-rollout"]


def test_no_default_provider_is_used(repository):
    assert 'value: ["kubernetes"]' in (repository / "Pulumi.yaml").read_text()


@pytest.fixture
def installed(project):
    """Two kind clusters; Karmada is installed by its chart on the first one, the second one is in pull mode."""
    return {
        "clusters": [
            {"name": "one", "networking": {"podSubnet": "10.6.0.0/16", "serviceSubnet": "10.96.0.0/16"}},
            {"name": "two", "networking": {"podSubnet": "10.7.0.0/16", "serviceSubnet": "10.97.0.0/16"}},
        ],
        "controlPlane": {
            "version": "1.18.2",
            "helm": {
                "host": {"cluster": "one"},
                "endpoint": {"type": "NodePort", "address": "203.0.113.7", "port": 31443},
            },
        },
        "members": [
            {"name": "member1", "kubeconfig": {"cluster": "one"}, "apiEndpoint": "https://one-control-plane:6443"},
            {"name": "member2", "kubeconfig": {"cluster": "two"}, "mode": "Pull"},
        ],
        "workloads": [{"name": "nginx", "image": "nginx:1.27", "placement": {"clusters": ["member1", "member2"]}}],
    }


def test_karmada_is_a_chart_release_with_its_own_resources(run, installed):
    registered = run(installed)
    release = registered["karmada-release"]
    assert release.typ == "kubernetes:helm.sh/v3:Release"
    assert "::karmada-host-provider::" in release.provider
    assert (release.inputs["name"], release.inputs["namespace"]) == ("karmada", "karmada-system")
    assert (release.inputs["atomic"], release.inputs["timeout"]) == (True, 900)
    values = release.inputs["values"]["value"]  # a nested secret makes the whole value a secret in the mocks
    assert values["apiServer"]["nodePort"] == 31443
    assert values["certs"]["mode"] == "custom"
    assert "karmada-uninstall-guard" not in registered
    names = registered["karmada-pki-certificates"].inputs["names"]
    assert "203.0.113.7" in names
    assert "*.karmada-system.svc" in names
    order = list(registered)
    assert order.index("karmada-host-state") < order.index("karmada-release") < order.index("karmada-ready")
    assert order.index("karmada-ready") < order.index("member1-credentials")


def test_the_charts_own_certificates_get_a_guard(run, installed):
    installed["controlPlane"]["helm"]["certificates"] = {"mode": "auto"}
    registered = run(installed)
    assert "karmada-uninstall-guard" in registered
    assert "karmada-pki-certificates" not in registered
    assert registered["karmada-release"].inputs["values"]["certs"]["auto"]["hosts"][-1] == "203.0.113.7"


def test_a_pull_member_is_a_join_and_an_agent(run, installed):
    registered = run(installed)
    cluster = registered["member2-cluster"].inputs
    assert cluster["spec"]["syncMode"] == "Pull"
    assert cluster["metadata"]["annotations"]["pulumi.com/waitFor"] == "jsonpath={.metadata.finalizers}"
    agent = registered["member2-agent"].inputs["spec"]["template"]["spec"]["containers"][0]
    assert agent["image"] == "docker.io/karmada/karmada-agent:v1.18.2"
    assert "--report-secrets=None" in agent["command"]
    rules = registered["member2-agent-rights"].inputs["rules"]
    assert not any("secrets" in rule.get("resources", []) for rule in rules)
    assert registered["member2-agent-work-rights"].inputs["metadata"]["namespace"] == "karmada-es-member2"
    assert "::karmada-provider::" in registered["member2-agent-work-rights"].provider
    assert "::member2-provider::" in registered["member2-agent"].provider


def test_existing_agent_is_adopted_without_its_running_settings_and_with_its_rights(run, installed):
    """Regression: its Deployment was changed, so that its pod restarted, with another certificate."""
    installed["members"][1]["agent"] = {"asFound": True}
    registered = run(installed)
    assert "member2-agent-identity" not in registered
    assert "spec" not in registered["member2-agent"].inputs
    assert "data" not in registered["member2-agent-kubeconfig"].inputs
    # It reports Secrets, since no argument says otherwise.
    assert {"member2-agent-secret-rights", "member2-agent-secret-rights-binding"} <= set(registered)


def test_agent_of_karmada_1_10_gets_its_own_arguments(run, installed):
    installed["controlPlane"]["version"] = "1.10.7"
    command = run(installed)["member2-agent"].inputs["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "--secure-port=10357" in command
    assert not any(argument.startswith("--health-probe") for argument in command)


def test_every_component_has_its_type_token(run, installed, project):
    (project / "own.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    )
    installed["objects"] = [{"name": "own", "manifests": [str(project / "own.yaml")]}]
    tokens = {args.typ for args in run(installed).values()}
    for name in components.__all__:
        if not name.endswith("Args"):
            assert f"flotilla:index:{name}" in tokens


def test_secret_value_of_an_override_is_a_secret_in_the_state(run, absolute, project):
    """Regression: the value was in clear text in every plan and in the inputs of policy and rollout."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "door"}, "data": {"token": "b25l"}}
    (project / "door.yaml").write_text(yaml.safe_dump(secret))
    patches = [
        {"op": "replace", "path": "/data/token", "value": "dHdv"},
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
    ]
    overrides = [{"clusters": ["member2"], "patches": patches}]
    door = {"name": "door", "placement": {"clusters": ["member2"]}, "overrides": overrides}
    absolute["workloads"] = [{**door, "manifests": [str(project / "door.yaml")]}]
    registered = run(absolute)
    for name in ("door-override", "door-rollout"):
        inputs = registered[name].inputs
        assert "dHdv" in str(inputs)
        assert "dHdv" not in str(open_part(inputs)), name


def test_changed_field_within_a_secrets_text_is_a_secret(monkeypatch):
    """The text that `fields` of an override set in a Secret is a secret, and other values are not."""
    rule = {
        "overriders": {
            "fieldOverrider": [
                {"fieldPath": "/stringData/a.yaml", "yaml": [{"subPath": "/b", "operator": "add", "value": "dHdv"}]},
                {"fieldPath": "/data/a.json", "json": [{"subPath": "/b", "operator": "remove"}]},
                {"fieldPath": "/data/b.json", "json": [{"subPath": "/b", "operator": "add", "value": "dHdv"}]},
                {"fieldPath": "/metadata/annotations/a", "json": [{"subPath": "/b", "operator": "add", "value": "c"}]},
            ]
        }
    }

    monkeypatch.setattr(pulumi.Output, "secret", lambda value: ("sealed", value))

    def sealed(kind):
        (found,) = sealed_patches([rule], [{"kind": kind}])
        fields = found["overriders"]["fieldOverrider"]
        steps = [step for field in fields for key in ("json", "yaml") for step in field.get(key, [])]
        return [isinstance(step.get("value"), tuple) for step in steps]

    assert sealed("Secret") == [True, False, True, False]
    assert sealed("ConfigMap") == [False] * 4


def test_plan_names_the_required_feature_gates(run, absolute, monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    run(absolute)
    assert said == []
    absolute["workloads"][0]["preemption"] = "Always"
    run(absolute)
    assert ["feature gate PropagationPolicyPreemption" in line for line in said] == [True]


def test_rollout_knows_suspended_workloads_and_lazy_policies(run, absolute):
    plain = {"workload", "kubeconfig", "templates", "placement", "overrideRules", "controlPlane", "members", "timeout"}
    assert set(run(absolute)["nginx-rollout"].inputs) - {"__provider"} == plain, "as states of before have it"
    absolute["controlPlane"]["version"] = "1.18.2"
    ready = {"Deployment": {"jsonPath": "{.status.readyReplicas}", "value": 1}, "Deployment/nginx": "healthy"}
    absolute["workloads"][0] |= {"suspend": ["member2"], "activation": "Lazy", "ready": ready}
    inputs = run(absolute)["nginx-rollout"].inputs
    assert inputs["suspension"] == {"dispatchingOnClusters": {"clusterNames": ["member2"]}}
    assert inputs["lazy"] is True
    assert inputs["ready"] == {
        "Deployment": {"jsonPath": ".status.readyReplicas", "value": "1"},
        "Deployment/nginx": "healthy",
    }
    assert inputs["karmadaVersion"] == "1.18", "another patch release is no change"


def test_rollout_has_waves_only_where_they_are_declared(run, absolute):
    absolute["controlPlane"]["version"] = "1.18.2"
    absolute["rollout"] = {"waves": [{"clusters": ["member1"], "approve": "after"}], "gate": {"healthyFor": "60s"}}
    made = run(absolute)
    inputs = made["nginx-rollout"].inputs["rollout"]
    assert inputs == {
        "waves": [{"clusters": ["member1"], "approve": ["after"]}],
        "gate": {"healthySeconds": 60},
        "onFailure": "stop",
        "policies": [["policy.karmada.io/v1alpha1", "PropagationPolicy", "nginx", "default"]],
        "overrides": [["policy.karmada.io/v1alpha1", "OverridePolicy", "nginx", "default"]],
        "record": ["default", "nginx"],
    }
    assert [made[name].inputs["rollout"] for name in ("nginx-hold", "nginx-new-hold")] == [inputs, inputs]
    absolute["workloads"][0]["rollout"] = False
    assert "rollout" not in run(absolute)["nginx-rollout"].inputs


def without_kubeconfigs(value):
    """Return recorded inputs without kubeconfigs."""
    if isinstance(value, dict):
        texts = {
            key for key in ("kubeconfig", "controlPlane") if key == "kubeconfig" or not isinstance(value.get(key), dict)
        }
        return {
            key: "KUBECONFIG" if key in texts else without_kubeconfigs(one)
            for key, one in value.items()
            if key != "__provider"
        }
    return [without_kubeconfigs(one) for one in value] if isinstance(value, list) else value


def test_stack_of_an_older_version_has_an_empty_plan(run, project, repository):
    """Every resource has the same inputs as before tolerations, affinity groups and suspension were supported.

    The recording has what the program of that version registered for the same stack, with secrets in clear text.
    """
    before = json.loads((repository / "tests/unit/data/inputs_of_before.json").read_text())
    (project / "shop.yaml").write_text(yaml.safe_dump_all(before["manifests"]))
    registered = run(json.loads(json.dumps(before["sections"]).replace("PROJECT", str(project))))
    now = {f"{args.typ}::{name}": without_kubeconfigs(args.inputs) for name, args in registered.items() if args.inputs}
    moves = [key for key in now if key.partition("::")[0].endswith(":Move")]
    assert len(moves) == sum(key.partition("::")[0].endswith(":Rollout") for key in now), "created: nothing is touched"
    now = {key: inputs for key, inputs in now.items() if key not in moves}
    assert sorted(now) == sorted(before["resources"])
    later = {key: inputs.pop("karmadaVersion") for key, inputs in now.items() if "karmadaVersion" in inputs}
    assert {key.partition("::")[0].rpartition(":")[2] for key in later} == {"Rollout", "ServedKinds"}
    for key, inputs in before["resources"].items():
        if "templates" in inputs and key.partition("::")[0].endswith(":Rollout"):
            # The older version had whole templates; the references are the same.
            inputs["templates"] = opened(inputs["templates"])
            now[key]["templates"] = opened(now[key]["templates"])
            references = [reference_to(one) for one in whole(inputs["templates"])]
            inputs = {**inputs, "templates": references}  # noqa: PLW2901
        assert now[key] == inputs, key
    now = {key: {**inputs, **({"karmadaVersion": later[key]} if key in later else {})} for key, inputs in now.items()}
    for provider, suffix, outputs in (
        (RolloutProvider(), ":Rollout", {"settled": True, "scheduled": {"Deployment default/plain": {"member1": 1}}}),
        (ServedKindsProvider(), ":ServedKinds", {}),
        (WithdrawalProvider(), ":Withdrawal", {}),
    ):
        found = [key for key in now if key.partition("::")[0].endswith(suffix)]
        assert found, suffix
        for key in found:
            assert not provider.diff("id", {**before["resources"][key], **outputs}, now[key]).changes, key


def test_kinds_must_be_served_in_the_clusters_of_every_group(run, absolute, project):
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "shops.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"kind": "Shop", "plural": "shops"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {}}],
        },
    }
    shop = {"apiVersion": "example.org/v1", "kind": "Shop", "metadata": {"name": "a"}}
    (project / "shop.yaml").write_text(yaml.safe_dump_all([definition, shop]))
    groups = [{"name": "own", "clusters": ["member1"]}, {"name": "rest", "clusters": ["member2"]}]
    workload = {"name": "shop", "manifests": [str(project / "shop.yaml")]}
    absolute["workloads"] = [{**workload, "placement": {"clusters": ["member1"]}}]
    inputs = run(absolute)["shop-kinds"].inputs
    assert (inputs["affinity"], "affinities" in inputs) == ({"clusterNames": ["member1"]}, False)
    absolute["workloads"] = [{**workload, "placement": {"groups": groups}}]
    inputs = run(absolute)["shop-kinds"].inputs
    assert inputs["affinities"] == [{"clusterNames": ["member1"]}, {"clusterNames": ["member2"]}]
    absolute["controlPlane"]["version"] = "1.18.2"
    absolute["workloads"] = [{**workload, "placement": {}, "suspend": ["member2"]}]
    inputs = run(absolute)["shop-kinds"].inputs
    assert inputs["affinity"] == {"exclude": ["member2"]}, "nothing is sent there, a definition neither"
    absolute["workloads"] = [{**workload, "placement": {}, "suspend": True}]
    inputs = run(absolute)["shop-kinds"].inputs
    assert inputs["affinities"] == [], "Karmada's own API server alone is waited for"


def open_part(value):
    """Return a value without its secrets."""
    if isinstance(value, list):
        return [open_part(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return "[secret]" if SIGNATURE_KEY in value else {key: open_part(entry) for key, entry in value.items()}


def test_a_run_of_the_program_reads_each_manifest_once(run, absolute, project, monkeypatch):
    read = []

    def text_of(file):
        read.append(file.name)
        return read_text(file)

    monkeypatch.setattr("flotilla.stack.files.read_text", text_of)
    (project / "one.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n")
    workload = absolute["workloads"][0]
    listed = {"name": "listed", "manifests": [str(project / "one.yaml")], "placement": workload["placement"]}
    registered = run({**absolute, "workloads": [workload, listed]})
    assert "configmap-default/one" in registered
    assert read == ["one.yaml"]


def test_objects_of_a_chart_are_declared_one_by_one_and_notices_are_shown(
    run, absolute, project, tmp_path, monkeypatch
):
    programs = Programs(tmp_path / "bin", monkeypatch, "helm")
    monkeypatch.setattr(renderings, "FOLDER", tmp_path / "kept")  # here the folder of the program is the repository
    shown = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_arguments, **_more: shown.append(text))
    text = "apiVersion: v1\nkind: {kind}\nmetadata: {{name: {{{{ .Release.Name }}}}}}\n{part}: {{a: {value}}}\n"
    parts = {"ConfigMap": ("data", "{{ .Values.a }}"), "Secret": ("stringData", "{{ random }}")}
    templates = {f"{kind}.yaml": text.format(kind=kind, part=part, value=v) for kind, (part, v) in parts.items()}
    write_chart(project / "charts" / "web", templates, values="a: b\n")
    chart = {"path": str(project / "charts" / "web"), "values": {"a": "c"}}
    absolute["workloads"] = [{"name": "shop", "placement": {}, "chart": chart}]
    registered = run(absolute)
    assert registered["configmap-default/shop"].inputs["data"] == {"a": "c"}
    assert set(secret_content(registered["secret-default/shop"].inputs["stringData"])) == {"a"}
    selected = registered["shop-policy"].inputs["spec"]["resourceSelectors"]
    assert [(one["kind"], one["name"]) for one in selected] == [("ConfigMap", "shop"), ("Secret", "shop")]
    (notice,) = shown
    assert notice.startswith(
        "workload shop: differs at each rendering (random, or by time) in Secret shop: stringData.a:"
    )
    assert len(programs.of("template")) == 2, "however often the program asks, it is one rendering, and one to compare"


def test_rollout_keeps_references_to_templates_and_not_their_content(run, absolute, project):
    """The content is in the templates' own resources.

    A digest of a Secret is secret, since its value could be guessed.
    """
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}}
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
    (project / "s.yaml").write_text(yaml.safe_dump(secret))
    (project / "c.yaml").write_text(yaml.safe_dump(plain))
    absolute["workloads"] = [
        {"name": name, "manifests": [str(project / f"{name}.yaml")], "placement": {}} for name in ("s", "c")
    ]
    registered = run(absolute)
    assert SIGNATURE_KEY in registered["s-rollout"].inputs["templates"]
    (of_secret,) = secret_content(registered["s-rollout"].inputs["templates"])
    (of_plain,) = registered["c-rollout"].inputs["templates"]
    named = {"apiVersion": "v1", "namespace": "default"}
    assert of_secret == {**named, "kind": "Secret", "name": "s", "digest": of_secret["digest"]}
    assert of_plain == {**named, "kind": "ConfigMap", "name": "c", "digest": of_plain["digest"]}


def test_rollout_of_a_given_policy_waits_for_the_placement_of_that_policy(run, absolute, project):
    """Regression: it waited until its timeout for tolerations and a division of the stack's own policies."""
    tolerated = [{"key": "cluster.karmada.io/unreachable", "operator": "Exists", "effect": "NoExecute"}]
    placement = {"clusterAffinity": {"clusterNames": ["member1"]}, "clusterTolerations": tolerated}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    selector = {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"}
    policy = {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "settings"},
        "spec": {"resourceSelectors": [selector], "placement": placement},
    }
    for name, obj in (("settings", settings), ("policy", policy)):
        (project / f"{name}.yaml").write_text(yaml.safe_dump(obj))
    files = {"manifests": [str(project / "settings.yaml")], "policies": [str(project / "policy.yaml")]}
    absolute["controlPlane"]["version"] = "1.18.2"
    absolute["workloads"] = [{"name": "given", **files}]
    registered = run(absolute)
    assert plain(registered["given-rollout"].inputs["placement"]) == placement
