"""The rules of rendering: what each cluster gets from a template, and overrides on which Karmada fails."""

import pytest

from flotilla.karmada.rendering.embedded import override_field
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.images import Image, override_image
from flotilla.karmada.rendering.overriders import apply_overriders
from flotilla.karmada.rendering.patches import apply_patch
from flotilla.karmada.rendering.policies import apply_policies
from flotilla.karmada.rendering.yaml_text import yaml_text
from tests.unit.templates import EDGE, NEW, OLD, A, B, config, field, image_step, pods, policy

# -- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "step", "expected"),
    [
        (f"registry.example/team/app:v1@{A}", ("Registry", "mirror.example"), "mirror.example/team/app:v1"),
        (f"registry.example/team/app:v1@{A}", ("Repository", "other/app"), "registry.example/other/app:v1"),
        (f"registry.example/team/app:v1@{A}", ("Tag", "v2"), "registry.example/team/app:v2"),
        (f"registry.example/team/app@{A}", ("Registry", "mirror.example"), f"mirror.example/team/app@{A}"),
        ("app:v1", ("Tag", f"v2@{B}"), "app:v1"),
        ("ubuntu/app:v1", ("Registry", "mirror.example"), "mirror.example/ubuntu/app:v1"),
        ("localhost/app", ("Registry", "mirror.example"), "mirror.example/app"),
        (f"registry.example/team/app@{A}", ("Tag", "v2"), "registry.example/team/app:v2"),
        ("registry.example/team/app:v1", ("Tag", B), f"registry.example/team/app@{B}"),
        ("registry.example:5000/team/app:v1", ("Registry", "mirror.example"), "mirror.example/team/app:v1"),
        ("app", ("Registry", "mirror.example"), "mirror.example/app"),
        ("app:v1", ("Registry", "mirror.example/proxy"), "mirror.example/proxy/app:v1"),
        ("app:v1", ("Tag", "-debug", "add"), "app:v1-debug"),
        ("app:v1", ("Tag", "", "remove"), "app"),
        ("registry.example/app:v1", ("Registry", "", "remove"), "app:v1"),
        ("registry.example/app:v1", ("Registry", ".eu", "add"), "registry.example.eu/app:v1"),
    ],
)
def test_image_override_gives_the_same_image_as_karmada(image, step, expected):
    """A digest next to a tag is dropped, and a value that is neither a tag nor a digest changes nothing."""
    template = pods()
    template["spec"]["template"]["spec"]["containers"][0]["image"] = image
    changed = override_image(template, image_step(*step))
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == expected


@pytest.mark.parametrize(
    "image", ["", "Upper/App:v1", "app:", f"app@{A[:-1]}", "a b", "app@md5:" + "0" * 32, "x" * 256]
)
def test_invalid_image_reference_fails_as_in_karmada(image):
    with pytest.raises(ValueError, match=r"image reference|digest|too long"):
        Image.parse(image)
    template = pods()
    template["spec"]["template"]["spec"]["containers"][0]["image"] = image
    with pytest.raises(OverrideError, match="containers/0/image"):
        override_image(template, image_step("Tag", "v2"))


@pytest.mark.parametrize("kind", ["CronJob", "CloneSet", "Widget", "ConfigMap"])
def test_image_override_skips_other_kinds(kind):
    assert override_image(pods(kind), image_step("Tag", "v2")) == pods(kind)


def test_image_override_skips_init_containers_unless_their_path_is_given():
    inits = "/spec/template/spec/initContainers/0/image"
    assert override_image(pods(), image_step("Tag", "v2"))["spec"]["template"]["spec"]["initContainers"][0][
        "image"
    ] == ("init:v1")
    named = override_image(pods(), image_step("Tag", "v2", path=inits))["spec"]["template"]["spec"]
    assert (named["initContainers"][0]["image"], named["containers"][0]["image"]) == (
        "init:v2",
        "registry.example/team/app:v1",
    )


@pytest.mark.parametrize(
    "path", ["/spec/none/0/image", "/spec/template/spec/containers/7/image", "/spec/template", "x/y"]
)
def test_predicate_whose_path_has_no_image_fails(path):
    with pytest.raises(OverrideError, match=r"the override fails: the image at .*Karmada sends nothing then"):
        override_image(pods(), image_step("Tag", "v2", path=path))


# -- command, args, labels, annotations -----------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "step", "expected"),
    [
        ("command", ("app", "add", ["-x"]), {"command": ["run", "-v", "-x"]}),
        ("command", ("app", "remove", ["-v", "-y"]), {"command": ["run"]}),
        ("args", ("app", "add", ["-x"]), {"args": ["-x"]}),
        ("args", ("app", "remove", ["-x"]), {"args": []}),
        ("command", ("other", "add", ["-x"]), {"command": ["run", "-v"]}),
        ("command", ("init", "add", ["-x"]), {"command": ["run", "-v"]}),
    ],
)
def test_words_are_added_to_and_removed_from_containers(key, step, expected):
    """A missing container and an init container are no error: nothing is changed."""
    name, operator, value = step
    step = {"containerName": name, "operator": operator, "value": value}
    spec = apply_overriders(pods(), {f"{key}Overrider": [step]})["spec"]["template"]["spec"]
    assert (
        spec["containers"][0]
        == {"name": "app", "image": "registry.example/team/app:v1", "command": ["run", "-v"]} | expected
    )
    assert spec["initContainers"] == pods()["spec"]["template"]["spec"]["initContainers"]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("add", {"a/b": "1", "app": "other"}, {"app": "other", "a/b": "1"}),
        ("replace", {"app": "other", "none": "1"}, {"app": "other"}),
        ("remove", {"app": "", "none": ""}, {}),
    ],
)
def test_labels_are_replaced_and_removed_only_if_they_exist(operator, value, expected):
    step = {"operator": operator, "value": value}
    assert apply_overriders(pods(), {"labelsOverrider": [step]})["metadata"]["labels"] == expected


def test_annotations_are_added_to_an_object_without_any():
    step = {"operator": "add", "value": {"a": "1"}}
    assert apply_overriders(pods(), {"annotationsOverrider": [step]})["metadata"]["annotations"] == {"a": "1"}
    assert (
        "annotations"
        not in apply_overriders(pods(), {"annotationsOverrider": [{"operator": "remove", "value": {"a": ""}}]})[
            "metadata"
        ]
    )


# -- patches --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (("add", "/list/-", 3), {"list": [1, 2, 3]}),
        (("add", "/list/-1", 3), {"list": [1, 2, 3]}),
        (("add", "/list/01", 3), {"list": [1, 3, 2]}),
        (("replace", "/list/-2", 3), {"list": [3, 2]}),
        (("remove", "/list/0", None), {"list": [2]}),
        (("add", "/a~1b~0c", 1), {"list": [1, 2], "a/b~c": 1}),
        (("add", "/list", None), {"list": None}),
    ],
)
def test_patches_are_applied_as_by_karmadas_library(step, expected):
    """The library accepts negative indices and leading zeros, which RFC 6902 doesn't allow."""
    document = {"list": [1, 2]}
    assert apply_patch(document, [step]) == expected
    assert document == {"list": [1, 2]}


@pytest.mark.parametrize(
    "step",
    [
        ("replace", "/none", 1),
        ("remove", "/none", None),
        ("add", "/none/below", 1),
        ("add", "/text/below", 1),
        ("add", "/null/below", 1),
        ("add", "/list/3", 1),
        ("replace", "/list/2", 1),
        ("remove", "/list/-3", None),
        ("replace", "/list/-", 1),
        ("add", "/list/x", 1),
        ("add", "none", 1),
        ("add", "", "text"),
    ],
)
def test_patches_that_do_not_apply_fail_without_quoting_values(step):
    document = {"list": [1, 2], "text": "password", "null": None}
    with pytest.raises(OverrideError) as refused:
        apply_patch(document, [("add", "/new", 1), step])
    assert "password" not in str(refused.value)
    assert document == {"list": [1, 2], "text": "password", "null": None}


def test_patch_cannot_remove_the_kind_of_an_object():
    with pytest.raises(OverrideError, match="no kind"):
        apply_overriders(config(), {"plaintext": [{"operator": "remove", "path": "/kind"}]})


# -- fields within texts --------------------------------------------------------------------------


def test_embedded_json_keeps_its_order_and_its_numbers():
    given = config(a='{"z": 1.0, "a": {"x": "<b>"}}')
    changed = override_field(given, field("/data/a", "json", ("add", "/new", {"b": 2.0, "a": "é & ü"})))
    assert changed["data"]["a"] == '{"z":1.0,"a":{"x":"\\u003cb\\u003e"},"new":{"a":"é \\u0026 ü","b":2}}'


def test_embedded_yaml_is_written_as_go_writes_it():
    given = config(a="# gone\nport: 0x50\nhosts: [a]\n")
    values = ["yes", "1.0", "2024-01-01", "12:30:00", "- a", "two\nlines\n", "", "word " * 20, 1e21, True, None]
    changed = override_field(given, field("/data/a", "yaml", ("add", "/hosts/-", values), ("replace", "/port", 81)))
    assert changed["data"]["a"] == (
        'hosts:\n- a\n- - "yes"\n  - "1.0"\n  - "2024-01-01"\n  - "12:30:00"\n  - \'- a\'\n  - |\n    two\n    lines\n'
        '  - ""\n  - \'word word word word word word word word word word word word word word word word\n'
        "    word word word word '\n  - 1e+21\n  - true\n  - null\nport: 81\n"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\tb " + "word " * 16 + "end", '"a\\tb ' + "word " * 15 + 'word\n  end"\n'),
        ({"": 1}, '"": 1\n'),
        ({"x" * 129: 1}, f"? {'x' * 129}\n: 1\n"),
        ({"a10": 1, "a9": 2, "b": 3, "b-1": 4, "1": 5, "_": 6}, '_: 6\n"1": 5\na9: 2\na10: 1\nb: 3\nb-1: 4\n'),
        ("\N{GRINNING FACE} é", '"\\U0001F600 é"\n'),
        ({"a": "end\n\n"}, "a: |+\n  end\n\n"),
        ([1.5e-7, 123456789.25, 2**64], "- 1.5e-07\n- 1.2345678925e+08\n- 1.8446744073709552e+19\n"),
        (["<<", "=", "?", "a #b", "'q"], "- <<\n- =\n- '?'\n- 'a #b'\n- '''q'\n"),
    ],
)
def test_yaml_has_the_format_of_karmadas_library(value, expected):
    assert yaml_text(value) == expected


@pytest.mark.parametrize(
    "step",
    [
        field("/data/none", "json", ("add", "/a", 1)),
        field("/metadata", "json", ("add", "/a", 1)),
        field("/data/text", "json", ("add", "/a", 1)),
        field("/data/text", "yaml", ("add", "/a", 1)),
        field("/data/yaml", "yaml", ("replace", "/none", 1)),
        field("/data/broken", "yaml", ("add", "/a", 1)),
        field("/data/broken", "json", ("add", "/a", 1)),
    ],
)
def test_fields_that_cannot_be_patched_fail(step):
    with pytest.raises(OverrideError):
        override_field(config(text="word", yaml="a: 1", broken="a: ["), step)


def test_karmada_without_field_overriders_ignores_them():
    step = field("/data/a", "json", ("add", "/b", 1))
    assert apply_overriders(config(a="{}"), {"fieldOverrider": [step]}, OLD) == config(a="{}")
    assert apply_overriders(config(a="{}"), {"fieldOverrider": [step]}, NEW) == config(a='{"b":1}')


# -- policies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "winner"),
    [
        ([policy("a", "a"), policy("b", "b")], "b"),
        ([policy("b", "b"), policy("a", "a")], "b"),
        ([policy("a", "name", name="web"), policy("b", "kind")], "name"),
        (
            [policy("a", "name", name="web"), policy("b", "labels", labelSelector={"matchLabels": {"app": "web"}})],
            "name",
        ),
        ([policy("a", "labels", labelSelector={}), policy("b", "kind")], "labels"),
        ([policy("z", "wide", kind="ClusterOverridePolicy", name="web"), policy("a", "narrow")], "narrow"),
        ([policy("a", "all", all=True), policy("b", "kind")], "kind"),
        ([policy("a", "a"), policy("b", "b", name="other")], "a"),
        ([policy("a", "a"), policy("b", "b", target={"clusterNames": ["other"]})], "a"),
        ([policy("a", "a"), policy("b", "b", target={"exclude": ["edge"]})], "a"),
        ([policy("a", "a"), policy("b", "b", target={"labelSelector": {"matchLabels": {"site": "edge"}}})], "b"),
    ],
)
def test_policy_that_wins_is_the_same_as_in_karmada(policies, winner):
    """The order is by kind of policy, then by how specific the selector is, then by name; the last policy wins."""
    changed, _ = apply_policies(pods(), EDGE, policies)
    assert changed["metadata"]["annotations"]["by"] == winner


@pytest.mark.parametrize(("version", "winner"), [(OLD, "a"), (NEW, "b")])
def test_one_matching_zone_is_enough_from_1_18_on(version, winner):
    zones = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["eu-a"]}]}}
    changed, _ = apply_policies(pods(), EDGE, [policy("a", "a"), policy("b", "b", target=zones)], version)
    assert changed["metadata"]["annotations"]["by"] == winner


def test_policies_of_the_namespace_select_the_object_that_cluster_wide_ones_have_changed():
    wide = policy("a", "a", kind="ClusterOverridePolicy")
    wide["spec"]["overrideRules"][0]["overriders"] = {"labelsOverrider": [{"operator": "add", "value": {"new": "yes"}}]}
    narrow = policy("b", "b", labelSelector={"matchLabels": {"new": "yes"}})
    changed, applied = apply_policies(pods(), EDGE, [narrow, wide])
    assert changed["metadata"]["annotations"]["by"] == "b"
    assert [one.policy for one in applied] == ["a", "b"]


def test_deprecated_overriders_outside_override_rules_are_one_rule():
    old = policy("a", "a")
    old["spec"] |= old["spec"].pop("overrideRules")[0]
    assert apply_policies(pods(), EDGE, [old])[0]["metadata"]["annotations"] == {"by": "a"}
