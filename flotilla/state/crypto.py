"""The passphrase secrets provider: PBKDF2 and AES-256-GCM, as in Pulumi's pkg/secrets/passphrase."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from flotilla.errors import EngineError

_ITERATIONS = 1_000_000
_KEY_BYTES = 32
_SALT_BYTES = 8
_NONCE_BYTES = 12
_PROBE = "pulumi"
_VARIABLE = "PULUMI_CONFIG_PASSPHRASE"
_FILE_VARIABLE = "PULUMI_CONFIG_PASSPHRASE_FILE"


class PassphraseCrypter:
    """Encrypts and decrypts with a passphrase. Within a run, equal plaintexts get equal ciphertexts."""

    def __init__(self, passphrase: str, state: str | None = None) -> None:
        """Derive the key; `state` is an existing salt with its probe, with which the passphrase is checked.

        Raises:
            EngineError: the passphrase is wrong.
        """
        salt = base64.b64decode(state.split(":")[1]) if state else secrets.token_bytes(_SALT_BYTES)
        self._cipher = AESGCM(_key(passphrase, salt))
        self._known: dict[str, str] = {}
        if state is None:
            self.state = f"v1:{base64.b64encode(salt).decode()}:{self.encrypt(_PROBE)}"
        else:
            self.state = state
            self._check(state.split(":", 2)[2])

    def _check(self, probe: str) -> None:
        try:
            right = self.decrypt(probe) == _PROBE
        except EngineError:
            right = False
        if not right:
            raise EngineError(
                "the passphrase is wrong for this stack",
                hint="set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one that the stack has",
            )

    def encrypt(self, plaintext: str) -> str:
        """Return `v1:nonce:ciphertext`, with nonce and ciphertext in base64."""
        if plaintext not in self._known:
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = self._cipher.encrypt(nonce, plaintext.encode(), None)
            self._known[plaintext] = f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"
        return self._known[plaintext]

    def decrypt(self, ciphertext: str) -> str:
        """Return the plaintext of `v1:nonce:ciphertext`.

        Raises:
            EngineError: it was not encrypted with this passphrase.
        """
        try:
            _, nonce, sealed = ciphertext.split(":")
            plaintext = self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()
        except (InvalidTag, ValueError):
            raise EngineError("a secret can't be decrypted with this passphrase") from None
        self._known.setdefault(plaintext, ciphertext)
        return plaintext


@cache
def _key(passphrase: str, salt: bytes) -> bytes:
    """Derive the key, once per process: a million rounds take a third of a second, by design."""
    derivation = PBKDF2HMAC(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=salt, iterations=_ITERATIONS)
    return derivation.derive(passphrase.encode())


def derived_key(passphrase: str, state: str | None, purpose: str) -> bytes:
    """Return a key of 32 bytes for one purpose, which reveals neither the passphrase nor other keys.

    Args:
        passphrase: the stack's passphrase.
        state: the salt with its probe, from the state; without it, the salt is derived from the purpose.
        purpose: the purpose of the key, with the name of the stack.
    """
    salt = base64.b64decode(state.split(":")[1]) if state else hashlib.sha256(purpose.encode()).digest()[:_SALT_BYTES]
    return hmac.digest(_key(passphrase, salt), purpose.encode(), "sha256")


def passphrase_is_named() -> bool:
    """Return whether the user sets a passphrase with one of Pulumi's variables; otherwise the generated one is used."""
    return any(os.environ.get(name) is not None for name in (_VARIABLE, _FILE_VARIABLE))


def passphrase(default_file: Path, *, salted: str = "") -> str:
    """Return the stack's passphrase: from Pulumi's variables, otherwise from a generated file with mode 0600.

    The first run that needs the file generates it. If several runs start together, they all use the same file.

    Args:
        default_file: the generated file, in the backend's folder.
        salted: the name of a stack file with an `encryptionsalt`, for the message. It is already encrypted with a
            passphrase, like the states next to the file, and a new passphrase could not decrypt it.

    Raises:
        EngineError: the passphrase is missing although something is encrypted with it, or it can't be read.
    """
    if os.environ.get(_VARIABLE) is not None:
        return os.environ[_VARIABLE]
    named = os.environ.get(_FILE_VARIABLE)
    if named:
        if not Path(named).exists():
            raise EngineError(f"{_FILE_VARIABLE} names {named}, which isn't there")
        return _text_of(Path(named))
    # The states are checked before the file. Otherwise, another run could create the file and its first state between
    # the two checks, and the passphrase would be reported as missing.
    needed_by = _state_beside(default_file) or salted
    if not default_file.exists():
        if needed_by:
            raise EngineError(
                f"the passphrase is missing: {needed_by} is encrypted with it, and {default_file} isn't there",
                hint=f"put the file back, or set {_VARIABLE} or {_FILE_VARIABLE}; nothing was changed",
            )
        _generate(default_file)
    text = _text_of(default_file)
    if not text:
        raise EngineError(
            f"the passphrase file {default_file} is empty; an empty passphrase is not used",
            hint=f"put its content back, or set {_VARIABLE}; if no state exists yet, remove the file",
        )
    return text


def _state_beside(file: Path) -> str:
    """Return a state in the backend's folder, which the file belongs to; empty if there is none."""
    found = (file.parent / ".pulumi" / "stacks").glob("*/*.json*")
    return next((str(state) for state in sorted(found)), "")


def _generate(file: Path) -> None:
    """Write a temporary file and link it to the final name, so that only one process succeeds and none reads a part."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_urlsafe(24))
                stream.flush()
                os.fsync(stream.fileno())
            with suppress(FileExistsError):
                os.link(name, file)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(
            f"the passphrase file {file} can't be created: {error.strerror}",
            hint=f"make its folder writable, or set {_VARIABLE}; nothing was changed",
        ) from None


def _text_of(file: Path) -> str:
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise EngineError(f"the passphrase file {file} can't be read: {why}") from None
