"""Files of tests share a fleet: a failed one costs the next a fleet of its own, and what a file leaves is named."""

from contextlib import contextmanager

import pytest

from tests.sandbox import leftovers
from tests.sandbox.leftovers import Leftovers
from tests.sandbox.servers import Servers


@pytest.fixture
def started():
    return []


@pytest.fixture
def start(started):
    def of(name):
        @contextmanager
        def begin():
            started.append(f"{name} up")
            yield name
            started.append(f"{name} down")

        return begin

    return of


def test_servers_are_kept_for_those_who_ask_for_the_same_and_ended_for_others(start, started):
    servers = Servers()
    for name in ("fleet", "fleet", "cluster"):
        assert servers.get(name, start(name)) == name
    servers.end()
    assert started == ["fleet up", "fleet down", "cluster up", "cluster down"]


def test_after_a_failure_the_next_file_gets_servers_of_its_own_and_those_after_it_share_them(start, started):
    """What the failed test left made files fail that came after it."""
    servers = Servers()
    for failed in (0, 0, 1, 1):
        servers.get("fleet", start("fleet"), failed=failed)
    assert started == ["fleet up", "fleet down", "fleet up"]


class Cluster:
    def __init__(self):
        self.objects = [self.named("Namespace", "default")]

    def named(self, kind, name, namespace="", **metadata):
        return {"kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}}

    def list(self, _, kind):
        return [one for one in self.objects if one["kind"] == kind]


class Fleet:
    clusters = ("karmada", "member1")

    def __init__(self):
        self._made = {name: Cluster() for name in self.clusters}

    def connection(self, name):
        return self._made[name]


@pytest.fixture
def fleet(monkeypatch):
    monkeypatch.setattr(leftovers, "_SECONDS", 0)
    return Fleet()


def test_what_a_file_leaves_is_named_by_cluster_kind_and_name(fleet):
    """An unclaimed ConfigMap was another file's drift."""
    first = Leftovers(fleet)
    first.check()
    karmada, member = fleet.connection("karmada"), fleet.connection("member1")
    karmada.objects.append(karmada.named("ConfigMap", "left", "default"))
    member.objects.append(member.named("Namespace", "karmada-cluster"))
    with pytest.raises(AssertionError) as caught:
        first.check()
    assert str(caught.value).endswith("too: karmada ConfigMap default/left, member1 Namespace karmada-cluster")


def test_what_is_on_its_way_out_is_not_left(fleet):
    first = Leftovers(fleet)
    member = fleet.connection("member1")
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    member.objects += [
        member.named("Namespace", "case", **going),
        member.named("Deployment", "web", "case"),
        member.named("ConfigMap", "settings", "default", **going),
    ]
    first.check()
