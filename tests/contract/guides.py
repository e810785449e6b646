"""The guides, run on a fleet: their commands run in order, and each prints what the guide shows.

A guide begins with the stack `prod`, which has both members and nginx. Its leftovers are removed. The same reader
follows the tutorial (`tests/sandbox/test_own_project.py`).
"""

import shutil

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.kube.objects import ObjectRef
from tests.contract.broken import behind
from tests.contract.fleet import REPOSITORY, policies_in
from tests.contract.karmada import await_gone, eventually
from tests.contract.lost import await_ready, cleared_afterwards, remove_leftovers
from tests.faults import FaultProxy
from tests.reader import Reader
from tests.renderers import DEPLOYMENT, Programs, write_chart

GUIDES = REPOSITORY / "docs" / "guides"
STACK = "prod"
MEMBERS = ("member1", "member2")
NGINX = {"name": "nginx", "image": "nginx:1.27", "replicas": 2, "placement": {"clusters": list(MEMBERS)}}


@pytest.fixture(scope="module")
def home(fleet, tmp_path_factory):
    """A home folder with the kubeconfigs that guides name; the project declares nothing yet."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".kube").mkdir()
    shutil.copy(fleet.kubeconfigs / "karmada.yaml", folder / ".kube" / "karmada.config")
    for name in MEMBERS:
        shutil.copy(fleet.kubeconfigs / f"{name}.yaml", folder / ".kube" / name)
    with pytest.MonkeyPatch.context() as patch, policies_in(fleet.project):
        patch.setenv("HOME", str(folder))
        patch.setenv("COLUMNS", "200")
        patch.setenv("FLOTILLA_ENGINE", "embedded")
        patch.chdir(fleet.project)
        for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
            patch.delenv(key, raising=False)
        yield folder
        flotilla("destroy", "-s", STACK, "--yes")
        (fleet.project / "stacks" / f"Pulumi.{STACK}.yaml").unlink()


def declare(version, file, *workloads, members=MEMBERS):
    """Write the stack file that guides begin with."""
    config = {
        "flotilla:controlPlane": {"kubeconfig": "~/.kube/karmada.config", "version": version},
        "flotilla:members": [{"name": name, "kubeconfig": f"~/.kube/{name}"} for name in members],
        "flotilla:workloads": list(workloads),
    }
    file.write_text(yaml.safe_dump({"config": config}, sort_keys=False))


def flotilla(*words, code=0):
    assert main(list(words)) == code, words


@pytest.fixture
def newcomer(fleet, home, capsys):
    """A reader in a project; at the end the project's folder has no new files."""

    def run(*words, code):
        capsys.readouterr()
        found = main(list(words))
        printed = capsys.readouterr()
        text = printed.out + printed.err
        assert found == code, text
        return text

    one = Reader(fleet.project, run, stack=STACK)
    before = set(fleet.project.iterdir())
    yield one
    print("\n".join(one.transcript))  # noqa: T201 - shown where the test fails, and by `pytest -s` for the guide
    for path in set(fleet.project.iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def reader(fleet, newcomer):
    """A reader whose stack has nginx on both members, and nothing else."""
    declare(fleet.version, newcomer.stack_file, NGINX)
    flotilla("up", "-s", STACK, "--yes")
    return newcomer


def follow(reader, name):
    reader.follow(GUIDES / f"{name}.md")


# -- before the members join -------------------------------------------------------------------------------------------


def test_the_stack_of_the_readme_gets_the_plan_that_the_readme_shows(fleet, home, newcomer):
    """The README in Chinese has the same blocks (`tests/unit/test_translations.py`)."""
    contexts = home / ".kube" / "config"
    merged = {"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": [], "users": []}
    for number, name in enumerate(MEMBERS, start=1):
        document = yaml.safe_load((fleet.kubeconfigs / f"{name}.yaml").read_text())
        context = document["contexts"][0]["context"]
        for kind, one in (("cluster", "clusters"), ("user", "users")):
            (found,) = [entry for entry in document[one] if entry["name"] == context[kind]]
            merged[one].append({**found, "name": name})
        merged["contexts"].append({"name": f"kind-test{number}", "context": {"cluster": name, "user": name}})
    contexts.touch(mode=0o600)
    contexts.write_text(yaml.safe_dump(merged))
    newcomer.stack_file = newcomer.folder / "stacks" / "Pulumi.mine.yaml"
    newcomer.stack_file.write_text("config: {}\n")
    newcomer.follow(REPOSITORY / "README.md")
    newcomer.stack_file.unlink()


def test_the_guide_to_joining(newcomer):
    declare("1.18.2", newcomer.stack_file, members=())
    follow(newcomer, "join-clusters")


# -- with nginx on both members ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "place",
        "override",
        "see-the-fleet",
        "what-if",
        "drift",
        "policies",
        "upgrade-karmada",
        "own-policies",
        "control-plane-objects",
        "maintenance",
        "rollback",
        "when-something-breaks",
        "waves",
    ],
)
def test_the_commands_of_a_guide_print_what_it_shows(reader, name):
    follow(reader, name)


def test_the_guide_to_charts(reader, tmp_path, monkeypatch):
    """A stand-in for helm is used because it is fast."""
    Programs(tmp_path / "bin", monkeypatch, "helm")
    write_chart(reader.folder / "charts" / "web", {"web.yaml": DEPLOYMENT}, values="replicas: 1\ntag: latest\n")
    follow(reader, "charts-and-kustomizations")


def test_the_guide_to_taking_over_existing_objects(reader):
    follow(reader, "take-over")


def test_the_guide_to_adopting_what_runs_in_a_member(fleet, reader):
    try:
        follow(reader, "adopt")
    finally:
        declare(fleet.version, reader.stack_file, NGINX)
        flotilla("up", "-s", STACK, "--yes")
        for cluster in ("member1", "karmada"):
            fleet.connection(cluster).delete(ObjectRef("v1", "Namespace", "shop"), propagation="Background")
        await_gone(fleet.connection("member1"), ObjectRef("v1", "Namespace", "shop"), seconds=60)


def test_the_guide_to_letting_go(fleet, reader):
    try:
        follow(reader, "letting-go")
    finally:
        for member in MEMBERS:
            deployment = ObjectRef("apps/v1", "Deployment", "nginx", "default")
            fleet.connection(member).delete(deployment)
            await_gone(fleet.connection(member), deployment)


def await_single_work(fleet, member):
    """Wait until Karmada has removed the Works of the guides before, so that only the one of nginx is left."""

    def is_single():
        works = fleet.connection("karmada").list("work.karmada.io/v1alpha1", "Work", namespace=f"karmada-es-{member}")
        return len(list(works)) == 1

    eventually(is_single, seconds=60, problem=f"{member} has Works of other guides")


def test_the_guide_to_giving_a_cluster_up(fleet, reader, tmp_path):
    with FaultProxy((fleet.kubeconfigs / "member2.yaml").read_text(), tmp_path, name="member2") as proxy:
        document = yaml.safe_load(reader.stack_file.read_text())
        document["config"]["flotilla:members"][1] = behind(fleet, proxy)
        reader.stack_file.write_text(yaml.safe_dump(document))
        flotilla("up", "-s", STACK, "--yes")
        await_single_work(fleet, "member2")
        with cleared_afterwards(proxy):
            proxy.close_port()
            await_ready(fleet, "member2", wanted=False)
            follow(reader, "give-a-cluster-up")
        remove_leftovers(fleet, "member2")
