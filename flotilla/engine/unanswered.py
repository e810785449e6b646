"""The clusters that did not answer in a run: each is asked once, reported once, and left unchanged."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from flotilla.errors import ClusterError
from flotilla.karmada.names import cluster_of
from flotilla.kube.wire import Unreachable
from flotilla.state.urns import DYNAMIC_PREFIX, PROVIDER_PREFIX, own_type, provider_of


@dataclass
class _Cluster:
    error: ClusterError
    waiting: set[str] = field(default_factory=set)
    """URNs of the resources whose steps could not be done."""

    def sentence(self, name: str) -> str:
        """Return one line that says what this means for the run."""
        count = len(self.waiting)
        rest = f"{count} of its resources {'is' if count == 1 else 'are'} left as the state has them"
        way_out = "; the next run goes on"
        if isinstance(self.error, Unreachable):
            way_out += f", or `flotilla abandon {name}` gives the cluster up"
        return f"{self.error.message}; {rest}{way_out}"


class Unanswered:
    """The clusters that did not answer, by the reference of the provider that connects to them. Thread-safe."""

    def __init__(self) -> None:
        """Start without clusters."""
        self._clusters: dict[str, _Cluster] = {}
        self._lock = Lock()

    def add(self, provider: str, urn: str, error: Exception) -> bool:
        """Record a failed step's error; return whether the error means that the step's cluster does not answer."""
        if not _dials(provider) or not isinstance(error, ClusterError) or not error.whole_cluster:
            return False
        with self._lock:
            self._clusters.setdefault(provider, _Cluster(error)).waiting.add(urn)
        return True

    def note(self, provider: str, error: ClusterError) -> None:
        """Record a cluster that does not answer, before a step needs it."""
        with self._lock:
            self._clusters.setdefault(provider, _Cluster(error))

    def waits(self, provider: str, urn: str) -> bool:
        """Return whether a step's cluster is among them; the step is then counted as waiting for it."""
        with self._lock:
            cluster = self._clusters.get(provider)
            if cluster is not None:
                cluster.waiting.add(urn)
            return cluster is not None

    def reasons(self) -> dict[str, str]:
        """Return the reasons by the clusters' names."""
        return {name: cluster.error.message for name, cluster in self._by_name()}

    def sentences(self) -> list[str]:
        """Return one line for each cluster."""
        return [cluster.sentence(name) for name, cluster in self._by_name()]

    def _by_name(self) -> list[tuple[str, _Cluster]]:
        with self._lock:
            named = [(cluster_of(provider_of(key)), cluster) for key, cluster in self._clusters.items()]
        return sorted(named, key=lambda pair: pair[0])


def _dials(provider: str) -> bool:
    """Return whether a provider belongs to one cluster; the one of dynamic resources is shared by all clusters."""
    urn = provider.rpartition("::")[0]
    return bool(urn) and own_type(urn) != f"{PROVIDER_PREFIX}{DYNAMIC_PREFIX.removesuffix(':')}"
