"""State files that are empty, broken or of another stack are refused by every verb, with the newest valid backup."""

import errno
import gzip
import json
import os
from contextlib import suppress

import pytest

from flotilla.cli.main import main
from flotilla.engine.stack import EmbeddedStack
from flotilla.errors import EngineError
from flotilla.state import backend, compression
from flotilla.state.backend import StackFiles, open_copy, open_stack
from flotilla.state.backups import KEPT
from flotilla.state.checkpoint import Encoder, ResourceState, Snapshot
from flotilla.state.config import Project
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.reading import StateError, parse
from flotilla.state.values import Secret
from tests.conformance.file_resource import FileResource

URN = "urn:pulumi:test::unit::t::"


def document(*resources, **more):
    latest = {"resources": list(resources)}
    return {"version": 3, "checkpoint": {"stack": "organization/unit/test", "latest": latest}, **more}


def entry(name="one", **more):
    return {"urn": f"{URN}{name}", "type": "t", "custom": True, **more}


def text_of(*names, secret=""):
    resources = tuple(
        ResourceState(urn=f"{URN}{n}", custom=True, type="t", id=n, inputs={"s": Secret(secret)}) for n in names
    )
    return Encoder(PassphraseCrypter("unit"), "organization/unit/test").encode(Snapshot(resources))


GOOD = json.dumps(document(entry()))
BROKEN = {
    "is empty": b"",
    "is empty ": b" \n",
    "ends in the middle": GOOD[:-20].encode(),
    "is not JSON": b"version: 3\n",
    "is not UTF-8 (byte 1)": b'"\xff\xfe"',
    "holds a list, not an object": b"[]",
    "holds a number, not an object": b"7",
    "holds nothing, not an object": b"null",
    "NaN is not a number": b'{"version": NaN}',
    "nested too deeply": b"[" * 200_000,
    "has checkpoint version None": b"{}",
    "has checkpoint version 4": json.dumps(document(version=4)).encode(),
    "has checkpoint version 2": json.dumps(document(version=2)).encode(),
    "has checkpoint version True": json.dumps(document(version=True)).encode(),
    "has no checkpoint in it": b'{"version": 3}',
    "is the state of another stack: 'organization/unit/other'": json.dumps(
        {"version": 3, "checkpoint": {"stack": "organization/unit/other"}}
    ).encode(),
    "is the state of another stack: 'organization/other/test'": json.dumps(
        {"version": 3, "checkpoint": {"stack": "organization/other/test"}}
    ).encode(),
    "resources is an object, not a list": b'{"version": 3, "checkpoint": {"latest": {"resources": {"a": 1}}}}',
    "resources[0] is a text, not an object": json.dumps(document("x")).encode(),
    "resources[0].urn is nothing": json.dumps(document({"type": "t"})).encode(),
    "resources[0].inputs is a list": json.dumps(document(entry(inputs=[]))).encode(),
    "resources[0].delete is a text": json.dumps(document(entry(delete="no"))).encode(),
    "resources[0].dependencies[] is a number": json.dumps(document(entry(dependencies=[1]))).encode(),
    "resources[0] has an invalid URN": json.dumps(document({"urn": "x", "type": "t"})).encode(),
    "holds a resource of another stack": json.dumps(
        document({"urn": "urn:pulumi:other::unit::t::a", "type": "t"})
    ).encode(),
    "holds a resource twice": json.dumps(document(entry(), entry())).encode(),
    "is out of order": json.dumps(document(entry("a", dependencies=[f"{URN}b"]), entry("b"))).encode(),
    "has a salt that is not valid": json.dumps(
        {
            "version": 3,
            "checkpoint": {"latest": {"secrets_providers": {"type": "passphrase", "state": {"salt": "v1:x"}}}},
        }
    ).encode(),
    "has a part that can't be read": json.dumps(
        document(entry(inputs={"s": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}}))
    ).encode(),
}


@pytest.fixture
def files(state_folder):
    made = StackFiles(state_folder, "unit", "test")
    made.checkpoint.parent.mkdir(parents=True)
    return made


@pytest.fixture
def stack(files, tmp_path):
    def program():
        FileResource("one", {"folder": str(tmp_path / "files"), "value": "1"})

    return EmbeddedStack(Project.load(tmp_path), "test", tmp_path, program=program)


def snapshot_of_folder(files):
    return {f.relative_to(files.root): f.read_bytes() for f in files.root.rglob("*") if f.is_file()}


@pytest.mark.parametrize(("said", "content"), BROKEN.items(), ids=list(BROKEN))
def test_invalid_state_file_is_refused_with_the_newest_valid_backup(files, said, content):
    files.backups.mkdir(parents=True)
    good, broken = files.backups / "test.1.json", files.backups / "test.2.json"
    good.write_text(GOOD)
    broken.write_bytes(b"")
    os.utime(good, (1, 1))
    files.checkpoint.write_bytes(content)
    with pytest.raises(EngineError) as refused:
        open_stack(files, "unit", None)
    message = refused.value.message
    assert said.strip() in message
    assert f"{files.checkpoint} " in message
    assert f"the newest good backup is {good} (1 resource, of 1970-01-01T00:00:01Z)" in message
    assert "\n" not in message
    assert "flotilla state restore -s test" in refused.value.hint


@pytest.mark.parametrize("verb", ["preview", "up", "refresh", "destroy", "snapshot", "remove"])
@pytest.mark.parametrize("content", [b"", GOOD[:40].encode(), b"[]"], ids=["empty", "truncated", "list"])
def test_no_verb_takes_a_broken_state_for_an_empty_stack_or_changes_anything(files, stack, verb, content):
    stack.up()
    files.checkpoint.write_bytes(content)
    before = snapshot_of_folder(files)
    with pytest.raises(EngineError, match="can't be used"):
        getattr(stack, verb)()
    assert snapshot_of_folder(files) == before


def test_state_file_that_is_a_folder_or_a_pipe_is_refused(files):
    files.checkpoint.mkdir()
    with pytest.raises(EngineError, match=r"test\.json is a folder, not a file; there is no good backup"):
        open_stack(files, "unit", None)
    files.checkpoint.rmdir()
    os.mkfifo(files.checkpoint)
    with pytest.raises(EngineError, match="is not a regular file"):
        open_stack(files, "unit", None)


def test_unreadable_state_file_is_refused(files, monkeypatch):
    files.checkpoint.write_text(GOOD)

    def refuse(_self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(EngineError, match=r"test\.json can't be read: Permission denied"):
        open_stack(files, "unit", None)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_state_of_the_cli_is_not_taken_for_an_empty_stack(files, suffix):
    files.checkpoint.with_name(f"test.json{suffix}").write_bytes(b"\x1f\x8b")
    with pytest.raises(EngineError, match="is compressed") as refused:
        open_stack(files, "unit", None)
    assert "--engine pulumi" in refused.value.hint


def test_state_without_a_project_is_not_taken_for_an_empty_stack(files):
    (files.checkpoint.parents[1] / "test.json").write_text(GOOD)
    with pytest.raises(EngineError, match="where older versions of the CLI keep states"):
        open_stack(files, "unit", None)


def test_backup_with_another_passphrase_is_not_valid(files):
    files.backups.mkdir(parents=True)
    other = Encoder(PassphraseCrypter("other"), files.qualified)
    secret = ResourceState(urn=f"{URN}a", custom=True, type="t", inputs={"s": Secret("x")})
    (files.backups / "test.1.json").write_text(other.encode(Snapshot((secret,))))
    files.checkpoint.write_bytes(b"")
    with pytest.raises(EngineError, match="there is no good backup"):
        open_stack(files, "unit", None)


def test_cli_states_with_nulls_and_plain_names_are_read(files):
    latest = {"resources": [entry(propertyDependencies={"a": None}, outputs=None, parent="")], "metadata": {}}
    files.checkpoint.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "test", "latest": latest}}))
    (one,) = open_stack(files, "unit", None).snapshot.resources
    assert one.depends_on() == set()
    files.checkpoint.write_text('{"version": 3, "checkpoint": {"stack": "organization/unit/test"}}')
    opened = open_stack(files, "unit", None)
    assert opened.exists
    assert opened.snapshot == Snapshot()


def test_state_after_a_targeted_deletion_is_read(files):
    """A dependency on a resource that the state doesn't have only affects the order; it must not block the stack."""
    files.checkpoint.write_text(json.dumps(document(entry("a", dependencies=[f"{URN}gone"]))))
    assert len(open_stack(files, "unit", None).snapshot.resources) == 1


def test_damaged_byte_anywhere_gives_one_line_or_a_state(files):
    """A real state with every truncation, and with a wrong or missing byte at every position, gives no other error."""
    data = text_of("a", "b", secret="x").encode()
    for index in range(len(data)):
        for damaged in (data[:index], data[:index] + b"\xff" + data[index + 1 :], data[:index] + data[index + 1 :]):
            with suppress(StateError):
                parse(damaged, "unit", "test")


SIGNED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
ODD = (None, True, 0, -1, 1e308, "", "x", [], {}, [None], {"a": None}, f"{URN}q", SIGNED)
ODD_SECRETS = tuple(
    {**SIGNED, key: value} for key, value in (("ciphertext", 5), ("ciphertext", "v1:a"), ("plaintext", "{"))
)


def places(value, path=()):
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from places(entry, (*path, key))


def test_wrong_value_anywhere_gives_one_line_or_a_state_that_can_be_written(files):
    whole = json.loads(text_of("a", "b", secret="x"))
    extra = {"outputs": {"l": [1.5, {"m": "n"}]}, "dependencies": [f"{URN}a"], "customTimeouts": {"create": 5.0}}
    whole["checkpoint"]["latest"]["resources"][1] |= {**extra, "propertyDependencies": {"l": [f"{URN}a"]}}
    whole["checkpoint"]["latest"]["pending_operations"] = [{"type": "creating", "resource": entry("c")}]
    refused = 0
    for path in places(whole):
        for odd in (*ODD, *ODD_SECRETS):
            changed = json.loads(json.dumps(whole))
            place = changed
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = odd
            files.checkpoint.write_text(json.dumps(changed))
            try:
                opened = open_stack(files, "unit", None)
            except EngineError as error:
                refused += "\n" not in error.message
            else:
                Encoder(opened.crypter, files.qualified).encode(opened.snapshot)
                assert all(resource.depends_on() is not None for resource in opened.snapshot.resources)
    assert refused > 300


def test_empty_state_never_replaces_a_backup(files, stack):
    stack.up()
    stack.up()
    kept = files.bak.read_text()
    assert len(list(files.backups.iterdir())) == 1
    stack.destroy()
    stack.up()  # the state before it has no resources
    assert len(json.loads(files.bak.read_text())["checkpoint"]["latest"]["resources"]) == 3
    assert files.bak.read_text() != kept  # the state before the destroy
    assert len(list(files.backups.iterdir())) == 2


def test_backups_and_history_states_are_pruned_and_files_of_others_stay(files, stack):
    files.backups.mkdir(parents=True)
    (files.backups / "mine.json").write_text(GOOD)
    stack.up()
    opened = open_stack(files, "unit", None)
    for _ in range(KEPT + 5):
        files.back_up(opened)
        files.add_history("update", 0.0, "succeeded", {})
    assert len(list(files.backups.glob("test.*.json.gz"))) == KEPT
    assert (files.backups / "mine.json").exists()
    assert len(list(files.history.glob("*.checkpoint.json.gz"))) == KEPT
    assert len(list(files.history.glob("*.history.json"))) == KEPT + 6
    newest = max(files.backups.glob("test.*.json.gz"), key=lambda file: file.name)
    assert gzip.decompress(newest.read_bytes()).decode() == opened.text


def test_copies_of_older_versions_and_of_the_cli_are_read_compressed_or_not(files, stack):
    stack.up()
    text = files.checkpoint.read_text()
    files.backups.mkdir(parents=True, exist_ok=True)
    for name, data in (("test.1.json", text.encode()), ("test.2.json.gz", gzip.compress(text.encode()))):
        (files.backups / name).write_bytes(data)
        assert open_copy(files, files.backups / name, "unit").content == text
        assert files.backups / name in files.copies()
    (checkpoint,) = files.history.glob("*.checkpoint.json.gz")
    assert checkpoint in files.copies()
    opened = open_stack(files, "unit", None)
    for _ in range(KEPT):
        files.back_up(opened)
    assert not (files.backups / "test.1.json").exists(), "they count with the others"


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (gzip.compress(b"{}")[:-4], "gzip can't unpack it"),
        (b"\x1f\x8b" + b"no gzip at all", "gzip can't unpack it"),
        (gzip.compress(b"version: 3\n"), "is not JSON"),
    ],
    ids=["cut", "no gzip", "no JSON"],  # compressed bytes contain the time
)
def test_broken_compressed_copy_is_one_line(files, stack, data, wrong):
    stack.up()
    files.backups.mkdir(parents=True, exist_ok=True)
    (files.backups / "test.9.json.gz").write_bytes(data)
    with pytest.raises(StateError, match=wrong):
        open_copy(files, files.backups / "test.9.json.gz", "unit")


def test_size_of_an_unpacked_file_is_bounded(files, monkeypatch):
    monkeypatch.setattr(compression, "_MOST_BYTES", 1000)
    with pytest.raises(StateError, match="larger than 1 GiB when it is unpacked"):
        compression.unpacked(gzip.compress(b" " * 1001))


def full(monkeypatch, *, after=0):
    """Let the disk be full after some writes of the state."""
    writes = []
    real = backend.write_whole

    def write(file, text, **more):
        if file.name == "test.json":
            writes.append(file)
            if len(writes) > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, text, **more)

    monkeypatch.setattr(backend, "write_whole", write)


def test_full_disk_is_reported_before_any_change(files, stack, monkeypatch):
    full(monkeypatch)
    with pytest.raises(EngineError, match=r"the state can't be written: No space left on device \(.*test\.json\)"):
        stack.up()
    assert list((files.root / "files").iterdir()) == []
    assert not [file for file in files.checkpoint.parent.iterdir() if file.name.startswith(".")]
    assert list(files.locks.iterdir()) == []


def test_disk_that_fills_up_ends_the_run_in_one_line_and_the_next_run_continues(files, stack, monkeypatch):
    with monkeypatch.context() as patched:
        full(patched, after=3)
        result = stack.up()
    assert any("No space left on device" in failure for failure in result.failures)
    assert not [file for file in files.checkpoint.parent.iterdir() if file.name.startswith(".")]
    assert list(files.locks.iterdir()) == []
    assert stack.up().failures == []
    assert stack.preview().changes == []


def test_failed_write_of_a_state_leaves_no_temporary_file(files, monkeypatch):
    files.write(GOOD)

    def fail(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(EngineError, match="No space left"):
        files.write("x" * 100)
    assert files.checkpoint.read_text() == GOOD
    assert [file.name for file in files.checkpoint.parent.iterdir()] == ["test.json"]


def test_read_only_folder_is_reported_before_any_change(files, stack):
    (files.root / ".pulumi" / "locks").write_text("not a folder")
    with pytest.raises(EngineError, match="the state can't be written"):
        stack.up()
    assert list((files.root / "files").iterdir()) == []


@pytest.fixture
def project(files, sections):
    """A project with one stack that has a file, and one that has only a state."""
    (files.root / "Pulumi.new.yaml").write_text("config: {}\n")
    (files.root / ".pulumi/stacks/unit/old.json").write_text('{"version": 3, "checkpoint": {}}')
    return files.root


VERBS = ("destroy", "refresh", "drift", "status", "preview", "up", "kubeconfig -o -", "report", "state show")


@pytest.mark.parametrize("verb", VERBS)
def test_mistyped_stack_is_an_error_that_lists_the_existing_ones(project, verb, capsys):
    engine = [] if verb == "state show" else ["--engine", "embedded"]
    code = main([*verb.split(), "-C", str(project), "-s", "typo", *engine])
    printed = capsys.readouterr()
    assert code in (1, 2)
    assert "there is no stack" in printed.err
    assert "new" in printed.err
    assert printed.out == ""


def test_mistyped_stack_lists_stacks_that_have_only_a_state(project):
    stack = EmbeddedStack(Project.load(project), "typo", project)
    for verb in (stack.destroy, stack.refresh, stack.preview, stack.up, stack.snapshot):
        with pytest.raises(EngineError, match="there is no stack typo") as refused:
            verb()
        assert "stacks that exist: new, old" in refused.value.hint


@pytest.mark.parametrize("name", ["../outside", "a/b", "..", "", "a b", "x" * 101])
def test_invalid_stack_name_cannot_leave_the_folder(project, name):
    with pytest.raises(EngineError, match="is not a stack's name"):
        EmbeddedStack(Project.load(project), name, project).destroy()


def test_stack_with_a_file_and_no_state_is_new_and_has_nothing_to_delete(project):
    stack = EmbeddedStack(Project.load(project), "new", project)
    for verb in (stack.destroy, stack.refresh):
        result = verb()
        assert result.messages == ["stack new has nothing deployed"]
        assert result.steps == []


def test_missing_state_with_existing_backups_is_reported(files, stack):
    stack.up()
    files.checkpoint.unlink()
    for result in (stack.preview(), stack.destroy(), stack.refresh()):
        assert "flotilla state restore -s test" in result.messages[-1]
