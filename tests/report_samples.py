"""Reports on invented fleets, with names and values that try to inject HTML and scripts."""

import datetime as dt

from flotilla.drift.findings import DriftReport, Finding, Layer, Remedy, Unknown
from flotilla.observe.fleet import FleetStatus
from flotilla.observe.members import MemberStatus, Usage
from flotilla.observe.workloads import CopyStatus
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.steps import Op, Result, Step
from flotilla.report.build import drift_report, fleet_report, plan_report
from flotilla.state.diff import Change, ChangeKind
from flotilla.state.values import Secret

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
EVIL = '<script>document.title="pwned"</script>"\'&'


def member(name, *, ready=True):
    return MemberStatus(
        name=name,
        version="v1.37.2",
        mode="Push",
        ready=ready,
        reason="" if ready else f"cluster is not reachable {EVIL}",
        since="2026-01-01T00:00:00Z",
        nodes_ready=3,
        nodes=3,
        endpoint="https://127.0.0.1:6443",
        labels={"site": "edge"},
        usage={"cpu": Usage(96.0, 12.0)},
    )


def copy(cluster, *, health="Healthy", name="nginx"):
    ready = 2 if health == "Healthy" else 0
    reason = "" if health == "Healthy" else "0 of 2 ready"
    return CopyStatus("default", f"Deployment {name}", cluster, 2, ready, ("nginx:1.27",), health, reason)


def fleet(members=3):
    names = [f"member{index:03}" for index in range(members)]
    return FleetStatus(
        tuple(member(name, ready=index != 1) for index, name in enumerate(names)),
        tuple(copy(name, health="Unhealthy" if index == 1 else "Healthy") for index, name in enumerate(names)),
    )


def plan():
    urn = "urn:pulumi:dev::flotilla::kubernetes:apps/v1:Deployment::nginx-deployment-nginx"
    changes = (
        Change(("spec", "replicas"), ChangeKind.UPDATE, 2, 5),
        Change(("data", "password"), ChangeKind.UPDATE, Secret("hunter2"), Secret("hunter3")),
        Change(("metadata", "labels", "note"), ChangeKind.ADD, None, EVIL),
    )
    result = Result(steps=[Step(Op.UPDATE, urn, "kubernetes:apps/v1:Deployment", changes=changes)])
    return plan_report(fleet_plan(result), result, stack="dev", engine="embedded", now=NOW)


def drift():
    found = (
        Finding(
            Layer.MEMBERS,
            "object-changed",
            "member001",
            "Deployment default/nginx",
            "was changed",
            "spec.replicas",
            2,
            7,
            "kubectl",
            "2026-01-01T00:00:00Z",
            Remedy.UP,
        ),
    )
    report = DriftReport(found, (Unknown("member002", "no answer"),), ("karmada", "member001", "member002"), 12)
    return drift_report(report, stack="dev", status=fleet(), now=NOW)


def pages():
    return {"fleet": fleet_report(fleet(), stack=f"dev {EVIL}", now=NOW), "plan": plan(), "drift": drift()}
