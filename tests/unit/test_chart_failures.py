"""A failure of a chart is reported in one bounded line without secrets."""

# ruff: noqa: F811 - fixtures are arguments here

import json
import os
import stat

import pytest

from flotilla.workloads.sources import programs
from tests.unit.charts import RANDOM, SERVICE, declared, helm, names, place, refused  # noqa: F401 - fixtures


def test_missing_chart_dependencies_are_named_with_the_command_that_gets_them(declared):
    said = "found in Chart.yaml, but missing in charts/ directory: grafana"
    (line,) = refused(declared, {"values": {"fail": said}})
    assert f"{said}; there would be nothing to run; get the charts that it depends on: `helm dependency build /" in line


def test_missing_helm_is_one_line_with_the_alternatives(declared, helm):
    helm.remove("helm")
    (line,) = refused(declared)
    assert line == (
        "workloads[0].chart: needs the helm command, which isn't on the PATH; there would be nothing to run; install "
        "Helm 3.13 or newer: helm.sh; or keep what `helm template` prints elsewhere in a file of `manifests`"
    )


def test_a_failing_template_is_one_line_without_secrets(declared):
    values = {
        "fail": "replicas must be 1,\n  and the password hunter2secret is too short",
        "db": {"password": "hunter2secret"},
    }
    (line,) = refused(declared, {"values": values})
    assert line == (
        "workloads[0].chart: helm template: execution error at (web/templates/web.yaml:3:4): replicas must be 1, and "
        "the password [secret] is too short; there would be nothing to run; correct the values"
    )


KLOG = "1126 03:02:03.909599   22955 run.go:72] "


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("coalesce.go:1: warning: x\nError: a\n  b\n\nUse --debug flag to render out invalid YAML\n", "a b"),
        ("first\nthe last line\n", "the last line"),
        (
            f'W{KLOG}old\nE{KLOG}"command failed" err=<\n\ttrouble with `a: b\n\t`: must specify --enable-helm\n >\n',
            "trouble with `a: b `: must specify --enable-helm",
        ),
        (f'E{KLOG}"command failed" err="not a \\"directory"\n', 'not a \\"directory'),
    ],
)
def test_reason_of_a_failed_program_is_its_last_error_in_one_line(said, line):
    assert programs._reason(said.splitlines(), ()) == line


def test_secrets_are_passed_in_private_files_and_never_by_arguments_or_environment(declared, helm, place, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG", '{"a": "hunter2secret"}')
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open")
    monkeypatch.setenv("KUBECONFIG", "/home/me/.kube/config")
    (place / "charts" / "web" / "templates" / "c.yaml").write_text(
        RANDOM.replace("{{ random }}", "{{ .Values.password }}")
    )
    declared({"values": {"password": "hunter2secret"}})
    for call in helm.calls:
        assert "hunter2secret" not in json.dumps([call.arguments, call.environment])
        assert call.modes <= {0o600}
        assert "PULUMI_CONFIG_PASSPHRASE" not in call.environment
        if call.arguments[0] == "template":
            assert call.environment["KUBECONFIG"] != "/home/me/.kube/config"
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    assert "hunter2secret" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "kind: Service\nmetadata: {name: a}\n",
            "web/templates/b.yaml, as rendered: a document has no apiVersion, line 1",
        ),
        (SERVICE.replace("{app: web}", "{app: 5}"), "spec.selector.app is a number (5), line 4: quote it"),
        ("a: [\n", "web/templates/b.yaml, as rendered: not valid YAML: line"),
        ("- a\n- b\n", "as rendered: a document is a list"),
    ],
)
def test_rendered_value_that_is_no_object_is_named_with_its_template_and_line(declared, place, text, wanted):
    (place / "charts" / "web" / "templates" / "b.yaml").write_text(text)
    (line,) = refused(declared)
    assert wanted in line
    assert "correct the template, or the values that it is rendered with" in line


def test_template_that_renders_only_comments_declares_nothing(declared, place):
    (place / "charts" / "web" / "templates" / "b.yaml").write_text("# nothing\n\n---\n# here\n")
    objects, _ = declared()
    assert names(objects)[1:] == ["Deployment shop-web"]


def test_object_of_two_templates_is_reported_with_both_templates(declared, place):
    (place / "charts" / "web" / "templates" / "z.yaml").write_text(SERVICE)
    (line,) = refused(declared)
    assert "Service shop-web occurs twice, in web/templates/b.yaml too" in line


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, "no such file"),
        ("a: b: c\n", "not valid YAML: line 1"),
        ("- a\n", "is not a mapping of values"),
        ("a: ENC[x]\nsops: {mac: x}\n", "is encrypted with SOPS"),
    ],
)
def test_values_files_are_checked_before_helm_runs(declared, helm, place, text, wanted):
    if text is not None:
        (place / "more.yaml").write_text(text)
    (line,) = refused(declared, {"valuesFiles": ["more.yaml"]})
    assert line.startswith('workloads[0].chart.valuesFiles[0]: "more.yaml"')
    assert wanted in line
    assert helm.calls == []


@pytest.mark.parametrize(
    ("bound", "value", "script", "wanted"),
    [
        ("SECONDS", 0.3, "/bin/sleep 60 & /bin/sleep 60", "did not end"),
        ("MOST_BYTES", 20, "while :; do echo aaaaaaaaaaaaaaaaaaaa; done", "printed more than"),
        ("SECONDS", 20, "kill -9 $$", "failed with exit code -9, and gave no reason"),
        ("SECONDS", 20, "printf '\\377'", "is not UTF-8"),
    ],
)
def test_run_time_and_output_of_helm_are_bounded(tmp_path, monkeypatch, bound, value, script, wanted):
    (tmp_path / "helm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "helm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, bound, value)
    with pytest.raises(programs.ProgramFailed, match=wanted):
        programs.installed("helm").run(["template"])


def test_a_chart_with_a_pipe_or_too_many_files_is_refused(declared, helm, place, monkeypatch):
    os.mkfifo(place / "charts" / "web" / "templates" / "pipe")
    (line,) = refused(declared)
    assert "it is a pipe, and only regular files are read" in line
    (place / "charts" / "web" / "templates" / "pipe").unlink()
    monkeypatch.setattr("flotilla.workloads.sources.inputs.MOST_FILES", 3)
    (line,) = refused(declared)
    assert "has more than 3 files and folders below it" in line
    assert helm.calls == []


def test_links_in_a_chart_are_followed_and_a_link_cycle_ends(declared, place):
    (place / "shared.yaml").write_text(SERVICE.replace("-web", "-more"))
    (place / "charts" / "web" / "templates" / "c.yaml").symlink_to(place / "shared.yaml")
    (place / "charts" / "web" / "up").symlink_to(place / "charts")
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-more"
    (place / "shared.yaml").write_text(SERVICE.replace("-web", "-other"))
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-other"
