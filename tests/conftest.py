"""Fixtures and hooks that all tests share."""

import gc
from itertools import groupby
from pathlib import Path

import pulumi.runtime.resource
import pytest
from pulumi.runtime.proto import source_pb2

pytest.register_assert_rewrite("tests.contract")  # their cases say what differs, as those of test files do

REPOSITORY = Path(__file__).parents[1]
PUBLISHED = REPOSITORY.parent / "shared" / "karmada"
VERSIONS = ("1.10.7", "1.18.2")
_UNIT = Path(__file__).with_name("unit")
_SANDBOX = Path(__file__).with_name("sandbox")


def pytest_collection_modifyitems(items):
    """Put files that need a fleet last, so that a worker starts one, and not one after each other kind of servers.

    They wait more than they compute, and unit tests only compute: those run between them, a third of them at the end,
    when there are fewer files left than workers.
    """
    others, fleets, unit = [], [], []
    for path, group in groupby(items, key=lambda item: item.path):
        found = list(group)
        needs_a_fleet = _SANDBOX in path.parents and any("fleet" in item.fixturenames for item in found)
        (unit if _UNIT in path.parents else fleets if needs_a_fleet else others).append(found)
    between = len(unit) * 2 // 3
    mixed = [
        group
        for place, fleet in enumerate(fleets)
        for group in (fleet, *unit[between * place // len(fleets) : between * (place + 1) // len(fleets)])
    ]
    items[:] = [item for group in (*others, *mixed, *unit[between if fleets else 0 :]) for item in group]


def pytest_collection_finish():
    """Look at what was collected, thousands of tests and models that stay, never again for garbage, and seldom at all.

    Else a tenth of the tests' own CPU goes into that.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def no_source_positions():
    """Let Pulumi's SDK not look for the lines that declare a resource.

    It goes through the whole stack for each, which is deep in a test: a tenth of what runs take, for a position that
    neither the embedded engine nor a test reads.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.runtime.resource, "_get_stack_trace", source_pb2.StackTrace)
        yield


@pytest.fixture(scope="module")
def third_member(fleet):
    """Start member3: few files of tests need it, and each running cluster takes CPU."""
    fleet.grow(3)


@pytest.fixture
def repository():
    """The root folder of the repository."""
    return REPOSITORY


@pytest.fixture(params=VERSIONS)
def published(request):
    """The folder of the published data of one Karmada version; skips the test where it is missing."""
    folder = PUBLISHED / request.param
    if not folder.exists():
        pytest.skip(f"Karmada's published data is not beside the repository: {folder.name}")
    return folder
