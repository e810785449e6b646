"""The passphrase secrets provider: PBKDF2 and AES-256-GCM, as in Pulumi's pkg/secrets/passphrase."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
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


def passphrase(default_file: Path) -> str:
    """Return the stack's passphrase: from Pulumi's variables, else from a generated file with mode 0600."""
    if os.environ.get("PULUMI_CONFIG_PASSPHRASE") is not None:
        return os.environ["PULUMI_CONFIG_PASSPHRASE"]
    named = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    file = Path(named) if named else default_file
    if not file.exists():
        if named:
            raise EngineError(f"PULUMI_CONFIG_PASSPHRASE_FILE names {file}, which isn't there")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text().rstrip("\r\n")
