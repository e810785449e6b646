"""NOTES.txt of a chart: rendered without a cluster, stored and shown, but never declared as objects."""

# ruff: noqa: F811 - fixtures are arguments here

import json
import shutil
import tarfile

import pytest
import yaml

from flotilla.cli import fleet, status
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.deploy.interface import EngineName
from flotilla.karmada.propagation import deployment
from flotilla.kube import secrecy
from flotilla.observe.access import FleetAccess
from flotilla.observe.fleet import FleetStatus
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack import parse_fleet
from flotilla.stack.files import ManifestFiles
from flotilla.state.checkpoint import ResourceState
from flotilla.workloads.notices import chart_notes
from flotilla.workloads.objects import manifests_of
from flotilla.workloads.sources import notes as notes_module
from flotilla.workloads.sources.renderings import FOLDER
from tests.renderers import DEPLOYMENT, write_chart
from tests.unit.charts import AT, VALUES, declared, helm, names, place  # noqa: F401 - fixtures

NOTES = 'Thank you for {{ .Release.Name }}:\n  it runs <nginx:{{ .Values.tag }}> in "{{ .Release.Namespace }}"\n\n'
SHOP = 'Thank you for shop:\n  it runs <nginx:1.27> in "default"'


@pytest.fixture
def chart_with_notes(place):
    (place / "charts" / "web" / "templates" / "NOTES.txt").write_text(NOTES)
    return place


@pytest.fixture
def notes_of(chart_with_notes, sections, helm):
    """Return the notes of a stack with one chart, as one run reads them."""

    def read(chart=None, **more):
        given = {"path": "charts/web"} if chart is None else chart
        sections["workloads"] = [{"name": "shop", "placement": {}, "chart": given, **more}]
        files = ManifestFiles(chart_with_notes)
        return chart_notes(parse_fleet(sections, base=chart_with_notes, manifests=files).workloads, files)

    return read


def test_notes_are_rendered_like_the_chart(notes_of, helm):
    assert notes_of() == {"shop": SHOP}
    own = {"path": "charts/web", "release": "r", "values": {"tag": "a"}}
    assert notes_of(own, namespace="space") == {
        "shop": SHOP.replace("shop", "r").replace("1.27", "a").replace("default", "space")
    }


def test_notes_declare_no_object(declared, chart_with_notes):
    objects, notices = declared()
    assert names(objects) == ["CustomResourceDefinition things.example.org", "Deployment shop-web", "Service shop-web"]
    assert notices == []
    assert sorted(file.name for file in (chart_with_notes / "charts" / "web" / "templates").iterdir()) == [
        "NOTES.txt",
        "a.yaml",
        "b.yaml",
    ]


def test_helm_renders_only_the_notes_template_without_a_kubeconfig(notes_of, helm):
    notes_of()
    *_, call = helm.of("template")
    assert call.option("show-only") == "templates/flotilla-notes.yaml"
    assert "--include-crds" not in call.arguments
    assert call.environment["KUBECONFIG"].endswith("/kubeconfig")


def test_notes_are_stored_with_the_rendering(notes_of, helm):
    notes_of()
    helm.calls.clear()
    assert notes_of() == {"shop": SHOP}
    assert helm.calls == []
    helm.remove("helm")
    assert notes_of() == {"shop": SHOP}


@pytest.mark.parametrize("how", ["archive", "repository", "oci"])
def test_notes_are_shown_for_charts_from_any_source(notes_of, helm, chart_with_notes, how):
    if how == "archive":
        with tarfile.open(chart_with_notes / "web.tgz", "w:gz") as archive:
            archive.add(chart_with_notes / "charts" / "web", arcname="web")
        chart = {"path": "web.tgz"}
    else:
        shutil.copytree(chart_with_notes / "charts" / "web", helm.folder / "repository" / "web")
        oci = {"oci": "oci://registry.example/web", "version": "1.2.3"}
        chart = dict(AT) if how == "repository" else oci
    assert notes_of(chart) == {"shop": SHOP}


@pytest.mark.parametrize(
    "text", [None, "", " \n", "{{ .Values.absent.deeper }}"], ids=["no file", "empty", "blank", "failing"]
)
def test_chart_without_notes_shows_none(notes_of, chart_with_notes, helm, monkeypatch, text):
    file = chart_with_notes / "charts" / "web" / "templates" / "NOTES.txt"
    if text is None:
        file.unlink()
    elif not text.startswith("{{"):
        file.write_text(text)
    else:
        # A helm that can't render the notes: the objects are declared all the same.
        monkeypatch.setattr(notes_module, "_TEMPLATE", "{{ .Values.absent }}")
    assert notes_of() == {}
    assert bool(list((chart_with_notes / FOLDER).glob("*.json")))


def test_rendering_stored_by_an_older_version_has_no_notes(notes_of, chart_with_notes):
    """Its random values would change if it were rendered again for the notes."""
    notes_of()
    (kept,) = (chart_with_notes / FOLDER).glob("*.json")
    text = kept.read_text()
    assert '"notes":' in text
    kept.write_text(text.replace('"notes":', '"other":'))
    assert notes_of() == {}


def test_chart_template_with_the_name_of_ours_is_kept(notes_of, chart_with_notes):
    (chart_with_notes / "charts" / "web" / "templates" / "flotilla-notes.yaml").write_text(
        DEPLOYMENT.replace("-web", "-x")
    )
    assert notes_of() == {"shop": SHOP}


def test_secrets_in_notes_are_masked(notes_of, chart_with_notes, monkeypatch):
    """Secrets are found by keys of values, in the chart's Secrets, and by values registered later."""
    monkeypatch.setattr(secrecy, "_known", set())
    templates = chart_with_notes / "charts" / "web" / "templates"
    (templates / "NOTES.txt").write_text(
        "log in with {{ .Values.adminPassword }} or {{ .Values.made }}, tag {{ .Values.tag }}"
    )
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: {{ .Values.made }}}\n"
    (templates / "c.yaml").write_text(secret)
    values = {"adminPassword": "hunter2", "made": "open-sesame-43", "tag": "met-elsewhere"}
    notes = notes_of({"path": "charts/web", "values": values})["shop"]
    assert notes == "log in with [secret] or [secret], tag met-elsewhere"
    assert "hunter2" not in next((chart_with_notes / FOLDER).glob("*.json")).read_text().partition('"notes"')[2]
    secrecy.remember("met-elsewhere")
    assert notes_of({"path": "charts/web", "values": values})["shop"].endswith("tag [secret]")


def test_very_long_notes_are_cut(notes_of, chart_with_notes):
    (chart_with_notes / "charts" / "web" / "templates" / "NOTES.txt").write_text("x" * (notes_module.LONGEST + 5))
    assert len(notes_of()["shop"]) == notes_module.LONGEST


def test_archive_with_more_files_than_a_chart_is_not_unpacked(notes_of, chart_with_notes, monkeypatch):
    with tarfile.open(chart_with_notes / "web.tgz", "w:gz") as archive:
        archive.add(chart_with_notes / "charts" / "web", arcname="web")
    monkeypatch.setattr(notes_module, "MOST_FILES", 2)
    assert notes_of({"path": "web.tgz"}) == {}


# -- a chart whose objects are sent by several policies ----------------------------------------------------------------


def policy(name, kind):
    selector = {"apiVersion": {"Deployment": "apps/v1", "Service": "v1"}[kind], "kind": kind}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": name},
        "spec": {"resourceSelectors": [selector], "placement": {}},
    }


def test_parts_of_a_chart_with_policies_have_one_release_name(project, sections, helm):
    """Regression: each part had a release name of its own, and no policy selected the resulting objects."""
    write_chart(
        project / "charts" / "web",
        {
            "a.yaml": DEPLOYMENT,
            "b.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n",
            "NOTES.txt": NOTES,
        },
        values=VALUES,
    )
    (project / "p.yaml").write_text(yaml.safe_dump_all([policy("one", "Deployment"), policy("two", "Service")]))
    sections["workloads"] = [{"name": "shop", "chart": {"path": "charts/web"}, "policies": ["p.yaml"]}]
    files = ManifestFiles(project)
    workloads = parse_fleet(sections, base=project, manifests=files).workloads
    assert {one.name: names(manifests_of(one, files)) for one in workloads} == {
        "shop-one": ["Deployment shop-web"],
        "shop-two": ["Service s"],
    }
    assert chart_notes(workloads, files) == {"shop-one": SHOP}


# -- the notes in verbs ------------------------------------------------------------------------------------------------


def rollout(name, image, before=None):
    """The step of a workload's Rollout: created, unchanged, or with another image."""
    made = [step_state(name, one) for one in (before, image)]
    op = Op.CREATE if before is None else Op.SAME if before == image else Op.UPDATE
    return Step(op, made[1].urn, ROLLOUT_TYPE, old=made[0] if before else None, new=made[1])


def step_state(name, image):
    template = deployment(
        f"{name}-web",
        namespace="default",
        image=f"nginx:{image}",
        replicas=1,
        ports=[],
        env={},
        resources=None,
        labels={},
    )
    inputs = {"workload": name, "templates": [template], "placement": {}, "overrideRules": []}
    urn = f"urn:pulumi:dev::flotilla::{ROLLOUT_TYPE}::{name}-rollout"
    return ResourceState(urn=urn, custom=True, type=ROLLOUT_TYPE, id=name, inputs=inputs, parent="")


class Ran:
    """A stack whose runs return a prepared result."""

    engine = EngineName.EMBEDDED

    def __init__(self, result):
        self.result = result

    def preview(self, **_):
        return self.result

    def up(self, **_):
        return self.result


@pytest.fixture
def command(chart_with_notes, sections, helm, monkeypatch, capsys, repository):
    """Run a verb on a stack of three workloads with the chart: one is new, one is changed and one is unchanged."""
    members = [{"kind": "Cluster", "metadata": {"name": name}, "spec": {}} for name in ("member1", "member2")]
    clusters = [
        Step(Op.SAME, state.urn, CLUSTER_TYPE, old=state, new=state)
        for one in members
        for state in [
            ResourceState(
                urn=f"urn:pulumi:dev::flotilla::{CLUSTER_TYPE}::{one['metadata']['name']}-cluster",
                custom=True,
                type=CLUSTER_TYPE,
                id="c",
                inputs=one,
                parent="",
            )
        ]
    ]
    steps = [*clusters, rollout("new", "2"), rollout("changed", "2", "1"), rollout("same", "2", "2")]
    ran = Result(steps=steps)
    monkeypatch.setattr(fleet, "open_stack", lambda *_: Ran(ran))
    monkeypatch.setattr(fleet, "verdicts_of", lambda *_, **__: ())
    monkeypatch.setattr(fleet, "refuse_violations", lambda *_, **__: None)
    monkeypatch.setattr(fleet, "fleet_status", lambda _: FleetStatus((), (), {}))
    monkeypatch.setattr(fleet, "control_plane_of", lambda *_: None)
    monkeypatch.setattr(status, "open_access", lambda _: FleetAccess(None))
    monkeypatch.setattr("flotilla.observe.fleet.fleet_status", lambda _: FleetStatus((), (), {}))
    monkeypatch.setattr(status, "members_of", lambda *_, **__: [])
    (chart_with_notes / "Pulumi.yaml").write_text((repository / "Pulumi.yaml").read_text())
    (chart_with_notes / "stacks").mkdir()
    sections["workloads"] = [
        {"name": name, "placement": {}, "chart": {"path": "charts/web", "includeCRDs": False, "values": {"own": name}}}
        for name in ("new", "changed", "same")
    ]
    for number, one in enumerate(sections["workloads"]):
        one["namespace"] = f"space{number}"
    config = {f"flotilla:{key}": value for key, value in sections.items()}
    (chart_with_notes / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))

    def do(*words, expect=ExitCode.DONE):
        assert main([words[0], "-C", str(chart_with_notes), "-s", "dev", *words[1:]]) == expect
        return capsys.readouterr().out

    do.result = ran
    return do


def test_successful_up_shows_the_notes_of_new_and_changed_workloads(command):
    out = command("up", "--yes")
    assert "notes of new's chart\n  Thank you for new:\n    it runs <nginx:1.27>" in out
    assert "notes of changed's chart" in out
    assert "same's chart" not in out
    assert out.index("notes of changed") < out.index("0 of 0 members ready")


def test_document_of_an_up_has_the_notes(command):
    found = json.loads(command("up", "--yes", "--json"))["chartNotes"]
    assert [one["workload"] for one in found] == ["new", "changed"]
    assert found[0]["text"].startswith("Thank you for new:\n")


def test_failed_up_shows_no_notes(command):
    command.result.failures.append("no")
    assert "Thank you" not in command("up", "--yes", expect=ExitCode.FAILED)


def test_preview_shows_no_notes(command):
    assert "Thank you" not in command("preview")


def test_workloads_shows_notes_on_request(command):
    assert "Thank you" not in command("workloads")
    out = command("workloads", "--notes")
    assert [out.count(f"Thank you for {name}:") for name in ("new", "changed", "same")] == [1, 1, 1]
    assert "Thank you for new" not in command("workloads", "same", "--notes")
    found = json.loads(command("workloads", "same-web", "--notes", "--json"))["chartNotes"]
    assert [one["workload"] for one in found] == ["same"]


def test_fleet_without_a_stack_shows_no_notes(command):
    assert command("workloads", "--notes", "--kubeconfig", "kube.yaml", expect=ExitCode.USAGE) == ""


def test_control_sequences_in_notes_are_shown_as_text(chart_with_notes, command):
    (chart_with_notes / "charts" / "web" / "templates" / "NOTES.txt").write_text("red \x1b[31m and\n::error::nothing\n")
    out = command("workloads", "same", "--notes")
    assert "\x1b" not in out
    assert "red \\x1b[31m and" in out
