"""Adoption of a fleet of karmadactl and kubectl into the state of Pulumi's CLI, on which both engines agree."""

import json

import pytest
import yaml

from flotilla.cli.main import main
from tests.contract.adoption import KUBECTL, POLICY, accounts, identities, ready
from tests.contract.karmada import eventually
from tests.contract.main_job import everything, explanation_of, members
from tests.contract.objects import obj, pods
from tests.live.test_adoption import karmadactl  # noqa: F401 - a fixture
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture
from tests.vault_stand_in import vault

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]
NO_CHANGES = ("preview", "--stack", "sandbox", "--expect-no-changes")


@pytest.fixture
def flotilla(fleet, capsys):
    """Run verbs of `flotilla` on the CLI's stack, and return what they print."""

    def flotilla(verb, *options, engine="pulumi"):
        capsys.readouterr()
        code = main([verb, *options, "-C", str(fleet.project), "-s", "sandbox", "--engine", engine, "--json"])
        captured = capsys.readouterr()
        assert code == 0, captured.err or explanation_of(captured.out)
        return json.loads(captured.out)

    return flotilla


@pytest.fixture
def existing(fleet, karmadactl):  # noqa: F811
    """One joined member, one incomplete join, and a template with its policy, none of them in a stack."""
    karmadactl("member1")
    for manifest in accounts("member2"):
        fleet.connection("member2").create(manifest, field_manager="karmadactl")
    template = {**pods("web", "default", replicas=2)}
    selector = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "default"}
    placement = {
        "clusterAffinity": {"clusterNames": ["member1"]},
        "replicaScheduling": {"replicaSchedulingType": "Duplicated"},
    }
    spec = {"resourceSelectors": [selector], "placement": placement}
    karmada = fleet.connection("karmada")
    karmada.create(template, field_manager=KUBECTL)
    karmada.create(obj(POLICY.api_version, POLICY.kind, "web", "default", spec=spec), field_manager=KUBECTL)
    eventually(lambda: ready(fleet), seconds=90, problem="the copy does not run")
    (fleet.project / "web.yaml").write_text(yaml.safe_dump(template))
    placed = {"placement": {"clusters": ["member1"]}}
    fleet.write(members("member1", "member2"), [{"name": "web", "manifests": ["web.yaml"], **placed}])
    return identities(fleet)


@pytest.fixture
def before(fleet):
    """All objects before the case creates any."""
    return everything(fleet)


def test_a_fleet_is_adopted_into_a_state_with_a_cloud_secrets_provider(
    fleet,
    before,
    existing,
    pulumi,  # noqa: F811
    flotilla,
    monkeypatch,
):
    with vault() as environment:
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        pulumi("stack", "init", "sandbox", "--secrets-provider", "hashivault://fleet")
        assert "already exists" in pulumi("up", "--stack", "sandbox", "--yes", refused=True)
        assert identities(fleet) == existing, "the CLI alone takes nothing over, and touches nothing of it"

        assert flotilla("adopt", "Deployment/default/web", "--yes")["summary"]["adopt"] == 1
        assert identities(fleet) == existing
        pulumi("preview", "--stack", "sandbox")

        plan = flotilla("preview", "--adopt")
        # The CLI had created some objects before it failed, so only the adoptions are compared.
        adopted = {cluster: counts.get("adopt") for cluster, counts in plan["objects"].items()}
        assert adopted == {"member1": 7, "member2": 3, "karmada": 4}
        assert [c["path"] for step in plan["steps"] if step["op"] == "adopt" for c in step.get("changes", [])] == []
        assert flotilla("up", "--adopt", "--yes", "--plan", plan["digest"])["summary"]["adopt"] == 14
        assert identities(fleet) == existing

        pulumi(*NO_CHANGES)
        pulumi("refresh", "--stack", "sandbox", "--preview-only", "--expect-no-changes")
        flotilla("preview", "--adopt", "--refresh", "--expect-no-changes")
        state = json.loads(pulumi("stack", "export", "--stack", "sandbox"))["deployment"]
        assert state["secrets_providers"]["type"] == "cloud"
        assert "plaintext" not in json.dumps(state)

        pulumi("stack", "change-secrets-provider", "--stack", "sandbox", "passphrase")
    flotilla("preview", "--expect-no-changes", engine="embedded")
    assert flotilla("drift", engine="embedded")["findings"] == []
    assert identities(fleet) == existing
    pulumi("destroy", "--stack", "sandbox", "--yes")
    assert everything(fleet) == before
