"""The real `sops`, with an age key: Flotilla reads its files in the same way as the stand-in's."""

import os
import shutil
import subprocess

import pytest
import yaml

from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import ConfigError
from flotilla.stack.workloads import Workload
from flotilla.workloads import sops
from flotilla.workloads.objects import manifests_of
from tests.unit.test_sops import CONFIG, HIDDEN_DATA, SECRET, unplaced

pytestmark = pytest.mark.live


def called(*arguments):
    return subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=60)


@pytest.fixture
def encrypt(tmp_path, monkeypatch):
    """Return a function that encrypts a file in place for a new key."""
    for program in ("sops", "age-keygen"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on the PATH")
    key = tmp_path / "key.txt"
    recipient = called("age-keygen", "-o", str(key)).stderr.split()[-1]
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key))
    return lambda file, *how: called("sops", "--encrypt", "--in-place", "--age", recipient, *how, str(file))


@pytest.fixture
def read(tmp_path):
    workload = Workload.model_validate({"name": "web", "manifests": ["login.yaml"], "placement": {}})
    return lambda opened=None: [unplaced(o) for o in manifests_of(workload, ManifestFiles(tmp_path, opened=opened))]


VALUES = ("--encrypted-regex", "^(data|stringData)$")


@pytest.mark.parametrize("how", [VALUES, ("--unencrypted-regex", "^(apiVersion|kind|metadata)$")])
def test_a_sops_file_is_checked_without_its_key_and_decrypted_with_it(tmp_path, encrypt, read, monkeypatch, how):
    documents = [{**SECRET, "type": "Opaque"}, {**SECRET, "metadata": {"name": "other"}, "data": {"token": "dG9rZW4="}}]
    (tmp_path / "login.yaml").write_text(yaml.safe_dump_all(documents))
    encrypt(tmp_path / "login.yaml", *how)
    first, second = read()
    assert (first["stringData"], second["data"]) == ({"password": "[secret]"}, {"token": HIDDEN_DATA})
    assert read(sops.decrypted) == documents
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="sops can't decrypt it: Failed to get the data key") as refused:
        read(sops.decrypted)
    assert len(refused.value.problems) == 1
    assert "\n" not in str(refused.value.problems[0])


def test_a_sops_file_that_was_modified_is_refused(tmp_path, encrypt, read):
    (tmp_path / "login.yaml").write_text(yaml.safe_dump({**SECRET, "data": {"token": "dG9rZW4="}}))
    encrypt(tmp_path / "login.yaml", *VALUES)
    text = (tmp_path / "login.yaml").read_text()
    (tmp_path / "login.yaml").write_text(text.replace("password:", "passphrase:"))
    with pytest.raises(ConfigError, match="sops can't decrypt it"):
        read(sops.decrypted)


@pytest.mark.parametrize(
    ("document", "how", "said"),
    [(SECRET, (), "its apiVersion is encrypted"), (CONFIG, VALUES, "ConfigMap settings has values that are encrypted")],
)
def test_sops_files_with_encrypted_metadata_or_config_maps_are_refused(tmp_path, encrypt, read, document, how, said):
    (tmp_path / "login.yaml").write_text(yaml.safe_dump(document))
    encrypt(tmp_path / "login.yaml", *how)
    with pytest.raises(ConfigError, match=said):
        read()
