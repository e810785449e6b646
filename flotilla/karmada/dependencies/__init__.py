"""Karmada's dependency distribution (propagateDeps): which objects follow a template into its clusters.

Nothing here does I/O. Upstream: pkg/dependenciesdistributor, pkg/resourceinterpreter/default/native/dependencies.go and
pkg/util/helper/pod.go, versions 1.10 to 1.18.
"""

from flotilla.karmada.dependencies.distribution import ABORT, OVERWRITE, Following, Sender, following
from flotilla.karmada.dependencies.references import Reference, references_of, refers_to

__all__ = [
    "ABORT",
    "OVERWRITE",
    "Following",
    "Reference",
    "Sender",
    "following",
    "references_of",
    "refers_to",
]
