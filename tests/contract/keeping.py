"""Workloads that leave the stack while their copies run on in the members, without Karmada and the stack.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

import yaml

from flotilla.karmada.versions import Version
from flotilla.kube.objects import ref_of
from tests.contract.karmada import eventually
from tests.contract.main_job import members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.moves import BOTH, run, stack, workload  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj, pods

FILES = (("policies", "policies"), ("manifests", "settings"))
ACCESS = (
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("v1", "Namespace"),
)
SPACE, POLICY = "kept", "policy.karmada.io/v1alpha1"
READER = obj(
    "rbac.authorization.k8s.io/v1",
    "ClusterRole",
    "kept-reader",
    rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
)
SHOP = (obj("v1", "Namespace", SPACE), pods("web", SPACE), READER)
SETTINGS = obj("v1", "ConfigMap", "kept-settings", "default", data={"a": "b"})
UNSENT = obj("v1", "ConfigMap", "kept-unsent", "default", data={"a": "b"})
GIVEN = obj(
    POLICY,
    "ClusterPropagationPolicy",
    "kept-settings",
    spec={
        "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "kept-settings"}],
        "placement": {"clusterAffinity": {"clusterNames": list(BOTH)}},
        "preserveResourcesOnDeletion": True,
        "conflictResolution": "Overwrite",
    },
)


def copies(fleet):
    """Return the UIDs of the workloads' copies and of their pods, by member and object."""
    found = {}
    for member in BOTH:
        connection = fleet.connection(member)
        for one in (*SHOP, SETTINGS, UNSENT):
            if live := connection.find(ref_of(one)):
                found[member, str(ref_of(one))] = live["metadata"]["uid"]
        for pod in connection.list("v1", "Pod", namespace=SPACE):
            found[member, pod["metadata"]["name"]] = pod["metadata"]["uid"]
    return found


def marks(live):
    """Return the labels and annotations of an object that Karmada or a stack has set."""
    metadata = live["metadata"]
    keys = [*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})]
    return [key for key in keys if key.split("/")[0].endswith(("karmada.io", "pulumi.com", "flotilla.dev"))]


def stack_file(fleet):
    return fleet.project / "stacks" / "Pulumi.sandbox.yaml"


def declare(fleet, stack):
    """Declare a workload with a namespace and a ClusterRole, one with its own policies, and a suspended one."""
    (fleet.project / "kept-policies.yaml").write_text(yaml.safe_dump(GIVEN))
    (fleet.project / "kept-settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    keep = {"onRemoval": "keep"}
    stack(
        workload("shop", SHOP, namespace=SPACE, **keep),
        workload("unsent", [UNSENT], suspend=["member2"], **keep),
    )
    written = yaml.safe_load(stack_file(fleet).read_text())
    given = {key: [str(fleet.project / f"kept-{name}.yaml")] for key, name in FILES}
    written["config"]["flotilla:workloads"].append({"name": "settings", "timeout": 90, **given})
    stack_file(fleet).write_text(yaml.safe_dump(written))


def test_kept_copies_of_a_removed_workload_run_on_without_labels_and_annotations(fleet, run, stack):
    """The Namespace is kept, too; annotations for Pulumi are removed; the Work of a copy never sent is deleted."""
    if Version.parse(fleet.version) < Version(1, 12):
        stack(workload("shop", SHOP, namespace=SPACE, onRemoval="keep"))
        assert "onRemoval" in str(run("up", "--yes", expect=2))
        stack()
        return
    declare(fleet, stack)
    run("up", "--yes")
    before = copies(fleet)
    assert len(before) == 2 * 5 + 1, before
    run.write(members(*BOTH), [])
    plan = {one["name"]: one for one in run("preview")["workloads"]}
    assert [one.get("kept") for name in ("shop", "settings") for one in plan[name]["clusters"]] == [True] * 4
    assert "Deployment kept/web stays there, without Karmada's marks" in str(plan["shop"]["clusters"])
    try:
        run("up", "--yes")
        assert copies(fleet) == before
        for member in BOTH:
            connection = fleet.connection(member)
            for one in (*SHOP, SETTINGS, UNSENT):
                if live := connection.find(ref_of(one)):
                    assert not marks(live), live["metadata"]
        karmada = fleet.connection("karmada")
        assert [karmada.find(ref_of(one)) for one in (*SHOP, SETTINGS, UNSENT)] == [None] * 5
        carried = [str(work["spec"]["workload"]) for work in karmada.list("work.karmada.io/v1alpha1", "Work")]
        assert not any("kept" in one for one in carried)
        assert run("drift")["findings"] == []
        run("preview", "--expect-no-changes")
    finally:
        for member in BOTH:
            for one in (*SHOP, SETTINGS, UNSENT):
                fleet.connection(member).delete(ref_of(one), propagation="Background")


def test_release_of_a_workload_and_a_member_leaves_their_objects_running(fleet, run, stack):
    """The stack file has no `onRemoval: keep`, without which removals and leaves delete the copies."""
    keeps = Version.parse(fleet.version) >= Version(1, 12)
    other = workload("other", [SETTINGS])
    stack(workload("shop", SHOP, namespace=SPACE), other)
    run("up", "--yes")
    before = copies(fleet)
    assert len(before) == 2 * 5, before
    names = ["shop", "member2"] if keeps else ["member2"]
    plan = run("release", *names, "--preview-only")
    assert (plan["done"], plan["members"]) == (False, ["member2"])
    assert "Deployment kept/web" in plan["staying"]["member2"]
    assert "ConfigMap default/kept-settings" in plan["staying"]["member2"]
    if not keeps:
        assert "can't let copies go" in run("release", "shop", "--yes", expect=1)["error"]
    try:
        assert run("release", *names, "--yes")["notes"] == []
        assert copies(fleet) == before
        karmada = fleet.connection("karmada")
        assert [one["metadata"]["name"] for one in karmada.list("cluster.karmada.io/v1alpha1", "Cluster")] == [
            "member1"
        ]
        for member in BOTH if keeps else ("member2",):
            connection = fleet.connection(member)
            for one in (*SHOP, *([SETTINGS] if member == "member2" else [])):
                live = connection.get(ref_of(one))
                assert not marks(live), live["metadata"]
        left = [
            (kind, found)
            for version, kind in ACCESS
            for one in fleet.connection("member2").list(version, kind)
            if "karmada" in (found := one["metadata"]["name"]) and not one["metadata"].get("deletionTimestamp")
        ]
        assert left == []
        remaining = (*other[:2], ["member1"], {})
        stack(*([] if keeps else [workload("shop", SHOP, ["member1"], namespace=SPACE)]), remaining)
        written = yaml.safe_load(stack_file(fleet).read_text())
        written["config"]["flotilla:members"] = written["config"]["flotilla:members"][:1]
        stack_file(fleet).write_text(yaml.safe_dump(written))
        run("up", "--yes")
        assert copies(fleet) == before
        eventually(lambda: run("drift")["findings"] == [])
    finally:
        for member in BOTH:
            for one in (*SHOP, SETTINGS):
                if keeps or member == "member2":
                    fleet.connection(member).delete(ref_of(one), propagation="Background")
