"""A stack's state: resources and pending operations, in the format of Pulumi's checkpoint (version 3)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

from flotilla.errors import EngineError
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.values import Properties, from_state, reveal, to_state

ENGINE_VERSION = "v3.259.0"
"""The Pulumi version whose format is written."""

_VALUES = ("inputs", "outputs")
VERSION = 3
"""The version of the checkpoint format."""


@dataclass(frozen=True)
class ResourceState:
    """One resource (apitype.ResourceV3); fields with their default value are not written."""

    urn: str
    custom: bool
    type: str
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    external: bool = False
    delete: bool = False
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    init_errors: tuple[str, ...] = ()
    pending_replacement: bool = False
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    custom_timeouts: dict[str, float] | None = None
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    created: str = ""
    modified: str = ""
    rest: Properties = field(default_factory=dict)
    """Fields that this engine doesn't use, kept for the CLI."""

    @property
    def name(self) -> str:
        """The resource's name, the last part of its URN."""
        return self.urn.rpartition("::")[2]

    @cached_property
    def plain(self) -> Properties:
        """The inputs without the marks of secrets; they must not be changed."""
        found: Properties = reveal(self.inputs)
        return found

    def depends_on(self) -> set[str]:
        """Return the URNs that must exist before this resource, and be deleted after it."""
        urns = set(self.dependencies) | {urn for deps in self.property_dependencies.values() for urn in deps}
        if self.parent:
            urns.add(self.parent)
        if self.provider:
            urns.add(self.provider.rpartition("::")[0])
        if self.deleted_with:
            urns.add(self.deleted_with)
        return urns - {self.urn}

    def to_json(self, crypter: PassphraseCrypter | None) -> Properties:
        """Return the resource as in a checkpoint: secrets encrypted (plain without `crypter`), defaults left out."""
        body: Properties = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name == "rest" or (part.name not in ("urn", "custom", "type") and not value):
                continue
            if part.name in _VALUES:
                value = to_state(value, crypter.encrypt if crypter else None)
            body[_JSON_NAMES.get(part.name) or _camel(part.name)] = list(value) if isinstance(value, tuple) else value
        return {**self.rest, **body}

    @classmethod
    def from_json(cls, body: Properties, decrypt: Callable[[str], str]) -> ResourceState:
        """Read a resource of a checkpoint."""
        known: Properties = {}
        rest = dict(body)
        for part in fields(cls):
            key = _JSON_NAMES.get(part.name) or _camel(part.name)
            if part.name == "rest" or key not in rest:
                continue
            value = rest.pop(key)
            if value is None:
                continue  # treated as absent
            if part.name in _VALUES:
                value = from_state(value, decrypt)
            if part.name == "property_dependencies":
                value = {name: list(urns or ()) for name, urns in value.items()}
            known[part.name] = tuple(value) if isinstance(value, list) else value
        return cls(**{"custom": False, **known}, rest=rest)


def renamed(resource: ResourceState, moved: dict[str, str]) -> ResourceState:
    """Return a resource whose references are updated to the new URNs in `moved` (old to new)."""
    urn, separator, id_ = resource.provider.rpartition("::")
    return replace(
        resource,
        parent=moved.get(resource.parent, resource.parent),
        provider=f"{moved.get(urn, urn)}{separator}{id_}",
        dependencies=tuple(moved.get(other, other) for other in resource.dependencies),
        property_dependencies={
            key: [moved.get(other, other) for other in urns] for key, urns in resource.property_dependencies.items()
        },
        deleted_with=moved.get(resource.deleted_with, resource.deleted_with),
    )


def without_references(resource: ResourceState, gone: set[str]) -> ResourceState:
    """Return a resource without its dependencies on some URNs."""
    if not gone & resource.depends_on():
        return resource
    return replace(
        resource,
        dependencies=tuple(urn for urn in resource.dependencies if urn not in gone),
        property_dependencies={
            key: [urn for urn in urns if urn not in gone] for key, urns in resource.property_dependencies.items()
        },
        deleted_with="" if resource.deleted_with in gone else resource.deleted_with,
    )


_JSON_NAMES = {"import_id": "importID"}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


@dataclass(frozen=True)
class Operation:
    """An operation in progress when the state was written: creating, updating, deleting, reading or importing."""

    resource: ResourceState
    type: str


@dataclass(frozen=True)
class Snapshot:
    """A stack's whole state. Each resource comes after the resources that it depends on."""

    resources: tuple[ResourceState, ...] = ()
    pending: tuple[Operation, ...] = ()

    def check(self) -> None:
        """Refuse a state in which a resource comes before one that it depends on (as the CLI does)."""
        seen: set[str] = set()
        for resource in self.resources:
            missing = resource.depends_on() - seen
            if missing and not resource.delete:
                raise EngineError(f"the state is not valid: {resource.urn} refers to {min(missing)} before it")
            seen.add(resource.urn)


def below(resources: Iterable[ResourceState], root: str) -> list[ResourceState]:
    """Return the resource with a URN and all its descendants, in their order, in which parents come first."""
    inside, found = {root}, []
    for resource in resources:
        if resource.urn in inside or resource.parent in inside:
            inside.add(resource.urn)
            found.append(resource)
    return found


def without(snapshot: Snapshot, urns: set[str]) -> Snapshot:
    """Return a state without some resources, and without dependencies on them.

    Pending operations of providers among them are removed as well: without the provider, no run could settle them.
    """
    kept = (without_references(r, urns) for r in snapshot.resources if r.urn not in urns)
    return Snapshot(tuple(kept), tuple(left for op in snapshot.pending for left in _without(op, urns)))


def _without(operation: Operation, urns: set[str]) -> Iterator[Operation]:
    resource = operation.resource
    if resource.urn not in urns and resource.provider.rpartition("::")[0] not in urns:
        parent = "" if resource.parent in urns else resource.parent
        yield replace(operation, resource=replace(without_references(resource, urns), parent=parent))


class Encoder:
    """Turns snapshots into the text of a checkpoint; an unchanged resource is encoded only once."""

    def __init__(self, crypter: PassphraseCrypter, stack: str) -> None:
        """Keep the stack's full name, `organization/project/stack`."""
        self._crypter = crypter
        self._stack = stack
        self._texts: dict[int, tuple[ResourceState, str]] = {}

    def encode(self, snapshot: Snapshot) -> str:
        """Return the checkpoint file's content."""
        alive = {}
        texts = []
        for resource in snapshot.resources:
            encoded = self._texts.get(id(resource))
            if encoded is None:
                encoded = (resource, json.dumps(resource.to_json(self._crypter)))
            alive[id(resource)] = encoded
            texts.append(encoded[1])
        self._texts = alive
        latest: Properties = {
            "manifest": manifest(),
            "secrets_providers": {"type": "passphrase", "state": {"salt": self._crypter.state}},
            "metadata": {},
        }
        if snapshot.pending:
            latest["pending_operations"] = [
                {"resource": op.resource.to_json(self._crypter), "type": op.type} for op in snapshot.pending
            ]
        # Resources are inserted as text, so that only changed ones are encoded, even for a large fleet.
        head = json.dumps(latest)[:-1]
        resources = f', "resources": [{", ".join(texts)}]' if texts else ""
        return f'{{"version": 3, "checkpoint": {{"stack": {json.dumps(self._stack)}, "latest": {head}{resources}}}}}}}'


def decode(document: Properties, crypter: PassphraseCrypter) -> Snapshot:
    """Read a checkpoint whose shape was checked (`flotilla.state.reading`).

    Raises:
        EngineError: it has secrets that were encrypted with another passphrase.
    """
    return _snapshot(document["checkpoint"].get("latest") or {}, crypter.decrypt)


def from_export(deployment: Properties) -> Snapshot:
    """Read the output of `pulumi stack export --show-secrets`, in which secrets are plain text."""

    def refuse(_ciphertext: str) -> str:
        raise EngineError("the exported state has secrets that are not shown", hint="export it with --show-secrets")

    return _snapshot(deployment, refuse)


def to_export(snapshot: Snapshot, deployment: Properties) -> Properties:
    """Return the input for `pulumi stack import`: an exported document with another state, its secrets in plain text.

    Args:
        snapshot: the state.
        deployment: the exported document, which says how the stack's secrets are encrypted.
    """
    resources = [resource.to_json(None) for resource in snapshot.resources]
    pending = [{"resource": op.resource.to_json(None), "type": op.type} for op in snapshot.pending]
    return {**deployment, "manifest": manifest(), "resources": resources, "pending_operations": pending}


def _snapshot(latest: Properties, decrypt: Callable[[str], str]) -> Snapshot:
    """Read the resources and pending operations from the part that checkpoints and exports have in common."""
    resources = tuple(ResourceState.from_json(body, decrypt) for body in latest.get("resources") or [])
    pending = tuple(
        Operation(ResourceState.from_json(op["resource"], decrypt), op["type"])
        for op in latest.get("pending_operations") or []
    )
    return Snapshot(resources, pending)


def secrets_salt(document: Properties) -> str | None:
    """Return the salt of a checkpoint's secrets; None if the checkpoint has none yet.

    Raises:
        EngineError: the secrets provider is not the passphrase provider.
    """
    latest = document["checkpoint"].get("latest") or {}
    providers = latest.get("secrets_providers")
    if not providers:
        return None
    if providers["type"] != "passphrase":
        raise EngineError(
            f"the stack's secrets are encrypted by {providers['type']!r}; the embedded engine knows only 'passphrase'",
            hint="use --engine pulumi",
        )
    return str(providers["state"]["salt"])


def manifest() -> Properties:
    """Return a checkpoint's manifest, which describes its writer."""
    magic = hashlib.sha256(ENGINE_VERSION.encode()).hexdigest()
    return {"time": timestamp(), "magic": magic, "version": ENGINE_VERSION}


def timestamp() -> str:
    """Return the current time in the format of checkpoints."""
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")


def touched(resource: ResourceState, *, created: bool) -> ResourceState:
    """Return the resource with its times of creation and modification set to now."""
    now = timestamp()
    return replace(resource, modified=now, created=now if created else resource.created)
