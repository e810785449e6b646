"""What all tests share."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.contract")  # their cases say what differs, as those of test files do

REPOSITORY = Path(__file__).parents[1]
PUBLISHED = REPOSITORY.parent / "shared" / "karmada"
VERSIONS = ("1.10.7", "1.18.2")


@pytest.fixture
def repository():
    """The checkout."""
    return REPOSITORY


@pytest.fixture(params=VERSIONS)
def published(request):
    """Karmada's published data of one version, where it is there."""
    folder = PUBLISHED / request.param
    if not folder.exists():
        pytest.skip(f"Karmada's published data is not beside the repository: {folder.name}")
    return folder
