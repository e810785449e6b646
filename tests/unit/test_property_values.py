"""Large property values: values that need no change are not copied, and shared values can't be changed."""

import copy

import pulumi
import pytest

from components import PropagatedWorkload
from components.kubernetes_object import type_token
from flotilla.engine.aliases import Alias, resolve
from flotilla.engine.monitor import _answer
from flotilla.kube.objects import copied
from flotilla.providers.dynamic import DynamicProvider
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import compare
from flotilla.state.urns import make_urn
from flotilla.state.values import (
    INPUTS_KEY,
    UNKNOWN,
    Secret,
    from_state,
    from_struct,
    has_secret,
    has_unknown,
    reveal,
    seal,
    to_struct,
)
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures

PLAIN = {"a": [1, 2.5, True, None, "x", {}, [], {"deep": [{"er": "y"}]}], "b": {"c": {}}}
MARKED = {"a": [1, {"s": Secret({"t": "u"})}], "b": {"c": [{}]}}


def test_value_without_secrets_is_not_copied_and_one_with_secrets_is_not_changed():
    before = copy.deepcopy(MARKED)
    assert reveal(PLAIN) is PLAIN
    assert reveal(MARKED) == {"a": [1, {"s": {"t": "u"}}], "b": {"c": [{}]}}
    assert before == MARKED
    assert reveal(MARKED)["b"] is MARKED["b"]
    assert reveal(Secret([Secret(1)])) == [1]
    assert from_state(PLAIN, str) is PLAIN
    assert seal(PLAIN, PLAIN) is PLAIN
    assert seal(reveal(MARKED), MARKED) == MARKED


def test_markers_are_found_at_any_depth():
    assert has_secret(MARKED)
    assert not has_secret(PLAIN)
    assert has_unknown({"a": [Secret({"b": [UNKNOWN]})]})
    assert not has_unknown(MARKED)


def test_copy_shares_no_map_or_list_with_its_original():
    found = copied(PLAIN)
    assert found == PLAIN
    found["a"][7]["deep"][0]["er"] = "z"
    found["b"]["c"]["d"] = 1
    assert PLAIN["a"][7] == {"deep": [{"er": "y"}]}
    assert PLAIN["b"] == {"c": {}}


def test_values_are_decoded_from_the_wire_unchanged():
    values = {**PLAIN, "u": UNKNOWN, "s": Secret({"e": [], "m": {}, "n": None})}
    assert from_struct(to_struct(values)) == values


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1, "n": None}, {"a": 1}, []),
        ({"a": "1"}, {"a": 1}, ["a"]),
        ({"a": UNKNOWN}, {"a": UNKNOWN}, ["a"]),
        ({"a": Secret(1)}, {"a": 1}, []),
        ({"b": {"x": 1}, "a": 1}, {"a": 1, "b": {"x": 1}}, []),
    ],
)
def test_equal_looking_values_are_compared_with_their_types(old, new, changed):
    assert [change.text for change in compare(old, new)] == changed


def test_provider_that_changes_its_arguments_does_not_change_the_state():
    class Careless(pulumi.dynamic.ResourceProvider):
        def diff(self, _id, olds, news):
            olds["list"].append("changed")
            news["list"].append("changed")
            return pulumi.dynamic.DiffResult(changes=False)

        def update(self, _id, olds, news):
            olds["list"].append("changed")
            news["list"].append("changed")
            return pulumi.dynamic.UpdateResult(outs={})

    provider, urn = DynamicProvider(), "urn:pulumi:t::t::pulumi-python:dynamic/x:Y::y"
    inputs = {"list": ["a"], "__provider": "text"}
    old = ResourceState(urn, custom=True, type="pulumi-python:dynamic/x:Y", inputs=inputs, outputs=copied(inputs))
    provider.take("text", Careless())
    provider.diff(old, inputs)
    provider.update(old, inputs, timeout=None)
    assert inputs == old.outputs == {"list": ["a"], "__provider": "text"}


def test_program_does_not_receive_a_copy_of_an_objects_inputs():
    """Regression: the SDK parsed the whole copy, although no program can use it."""
    assert _answer({"metadata": {"uid": "u"}, INPUTS_KEY: {"metadata": {}}}) == {"metadata": {"uid": "u"}}


def test_aliases_of_templates_are_equal_as_urns_and_as_names_with_types(run, absolute, monkeypatch):  # noqa: F811
    """A thousand aliases are a thousand texts; within another component the SDK computes them."""
    seen = {}
    init = pulumi.ResourceOptions.__init__

    def record_aliases(self, *args, **options):
        seen.setdefault("all", []).append(options.get("aliases"))
        init(self, *args, **options)

    monkeypatch.setattr(pulumi.ResourceOptions, "__init__", record_aliases)
    run(absolute)
    named = [one for listed in seen["all"] for one in listed or () if isinstance(one, str)]
    stack, project = named[0].removeprefix("urn:pulumi:").split("::")[:2]
    parent = make_urn(stack, project, "", "flotilla:index:PropagatedWorkload", "nginx")
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment"}
    urn = make_urn(stack, project, parent, type_token(manifest), "deployment-default/nginx")
    names = ["deployment-default/nginx", "nginx-deployment-nginx"]
    meant = [Alias(name=names[1])]
    meant += [Alias(name=n, type=type_token({**manifest, "apiVersion": f"apps/{v}"}))
              for v in ("v1beta1", "v2") for n in names]  # fmt: skip
    assert set(resolve(meant, urn, parent, ())) <= set(named)


def test_nested_workload_has_aliases_by_names_and_types():
    nested = PropagatedWorkload.__new__(PropagatedWorkload)
    nested._nested = True
    alias = nested._alias("deployment-default/web", "kubernetes:apps/v1:Deployment")
    assert isinstance(alias, pulumi.Alias)
    assert (alias.name, alias.type_) == ("deployment-default/web", "kubernetes:apps/v1:Deployment")
