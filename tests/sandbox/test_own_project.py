"""A new user's ten minutes: the wheel in an environment of its own, an empty folder, and no repository and no make."""

import re
import time

import pytest

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from tests.installed import Environment

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
NGINX = ObjectRef("apps/v1", "Deployment", "nginx", "default")


@pytest.fixture
def typed(binaries, tmp_path):
    """Type a command of the installed package into a terminal, and see what it prints; all of it is the transcript."""
    environment = Environment(tmp_path / "installed")
    home = tmp_path / "empty"
    home.mkdir()
    transcript = []

    def type_(line, *, where="my-fleet", code=0):
        began = time.monotonic()
        folder = home / where
        text = environment.run(*line.split(), cwd=folder, code=code)
        transcript.append(f"$ {line}    # {time.monotonic() - began:.1f} s, exit {code}\n{text}")
        return text

    type_.folder = home / "my-fleet"
    type_.environment = environment
    try:
        yield type_
    finally:
        if type_.folder.exists():
            type_("flotilla sandbox down")
        print("\n".join(transcript))  # noqa: T201 - shown where the test fails, and by `pytest -s` for the guide


def test_a_new_user_s_ten_minutes(typed):
    where = typed.environment.run("python", "-c", "import flotilla; print(flotilla.__file__)", cwd=typed.folder.parent)
    assert str(typed.environment.folder) in where, "not the repository's"
    text = typed("flotilla init my-fleet --sandbox", where=".")
    assert "wrote" in text
    assert "cd my-fleet" in text
    stack = typed.folder / "stacks" / "Pulumi.sandbox.yaml"
    stack.write_text(
        stack.read_text().replace("replicas: 2", "replicas: 3")
        + '    components:\n    - use: announcement\n      args: {text: "nginx, by the web team"}\n'
    )
    plan = typed("flotilla preview")
    assert "on member1: replicas 2 → 3" in plan
    digest = re.search(r"plan digest (\w+)", plan)[1]
    typed(f"flotilla up --plan {digest}")
    karmada = typed.folder / ".flotilla" / "sandbox" / "kubeconfigs" / "karmada.yaml"
    connection = Connection(kubeconfigs.select(kubeconfigs.load(karmada.read_text())), name="karmada")
    note = connection.get(ObjectRef("v1", "ConfigMap", "nginx-announcement", "default"))
    assert note["data"] == {"text": "nginx, by the web team"}, "a component of one's own"
    connection.patch(NGINX, {"spec": {"replicas": 5}}, query={"fieldManager": "kubectl"})
    assert "kubectl" in typed("flotilla drift", code=3)
    typed("flotilla up --refresh --yes")
    typed("flotilla destroy --yes")
    assert connection.find(NGINX) is None
