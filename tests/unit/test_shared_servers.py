"""Test modules share a fleet; after a failed test, the next module gets a fleet of its own."""

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


def test_servers_are_kept_for_the_same_requirements_and_stopped_for_others(start, started):
    servers = Servers()
    for name in ("fleet", "fleet", "cluster"):
        assert servers.get(name, start(name)) == name
    servers.end()
    assert started == ["fleet up", "fleet down", "cluster up", "cluster down"]


def test_failure_gives_the_next_module_new_servers_that_later_modules_share(start, started):
    """Regression: objects left by a failed test made later modules fail."""
    servers = Servers()
    for failed in (0, 0, 1, 1):
        servers.get("fleet", start("fleet"), failed=failed)
    assert started == ["fleet up", "fleet down", "fleet up"]
