"""What workloads need from each other and from the control plane before they can be declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flotilla.karmada.discovery import ask
from flotilla.karmada.kinds import DEFINITION, NAMESPACE, GroupKind, Kinds, defined_kinds, kind_of, namespace_of
from flotilla.kube.objects import Object
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet
from flotilla.stack.given import GivenPolicies
from flotilla.stack.problems import ConfigError
from flotilla.workloads.control_plane import kinds_known, written
from flotilla.workloads.objects import manifests_of, not_preferred

ROLLOUT = "rollout"


@dataclass(frozen=True)
class Need:
    """Something that one workload declares and another workload needs first."""

    workload: str
    """The workload that declares it."""
    what: str
    """`namespace/NAME`, `kind/GROUP/KIND`, `policy/KIND/NAMESPACE/NAME`, `object/KIND/NAMESPACE/NAME` (an object that
    follows others), or `rollout`: the end of the workload's rollout."""

    @property
    def kind(self) -> GroupKind | None:
        """The needed kind; None for needs of another sort."""
        what, *parts = self.what.split("/")
        return (parts[0], parts[1]) if what == "kind" else None

    def __str__(self) -> str:
        what, *parts = self.what.split("/")
        return " ".join([what, *parts[-1:]])


@dataclass(frozen=True)
class Known:
    """The facts about the kinds that a fleet declares."""

    kinds: Kinds
    """Their scope and preferred version."""
    messages: tuple[str, ...] = ()
    """Messages to the user."""


def known_kinds(fleet: Fleet, files: ManifestFiles, kubeconfig: str | None) -> Known:
    """Return the facts about a fleet's kinds: from its definitions, otherwise from the control plane.

    Args:
        fleet: the stack's fleet.
        files: the reader of manifests.
        kubeconfig: of the control plane, where it is known; used only for kinds about which nothing else is known.

    Raises:
        ConfigError: an object has a version that Karmada ignores.
    """
    listed = [(workload.name, m) for workload in fleet.workloads for m in manifests_of(workload, files)]
    kinds = kinds_known([written(group, files) for group in fleet.objects], [[m for _, m in listed]])
    doubtful = {kind_of(m) for _, m in listed if _doubtful(m, kinds)}
    answer = ask(kubeconfig, doubtful) if kubeconfig and doubtful else None
    if answer:
        kinds = kinds.over(answer)
    problems = []
    for name, manifest in listed:
        preferred = kinds.preferred_version(kind_of(manifest))
        if preferred and preferred != manifest["apiVersion"]:
            problems.append(not_preferred(f"workload {name}", manifest, preferred))
    if problems:
        raise ConfigError(problems)
    unknown = sorted({kind_of(m) for _, m in listed if kinds.has_namespace(kind_of(m)) is None})
    asked = "does not serve it" if answer else "was not asked" if kubeconfig is None else "gave no answer"
    return Known(
        kinds,
        tuple(
            f"{kind} ({group}) is treated as a namespaced kind: the manifests don't define it, and Karmada's API "
            f"server {asked}; list its CustomResourceDefinition among the manifests if it has no namespace"
            for group, kind in unknown
        ),
    )


def _doubtful(manifest: Object, kinds: Kinds) -> bool:
    """Return whether only the control plane has the facts about an object's kind."""
    kind = kind_of(manifest)
    known_version = kinds.preferred_version(kind) or manifest["apiVersion"].rpartition("/")[2] == "v1"
    return kinds.has_namespace(kind) is None or not known_version


def needs_of(
    manifests: Mapping[str, list[Object]], kinds: Kinds, given: Mapping[str, GivenPolicies] = MappingProxyType({})
) -> dict[str, list[Need]]:
    """Return the needs of each workload: the namespaces and kinds of its objects, shared policies.

    A need is also an object that follows the workload's own and that another part of the same workload declares.

    Args:
        manifests: the objects that each workload declares, by its name, with namespaces as `manifests_of` sets them.
        kinds: the facts about custom kinds: objects of cluster-scoped kinds need no namespace.
        given: the policies that users wrote, by the name of the workload that has them.
    """
    makers: dict[str, str] = {}
    for name, listed in manifests.items():
        for manifest in listed:
            makers |= dict.fromkeys(_made(manifest), name)
    makers |= {policy_key(policy): name for name, one in given.items() for policy in one.declares}
    for name, one in given.items():
        makers |= {follower_key(m): name for m in manifests.get(name, ()) if one.follows(m)}
    shared = {name: [*map(policy_key, one.overrides), *map(follower_key, one.followers)] for name, one in given.items()}
    return {
        name: _needs(name, [*_wanted(listed, kinds), *shared.get(name, ())], makers)
        for name, listed in manifests.items()
    }


def policy_key(policy: Object) -> str:
    """Return the key of a policy in a `Need`."""
    metadata = policy["metadata"]
    return f"policy/{policy['kind']}/{metadata.get('namespace') or ''}/{metadata['name']}"


def follower_key(obj: Object) -> str:
    """Return the key of an object that follows others in a `Need`."""
    metadata = obj["metadata"]
    return f"object/{obj['kind']}/{metadata.get('namespace') or ''}/{metadata['name']}"


def _made(manifest: Object) -> list[str]:
    kind = kind_of(manifest)
    if kind == NAMESPACE:
        return [f"namespace/{manifest['metadata']['name']}"]
    if kind == DEFINITION:
        return [f"kind/{group}/{name}" for group, name in defined_kinds([manifest]).namespaced]
    return []


def _wanted(manifests: list[Object], kinds: Kinds) -> list[str]:
    spaces = [f"namespace/{namespace}" for m in manifests if (namespace := namespace_of(m, "", kinds))]
    return [*spaces, *("/".join(("kind", *kind_of(m))) for m in manifests)]


def _needs(workload: str, wanted: list[str], makers: dict[str, str]) -> list[Need]:
    needed = dict.fromkeys(wanted)
    return [Need(makers[what], what) for what in needed if makers.get(what, workload) != workload]
