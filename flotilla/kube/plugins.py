"""What the `kubernetes` package logs of a kubeconfig's credential plugin, which it doesn't raise.

It logs a failed plugin's whole standard error on the root logger, and goes on without credentials.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flotilla.kube.secrecy import plugin_text

_heard: ContextVar[list[str] | None] = ContextVar("what plugins complain of", default=None)


class _Listener(logging.Filter):
    """Takes the package's records out of the log where somebody listens; elsewhere it shortens and redacts them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.filename != "kube_config.py":
            return True
        text = plugin_text(record.getMessage())
        heard = _heard.get()
        if heard is not None:
            heard.append(text)
            return False
        record.msg, record.args = text, ()
        return True


_LISTENER = _Listener()


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Give the list of what is logged within; each text is redacted."""
    logging.getLogger().addFilter(_LISTENER)  # the same one is added once
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)
