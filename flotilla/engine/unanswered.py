"""Clusters that did not answer in a run: asked once, reported once, and left as they are."""

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
    """URNs of the resources that could not be served."""

    def sentence(self, name: str) -> str:
        """Say what that means for the run, in one line."""
        count = len(self.waiting)
        rest = f"{count} of its resources {'is' if count == 1 else 'are'} left as the state has them"
        way_out = "; the next run goes on"
        if isinstance(self.error, Unreachable):
            way_out += f", or `flotilla abandon {name}` gives the cluster up"
        return f"{self.error.message}; {rest}{way_out}"


class Unanswered:
    """Which clusters did not answer, by the reference of the provider that dials them. Safe to use from threads."""

    def __init__(self) -> None:
        """Know of none."""
        self._clusters: dict[str, _Cluster] = {}
        self._lock = Lock()

    def add(self, provider: str, urn: str, error: Exception) -> bool:
        """Take a failed step's error; True where it says that the step's own cluster does not answer."""
        if not _dials(provider) or not isinstance(error, ClusterError) or not error.whole_cluster:
            return False
        with self._lock:
            self._clusters.setdefault(provider, _Cluster(error)).waiting.add(urn)
        return True

    def note(self, provider: str, error: ClusterError) -> None:
        """Take what was found of a cluster before any step needed it."""
        with self._lock:
            self._clusters.setdefault(provider, _Cluster(error))

    def waits(self, provider: str, urn: str) -> bool:
        """Tell whether a step's cluster is one of them; the step is then counted as waiting for it."""
        with self._lock:
            cluster = self._clusters.get(provider)
            if cluster is not None:
                cluster.waiting.add(urn)
            return cluster is not None

    def reasons(self) -> dict[str, str]:
        """Return the reason by the cluster's name."""
        return {name: cluster.error.message for name, cluster in self._by_name()}

    def sentences(self) -> list[str]:
        """Return one line for each cluster."""
        return [cluster.sentence(name) for name, cluster in self._by_name()]

    def _by_name(self) -> list[tuple[str, _Cluster]]:
        with self._lock:
            named = [(cluster_of(provider_of(key)), cluster) for key, cluster in self._clusters.items()]
        return sorted(named, key=lambda pair: pair[0])


def _dials(provider: str) -> bool:
    """Tell whether a provider stands for one cluster; that of dynamic resources is the same for all of them."""
    urn = provider.rpartition("::")[0]
    return bool(urn) and own_type(urn) != f"{PROVIDER_PREFIX}{DYNAMIC_PREFIX.removesuffix(':')}"
