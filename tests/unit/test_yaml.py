"""The YAML reader compared with sigs.k8s.io/yaml (values recorded in data/), its messages and its limits."""

import json
import os
import time
from pathlib import Path

import pytest

from flotilla.kube import yaml
from flotilla.kube.reading import UnreadableFile, read_text

RECORDED = json.loads((Path(__file__).parent / "data" / "yaml_dialect.json").read_text())


def alike(one, other):
    """Return whether two values are equal as JSON: with their types, and floats beyond 64-bit integers by value."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float | int) and isinstance(other, float | int) and abs(one) >= 1e18:
        return float(one) == float(other)
    return type(one) is type(other) and one == other


def test_values_equal_those_of_the_kubernetes_ecosystem():
    assert len(RECORDED["values"]) > 1000
    wrong = [
        (text, yaml.load(text), value)
        for text, value in RECORDED["values"]
        if not alike(yaml.load(text), json.loads(value))
    ]
    assert not wrong


@pytest.mark.parametrize("kind", ["refused", "stricter"])
def test_text_that_go_refuses_or_that_would_lose_a_value_is_refused(kind):
    for text in RECORDED[kind]:
        with pytest.raises(yaml.YamlError):
            yaml.load(text)


MESSAGES = [
    ("a: 1\nb: {c: 1, c: 2}", "line 2, column 11: the key 'c' occurs twice"),
    ("a:\n\tb: 1", "line 2, column 1: a tab, where YAML allows spaces only"),
    ("a: !Ref b", "line 1, column 4: the tag '!Ref' is not supported"),
    ("a: !!int b", "line 1, column 4: the tag '!!int' is not supported, or doesn't fit its value"),
    ("a: .nan", "line 1, column 4: infinity or NaN, which JSON has no number for"),
    ("a: {{ .Values.name }}", "line 1, column 5: a key is a mapping or a list"),
    ("~: b", "line 1, column 1: a key is empty (null)"),
    ("a: &a [*a]", "line 1, column 8: the anchor &a contains itself"),
    ("a: *b", "line 1, column 4: the alias *b has no anchor before it"),
    ("a: b: c", "line 1, column 5: mapping values are not allowed"),
    ("a: b\n---\nc: d", "line 2, column 1: a second document begins"),
    ("a: !!binary /w==", "line 1, column 4: the value of !!binary is not text once it is decoded"),
    ("a: \x01", "line 1"),
]


@pytest.mark.parametrize(("text", "message"), MESSAGES)
def test_each_refusal_is_one_line_with_its_position(text, message):
    with pytest.raises(yaml.YamlError) as caught:
        yaml.load(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_documents_of_comments_and_windows_line_ends_are_read():
    assert yaml.load_all("# only a word\n---\n# and another\n---\n...\n") == [None, None]
    assert yaml.load("# nothing") is None
    assert yaml.load_all("\ufeffa: |\r\n  one\r\n  two\r\n---\r\nb: 1\r\n") == [{"a": "one\ntwo\n"}, {"b": 1}]


def test_json_is_read_as_kubectl_reads_it():
    assert yaml.load('{"a": "\\ud83d\\ude00", "b": 1.0}')["a"] == "\U0001f600"
    assert yaml.load('{"a": 1.0}') == {"a": 1}
    for text in ('{"a": 1, "a": 2}', '{"a": NaN, "b": [}', '{"a": "\\ud800"}'):
        with pytest.raises(yaml.YamlError):
            yaml.load(text)


def test_line_of_a_value_is_known():
    text = "a: 1\n---\nitems:\n  - name: x\n    data:\n      port: 8080\n"
    assert str(yaml.place_of(text, ("items", 0, "data", "port"), document=1)) == "line 6, column 7"
    assert str(yaml.place_of(text, ("items", 0, "metadata", "name"), document=1)) == "line 4, column 5"
    assert yaml.place_of(text, ("b",), document=0) == yaml.Place(1, 1)
    assert yaml.place_of("a: [", ("a",)) is None


def test_aliases_are_copies():
    read = yaml.load("one: &one {a: [1]}\ntwo: *one\nthree: {<<: *one, b: 2}")
    read["two"]["a"].append(2)
    assert read["one"] == {"a": [1]}
    assert read["three"] == {"a": [1], "b": 2}


BOMBS = {
    "aliases of aliases": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
    "merge keys": "a: &a {" + ",".join(f"k{n}: v" for n in range(1000)) + "}\nl:\n" + "- {<<: *a}\n" * 1000,
    "a large text": f"a: &a '{'x' * 100_000}'\nl: [{'*a,' * 1000}]",
    "lists in lists": "[" * 100_000,
    "lists in lists of blocks": "- " * 100_000,
    "mappings in mappings of JSON": '{"a":' * 100_000,
    "documents": "---\na\n" * 6000,
    "a large file": "#" * (yaml.MAX_BYTES + 1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_size_of_expanded_aliases_is_bounded(name):
    began = time.process_time()
    with pytest.raises(yaml.YamlError, match=r"more than|deeper than|larger than"):
        yaml.load_all(BOMBS[name])
    assert time.process_time() - began < 5


def test_large_definition_is_read_quickly():
    leaf = "".join(
        f"{' ' * 16}field{n}:\n{' ' * 18}description: A text of forty characters or so, {n}.\n" for n in range(40)
    )
    text = "".join(
        f"a{n}:\n  b:\n    c:\n      d:\n        e:\n          f:\n            g:\n{leaf}" for n in range(220)
    )
    assert len(text) > 800_000
    began = time.process_time()
    assert len(yaml.load(text)) == 220
    assert time.process_time() - began < 2


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * 2000)
    (tmp_path / "latin").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "windows").write_bytes("a: 1".encode("utf-16"))
    for name, said in (
        ("/dev/zero", "it is a device, and only regular files are"),
        (tmp_path / "pipe", "it is a pipe"),
        (tmp_path, "it is a folder"),
        (tmp_path / "latin", "line 2 is not UTF-8"),
        (tmp_path / "windows", "it is UTF-16"),
        (tmp_path / "gone", "no such file"),
        ("a\0b", "no file has such a name"),
    ):
        with pytest.raises(UnreadableFile, match=said):
            read_text(Path(name))
    with pytest.raises(UnreadableFile, match=r"larger than .* MiB"):
        read_text(tmp_path / "large", limit=1000)
