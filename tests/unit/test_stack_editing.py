"""Commands write maintenance into a stack file: only the lines of that key change."""

import pytest

from flotilla.kube import yaml
from flotilla.stack.editing import with_maintenance

BLOCK = """\
# the fleet
config:
  flotilla:controlPlane:
    kubeconfig: kube.yaml   # Karmada's
  flotilla:members:
    - name: member1
      kubeconfig: member1.yaml

    # the old one
    - name: "member2"   # under the stairs
      kubeconfig: {path: member2.yaml, context: admin}
      labels:
        tier: gold
    - kubeconfig: member3.yaml
      name: member3
  flotilla:workloads: []
"""
DRAIN = {"mode": "drain"}
WHOLE = {"mode": "drain", "reason": 'new kernel: "6.12" #1', "until": "2026-12-01"}


def entry(text, name):
    return next(one for one in yaml.load(text)["config"]["flotilla:members"] if one["name"] == name)


def added(before, after):
    """Return the added lines; all other lines must be unchanged."""
    old, new = before.splitlines(), after.splitlines()
    more = [line for line in new if line not in old]
    assert [line for line in new if line not in more] == old
    return more


@pytest.mark.parametrize("name", ["member1", "member2", "member3"])
def test_one_line_is_added_and_all_others_stay(name):
    text = with_maintenance(BLOCK, name, DRAIN)
    assert added(BLOCK, text) == ["      maintenance: drain"]
    assert entry(text, name)["maintenance"] == "drain"


def test_reasons_of_any_characters_are_read_back():
    text = with_maintenance(BLOCK, "member2", WHOLE)
    assert len(added(BLOCK, text)) == 1
    assert entry(text, "member2")["maintenance"] == WHOLE


@pytest.mark.parametrize("name", ["member1", "member2", "member3"])
@pytest.mark.parametrize("value", [DRAIN, WHOLE])
def test_added_maintenance_is_removed_without_a_trace(name, value):
    assert with_maintenance(with_maintenance(BLOCK, name, value), name, None) == BLOCK


def test_new_maintenance_replaces_the_old_one():
    text = with_maintenance(with_maintenance(BLOCK, "member2", WHOLE), "member2", {"mode": "cordon"})
    assert added(BLOCK, text) == ["      maintenance: cordon"]


def test_maintenance_on_several_lines_is_removed_completely():
    text = BLOCK.replace(
        "      labels:\n", "      maintenance:\n        mode: drain\n        reason: x\n      labels:\n"
    )
    assert with_maintenance(text, "member2", None) == BLOCK


def test_members_in_flow_style_keep_their_style():
    text = BLOCK.replace(
        "    - name: member1\n      kubeconfig: member1.yaml\n", "    - {name: member1, kubeconfig: k}\n"
    )
    changed = with_maintenance(text, "member1", DRAIN)
    assert "    - {name: member1, kubeconfig: k, maintenance: drain}\n" in changed
    assert yaml.load(with_maintenance(changed, "member1", None)) == yaml.load(text)


def test_maintenance_as_the_first_key_is_removed_and_comments_stay():
    text = BLOCK.replace('    - name: "member2" ', '    - maintenance: drain\n      name: "member2" ')
    changed = with_maintenance(text, "member2", None)
    assert yaml.load(changed) == yaml.load(BLOCK)
    assert "# under the stairs" in changed


def test_windows_line_ends_are_kept():
    dos = BLOCK.replace("\n", "\r\n")
    assert with_maintenance(dos, "member2", DRAIN) == with_maintenance(BLOCK, "member2", DRAIN).replace("\n", "\r\n")


def test_file_without_a_final_line_end_can_be_changed():
    text = "config:\n  flotilla:members:\n    - kubeconfig: k\n      name: member1"
    assert with_maintenance(text, "member1", DRAIN) == text + "\n      maintenance: drain\n"


def test_members_written_as_json_are_not_edited():
    text = 'config:\n  flotilla:members: \'[{"name": "member1", "kubeconfig": "k"}]\'\n'
    assert with_maintenance(text, "member1", DRAIN) is None
