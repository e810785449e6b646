"""The guide to existing sources (manifests, charts, kustomizations): its examples are valid and cover each kind."""

import re

import pytest

from flotilla.kube import yaml
from flotilla.stack.stackfile import placeholders
from flotilla.stack.workloads import Workload


@pytest.fixture
def guide(repository):
    return (repository / "docs" / "guides" / "bring-what-you-have.md").read_text()


def test_examples_of_the_guide_are_workloads_of_every_kind_of_source(guide):
    blocks = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) >= 5
    found = [one for block in blocks for one in placeholders(yaml.load(block)).get("flotilla:workloads", [])]
    workloads = [Workload.model_validate(one) for one in found]
    assert {one.source_key for one in workloads} == {"manifests", "chart", "kustomize"}
    assert any(one.policies for one in workloads)


def test_links_of_the_guide_have_existing_targets(guide, repository):
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", guide)
    assert len(links) >= 6
    for file, heading in links:
        text = (repository / "docs" / "guides" / file).read_text()
        headings = {
            re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-")
            for line in text.splitlines()
            if line[:3] == "## "
        }
        assert not heading or heading in headings
