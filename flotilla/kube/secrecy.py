"""What may be shown of objects and texts: the values of Secrets never are.

Two nets. Whatever prints a value of an object asks `shown` or `masked`, which know by the object's kind where secrets
are. Texts of others (an API server's refusal, helm's last line, an exception of a library) may quote any value, so
they go through `redacted`, which knows the secrets that this process has met: `remember` is called where secrets come
in (kubeconfigs, decrypted configuration, the state, requests that carry a Secret).
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
"""What stands in the place of a secret value."""

PLACEHOLDERS: Mapping[str, str] = {"data": base64.b64encode(HIDDEN.encode()).decode(), "stringData": HIDDEN}
"""What stands for an encrypted value in each part of a Secret, where the value is not known."""

_PARTS = ("data", "stringData")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl keeps the whole of what it was given."""
_OVERRIDES = ("OverridePolicy", "ClusterOverridePolicy")
_WITH_VALUES = ("plaintext", "fieldOverrider")
# Every token Secret has these, and they are no secrets: a CA's certificate, and a namespace's name.
_PUBLIC = frozenset({"ca.crt", "caBundle", "namespace"})
_SOUNDS_SECRET = re.compile(r"passw|passphrase|secret|token|credential|key$", re.IGNORECASE)
# In objects, a `key`, a `topologyKey` and a `secretName` are names that any text about them needs.
_SOUNDS_SECRET_IN_OBJECTS = re.compile(r"passw|passphrase", re.IGNORECASE)
_QUOTED = re.compile(r'Invalid value: (?:"(?:[^"\\]|\\.)*"|\S+)')
_GOT = re.compile(r"(expected [^,]+, got )&?.*", re.DOTALL)
_USER_INFO = re.compile(r"(?<=://)[^/\s@\"'?#]*:[^/\s@\"']*@")
_TOKENLIKE = re.compile(r"[A-Za-z0-9_+=.-]{32,}")
_LONGEST = 500
# Shorter ones are words of ordinary texts as well ("admin", "true"); within an object they are masked all the same.
_REMEMBERED = 8
_WORD = 6


def shown(obj: Object, path: tuple[Any, ...], value: Any) -> Any:
    """Return a value that stands at a path of an object as it may be printed; nothing stays nothing.

    Args:
        obj: the object, at least its kind, and for an OverridePolicy its selectors.
        path: where in the object.
        value: what stands there, or what was wanted there.
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
    # An override of a Secret is for the workload's other objects as well: a ConfigMap may hold a value that is secret.
    return redacted(value) if isinstance(value, str) else masked(value)


def masked(value: Any) -> Any:
    """Return a copy in which every Secret, at any depth (in a List, in a Work), has its keys but no values."""
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    result = {key: masked(entry) for key, entry in value.items()}
    if '"Secret"' in str(result.get(LAST_APPLIED)):  # kubectl keeps the whole object in there
        result[LAST_APPLIED] = HIDDEN
    if value.get("kind") == "Secret":
        for part in _PARTS:
            if value.get(part) is not None:
                result[part] = dict.fromkeys(value[part], HIDDEN) if isinstance(value[part], dict) else HIDDEN
    elif _overrides_secrets(value):
        return _without_values(result)
    return result


def is_veiled(secret: Object) -> bool:
    """Tell whether every value of a Secret is a placeholder: its values are encrypted where it is declared.

    An empty one is no value: SOPS leaves it as it is.
    """
    values = [(part, value) for part in PLACEHOLDERS for value in (secret.get(part) or {}).values() if value]
    return bool(values) and all(value == PLACEHOLDERS[part] for part, value in values)


def carries_secret(patch_path: str) -> bool:
    """Tell whether an override's patch of a Secret sets a value of it: its path is in `data` or `stringData`."""
    return patch_path.strip("/").partition("/")[0] in ("", *_PARTS)


def _overrides_secrets(obj: Object) -> bool:
    """Tell whether an object is an override policy that changes Secrets: one that names them, or no kind at all."""
    if obj.get("kind") not in _OVERRIDES:
        return False
    spec = obj.get("spec")
    selectors = spec.get("resourceSelectors") if isinstance(spec, dict) else None
    if not isinstance(selectors, list) or not selectors:
        return True
    return any(isinstance(one, dict) and one.get("kind") == "Secret" for one in selectors)


def _without_values(value: Any, *, within: bool = False) -> Any:
    """Return override rules without the values that they set by path."""
    if isinstance(value, list):
        return [_without_values(entry, within=within) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: HIDDEN if within and key == "value" else _without_values(entry, within=within or key in _WITH_VALUES)
        for key, entry in value.items()
    }


# -- texts ----------------------------------------------------------------------------------------

_met: set[str] = set()
_met_lock = threading.Lock()


def remember(*values: str) -> None:
    """Remember secret texts, so that `redacted` removes them from texts of other programs; short ones are left out."""
    kept = {value for value in values if len(value) >= _REMEMBERED}
    if kept - _met:
        with _met_lock:
            _met.update(kept)


def remember_value(value: Any) -> None:
    """Take note of what is secret in a value that is marked as secret as a whole.

    A text is; of objects the values of Secrets are; of other maps what its key calls a password, a token or a key.
    """
    if isinstance(value, str):
        remember(value)
    else:
        remember(*secret_texts(value), *_named_secret(value))


def secret_texts(value: Any) -> set[str]:
    """Return the values of every Secret in an object, a list or a patch, and of override policies of Secrets."""
    return {text for text in _secret_leaves(value) if text}


def named_secrets(value: Any) -> set[str]:
    """Return the texts that their keys call a password, a token or a key, as in a chart's values.

    Many of them are only names of Secrets: they are removed from texts about this value alone, and not remembered.
    """
    return {text for text in _named_secret(value) if text}


def secrets_of_request(path: str, body: Any) -> set[str]:
    """Return the secret values that a request carries: of the objects in it, or of a patch of a Secret."""
    found = secret_texts(body)
    if "/secrets" in path:
        if isinstance(body, dict):
            found |= {text for part in _PARTS for text in _leaves(body.get(part))}
        elif isinstance(body, list):
            found |= {text for step in body if isinstance(step, dict) for text in _leaves(step.get("value"))}
    return found


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text of others without secrets: those given, those that were met, and passwords in URLs."""
    given = set(secrets)
    for value in sorted(_forms(given), key=len, reverse=True):
        text = _without(text, value)
    if given:
        text = _GOT.sub(rf"\1{HIDDEN}", _QUOTED.sub(f'Invalid value: "{HIDDEN}"', text))
    with _met_lock:
        met = tuple(_met)
    for value in sorted((form for form in _forms(met) if form in text), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return without_user_info(text)


def redacted_line(text: str, longest: int, secrets: Iterable[str] = ()) -> str:
    """Return a text of others without secrets, as `redacted` does, in one line of so many characters at the most."""
    line = one_line(redacted(text, secrets)).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def plugin_text(text: str) -> str:
    """Return what a credential plugin wrote, short and without what looks like a token: it may be one just made."""
    return _TOKENLIKE.sub(HIDDEN, redacted(text))[:_LONGEST]


def without_user_info(text: str) -> str:
    """Return a text in which URLs have no user name and password."""
    return _USER_INFO.sub("", text)


def _without(text: str, value: str) -> str:
    if len(value) >= _WORD:
        return text.replace(value, HIDDEN)
    return re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", HIDDEN, text)


def _forms(values: Iterable[str]) -> Iterator[str]:
    """Yield how texts may write secrets."""
    for value in values:
        yield from _forms_of(value)


@lru_cache(maxsize=4096)  # texts are many, secrets are few
def _forms_of(value: str) -> tuple[str, ...]:
    """Return a secret as it is, in base64 and out of it, escaped, and line by line."""
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
