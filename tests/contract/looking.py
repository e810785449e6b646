"""The verbs that show the fleet: clusters, status, workloads, get, logs, events, simulate, graph, report."""

import json
import time

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.objects import ObjectRef
from tests.contract.fleet import deployed_stack
from tests.contract.karmada import eventually
from tests.contract.main_job import NGINX, members

NGINX_REF = ObjectRef("apps/v1", "Deployment", "nginx", "default")


@pytest.fixture(scope="module")
def nginx(fleet):
    """Nginx on two clusters; member2 has another image."""
    override = {"clusters": ["member2"], "image": {"tag": "1.28"}}
    with deployed_stack(fleet) as kept:
        kept.write(
            members("member1", labels={"site": "core"}) + members("member2", labels={"site": "edge"}),
            [{**NGINX, "overrides": [override]}],
        )
        kept.up()
        yield kept


@pytest.fixture
def look(nginx, fleet, capsys):
    """A function that runs a verb and returns what it printed."""
    capsys.readouterr()

    def look(*arguments, expect=0):
        code = main([*arguments, "-C", str(fleet.project), "--engine", "embedded"])
        captured = capsys.readouterr()
        assert code == expect, captured.err
        look.err = captured.err
        return captured.out

    return look


def test_clusters_lists_the_members_that_match_the_filters(look):
    document = json.loads(look("clusters", "--json"))
    assert document["version"] == 1
    one = document["clusters"][0]
    assert (one["name"], one["mode"], one["ready"], one["nodes_ready"], one["labels"]) == (
        "member1",
        "Push",
        True,
        3,
        {"site": "core"},
    )
    assert one["since"]
    assert one["usage"]["pods"]["allocatable"] > 0
    assert [c["name"] for c in yaml.safe_load(look("clusters", "--yaml"))["clusters"]] == ["member1", "member2"]
    assert [line.split()[0] for line in look("clusters").splitlines()[2:]] == ["CLUSTER", "member1", "member2"]
    names = [c["name"] for c in json.loads(look("clusters", "--json", "--cluster-labels", "site=edge"))["clusters"]]
    assert names == ["member2"]
    assert json.loads(look("clusters", "--json", "--health", "unhealthy"))["clusters"] == []
    assert look("clusters", "--health", "unhealthy").splitlines()[0] == "2 of 2 members ready"
    look("clusters", "--cluster", "nobody", expect=1)
    assert "no member is called 'nobody'" in look.err


def test_status_prints_the_summary_first(look):
    text = look("status")
    assert text.splitlines()[0] == "2 of 2 members ready; 1 workload, 2 of 2 copies healthy"
    summary = json.loads(look("status", "--json", "--cluster", "member2"))["summary"]
    assert summary == {"members": 1, "membersReady": 1, "workloads": 1, "copies": 1, "copiesHealthy": 1}
    ill = json.loads(look("status", "--json", "--health", "unhealthy"))
    assert (ill["members"], ill["workloads"]) == ([], [])
    assert ill["summary"]["membersReady"] == 2, "the summary is of all, whatever rows are wanted"


def test_workloads_show_overrides_and_why_a_copy_is_not_healthy(look, fleet):
    copies = {c["cluster"]: c for c in json.loads(look("workloads", "nginx", "--json"))["workloads"]}
    assert copies["member1"]["images"] == ["nginx:1.27"]
    assert copies["member2"]["images"] == ["nginx:1.28"]
    assert copies["member2"]["overrides"] == ["nginx"]
    assert all(c["health"] == "Healthy" and c["since"] and not c["why"] for c in copies.values())

    selector = {"spec": {"template": {"spec": {"nodeSelector": {"disk": "nowhere"}}}}}
    fleet.connection("karmada").patch(NGINX_REF, selector, query={"fieldManager": "kubectl-edit"})
    deadline = time.monotonic() + 60
    while True:
        ailing = json.loads(look("workloads", "--health", "unhealthy", "--json"))["workloads"]
        why = [text for copy in ailing for text in copy["why"]]
        if len(ailing) == 2 and any("Unschedulable" in text for text in why):
            break
        assert time.monotonic() < deadline, ailing
        time.sleep(1)
    first = look("workloads").splitlines()
    assert first[0] == "0 of 2 copies healthy"
    assert "Unschedulable" in first[3]
    selector["spec"]["template"]["spec"]["nodeSelector"] = None
    fleet.connection("karmada").patch(NGINX_REF, selector, query={"fieldManager": "kubectl-edit"})
    eventually(lambda: json.loads(look("status", "--json"))["summary"]["copiesHealthy"] == 2)
    eventually(lambda: len(json.loads(look("get", "pods", "-n", "default", "--json"))["items"]) == 4)


def test_get_lists_objects_of_all_members_without_secret_values(look):
    lines = look("get", "deploy", "nginx").splitlines()
    assert lines[0].split()[:4] == ["CLUSTER", "NAMESPACE", "NAME", "READY"]
    assert [line.split()[:4] for line in lines[1:]] == [
        ["member1", "default", "nginx", "2/2"],
        ["member2", "default", "nginx", "2/2"],
    ]
    items = json.loads(look("get", "pods", "-n", "default", "--cluster", "member*", "--json"))["items"]
    assert sorted(item["cluster"] for item in items) == ["member1"] * 2 + ["member2"] * 2
    secrets = json.loads(look("get", "secrets", "-n", "karmada-cluster", "--cluster", "member1", "--json"))["items"]
    values = {value for item in secrets for value in (item["object"].get("data") or {}).values()}
    assert values == {"[secret]"}
    look("get", "unicorns", expect=1)
    assert "serves no unicorns" in look.err
    assert look("get", "cronjobs.batch") == ""
    assert "no cronjobs.batch in 2 clusters" in look.err


def test_events_and_logs_are_collected_from_all_members(look):
    reasons = {event["reason"] for event in json.loads(look("events", "nginx", "--json"))["events"]}
    assert "ScalingReplicaSet" in reasons
    lines = look("logs", "nginx", "--tail", "1").splitlines()
    assert len(lines) == 4
    assert all(line.startswith(("member1 nginx-", "member2 nginx-")) and line.endswith("| ready") for line in lines)
    assert len(json.loads(look("logs", "nginx", "--cluster", "member1", "--json"))["logs"]) == 2
    look("logs", "nobody", expect=1)
    assert "no pods of nobody in namespace default of 2 clusters" in look.err


def test_get_asks_the_members_while_karmada_is_down(look, fleet):
    file = fleet.kubeconfigs / "karmada.yaml"
    stored = file.read_text()
    document = kubeconfigs.load(stored)
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    try:
        file.write_text(yaml.safe_dump(document))
        look("status", expect=1)
        assert "no answer from https://127.0.0.1:1 while listing Clusters: connection refused" in look.err
        assert len(look("get", "deploy", "nginx").splitlines()) == 3
        assert "asking the members that the stack knows" in look.err
    finally:
        file.write_text(stored)


def test_a_watch_prints_the_status_again_until_it_is_interrupted(look, monkeypatch):
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("flotilla.cli.views.time.sleep", sleep)
    documents = list(yaml.safe_load_all(look("status", "--yaml", "--watch", "5")))
    assert looks == [5.0] * 3
    assert [len(document["members"]) for document in documents] == [2, 2, 2]


def test_simulate_reports_what_the_loss_of_a_cluster_would_change(look):
    """The verb reads the bindings of the control plane and changes nothing."""
    found = json.loads(look("simulate", "--without", "member2", "--failover", "off", "--json"))
    (nginx,) = found["templates"]
    assert (nginx["template"], nginx["verdict"], nginx["lost"]) == ("Deployment default/nginx", "fewer", ["member2"])
    assert nginx["before"] == {"member1": 2, "member2": 2}
    assert found["notes"] == []
    each = json.loads(look("simulate", "--each", "--require-survival", "--failover", "off", "--json"))
    assert ([one["name"] for one in each["each"]], each["singlePointsOfFailure"]) == (["member1", "member2"], [])


def test_graph_and_report_show_the_running_fleet(look, fleet, tmp_path):
    assert "member2" in look("graph")
    assert look("graph", "--format", "mermaid").count("-->|") == 2
    assert "digraph" in look("graph", "--format", "dot", "--of", "plan")
    for about, shown in (("fleet", "Fleet of sandbox"), ("plan", "no changes"), ("drift", "No drift")):
        look("report", "--of", about, "-o", str(tmp_path / "report.html"))
        page = (tmp_path / "report.html").read_text()
        assert shown in page
        assert ("zone is lost" in page) is (about == "plan")
    fleet.connection("member1").patch(NGINX_REF, {"spec": {"replicas": 2}, "metadata": {"labels": {"a": "b"}}})
    look("report", "-o", str(tmp_path / "missing" / "report.html"), expect=1)
    assert "can't be written" in look.err
