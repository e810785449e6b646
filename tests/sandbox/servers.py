"""The servers that the test files of one worker share."""

from contextlib import ExitStack


class Servers:
    """The servers of one worker. If a file needs other servers than the file before it, the old ones are stopped.

    Every API server takes six of the kernel's few inotify instances (128 on many machines). With its controllers,
    Karmada's cluster takes ten and a member seven. So four workers can have a fleet each (24 instances, 31 with a third
    member), but no further cluster.
    """

    def __init__(self) -> None:
        self._name = ""
        self._failed = 0
        self._servers = None
        self._stack = ExitStack()

    def get(self, name, start, *, failed=0):
        """Return the servers of this name; start them if needed, after stopping others.

        `failed` is the number of tests that have failed so far. After a failure the servers are restarted, too, because
        the failed test may have left objects in them that would make other files fail.
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
