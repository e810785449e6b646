"""Fast key derivation for tests: the million rounds that protect real passphrases take too long."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flotilla.state import crypto

ALL = crypto._ITERATIONS


@contextmanager
def few() -> Iterator[None]:
    """Derive keys with few rounds in this process; other processes, which use all rounds, can't read the results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "_ITERATIONS", 1000)
        crypto._key.cache_clear()  # the cache ignores the number of rounds
        yield
        crypto._key.cache_clear()


def crypter(passphrase: str) -> crypto.PassphraseCrypter:
    """Return a crypter for a passphrase, made with few rounds; tests may share it."""
    with few():
        return crypto.PassphraseCrypter(passphrase)
