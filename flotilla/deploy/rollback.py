"""Restores the declaration of an earlier update: its stack file and its objects, for an ordinary `up`.

The stack file comes from the stack's history, and the objects from the state after the update
(docs/decisions/rollback.md).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flotilla.deploy.earlier_objects import Made, made_in, objects_of_group, objects_of_workload
from flotilla.deploy.earlier_sections import GO_BACK, Entry, malformed, merged, named_entries, with_files
from flotilla.deploy.embedded import opens_embedded
from flotilla.deploy.going_back import NO_HISTORY, NoWayBack, named, newest_good
from flotilla.deploy.interface import EngineName, Setting, backend_folder, load_project
from flotilla.errors import EngineError
from flotilla.kube.objects import Object
from flotilla.kube.secrecy import remember, secret_texts
from flotilla.stack.placed import in_place
from flotilla.stack.stackfile import sections_of
from flotilla.state.backend import StackFiles, open_stack, read_file
from flotilla.state.checkpoint import Snapshot, secrets_salt
from flotilla.state.compression import unpacked
from flotilla.state.config import StackConfig
from flotilla.state.crypto import PassphraseCrypter, passphrase
from flotilla.state.history import BrokenOff, Update, broken_off, config_of, updates
from flotilla.state.reading import StateError, parse, snapshot_of
from flotilla.state.stacks import refuse_unknown
from flotilla.state.values import Properties

_SINGULAR = {"workloads": "workload", "objects": "group"}
_FROM_REPOSITORY = "check out the stack file and the manifests of that time, and run `flotilla up`"


@dataclass(frozen=True)
class Earlier:
    """An earlier declaration, which replaces that of the stack's files."""

    update: Update
    setting: Setting
    """The stack's setting, with the stack file of the rollback."""
    notes: tuple[str, ...]
    """One line for each part that does not go back."""


def history_of(setting: Setting) -> list[Update]:
    """Return a stack's history, the oldest entry first.

    Raises:
        NoWayBack: the backend is not a folder.
        EngineError: the stack does not exist.
    """
    return updates(_files(setting))


@contextmanager
def earlier(setting: Setting, engine: EngineName, to: int | None) -> Iterator[Earlier]:
    """Yield a setting with which plans and runs use an earlier declaration.

    Args:
        setting: the stack's setting.
        engine: the requested engine.
        to: the number of the update; None for the newest successful one before the current one.

    Raises:
        NoWayBack: there is no such update, or its declaration isn't stored completely.
        EngineError: the state can't be used, or the passphrase is wrong.
    """
    _refuse_engine(setting, engine)
    history = history_of(setting)
    if not history:
        raise NoWayBack(NO_HISTORY, hint="run `flotilla up` first")
    chosen = named(history, to) if to is not None else None
    reading = _Reading(setting)
    update = chosen or newest_good(history, reading.same, reading.broken_off(history))
    declared = reading.declared(update)
    found = merged(reading.today.values, declared.sections)
    with tempfile.TemporaryDirectory(prefix="flotilla-") as folder, in_place(declared.objects):
        file = Path(folder) / setting.stack_file.name
        document = {"config": found.values, **({"encryptionsalt": salt} if (salt := reading.today.salt) else {})}
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            # JSON is YAML, and its texts are quoted, so that none is read as a number.
            json.dump(document, stream, ensure_ascii=False)
        yield Earlier(update, replace(setting, config_file=file, back_to=update.number), found.notes)


def _files(setting: Setting) -> StackFiles:
    url = setting.backend_url()
    if not url.startswith("file://"):
        raise NoWayBack(
            f"the stack's backend is {url}, and the history of updates is read in folders (file://...)",
            hint=_FROM_REPOSITORY,
        )
    project = load_project(setting)
    files = StackFiles(backend_folder(url), project.name, setting.stack)
    refuse_unknown(files, project)
    return files


def _refuse_engine(setting: Setting, engine: EngineName) -> None:
    """Refuse Pulumi's CLI: it runs the program in a separate process, which reads the current files."""
    if engine is EngineName.PULUMI:
        raise NoWayBack(
            "Pulumi's CLI runs the program with the files as they are now, not as an earlier update had them",
            hint="`--engine embedded` goes back on the same state, and the CLI continues from there",
        )
    if setting.backend_url().startswith("file://") and not opens_embedded(setting):
        raise NoWayBack(
            "a key service encrypts the stack's secrets; only the embedded engine goes back, and it supports only "
            "passphrases",
            hint=_FROM_REPOSITORY,
        )


@dataclass(frozen=True)
class _Declared:
    """The declaration of an update."""

    sections: dict[str, Any]
    """The sections of the stack file, with files replaced, and secrets encrypted with the stack's current key."""
    plain: dict[str, Any]
    """The sections that go back, decrypted: for comparisons, never written."""
    objects: dict[str, list[Object]]
    """The objects by the placeholder that replaces their files in the stack file."""


class _Reading:
    """Reads the declarations of a stack's updates."""

    def __init__(self, setting: Setting) -> None:
        self._files = _files(setting)
        project = load_project(setting)
        self.today = StackConfig.load(project, setting.stack)
        salted = str(project.stack_file(setting.stack)) if self.today.salt else ""
        self._passphrase = passphrase(self._files.root / "passphrase", salted=salted)
        opened = open_stack(self._files, self._passphrase, self.today.salt)
        self._now = PassphraseCrypter(self._passphrase, self.today.salt) if self.today.salt else opened.crypter
        self._state, self._snapshot = opened.crypter, opened.snapshot
        self._known: dict[int, _Declared] = {}

    def broken_off(self, history: list[Update]) -> BrokenOff | None:
        """Return the run that broke off after the newest entry: by this engine's record, otherwise by the state.

        Pulumi's CLI leaves no record. Since it can't go back, its interrupted run was an update or a destroy.
        """
        known = broken_off(self._files, history)
        file = history[-1].checkpoint()
        if known or file is None:
            return known
        with suppress(StateError, FileNotFoundError):
            _, left = self._opened(file)
            if self._snapshot.pending or _inputs(left) != _inputs(self._snapshot):
                return BrokenOff()
        return None

    def same(self, one: Update, other: Update) -> bool:
        """Return whether two updates have the same declaration; False if that of the second one isn't known."""
        try:
            second = self.declared(other)
        except NoWayBack:
            return False
        first = self.declared(one)
        return first.plain == second.plain and list(first.objects.values()) == list(second.objects.values())

    def declared(self, update: Update) -> _Declared:
        """Return the declaration of an update.

        Raises:
            NoWayBack: the declaration isn't stored completely.
        """
        if update.number not in self._known:
            self._known[update.number] = self._read(update)
        return self._known[update.number]

    def _read(self, update: Update) -> _Declared:
        file = update.checkpoint()
        if file is None:
            raise NoWayBack(f"the state after update {update.number} is no longer kept next to {update.file}")
        try:
            crypter, snapshot = self._opened(file)
            config = config_of(update, crypter)
        except StateError as error:
            raise NoWayBack(f"update {update.number} can't be used: {file} {error.message}") from None
        except FileNotFoundError:
            raise NoWayBack(f"update {update.number} can't be used: {file} is gone") from None
        if config is None:
            raise NoWayBack(
                f"update {update.number} contains no stack file: an earlier version of Flotilla wrote it",
                hint=f"{_FROM_REPOSITORY}; `--to` names another update",
            )
        return self._declared(update, config, crypter, made_in(snapshot))

    def _opened(self, file: Path) -> tuple[PassphraseCrypter, Snapshot]:
        document = parse(unpacked(read_file(file)), self._files.project, self._files.stack)
        try:
            crypter = PassphraseCrypter(self._passphrase, secrets_salt(document))
        except EngineError as error:
            raise StateError(f"has secrets that can't be read: {error.message}") from None
        return crypter, snapshot_of(document, crypter)

    def _declared(self, update: Update, config: StackConfig, crypter: PassphraseCrypter, made: Made) -> _Declared:
        crypters = [self._now, crypter, self._state, *self._crypters(config)]
        whole = sorted(key for key, value in config.values.items() if _is_secret(value))
        if whole:
            raise NoWayBack(f"update {update.number} has {whole[0]} encrypted as a whole", hint=_FROM_REPOSITORY)
        try:
            plain = sections_of({key: _in_plain_text(value, crypters) for key, value in config.values.items()})
            values = {key: self._reencrypted(value, crypters) for key, value in config.values.items()}
        except EngineError as error:
            raise NoWayBack(f"the stack file of update {update.number}: {error.message}") from None
        sections = sections_of(values)
        if wrong := malformed(sections):
            raise NoWayBack(f"the stack file of update {update.number}: {wrong} is not a list of named entries")
        objects: dict[str, list[Object]] = {}

        def entry_of(section: str, entry: Entry) -> str | None:
            name = entry["name"]
            found = (
                objects_of_workload(made, entry, named_entries(sections, "workloads"))
                if section == "workloads"
                else objects_of_group(made, name)
            )
            what = f"{_SINGULAR[section]} {name}"
            if found is None:
                raise NoWayBack(
                    f"update {update.number} declared {what} but did not create it: it was an `up` of single targets"
                )
            if entry.get("image"):
                return None
            place = f"update {update.number}: {what}"
            objects[place] = found
            remember(*secret_texts(found))
            return place

        replaced = with_files(sections, entry_of)
        compared = with_files({section: plain[section] for section in GO_BACK if section in plain}, lambda *_: "")
        return _Declared(replaced, compared, objects)

    def _crypters(self, config: StackConfig) -> list[PassphraseCrypter]:
        if config.salt is None:
            return []
        try:
            return [PassphraseCrypter(self._passphrase, config.salt)]
        except EngineError:
            return []

    def _reencrypted(self, value: Any, crypters: list[PassphraseCrypter]) -> Any:
        """Return a value with its secrets encrypted with the stack's current key."""
        if _is_secret(value):
            text = _decrypted(value, crypters)
            return {"secure": self._now.encrypt(text)}
        if isinstance(value, dict):
            return {key: self._reencrypted(entry, crypters) for key, entry in value.items()}
        return [self._reencrypted(entry, crypters) for entry in value] if isinstance(value, list) else value


def _inputs(snapshot: Snapshot) -> dict[str, Properties]:
    """Return the inputs of each resource of a state, by URN."""
    return {resource.urn: resource.plain for resource in snapshot.resources if not resource.delete}


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}


def _decrypted(value: Mapping[str, Any], crypters: list[PassphraseCrypter]) -> str:
    for crypter in crypters:
        try:
            text = crypter.decrypt(str(value["secure"]))
        except EngineError:
            continue
        remember(text)
        return text
    raise EngineError("a secret in it is encrypted with another passphrase than the stack's")


def _in_plain_text(value: Any, crypters: list[PassphraseCrypter]) -> Properties | Any:
    if _is_secret(value):
        return _decrypted(value, crypters)
    if isinstance(value, dict):
        return {key: _in_plain_text(entry, crypters) for key, entry in value.items()}
    return [_in_plain_text(entry, crypters) for entry in value] if isinstance(value, list) else value
