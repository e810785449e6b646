"""The generated passphrase: equal for parallel first runs, complete at once, never next to an older state."""

import base64
import multiprocessing
from pathlib import Path

import pytest

from flotilla.engine.stack import EmbeddedStack
from flotilla.errors import EngineError
from flotilla.state import crypto
from flotilla.state.config import Project
from flotilla.state.crypto import passphrase


@pytest.fixture(autouse=True)
def _no_passphrase_of_the_shell(monkeypatch):
    for key in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)


def _race(folder, barrier, answers):
    for index in range(20):
        barrier.wait()
        answers.put((index, passphrase(folder / str(index) / "passphrase")))


def test_parallel_first_runs_use_the_same_passphrase(tmp_path):
    """Sixteen processes in twenty folders: none of them sees another passphrase or an empty one."""
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(16), context.Queue()
    runs = [context.Process(target=_race, args=(tmp_path, barrier, answers)) for _ in range(16)]
    for run in runs:
        run.start()
    seen = [answers.get(timeout=60) for _ in range(16 * 20)]
    for run in runs:
        run.join()
    for index in range(20):
        kept = (tmp_path / str(index) / "passphrase").read_text()
        assert {text for number, text in seen if number == index} == {kept}
        assert len(kept) > 20
        assert [file.name for file in (tmp_path / str(index)).iterdir()] == ["passphrase"]


def test_passphrase_file_is_complete_and_private_when_its_name_appears(tmp_path, monkeypatch):
    seen = []

    def link(source, target):
        seen.append((Path(source).stat().st_mode & 0o777, len(Path(source).read_text()), Path(target).exists()))

    monkeypatch.setattr("os.link", link)
    with pytest.raises(EngineError, match="can't be read"):
        passphrase(tmp_path / "passphrase")
    assert seen == [(0o600, 32, False)]


@pytest.mark.parametrize("state", ["stacks/unit/test.json", "stacks/unit/other.json.gz", "stacks/unit/test.json.bak"])
def test_no_passphrase_is_generated_next_to_a_state(tmp_path, state):
    file = tmp_path / ".pulumi" / state
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(EngineError, match="the passphrase is missing") as refused:
        passphrase(tmp_path / "passphrase")
    assert str(file) in refused.value.message
    assert str(tmp_path / "passphrase") in refused.value.message
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in refused.value.hint
    assert not (tmp_path / "passphrase").exists()


def test_no_passphrase_is_generated_for_a_stack_file_with_secrets(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: unit\nruntime: python\n")
    (tmp_path / "Pulumi.test.yaml").write_text(f"encryptionsalt: {crypto.PassphraseCrypter('abc').state}\n")
    with pytest.raises(EngineError, match=r"the passphrase is missing: .*Pulumi\.test\.yaml"):
        EmbeddedStack(Project.load(tmp_path), "test", tmp_path).preview()
    assert not (tmp_path / "passphrase").exists()


def test_an_empty_passphrase_file_is_refused(tmp_path):
    (tmp_path / "passphrase").write_text("\n")
    with pytest.raises(EngineError, match="is empty"):
        passphrase(tmp_path / "passphrase")


def test_passphrase_file_that_is_no_text_or_no_file_is_refused(tmp_path):
    (tmp_path / "passphrase").write_bytes(base64.b64decode("//8="))
    with pytest.raises(EngineError, match="can't be read: it is not text"):
        passphrase(tmp_path / "passphrase")
    (tmp_path / "passphrase").unlink()
    (tmp_path / "passphrase").mkdir()
    with pytest.raises(EngineError, match="can't be read: Is a directory"):
        passphrase(tmp_path / "passphrase")


def test_folder_that_cannot_have_a_passphrase_file_is_refused(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(EngineError, match="can't be created: "):
        passphrase(tmp_path / "state" / "passphrase")
