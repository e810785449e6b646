"""Extensions by entry points: an example of each kind, and one clear error for each that can't be used."""

import json
import sys
import time
from types import SimpleNamespace

import pytest
import yaml

from flotilla.agent import Toolbox, Workplace
from flotilla.cli.main import main
from flotilla.deploy.declared import Declared
from flotilla.drift import check
from flotilla.drift.findings import Layer
from flotilla.drift.own_rules import Seen, own_rules
from flotilla.errors import FlotillaError
from flotilla.plugins import Group, PluginError, plugins
from flotilla.policy.pack import load_rules
from flotilla.providers import dynamic
from flotilla.scaffold.writing import write_project
from flotilla.stack import ConfigError, load_stack_file

COMPONENT = """
import pulumi
from flotilla_project.components.kubernetes_object import KubernetesObject

class Dashboards(pulumi.ComponentResource):
    def __init__(self, name, args, opts=None):
        super().__init__("acme:index:Dashboards", name, None, opts)
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
                    "data": {"team": args["args"]["team"], "of": args["workload"].name}}
        provider = args["control_plane"].provider
        KubernetesObject(name, manifest, pulumi.ResourceOptions(parent=self, provider=provider))
"""
POLICY = """
from flotilla.policy.model import Rule

NAMED = Rule("named-after-teams", "nobody knows whom to ask", "begin the name with the team's",
             subjects=lambda view: view.templates(),
             judge=lambda resource, view: [] if "-" in resource.name else ["no team"])
"""
DRIFT = """
from flotilla.drift.findings import Finding, Layer, Remedy

def quota(seen):
    if not seen.is_control_plane and not seen.connection.list("v1", "ResourceQuota"):
        about = (seen.cluster, "ResourceQuota", "there is no quota")
        yield Finding(Layer.MEMBERS, "no-quota", *about, remedy=Remedy.MANUAL)
"""
TOOLS = """
from flotilla.agent.tool import Answer, Arguments, Tool

class Asked(Arguments):
    team: str

class Whom(Answer):
    mail: str

def tools(workplace):
    ask = lambda asked: Whom(mail=f"{asked.team}@{workplace.stack}.example")
    yield Tool("whom_to_ask", "Whom to ask", "Who answers for a team.", Asked, Whom, ask)
    yield Tool("restart", "Restart", "Restarts a team's pods.", Asked, Whom, ask, changes=True)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package with modules and entry points; modules of one test aren't there in the next test."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    known = set(sys.modules)

    def install(group, points, name="acme", **modules):
        for module, text in modules.items():
            (site / f"{module}.py").write_text(text)
        info = site / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = "".join(f"{key} = {value}\n" for key, value in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")

    yield install
    for module in set(sys.modules) - known:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(site)):
            del sys.modules[module]


@pytest.fixture
def own(tmp_path):
    """Write a project with its own extensions, and return its folder."""

    def write(group, points, **modules):
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        table = "".join(f'{key} = "{value}"\n' for key, value in points.items())
        (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\n[project.entry-points."{group}"]\n{table}')
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
        return folder

    return write


def test_workload_uses_a_component_of_an_installed_package(package, tmp_path):
    package(Group.COMPONENTS, {"dashboards": "acme_dashboards:Dashboards"}, acme_dashboards=COMPONENT)
    project = tmp_path / "my-fleet"
    write_project(project, "my-fleet")
    file = project / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text().replace(
        "      # components:", "      components: [{use: dashboards, args: {team: web}}]\n      # components:"
    )
    file.write_text(text)
    from flotilla_project.components.mocks import declared

    found = declared(project, "dev")
    assert found.names("acme:index:Dashboards") == ["nginx-dashboards"]
    notes = [one for one in found.resources if one.type == "kubernetes:core/v1:ConfigMap"]
    assert [one.inputs["data"] for one in notes] == [{"team": "web", "of": "nginx"}]


def stack_with(project, sections, components):
    sections["workloads"][0]["components"] = components
    (project / "stacks").mkdir(exist_ok=True)
    file = project / "stacks" / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": {f"flotilla:{key}": value for key, value in sections.items()}}))
    return file


def test_unknown_component_is_a_problem_of_the_stack_file(project, sections, package):
    package(Group.COMPONENTS, {"dashboards": "acme_dashboards:Dashboards"}, acme_dashboards=COMPONENT)
    file = stack_with(project, sections, ["dashboard"])
    with pytest.raises(ConfigError) as refused:
        load_stack_file(file, base=project)
    (problem,) = refused.value.problems
    assert problem.path == "workloads[0].components[0].use"
    assert "or use one of: dashboards" in problem.remedy


@pytest.mark.parametrize(
    ("components", "text"),
    [
        (["a", {"use": "a"}], "uses 'a' more than once"),
        (["A b"], "must be a DNS label"),
        ([{"use": "a", "with": {}}], "is not a known key"),
        ([3], ""),
    ],
)
def test_components_are_checked_with_the_rest_of_the_stack_file(project, sections, components, text):
    with pytest.raises(ConfigError) as refused:
        load_stack_file(stack_with(project, sections, components), base=project)
    assert text in str(refused.value)


def test_policies_of_a_package_are_applied_together_with_the_projects_own(package, own):
    package(Group.POLICIES, {"acme": "acme_rules:NAMED"}, acme_rules=POLICY)
    project = own(Group.POLICIES, {"mine": "own_rules_of_x:RULES"}, own_rules_of_x="RULES = []\n")
    assert [rule.name for rule in load_rules(project)] == ["named-after-teams"]


def test_two_policies_of_the_same_name_are_refused(package, tmp_path):
    package(Group.POLICIES, {"acme": "acme_rules:TWO"}, acme_rules=POLICY + "\nTWO = [NAMED, NAMED]\n")
    with pytest.raises(FlotillaError, match="2 policies have the name 'named-after-teams'"):
        load_rules(tmp_path)


def member_with(items):
    return Seen("member1", SimpleNamespace(list=lambda *_: items), ())


def test_drift_rule_of_a_package_checks_each_cluster(package, tmp_path):
    package(Group.DRIFT_RULES, {"quota": "acme_drift:quota"}, acme_drift=DRIFT)
    (rule,) = own_rules(tmp_path)
    (found,) = rule.find(member_with([]))
    assert (found.layer, found.rule, found.cluster) == (Layer.MEMBERS, "no-quota", "member1")
    assert rule.find(member_with([{}])) == []
    assert rule.find(Seen("karmada", None, ())) == []


@pytest.mark.parametrize(
    ("body", "text"), [("1/0", "failed: ZeroDivisionError"), ("return [3]", "is not a Finding: int")]
)
def test_failing_drift_rule_is_named_and_the_result_is_not_clean(package, tmp_path, body, text):
    package(Group.DRIFT_RULES, {"bad": "acme_bad:rule"}, acme_bad=f"def rule(seen):\n    {body}\n")
    (rule,) = own_rules(tmp_path)
    with pytest.raises(PluginError, match=text) as error:
        rule.find(member_with([]))
    assert "flotilla.drift_rules 'bad' of acme 1.2" in str(error.value)


def look_of(rules):
    """Return the result of a drift check of one cluster for which nothing is declared."""
    outcome = check._Outcome(time.monotonic() + 60)
    plane = SimpleNamespace(name="host", list=lambda *_: [])
    check._cluster(outcome, Declared(), {"host": plane}, None, "host", rules)
    return outcome


def test_drift_check_has_the_findings_of_rules_and_their_errors(package, tmp_path):
    package(
        Group.DRIFT_RULES,
        {"a": "acme_drift:quota", "b": "acme_bad:rule", "c": "acme_drift:quota"},
        acme_drift=DRIFT,
        acme_bad="def rule(seen):\n    raise KeyError('x')\n",
    )
    outcome = look_of(own_rules(tmp_path))
    assert [finding.rule for finding in outcome.findings] == ["no-quota", "no-quota"], (
        "the others are asked all the same"
    )
    (reason,) = outcome.unknown
    assert reason.startswith("flotilla.drift_rules 'b' of acme 1.2 (acme_bad:rule) failed: KeyError")
    assert look_of(()).findings == []


def test_tool_of_a_package_is_served_checked_and_audited(package, tmp_path):
    package(Group.AGENT_TOOLS, {"acme": "acme_tools:tools"}, acme_tools=TOOLS)
    toolbox = Toolbox(Workplace(tmp_path, "dev"))
    assert toolbox.call("whom_to_ask", {"team": "web"}) == {"mail": "web@dev.example"}
    assert "restart" not in toolbox.tools, "it changes something, and changes are off"
    assert "restart" in Toolbox(Workplace(tmp_path, "dev", allow_changes=True)).tools
    with pytest.raises(FlotillaError, match="team: is required"):
        toolbox.call("whom_to_ask", {})
    lines = (tmp_path / ".flotilla" / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["tool"] for line in lines] == ["whom_to_ask", "whom_to_ask"]


def test_tool_cannot_have_the_name_of_a_built_in_tool(package, tmp_path):
    text = TOOLS.replace('"whom_to_ask"', '"check_drift"')
    package(Group.AGENT_TOOLS, {"acme": "acme_taken:tools"}, acme_taken=text)
    with pytest.raises(PluginError, match="has a tool 'check_drift', but there is already one of that name"):
        Toolbox(Workplace(tmp_path, "dev"))


def test_providers_of_a_projects_own_dynamic_resources_are_found_for_a_destroy(own, monkeypatch):
    """A destroy runs no program, and a project isn't installed, so only its `pyproject.toml` can name its providers."""
    text = "class Note:\n    pass\nPROVIDERS = {'dynamic/x:Note': 'own_notes_of_x:Note'}\n"
    monkeypatch.setattr(dynamic, "_projects", [])
    folder = own(Group.DYNAMIC_PROVIDERS, {"x": "own_notes_of_x:PROVIDERS"}, own_notes_of_x=text)
    dynamic._registered_provider.cache_clear()
    assert dynamic._registered_provider("dynamic/x:Note") is None
    dynamic.register_project(folder)
    assert type(dynamic._registered_provider("dynamic/x:Note")).__name__ == "Note"
    assert type(dynamic._registered_provider("dynamic/flotilla:Rollout")).__name__ == "RolloutProvider"


BROKEN = {
    "missing": ("acme_absent:x", "can't be imported: ModuleNotFoundError"),
    "raising": ("acme_raising:x", "can't be imported: ValueError: no"),
    "ending": ("acme_ending:x", "can't be imported: SystemExit"),
    "without": ("acme_empty:x", "can't be imported: AttributeError"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("group", [Group.POLICIES, Group.DRIFT_RULES, Group.AGENT_TOOLS])
def test_extension_that_cannot_be_imported_is_one_error_with_its_name(package, tmp_path, group, kind):
    value, text = BROKEN[kind]
    modules = {"acme_raising": "raise ValueError('no')", "acme_ending": "exit(3)", "acme_empty": ""}
    package(group, {"bad": value}, **modules)
    ask = {
        Group.POLICIES: lambda: load_rules(tmp_path),
        Group.DRIFT_RULES: lambda: own_rules(tmp_path),
        Group.AGENT_TOOLS: lambda: Toolbox(Workplace(tmp_path, "dev")),
    }
    with pytest.raises(PluginError) as error:
        ask[group]()
    assert error.value.message.startswith(f"{group} 'bad' of acme 1.2 ({value}) {text}")
    assert "uninstall its package" in error.value.hint


@pytest.mark.parametrize("group", [Group.POLICIES, Group.DRIFT_RULES, Group.AGENT_TOOLS])
def test_extension_of_the_wrong_type_is_one_error_with_its_name(package, tmp_path, group):
    package(group, {"bad": "acme_three:x"}, acme_three="x = 3\n")
    ask = {
        Group.POLICIES: lambda: load_rules(tmp_path),
        Group.DRIFT_RULES: lambda: own_rules(tmp_path),
        Group.AGENT_TOOLS: lambda: Toolbox(Workplace(tmp_path, "dev")),
    }
    with pytest.raises(PluginError, match=r"'bad' of acme 1\.2"):
        ask[group]()


def test_same_name_in_two_packages_is_refused_unless_both_mean_the_same_object(package, own):
    package(Group.POLICIES, {"rules": "acme_rules:NAMED"})
    package(Group.POLICIES, {"rules": "other:NAMED"}, name="other")
    with pytest.raises(PluginError, match=r"acme 1.2.*other 1.2|other 1.2.*acme 1.2"):
        plugins(Group.POLICIES)
    project = own(Group.COMPONENTS, {"mine": "mine:x"})
    package(Group.COMPONENTS, {"mine": "mine:x"}, name="x")
    assert list(plugins(Group.COMPONENTS, project)) == ["mine"]


@pytest.mark.parametrize(
    "text", ["[", "[project]\nentry-points = 3\n", '[project.entry-points."flotilla.policies"]\nx = 1\n']
)
def test_unreadable_project_file_is_one_line(stack, project, text, capsys):
    (project / "pyproject.toml").write_text(text)
    with pytest.raises(FlotillaError, match=r"pyproject.toml"):
        plugins(Group.POLICIES, project)
    (project / "stacks" / "Pulumi.dev.yaml").write_text("config:\n  flotilla:policies: {}\n")
    assert main(["policy", "-C", str(project), "-s", "dev"]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
