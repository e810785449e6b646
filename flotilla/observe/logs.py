"""The logs of a workload's pods in every member that runs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from flotilla.karmada.status.reasons import pods_of
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.wire import Request

_SILENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class LogOptions:
    """The requested part of the logs."""

    tail: int = 20
    """The number of lines of each container."""
    container: str = ""
    """The name of a container; all containers if empty."""
    since_seconds: int | None = None
    previous: bool = False
    """Whether the log of the previous container is read, if one has crashed."""
    follow: bool = False


@dataclass(frozen=True)
class LogSource:
    """One container in one member."""

    namespace: str
    pod: str
    container: str


def sources(member: Connection, ref: ObjectRef, options: LogOptions) -> list[LogSource]:
    """Return the containers of a workload's pods; none if the member doesn't have the workload.

    Raises:
        ClusterError: the member did not answer, or refused.
    """
    live = member.find(ref)
    pods = pods_of(member, live) if live else []
    return [source for pod in pods for source in _containers(pod) if options.container in ("", source.container)]


def read_log(member: Connection, source: LogSource, options: LogOptions) -> str:
    """Return a container's log.

    Raises:
        ClusterError: the log can't be read; the reason comes from the node.
    """
    return str(member.send(_request(source, options)))


def follow_log(member: Connection, source: LogSource, options: LogOptions) -> Iterator[str]:
    """Yield a container's lines as they are written, until it ends."""
    for line in member.lines(_request(source, options)):
        yield line.decode("utf-8", "replace")


def _containers(pod: Object) -> list[LogSource]:
    meta = pod["metadata"]
    return [LogSource(meta["namespace"], meta["name"], str(c["name"])) for c in pod["spec"].get("containers") or []]


def _request(source: LogSource, options: LogOptions) -> Request:
    query = {
        "container": source.container,
        "tailLines": options.tail if options.tail >= 0 else None,
        "sinceSeconds": options.since_seconds,
        "previous": "true" if options.previous else None,
        "follow": "true" if options.follow else None,
    }
    return Request(
        "GET",
        f"/api/v1/namespaces/{quote(source.namespace)}/pods/{quote(source.pod)}/log",
        f"reading the log of {source.namespace}/{source.pod}",
        query,
        timeout=_SILENCE_SECONDS if options.follow else None,
        accept="text/plain, */*",
    )
