"""An autoscaler of the control plane with Pulumi's own commands: neither engine resets its replicas."""

import pytest

from flotilla.cli.main import main
from tests.contract.control_plane import AUTOSCALER, FLEET, TEMPLATE, scale_to
from tests.contract.main_job import NGINX, everything
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - Pulumi's CLI on the fleet

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def test_neither_engine_resets_the_replicas_of_an_autoscaler(fleet, pulumi):  # noqa: F811
    before = everything(fleet)
    file = fleet.project / "scaling.yaml"
    file.write_text(AUTOSCALER)

    def write(image):
        groups = [{"name": "scaling", "manifests": [str(file)]}]
        fleet.write(FLEET, [{**NGINX, "image": image}], objects=groups)

    ours = ["-C", str(fleet.project), "-s", "sandbox", "--engine", "embedded"]
    karmada = fleet.connection("karmada")
    write("nginx:1.27")
    pulumi("stack", "init", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    scale_to(karmada, 4)
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    write("nginx:1.28")
    pulumi("up", "--stack", "sandbox", "--yes")
    assert karmada.get(TEMPLATE)["spec"]["replicas"] == 4
    pulumi("refresh", "--stack", "sandbox", "--preview-only", "--expect-no-changes")
    write("nginx:1.27")
    assert main(["up", *ours, "--yes"]) == 0
    assert karmada.get(TEMPLATE)["spec"]["replicas"] == 4
    assert main(["drift", *ours]) == 0
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("destroy", "--stack", "sandbox", "--yes")
    assert everything(fleet) == before
