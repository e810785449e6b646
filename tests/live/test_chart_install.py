"""A stack installs, changes and removes Karmada's chart, in the oldest and the newest version, on simulated pods.

The pods run hooks and become ready, but there is no Karmada in them: `test_node.py` tests on a real node that Karmada
works. This test checks that the host is the same afterwards as before.
"""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from components import installation as surroundings
from flotilla.cli.main import main
from flotilla.kube.objects import differences
from tests.conformance.versions import CLI_NEEDS, LANGUAGE, PROVIDER, require
from tests.contract.fleet import cluster_in, copy_program, programs
from tests.live.chart import karmada_chart
from tests.live.simulated.settling import settled
from tests.live.test_node import everything, installation

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
SIMULATED = Path(__file__).with_name("simulated")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    karmada_chart("1.18.2", tmp_path_factory.mktemp("asked"))  # skips the test before anything is started
    with cluster_in(tmp_path_factory.mktemp("host"), "host", programs(), nodes=3) as one:
        yield one


@pytest.fixture(params=["embedded", "pulumi"])
def run(request, host, repository, tmp_path, monkeypatch, capsys):
    engine = request.param
    if engine == "pulumi":
        require(*CLI_NEEDS, LANGUAGE, PROVIDER)
    monkeypatch.setattr(surroundings, "_ready", settled)
    monkeypatch.setenv("PYTHONPATH", f"{SIMULATED}{os.pathsep}{repository}")
    copy_program(tmp_path)
    (tmp_path / ".venv").symlink_to(repository / ".venv")

    def run(verb, *options, expect=0):
        code = main([verb, "-C", str(tmp_path), "-s", "host", "--engine", engine, "--json", *options])
        captured = capsys.readouterr()
        assert code == expect, captured.err or captured.out[-2000:]
        return captured.out

    def write(version, chart, mode, **more):
        plane = {"version": version, "helm": installation(host.kubeconfig, chart, mode, **more)}
        (tmp_path / "stacks" / "Pulumi.host.yaml").write_text(
            yaml.safe_dump({"config": {"flotilla:controlPlane": plane}})
        )

    run.write = write
    yield run
    main(["destroy", "-C", str(tmp_path), "-s", "host", "--engine", engine, "--yes"])


# `test_node.py` tests 1.18.2 with `auto`.
@pytest.mark.parametrize(("version", "mode"), [("1.10.7", "custom"), ("1.10.7", "auto"), ("1.18.2", "custom")])
def test_the_host_has_the_same_objects_after_destroy_as_before(host, run, version, mode, tmp_path):
    chart = karmada_chart(version, tmp_path)
    connection = host.connection()
    before = everything(connection, exports=False)
    run.write(version, chart, mode)
    run("preview")
    assert everything(connection, exports=False) == before
    run("up", "--yes")

    manifest = helm(host, "get", "manifest", "karmada")
    values = tmp_path / "values.yaml"
    values.write_text(helm(host, "get", "values", "karmada"))
    rendered = helm(host, "template", "karmada", str(chart), f"--values={values}", "--is-upgrade=false")
    hooks = {name for name, obj in by_name(rendered).items() if "helm.sh/hook" in str(obj["metadata"])}
    expected = {name: obj for name, obj in by_name(rendered).items() if name not in hooks}
    assert by_name(manifest).keys() == expected.keys()
    assert [name for name, obj in expected.items() if differences(obj, by_name(manifest)[name])] == []
    run("preview", "--expect-no-changes")

    run.write(version, chart, mode, replicas={"scheduler": 2})
    assert "values.scheduler.replicaCount" in run("preview", "--detail")
    run("up", "--yes")
    run("destroy", "--yes")
    assert everything(connection, exports=False) == before


def helm(host, *arguments):
    command = ["helm", *arguments, "--namespace=karmada-system", f"--kubeconfig={host.kubeconfig}"]
    if arguments[0] == "template":
        command.append("--validate")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def by_name(text):
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in yaml.safe_load_all(text) if obj}
