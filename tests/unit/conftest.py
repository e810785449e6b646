"""Fixtures of all unit tests: valid kubeconfigs and stack sections that each test can break."""

import json
import shutil

import pulumi
import pytest
import yaml

from components import join, karmada_control_plane
from components.dynamic_providers import PROVIDERS
from flotilla.kube import wire
from flotilla.providers import dynamic
from flotilla.providers.dynamic import register
from flotilla.stack.load import parse_fleet
from flotilla.state import crypto
from tests import rounds
from tests.conftest import REPOSITORY
from tests.every_key import MEMBERS, NEWEST

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "admin",
    "clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "admin", "context": {"cluster": "one", "user": "admin"}}],
    "users": [{"name": "admin", "user": {"token": "hunter2"}}],
}


@pytest.fixture(scope="session", autouse=True)
def map_dynamic_resources_to_repository_classes():
    """Map the names of dynamic resources to the classes that tests import; the installed package has its own copies."""
    for token, provider in PROVIDERS.items():
        register(token, provider)


@pytest.fixture(autouse=True)
def forget_project_providers():
    """Forget the providers of projects that a test has registered; the process would keep them for later tests."""
    yield
    if dynamic._projects:
        dynamic._projects.clear()
        dynamic._from_entry_points.cache_clear()
        dynamic._registered_provider.cache_clear()


@pytest.fixture(autouse=True)
def no_retry_pauses(monkeypatch):
    """Keep the retries of requests, but without pauses between them."""
    monkeypatch.setattr(wire, "_FIRST_PAUSE", 0.001)


@pytest.fixture(autouse=True)
def few_rounds():
    """Derive keys from passphrases with few rounds, which is fast.

    Data that Pulumi's CLI has encrypted needs `all_rounds`.
    """
    with rounds.few():
        yield


@pytest.fixture
def all_rounds(few_rounds, monkeypatch):
    """Derive keys with the number of rounds that Pulumi uses."""
    monkeypatch.setattr(crypto, "_ITERATIONS", rounds.ALL)


def answering(monkeypatch) -> None:
    """Let every cluster report a UID, without any real cluster."""
    for module in (join, karmada_control_plane):
        monkeypatch.setattr(module, "probe", lambda _text, name: pulumi.Output.from_input(uid_of(name)))
    monkeypatch.setattr(join, "conflict", lambda *_: pulumi.Output.from_input(""))
    monkeypatch.setattr(karmada_control_plane, "joined_clusters", lambda _: pulumi.Output.from_input({}))


def uid_of(name):
    return {"uid": f"uid-of-{name}", "unanswered": ""}


@pytest.fixture
def project(tmp_path):
    """A project folder with a kubeconfig of Karmada and one for each member."""
    for port, name in enumerate(("kube", "member1", "member2"), start=1):
        clusters = [{"name": "one", "cluster": {"server": f"https://127.0.0.1:{port}"}}]
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**KUBECONFIG, "clusters": clusters}))
    return tmp_path


@pytest.fixture
def sections():
    """The sections of the smallest stack: nginx on both clusters."""
    return {
        "controlPlane": {"kubeconfig": "kube.yaml"},
        "members": [{"name": name, "kubeconfig": f"{name}.yaml"} for name in ("member1", "member2")],
        "workloads": [{"name": "nginx", "image": "nginx:1.27", "placement": {"clusters": ["member1", "member2"]}}],
    }


@pytest.fixture
def stack(project, sections, repository):
    """A project with a stack file; `write(sections)` rewrites it."""
    (project / "Pulumi.yaml").write_text((repository / "Pulumi.yaml").read_text())
    (project / "stacks").mkdir()

    def write(content):
        config = {f"flotilla:{key}": value for key, value in content.items()}
        (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))

    write(sections)
    return write


@pytest.fixture
def fleet_of(project):
    """Parse a stack of workloads on three members with provider, region, zones and labels, and return its fleet."""
    for number, member in enumerate(MEMBERS, start=11):
        clusters = [{"name": "one", "cluster": {"server": f"https://127.0.0.1:{number}"}}]
        (project / f"{member['name']}.yaml").write_text(json.dumps({**KUBECONFIG, "clusters": clusters}))

    def parse(*workloads, version=NEWEST, members=MEMBERS, **control_plane):
        basis = {"name": "web", "image": "web:1"}
        given = control_plane or {"kubeconfig": "kube.yaml"}
        sections = {
            "controlPlane": {**given, **({"version": version} if version else {})},
            "members": [{"kubeconfig": f"{member['name']}.yaml", **member} for member in members],
            "workloads": [{**basis, **({} if "policies" in one else {"placement": {}}), **one} for one in workloads],
        }
        return parse_fleet(sections, base=project)

    return parse


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with the kubeconfigs that the example stacks name."""
    folder = tmp_path / "home" / ".kube"
    folder.mkdir(parents=True)
    names = ("frankfurt", "paris", "edge")
    contexts = [{"name": name, "context": {"cluster": name, "user": "admin"}} for name in names]
    document = {**KUBECONFIG, "contexts": [*KUBECONFIG["contexts"], *contexts]}
    for port, file in enumerate(("production-host", "production-members", "host", "east", "west"), start=1):
        clusters = [
            {"name": name, "cluster": {"server": f"https://127.0.0.{number}:{port}"}}
            for number, name in enumerate(("one", *names), start=1)
        ]
        (folder / file).write_text(yaml.safe_dump({**document, "clusters": clusters}))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def examples(home, tmp_path, monkeypatch):
    """A copy of the project with its example stacks; none of their clusters can be reached."""
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    answering(monkeypatch)
    folder = tmp_path / "examples"
    folder.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(REPOSITORY / name, folder / name)
    for name in ("stacks", "policies"):
        shutil.copytree(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture
def state_folder(tmp_path, monkeypatch):
    """A project folder that keeps its states as files in the folder."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    (tmp_path / "Pulumi.yaml").write_text("name: unit\nruntime: python\n")
    (tmp_path / "files").mkdir()
    return tmp_path
