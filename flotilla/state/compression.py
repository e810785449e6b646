"""Copies of states are kept compressed, as Pulumi's CLI can keep them: by gzip, with the ending `.gz`.

The CLI goes by a file's first bytes, not by its name, whatever it is set to write (sdk/go/common/encoding), and so does
this. What the CLI writes compressed (`PULUMI_DIY_BACKEND_GZIP`) and what it doesn't is read alike.
"""

from __future__ import annotations

import gzip
import io
import zlib

from flotilla.state.reading import StateError

ENDING = ".gz"
_MAGIC = b"\x1f\x8b"
_MOST_BYTES = 1 << 30
"""Of a state, unpacked: a small file may not fill the memory."""


def compressed(text: str) -> bytes:
    """Return a text compressed; the same text gives the same bytes."""
    return gzip.compress(text.encode(), mtime=0)


def unpacked(data: bytes) -> bytes:
    """Return what a file holds, compressed or not.

    Raises:
        StateError: it is broken, or larger than 1 GiB when it is unpacked.
    """
    if not data.startswith(_MAGIC):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            found = stream.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise StateError(f"is broken: gzip can't unpack it ({error})") from None
    if len(found) > _MOST_BYTES:
        raise StateError("is larger than 1 GiB when it is unpacked")
    return found
