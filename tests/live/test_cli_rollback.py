"""Rollback in a history that `pulumi up` wrote, on real Karmada; Pulumi's CLI continues from there."""

import json

import pytest
import yaml

from flotilla.cli.main import main
from tests.contract.main_job import members
from tests.contract.moves import BOTH
from tests.contract.rollback import running, shop
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def test_rollback_restores_what_pulumi_up_declared(fleet, pulumi, capsys):  # noqa: F811 - a fixture is an argument here
    def write(mode):
        (fleet.project / "shop.yaml").write_text(yaml.safe_dump_all(shop(f"web:{mode}", mode)))
        placement = {"clusters": list(BOTH)}
        fleet.write(members(*BOTH), [{"name": "shop", "manifests": ["shop.yaml"], "placement": placement}])

    write("good")
    pulumi("stack", "init", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    before = running(fleet)
    write("bad")
    pulumi("up", "--stack", "sandbox", "--yes")
    assert running(fleet) != before
    capsys.readouterr()
    code = main(["rollback", "-C", str(fleet.project), "--engine", "embedded", "--yes", "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "shop" in json.loads(captured.out)["stillDeclared"]
    assert running(fleet) == before
    write("good")
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    assert "back to update" in pulumi("stack", "history", "--stack", "sandbox")
    pulumi("destroy", "--stack", "sandbox", "--yes")
    pulumi("stack", "rm", "sandbox", "--yes", "--preserve-config")
