"""A failed resource stops only what depends on it.

Independent resources are done, and nothing is deleted for a failure.
"""

import asyncio

import pulumi
import pytest
import yaml

from flotilla.engine.deployment import Deployment
from flotilla.engine.removal import delete_all, delete_unregistered
from flotilla.engine.run_state import Options
from flotilla.engine.stack import EmbeddedStack
from flotilla.kube.wire import ApiError, Unreachable
from flotilla.plan.steps import Op, Step
from flotilla.state.checkpoint import Operation, ResourceState, Snapshot
from flotilla.state.config import Project
from tests.conformance.file_resource import FileProvider, FileResource, Group


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """Create a stack from a function; `files` is the folder of its resources."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "abc")
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "p", "runtime": "python"}))
    (tmp_path / "files").mkdir()

    def make(program):
        return EmbeddedStack(Project.load(tmp_path), "test", tmp_path, program=lambda: program(tmp_path / "files"))

    return make


def files(tmp_path):
    return sorted(file.stem for file in (tmp_path / "files").iterdir())


def declare(folder, name, value="1", **options):
    return FileResource(name, {"folder": str(folder), "value": value}, pulumi.ResourceOptions(**options))


def test_only_dependents_of_a_failed_resource_are_not_created(stack, tmp_path):
    def program(folder):
        bad = declare(folder, "bad", "fail")
        declare(folder, "after", depends_on=[bad])
        FileResource("fed", {"folder": str(folder), "value": bad.path})
        declare(folder, "other")
        pulumi.export("path", bad.path)
        pulumi.export("fine", "yes")

    result = stack(program).up()
    assert files(tmp_path) == ["other"]
    assert len(result.failures) == 1
    assert "bad can't be written" in result.failures[0]


def test_resource_that_is_registered_long_after_a_failure_is_created(stack, tmp_path):
    """A resource that waits for the failed one must not end the program while others are still to be registered."""

    def program(folder):
        bad = declare(folder, "bad", "fail")
        declare(folder, "after", depends_on=[bad])

        async def late(_value):
            await asyncio.sleep(1)
            return "late"

        value = pulumi.Output.from_input(1).apply(late)
        one = FileResource("one", {"folder": str(folder), "value": value})
        declare(folder, "two", depends_on=[one])

    result = stack(program).up()
    assert files(tmp_path) == ["one", "two"]
    assert len(result.failures) == 1


def test_removed_resource_is_deleted_although_another_one_failed(stack, tmp_path):
    def first(folder):
        declare(folder, "one")
        declare(folder, "old")

    def second(folder):
        declare(folder, "one", "fail")

    assert not stack(first).up().failures
    result = stack(second).up()
    assert len(result.failures) == 1
    assert files(tmp_path) == ["one"]
    assert not stack(lambda folder: declare(folder, "one", "2")).up().failures


def test_resource_that_was_not_registered_because_of_a_failure_is_not_deleted(stack, tmp_path):
    def program(value):
        def declared(folder):
            group = Group("group")
            one = declare(folder, "one", value, parent=group)
            declare(folder, "two", parent=group, depends_on=[one])
            three = declare(folder, "three", parent=group)
            declare(folder, "beside", depends_on=[one])
            declare(folder, "new", depends_on=[one, three])

        return declared

    assert not stack(program("1")).up().failures
    assert len(stack(program("fail")).up().failures) == 1
    assert files(tmp_path) == ["beside", "new", "one", "three", "two"]
    assert stack(program("2")).up().failures == []
    assert stack(program("2")).preview().changes == []


def test_new_dependency_that_fails_does_not_delete_its_dependent(stack, tmp_path):
    """The dependency isn't in the state yet; only the component shows that its other resource wasn't registered."""

    def first(folder):
        group = Group("group")
        declare(folder, "part", parent=group)

    def second(folder):
        group = Group("group")
        bad = declare(folder, "bad", "fail", parent=group)
        declare(folder, "part", parent=group, depends_on=[bad])

    assert not stack(first).up().failures
    assert stack(second).up().failures
    assert files(tmp_path) == ["part"]


def test_failed_program_deletes_nothing(stack, tmp_path):
    def broken(folder):
        declare(folder, "bad", "fail")
        raise ValueError("the program's own mistake")

    assert not stack(lambda folder: declare(folder, "one")).up().failures
    assert any("own mistake" in failure for failure in stack(broken).up().failures)
    assert "one" in files(tmp_path)


def test_destroy_continues_after_a_failed_deletion(stack, tmp_path, monkeypatch):
    def program(folder):
        one = declare(folder, "one")
        declare(folder, "two", depends_on=[one])
        declare(folder, "three")

    assert not stack(program).up().failures

    def refuse(self, id_, props):
        if id_ == "two":
            raise ValueError("two stays")
        (tmp_path / "files" / f"{id_}.json").unlink(missing_ok=True)

    monkeypatch.setattr("tests.conformance.file_resource.FileProvider.delete", refuse)
    result = stack(program).destroy()
    assert len(result.failures) == 1
    assert files(tmp_path) == ["one", "two"]  # two needs one
    monkeypatch.undo()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "abc")
    assert not stack(program).destroy().failures
    assert files(tmp_path) == []


# -- clusters that don't answer, without real clusters ----------------------------------------------

PROVIDER = "urn:pulumi:s::p::pulumi:providers:kubernetes::member1-provider"


def resource(name, **more):
    return ResourceState(urn=f"urn:pulumi:s::p::kubernetes:core/v1:ConfigMap::{name}", custom=True, type="t", **more)


def deployment(*resources, pending=(), dry_run=False):
    return Deployment("s", "p", Snapshot(resources, pending), Options(dry_run=dry_run))


def unreachable():
    return Unreachable("member1: no answer from https://one: timed out", status=0)


def test_cluster_that_does_not_answer_is_asked_and_reported_once():
    run = deployment()
    asked = []

    def ask():
        asked.append(1)
        raise unreachable()

    for name in ("one", "two", "three"):
        step = Step(Op.UPDATE, f"urn:pulumi:s::p::t::{name}", "t", f"{PROVIDER}::id")
        with pytest.raises(Exception, match=name):
            run.run(step, None, ask)
    run.close()
    assert len(asked) == 1
    assert run.result.unknown == {"member1": "member1: no answer from https://one: timed out"}
    (line,) = run.result.failures
    assert "3 of its resources are left as the state has them" in line
    assert "flotilla abandon member1" in line


@pytest.mark.parametrize(
    ("error", "forgotten"),
    [
        (ApiError("invalid", status=422, reason="Invalid"), True),
        (ApiError("forbidden", status=403, reason="Forbidden"), True),
        (ApiError("login page", status=403), False),
        (ApiError("unauthorized", status=401, reason="Unauthorized"), False),
        (ApiError("internal", status=500, reason="InternalError"), False),
        (ApiError("unavailable", status=503), False),
        (unreachable(), False),
    ],
)
def test_pending_creation_is_removed_only_if_the_api_server_refused_it(error, forgotten):
    run = deployment()
    begun = resource("one", outputs={"__fieldManager": "m"}, provider=f"{PROVIDER}::id")
    error.nothing_done = error.refused

    def create():
        raise error

    step = Step(Op.CREATE, begun.urn, "t", begun.provider)
    with pytest.raises(Exception, match="one"):
        run.run(step, Operation(begun, "creating"), create)
    assert (run.snapshot().pending == ()) is forgotten


def test_dependency_of_a_remaining_resource_is_not_deleted():
    provider = ResourceState(urn=PROVIDER, custom=True, type="pulumi:providers:kubernetes", id="id")
    left = resource("left", provider=f"{PROVIDER}::id")
    run = deployment(provider, left, dry_run=True)
    run.failed.add(left.urn)
    delete_unregistered(run)
    assert run.result.steps == []
    run = deployment(provider, left, dry_run=True)
    delete_all(run, [provider, left], [])
    assert [step.name for step in run.result.steps] == ["left", "member1-provider"]


# -- resources that a failure must not delete -------------------------------------------------------


def test_failing_renamed_resource_is_not_deleted_under_its_former_name(stack, tmp_path):
    def first(folder):
        declare(folder, "one")
        declare(folder, "part", parent=Group("group"))

    def second(folder):
        one = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="one")])
        FileResource("uno", {"folder": str(folder), "name": "one", "value": "fail"}, one)
        moved = Group("crowd", pulumi.ResourceOptions(aliases=[pulumi.Alias(name="group")]))
        declare(folder, "part", "fail", parent=moved)

    assert not stack(first).up().failures
    assert len(stack(second).up().failures) == 2
    assert files(tmp_path) == ["one", "part"]
    kept = [r.name for r in stack(second).snapshot().resources if r.type.endswith("File")]
    assert sorted(kept) == ["one", "part"], "in whichever order they were made"


def test_replaced_resource_is_kept_if_its_replacement_fails(stack, tmp_path):
    def program(name, value):
        def declared(folder):
            one = FileResource("one", {"folder": str(folder), "name": name, "value": value})
            declare(folder, "after", depends_on=[one])

        return declared

    assert not stack(program("one", "1")).up().failures
    assert len(stack(program("other", "fail")).up().failures) == 1
    assert files(tmp_path) == ["after", "one"]
    assert len(stack(program("other", "fail")).up().failures) == 1
    assert files(tmp_path) == ["after", "one"]
    assert stack(program("other", "2")).up().failures == []
    assert files(tmp_path) == ["after", "other"]
    assert stack(program("other", "2")).preview().changes == []


def test_new_dependent_of_a_failed_resource_in_another_component_is_not_deleted(stack, tmp_path):
    """Neither the state nor a component connects the two resources.

    Only the registration by the program shows the dependency.
    """

    def first(folder):
        declare(folder, "alone")
        declare(folder, "part", parent=Group("group"))
        declare(folder, "gone")

    def second(folder):
        bad = declare(folder, "bad", "fail")
        declare(folder, "alone", depends_on=[bad])
        renamed = Group("crowd", pulumi.ResourceOptions(aliases=[pulumi.Alias(name="group")]))
        declare(folder, "part", parent=renamed, depends_on=[bad])

    assert not stack(first).up().failures
    assert len(stack(second).up().failures) == 1
    assert files(tmp_path) == ["alone", "part"]


def test_dependent_of_a_resource_whose_replacement_failed_is_kept(stack, tmp_path, monkeypatch):
    """The dependent would be deleted before the replacement.

    As it isn't deleted, the replaced resource has failed, too.
    """

    def program(fixed):
        def declared(folder):
            one = FileResource("one", {"folder": str(folder), "fixed": fixed, "value": "1"})
            FileResource("bound", {"folder": str(folder), "fixed": one.fixed, "value": "1"})
            declare(folder, "after", depends_on=[one])

        return declared

    def refuse(self, id_, props):
        if id_ == "bound":
            raise ValueError("bound stays")
        (tmp_path / "files" / f"{id_}.json").unlink(missing_ok=True)

    assert not stack(program("a")).up().failures
    monkeypatch.setattr("tests.conformance.file_resource.FileProvider.delete", refuse)
    assert len(stack(program("b")).up().failures) == 1
    assert files(tmp_path) == ["after", "bound", "one"]


# -- former names -----------------------------------------------------------------------------------


def test_resource_whose_name_is_a_former_name_of_another_is_deleted_and_not_forgotten(stack, tmp_path):
    """A name can be used again while the resource that had it before still lists it as an alias."""

    def declared(*names):
        def program(folder):
            for name in names:
                aliases = [pulumi.Alias(name="old")] if name == "new" else []
                declare(folder, name, aliases=aliases)

        return program

    assert not stack(declared("new")).up().failures
    assert not stack(declared("old", "new")).up().failures
    assert files(tmp_path) == ["new", "old"]
    assert not stack(declared("new")).up().failures
    assert files(tmp_path) == ["new"]


def test_one_state_entry_cannot_be_two_resources(stack, tmp_path):
    def second(folder):
        renamed = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="one")])
        uno = FileResource("uno", {"folder": str(folder), "name": "one", "value": "1"}, renamed)
        declare(folder, "one", "2", depends_on=[uno])

    assert not stack(lambda folder: declare(folder, "one")).up().failures
    (failure,) = stack(second).up().failures
    assert "which had this name before" in failure
    assert files(tmp_path) == ["one"]
    assert [r.name for r in stack(second).snapshot().resources if r.type.endswith("File")] == ["uno"]


def test_unreachable_cluster_of_a_dynamic_resource_does_not_block_other_dynamic_resources(stack, tmp_path, monkeypatch):
    """All dynamic resources have the same provider, whichever cluster each of them connects to."""
    usual = FileProvider.create

    def create(self, props):
        if props["name"] == "silent":
            raise unreachable()
        return usual(self, props)

    monkeypatch.setattr(FileProvider, "create", create)

    def program(folder):
        declare(folder, "silent")
        later = pulumi.Output.from_input(0.5).apply(asyncio.sleep).apply(lambda _: "1")
        FileResource("other", {"folder": str(folder), "value": later})

    result = stack(program).up()
    assert files(tmp_path) == ["other"]
    (failure,) = result.failures
    assert "silent" in failure
    assert "abandon default" not in failure
    assert result.unknown == {}
