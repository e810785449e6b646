"""Keys of passphrases in no time: a million rounds protect people, not tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flotilla.state import crypto

ALL = crypto._ITERATIONS


@contextmanager
def few() -> Iterator[None]:
    """Derive keys with few rounds, in this process alone: what another one reads, or wrote, needs all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "_ITERATIONS", 1000)
        crypto._key.cache_clear()  # it keeps keys whatever their rounds
        yield
        crypto._key.cache_clear()


def crypter(passphrase: str) -> crypto.PassphraseCrypter:
    """Return what encrypts under a passphrase, for tests that share it."""
    with few():
        return crypto.PassphraseCrypter(passphrase)
