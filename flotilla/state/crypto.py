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
    """Encrypts and decrypts under a passphrase. The same plaintext keeps its ciphertext within a run."""

    def __init__(self, passphrase: str, state: str | None = None) -> None:
        """Derive the key; `state` is an existing salt with its probe, checked against the passphrase.

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
                hint="set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one it was made with",
            )

    def encrypt(self, plaintext: str) -> str:
        """Return `v1:nonce:ciphertext`, both base64."""
        if plaintext not in self._known:
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = self._cipher.encrypt(nonce, plaintext.encode(), None)
            self._known[plaintext] = f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"
        return self._known[plaintext]

    def decrypt(self, ciphertext: str) -> str:
        """Return the plaintext of `v1:nonce:ciphertext`.

        Raises:
            EngineError: it was not encrypted under this passphrase.
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
    """Derive the key, once a process: a million rounds take a third of a second, by design."""
    derivation = PBKDF2HMAC(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=salt, iterations=_ITERATIONS)
    return derivation.derive(passphrase.encode())


def derived_key(passphrase: str, state: str | None, purpose: str) -> bytes:
    """Return a key for one purpose, 32 bytes: whoever has it knows nothing of the passphrase or of other keys.

    Args:
        passphrase: the stack's.
        state: the salt with its probe, as the state has it; without one the purpose is the salt.
        purpose: what the key is for, and of which stack.
    """
    salt = base64.b64decode(state.split(":")[1]) if state else hashlib.sha256(purpose.encode()).digest()[:_SALT_BYTES]
    return hmac.digest(_key(passphrase, salt), purpose.encode(), "sha256")


def passphrase_is_named() -> bool:
    """Tell whether the user has named a passphrase by one of Pulumi's variables; else it is the generated one."""
    return any(os.environ.get(name) is not None for name in (_VARIABLE, _FILE_VARIABLE))


def passphrase(default_file: Path, *, salted: str = "") -> str:
    """Return the stack's passphrase: from Pulumi's variables, else from a generated file with mode 0600.

    The file is generated once, by the first run that needs it; of several that start at once all use the same.

    Args:
        default_file: the generated file, in the backend's folder.
        salted: what is encrypted under a passphrase already apart from the states beside the file, for the message:
            a stack file with an `encryptionsalt`. Another passphrase could not open it.

    Raises:
        EngineError: the passphrase is missing although something is encrypted under it, or can't be read.
    """
    if os.environ.get(_VARIABLE) is not None:
        return os.environ[_VARIABLE]
    named = os.environ.get(_FILE_VARIABLE)
    if named:
        if not Path(named).exists():
            raise EngineError(f"{_FILE_VARIABLE} names {named}, which isn't there")
        return _text_of(Path(named))
    # States are looked for before the file: a passphrase is always there before the first state that it encrypts.
    needed_by = _state_beside(default_file) or salted
    if not default_file.exists():
        if needed_by:
            raise EngineError(
                f"the passphrase is missing: {needed_by} is encrypted under it, and {default_file} isn't there",
                hint=f"put the file back, or set {_VARIABLE} or {_FILE_VARIABLE}; nothing was changed",
            )
        _generate(default_file)
    text = _text_of(default_file)
    if not text:
        raise EngineError(
            f"the passphrase file {default_file} is empty; nothing is encrypted under an empty passphrase",
            hint=f"put its content back, or set {_VARIABLE}; where no state exists yet, remove the file",
        )
    return text


def _state_beside(file: Path) -> str:
    """Return a state in the backend's folder that the file belongs to; empty where there is none."""
    found = (file.parent / ".pulumi" / "stacks").glob("*/*.json*")
    return next((str(state) for state in sorted(found)), "")


def _generate(file: Path) -> None:
    """Make the file aside and link it into place: exactly one of several processes does, and none sees half of it."""
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
            f"the passphrase file {file} can't be made: {error.strerror}",
            hint=f"make its folder writable, or set {_VARIABLE}; nothing was changed",
        ) from None


def _text_of(file: Path) -> str:
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise EngineError(f"the passphrase file {file} can't be read: {why}") from None
