"""Programs with objects in a real cluster, for both engines; each case has its own namespace."""

import base64
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes_object import KubernetesObject
from tests.conformance.cases import DESTROY, Act, Case
from tests.conformance.places import CHART, Namespace

Program = Callable[[Namespace], None]
_TAKE = {"annotations": {"pulumi.com/patchForce": "true"}}
"""Metadata by which an update takes over fields that another manager owns."""


def _provider(place: Namespace, **more: Any) -> k8s.Provider:
    return k8s.Provider("cluster", kubeconfig=place.kubeconfig, **{"cluster_identifier": "one", **more})


def objects(*manifests: dict, provider: dict | None = None, **options: Any) -> Program:
    """Return a program that declares manifests in order; each resource has the name of its object."""

    def program(place: Namespace) -> None:
        made = _provider(place, **(provider or {}))
        for manifest in manifests:
            metadata = {"namespace": place.name, **manifest["metadata"]}
            opts = pulumi.ResourceOptions(provider=made, **options)
            name = manifest["metadata"].get("name", "unnamed")
            KubernetesObject(name, {**manifest, "metadata": metadata}, opts)

    return program


def deployment(replicas: int = 2, selector: str = "web", annotations: dict | None = None, **pod: Any) -> dict:
    """Return a Deployment called web."""
    labels = {"app": selector}
    container = {"name": "web", "image": "nginx:1.27", "resources": {"limits": {"cpu": "0.5"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", **({"annotations": annotations} if annotations else {})},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}},
        },
    }


def config_map(value: str = "1", name: str | None = "one", **more: Any) -> dict:
    """Return a ConfigMap, by default called one."""
    metadata = {**({"name": name} if name else {}), **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value, "other": "x"}}


def secret(value: str) -> dict:
    """Return a Secret called one."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}, "stringData": {"key": value}}


ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "account"}}
TOKEN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "kubernetes.io/service-account-token",
    "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": "account"}},
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], "type": "ClusterIP", "clusterIP": "None"},
}
MUTABLE = {"enable_config_map_mutable": True, "enable_secret_mutable": True}
NOWHERE = {"nodeSelector": {"nowhere": "true"}}


def _act(verb: str) -> Callable[..., Act]:
    """Return a function that makes acts of one verb from manifests and a function to call before."""

    def act(
        *manifests: dict,
        before: Callable[[Namespace], None] = lambda _: None,
        embedded_fails: bool | None = None,
        **options: Any,
    ) -> Act:
        return Act(verb, objects(*manifests, **options), before, embedded_fails=embedded_fails)

    return act


_up, _preview, _refresh = _act("up"), _act("preview"), _act("refresh")


def _account_and_token(place: Namespace) -> None:
    """Declare a token, and a Secret with its first characters: an input that only the API server knows."""
    made = _provider(place)
    opts = pulumi.ResourceOptions(provider=made)
    namespace = {"namespace": place.name}
    account = KubernetesObject("account", {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], **namespace}}, opts)
    after = pulumi.ResourceOptions(provider=made, depends_on=[account])
    token = KubernetesObject("token", {**TOKEN, "metadata": {**TOKEN["metadata"], **namespace}}, after)
    part = token.data.apply(lambda data: base64.b64decode(data["token"]).decode()[:3])
    KubernetesObject(
        "copy", {**secret(""), "metadata": {"name": "copy", **namespace}, "stringData": {"key": part}}, opts
    )
    pulumi.export("part", part)


def _imported(manifest: dict) -> Program:
    def program(place: Namespace) -> None:
        objects(manifest, provider=MUTABLE, import_=f"{place.name}/one")(place)

    return program


def _release(colour: str) -> Program:
    def program(place: Namespace) -> None:
        release = k8s.helm.v3.Release(
            "paint",
            k8s.helm.v3.ReleaseArgs(
                name="paint", namespace=place.name, chart=str(CHART), values={"colour": colour}, atomic=True, timeout=60
            ),
            pulumi.ResourceOptions(provider=_provider(place)),
        )
        pulumi.export("status", release.status.status)

    return program


def _read(place: Namespace) -> None:
    opts = pulumi.ResourceOptions(provider=_provider(place))
    found = k8s.core.v1.ConfigMap.get("found", f"{place.name}/one", opts)
    pulumi.export("value", found.data.apply(lambda data: data["key"]))


def _nothing(_place: Namespace) -> None:
    return


def applied_by(manager: str, manifest: dict) -> Callable[[Namespace], None]:
    """Return a function that applies an object as another manager, by force."""

    def act(place: Namespace) -> None:
        metadata = {"namespace": place.name, **manifest["metadata"]}
        place.connection.apply({**manifest, "metadata": metadata}, field_manager=manager, force=True)

    return act


def _scaled(place: Namespace) -> None:
    place.connection.patch(place.ref("apps/v1", "Deployment", "web"), {"spec": {"replicas": 5}})


def _removed(place: Namespace) -> None:
    place.connection.delete(place.ref("v1", "ConfigMap", "one"), propagation="Background")


CASES = (
    Case("kubernetes-deployment", (
        _preview(deployment()), _up(deployment()), _preview(deployment()),
        _refresh(deployment()), _preview(deployment(3)), _up(deployment(3)),
        Act("preview", _nothing), DESTROY,
    )),
    Case("kubernetes-immutable-field", (
        _up(deployment()), _preview(deployment(selector="other")),
        _up(deployment(selector="other")), DESTROY,
    )),
    Case("kubernetes-moved-to-another-name", (
        _up(config_map()), _up(config_map(name="two")), DESTROY,
    )),
    Case("kubernetes-config-map-replaced", (
        _up(config_map()), _preview(config_map("2")), _up(config_map("2")),
        DESTROY,
    )),
    Case("kubernetes-config-map-mutable", (
        _up(config_map(), provider=MUTABLE), _preview(config_map("2"), provider=MUTABLE),
        _up(config_map("2"), provider=MUTABLE), DESTROY,
    )),
    Case("kubernetes-autonamed", (
        _preview(config_map(name=None)), _up(config_map(name=None)),
        _preview(config_map(name=None)), _up(config_map("2", name=None)), DESTROY,
    )),
    Case("kubernetes-secret", (
        _up(secret("hunter2")), _preview(secret("hunter2")),
        _preview(secret("hunter3"), provider=MUTABLE), _up(secret("hunter3"), provider=MUTABLE),
        DESTROY,
    )),
    Case("kubernetes-token", (
        Act("preview", _account_and_token), Act("up", _account_and_token), Act("preview", _account_and_token), DESTROY,
    )),
    Case("kubernetes-service", (_up(SERVICE), _preview(SERVICE), DESTROY)),
    Case("kubernetes-ignore-changes", (
        _up(config_map(), provider=MUTABLE),
        _up(config_map("2"), provider=MUTABLE, ignore_changes=["data.key"]), DESTROY,
    )),
    Case("kubernetes-replace-on-changes", (
        _up(config_map(), provider=MUTABLE),
        _up(config_map("2"), provider=MUTABLE, replace_on_changes=["data.key"], delete_before_replace=True),
        DESTROY,
    )),
    Case("kubernetes-skip-await", (
        _up(deployment(annotations={"pulumi.com/skipAwait": "true"}, **NOWHERE)), DESTROY,
    )),
    Case("kubernetes-wait-for", (
        _up(config_map(annotations={"pulumi.com/waitFor": "jsonpath={.data.key}=1"})), DESTROY,
    )),
    Case("kubernetes-not-ready-in-time", (
        _up(deployment(**NOWHERE), custom_timeouts=pulumi.CustomTimeouts(create="4s", update="4s")),
        _up(deployment()), _preview(deployment()), DESTROY,
    )),
    Case("kubernetes-there-already", (
        _up(config_map(), before=applied_by("somebody", config_map("theirs"))), DESTROY,
    )),
    Case("kubernetes-conflict", (
        _up(deployment()), _preview(deployment(3), before=applied_by("somebody", deployment(7)), embedded_fails=True),
        _up(deployment(3)),
        _up(deployment(3, **_TAKE)), DESTROY,
    )),
    Case("kubernetes-refresh-changed", (
        _up(deployment()), _refresh(deployment(), before=_scaled),
        _preview(deployment(), embedded_fails=True), _up(deployment(**_TAKE)), DESTROY,
    )),
    Case("kubernetes-refresh-gone", (
        _up(config_map()), _refresh(config_map(), before=_removed),
        _up(config_map()), DESTROY,
    )),
    Case("kubernetes-retained", (_up(config_map(), retain_on_delete=True), Act("up", _nothing), DESTROY)),
    Case("kubernetes-protected", (
        _up(config_map(), protect=True), Act("destroy"), _up(config_map(), protect=False), DESTROY,
    )),
    Case("kubernetes-imported", (
        Act("preview", _imported(config_map()), before=applied_by("somebody", config_map())),
        Act("up", _imported(config_map())),
        _up(config_map(), provider=MUTABLE), _up(config_map("2", **_TAKE), provider=MUTABLE),
        DESTROY,
    )),
    Case("kubernetes-import-that-differs", (
        Act("preview", _imported(config_map("2", **_TAKE)), before=applied_by("somebody", config_map())),
        Act("up", _imported(config_map("2", **_TAKE))), DESTROY,
    )),
    Case("kubernetes-import-of-nothing", (Act("up", _imported(config_map())), DESTROY)),
    Case("kubernetes-read", (
        Act("preview", _read, before=applied_by("somebody", config_map())), Act("up", _read), Act("up", _read), DESTROY,
    )),
    Case("kubernetes-provider-renewed", (
        _up(config_map()), _preview(config_map(), provider={"suppress_deprecation_warnings": True}),
        _up(config_map(), provider={"suppress_deprecation_warnings": True}), DESTROY,
    )),
    Case("kubernetes-release", (
        Act("preview", _release("red")), Act("up", _release("red")), Act("preview", _release("red")),
        Act("refresh", _release("red")), Act("preview", _release("blue")), Act("up", _release("blue")), DESTROY,
    )),
    Case("kubernetes-another-cluster", (
        _up(config_map()), _preview(config_map(), provider={"cluster_identifier": "two"}), DESTROY,
    )),
)  # fmt: skip
