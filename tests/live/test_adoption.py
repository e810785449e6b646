"""What exists becomes a stack's, on real Karmada: joined by karmadactl itself."""

import shutil
import subprocess

import pytest

from tests.contract.adoption import *  # noqa: F403 - the cases are the contract's
from tests.contract.fleet import real_karmada

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture
def karmadactl(fleet):
    """Join a member by `karmadactl join`."""
    found = shutil.which("karmadactl", path=str(real_karmada())) or shutil.which("karmadactl")
    if found is None:
        pytest.skip("karmadactl is neither beside Karmada's programs nor on the PATH")

    def run(name):
        files = [f"--kubeconfig={fleet.kubeconfigs / 'karmada.yaml'}"]
        files += [f"--cluster-kubeconfig={fleet.kubeconfigs / name}.yaml"]
        done = subprocess.run([found, "join", name, *files], check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    return run
