"""Programs whose providers depend on the identity of a cluster, a dynamic resource that is replaced.

The identity creates a ConfigMap and deletes it again, so the cluster's events show when it is created and deleted.
"""

import pulumi
import pulumi_kubernetes as k8s
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

from components.kubernetes_object import KubernetesObject
from flotilla.kube.connection import connect
from flotilla.kube.objects import ObjectRef
from flotilla.providers.dynamic import register
from tests.conformance.cases import DESTROY, Act, Case
from tests.conformance.kubernetes_cases import MUTABLE, Program, config_map
from tests.conformance.places import Namespace


class IdentityProvider(ResourceProvider):
    """Creates the ConfigMap `identity`; another `cluster` replaces it, and the old one is deleted first."""

    serialize_as_secret_always = False

    def create(self, props):
        mark = config_map(props["cluster"], "identity", namespace=props["namespace"])
        connect(props["kubeconfig"]).create(mark, field_manager="identity")
        return CreateResult(id_="identity", outs={**_without_provider(props), "uid": f"uid-of-{props['cluster']}"})

    def diff(self, _id, olds, news):
        changed = olds.get("cluster") != news.get("cluster")
        return DiffResult(changes=changed, replaces=["cluster"] if changed else [], delete_before_replace=True)

    def delete(self, _id, props):
        mark = ObjectRef("v1", "ConfigMap", "identity", props["namespace"])
        connect(props["kubeconfig"]).delete(mark, propagation="Background")  # at once: the next has its name


def _without_provider(props):
    return {key: value for key, value in props.items() if key != "__provider"}


class Identity(Resource, module="test", name="Identity"):
    cluster: pulumi.Output[str]
    uid: pulumi.Output[str]

    def __init__(self, place: Namespace, cluster: str) -> None:
        props = {"cluster": cluster, "kubeconfig": place.kubeconfig, "namespace": place.name, "uid": None}
        super().__init__(IdentityProvider(), "identity", props)


register("dynamic/test:Identity", IdentityProvider)  # registered, because a destroy runs without the program


def _object(name: str, value: pulumi.Input[str], place: Namespace, **options) -> KubernetesObject:
    return KubernetesObject(name, config_map(value, name, namespace=place.name), pulumi.ResourceOptions(**options))


def _chain(cluster: str, *, known: bool = False) -> Program:
    """Declare the identity, its provider, and two objects, the second after the first."""

    def program(place: Namespace) -> None:
        identity = Identity(place, cluster)
        identifier = identity.cluster if known else identity.uid
        provider = k8s.Provider("cluster", kubeconfig=place.kubeconfig, cluster_identifier=identifier)
        one = _object("one", "1", place, provider=provider)
        _object("two", "2", place, provider=provider, depends_on=[one])

    return program


def _dependents(cluster: str) -> Program:
    """Declare objects in an unchanged cluster that depend in every way on the identity of another cluster."""

    def program(place: Namespace) -> None:
        identity = Identity(place, cluster)
        provider = k8s.Provider("other", kubeconfig=place.kubeconfig, cluster_identifier="other", **MUTABLE)
        follows = _object("follows", identity.uid, place, provider=provider, replace_on_changes=["data.key"])
        name = follows.metadata.apply(lambda metadata: metadata["name"])
        _object("deeper", name, place, provider=provider, replace_on_changes=["data.key"])
        _object("written", identity.uid, place, provider=provider)
        _object("after", "1", place, provider=provider, depends_on=[identity, follows])

    return program


def _bound(cluster: str, *, before: bool) -> Program:
    """Declare a provider with an identity that the program knows, and two objects, the second after the first."""

    def program(place: Namespace) -> None:
        options = pulumi.ResourceOptions(delete_before_replace=before or None)
        provider = k8s.Provider("cluster", options, kubeconfig=place.kubeconfig, cluster_identifier=cluster)
        one = _object("one", "1", place, provider=provider)
        _object("two", "2", place, provider=provider, depends_on=[one])

    return program


def _planned(program, **options) -> tuple[Act, ...]:
    return (Act("up", program("a", **options)), Act("preview", program("b", **options)), DESTROY)


def _becomes(program, **options) -> tuple[Act, ...]:
    first, second = program("a", **options), program("b", **options)
    return (Act("up", first), Act("preview", second), Act("up", second), Act("preview", second), DESTROY)


# The CLI (3.259.0) can't carry out its plan in the first two cases: it unloads the old provider when it asks whether
# the new identity replaces it. So the deletions of the objects in that cluster fail ("the client connection is
# closing"; Registry.Diff in pkg/resource/deploy/providers).
CASES = (
    Case("identity-replaced", _planned(_chain), ordered=True),
    Case("identity-replaced-known-before", _planned(_chain, known=True), ordered=True),
    Case("identity-replaced-dependents", _becomes(_dependents)),
    Case("identity-of-provider-replaced", _becomes(_bound, before=True), ordered=True),
    Case("identity-of-provider-replaced-create-first", _becomes(_bound, before=False), ordered=True),
)
