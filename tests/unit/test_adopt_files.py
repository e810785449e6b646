"""Reading an API server that refuses some requests, and the files that adoption writes: all of them, or none."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flotilla.adopt.reading import read_control_plane
from flotilla.adopt.writing import document_text, write
from flotilla.errors import FlotillaError
from flotilla.kube import yaml
from flotilla.kube.wire import ApiError
from tests.unit.adopting import cluster, live, own, pods, policy
from tests.unit.planes import Plane

TEXTS = st.one_of(
    st.sampled_from(["1e3", "0o17", "yes", "n", "~", "1:20", "+.5", "a: b", "# c", " x", "a\nb\n", "a\n\n  b", ""]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), min_size=1, max_size=3))
def test_written_yaml_is_read_back_as_the_same_value(documents):
    assert yaml.load_all(document_text(documents)) == documents


def test_long_texts_stay_readable():
    assert document_text([{"data": {"a.conf": "one: 1\ntwo: 2\n"}}]) == "data:\n  a.conf: |\n    one: 1\n    two: 2\n"


class Guarded(Plane):
    """A control plane that refuses the list of one kind."""

    refused = "ConfigMap"

    def list(self, api_version, kind, **scope):
        if kind == self.refused:
            raise ApiError(f"karmada: listing {kind}s: forbidden (HTTP 403)", status=403)
        return super().list(api_version, kind, **scope)


def test_kind_that_may_not_be_listed_is_reported_and_other_kinds_are_read():
    web = pods("web")
    plane = Guarded(*live([web, policy("PropagationPolicy", "web", [web])]), cluster("member1"))
    found = read_control_plane(plane)
    assert [one.what for one in found.unread] == ["every ConfigMap of v1"]
    assert [one["metadata"]["name"] for one in found.templates] == ["web"]


@pytest.mark.parametrize(("refused", "single"), [("", 0), ("Secret", 2)])
def test_member_credentials_come_from_the_secret_list_or_else_from_single_reads(refused, single):
    """Regression: the Secret of each member was read again, one after the other, though all Secrets had been listed."""
    clusters = [cluster(name) for name in ("member1", "member2")]
    for one in clusters:
        one["spec"]["secretRef"] = {"namespace": "karmada-cluster", "name": one["metadata"]["name"]}
    plane = Guarded(*clusters, own("Secret", "v1", "member1", namespace="karmada-cluster", data={"caBundle": "Q0E="}))
    plane.refused = refused
    found = read_control_plane(plane)
    assert {name: one.authority for name, one in found.credentials.items()} == {"member1": "Q0E=", "member2": ""}
    assert plane.asked["find", "Secret"] == single


def test_object_that_is_served_in_two_versions_is_read_once():
    web = pods("web")
    older = {**web, "apiVersion": "apps/v1beta1"}
    selectors = [{"apiVersion": "apps/v1beta1", "kind": "Deployment"}, {"apiVersion": "apps/v1", "kind": "Deployment"}]
    found = read_control_plane(Plane(web, older, policy("PropagationPolicy", "web", selectors)))
    assert len(found.templates) == 1


def test_no_manifest_is_left_where_the_stack_file_cannot_be_written(tmp_path):
    (tmp_path / "stacks").write_text("a file in the folder's place")
    with pytest.raises(FlotillaError, match="nothing was written"):
        write(
            tmp_path, tmp_path / "stacks" / "Pulumi.x.yaml", "a: b\n", "adopted/x", {"adopted/x/web/a.yaml": "a: b\n"}
        )
    assert [file.name for file in tmp_path.rglob("*.yaml")] == []
