"""Owners of fields: additions by admission are no drift, changed declared fields are, two writers are a conflict.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import datetime as dt
from contextlib import contextmanager, suppress

import pytest
import yaml

from flotilla.kube.connection import ApiError
from flotilla.kube.merge_keys import shape_of
from flotilla.kube.objects import ObjectRef
from tests.background import repeating
from tests.contract.drift import look
from tests.contract.karmada import eventually
from tests.contract.main_job import NGINX, members, shared_stack, verbs  # noqa: F401 - fixtures of the contract

ADMISSION = "admissionregistration.k8s.io/v1"
COPY = ObjectRef("apps/v1", "Deployment", "nginx", "default")
BOTH = ("member1", "member2")
IMAGE = "spec.template.spec.containers[nginx].image"
POINTER = "/spec/template/spec/containers/nginx/image"
WITH_MESH = "!object.spec.template.spec.containers.exists(c, c.name == 'mesh')"
MESH = {"name": "mesh", "image": "mesh:1"}
KARMADAS = ("karmada-controller-manager", "karmada-stand-in")


@pytest.fixture
def run(verbs, shared_stack, fleet):  # noqa: F811
    """Run verbs; remove all workloads at the end, and keep the members joined."""
    yield verbs
    fleet.write(members(*BOTH), [])
    verbs("up", "--yes")


@pytest.fixture
def nginx(run, fleet):
    fleet.write(members(*BOTH), [NGINX])
    run("up", "--yes")
    return run


def containers(connection):
    spec = connection.get(COPY)["spec"]["template"]["spec"]
    return {one["name"]: one["image"] for one in spec["containers"]}


@contextmanager
def admission(connection, name, condition, *changed):
    """Change containers of every Deployment in `default` at admission, as a mesh's injector does."""
    inner = ", ".join(
        f'Object.spec.template.spec.containers{{name: "{c["name"]}", image: "{c["image"]}"}}' for c in changed
    )
    pod = f"Object.spec.template.spec{{containers: [{inner}]}}"
    policy = {
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["deployments"],
                    }
                ],
            },
            "matchConditions": [{"name": "wanted", "expression": condition}],
            "reinvocationPolicy": "Never",
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {
                        "expression": f"Object{{spec: Object.spec{{template: Object.spec.template{{spec: {pod}}}}}}}"
                    },
                }
            ],
        },
    }
    binding = {
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    made = [policy, binding]
    for obj in made:
        connection.create(obj, field_manager="mesh-operator")
    try:
        eventually(lambda: _admission_changes(connection, changed[0]), problem="the admission policy isn't in force")
        yield
    finally:
        for obj in reversed(made):
            connection.delete(ObjectRef(ADMISSION, obj["kind"], name), propagation="Background")
        eventually(
            lambda: not _admission_changes(connection, changed[0]), problem="the admission policy stays in force"
        )


def _admission_changes(connection, changed):
    """Return whether admission changes a Deployment now, by a dry run."""
    labels = {"app": "probe"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "nginx", "image": "nginx:1.27"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    meta = {"name": "probe", "namespace": "default"}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    made = connection.create(obj, field_manager="probe", dry_run=True)
    return changed["image"] in [one["image"] for one in made["spec"]["template"]["spec"]["containers"]]


def drift(run, *, expect=0):
    report = run("drift", expect=expect)
    assert not report["unknown"], report["unknown"]
    return report


def test_a_container_that_admission_adds_in_a_member_is_no_drift_but_a_changed_declared_field_is(run, fleet):
    """Earlier, drift always reported the added container and expected Karmada to remove it, which it never does."""
    member1 = fleet.connection("member1")
    with admission(member1, "mesh", WITH_MESH, MESH):
        fleet.write(members(*BOTH), [NGINX])
        run("up", "--yes")
        assert containers(member1) == {"nginx": "nginx:1.27", "mesh": "mesh:1"}
        assert drift(run)["clean"]
        run("preview", "--expect-no-changes", "--refresh")
        with admission(member1, "image", "true", {"name": "nginx", "image": "nginx:by-admission"}):
            member1.patch(COPY, {"metadata": {"annotations": {"a": "b"}}}, query={"fieldManager": "mesh-operator"})
            eventually(lambda: containers(member1)["nginx"] == "nginx:by-admission")
            (finding,) = drift(run, expect=3)["findings"]
            assert (finding["rule"], finding["cluster"], finding["path"]) == ("copy-changed", "member1", IMAGE)
            assert (finding["wanted"], finding["found"]) == ("nginx:1.27", "nginx:by-admission")
            assert finding["pointer"] == POINTER
            _check_ignoring(run, fleet, finding)


def _check_ignoring(run, fleet, finding):
    """Check that the stack file can ignore the finding, and that it is reported again after the date."""
    today = dt.datetime.now(dt.UTC).date()
    entry = {"kind": "Deployment", "name": "nginx", "member": "member1", "field": POINTER, "reason": "the mesh's tag"}
    unused = {**entry, "field": "spec.paused", "until": str(today)}
    _write_ignored(fleet, {**entry, "until": str(today)}, unused)
    report = drift(run)
    assert report["clean"]
    assert report["findings"] == []
    assert [(one["path"], one["reason"], one["until"]) for one in report["ignored"]] == [
        (finding["path"], "the mesh's tag", str(today))
    ]
    (notice,) = report["notices"]
    assert "drift.ignore[1] (Deployment nginx spec.paused) matches no finding" in notice
    _write_ignored(fleet, {**entry, "until": str(today - dt.timedelta(days=1))})
    (counted,) = drift(run, expect=3)["findings"]
    assert counted["path"] == finding["path"]
    assert "was ignored until" in counted["note"]
    _write_ignored(fleet, {**entry, "until": "soon"})
    assert "drift.ignore[0].until" in run("drift", expect=2)["error"]
    _write_ignored(fleet)


def _write_ignored(fleet, *ignore):
    file = fleet.project / "stacks" / "Pulumi.sandbox.yaml"
    document = yaml.safe_load(file.read_text())
    document["config"]["flotilla:drift"] = {"ignore": list(ignore)}
    file.write_text(yaml.safe_dump(document))


def test_up_and_drift_accept_a_container_that_admission_adds_in_the_control_plane(run, fleet):
    """Earlier, `up` waited until its timeout because the template had more than was declared."""
    with admission(fleet.connection("karmada"), "mesh", WITH_MESH, MESH):
        fleet.write(members(*BOTH), [{**NGINX, "timeout": 60}])
        run("up", "--yes")
        assert containers(fleet.connection("karmada")) == {"nginx": "nginx:1.27", "mesh": "mesh:1"}
        eventually(lambda: "mesh" in containers(fleet.connection("member1")))
        assert drift(run)["clean"]
        run("preview", "--expect-no-changes", "--refresh")
        fleet.write(members(*BOTH), [{**NGINX, "image": "nginx:1.28", "timeout": 60}])
        run("up", "--yes")
        assert containers(fleet.connection("member2")) == {"nginx": "nginx:1.28", "mesh": "mesh:1"}
        assert drift(run)["clean"]


def writing(connection, body, *, every=0.4):
    """Write a field again and again, like a controller that reverts what Karmada writes."""

    def write():
        with suppress(ApiError):  # a conflict with another write: the next attempt may succeed
            connection.patch(COPY, body, kind="strategic", query={"fieldManager": "mesh-operator"})

    return repeating(write, every=every)


def test_a_field_that_two_managers_write_in_turn_is_reported_with_both_managers(nginx, fleet):
    """Earlier, drift missed this: Karmada reverts each write within a second, so drift read the object as sent."""
    member1 = fleet.connection("member1")
    change = {"spec": {"template": {"spec": {"containers": [{"name": "nginx", "image": "nginx:by-operator"}]}}}}
    with writing(member1, change):
        eventually(lambda: member1.get(COPY)["metadata"]["generation"] > 5)
        found = drift(nginx, expect=3)["findings"]
    # Drift may report the unhealthy copy, too, but it must not say that Karmada will fix the field.
    (finding,) = [one for one in found if one["rule"] in ("two-owners", "copy-changed")]
    assert (finding["rule"], finding["cluster"], finding["object"]) == (
        "two-owners",
        "member1",
        "Deployment default/nginx",
    )
    assert (finding["path"], finding["mend"]) == (IMAGE, "hand")
    assert "mesh-operator" in finding["message"]
    assert any(name in finding["message"] for name in KARMADAS)
    eventually(lambda: containers(member1) == {"nginx": "nginx:1.27"})
    eventually(lambda: look(fleet).clean, problem="the fight is over, and still reported")


def test_repeated_updates_of_the_stack_are_not_reported_as_two_owners(nginx, fleet):
    for image in ("nginx:1.28", "nginx:1.29", "nginx:1.28", "nginx:1.29"):
        fleet.write(members(*BOTH), [{**NGINX, "image": image}])
        nginx("up", "--yes")
    assert drift(nginx)["clean"]


def test_an_autoscaler_in_a_member_is_reported_until_the_workload_is_declared_as_autoscaled(nginx, fleet):
    member1 = fleet.connection("member1")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nginx"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "theirs", "namespace": "default"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5},
    }
    member1.create(scaler, field_manager="theirs")
    try:
        (finding,) = drift(nginx, expect=3)["findings"]
        assert (finding["rule"], finding["path"], finding["mend"]) == ("two-owners", "spec.replicas", "hand")
        assert "HorizontalPodAutoscaler default/theirs" in finding["message"]
        fleet.write(members(*BOTH), [{**NGINX, "autoscaled": True}])
        nginx("up", "--yes")
        member1.patch(COPY, {"spec": {"replicas": 3}}, query={"fieldManager": "theirs"})
        assert drift(nginx)["clean"]
        assert member1.get(COPY)["spec"]["replicas"] == 3
    finally:
        member1.delete(ObjectRef("autoscaling/v2", "HorizontalPodAutoscaler", "theirs", "default"))


def test_a_stack_that_sends_definitions_and_a_service_in_default_has_no_drift(run, fleet):
    """Earlier, drift reported Karmada's definitions and the API server's own Service as unclaimed templates."""
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.owners.example.org"},
        "spec": {
            "group": "owners.example.org",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
            "scope": "Cluster",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "door"},
        "spec": {"selector": {"app": "nginx"}, "ports": [{"port": 80}]},
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "owners-reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    file = fleet.project / "owners.yaml"
    file.write_text(yaml.safe_dump_all([definition, service, role]))
    door = {"name": "door", "manifests": [str(file)], "placement": {"clusters": list(BOTH)}}
    fleet.write(members(*BOTH), [door])
    run("up", "--yes")
    assert drift(run)["clean"]


# Kinds that no stack sends, status fields inside of embedded templates, and recursive schemas.
_NOT_IN_THE_TABLE = (
    "ComponentStatus conditions",
    "Node spec.podPreemptionPolicy.disableResizePreemption",
    "ResourceSlice ",
    "StatefulSet spec.volumeClaimTemplates.*.status.",
    "CustomResourceDefinition spec.versions.*.schema.",
)


def test_the_table_of_merge_keys_matches_the_openapi_of_the_api_server(fleet):
    """The test compares every list with keys of every stable kind in `/openapi/v3`."""
    connection = fleet.connection("member1")
    index = connection.request("GET", "/openapi/v3", doing="reading the OpenAPI index")["paths"]
    groups = {path: path.removeprefix("apis/").removesuffix("/v1") for path in index if path.endswith("/v1")}
    stable = [path for path, group in groups.items() if "." not in group or group.endswith(".k8s.io")]
    wrong, seen = [], 0
    for path in stable:
        document = connection.request("GET", f"/openapi/v3/{path}", doing=f"reading the OpenAPI of {path}")
        schemas = document["components"]["schemas"]
        for name, schema in schemas.items():
            for one in schema.get("x-kubernetes-group-version-kind") or []:
                group, kind = one["group"], one["kind"]
                if len(schema["x-kubernetes-group-version-kind"]) > 1 or kind.endswith("List") or "karmada" in group:
                    continue
                shape = shape_of({"apiVersion": f"{group}/v1" if group else "v1", "kind": kind})
                for place, (type_, keys) in _lists(schema, schemas, {name}).items():
                    seen += 1
                    found = shape
                    for step in place:
                        found = found.elements if step == "*" else found.of(step)
                    same = found.as_set if type_ == "set" else found.keys == keys
                    text = f"{kind} {'.'.join(place)}"
                    if not same and not text.startswith(_NOT_IN_THE_TABLE):
                        wrong.append(f"{text}: {type_} {keys}")
    assert seen > 300
    assert wrong == []


def _lists(schema, schemas, above, place=()):
    """Return the lists of a kind that have keys or are sets, by path, without those in its status."""
    reference = schema.get("$ref") or next((one.get("$ref") for one in schema.get("allOf") or []), None)
    if reference:
        name = reference.rpartition("/")[2]
        return {} if name in above else _lists(schemas[name], schemas, above | {name}, place)
    found = {}
    if schema.get("x-kubernetes-list-type") in ("map", "set"):
        found[place] = (schema["x-kubernetes-list-type"], tuple(schema.get("x-kubernetes-list-map-keys") or ()))
    if "items" in schema:
        found |= _lists(schema["items"], schemas, above, (*place, "*"))
    for key, below in (schema.get("properties") or {}).items():
        if place or key != "status":
            found |= _lists(below, schemas, above, (*place, key))
    return found
