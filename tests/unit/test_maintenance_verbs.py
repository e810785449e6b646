"""`cordon`, `drain` and `uncordon`: their edits of the stack file, when there is none, and their output."""

import json

import pytest
import yaml

from flotilla.cli import fleet as fleet_verbs
from flotilla.cli import maintenance
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.deploy import rebalance as rebalancing
from flotilla.deploy.declared import Declared
from flotilla.deploy.interface import EngineName
from flotilla.kube.connection import KindNotServed
from flotilla.observe.fleet import FleetStatus
from flotilla.plan.steps import Result
from flotilla.stack.stackfile import read_stack_file
from tests.unit.test_maintenance_plan import cluster_step, placement, rollout

DIGEST = "d" * 32


class Fake:
    """A stack with a fixed plan; it records the content of the stack files that its runs have read."""

    engine = EngineName.EMBEDDED

    def __init__(self, steps, failures=()):
        self.steps, self.failures = steps, list(failures)
        self.previewed, self.done = [], []
        self.setting = None

    def of(self, _engine, setting):
        self.setting = setting
        return self

    def preview(self, **_):
        self.previewed.append(maintained(self.setting.stack_file))
        return Result(steps=list(self.steps), digest=DIGEST)

    def up(self, **_):
        self.done.append(maintained(self.setting.stack_file))
        return Result(steps=list(self.steps), digest=DIGEST, failures=list(self.failures))


def maintained(file):
    """The members' maintenance in a stack file."""
    return [one.get("maintenance") for one in read_stack_file(file)["config"]["flotilla:members"]]


def draining():
    step = rollout(placement("static"), placement("static", "member2"), {"member1": 2, "member2": 2})
    return [cluster_step("member1"), cluster_step("member2", "", "drain"), step]


@pytest.fixture
def file(stack, project, sections):
    sections["workloads"][0]["placement"]["replicas"] = "divided"
    stack(sections)
    return project / "stacks" / "Pulumi.dev.yaml"


@pytest.fixture
def fake(monkeypatch, file):
    made = Fake(draining())
    monkeypatch.setattr(fleet_verbs, "open_stack", made.of)
    monkeypatch.setattr(fleet_verbs, "control_plane_of", lambda *_: None)
    monkeypatch.setattr(fleet_verbs, "fleet_status", lambda _: FleetStatus((), (), {}))
    return made


@pytest.fixture
def run(project, fake, capsys):
    def verb(*words):
        code = main([*words, "-C", str(project), "-s", "dev", "--engine", "embedded"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return verb


def test_drain_is_planned_with_the_changed_file_and_then_written(run, fake, file):
    code, out, _ = run("drain", "member2", "--reason", "new kernel", "--until", "2026-12-01", "--yes")
    wanted = {"mode": "drain", "reason": "new kernel", "until": "2026-12-01"}
    assert code == ExitCode.DONE
    assert fake.previewed == [[None, wanted]]
    assert fake.done == [[None, wanted]] == [maintained(file)]
    assert "web: 2 replicas move from member2 to member1" in out


def test_preview_and_a_refused_confirmation_leave_the_file_unchanged(run, fake, file):
    before = file.read_text()
    code, out, _ = run("drain", "member2", "--preview-only")
    assert (code, "maintenance" in out) == (ExitCode.DONE, True)
    code, _, said = run("drain", "member2")
    assert code == ExitCode.USAGE
    assert "give --yes; nothing was changed" in said
    assert (file.read_text(), fake.done, len(fake.previewed)) == (before, [], 2)


def test_plan_confirmed_by_its_digest_is_applied_by_the_same_verb(run, fake, file):
    code, _, said = run("drain", "member2", "--plan", "e" * 32)
    assert code == ExitCode.FAILED
    assert "nothing was changed" in said
    assert maintained(file) == [None, None]
    assert run("drain", "member2", "--plan", DIGEST)[0] == ExitCode.DONE
    assert maintained(file) == [None, "drain"]


def test_guard_names_the_verb_that_confirms_its_plan(run, stack, sections, file, monkeypatch):
    sections["policies"] = {"guards": {"maxClusters": 1}}
    stack(sections)
    code, _, said = run("drain", "member2", "--reason", "new kernel", "--yes")
    assert code == ExitCode.REFUSED
    assert "flotilla drain member2 --reason 'new kernel' --stack dev" in said
    assert f"--plan {DIGEST}" in said
    assert maintained(file) == [None, None]


def test_failed_run_leaves_the_declaration_for_the_next_up(run, fake, file):
    fake.failures = ["nginx is not healthy"]
    code, _, said = run("drain", "member2", "--yes")
    assert code == ExitCode.FAILED
    assert "run `flotilla up` again to go on from here" in said
    assert maintained(file) == [None, "drain"]


def test_uncordon_removes_the_key(run, file):
    before = file.read_text()
    run("cordon", "member2", "--yes")
    assert maintained(file) == [None, "cordon"]
    run("uncordon", "member2", "--yes")
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(before)


def test_settings_that_are_not_given_again_are_kept(run, file):
    run("drain", "member2", "--reason", "new kernel", "--remove-duplicated", "--yes")
    run("drain", "member2", "--until", "2026-12-01", "--yes")
    assert maintained(file)[1] == {
        "mode": "drain", "reason": "new kernel", "until": "2026-12-01", "duplicated": "remove"
    }  # fmt: skip


@pytest.mark.parametrize("verb", ["cordon", "drain"])
def test_maintenance_that_is_declared_already_is_one_line(run, fake, verb):
    run(verb, "member2", "--yes")
    done = len(fake.previewed)
    code, out, _ = run(verb, "member2", "--yes")
    assert code == ExitCode.DONE
    assert out == f"member2 has this maintenance in the stack file already ({verb}); nothing was changed\n"
    assert len(fake.previewed) == done


@pytest.mark.parametrize("verb", ["cordon", "drain", "uncordon"])
def test_an_unknown_member_is_one_line(run, file, verb):
    code, _, said = run(verb, "member9")
    assert code == ExitCode.USAGE
    assert "stack dev has no member 'member9'; nothing was changed" in said
    assert "it has member1, member2" in said
    assert maintained(file) == [None, None]


def test_drain_that_leaves_no_cluster_is_refused_with_the_stack_file(run, fake, file):
    run("drain", "member1", "--yes")
    code, _, said = run("drain", "member2", "--yes")
    assert code == ExitCode.USAGE
    assert "stacks/Pulumi.dev.yaml with this change has 1 problem" in said
    assert "every member is drained (member1, member2)" in said
    assert maintained(file) == ["drain", None]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["drain", "member2", "--until", "soon"], "is not a day: write YYYY-MM-DD"),
        (["drain", "member2", "--reason", "a\nb"], "plans show it in one line"),
        (["cordon", "member2", "--reason", "x" * 300], "at most 200 characters"),
        (["cordon"], "MEMBER"),
    ],
)
def test_invalid_arguments_are_one_line_and_change_nothing(run, file, words, said):
    code, _, error = run(*words)
    assert code == ExitCode.USAGE
    assert said in error
    assert "Traceback" not in error
    assert maintained(file) == [None, None]


def test_members_written_as_json_are_not_edited(run, file, sections):
    document = yaml.safe_load(file.read_text())
    document["config"]["flotilla:members"] = json.dumps(sections["members"])
    file.write_text(yaml.safe_dump(document))
    code, _, said = run("drain", "member2", "--yes")
    assert code == ExitCode.USAGE
    assert "Pulumi.dev.yaml is written in a form in which Flotilla can't set `maintenance` of member2" in said


def test_cordon_of_somebody_else_is_reported_and_kept(run, monkeypatch):
    class Plane:
        def find(self, _):
            return {"spec": {"taints": [{"key": "cluster.karmada.io/unschedulable", "effect": "NoSchedule"}]}}

    monkeypatch.setattr(maintenance, "control_plane_of", lambda *_: Plane())
    code, out, _ = run("uncordon", "member2")
    assert code == ExitCode.DONE
    assert "`karmadactl uncordon member2` ends that; nothing was changed" in out.replace("\n", " ")


# -- rebalancing -------------------------------------------------------------------------------------------------------


class Rebalancing:
    """A control plane that has rebalanced at the second look, or never."""

    def __init__(self, results=(), served=True):
        self.results, self.served = list(results), served
        self.made, self.deleted, self.looks = [], [], 0

    def create(self, obj, **_):
        if not self.served:
            raise KindNotServed("no", status=404)
        self.made.append(obj)
        return {**obj, "metadata": {"name": "flotilla-uncordon-member2-x"}}

    def get(self, ref):
        self.looks += 1
        status = {"observedWorkloads": self.results} if self.looks > 1 else {}
        return {"metadata": {"name": ref.name}, "status": status}

    def delete(self, ref, **_):
        self.deleted.append(ref.name)


def observed(result, **more):
    return {"workload": {"kind": "Deployment", "namespace": "default", "name": "web"}, "result": result, **more}


@pytest.fixture
def rebalanced(monkeypatch):
    def with_plane(plane):
        class Check:
            objects = (
                {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}},
            )

        monkeypatch.setattr(rebalancing, "open_stack", lambda *_: type("S", (), {"snapshot": lambda _: None})())
        monkeypatch.setattr(rebalancing, "declared", lambda _: Declared(rollouts={"web": Check(), "other": Check()}))
        monkeypatch.setattr(rebalancing, "control_plane_of", lambda *_: plane)
        monkeypatch.setattr(rebalancing, "_POLL_SECONDS", 0.0)
        return rebalancing.rebalance(None, EngineName.EMBEDDED, "member2", ["web"])

    return with_plane


def test_rebalancer_is_created_for_replicas_that_stay_away_and_deleted_when_done(rebalanced):
    plane = Rebalancing([observed("Successful")])
    (said,) = rebalanced(plane)
    assert said.startswith("Karmada divides again: Deployment default/web")
    assert plane.made[0]["spec"]["workloads"] == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "default"}
    ]
    assert plane.deleted == ["flotilla-uncordon-member2-x"]


def test_failure_of_a_rebalancer_is_reported(rebalanced):
    (said,) = rebalanced(Rebalancing([observed("Failed", reason="ReferencedBindingNotFound")]))
    assert said == "Deployment default/web: not divided again: ReferencedBindingNotFound"
    assert "no WorkloadRebalancer" in rebalanced(Rebalancing(served=False))[0]


def test_rebalancer_that_no_controller_serves_is_not_waited_for_without_end(rebalanced, monkeypatch):
    monkeypatch.setattr(rebalancing, "_SECONDS", 0.05)
    plane = Rebalancing([])
    assert "has not divided web again" in rebalanced(plane)[0]
    assert plane.deleted
