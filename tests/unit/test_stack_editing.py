"""Maintenance that a command writes into a stack file: the lines of its key change, and nothing else of the file."""

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
    """Return the lines that are new, where all others are as they were."""
    old, new = before.splitlines(), after.splitlines()
    more = [line for line in new if line not in old]
    assert [line for line in new if line not in more] == old
    return more


@pytest.mark.parametrize("name", ["member1", "member2", "member3"])
def test_one_line_is_added_and_every_other_stays(name):
    text = with_maintenance(BLOCK, name, DRAIN)
    assert added(BLOCK, text) == ["      maintenance: drain"]
    assert entry(text, name)["maintenance"] == "drain"


def test_reasons_of_any_characters_are_read_back():
    text = with_maintenance(BLOCK, "member2", WHOLE)
    assert len(added(BLOCK, text)) == 1
    assert entry(text, "member2")["maintenance"] == WHOLE


@pytest.mark.parametrize("name", ["member1", "member2", "member3"])
@pytest.mark.parametrize("value", [DRAIN, WHOLE])
def test_what_was_written_is_taken_out_again_without_a_trace(name, value):
    assert with_maintenance(with_maintenance(BLOCK, name, value), name, None) == BLOCK


def test_another_maintenance_takes_the_place_of_the_first():
    text = with_maintenance(with_maintenance(BLOCK, "member2", WHOLE), "member2", {"mode": "cordon"})
    assert added(BLOCK, text) == ["      maintenance: cordon"]


def test_maintenance_in_lines_of_its_own_goes_as_a_whole():
    text = BLOCK.replace(
        "      labels:\n", "      maintenance:\n        mode: drain\n        reason: x\n      labels:\n"
    )
    assert with_maintenance(text, "member2", None) == BLOCK


def test_members_in_one_line_each_keep_their_form():
    text = BLOCK.replace(
        "    - name: member1\n      kubeconfig: member1.yaml\n", "    - {name: member1, kubeconfig: k}\n"
    )
    changed = with_maintenance(text, "member1", DRAIN)
    assert "    - {name: member1, kubeconfig: k, maintenance: drain}\n" in changed
    assert yaml.load(with_maintenance(changed, "member1", None)) == yaml.load(text)


def test_maintenance_as_the_first_key_of_a_member_goes_and_comments_stay():
    text = BLOCK.replace('    - name: "member2" ', '    - maintenance: drain\n      name: "member2" ')
    changed = with_maintenance(text, "member2", None)
    assert yaml.load(changed) == yaml.load(BLOCK)
    assert "# under the stairs" in changed


def test_a_file_of_windows_keeps_its_line_ends():
    dos = BLOCK.replace("\n", "\r\n")
    assert with_maintenance(dos, "member2", DRAIN) == with_maintenance(BLOCK, "member2", DRAIN).replace("\n", "\r\n")


def test_a_file_without_a_last_line_end_is_changed_all_the_same():
    text = "config:\n  flotilla:members:\n    - kubeconfig: k\n      name: member1"
    assert with_maintenance(text, "member1", DRAIN) == text + "\n      maintenance: drain\n"


def test_members_as_one_json_text_are_left_to_their_author():
    text = 'config:\n  flotilla:members: \'[{"name": "member1", "kubeconfig": "k"}]\'\n'
    assert with_maintenance(text, "member1", DRAIN) is None
