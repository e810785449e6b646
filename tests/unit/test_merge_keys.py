"""Lists of objects are compared by their merge keys: elements of others are allowed, own elements must be as sent."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla.drift.comparing import Comparing
from flotilla.drift.findings import Layer
from flotilla.drift.members import compare_sent
from flotilla.karmada.status import judgements
from flotilla.kube.merge_keys import defined_shape, object_differences, shape_of, with_added
from flotilla.kube.objects import differences, pointer_text
from flotilla.kube.ownership import last_writer
from flotilla.kube.zero_values import is_left_out, left_out
from flotilla.providers.objects import with_live_values
from tests.unit.copies import MESH, WIDGET, Serving, deployment, nested, pod, web, widget

NAMES = st.lists(st.sampled_from(["web", "side", "proxy", "log"]), min_size=1, max_size=3, unique=True)
TEXTS = st.sampled_from(["a", "b", "c"])
PORTS = st.lists(st.tuples(st.sampled_from([80, 443, 53]), st.sampled_from([None, "TCP", "UDP"])), max_size=3).map(
    lambda pairs: [
        {"containerPort": port, **({"protocol": protocol} if protocol else {}), "name": f"p{index}"}
        for index, (port, protocol) in enumerate(
            {(port, protocol or "TCP"): (port, protocol) for port, protocol in pairs}.values()
        )
    ]
)


def elements(key, names=NAMES, **fields):
    return names.flatmap(
        lambda chosen: st.tuples(*(st.fixed_dictionaries({key: st.just(name), **fields}) for name in chosen)).map(list)
    )


CONTAINERS = elements(
    "name",
    image=TEXTS,
    env=elements("name", value=TEXTS),
    ports=PORTS,
    volumeMounts=elements("mountPath", st.lists(st.sampled_from(["/a", "/b"]), min_size=1, unique=True), name=TEXTS),
)
SPECS = st.fixed_dictionaries(
    {
        "containers": CONTAINERS,
        "volumes": elements("name", emptyDir=st.just({})),
        "imagePullSecrets": elements("name"),
        "hostAliases": elements("ip", hostnames=st.lists(TEXTS, min_size=1, max_size=2)),
        "tolerations": elements("key", st.lists(TEXTS, max_size=2, unique=True), operator=st.just("Exists")),
    }
)
KEYED = {
    "containers": {"name": "added", "image": "mesh:1"},
    "env": {"name": "ADDED", "value": "x"},
    "ports": {"containerPort": 9999},
    "volumeMounts": {"mountPath": "/added", "name": "added"},
    "volumes": {"name": "added", "emptyDir": {}},
    "imagePullSecrets": {"name": "added"},
    "hostAliases": {"ip": "10.9.9.9", "hostnames": ["added"]},
    "tolerations": {"key": "added", "operator": "Exists"},
}


def with_others(value, draw, name=""):
    """Return a value as a member may store it.

    Lists with merge keys have another order and an additional element.
    """
    if isinstance(value, dict):
        return {key: with_others(one, draw, key) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    if name not in KEYED:
        return value
    items = [with_others(one, draw) for one in value]
    items += [KEYED[name]] if draw(st.booleans()) else []
    return draw(st.permutations(items))


def own_leaves(value, path=()):
    """Return the paths of all plain values that were sent, except the merge keys."""
    if isinstance(value, dict):
        places = value.items()
    elif isinstance(value, list):
        places = enumerate(value)
    else:
        return [path]
    return [leaf for key, one in places for leaf in own_leaves(one, (*path, key))]


def value_at(value, path):
    for step in path:
        value = value[step]
    return value


@settings(max_examples=60, deadline=None)
@given(SPECS, st.data())
def test_additional_elements_and_order_in_lists_with_keys_are_no_drift(spec, data):
    wanted = deployment(spec, ["a/b"])
    live = with_others(wanted, data.draw)
    live["metadata"]["finalizers"] = data.draw(st.permutations(["a/b", "others/own"]))
    assert object_differences(wanted, live) == []


@settings(max_examples=60, deadline=None)
@given(SPECS, st.data())
def test_each_changed_own_field_is_drift_whatever_others_add(spec, data):
    wanted = deployment(spec)
    path = data.draw(st.sampled_from([one for one in own_leaves(wanted) if "spec" in one]))
    changed = copy.deepcopy(wanted)
    value_at(changed, path[:-1])[path[-1]] = 12345 if isinstance(value_at(wanted, path), int) else "changed"
    found = object_differences(wanted, with_others(changed, data.draw))
    assert found, path
    assert all(one.text.startswith("spec.template.spec.") for one in found)


@settings(max_examples=30, deadline=None)
@given(SPECS, st.data())
def test_missing_own_element_is_drift_named_by_its_key(spec, data):
    wanted = deployment(spec)
    live = copy.deepcopy(with_others(wanted, data.draw))
    gone = data.draw(st.sampled_from(spec["containers"]))["name"]
    stored = live["spec"]["template"]["spec"]["containers"]
    live["spec"]["template"]["spec"]["containers"] = [one for one in stored if one["name"] != gone]
    found = object_differences(wanted, live)
    assert [(one.text, one.found) for one in found] == [(f"spec.template.spec.containers[{gone}]", None)]


def test_sidecar_of_the_member_is_no_drift_and_a_changed_own_field_is():
    wanted = deployment(pod(web()))
    assert object_differences(wanted, deployment(pod(MESH, web()))) == []
    (one,) = object_differences(wanted, deployment(pod(MESH, web(image="web:other"))))
    assert one.text == "spec.template.spec.containers[web].image"
    assert pointer_text(one.path) == "/spec/template/spec/containers/web/image"
    assert (one.wanted, one.found) == ("web:1", "web:other")


def test_last_writer_of_a_field_is_found_at_the_elements_position_in_the_member():
    live = deployment(pod(MESH, web(image="web:other")))
    live["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "time": "2026-01-01T00:00:00Z",
            "fieldsV1": nested("f:spec", "f:template", "f:spec", "f:containers", f'k:{{"name":"{name}"}}', "f:image"),
        }
        for manager, name in (("injector", "mesh"), ("kubectl-edit", "web"))
    ]
    (one,) = object_differences(deployment(pod(web())), live)
    assert last_writer(live, one.path).manager == "kubectl-edit"


@pytest.mark.parametrize(
    ("wanted", "live", "paths"),
    [
        ([{"port": 80}], [{"port": 80, "protocol": "TCP"}], []),
        ([{"port": 53, "protocol": "UDP"}], [{"port": 53, "protocol": "TCP"}], ["spec.ports[53/UDP]"]),
        (
            [{"port": 80, "targetPort": 1}],
            [{"port": 443}, {"port": 80, "targetPort": 2}],
            ["spec.ports[80/TCP].targetPort"],
        ),
        ([{"port": 80.0}], [{"port": 80}], []),
    ],
)
def test_ports_of_services_are_matched_by_number_and_protocol(wanted, live, paths):
    one, other = (
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": p}} for p in (wanted, live)
    )
    assert [d.text for d in object_differences(one, other)] == paths


def test_duplicate_env_variable_is_drift():
    """The container uses the last of two entries with the same name."""
    wanted = deployment(pod(web(env=[{"name": "A", "value": "1"}])))
    live = deployment(pod(web(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])))
    assert [one.text for one in object_differences(wanted, live)] == ["spec.template.spec.containers[web].env[A].value"]


def test_atomic_lists_are_compared_as_a_whole():
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    rule = {"verbs": ["get"]}
    (one,) = object_differences({**role, "rules": [rule]}, {**role, "rules": [rule, rule]})
    assert one.text == "rules"
    command = deployment(pod(web(command=["a", "b"]))), deployment(pod(web(command=["b", "a"])))
    assert [d.text for d in object_differences(*command)] == [
        f"spec.template.spec.containers[web].command[{i}]" for i in (0, 1)
    ]


@pytest.mark.parametrize("empty", ["", None, "Cg=="])
def test_ca_bundle_that_the_template_leaves_empty_belongs_to_the_member(empty):
    def webhooks(bundle):
        meta = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "v"},
        }
        return {**meta, "webhooks": [{"name": "a.b.c", "clientConfig": {"caBundle": bundle}}]}

    assert object_differences(webhooks(empty), webhooks("LS0t")) == []
    assert [d.text for d in object_differences(webhooks("LS0t"), webhooks("b3Ro"))] == [
        "webhooks[a.b.c].clientConfig.caBundle"
    ]
    sent = with_added(webhooks(empty), webhooks("LS0t"), shape_of(webhooks("")))
    assert sent == webhooks("LS0t"), "what Karmada's control plane has is what travels"


def test_merge_keys_of_custom_kinds_come_from_their_definition():
    """The definition is read only if lists differ."""
    sent = widget(parts=[{"id": 1, "n": 1}], tags=["a"], by={"x": {"s": ["a"]}})
    others = widget(
        parts=[{"id": 1, "side": "right"}, {"id": 1, "side": "left", "n": 1}],
        tags=["b", "a"],
        by={"x": {"s": ["c", "a"]}},
    )
    member = Serving(others)
    assert compare_sent(member, "member1", sent) == []
    assert len(member.asked) == 2
    changed = Serving(widget(parts=[{"id": 1, "side": "left", "n": 2}], tags=["a"], by={"x": {"s": ["a"]}}))
    assert [one.path for one in compare_sent(changed, "member1", sent)] == ["spec.parts[1/left].n"]
    same = Serving(sent)
    assert (compare_sent(same, "member1", sent), len(same.asked)) == ([], 1)
    unknown = Serving(others, definition=None)
    assert [one.path for one in compare_sent(unknown, "member1", sent)] == ["spec.parts", "spec.tags", "spec.by.x.s"]
    comparing = Comparing(member)
    for _ in range(3):
        comparing.differences(Layer.MEMBERS, sent, others)
    assert len(member.asked) == 3, "once for a look"


def test_definition_without_the_version_gives_no_merge_keys():
    assert defined_shape(WIDGET, "example.org/v2").of("spec").of("tags").as_set is False
    assert defined_shape({}, "example.org/v1").of("metadata").of("finalizers").as_set is True


def test_rollout_is_done_if_the_control_plane_adds_a_container_to_the_template():
    """A container added by admission in the control plane is in the Work.

    Regression: the Work was taken for another object.
    """
    declared = deployment(pod(web()))
    template = deployment(pod(MESH, web()))
    assert judgements.not_declared(declared, template) == ""
    wanted = with_added(declared, template, shape_of(declared))
    assert differences(wanted, template) == []
    # An older Work still has a container that was removed from the template: it is not up to date.
    assert differences(with_added(declared, declared, shape_of(declared)), template) != []


def test_refresh_keeps_zero_values_that_the_server_omits():
    """Regression: a refresh took a missing `hostNetwork: false` for a change, and drift took it for a removal."""
    declared = deployment(pod({**web(), "stdin": False}, hostNetwork=False, automountServiceAccountToken=False))
    kept = deployment(pod(web(), automountServiceAccountToken=False))
    assert with_live_values(declared, kept, kept) == declared
    assert [d for d in object_differences(declared, kept) if not is_left_out(d, left_out(declared, kept))] == []
    # Somebody enables it, or removes a field that the server has kept.
    on = deployment(pod(web(), hostNetwork=True))
    stored = with_live_values(declared, on, kept)["spec"]["template"]["spec"]
    assert (stored["hostNetwork"], stored["automountServiceAccountToken"]) == (True, None)
    changed = [d for d in object_differences(declared, on) if not is_left_out(d, left_out(declared, kept))]
    assert {d.text.rpartition(".")[2] for d in changed} == {"hostNetwork", "automountServiceAccountToken"}
    # The former object isn't known: everything that is missing is a change.
    assert with_live_values(declared, kept) != declared


def test_refresh_ignores_fields_that_others_have_added():
    declared = deployment(pod(web()))
    assert with_live_values(declared, deployment(pod(MESH, web()))) == declared
    changed = with_live_values(declared, deployment(pod(MESH, web(image="web:other"))))
    assert changed == deployment(pod(web(image="web:other")))
    assert with_live_values(declared, deployment(pod(MESH))) == deployment(pod())
