"""Errors of one cluster affect only that cluster.

Tests of drift and of the read-only verbs, with a member that fails in many ways.
"""

import base64
import json
import time

import pytest

from flotilla.cli import resources as resource_verbs
from flotilla.cli import status as status_verbs
from flotilla.cli.drift import exit_code
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import build_parser
from flotilla.deploy.declared import CONTROL_PLANE, Declared, declared
from flotilla.drift.check import Limits, check_drift
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.observe.access import FleetAccess
from flotilla.state.checkpoint import Operation, ResourceState, Snapshot
from tests.faults import FakeApi, FaultProxy, answer, cut, drop, garble, half, hang, login_page

JSON = {"Content-Type": "application/json"}


def config_map(name="settings", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": {"a": "1", **data},
    }


def cluster(name):
    ready = {"type": "Ready", "status": "True", "reason": "ClusterReady", "message": "", "lastTransitionTime": None}
    return {
        "apiVersion": "cluster.karmada.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {"syncMode": "Push"},
        "status": {"conditions": [ready], "kubernetesVersion": "v1.35.0"},
    }


def work(member, *manifests):
    return {
        "apiVersion": "work.karmada.io/v1alpha1",
        "kind": "Work",
        "metadata": {"name": "settings", "namespace": f"karmada-es-{member}"},
        "spec": {"workload": {"manifests": list(manifests)}},
        "status": {"conditions": [{"type": "Applied", "status": "True"}]},
    }


def token_secret(member, token=b"a-token"):
    meta = {"name": member, "namespace": "karmada-cluster"}
    data = {"token": base64.b64encode(token).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


class Fleet:
    """A control plane and two members, each behind a proxy that can inject faults."""

    def __init__(self, apis, proxies):
        self.apis, self.proxies = apis, proxies

    def declared(self, **more):
        return Declared(
            {name: proxy.kubeconfig for name, proxy in self.proxies.items()},
            {name: [config_map()] for name in self.proxies},
            members=("member1", "member2"),
            **more,
        )

    def drift(self, found=None, seconds=20.0):
        return check_drift(found or self.declared(), Limits(seconds=seconds, second_look=0))

    def access(self, *known):
        control_plane = Connection(document_of(self.proxies[CONTROL_PLANE].kubeconfig), name="Karmada")
        return FleetAccess(control_plane, lambda: {name: self.proxies[name].kubeconfig for name in known})


def document_of(text):
    return kubeconfigs.select(kubeconfigs.load(text))


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    monkeypatch.setattr("flotilla.drift.check._ANSWER_SECONDS", 1.5)
    monkeypatch.setattr("flotilla.observe.access._ANSWER_SECONDS", 1.5)
    monkeypatch.setattr("flotilla.observe.answering.PROBE_SECONDS", 1.5)
    for module in ("sending", "wire"):
        monkeypatch.setattr(f"flotilla.kube.{module}.back_off", lambda _: 0.01)
    members = ("member1", "member2")
    sent = [obj for name in members for obj in (cluster(name), work(name, config_map()), token_secret(name))]
    apis = {
        CONTROL_PLANE: FakeApi(config_map(), *sent),
        "member1": FakeApi(config_map()),
        "member2": FakeApi(config_map()),
    }
    proxies = {}
    try:
        for name, api in apis.items():
            api.__enter__()
            proxies[name] = FaultProxy(api.kubeconfig, tmp_path / name, name=name).start()
        yield Fleet(apis, proxies)
    finally:
        for proxy in proxies.values():
            proxy.stop()
        for api in apis.values():
            api.__exit__(None, None, None)


def status(code, reason, message):
    return answer(code, json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}), JSON)


BROKEN = {
    "it is refused": (FaultProxy.close_port, "connection refused"),
    "it hangs before TLS": (FaultProxy.silence_port, "timed out"),
    "it never answers": (hang(), "timed out"),
    "it breaks off": (drop(), "no answer"),
    "401": (status(401, "Unauthorized", "Unauthorized"), "Unauthorized (HTTP 401)"),
    "403": (status(403, "Forbidden", "no right to do so"), "no right to do so (HTTP 403)"),
    "429": (answer(429, "Too many requests", {"Retry-After": "0"}), "Too many requests (HTTP 429)"),
    "500": (answer(500, "etcd is gone", {"Content-Type": "text/plain"}), "etcd is gone (HTTP 500)"),
    "503": (status(503, "ServiceUnavailable", "starting"), "starting (HTTP 503)"),
    "a login page": (login_page(), "an HTML page, 'Sign in'"),
    "a login page with 404": (login_page(404), "an HTML page, 'Sign in'"),
    "a redirect": (login_page(302), "a redirect to https://login.example/oauth2/authorize"),
    "half a document": (half(), "breaks off or is damaged"),
    "half an answer": (cut(), "no answer"),
    "garbage": (garble(), "not UTF-8"),
    "a list": (answer(200, "[]"), "a list where an object was asked for"),
}


def break_(proxy, fault):
    if callable(fault):
        fault(proxy)
    else:
        proxy.fail(fault)


@pytest.mark.parametrize("case", BROKEN)
def test_broken_member_is_unknown_with_its_reason_and_other_members_are_compared(fleet, case):
    fault, text = BROKEN[case]
    assert fleet.drift().clean
    break_(fleet.proxies["member2"], fault)
    began = time.monotonic()
    report = fleet.drift()
    assert time.monotonic() - began < 18, "not all of the time that a look may take"
    assert [one.cluster for one in report.unknown] == ["member2"]
    assert text in report.unknown[0].reason
    assert exit_code(report) is (ExitCode.DRIFT if case == "401" else ExitCode.FAILED), (
        "Karmada's token is refused, too"
    )
    fleet.apis["member1"].put(config_map(a="2"))
    report = fleet.drift()
    assert {f.rule for f in report.findings if f.cluster == "member1"} == {"object-changed", "copy-changed"}
    assert {f.rule for f in report.findings if f.cluster != "member1"} <= {"token-refused"}
    assert exit_code(report) is ExitCode.DRIFT
    assert json.loads(json.dumps(report.to_json()))["unknown"]


@pytest.mark.parametrize("case", BROKEN)
def test_members_are_compared_with_the_plan_and_unknown_while_the_control_plane_is_broken(fleet, case):
    fault, _ = BROKEN[case]
    fleet.apis["member1"].put(config_map(a="2"))
    break_(fleet.proxies[CONTROL_PLANE], fault)
    report = fleet.drift()
    assert [one.cluster for one in report.unknown] == [CONTROL_PLANE, "member1", "member2"]
    assert [(f.rule, f.cluster) for f in report.findings] == [("object-changed", "member1")]


KUBECONFIGS = {
    "nonsense": "[1",
    "no context": "clusters: []",
    "odd sections": "current-context: a\nclusters: [1]\ncontexts: [2]\nusers: 3",
    "a CA that is no certificate": None,
}


@pytest.mark.parametrize("case", KUBECONFIGS)
def test_unreadable_kubeconfig_is_an_error_of_its_cluster_only(fleet, case):
    found = fleet.declared()
    text = KUBECONFIGS[case]
    if text is None:
        document = document_of(found.kubeconfigs["member2"])
        document["clusters"][0]["cluster"]["certificate-authority-data"] = "aHVudGVyMg=="
        text = kubeconfigs.dump(document)
    found.kubeconfigs["member2"] = text
    report = fleet.drift(found)
    assert [one.cluster for one in report.unknown] == ["member2"]
    assert "hunter2" not in report.unknown[0].reason
    assert report.objects == 3, "the others were compared"


def test_declared_cluster_without_a_kubeconfig_is_unknown_and_not_clean(fleet):
    found = fleet.declared()
    del found.kubeconfigs["member2"]
    report = fleet.drift(found)
    assert [(one.cluster, one.reason) for one in report.unknown] == [("member2", "the state has no kubeconfig of it")]


@pytest.mark.parametrize("token", [b"\xff\xfe", b"", b"two\nlines"])
def test_invalid_token_is_a_finding_of_its_member(fleet, token):
    fleet.apis[CONTROL_PLANE].put(token_secret("member2", token))
    report = fleet.drift()
    assert [(f.rule, f.cluster) for f in report.findings] == [("token-refused", "member2")]
    fleet.apis[CONTROL_PLANE].put({**token_secret("member2"), "data": {"token": "no base64!"}})
    assert [(f.rule, f.cluster) for f in fleet.drift().findings] == [("token-refused", "member2")]
    fleet.apis[CONTROL_PLANE].put(token_secret("member2", b"a-token\n"))
    assert fleet.drift().clean, "a line break at its end is left out, as Karmada's client does"


def test_malformed_object_stops_only_its_own_comparison(fleet):
    found = fleet.declared()
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "x"}}
    fleet.apis["member2"].put({**binding, "subjects": ["odd"]})
    fleet.apis["member2"].put(config_map(a="2"))
    report = fleet.drift(found)
    assert [(one.cluster, "form that is not expected" in one.reason) for one in report.unknown] == [("member2", True)]
    assert {(f.rule, f.cluster) for f in report.findings} == {
        ("object-changed", "member2"),
        ("copy-changed", "member2"),
    }


def test_malformed_works_are_unknown_and_never_clean(fleet):
    odd = work("member2", config_map())
    fleet.apis[CONTROL_PLANE].put({**odd, "spec": {"workload": {"manifests": 5}}})
    assert [one.cluster for one in fleet.drift().unknown] == ["member2"]
    fleet.apis[CONTROL_PLANE].put({**odd, "spec": "odd"})
    assert [one.cluster for one in fleet.drift().unknown] == ["member2"]


def test_kind_that_is_no_longer_served_stops_only_its_own_comparison(fleet):
    found = fleet.declared()
    found.objects["member2"].insert(0, {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a"}})
    fleet.apis["member2"].put(config_map(a="2"))
    report = fleet.drift(found)
    assert [one.cluster for one in report.unknown] == ["member2"]
    assert "serves no Thing" in report.unknown[0].reason
    assert ("object-changed", "member2") in {(f.rule, f.cluster) for f in report.findings}


# -- read-only verbs -----------------------------------------------------------------------------------


def run(*arguments):
    options = build_parser().parse_args([*arguments])
    return options.verb(options)


@pytest.fixture
def verbs(fleet, monkeypatch):
    access = fleet.access("member1", "member2")
    for module in (status_verbs, resource_verbs):
        monkeypatch.setattr(module, "open_access", lambda _: access)
    return fleet


@pytest.mark.parametrize("case", BROKEN)
def test_read_only_verbs_show_other_members_and_name_the_broken_one(verbs, capsys, case):
    fault, text = BROKEN[case]
    break_(verbs.proxies["member2"], fault)
    began = time.monotonic()
    assert run("get", "configmap", "--json", "--timeout", "5") == ExitCode.DONE
    printed = json.loads(capsys.readouterr().out)
    assert {item["cluster"] for item in printed["items"]} == {"member1"}
    assert text in printed["unknown"]["member2"]
    assert run("events", "--json", "--timeout", "5") == ExitCode.DONE
    assert text in json.loads(capsys.readouterr().out)["unknown"]["member2"]
    assert run("status", "--json") == ExitCode.DONE
    printed = json.loads(capsys.readouterr().out)
    assert printed["summary"]["membersReady"] == 2, "Karmada hasn't noticed yet"
    assert list(printed["unanswered"]) == ([] if case == "403" else ["member2"])
    assert run("clusters", "--json") == ExitCode.DONE
    assert list(json.loads(capsys.readouterr().out)["unanswered"]) == ([] if case == "403" else ["member2"])
    assert run("status") == ExitCode.DONE
    assert ("member2 does not answer: member2: " in capsys.readouterr().out) is (case != "403")
    assert time.monotonic() - began < 60, "not half a minute for each of the five"


def test_verb_fails_if_no_member_answers(verbs, capsys):
    from flotilla.errors import FlotillaError

    for name in ("member1", "member2"):
        verbs.proxies[name].close_port()
    with pytest.raises(FlotillaError, match="none of 2 members answered"):
        run("get", "configmap", "--json")


def test_members_are_asked_directly_while_the_control_plane_is_down(verbs, capsys):
    verbs.proxies[CONTROL_PLANE].fail(login_page())
    assert run("get", "configmap", "--json") == ExitCode.DONE
    out = capsys.readouterr()
    assert {item["cluster"] for item in json.loads(out.out)["items"]} == {"member1", "member2"}
    assert "an HTML page" in out.err


def test_malformed_cluster_object_does_not_hide_other_clusters(verbs, capsys):
    verbs.apis[CONTROL_PLANE].put({**cluster("member2"), "spec": "odd"})
    binding = {"apiVersion": "work.karmada.io/v1alpha2", "kind": "ResourceBinding"}
    verbs.apis[CONTROL_PLANE].put({**binding, "metadata": {"name": "web", "namespace": "default"}, "spec": 5})
    assert run("status", "--json") == ExitCode.DONE
    printed = json.loads(capsys.readouterr().out)
    assert {m["name"]: m["ready"] for m in printed["members"]} == {"member1": True, "member2": False}
    assert "spec does not match Karmada's API" in next(m["reason"] for m in printed["members"] if not m["ready"])
    assert "form that is not expected" in printed["workloads"][0]["reason"]


# -- objects whose rollout failed are declared, too ----------------------------------------------------

ROOT = "urn:pulumi:s::p::flotilla:index:PropagatedWorkload::nginx"
PROVIDER = "urn:pulumi:s::p::pulumi:providers:kubernetes::karmada-provider::id"


def policy(*names, kind="PropagationPolicy", **spec):
    selected = [{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "namespace": "default"} for name in names]
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "nginx", "namespace": "default"},
        "spec": {"resourceSelectors": selected, **spec},
    }


def kubernetes(obj, name):
    type_ = f"kubernetes:x:{obj['kind']}"
    urn = f"urn:pulumi:s::p::flotilla:index:PropagatedWorkload${type_}::{name}"
    return ResourceState(urn, custom=True, type=type_, inputs=obj, parent=ROOT, provider=PROVIDER)


def workload(*resources):
    return (ResourceState(ROOT, custom=False, type="flotilla:index:PropagatedWorkload"), *resources)


PLACEMENT = {"clusterAffinity": {"clusterNames": ["member1"]}}
FAILED = workload(
    kubernetes(policy("settings", placement=PLACEMENT), "policy"),
    kubernetes(policy("settings", kind="OverridePolicy", overrideRules=[{"overriders": {}}]), "override"),
    kubernetes(config_map(), "settings"),
)
ROLLOUT = "pulumi-python:dynamic/flotilla:Rollout"


def test_workload_is_compared_although_its_first_rollout_failed(fleet):
    found = declared(Snapshot(FAILED))
    check = found.rollouts["nginx"]
    assert (check.templates, check.placement, check.rules) == ([config_map()], PLACEMENT, [{"overriders": {}}])
    report = fleet.drift(fleet.declared(rollouts=found.rollouts))
    assert ("not-propagated", "ConfigMap default/settings") in {(f.rule, f.object) for f in report.findings}
    assert exit_code(report) is ExitCode.DRIFT


def test_workload_is_compared_with_its_policies_and_not_with_an_older_rollout():
    before = {"workload": "nginx", "templates": [config_map(a="old")], "placement": {}, "overrideRules": []}
    rollout = ResourceState(f"{ROOT.replace('Workload', 'Workload$' + ROLLOUT)}-rollout", custom=True, type=ROLLOUT)
    from dataclasses import replace

    found = declared(Snapshot((*FAILED, replace(rollout, inputs=before, parent=ROOT))))
    assert found.rollouts["nginx"].templates == [config_map()]
    assert found.rollouts["nginx"].placement == PLACEMENT


def test_object_that_was_never_created_is_a_finding(fleet):
    lost = declared(Snapshot(workload(kubernetes(policy("settings", "second", placement=PLACEMENT), "policy"))))
    assert lost.missing == {"nginx": ("ConfigMap default/settings", "ConfigMap default/second")}
    report = fleet.drift(fleet.declared(missing=lost.missing))
    assert [(f.rule, f.object) for f in report.findings] == [("not-propagated", "workload nginx")] * 2
    assert declared(Snapshot(workload())).missing == {"nginx": ("its policy",)}
    assert declared(Snapshot(FAILED)).missing == {}


def test_object_with_a_pending_creation_is_declared():
    begun = Operation(kubernetes(config_map("second"), "second"), "creating")
    known = Operation(kubernetes(config_map(), "settings"), "creating")
    found = declared(Snapshot(FAILED, (begun, known)))
    assert [obj["metadata"]["name"] for obj in found.objects["karmada"]] == ["nginx", "nginx", "settings", "second"]
