"""Faults as values: an action, and the requests that it affects."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What the proxy does with a request."""

    PASS = "pass"
    DELAY = "delay"
    """The proxy forwards it after `seconds`."""
    HANG = "hang"
    """The proxy never answers; it closes the connection when faults are cleared or the proxy stops."""
    DROP = "drop"
    """The connection is closed without an answer."""
    CUT = "cut"
    """The connection is closed in the middle of the answer. The request took effect."""
    HALF = "half"
    """The client gets half of the answer's body as if it were complete. The request took effect."""
    GARBLE = "garble"
    """The answer's body is replaced by random bytes of its length. The request took effect."""
    ANSWER = "answer"
    """The proxy answers by itself."""


@dataclass(frozen=True)
class Fault:
    """A fault for the requests that match all conditions; functions such as `drop` create one."""

    action: Action
    method: str = ""
    """A regular expression for the whole method, such as `GET|PATCH`; every method if empty."""
    path: str = ""
    """A regular expression that is searched for in the path with its query; every path if empty."""
    agent: str = ""
    """A regular expression that is searched for in the User-Agent, such as `^flotilla`; every client if empty."""
    nth: int = 0
    """Only the nth of the requests that match the conditions above, counted from 1; each of them if 0."""
    times: int | None = None
    """The maximum number of requests that are affected; None for no maximum."""
    probability: float = 1.0
    """The probability; the draw depends on the proxy's seed, the method, the path and the number of such requests."""
    after: bool = False
    """For HANG, DROP and ANSWER: the proxy forwards the request first and discards the server's answer."""
    seconds: float = 0.0
    """For DELAY."""
    status: int = 0
    """For ANSWER."""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def concerns(self, method: str, path: str, agent: str) -> bool:
        """Return whether a request matches method, path and agent."""
        return (
            (not self.method or re.fullmatch(self.method, method) is not None)
            and (not self.path or re.search(self.path, path) is not None)
            and (not self.agent or re.search(self.agent, agent) is not None)
        )


def delay(seconds: float, **conditions: Any) -> Fault:
    """Forward requests after some seconds."""
    return Fault(Action.DELAY, seconds=seconds, **conditions)


def hang(**conditions: Any) -> Fault:
    """Never answer."""
    return Fault(Action.HANG, **conditions)


def drop(**conditions: Any) -> Fault:
    """Close the connection without an answer, before the server gets the request or, with `after`, afterwards."""
    return Fault(Action.DROP, **conditions)


def cut(**conditions: Any) -> Fault:
    """Close the connection in the middle of the server's answer."""
    return Fault(Action.CUT, **conditions)


def half(**conditions: Any) -> Fault:
    """Forward half of the answer's body, with the Content-Length of that half."""
    return Fault(Action.HALF, **conditions)


def garble(**conditions: Any) -> Fault:
    """Replace the answer's body by random bytes."""
    return Fault(Action.GARBLE, **conditions)


def answer(status: int, body: bytes | str = b"", headers: dict[str, str] | None = None, **conditions: Any) -> Fault:
    """Answer without the server or, with `after`, replace the server's answer."""
    content = body.encode() if isinstance(body, str) else body
    return Fault(Action.ANSWER, status=status, body=content, headers=tuple((headers or {}).items()), **conditions)


_LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Password</form></body></html>"


def login_page(status: int = 200, **conditions: Any) -> Fault:
    """Answer like a proxy that requires a login: a page with 200, or a redirect to one with 302."""
    headers = {"Content-Type": "text/html; charset=utf-8"}
    if status in (301, 302, 303, 307, 308):
        headers["Location"] = "https://login.example/oauth2/authorize?client_id=kube&state=" + "x" * 300
    return answer(status, _LOGIN, headers, **conditions)


@dataclass(frozen=True)
class Entry:
    """One request, and what the proxy did with it. Headers and bodies are not stored: they may be secret."""

    number: int
    method: str
    path: str
    agent: str
    action: Action
    after: bool = False
    status: int = 0
    """The status that the client got; 0 for no answer."""

    def __str__(self) -> str:
        late = " after it took effect" if self.after else ""
        return f"{self.number:4} {self.method:6} {self.path} [{self.agent[:30]}] {self.action}{late} -> {self.status}"


@dataclass
class _Armed:
    fault: Fault
    matched: int = 0
    fired: int = 0


@dataclass
class Schedule:
    """The active faults, and the counts of their requests so far. It is thread-safe."""

    seed: int = 0
    _armed: list[_Armed] = field(default_factory=list)
    _seen: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        """Add a fault; if several match a request, the first one applies."""
        with self._lock:
            self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._armed.clear()

    def choose(self, method: str, path: str, agent: str) -> Fault | None:
        """Return the fault that applies to a request; None if no fault does."""
        with self._lock:
            for index, armed in enumerate(self._armed):
                fault = armed.fault
                if not fault.concerns(method, path, agent):
                    continue
                armed.matched += 1
                if fault.nth and armed.matched != fault.nth:
                    continue
                if fault.times is not None and armed.fired >= fault.times:
                    continue
                if fault.probability < 1.0 and self._draw(index, method, path) >= fault.probability:
                    continue
                armed.fired += 1
                return fault
        return None

    def _draw(self, index: int, method: str, path: str) -> float:
        """Return a number in [0, 1) that doesn't depend on the order of requests for other paths."""
        plain = path.partition("?")[0]
        self._seen[index, method, plain] += 1
        text = f"{self.seed} {index} {method} {plain} {self._seen[index, method, plain]}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
