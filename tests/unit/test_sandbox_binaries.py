"""Downloaded programs are verified if a checksum is published, and otherwise reported as unverified."""

import hashlib

import pytest

from flotilla.errors import SandboxError
from flotilla.sandbox import binaries


@pytest.fixture
def released(tmp_path):
    """A released file, and its address."""
    file = tmp_path / "kwokctl-linux-amd64"
    file.write_bytes(b"a program")
    return file.as_uri(), hashlib.sha256(b"a program").hexdigest()


def test_file_with_another_checksum_is_deleted_and_not_run(released, tmp_path, monkeypatch):
    url, _ = released
    monkeypatch.setitem(binaries.CHECKSUMS, "kwokctl-linux-amd64", "0" * 64)
    with pytest.raises(SandboxError, match="the published one is 0000"):
        binaries._download(url, tmp_path / "kwokctl", lambda _: None)
    assert not (tmp_path / "kwokctl").exists()


def test_file_with_the_published_checksum_is_used_without_a_message(released, tmp_path, monkeypatch):
    url, checksum = released
    monkeypatch.setitem(binaries.CHECKSUMS, "kwokctl-linux-amd64", checksum)
    said = []
    binaries._download(url, tmp_path / "kwokctl", said.append)
    assert (tmp_path / "kwokctl").stat().st_mode & 0o100
    assert len(said) == 1


def test_file_without_a_published_checksum_is_reported(released, tmp_path):
    url, checksum = released
    said = []
    binaries._download(url, tmp_path / "kwokctl", said.append)
    assert f"(SHA-256 {checksum}) is not verified" in said[-1]
    assert "FLOTILLA_SANDBOX_BUILD=1 builds it instead" in said[-1]


def test_building_can_be_requested(tmp_path, monkeypatch):
    monkeypatch.setenv(binaries.BUILD, "1")
    monkeypatch.setattr(binaries, "_downloadable", lambda: pytest.fail("nothing is downloaded"))
    built = []
    monkeypatch.setattr(binaries, "_build_all", lambda folder, _report: built.append(folder))
    assert "built from Go modules" in binaries.ensure(lambda _: None, cache=tmp_path).origin
    assert built
