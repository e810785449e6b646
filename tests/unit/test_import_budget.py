"""The modules that each quick verb may import. Most of the time of a short run is spent on imports."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flotilla.karmada.objects import __all__ as views
from tests.conftest import REPOSITORY
from tests.faults import FakeApi
from tests.unit.conftest import KUBECONFIG
from tests.unit.test_broken_members import cluster

HEAVY = {
    "aiohttp",
    "argcomplete",
    "cryptography",
    "google",
    "grpc",
    "kubernetes",
    "mcp",
    "opentelemetry",
    "pulumi",
    "pulumi_kubernetes",
    "pydantic",
    "rich",
    "urllib3",
    "yaml",
}
"""Packages that take longer to load than the whole of a small verb."""
RUN = """
import json, sys
from flotilla.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("\\n" + json.dumps([int(code or 0), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def loaded(*words, code=0, cwd=REPOSITORY):
    """Return the heavy packages that a run of the command has imported when it ends."""
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True, cwd=cwd, env=plain
    )
    ended, names = json.loads(done.stdout.splitlines()[-1])
    assert ended == code, done.stderr
    return HEAVY & set(names)


@pytest.fixture(scope="module")
def karmada(tmp_path_factory):
    """A control plane with two members; returns the path of its kubeconfig."""
    names = ("member1", "member2")
    with FakeApi(*map(cluster, names)) as api:
        file = tmp_path_factory.mktemp("budget") / "karmada.yaml"
        file.write_text(api.kubeconfig)
        yield str(file)


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_import_no_third_party_package(word):
    assert loaded(word) == set()


def test_clusters_imports_a_client_and_no_models(karmada):
    assert loaded("clusters", "--kubeconfig", karmada, "--json") == {"urllib3", "yaml"}
    assert loaded("clusters", "--kubeconfig", karmada) == {"urllib3", "yaml", "rich"}


def test_status_imports_a_client_and_only_the_models_of_karmada(karmada):
    assert loaded("status", "--kubeconfig", karmada, "--json") == {"urllib3", "yaml", "pydantic"}


def stack_in(folder, kubeconfig, **sections):
    """Write a project whose stack `dev` uses the Karmada of this kubeconfig."""
    (folder / "Pulumi.yaml").write_text("name: flotilla\nruntime: python\nstackConfigDir: stacks\n")
    (folder / "admin.yaml").write_text(kubeconfig)
    (folder / "stacks").mkdir()
    plane = {"kubeconfig": "admin.yaml", "version": "1.18.2"}
    listed = {"controlPlane": plane, "members": [], "workloads": [], **sections}
    config = {f"flotilla:{key}": value for key, value in listed.items()}
    (folder / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))


def test_views_of_a_stack_import_no_more_than_views_of_a_kubeconfig(tmp_path, karmada):
    """Regression: importing all models and deriving the state's key took four times as long."""
    members = [{"name": name, "kubeconfig": "admin.yaml"} for name in ("member1", "member2")]
    stack_in(tmp_path, Path(karmada).read_text(), members=members)
    assert loaded("clusters", "-C", str(tmp_path), "-s", "dev", "--json") == {"urllib3", "yaml"}
    assert loaded("status", "-C", str(tmp_path), "-s", "dev", "--json") == {"urllib3", "yaml", "pydantic"}


def test_validate_imports_no_engine(tmp_path):
    stack_in(tmp_path, yaml.safe_dump(KUBECONFIG))
    allowed = {"urllib3", "yaml", "pydantic", "cryptography"}
    assert loaded("validate", "-C", str(tmp_path), "-s", "dev", "--json") <= allowed


def test_every_lazy_name_of_the_views_exists():
    """The names are imported on first use, so a wrong name would go unnoticed."""
    import flotilla.karmada.client
    import flotilla.karmada.objects
    import flotilla.stack

    for package in (flotilla.karmada.objects, flotilla.karmada.client, flotilla.stack):
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            package.Nothing  # noqa: B018 - asking for it is the test
    assert "Cluster" in views
