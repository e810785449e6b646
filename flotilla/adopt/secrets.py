"""Secrets among templates: their values are never written in clear text."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from flotilla.adopt.model import Report, Seal
from flotilla.adopt.written import as_written
from flotilla.karmada.kinds import kind_of
from flotilla.karmada.selection import OVERRIDES, selects
from flotilla.kube.objects import Object, ref_of
from flotilla.kube.secrecy import carries_secret, remember

Keys = dict[str, Any]

_SECRET = ("", "Secret")
UNSEALED = (
    "its values would be in clear text: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to encrypt them "
    "in the stack file"
)


@dataclass
class Sealed:
    """The Secrets of one workload, in the form of its `secrets`."""

    keys: list[Keys] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)
    """The objects that the workload declares for them, without values."""
    templates: list[Object] = field(default_factory=list)
    """The existing Secrets, in the same order."""


def is_secret(obj: Object) -> bool:
    """Return whether an object is a Secret."""
    return kind_of(obj) == _SECRET


def sealed(secrets: list[Object], namespace: str, seal: Seal | None, report: Report) -> Sealed:
    """Return Secrets in the form of a workload's `secrets`; those that don't fit are left out and reported.

    Args:
        secrets: the templates.
        namespace: the workload's namespace.
        seal: encrypts a value; None where there is no passphrase.
        report: gets the Secrets that are left out.
    """
    found = Sealed()
    for secret in sorted(secrets, key=ref_of):
        written, ref = as_written(secret), str(ref_of(secret))
        bare = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret["metadata"]["name"], "namespace": namespace, **_marks(written)},
            "type": written.get("type") or "Opaque",
        }
        why = _unsealable(written, namespace, seal)
        if why or seal is None:
            report.leave_out(ref, why)
            continue
        found.keys.append(_entry(written, seal))
        found.objects.append(bare)
        found.templates.append(secret)
    return found


def _marks(written: Object) -> Keys:
    """Return the labels and annotations of a Secret."""
    return {name: dict(values) for name in ("labels", "annotations") if (values := written["metadata"].get(name))}


def _unsealable(written: Object, namespace: str, seal: Seal | None) -> str:
    """Return why a Secret can't be one of a workload's `secrets`; empty where it can."""
    if seal is None:
        return UNSEALED
    if not written.get("data"):
        return "it has no values"
    if written["metadata"].get("namespace") != namespace:
        return "`secrets` are in the namespace of their workload, but this one is in another"
    return ""


def _entry(written: Object, seal: Seal) -> Keys:
    texts: Keys = {}
    data: Keys = {}
    for key, value in written["data"].items():
        text = _text(str(value))
        remember(str(value), *([text] if text else []))
        if text is None:
            data[key] = {"secure": seal(str(value))}
        else:
            texts[key] = {"secure": seal(text)}
    kind = written.get("type") or "Opaque"
    entry: Keys = {"name": written["metadata"]["name"]} | ({"type": kind} if kind != "Opaque" else {})
    entry |= ({"stringData": texts} if texts else {}) | ({"data": data} if data else {})
    return entry | _marks(written) | ({"immutable": True} if written.get("immutable") else {})


def _text(value: str) -> str | None:
    """Return the text of a value in base64, if encoding the text gives the same value again; else None."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text if base64.b64encode(text.encode()).decode() == value else None


def sets_secrets(policy: Object, templates: tuple[Object, ...]) -> bool:
    """Return whether an override policy sets values of Secrets: written unchanged, these would be in clear text."""
    if policy["kind"] not in OVERRIDES:
        return False
    spec = policy.get("spec") or {}
    named = any(one.get("kind") == "Secret" for one in spec.get("resourceSelectors") or [])
    if not named and not any(is_secret(one) and selects(policy, one) for one in templates):
        return False
    rules = [*(spec.get("overrideRules") or []), spec]
    overriders = [rule.get("overriders") or {} for rule in rules]
    paths = [str(step.get("path")) for one in overriders for step in one.get("plaintext") or []]
    paths += [str(step.get("fieldPath")) for one in overriders for step in one.get("fieldOverrider") or []]
    return any(carries_secret(path) for path in paths)
