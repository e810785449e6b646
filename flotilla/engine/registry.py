"""Finds the provider that manages a resource, and answers questions that depend on the provider's kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from flotilla.errors import ClusterError, EngineError
from flotilla.karmada.names import cluster_of
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection, connect
from flotilla.kube.identity import is_uid, verified
from flotilla.providers import Provider, objects, releases
from flotilla.providers.dynamic import DynamicProvider
from flotilla.providers.helm import HelmProvider
from flotilla.providers.kubernetes import KubernetesProvider
from flotilla.providers.stacks import STACK_REFERENCE, ReadStack, StackReferences
from flotilla.state.checkpoint import ResourceState
from flotilla.state.urns import name_of, package_of
from flotilla.state.values import INPUTS_KEY, UNKNOWN, Properties, Secret, reveal, seal, seal_outputs

KUBERNETES = "kubernetes"
DYNAMIC = "pulumi-python"
PACKAGES = (KUBERNETES, DYNAMIC)
_REFUSED_TYPES = ("kubernetes:yaml", "kubernetes:kustomize", "kubernetes:helm.sh/v4")


def referred(reference: str, resources: Iterable[ResourceState]) -> ResourceState | None:
    """Return the provider that `urn::id` refers to; without a match by ID, the first one with the URN.

    A replaced provider is matched by its ID: deletions in its cluster must not happen in the new provider's cluster.
    """
    urn, _, id_ = reference.rpartition("::")
    named = [resource for resource in resources if resource.urn == urn]
    return next((resource for resource in named if resource.id == id_), named[0] if named else None)


class ProviderRegistry:
    """Makes the providers that the resources of a stack refer to, each once."""

    def __init__(self, find: Callable[[str], ResourceState | None], read_stack: ReadStack) -> None:
        """Keep the function that finds a provider's resource by `urn::id`, and the one that reads another stack."""
        self._find = find
        self._stacks = StackReferences(read_stack)
        self._made: dict[str, Provider] = {}
        self.dynamic = DynamicProvider()
        self._lock = threading.Lock()

    def refuse_unknown(self, type_: str, name: str) -> None:
        """Refuse a type that this engine doesn't deploy, before anything is changed.

        Raises:
            EngineError: the type isn't supported.
        """
        if type_ == STACK_REFERENCE:
            return
        if package_of(type_) not in PACKAGES or type_.startswith(_REFUSED_TYPES):
            raise EngineError(
                f"the embedded engine doesn't know {type_} ({name!r}); it deploys kubernetes and dynamic resources",
                hint="use --engine pulumi with Pulumi's CLI",
            )

    def refuse_unknown_package(self, package: str, name: str) -> None:
        """Refuse a provider of a package that this engine doesn't deploy.

        Raises:
            EngineError: the package isn't supported.
        """
        if package not in PACKAGES:
            raise EngineError(f"the embedded engine has no provider {package!r} ({name!r})", hint="use --engine pulumi")

    def provider(self, reference: str, type_: str) -> Provider:
        """Return the provider that a resource refers to by `urn::id`.

        Raises:
            EngineError: the type isn't supported, or the provider doesn't exist.
        """
        self.refuse_unknown(type_, type_)
        if package_of(type_) == DYNAMIC:
            return self.dynamic
        if type_ == STACK_REFERENCE:
            return self._stacks
        urn = reference.rpartition("::")[0]
        resource = self._find(reference)
        if resource is None:
            raise EngineError(f"{type_} refers to the provider {urn}, which does not exist")
        inputs = reveal(resource.inputs)
        key = f"{urn}\0{type_ == releases.RELEASE}\0{inputs!r}"
        with self._lock:
            if key not in self._made:
                make = _helm if type_ == releases.RELEASE else _kubernetes
                self._made[key] = make(urn, inputs)
            return self._made[key]

    def adopter(self, reference: str, type_: str) -> KubernetesProvider | None:
        """Return the provider if it can adopt existing resources; None otherwise."""
        provider = self.provider(reference, type_)
        return provider if isinstance(provider, KubernetesProvider) else None

    def reach(self, reference: str, type_: str) -> None:
        """Check that the cluster of a Kubernetes provider answers.

        Raises:
            ClusterError: the cluster does not answer, or another cluster answers.
        """
        provider = self.provider(reference, type_)
        if isinstance(provider, KubernetesProvider):
            provider.reach()

    def is_other_cluster(self, old: Properties, new: Properties) -> bool:
        """Return whether a provider's new configuration means another cluster, so that all its resources are replaced.

        With an equal `clusterIdentifier` it is the same cluster, whatever else changes (pulumi-kubernetes#4019). An
        identifier that is added or removed does not mean another cluster, nor does the change from a cluster's name,
        which older states have as the identifier, to its UID.
        """
        one, other = reveal(old), reveal(new)
        before, after = one.get("clusterIdentifier"), other.get("clusterIdentifier")
        if before and after:
            return bool(before != after and (is_uid(before) or not is_uid(after)))
        return any(one.get(key) != other.get(key) for key in ("kubeconfig", "context", "cluster"))

    def moved(self, old: str, new: str) -> bool:
        """Return whether a resource's provider is another one, or the same one for another cluster."""
        return bool(old) and old != new

    def seal_outputs(
        self, type_: str, outputs: Properties, inputs: Properties, additional: tuple[str, ...] = ()
    ) -> Properties:
        """Mark outputs as secret that are secret in the inputs, or by the resource's kind, or by name."""
        sealed = dict(seal_outputs(outputs, inputs))
        for name in (*additional, *_secret_by_kind(type_, outputs)):
            if sealed.get(name) is not None and not isinstance(sealed[name], Secret) and sealed[name] is not UNKNOWN:
                sealed[name] = Secret(sealed[name])
        return sealed

    def seal_checked(self, type_: str, checked: Properties, inputs: Properties) -> Properties:
        """Mark values in the checked inputs as secret that the program marked, even if the provider moved them."""
        like = objects.secret_places(inputs) if package_of(type_) == KUBERNETES else inputs
        sealed: Properties = seal(checked, like)
        return sealed

    def preview(self, type_: str, inputs: Properties) -> Properties:
        """Return the outputs of a resource that are known before it is created."""
        if type_ == releases.RELEASE:
            return releases.preview_outputs(inputs)
        return objects.preview_outputs(inputs) if package_of(type_) == KUBERNETES else inputs

    def preview_update(self, type_: str, outputs: Properties, inputs: Properties) -> Properties:
        """Return the outputs of a resource that are known before it is updated; an object keeps those of the server."""
        if type_ == releases.RELEASE:
            return releases.preview_outputs(inputs)
        return objects.preview_update(outputs, inputs) if package_of(type_) == KUBERNETES else inputs


def _secret_by_kind(type_: str, outputs: Properties) -> tuple[str, ...]:
    if type_ == releases.RELEASE:
        return (INPUTS_KEY,)  # the provider itself returns it as a secret
    return objects.secret_outputs(outputs) if package_of(type_) == KUBERNETES else ()


def _kubernetes(urn: str, inputs: Properties) -> KubernetesProvider:
    """Make a Kubernetes provider from the inputs of a `pulumi:providers:kubernetes` resource."""
    identifier = str(inputs.get("clusterIdentifier") or "")

    def connection() -> Connection:
        name = cluster_of(name_of(urn))
        found = connect(_kubeconfig(urn, inputs), context=inputs.get("context"), name=name)
        return verified(found, identifier) if is_uid(identifier) else found

    return KubernetesProvider(
        _once(connection),
        force=_flag(inputs.get("enablePatchForce")),
        upsert=_flag(inputs.get("upsertExistingObjects")),
        mutable=frozenset(
            kind
            for kind, key in (("Secret", "enableSecretMutable"), ("ConfigMap", "enableConfigMapMutable"))
            if _flag(inputs.get(key))
        ),
    )


def _once(connection: Callable[[], Connection]) -> Callable[[], Connection]:
    """Return a function that connects at the first call; later calls get the same connection, or the same error."""
    lock = threading.Lock()
    outcome: list[Connection | ClusterError] = []

    def connected() -> Connection:
        with lock:
            if not outcome:
                try:
                    outcome.append(connection())
                except ClusterError as error:
                    outcome.append(error)
        if isinstance(outcome[0], ClusterError):
            raise outcome[0]
        return outcome[0]

    return connected


def _helm(urn: str, inputs: Properties) -> HelmProvider:
    """Make a provider of Helm releases from the inputs of a `pulumi:providers:kubernetes` resource."""

    def kubeconfig() -> str:
        document = kubeconfigs.load(_kubeconfig(urn, inputs))
        return kubeconfigs.dump(kubeconfigs.select(document, inputs.get("context")))

    return HelmProvider(kubeconfig)


def _kubeconfig(urn: str, inputs: Properties) -> str:
    """Return a provider's kubeconfig.

    Raises:
        EngineError: the provider has no kubeconfig, or it isn't known yet.
    """
    kubeconfig = inputs.get("kubeconfig")
    if kubeconfig is UNKNOWN:
        raise EngineError(f"{urn}: its kubeconfig isn't known yet")
    if not isinstance(kubeconfig, str) or not kubeconfig:
        raise EngineError(
            f"{urn} has no kubeconfig", hint="the shell's kubeconfig is never used: give the provider one"
        )
    return kubeconfig


def _flag(value: Any) -> bool:
    """Return the value of a provider's flag, which the SDK sends as JSON text."""
    return value is True or value == "true"
