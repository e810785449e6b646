"""The servers that the files of one worker share."""

from contextlib import ExitStack


class Servers:
    """The servers of one worker. What a file asks for takes the place of what the file before it had.

    Every API server takes six of the kernel's few inotify instances (128 on many machines), Karmada's cluster ten and
    a member seven with its controllers: four workers can have a fleet each (24 of them, 31 with a third member), and
    not a cluster beside it.
    """

    def __init__(self) -> None:
        self._name = ""
        self._failed = 0
        self._servers = None
        self._stack = ExitStack()

    def get(self, name, start, *, failed=0):
        """Return the servers of this name; others are ended before these are started.

        `failed`: how many tests have failed so far. After a failure these are restarted too: one that failed may have
        left anything in them, and another file would fail because of it.
        """
        if name != self._name or failed > self._failed:
            self.end()
            self._servers = self._stack.enter_context(start())
            self._name = name
        self._failed = failed
        return self._servers

    def end(self):
        self._name = ""
        self._stack.close()
