"""Cases that both engines run: each is a sequence of operations, most of them with a program."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from tests.conformance.file_resource import FileResource, Group

Program = Callable[[Path], None]


@dataclass(frozen=True)
class Act:
    """One operation: preview, up, refresh or destroy; `before` changes the folder first."""

    verb: str
    program: Program | None = None
    before: Callable[[Path], None] = lambda _: None
    targets: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)
    embedded_fails: bool | None = None
    """Whether the embedded engine fails here, if it differs on purpose from the recording: its previews fail if its
    `up` would fail, and previews of Pulumi's provider don't (docs/decisions/declared-wins.md)."""


@dataclass(frozen=True)
class Case:
    name: str
    acts: tuple[Act, ...]
    ordered: bool = False
    """Record also the order in which ConfigMaps are created and deleted."""


def _options(**options) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(**options)


def _one(value="1", fixed="a", name="one", **options) -> Program:
    def program(folder: Path) -> None:
        FileResource(name, {"folder": str(folder), "value": value, "fixed": fixed}, _options(**options))

    return program


def _pair(first="1", second=None, **options) -> Program:
    def program(folder: Path) -> None:
        one = FileResource("one", {"folder": str(folder), "value": first})
        FileResource(
            "two",
            {"folder": str(folder), "value": second or one.path.apply(lambda p: Path(p).name)},
            _options(depends_on=[one], **options),
        )
        pulumi.export("path", one.path.apply(lambda p: Path(p).name))

    return program


def _grouped(group="group", alias=None, child="one") -> Program:
    def program(folder: Path) -> None:
        aliases = [pulumi.Alias(name=alias)] if alias else None
        parent = Group(group, _options(aliases=aliases))
        FileResource(child, {"folder": str(folder), "value": "1"}, _options(parent=parent))
        parent.register_outputs({"done": True})

    return program


def _secret(folder: Path) -> None:
    FileResource(
        "one",
        {"folder": str(folder), "value": "1", "secret": pulumi.Output.secret("hunter2")},
        _options(additional_secret_outputs=["path"]),
    )
    pulumi.export("secret", pulumi.Output.secret("hunter3"))


def _nothing(_folder: Path) -> None:
    return


def _deleted_with(folder: Path) -> None:
    one = FileResource("one", {"folder": str(folder), "value": "1"})
    FileResource("two", {"folder": str(folder), "value": "2"}, _options(deleted_with=one))


def _many(folder: Path) -> None:
    for index in range(5):
        FileResource(f"many-{index}", {"folder": str(folder), "value": str(index)})


def _independent(value="1", bad="1") -> Program:
    """Declare four independent files, one that fails after some seconds, and one that depends on that one."""

    def program(folder: Path) -> None:
        for index in range(4):
            FileResource(f"many-{index}", {"folder": str(folder), "value": value})
        slow = FileResource("bad", {"folder": str(folder), "value": bad, "seconds": 3})
        FileResource("after", {"folder": str(folder), "value": value}, _options(depends_on=[slow]))

    return program


def _write_manually(folder: Path) -> None:
    (folder / "one.json").write_text('{"value": "manually"}')


def _remove_manually(folder: Path) -> None:
    (folder / "one.json").unlink()


DESTROY = Act("destroy")
CASES = (
    Case("create-same-update-delete", (
        Act("preview", _one()), Act("up", _one()), Act("preview", _one()), Act("up", _one("2")),
        Act("preview", _nothing), Act("up", _nothing), DESTROY,
    )),
    Case("replace-delete-first", (Act("up", _one()), Act("preview", _one(fixed="b")), Act("up", _one(fixed="b")), DESTROY)),
    Case("replace-create-first", (
        Act("up", _one(delete_before_replace=False)),
        Act("preview", _one(fixed="b", delete_before_replace=False)),
        Act("up", _one(fixed="b", delete_before_replace=False)),
        DESTROY,
    )),
    Case("replace-on-changes", (
        Act("up", _one()), Act("up", _one("2", replace_on_changes=["value"])), DESTROY,
    )),
    Case("ignore-changes", (Act("up", _one()), Act("up", _one("2", ignore_changes=["value"])), DESTROY)),
    Case("dependencies", (
        Act("preview", _pair()), Act("up", _pair()), Act("preview", _pair("2")), Act("up", _pair("2")), DESTROY,
    )),
    Case("protect", (
        Act("up", _one(protect=True)), Act("preview", _nothing), Act("up", _nothing), Act("destroy"),
        Act("up", _one(protect=False)), DESTROY,
    )),
    Case("retain-on-delete", (Act("up", _one(retain_on_delete=True)), Act("up", _nothing), DESTROY)),
    Case("rename-with-alias", (
        Act("up", _one()),
        Act("preview", _renamed := _one(name="one", aliases=[pulumi.Alias(name="zero")])),
        Act("up", _renamed),
        DESTROY,
    )),
    Case("component", (Act("up", _grouped()), Act("preview", _grouped()), Act("up", _grouped(child="other")), DESTROY)),
    Case("component-alias", (Act("up", _grouped()), Act("preview", _grouped("team", "group")), Act("up", _grouped("team", "group")), DESTROY)),
    Case("secrets", (Act("preview", _secret), Act("up", _secret), Act("preview", _secret), DESTROY)),
    Case("deleted-with", (Act("up", _deleted_with), DESTROY)),
    Case("failure-then-completion", (Act("up", _pair("1", "fail")), Act("up", _pair("1", "2")), DESTROY)),
    Case("failed-update", (Act("up", _one()), Act("up", _one("fail")), Act("up", _one("2")), DESTROY)),
    Case("refresh-changed", (
        Act("up", _one()), Act("refresh", before=_write_manually), Act("preview", _one()), Act("up", _one()), DESTROY,
    )),
    Case("refresh-gone", (Act("up", _one()), Act("refresh", before=_remove_manually), Act("up", _one()), DESTROY)),
    Case("continue-after-failed-creation", (
        Act("up", _independent(bad="fail")), Act("preview", _independent()), Act("up", _independent()), DESTROY,
    )),
    Case("continue-after-failed-update", (
        Act("up", _independent()), Act("up", _independent("2", bad="fail")), Act("preview", _independent("2", bad="2")),
        Act("up", _independent("2", bad="2")), DESTROY,
    )),
    Case("targets", (Act("up", _many, targets=("**many-1", "**many-3")), Act("up", _many), DESTROY)),
)  # fmt: skip
