"""Removes secrets from what is printed: the values of Secrets are never shown.

There are two mechanisms. Code that prints a value of an object calls `shown` or `masked`, which know from the object's
kind where its secrets are. Texts of other programs (an API server's refusal, helm's last line, a library's exception)
may quote any value, so they pass through `redacted`, which removes the secrets that this process knows. `remember`
adds a secret to them; it is called where secrets are read (kubeconfigs, decrypted configuration, the state, requests
with a Secret).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from flotilla.untrusted import one_line

Object = dict[str, Any]

HIDDEN = "[secret]"
"""The text that replaces a secret value."""

PLACEHOLDERS: Mapping[str, str] = {"data": base64.b64encode(HIDDEN.encode()).decode(), "stringData": HIDDEN}
"""The placeholder for an encrypted value in each part of a Secret, if the value can't be decrypted."""

_PARTS = ("data", "stringData")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl stores the complete object that was applied."""
_OVERRIDES = ("OverridePolicy", "ClusterOverridePolicy")
_WITH_VALUES = ("plaintext", "fieldOverrider")
# Every token Secret has these keys, and their values are not secret: a CA's certificate and a namespace's name.
_PUBLIC = frozenset({"ca.crt", "caBundle", "namespace"})
_SOUNDS_SECRET = re.compile(r"passw|passphrase|secret|token|credential|key$", re.IGNORECASE)
# In objects, the values of `key`, `topologyKey` and `secretName` are names, which texts about the object must show.
_SOUNDS_SECRET_IN_OBJECTS = re.compile(r"passw|passphrase", re.IGNORECASE)
_QUOTED = re.compile(r'Invalid value: (?:"(?:[^"\\]|\\.)*"|\S+)')
_GOT = re.compile(r"(expected [^,]+, got )&?.*", re.DOTALL)
_USER_INFO = re.compile(r"(?<=://)[^/\s@\"'?#]*:[^/\s@\"']*@")
_TOKENLIKE = re.compile(r"[A-Za-z0-9_+=.-]{32,}")
_LONGEST = 500
# Shorter secrets also occur as ordinary words ("admin", "true"). They are not remembered, but masked within an object.
_REMEMBERED = 8
_WORD = 6


def shown(obj: Object, path: tuple[Any, ...], value: Any) -> Any:
    """Return a value of an object in the form in which it may be printed; None stays None.

    Args:
        obj: the object; at least its kind, and for an OverridePolicy its selectors.
        path: the path of the value in the object.
        value: the current or the wanted value.
    """
    if value is None:
        return None
    if obj.get("kind") == "Secret" and (path[:1] in ((_PARTS[0],), (_PARTS[1],)) or LAST_APPLIED in path):
        return HIDDEN
    if _overrides_secrets(obj):
        for index, step in enumerate(path):
            if step in _WITH_VALUES and "value" in path[index + 1 :]:
                return HIDDEN
        return _without_values(value)
    # An override of a Secret applies to the workload's other objects too, so a ConfigMap may contain a secret value.
    return redacted(value) if isinstance(value, str) else masked(value)


def masked(value: Any) -> Any:
    """Return a copy in which every Secret, at any depth (in a List, in a Work), keeps its keys without the values."""
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    result = {key: masked(entry) for key, entry in value.items()}
    if '"Secret"' in str(result.get(LAST_APPLIED)):  # kubectl stores the complete object there
        result[LAST_APPLIED] = HIDDEN
    if value.get("kind") == "Secret":
        for part in _PARTS:
            if value.get(part) is not None:
                result[part] = dict.fromkeys(value[part], HIDDEN) if isinstance(value[part], dict) else HIDDEN
    elif _overrides_secrets(value):
        return _without_values(result)
    return result


def is_veiled(secret: Object) -> bool:
    """Return whether every value of a Secret is a placeholder, because its values are encrypted in its file.

    Empty values don't count: SOPS does not encrypt them.
    """
    values = [(part, value) for part in PLACEHOLDERS for value in (secret.get(part) or {}).values() if value]
    return bool(values) and all(value == PLACEHOLDERS[part] for part, value in values)


def carries_secret(patch_path: str) -> bool:
    """Return whether an override's patch of a Secret sets a secret value: its path is in `data` or `stringData`."""
    return patch_path.strip("/").partition("/")[0] in ("", *_PARTS)


def _overrides_secrets(obj: Object) -> bool:
    """Return whether an object is an override policy that changes Secrets: it selects Secrets, or names no kind."""
    if obj.get("kind") not in _OVERRIDES:
        return False
    spec = obj.get("spec")
    selectors = spec.get("resourceSelectors") if isinstance(spec, dict) else None
    if not isinstance(selectors, list) or not selectors:
        return True
    return any(isinstance(one, dict) and one.get("kind") == "Secret" for one in selectors)


def _without_values(value: Any, *, within: bool = False) -> Any:
    """Return override rules without the values that they set at paths."""
    if isinstance(value, list):
        return [_without_values(entry, within=within) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: HIDDEN if within and key == "value" else _without_values(entry, within=within or key in _WITH_VALUES)
        for key, entry in value.items()
    }


# -- texts ----------------------------------------------------------------------------------------

_known: set[str] = set()
_known_lock = threading.Lock()


def remember(*values: str) -> None:
    """Remember secret texts, so that `redacted` removes them from texts of other programs; short ones are ignored."""
    kept = {value for value in values if len(value) >= _REMEMBERED}
    if kept - _known:
        with _known_lock:
            _known.update(kept)


def remember_value(value: Any) -> None:
    """Remember the secrets in a value that is marked as secret as a whole.

    A text is a secret itself. In objects, the values of Secrets are secret; in other maps, the texts whose key says
    that they are a password, a token or a key.
    """
    if isinstance(value, str):
        remember(value)
    else:
        remember(*secret_texts(value), *_named_secret(value))


def secret_texts(value: Any) -> set[str]:
    """Return the values of every Secret in an object, a list or a patch, and of override policies of Secrets."""
    return {text for text in _secret_leaves(value) if text}


def named_secrets(value: Any) -> set[str]:
    """Return the texts whose keys say that they are a password, a token or a key, as in a chart's values.

    Many of them are only names of Secrets. So they are not remembered, but removed only from texts about this value.
    """
    return {text for text in _named_secret(value) if text}


def secrets_of_request(path: str, body: Any) -> set[str]:
    """Return the secret values in a request: those of its objects, or of a patch of a Secret."""
    found = secret_texts(body)
    if "/secrets" in path:
        if isinstance(body, dict):
            found |= {text for part in _PARTS for text in _leaves(body.get(part))}
        elif isinstance(body, list):
            found |= {text for step in body if isinstance(step, dict) for text in _leaves(step.get("value"))}
    return found


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text of another program without the given secrets, the remembered ones, and passwords in URLs."""
    given = set(secrets)
    for value in sorted(_forms(given), key=len, reverse=True):
        text = _without(text, value)
    if given:
        text = _GOT.sub(rf"\1{HIDDEN}", _QUOTED.sub(f'Invalid value: "{HIDDEN}"', text))
    with _known_lock:
        known = tuple(_known)
    for value in sorted((form for form in _forms(known) if form in text), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return without_user_info(text)


def redacted_line(text: str, longest: int, secrets: Iterable[str] = ()) -> str:
    """Return a text of another program without secrets (see `redacted`), as one line of limited length."""
    line = one_line(redacted(text, secrets)).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def plugin_text(text: str) -> str:
    """Return a credential plugin's text, shortened and without anything that looks like a token, which may be new."""
    return _TOKENLIKE.sub(HIDDEN, redacted(text))[:_LONGEST]


def without_user_info(text: str) -> str:
    """Return a text without the user names and passwords in its URLs."""
    return _USER_INFO.sub("", text)


def _without(text: str, value: str) -> str:
    if len(value) >= _WORD:
        return text.replace(value, HIDDEN)
    return re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", HIDDEN, text)


def _forms(values: Iterable[str]) -> Iterator[str]:
    """Yield the forms in which secrets may occur in texts."""
    for value in values:
        yield from _forms_of(value)


@lru_cache(maxsize=4096)  # there are many texts, but few secrets
def _forms_of(value: str) -> tuple[str, ...]:
    """Return the forms of a secret: as it is, encoded in and decoded from base64, escaped, and its single lines."""
    plain = _decoded(value)
    forms = [value, base64.b64encode(value.encode()).decode(), plain]
    for text in {value, plain} - {""}:
        escaped, quoted = json.dumps(text)[1:-1], quote(text, safe="")
        forms += [escaped, repr(text)[1:-1]] if escaped != text else []
        forms += [quoted] if quoted != text else []
        if text.startswith("-----BEGIN"):
            forms += [line for line in text.splitlines() if len(line) > _REMEMBERED and line[0] != "-"]
    return tuple(form for form in forms if form)


def _decoded(value: str) -> str:
    try:
        text = base64.b64decode("".join(value.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return text if len(text) >= _WORD else ""


def _secret_leaves(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _secret_leaves(entry)
    elif isinstance(value, dict):
        if value.get("kind") == "Secret":
            for part in _PARTS:
                yield from _leaves(value.get(part))
        elif _overrides_secrets(value):
            yield from _patched(value.get("spec"))
        else:
            for entry in value.values():
                yield from _secret_leaves(entry)


def _patched(value: Any, *, within: bool = False) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _patched(entry, within=within)
    elif isinstance(value, dict):
        for key, entry in value.items():
            if within and key == "value":
                yield from _leaves(entry)
            else:
                yield from _patched(entry, within=within or key in _WITH_VALUES)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in _PUBLIC:
                yield from _leaves(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _leaves(entry)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _named_secret(value: Any, sounds: re.Pattern[str] = _SOUNDS_SECRET) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _named_secret(entry, sounds)
    elif isinstance(value, dict):
        if isinstance(value.get("kind"), str) and isinstance(value.get("metadata"), dict):
            yield from _secret_leaves(value)
            sounds = _SOUNDS_SECRET_IN_OBJECTS
        for key, entry in value.items():
            if isinstance(entry, str) and sounds.search(str(key)):
                yield entry
            elif not isinstance(entry, str):
                yield from _named_secret(entry, sounds)
