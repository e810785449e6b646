"""The guide "from karmadactl to a stack": its commands run in order, and each prints what the guide shows.

The same case runs on real Karmada (`tests/live`, with karmadactl itself) and on the stand-in (`tests/sandbox`).
"""

import shutil

import pytest

from flotilla.cli.main import main
from flotilla.kube.objects import ObjectRef
from tests.contract.adoption import karmadactl  # noqa: F401 - a fixture of the contract
from tests.contract.fleet import REPOSITORY
from tests.contract.karmada import await_gone, eventually
from tests.contract.main_job import everything
from tests.reader import Reader

SPACE = ObjectRef("v1", "Namespace", "guide")
WEB = ObjectRef("apps/v1", "Deployment", "web", "guide")
MEMBERS = ("member1", "member2")
GUIDE = REPOSITORY / "docs" / "guides" / "from-karmadactl.md"


def pods(fleet):
    """Return the UIDs of the pods and of the template; None until all pods exist."""
    running = {name: fleet.connection(name).list("v1", "Pod", namespace="guide") for name in MEMBERS}
    if any(len(found) != 2 for found in running.values()):
        return None
    uids = {pod["metadata"]["uid"] for found in running.values() for pod in found}
    return uids | {fleet.connection("karmada").get(WEB)["metadata"]["uid"]}


@pytest.fixture
def reader(fleet, karmadactl, monkeypatch, capsys, tmp_path):  # noqa: F811
    """A reader in the project, with kubeconfigs, karmadactl and kubectl; remove all leftovers at the end.

    The state is in another folder: other guides have a stack of the same name, with another passphrase.
    """
    project = fleet.project
    there = set(project.rglob("*"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    monkeypatch.setenv("FLOTILLA_ENGINE", "embedded")
    monkeypatch.chdir(project)
    for name in ("karmada", *MEMBERS):
        shutil.copy(fleet.kubeconfigs / f"{name}.yaml", project)

    def flotilla(*words, code):
        capsys.readouterr()
        found = main(list(words))
        printed = capsys.readouterr()
        assert found == code, printed.err
        return printed.out + printed.err

    def join(_, name, *_options, code):
        karmadactl(name)
        return ""

    def export(setting, code):
        monkeypatch.setenv(*setting.split("=", 1))
        return ""

    one = Reader(project, flotilla, stack="prod")
    one.programs |= {"karmadactl": join, "export": export}
    yield one
    main(["destroy", "-s", "prod", "--yes"])
    clusters = ("karmada", *MEMBERS)
    for name in clusters:
        fleet.connection(name).delete(SPACE, propagation="Background")
    for name in clusters:
        await_gone(fleet.connection(name), SPACE)
    for path in set(project.rglob("*")) - there:
        if ".flotilla" not in path.parts and path.is_file():
            path.unlink()
    shutil.rmtree(project / "adopted", ignore_errors=True)
    capsys.readouterr()


@pytest.fixture
def no_leftovers(fleet):
    """Assert that the test leaves no object in any cluster."""
    before = everything(fleet)
    yield
    assert everything(fleet) == before


def test_the_guide_from_karmadactl_to_a_stack(fleet, no_leftovers, reader):
    ran = []

    def running():
        ran.append(eventually(lambda: pods(fleet), seconds=90, problem="the copies do not run"))

    def adopted():
        assert pods(fleet) == ran[0], "nothing was restarted"

    reader.before = {"flotilla adopt": running, "flotilla preview -s prod --expect-no-changes": adopted}
    reader.follow(GUIDE)
    copies = [fleet.connection(name).get(WEB) for name in MEMBERS]
    assert [copy["spec"]["replicas"] for copy in copies] == [3, 3]
    assert "karmada" not in str([copy["metadata"].get(k) for copy in copies for k in ("labels", "annotations")])
    assert fleet.connection("karmada").list("cluster.karmada.io/v1alpha1", "Cluster") == []
