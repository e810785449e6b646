"""The tutorial: the wheel in its own environment and an empty folder, without the repository and make."""

import time

import pytest

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from tests.docs import REPOSITORY
from tests.installed import Environment
from tests.reader import Reader

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
NGINX = ObjectRef("apps/v1", "Deployment", "nginx", "default")


@pytest.fixture
def reader(binaries, tmp_path):
    """A reader in an empty folder, with the installed package; the transcript is printed at the end."""
    environment = Environment(tmp_path / "installed")
    home = tmp_path / "empty"
    home.mkdir()
    took = []

    def type_(*words, code):
        began = time.monotonic()
        where = home / "my-fleet"
        text = environment.run("flotilla", *words, cwd=where if where.exists() else home, code=code)
        took.append(f"{' '.join(words)}: {time.monotonic() - began:.1f} s")
        return text

    one = Reader(home / "my-fleet", type_, stack="sandbox")
    one.environment = environment
    try:
        yield one
    finally:
        if (one.folder / ".flotilla" / "sandbox").exists():
            type_("sandbox", "down", code=0)
        print("\n".join([*one.transcript, *took]))  # noqa: T201 - shown where the test fails, and by `pytest -s`


def test_the_tutorial_and_a_component_of_the_project_work_with_the_wheel(reader):
    where = reader.environment.run(
        "python", "-c", "import flotilla; print(flotilla.__file__)", cwd=reader.folder.parent
    )
    assert str(reader.environment.folder) in where, "not the repository's"
    karmada = []

    def with_a_component():
        """Before the end of the tutorial, add a component of the project to nginx, as the guide does."""
        file = reader.folder / ".flotilla" / "sandbox" / "kubeconfigs" / "karmada.yaml"
        karmada.append(Connection(kubeconfigs.select(kubeconfigs.load(file.read_text())), name="karmada"))
        assert karmada[0].find(NGINX)["spec"]["replicas"] == 7, "fixed"
        text = reader.stack_file.read_text()
        component = '    components:\n    - use: announcement\n      args: {text: "nginx, by the web team"}\n'
        at = text.index("flotilla:workloads")
        assert "    overrides:\n" in text[at:]
        reader.stack_file.write_text(text[:at] + text[at:].replace("    overrides:\n", f"{component}    overrides:\n"))
        reader.programs["flotilla"]("up", "--yes", code=0)
        note = karmada[0].get(ObjectRef("v1", "ConfigMap", "nginx-announcement", "default"))
        assert note["data"] == {"text": "nginx, by the web team"}

    def gone():
        assert karmada[0].find(NGINX) is None

    reader.before = {"flotilla destroy": with_a_component, "flotilla sandbox down": gone}
    reader.follow(REPOSITORY / "docs" / "tutorial.md")
    assert not (reader.folder / ".flotilla" / "sandbox").exists()
