"""Compresses copies of states with gzip and the ending `.gz`, as Pulumi's CLI can do.

To recognise a compressed file, the CLI looks at the first bytes and not at the name (sdk/go/common/encoding), and so
does this module. So the CLI's files are read whether it compressed them (`PULUMI_DIY_BACKEND_GZIP`) or not.
"""

from __future__ import annotations

import gzip
import io
import zlib

from flotilla.state.reading import StateError

ENDING = ".gz"
_MAGIC = b"\x1f\x8b"
_MOST_BYTES = 1 << 30
"""The largest uncompressed state; it keeps a small file from filling the memory."""


def compressed(text: str) -> bytes:
    """Return a compressed text; equal texts give equal bytes."""
    return gzip.compress(text.encode(), mtime=0)


def unpacked(data: bytes) -> bytes:
    """Return the uncompressed content of a file, which may be compressed or not.

    Raises:
        StateError: the content is broken, or larger than 1 GiB when it is unpacked.
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
