"""The content of a template that the stack has written, read from the control plane, and changes by others since."""

import copy

import pytest

from flotilla.karmada.scaling import scaled
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.status.written import CHANGED, Marks, WrittenCheck, as_written, is_as_marked, mark_of
from flotilla.karmada.template_references import bare
from flotilla.kube.ownership import owned_part
from tests.unit.planes import EVERYWHERE, Plane, check_once, live
from tests.unit.rollouts import web

OURS = "pulumi-kubernetes-1a2b3c4d"
CONTAINER = {"name": "web", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent"}
SIDECAR = {"name": "mesh", "image": "mesh:1"}
FIELDS = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}}},
    },
}


def deployed(*, image="nginx:1.27", replicas=2, containers=(), fields=FIELDS, labels=None, others=()):
    """Return a Deployment as an API server stores it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "u",
            "labels": {"app": "web", "karmada.io/claimed": "1", **(labels or {})},
            "managedFields": [{"manager": OURS, "operation": "Apply", "fieldsV1": fields}, *others],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [*containers, {**CONTAINER, "image": image}]}},
        },
        "status": {"replicas": 2},
    }


def without(*path):
    """Return the owned fields without some that another manager has taken over."""
    fields = copy.deepcopy(FIELDS)
    below = fields
    for step in path[:-1]:
        below = below[step]
    del below[path[-1]]
    return fields


IMAGE = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"web"}', "f:image")


def test_written_content_is_what_the_stack_owns_of_an_object():
    written = as_written(deployed(containers=[SIDECAR]))
    assert written == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}},
        },
    }


@pytest.mark.parametrize(
    ("value", "fields", "owned"),
    [
        ({"a": 1, "b": 2}, {"f:a": {}}, {"a": 1}),
        ({"a": {}, "b": 2}, {"f:a": {".": {}}}, {"a": {}}),
        ({"a": {"x": [1, {"y": 2}]}}, {"f:a": {}}, {"a": {"x": [1, {"y": 2}]}}),
        ({"a": ["x", "y"]}, {"f:a": {'v:"y"': {}}}, {"a": ["y"]}),
        ({"a": [{"n": 1, "p": "t", "z": 0}]}, {"f:a": {'k:{"n":1,"p":"t"}': {"f:z": {}}}}, {"a": [{"z": 0}]}),
        ({"a": 1}, {"f:gone": {}}, {}),
    ],
)
def test_part_of_an_object_is_selected_by_the_tree_of_owned_fields(value, fields, owned):
    metadata = {"name": "x", "managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": {"f:spec": fields}}]}
    obj = {"apiVersion": "v1", "kind": "X", "metadata": metadata, "spec": value}
    found = owned_part(obj, ("m",))
    assert found == {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": owned}
    assert owned_part(obj, ("other",)) is None


def test_list_owned_by_two_managers_of_the_stack_is_whole_and_has_no_duplicates():
    """Pulumi's provider creates with one manager and updates with another.

    Regression: only the second one's list was used.
    """
    owned = [{"f:a": {'k:{"name":"x"}': {"f:name": {}}}}, {"f:a": {'k:{"name":"y"}': {"f:name": {}, "f:v": {}}}}]
    managed = [
        {"manager": "m", "operation": one, "fieldsV1": {"f:spec": fields}}
        for one, fields in zip("AU", owned, strict=True)
    ]
    spec = {"a": [{"name": "x", "v": 1}, {"name": "y", "v": 2}]}
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "managedFields": managed}, "spec": spec}
    assert owned_part(obj, ("m",))["spec"] == {"a": [{"name": "x"}, {"name": "y", "v": 2}]}


def test_template_without_managed_fields_counts_as_written_by_the_stack():
    template = deployed()
    del template["metadata"]["managedFields"]
    assert as_written(template)["spec"] == template["spec"]
    assert "uid" not in as_written(template)["metadata"]
    assert not is_as_marked(mark_of(template), mark_of({**template, "spec": {**template["spec"], "replicas": 3}}))


@pytest.mark.parametrize(
    ("now", "same"),
    [
        (deployed(), True),
        (deployed(containers=[SIDECAR]), True),
        (deployed(labels={"more": "1"}), True),
        (deployed(image="nginx:evil", fields=without(*IMAGE)), False),
        (deployed(fields=without(*IMAGE)), True),
        (deployed(replicas=5, fields=without("f:spec", "f:replicas")), False),
    ],
)
def test_change_of_written_content_is_recognised_and_an_addition_is_none(now, same):
    """The other manager owns the changed fields since then; changed back, they have the written content."""
    assert is_as_marked(mark_of(deployed()), mark_of(now)) is same


def test_replicas_set_by_an_autoscaler_are_no_change():
    def number(replicas, fields):
        return scaled(deployed(replicas=replicas, fields=fields), "FederatedHPA web")

    own = {**FIELDS, "f:metadata": {"f:annotations": {"f:flotilla.dev/scaled-by": {}}}}
    left = {**own, "f:spec": {key: one for key, one in FIELDS["f:spec"].items() if key != "f:replicas"}}
    assert is_as_marked(mark_of(number(2, own)), mark_of(number(7, left)))


def test_template_that_is_changed_during_the_wait_is_not_done():
    """The wait compares each template with its content when the stack wrote it, not with its declaration."""
    plane = Plane(*live_web(2))
    check = WrittenCheck(RolloutCheck([bare(web(2))], EVERYWHERE, []), Marks())
    (progress,) = check_once(check, plane)
    assert progress.waiting_for != CHANGED
    plane = Plane(*live_web(9))
    (progress,) = check_once(check, plane)
    assert progress.waiting_for == CHANGED
    assert not progress.done
    (progress,) = check_once(check, Plane(*live_web(2)))
    assert progress.waiting_for != CHANGED, "it is as it was"


def live_web(replicas):
    return [live(web(replicas))]


def test_digests_of_written_content_are_stored_in_a_state():
    marks = Marks()
    assert marks.look(deployed())[1] == ""
    assert list(marks.to_json()) == ["Deployment default/web"]
    known = Marks(dict(marks.known))
    assert known.look(deployed(image="nginx:evil", fields=without(*IMAGE)))[1] == CHANGED
    assert known.look(deployed(image="nginx:evil", fields=without(*IMAGE)))[1] == CHANGED, "it stays a change"
    assert known.look(deployed(labels={"more": "1"}))[1] == ""
