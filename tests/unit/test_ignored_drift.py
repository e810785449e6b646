"""The stack's `ignore` entries for drift: which findings they match, until when, and how reports show them."""

import datetime as dt
import json
import xml.etree.ElementTree as ET

import pytest
import yaml
from rich.console import Console

from flotilla.cli.drift import _table, exit_code
from flotilla.cli.main import main
from flotilla.drift.findings import DriftReport, Finding, Layer, Remedy, Unknown
from flotilla.drift.formats import FORMATS
from flotilla.drift.ignoring import Ignore, with_ignored
from flotilla.report.build import drift_report
from flotilla.stack.load import drift_settings, parse_fleet
from flotilla.stack.problems import ConfigError

DAY = dt.date(2026, 6, 1)
IMAGE = Finding(
    Layer.MEMBERS,
    "copy-changed",
    "member1",
    "Deployment default/web",
    "its image is not as sent",
    "spec.template.spec.containers[web].image",
    "web:1",
    "web:2",
    remedy=Remedy.KARMADA,
    pointer="/spec/template/spec/containers/web/image",
)
LEFT = Finding(Layer.MEMBERS, "copy-unwanted", "member2", "Namespace left", "nothing sends it", remedy=Remedy.MANUAL)
REPORT = DriftReport((IMAGE, LEFT), (), ("karmada", "member1", "member2"), 12)
WHY = {"reason": "the mesh's tag", "until": "2026-06-01"}


def entry(**more):
    return Ignore.model_validate({**WHY, **more})


@pytest.mark.parametrize(
    ("given", "matches"),
    [
        ({"kind": "Deployment", "field": "/spec/template/spec/containers/web/image"}, True),
        ({"kind": "Deployment", "field": "/spec/template"}, True),
        ({"kind": "Deployment", "field": "spec.template.spec.containers[web].image"}, True),
        ({"kind": "Deployment", "field": "spec.template.spec.containers[web]"}, True),
        ({"kind": "Deployment", "field": "spec.template.spec.containers"}, True),
        ({"kind": "Deployment", "field": "/spec/template/spec/containers/we"}, False),
        ({"kind": "Deployment", "field": "spec.template.spec.contain"}, False),
        ({"kind": "Deployment", "field": "/spec/template/spec/containers/web/image/deeper"}, False),
        (
            {"kind": "Deployment", "name": "web", "namespace": "default", "member": "member1", "rule": "copy-changed"},
            True,
        ),
        ({"kind": "Deployment", "name": "w?b*", "field": "/spec"}, True),
        ({"kind": "StatefulSet", "field": "/spec"}, False),
        ({"kind": "Deployment", "name": "other", "field": "/spec"}, False),
        ({"kind": "Deployment", "namespace": "other", "field": "/spec"}, False),
        ({"kind": "Deployment", "member": "member2", "field": "/spec"}, False),
        ({"kind": "Deployment", "rule": "object-changed", "field": "/spec"}, False),
    ],
)
def test_entry_matches_these_findings(given, matches):
    report = with_ignored(REPORT, [entry(**given)], today=DAY)
    assert [one.finding for one in report.ignored] == ([IMAGE] if matches else [])
    assert report.findings == ((LEFT,) if matches else (IMAGE, LEFT))
    assert bool(report.notices) is not matches


def test_findings_without_a_field_are_ignored_by_their_rule():
    report = with_ignored(REPORT, [entry(kind="Namespace", name="left", rule="copy-unwanted")], today=DAY)
    assert [one.finding for one in report.ignored] == [LEFT]


def test_entry_applies_through_its_last_day_and_the_finding_has_the_day():
    entries = [entry(kind="Deployment", field="/spec")]
    assert with_ignored(REPORT, entries, today=DAY).findings == (LEFT,)
    after = with_ignored(REPORT, entries, today=DAY + dt.timedelta(days=1))
    assert [one.path for one in after.findings] == [IMAGE.path, ""]
    assert after.findings[0].note == "it was ignored until 2026-06-01 (the mesh's tag), which has ended"
    assert (after.ignored, after.notices) == ((), ())
    renewed = [*entries, entry(kind="Deployment", field="/spec", until="2026-09-01")]
    assert with_ignored(REPORT, renewed, today=DAY + dt.timedelta(days=1)).ignored[0].until == "2026-09-01"


def test_ignored_findings_do_not_affect_the_exit_code():
    both = [entry(kind="Deployment", field="/spec"), entry(kind="Namespace", rule="copy-unwanted")]
    report = with_ignored(REPORT, both, today=DAY)
    assert (report.clean, exit_code(report), len(report.ignored)) == (True, 0, 2)
    assert exit_code(with_ignored(REPORT, both[:1], today=DAY)) == 3
    away = with_ignored(DriftReport((IMAGE,), (Unknown("member2", "gone"),)), both, today=DAY)
    assert exit_code(away) == 1


def test_entry_without_a_match_is_reported_only_if_its_clusters_answered():
    entries = [entry(kind="Job", field="/spec", member=name) for name in ("member1", "member2")]
    report = with_ignored(DriftReport(unknown=(Unknown("member2", "gone"),)), entries, today=DAY)
    assert len(report.notices) == 1
    assert report.notices[0].startswith("drift.ignore[0] (Job * /spec) matches no finding")
    assert with_ignored(report, [entry(kind="Job", field="/spec")], today=DAY).notices == ()


IGNORED = with_ignored(
    DriftReport((IMAGE,), (), ("karmada", "member1"), 12),
    [entry(kind="Deployment", field="/spec"), entry(kind="Job", field="/spec")],
    today=DAY,
)


def test_json_has_ignored_findings_separately_with_reason_and_day():
    document = IGNORED.to_json()
    assert (document["clean"], document["findings"]) == (True, [])
    (one,) = document["ignored"]
    assert (one["rule"], one["path"], one["reason"], one["until"]) == (
        "copy-changed",
        IMAGE.path,
        "the mesh's tag",
        "2026-06-01",
    )
    assert len(document["notices"]) == 1


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_shows_ignored_findings_and_notices(name):
    text = FORMATS[name](IGNORED, "dev")
    assert "the mesh" in text
    assert "2026-06-01" in text
    assert "matches no finding" in text.replace("%2C", ",")


def test_ignored_findings_fail_nothing_in_any_format():
    assert all(not line.startswith("::error") for line in FORMATS["github"](IGNORED, "dev").splitlines())
    assert {one["severity"] for one in json.loads(FORMATS["gitlab"](IGNORED, "dev"))} == {"info"}
    suite = ET.fromstring(FORMATS["junit"](IGNORED, "dev"))  # noqa: S314 - made here
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    (result,) = json.loads(FORMATS["sarif"](IGNORED, "dev"))["runs"][0]["results"]
    assert result["suppressions"][0]["status"] == "accepted"
    assert "1 finding ignored" in FORMATS["markdown"](IGNORED, "dev")


def test_expired_entry_is_reported_in_every_format():
    ended = with_ignored(REPORT, [entry(kind="Deployment", field="/spec")], today=DAY + dt.timedelta(days=1))
    for name, form in FORMATS.items():
        assert "was ignored until 2026-06-01" in form(ended, "dev"), name
    assert any(
        "was ignored until" in item.text
        for section in drift_report(ended, stack="dev").sections
        for item in section.items
    )


def test_table_and_page_show_ignored_findings():
    console = Console(width=200, record=True)
    _table(console, IGNORED, "dev")
    text = console.export_text()
    assert "ignored: member1: Deployment default/web: its image is not as sent" in text
    assert "ignored until 2026-06-01: the mesh's tag" in text
    assert "notice: drift.ignore[1]" in text
    assert "no drift; 1 finding ignored" in text
    page = drift_report(IGNORED, stack="dev")
    assert [section.title for section in page.sections] == ["Ignored"]
    assert page.sections[0].items[0].text == "Ignored until 2026-06-01: the mesh's tag."
    assert any("matches no finding" in note for note in page.notes)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"kind": "Deployment"}, "needs 'field', or 'rule' for findings without a field"),
        ({"kind": "Deployment", "field": "/"}, "must name a field"),
        ({"kind": "Deployment", "field": "/spec/"}, "must be a JSON pointer"),
        ({"kind": "Deployment", "field": "/metadata/labels/a~b"}, "must be a JSON pointer"),
        ({"kind": "Deployment", "field": "/spec", "reason": " "}, "must not be empty"),
        ({"kind": "Deployment", "field": "/spec", "until": "soon"}, "until"),
        ({"kind": "Deployment", "field": "/spec", "until": None}, "until"),
        ({"field": "/spec"}, "kind"),
        ({"kind": "Deployment", "field": "/spec", "cluster": "member1"}, "is not a known key"),
        ({"kind": "Deployment", "field": "/spec", "member": "nowhere"}, "must name a member, or `karmada`"),
    ],
)
def test_invalid_entries_are_refused(sections, project, given, problem):
    sections["drift"] = {"ignore": [{**WHY, **given}]}
    with pytest.raises(ConfigError) as caught:
        parse_fleet(sections, base=project)
    assert "drift.ignore[0]" in str(caught.value)
    assert problem in str(caught.value)


def test_entries_can_name_members_and_the_control_plane(sections, project):
    names = [sections["members"][0]["name"], "karmada"]
    sections["drift"] = {"ignore": [{**WHY, "kind": "Job", "field": "/spec", "member": name} for name in names]}
    assert [one.member for one in parse_fleet(sections, base=project).drift.ignore] == names


def test_drift_uses_the_current_entries_of_the_stack_file(tmp_path):
    file = tmp_path / "Pulumi.dev.yaml"
    assert drift_settings(file).ignore == ()
    written = {"config": {"flotilla:drift": {"ignore": [{**WHY, "kind": "Job", "field": "/spec"}]}}}
    file.write_text(yaml.safe_dump(written))
    assert drift_settings(file).ignore[0].until == DAY
    file.write_text("config:\n  flotilla:drift: {ignore: [{kind: Job, field: /spec, reason: r, until: 2026-06-01}]}\n")
    assert drift_settings(file).ignore[0].until == DAY, "a date needs no quotes"


def test_validate_reports_an_autoscaler_whose_target_has_replicas_set_by_karmada(sections, project, repository, capsys):
    """Regression: nothing warned before a preview without `autoscaled`, or of another workload's autoscaler."""
    (project / "Pulumi.yaml").write_text((repository / "Pulumi.yaml").read_text())
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "up"}}
    (project / "scaler.yaml").write_text(
        yaml.safe_dump({**scaler, "spec": {"scaleTargetRef": target, "maxReplicas": 5}})
    )
    (project / "stacks").mkdir()

    def notes(**more):
        web = {"name": "web", "image": "web:1", "placement": {}, **more}
        other = {"name": "scaling", "manifests": ["scaler.yaml"], "placement": {}}
        config = {f"flotilla:{key}": value for key, value in {**sections, "workloads": [web, other]}.items()}
        (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
        assert main(["validate", "-C", str(project), "-s", "dev", "--json"]) == 0
        return json.loads(capsys.readouterr().out).get("notes", [])

    (note,) = [one for one in notes() if "replicas" in one]
    assert note.startswith(
        "workload web: Deployment default/web: Karmada and HorizontalPodAutoscaler default/up both set"
    )
    assert "autoscaled: true" in note
    assert not [one for one in notes(autoscaled=True) if "replicas" in one]
