"""Rollouts that wait at the same time share what they read from their control plane: only one read runs at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from flotilla.karmada.status.reading import read_for
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.kube.connection import Connection, connect
from flotilla.kube.objects import Object


@dataclass
class _Batch:
    """Templates that are read together."""

    declared: list[Object] = field(default_factory=list)
    snapshot: Future[Snapshot] = field(default_factory=Future)


class SharedReader:
    """Reads a control plane for several threads. Threads that ask while a read is running share the next read.

    So a snapshot is never older than the request for it.
    """

    def __init__(self, connection: Connection) -> None:
        """Store the connection to the control plane; no request is sent yet."""
        self.connection = connection
        self._reading = threading.Lock()
        self._changing = threading.Lock()
        self._next: _Batch | None = None

    def read_for(self, declared: Iterable[Object]) -> Snapshot:
        """Read as `reading.read_for` does; the snapshot may contain other templates as well.

        Raises:
            ClusterError: the control plane could not be asked.
        """
        with self._changing:
            first = self._next is None
            batch = self._next = self._next or _Batch()
            batch.declared += declared
        if first:
            self._read(batch)
        return batch.snapshot.result()

    def _read(self, batch: _Batch) -> None:
        with self._reading:
            with self._changing:
                self._next = None
            try:
                batch.snapshot.set_result(read_for(self.connection, batch.declared))
            except BaseException as error:  # noqa: BLE001 - every thread that waits for the batch gets the error
                batch.snapshot.set_exception(error)


_readers: WeakValueDictionary[str, SharedReader] = WeakValueDictionary()
_opening = threading.Lock()


def shared_reader(kubeconfig: str) -> SharedReader:
    """Return the reader of a control plane; all users share one reader while any of them uses it."""
    with _opening:
        found = _readers.get(kubeconfig)
        if found is None:
            found = _readers[kubeconfig] = SharedReader(connect(kubeconfig, name="Karmada"))
        return found
