"""Plans that guards refuse: in the command, in `drift --fix`, in reports and in the tools for agents."""

import json

import pytest

from flotilla import agent
from flotilla.agent import Workplace, changing
from flotilla.agent.judging import plan_answer
from flotilla.agent.planning import Planned
from flotilla.agent.tool import PagedArguments, Refused
from flotilla.cli import drift, fleet
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.deploy.interface import EngineName
from flotilla.plan.steps import Op, Result, Step
from flotilla.policy.guards import GUARDS
from flotilla.report.build import plan_report
from flotilla.stack.policies import Guards
from tests.unit.test_guards import BY_LABEL, DELETIONS, NOW, TEN, member, planned, ran, verdicts_of, workload

DIGEST = "d" * 32


class Fake:
    """A stack whose plan removes a workload from ten clusters."""

    engine = EngineName.EMBEDDED

    def __init__(self):
        self.done = []

    def preview(self, **_):
        steps = DELETIONS["the label of a placement is mistyped"][0]
        return Result(steps=list(steps), digest=DIGEST)

    def up(self, **given):
        self.done.append(("up", (given.get("plan") or Result()).digest))
        return Result()

    def destroy(self, *, targets=(), preview_only=False, plan=None):
        if not preview_only:
            self.done.append(("destroy", plan.digest))
        steps = [*(member(name, after=None) for name in TEN), workload("web", BY_LABEL, None, ran(*TEN))]
        return Result(steps=steps, digest=DIGEST)


@pytest.fixture
def fake(monkeypatch):
    made = Fake()
    for module in (fleet, drift):
        monkeypatch.setattr(module, "open_stack", lambda *_: made)
    return made


@pytest.fixture
def run_fake(stack, project, fake, capsys):
    """Run a verb on the fake stack; return its exit code, its output and its error output."""

    def run(verb, *words):
        code = main([verb, "-C", str(project), "-s", "dev", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_plan_and_its_document_begin_with_the_blast_radius(run_fake):
    code, out, _ = run_fake("preview")
    assert code == ExitCode.REFUSED
    assert out.splitlines()[1] == "copies: 10 removed; 10 clusters touched"
    code, document, _ = run_fake("preview", "--json")
    assert json.loads(document)["blastRadius"] == {
        "copies": {
            "added": 0, "changed": 0, "reduced": 0, "removed": 10, "kept": 0, "mayBeAdded": 0, "mayBeRemoved": 0
        },
        "clusters": list(TEN),
        "members": {"join": [], "leave": []},
        "podsRestarted": {"least": 0, "most": 0, "uncounted": 0},
    }  # fmt: skip


def test_guarded_plan_is_applied_only_with_its_digest(run_fake, fake, project):
    code, _, said = run_fake("preview")
    assert code == ExitCode.REFUSED
    (line,) = [line for line in said.splitlines() if "emptied" in line]
    assert line.startswith("error: policy emptied: web: its placement chooses no cluster any more; it runs in m0, m1")
    assert f"to confirm this plan: flotilla up --stack dev -C {project} --plan {DIGEST}" in said
    code, _, _ = run_fake("up", "--yes", "--json")
    assert (code, fake.done) == (ExitCode.REFUSED, [])
    code, _, _ = run_fake("up", "--json", "--plan", "e" * 32)
    assert (code, fake.done) == (ExitCode.REFUSED, [])
    code, _, said = run_fake("up", "--json", "--plan", DIGEST.upper())
    assert (code, fake.done) == (ExitCode.DONE, [("up", DIGEST)])
    assert "advice: policy emptied: web" in said


def test_document_of_a_refusal_has_the_verdicts_of_the_guards(run_fake):
    code, document, _ = run_fake("up", "--json")
    body = json.loads(document)
    assert (code, body["error"]["kind"]) == (ExitCode.REFUSED, "refused")
    assert [(v["rule"], v["resource"], v["confirmable"]) for v in body["verdicts"]] == [("emptied", "web", True)]
    assert f"--plan {DIGEST}" in body["error"]["hint"]


def test_policy_violation_cannot_be_confirmed_by_a_digest(run_fake, stack, sections, repository, project):
    rules = project / "policies" / "rules"
    rules.mkdir(parents=True)
    (rules / "__init__.py").write_text(
        "from flotilla.policy.model import Rule\n"
        "RULES = (Rule('never', 'a', 'b', lambda view: view.resources[:1], lambda one, view: ['no'], always=True),)\n"
    )
    code, _, said = run_fake("up", "--json", "--plan", DIGEST)
    assert code == ExitCode.REFUSED
    assert "policy never" in said
    assert "to confirm this plan" not in said


def test_freeze_blocks_up_but_not_preview(run_fake, stack, sections, fake, project):
    """Regression: the preview of a pull request failed all weekend, for a change that was to be applied on Monday."""
    always = {"from": "2020-01-01", "until": "2999-12-31", "reason": "ticket 7"}
    stack({**sections, "policies": {"guards": {"freeze": [always]}, "levels": {"emptied": "disabled"}}})
    code, _, said = run_fake("preview")
    assert code == ExitCode.DONE
    assert "advice: policy freeze: stack: no changes until Wed 3000-01-01 00:00 UTC (ticket 7); wait" in said
    code, _, said = run_fake("up", "--yes")
    assert (code, fake.done) == (ExitCode.REFUSED, [])
    assert f"flotilla up --stack dev -C {project} --plan {DIGEST}" in said
    assert run_fake("up", "--json", "--plan", DIGEST)[0] == ExitCode.DONE


def test_a_destroy_in_production_needs_its_digest(run_fake, stack, sections, fake, project):
    """Regression: the wrong stack's name with --yes deleted a production fleet."""
    stack({**sections, "policies": {"environment": "production"}})
    code, _, said = run_fake("destroy", "--yes")
    assert (code, fake.done) == (ExitCode.REFUSED, [])
    assert "policy max-removed-share: web: is removed from 10 of the 10 clusters" in said
    assert f"flotilla destroy --stack dev -C {project} --plan {DIGEST}" in said
    assert run_fake("destroy", "--json", "--plan", DIGEST)[0] == ExitCode.DONE
    assert fake.done == [("destroy", DIGEST)]


def test_destroy_in_development_asks_for_confirmation(run_fake, fake):
    assert run_fake("destroy", "--json", "--yes")[0] == ExitCode.DONE
    assert fake.done == [("destroy", DIGEST)]


def test_drift_fix_is_guarded(run_fake, fake, monkeypatch):
    """`drift --fix` applies the stack file as it is. Regression: a mistyped label was applied."""

    class Report:
        findings = (type("F", (), {"remedy": drift.Remedy.UP}),)
        unknown = ()

        def to_json(self):
            return {}

    monkeypatch.setattr(drift, "check_stack", lambda *_: Report())
    code, _, said = run_fake("drift", "--fix", "--yes", "--json")
    assert (code, fake.done) == (ExitCode.REFUSED, [])
    assert "policy emptied: web" in said
    monkeypatch.setattr(drift, "refuse_violations", lambda *_, **__: None)
    run_fake("drift", "--fix", "--yes", "--json")
    assert fake.done == [("up", DIGEST)], "what is done is the plan that guards have judged"


def test_confirming_command_has_all_options_that_the_digest_depends_on(run_fake, project, monkeypatch, capsys):
    """Regression: without `-C`, the command looked for the stack in the shell's current folder."""
    _, _, said = run_fake("preview", "--engine", "embedded", "--refresh", "--target", "*web*", "--adopt", "web")
    more = "--engine embedded --refresh --target '*web*' --adopt web"
    assert f"flotilla up --stack dev -C {project} {more} --plan {DIGEST}" in said
    monkeypatch.chdir(project)
    main(["preview", "-s", "dev"])
    assert f"flotilla up --stack dev --plan {DIGEST}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "given"), [((), False), (("--allow-guarded",), False), (("--allow-changes",), False)]
)
def test_digest_of_an_agent_confirms_only_if_confirmation_is_allowed(stack, project, monkeypatch, words, given):
    made = []
    monkeypatch.setattr(agent, "Workplace", lambda *a, **k: made.append(k) or Workplace(*a, **k))
    for more, expected in ((words, given), (("--allow-changes", "--allow-guarded"), True)):
        assert main(["mcp", "--schemas", "-C", str(project), "-s", "dev", *more]) == ExitCode.DONE
        assert made.pop()["allow_guarded"] is expected


def test_changing_tool_refuses_a_guarded_plan_and_says_who_can_confirm_it(project, monkeypatch):
    asked = []

    def plan(workplace, _edit, *, applying=False):
        asked.append(applying)
        found = planned(*DELETIONS["a list of workloads is empty"][0])
        return Planned(Result(digest=DIGEST), verdicts_of(found), "", allow_guarded=workplace.allow_guarded)

    monkeypatch.setattr(changing, "planned", plan)
    monkeypatch.setattr(changing.Changing, "_do", lambda *_: "done")
    careful = changing.Changing(Workplace(project, "dev", allow_changes=True))
    with pytest.raises(Refused, match="this plan is refused, so nothing was changed: max-removals: stack") as caught:
        careful._carry_out(None, DIGEST)
    assert "a person can confirm it" in caught.value.hint
    trusted = changing.Changing(Workplace(project, "dev", allow_changes=True, allow_guarded=True))
    assert trusted._carry_out(None, DIGEST) == "done"
    assert asked == [True, True], "a freeze holds for what is carried out"


def test_every_guard_and_its_setting_are_in_the_reference(repository):
    text = (repository / "docs" / "reference" / "policies.md").read_text()
    assert [guard.name for guard in GUARDS if f"| `{guard.name}` |" not in text] == []
    keys = (repository / "docs" / "reference" / "stack-file.md").read_text()
    assert [f.alias for f in Guards.model_fields.values() if f"| `{f.alias}` |" not in keys] == []


def test_agents_plan_and_report_have_the_blast_radius():
    plan, result = planned(*DELETIONS["a list of workloads is empty"][0]), Result(digest=DIGEST)
    reach = "copies: 12 removed; 10 clusters touched"
    page = plan_report(plan, result, stack="dev", engine="embedded", verdicts=verdicts_of(plan), now=NOW)
    assert page.subtitle.endswith(f"; {reach}")
    one = Step(Op.DELETE, "urn:pulumi:s::p::t::n", "t")
    found = Planned(Result(steps=[one], digest=DIGEST), verdicts_of(plan), "")
    found.__dict__["plan"] = plan
    answer = plan_answer(found, PagedArguments(), enabled=True)
    assert answer.blast_radius == reach
    assert answer.next_step.startswith("ask a person: only guards refuse the plan")
    assert len(answer.refused_by) == 3


def test_agent_gets_no_digest_of_a_guarded_plan():
    plan = planned(*DELETIONS["a list of workloads is empty"][0])
    result = Result(digest=DIGEST)
    careful = Planned(result, verdicts_of(plan), "")
    assert len(careful.refusals) == 3
    assert careful.needs_a_person
    assert careful.advice == []
    trusted = Planned(result, verdicts_of(plan), "", allow_guarded=True)
    assert (trusted.refusals, trusted.needs_a_person) == ([], False)
    assert len(trusted.advice) == 3
