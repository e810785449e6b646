"""The guide "from karmadactl to a stack": each of its commands is run, in its order, and prints what the guide shows.

The same case runs on real Karmada (`tests/live`, with karmadactl itself) and on the stand-in (`tests/sandbox`).
"""

import re
import shlex
import shutil
import subprocess

import yaml

from flotilla.cli.main import main
from flotilla.kube.objects import ObjectRef
from tests.contract.adoption import KUBECTL, karmadactl  # noqa: F401 - a fixture of the contract
from tests.contract.fleet import REPOSITORY
from tests.contract.karmada import await_gone, eventually
from tests.contract.main_job import everything

SPACE = ObjectRef("v1", "Namespace", "guide")
WEB = ObjectRef("apps/v1", "Deployment", "web", "guide")
MEMBERS = ("member1", "member2")


def guide():
    return (REPOSITORY / "docs" / "guides" / "from-karmadactl.md").read_text()


def commands(text):
    """Return the commands of a guide in their order, each with the lines that it shows after it."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found.append((shlex.split(line[2:]), []))
            else:
                found[-1][1].append(line)
    return found


def files(text):
    """Return the YAML blocks of a guide by the file that their first line names."""
    return dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", text, re.DOTALL))


class Shell:
    """Runs what a reader would type, in the project's folder."""

    def __init__(self, fleet, karmadactl, monkeypatch, capsys):  # noqa: F811
        self._fleet, self._join, self._capsys, self._environment = fleet, karmadactl, capsys, monkeypatch

    def __call__(self, command):
        """Run a command; return what it prints."""
        runs = {"flotilla": self._flotilla, "export": self._export, "kubectl": self._kubectl, "sed": self._sed}
        runs["karmadactl"] = lambda _, name, *__: self._join(name)
        self._capsys.readouterr()
        runs[command[0]](*command[1:])
        printed = self._capsys.readouterr()
        return printed.out + printed.err

    def _flotilla(self, verb, *arguments):
        engine = [] if verb in ("adopt", "validate") else ["--engine", "embedded"]
        assert main([verb, *arguments, "-C", str(self._fleet.project), *engine]) == 0, self._capsys.readouterr().err

    def _export(self, setting):
        self._environment.setenv(*setting.split("=", 1))

    def _kubectl(self, *arguments):
        assert arguments[:-1] == ("--kubeconfig", "karmada.yaml", "apply", "-f")
        for one in yaml.safe_load_all((self._fleet.project / arguments[-1]).read_text()):
            self._fleet.connection("karmada").create(one, field_manager=KUBECTL)

    def _sed(self, *arguments):
        subprocess.run(["sed", *arguments], cwd=self._fleet.project, check=True)


def pods(fleet):
    """Return the UIDs of the pods and of the template, once they run."""
    running = {name: fleet.connection(name).list("v1", "Pod", namespace="guide") for name in MEMBERS}
    if any(len(found) != 2 for found in running.values()):
        return None
    uids = {pod["metadata"]["uid"] for found in running.values() for pod in found}
    return uids | {fleet.connection("karmada").get(WEB)["metadata"]["uid"]}


def test_the_guide_from_karmadactl_to_a_stack(fleet, karmadactl, monkeypatch, capsys):  # noqa: F811
    before = everything(fleet)
    project, text = fleet.project, guide()
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.chdir(project)
    written = [*files(text), *(f"{name}.yaml" for name in ("karmada", *MEMBERS))]
    for name, content in files(text).items():
        (project / name).write_text(content)
    for name in ("karmada", *MEMBERS):
        shutil.copy(fleet.kubeconfigs / f"{name}.yaml", project)
    shell, ran = Shell(fleet, karmadactl, monkeypatch, capsys), None
    try:
        for command, shown in commands(text):
            if command[:2] == ["flotilla", "adopt"]:
                ran = eventually(lambda: pods(fleet), seconds=90, problem="the copies do not run")
            output = re.sub(r"\s+", " ", shell(command))
            for line in filter(None, shown):
                assert re.sub(r"\s+", " ", line.strip()) in output, (command, output)
            if command[:2] == ["flotilla", "up"] and "--adopt" in command:
                assert pods(fleet) == ran
        copies = [fleet.connection(name).get(WEB) for name in MEMBERS]
        assert [copy["spec"]["replicas"] for copy in copies] == [3, 3]
        assert "karmada" not in str([copy["metadata"].get(k) for copy in copies for k in ("labels", "annotations")])
        assert fleet.connection("karmada").list("cluster.karmada.io/v1alpha1", "Cluster") == []
    finally:
        main(["destroy", "-C", str(project), "-s", "prod", "--engine", "embedded", "--yes"])
        for name in ("karmada", *MEMBERS):
            fleet.connection(name).delete(SPACE, propagation="Background")
        for name in ("karmada", *MEMBERS):
            await_gone(fleet.connection(name), SPACE)
        for name in (*written, "stacks/Pulumi.prod.yaml"):
            (project / name).unlink(missing_ok=True)
        shutil.rmtree(project / "adopted", ignore_errors=True)
        capsys.readouterr()
    assert everything(fleet) == before
