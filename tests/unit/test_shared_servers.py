"""Files of tests share a fleet: one that failed costs the next a fleet of its own."""

from contextlib import contextmanager

import pytest

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
