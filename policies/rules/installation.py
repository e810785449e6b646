"""Rules about a control plane that the stack installs: its data, its images, its certificates."""

from collections.abc import Iterator
from urllib.parse import urlparse

from flotilla.counts import counted
from flotilla.karmada.installing.chart import COMPONENTS, RELEASE
from flotilla.karmada.installing.pki import is_named
from flotilla.policy.model import Resource, Rule, StackView, value_at

from .images import MOVING

_CERTIFICATES = "pulumi-python:dynamic/flotilla:Certificates"
_READY = "pulumi-python:dynamic/flotilla:ControlPlaneReady"
_LONGEST_DAYS = 825
_SHORTEST_WINDOW_DAYS = 14


def _releases(view: StackView) -> list[Resource]:
    return [release for release in view.objects("Release") if release.at("name") == RELEASE]


def _value(release: Resource, path: str, default: str) -> str:
    return str(release.at("values", *path.split("."), default=default))


def _volatile(release: Resource, _view: StackView) -> Iterator[str]:
    external = _value(release, "etcd.mode", "internal") == "external"
    if not external and _value(release, "etcd.internal.storageType", "hostPath") != "pvc":
        yield "keeps Karmada's data in a folder of one node"


def _floating(release: Resource, _view: StackView) -> Iterator[str]:
    for name, component in COMPONENTS.items():
        default = "latest" if component.floats else "pinned by the chart"
        if _value(release, f"{component.path}.image.tag", default) in MOVING:
            yield f"runs {name} with a moving tag"


def _with_certificates(view: StackView) -> list[Resource]:
    return [*_releases(view), *(r for r in view.resources if r.type == _CERTIFICATES)]


def _unrenewed(resource: Resource, _view: StackView) -> Iterator[str]:
    if resource.type != _CERTIFICATES:
        if _value(resource, "certs.mode", "auto") != "custom":
            yield "leaves certificates to the chart's job, which makes them once and never renews them"
        return
    lifetime = int(resource.at("lifetimeDays", default=0))
    window = int(resource.at("renewBeforeDays", default=0))
    if lifetime > _LONGEST_DAYS:
        yield f"makes certificates for {counted(lifetime, 'day')}, more than {_LONGEST_DAYS}"
    if window < min(_SHORTEST_WINDOW_DAYS, lifetime // 2):
        yield f"renews them only {counted(window, 'day')} before they expire"


def _published(view: StackView) -> list[Resource]:
    return [resource for resource in view.resources if resource.type == _READY]


def _unnamed(ready: Resource, view: StackView) -> Iterator[str]:
    host = urlparse(str(ready.at("server", default=""))).hostname or ""
    names = [name for r in view.resources if r.type == _CERTIFICATES for name in r.at("names", default=[])]
    for release in _releases(view):
        names += value_at(release.props, "values", "certs", "auto", "hosts", default=[])
    if not is_named(host, names):
        yield f"is published as {host}, which is in no certificate"


ETCD_PERSISTENT = Rule(
    "etcd-persistent",
    "If that node is lost, every placement, policy and join is lost",
    "set etcd.storage to pvc, or use an external etcd",
    _releases,
    _volatile,
    production_only=True,
)
CHART_IMAGES_PINNED = Rule(
    "chart-images-pinned",
    "A pod that restarts could run another version of Karmada than the plan shows",
    "remove the tag from `values`: the stack pins all tags",
    _releases,
    _floating,
)
CERTIFICATES_RENEWED = Rule(
    "certificates-renewed",
    "When the certificates of a control plane expire, the whole fleet can no longer be managed",
    "leave certificates.mode at custom, with a lifetime of one or two years and a renewal window of weeks",
    _with_certificates,
    _unrenewed,
    production_only=True,
)
ENDPOINT_IN_CERTIFICATE = Rule(
    "endpoint-in-certificate",
    "Every client outside the host cluster would reject the API server's certificate",
    "add the name to the certificate's names",
    _published,
    _unnamed,
    always=True,
)
