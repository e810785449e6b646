"""Fixtures and hooks that all tests share."""

import gc
from itertools import groupby
from pathlib import Path

import pulumi.runtime.resource
import pytest
from pulumi.runtime.proto import source_pb2

pytest.register_assert_rewrite("tests.contract")  # failed assertions in its cases show differences

REPOSITORY = Path(__file__).parents[1]
PUBLISHED = REPOSITORY.parent / "shared" / "karmada"
VERSIONS = ("1.10.7", "1.18.2")
_UNIT = Path(__file__).with_name("unit")
_SANDBOX = Path(__file__).with_name("sandbox")


def pytest_collection_modifyitems(items):
    """Order files of tests: first those without a fleet, then those with one, with unit tests between them.

    With this order, a worker starts a fleet only once. Tests of fleets mostly wait and unit tests only compute, so both
    run at the same time. A third of the unit tests runs at the end, when fewer files are left than workers.
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
    """Exclude the collected tests and models from garbage collection, and collect garbage rarely.

    Otherwise garbage collection takes a tenth of the tests' CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def no_source_positions():
    """Disable the SDK's search for the source lines that declare a resource.

    The SDK walks the whole call stack for each resource, which is deep in tests and takes a tenth of a run's time.
    Neither the embedded engine nor a test reads the positions.
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
