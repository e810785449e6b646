"""Manifests that are encrypted with SOPS (getsops.io): checks without their key, and decryption.

SOPS leaves the keys of a document readable, encrypts its values, and adds a section `sops`. Flotilla accepts only
Secrets of which only the values are encrypted, like Flux. So checks need no key, and an encrypted value of another kind
is never treated and shown as an ordinary one.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flotilla.kube import children, yaml
from flotilla.kube.answers import shortened
from flotilla.kube.objects import Path as FieldPath
from flotilla.kube.reading import UnreadableFile
from flotilla.kube.secrecy import PLACEHOLDERS, plugin_text
from flotilla.workloads.manifests import SOPS, ManifestError

SECONDS = 60.0
"""Time limit of `sops`, in seconds: it may call a key service."""
_WRITTEN = re.compile(rf'^{SOPS}:|"{SOPS}"\s*:', re.MULTILINE)
# The form of every encrypted value (getsops/sops, aes/cipher.go).
_VALUE = re.compile(r"ENC\[AES256_GCM,.*\]", re.DOTALL)
_LOCAL_KEYS = ("age", "pgp")
"""Keys that are on this machine. All other keys belong to a service that the file names."""
_BESIDE = ("type", "immutable")
"""Other fields of a Secret that may be encrypted: nothing uses them before the Secret is created."""
_HOW = "sops --encrypt --encrypted-regex '^(data|stringData)$'"
INSTALL = "install sops: getsops.io"


class UndecryptedFile(UnreadableFile):
    """A file that `sops` can't decrypt; `hint` is the remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        """Store the remedy as the hint."""
        super().__init__(message)
        self.hint = remedy


def documents_of(text: str) -> list[Any] | None:
    """Return the documents of a text that is encrypted with SOPS; None for any other text."""
    if not _WRITTEN.search(text):
        return None
    try:
        documents = yaml.load_all(text)
    except yaml.YamlError:
        return None  # the manifest's parser reports the problem
    return documents if any(_section(document) for document in documents) else None


def services(documents: list[Any]) -> list[str]:
    """Return the kinds of key services that can decrypt documents: `sops` would call those that the file names."""
    found = set()
    for document in documents:
        section = _section(document)
        for group in (section, *_dicts(section.get("key_groups"))):
            found |= {
                str(key)
                for key, value in group.items()
                if isinstance(value, list) and value and key not in (*_LOCAL_KEYS, "key_groups")
            }
    return sorted(found)


def veiled(documents: list[Any]) -> list[Any]:
    """Return encrypted documents with placeholders as values, without the section of SOPS.

    Raises:
        ManifestError: something other than values of Secrets is encrypted.
    """
    result, problems = [], []
    for document in documents:
        if not isinstance(document, dict):
            result.append(document)
            continue
        plain = {key: value for key, value in document.items() if key != SOPS}
        if isinstance(plain.get("items"), list):
            items = plain["items"]
            problems += _problems({key: value for key, value in plain.items() if key != "items"})
            problems += [problem for item in items for problem in _problems(item)]
            result.append({**plain, "items": [_veiled(item) for item in items]})
        else:
            problems += _problems(plain)
            result.append(_veiled(plain))
    if problems:
        raise ManifestError(problems)
    return result


def decrypted(file: Path) -> str:
    """Return the decrypted text of a file, from `sops`. It is stored only in this process's memory, in no file.

    Raises:
        UndecryptedFile: `sops` is missing, or can't decrypt the file.
    """
    program = shutil.which("sops")
    if program is None:
        raise UndecryptedFile(f"{file} is encrypted with SOPS, and there is no sops command on the PATH", INSTALL)
    form = "json" if file.suffix == ".json" else "yaml"
    arguments = [program, "--decrypt", "--input-type", form, "--output-type", form, str(file.absolute())]
    try:
        ended = children.bounded(arguments, children.environment(), seconds=SECONDS, largest=yaml.MAX_BYTES)
    except OSError as error:
        raise UndecryptedFile(f"{program} can't be started: {error.strerror or error}", INSTALL) from None
    if ended.late:
        raise UndecryptedFile(
            f"{file}: sops did not decrypt it within {SECONDS:.0f} s", "check that the service of its key is available"
        )
    if len(ended.output) > yaml.MAX_BYTES:
        raise UndecryptedFile(f"{file}: sops printed more than {yaml.MAX_BYTES // 2**20} MiB", "split the file")
    if ended.code:
        why = _said(ended.errors) or f"exit code {ended.code}"
        remedy = "give sops the file's key (SOPS_AGE_KEY_FILE, gpg, the credentials of its key service)"
        raise UndecryptedFile(f"{file}: sops can't decrypt it: {why}", remedy)
    try:
        return ended.output.decode()
    except UnicodeDecodeError:
        raise UndecryptedFile(f"{file}: the decrypted text is not UTF-8", "encrypt it again, as UTF-8") from None


def _said(errors: bytes) -> str:
    lines = [line.strip(" |-\t") for line in errors.decode("utf-8", "replace").splitlines()]
    return shortened(plugin_text(" ".join(line for line in lines if line)), 300)


def _section(document: Any) -> dict[str, Any]:
    found = document.get(SOPS) if isinstance(document, dict) else None
    return found if isinstance(found, dict) and "mac" in found else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, str) and _VALUE.fullmatch(value) is not None


def _encrypted(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield the paths of encrypted values."""
    if _is_encrypted(value):
        yield path
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _encrypted(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _encrypted(entry, (*path, index))


def _problems(obj: Any) -> list[str]:
    found = list(_encrypted(obj))
    if not found:
        return []
    kind = obj.get("kind")
    where = next((path[0] for path in found if path[0] in ("apiVersion", "kind", "metadata")), None)
    if where is not None:
        why = f"its {where} is encrypted with SOPS: without the key, the object is unknown"
        return [f"{why}; encrypt only values: {_HOW}"]
    metadata = obj.get("metadata")
    name = f"{kind} {metadata.get('name') if isinstance(metadata, dict) else ''}".strip()
    if kind != "Secret":
        why = "everybody who may read the object in a cluster would see them, and plans show them"
        return [f"{name} has values that are encrypted with SOPS: {why}; put them into a Secret"]
    other = next((path[0] for path in found if path[0] not in (*PLACEHOLDERS, *_BESIDE)), None)
    return [f"{name}: {other} is encrypted with SOPS, but is not a value; encrypt only values: {_HOW}"] if other else []


def _veiled(obj: Any) -> Any:
    if not isinstance(obj, dict):
        return obj
    result = {key: value for key, value in obj.items() if not (key in _BESIDE and _is_encrypted(value))}
    for part in PLACEHOLDERS:
        if isinstance(result.get(part), dict):
            result[part] = {key: PLACEHOLDERS[part] if _is_encrypted(v) else v for key, v in result[part].items()}
    return result
