"""Which values of Karmada's chart are changed, why, and what happens without the change.

A test checks every path and default here against the published values of 1.10.7 and 1.18.2. The values are plain data;
a component passes them to a Helm release.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.installing.chart import CA_EXPIRY, CHART_HOSTS, COMPONENTS
from flotilla.karmada.versions import Version

CERTIFICATE_ANNOTATION = "flotilla.dev/certificates"
CERTIFICATE_LABEL = "flotilla-certificates"
_SHOWN_SECRET = "[secret]"  # noqa: S105 - the text shown instead of a secret


# The helper images whose tags float in the chart. These releases exist, and contain what the chart's jobs call: sh and
# bash, openssl, cfssl, curl, kubectl.
_PINNED = {"cfssl": (None, "v1.6.5"), "kubectl": ("bitnamilegacy/kubectl", "1.33.4")}


@dataclass(frozen=True)
class ChartValue:
    """One changed value of the chart."""

    path: str
    """Its path, with dots."""
    value: Any
    """The new value; may be one of Pulumi's outputs."""
    default: Any
    """The chart's default; None where that differs between versions."""
    reason: str
    """Why it is changed."""
    otherwise: str
    """What happens without the change."""
    secret: bool = False
    """Whether it must never be shown."""

    @property
    def shown(self) -> Any:
        """The value in the form that users may see."""
        return _SHOWN_SECRET if self.secret else self.value


@dataclass(frozen=True)
class Pki:
    """The certificates that the chart accepts, PEM; may be Pulumi's outputs."""

    ca_cert: Any
    ca_key: Any
    cert: Any
    key: Any
    front_proxy_ca_cert: Any
    front_proxy_cert: Any
    front_proxy_key: Any
    fingerprint: Any
    """The fingerprint of the certificates: new certificates restart the pods."""


@dataclass(frozen=True)
class Changes:
    """Collects changed values, in the order in which they are shown."""

    values: list[ChartValue] = field(default_factory=list)

    def add(self, path: str, value: Any, *, default: Any, reason: str, otherwise: str, secret: bool = False) -> None:
        """Add one value."""
        self.values.append(ChartValue(path, value, default, reason, otherwise, secret))


def images(
    version: str,
    *,
    registry: str | None,
    repositories: dict[str, str],
    tags: dict[str, str],
    pull_secrets: Iterable[str],
) -> list[ChartValue]:
    """Return the values that set where images come from, and that pin every tag.

    Args:
        version: Karmada's version, such as 1.18.2.
        registry: a mirror that has all images.
        repositories: the repositories, by component.
        tags: the tags, by component.
        pull_secrets: names of Secrets in the release's namespace.
    """
    changes = Changes()
    if registry:
        changes.add(
            "global.imageRegistry",
            registry,
            default="",
            reason="all images come from this mirror, because the default registries can't be reached or aren't wanted",
            otherwise="pods stay in ImagePullBackOff where docker.io and registry.k8s.io can't be reached",
        )
    if pull_secrets:
        changes.add(
            "global.imagePullSecrets",
            list(pull_secrets),
            default=[],
            reason="the registry requires credentials",
            otherwise="the registry rejects pulls",
        )
    for name, component in COMPONENTS.items():
        pinned = _PINNED.get(name, (None, None))
        repository = repositories.get(name)
        if repository:
            changes.add(
                f"{component.path}.image.repository",
                repository,
                default=_repository_default(name),
                reason="the mirror has the image under another name",
                otherwise=f"{component.repository} is pulled, which the registry doesn't have",
            )
        elif pinned[0]:
            changes.add(
                f"{component.path}.image.repository",
                pinned[0],
                default=_repository_default(name),
                reason="the chart's repository no longer has versions, only `latest`",
                otherwise="the jobs of an installation run whatever is `latest` on that day",
            )
        tag = tags.get(name) or pinned[1] or (f"v{version}" if component.karmada else None)
        if tag:
            changes.add(
                f"{component.path}.image.tag",
                tag,
                default="latest" if component.floats else None,
                reason="the stack sets another tag"
                if name in tags
                else "pinned: the chart sets `latest` through a YAML anchor, so its version alone changes no tag",
                otherwise="pods that restart could run another version than the plan shows",
            )
    changes.add(
        "karmadaImageVersion",
        f"v{version}",
        default="latest",
        reason="init containers compare it with the version that the static-resource job has installed",
        otherwise="after an upgrade they wait for a version that is never recorded",
    )
    return changes.values


def _repository_default(name: str) -> str | None:
    return None if name == "kubectl" else COMPONENTS[name].repository


def endpoint(
    service_type: str, *, node_port: int | None, host_network: bool, annotations: dict[str, str]
) -> list[ChartValue]:
    """Return the values that set how Karmada's API server is published."""
    changes = Changes()
    if service_type != "ClusterIP":
        changes.add(
            "apiServer.serviceType",
            service_type,
            default="ClusterIP",
            reason="clients outside the host cluster must reach Karmada's API server",
            otherwise="only pods of the host cluster reach it: neither this stack nor an agent in a member could",
        )
    if node_port:
        changes.add(
            "apiServer.nodePort",
            node_port,
            default=0,
            reason="the port in the kubeconfig, which a port mapping or a firewall lets through",
            otherwise="the host cluster chooses a port that isn't known beforehand",
        )
    if host_network:
        changes.add(
            "apiServer.hostNetwork",
            True,
            default=False,
            reason="the API server listens on its node's own address, port 5443",
            otherwise="only pods of the host cluster reach it",
        )
    if annotations:
        changes.add(
            "apiServer.serviceAnnotations",
            dict(annotations),
            default={},
            reason="they configure how the load balancer publishes the Service",
            otherwise="the load balancer uses its defaults",
        )
    return changes.values


def own_certificates(pki: Pki, components: Iterable[str]) -> list[ChartValue]:
    """Return the values for the stack's own certificates, and those that restart the pods when certificates change.

    Args:
        pki: the certificates.
        components: the components that run.
    """
    changes = Changes()
    changes.add(
        "certs.mode",
        "custom",
        default="auto",
        reason="certificates are made by the stack: their names, their lifetime and their renewal are planned",
        otherwise="a job of the chart makes them once, prints private keys into its log (it runs under set -x), never "
        "renews them, and the corresponding job at uninstall deletes objects of the host cluster (karmada#7618)",
    )
    for path, value in (
        ("caCrt", pki.ca_cert),
        ("caKey", pki.ca_key),
        ("crt", pki.cert),
        ("key", pki.key),
        ("frontProxyCaCrt", pki.front_proxy_ca_cert),
        ("frontProxyCrt", pki.front_proxy_cert),
        ("frontProxyKey", pki.front_proxy_key),
    ):
        changes.add(
            f"certs.custom.{path}",
            value,
            default="a placeholder",
            reason="made by the stack",
            otherwise="the chart's placeholder is no certificate",
            secret=path.lower().endswith("key"),
        )
    for name in components:
        labels = name == "etcd"  # the chart can set labels of etcd's pods, but no annotations
        changes.add(
            "etcd.podLabels" if labels else f"{COMPONENTS[name].path}.podAnnotations",
            {CERTIFICATE_LABEL if labels else CERTIFICATE_ANNOTATION: pki.fingerprint},
            default={},
            reason="a fingerprint: new certificates restart the pods, which the chart's own templates don't do",
            otherwise="pods would serve the old certificates until these expire, although the Secret has renewed ones",
        )
    return changes.values


def chart_certificates(
    version: Version, names: list[str], *, lifetime_days: int, ca_lifetime_days: int
) -> list[ChartValue]:
    """Return the values for the chart's own job, if it makes the certificates (`certs.mode=auto`)."""
    changes = Changes()
    changes.add(
        "certs.auto.hosts",
        [*CHART_HOSTS, *names],
        default=list(CHART_HOSTS),
        reason="TLS clients verify the name that they dial: the published address has to be in the certificate",
        otherwise="every client outside the host cluster rejects the API server's certificate",
    )
    changes.add(
        "certs.auto.expiry",
        f"{lifetime_days * 24}h",
        default="43800h",
        reason="the lifetime in the stack file",
        otherwise="certificates are valid for five years",
    )
    if version >= CA_EXPIRY:
        changes.add(
            "certs.auto.rootCAExpiryDays",
            ca_lifetime_days,
            default=3650,
            reason="the lifetime of the CA in the stack file",
            otherwise="the CA is valid for ten years",
        )
    return changes.values


def etcd(
    *,
    claim: tuple[str, str] | None = None,
    servers: Iterable[str] = (),
    prefix: str = "",
    ca_cert: str = "",
    cert: str = "",
    key: Any = None,
) -> list[ChartValue]:
    """Return the values that set where etcd stores its data.

    Args:
        claim: size and storage class of a volume; None for a folder of the node.
        servers: URLs of an external etcd.
        prefix: the prefix of Karmada's keys.
        ca_cert: the CA that signed etcd's certificate, PEM.
        cert: the client certificate, PEM.
        key: the client's key, PEM.
    """
    changes = Changes()
    if claim:
        lost = "the data is in a folder of one node: it is lost with the node, and an uninstall leaves it there"
        changes.add(
            "etcd.internal.storageType",
            "pvc",
            default="hostPath",
            reason="Karmada's data outlives its node",
            otherwise=lost,
        )
        changes.add(
            "etcd.internal.pvc.size", claim[0], default="", reason="the volume's size", otherwise="no volume is created"
        )
        if claim[1]:
            changes.add(
                "etcd.internal.pvc.storageClass",
                claim[1],
                default="",
                reason="the storage class in the stack file",
                otherwise="an empty class requests a volume that somebody has created manually",
            )
    if servers:
        external = {
            "etcd.mode": ("external", "internal", "Karmada's data is in an external etcd"),
            "etcd.external.servers": (",".join(servers), "", "the address of this etcd"),
            "etcd.external.registryPrefix": (prefix, "/registry/karmada", "the prefix of Karmada's keys in it"),
            "etcd.external.certs.caCrt": (ca_cert, "a placeholder", "the CA that signed its certificate"),
            "etcd.external.certs.crt": (cert, "a placeholder", "Karmada's client certificate"),
            "etcd.external.certs.key": (key, "a placeholder", "Karmada's client key"),
        }
        for path, (value, default, reason) in external.items():
            if value != default:
                changes.add(
                    path,
                    value,
                    default=default,
                    reason=reason,
                    otherwise="the chart installs its own etcd, or can't reach yours",
                    secret=path.endswith("key"),
                )
    return changes.values


def scale(replicas: dict[str, int], resources: dict[str, Any]) -> list[ChartValue]:
    """Return the values that set the replicas and the resources of pods, by component."""
    changes = Changes()
    for name, count in replicas.items():
        changes.add(
            f"{COMPONENTS[name].path}.replicaCount",
            count,
            default=COMPONENTS[name].replicas,
            reason="the number of replicas in the stack file",
            otherwise="the only replica is lost with its node" if count > 1 else "the chart's default number runs",
        )
    for name, quantities in resources.items():
        changes.add(
            f"{COMPONENTS[name].path}.resources",
            quantities,
            default=None,
            reason="the requests and limits in the stack file",
            otherwise="the pods compete with everything else on their nodes",
        )
    return changes.values


def options(components: Iterable[str], gates: dict[str, dict[str, bool]]) -> list[ChartValue]:
    """Return the values that install components beside the core, and that set feature gates by component."""
    changes = Changes()
    wanted = list(components)
    if wanted:
        changes.add(
            "components",
            wanted,
            default=[],
            reason="the stack file lists them",
            otherwise="only the core is installed",
        )
    for name, chosen in gates.items():
        changes.add(
            f"{COMPONENTS[name].path}.featureGates",
            dict(chosen),
            default={"PropagateDeps": False} if name == "controllerManager" else {},
            reason="the stack sets these gates, regardless of a version's defaults",
            otherwise="defaults differ between versions: that of failover has changed twice",
        )
    return changes.values


def merged(values: Iterable[ChartValue], more: dict[str, Any]) -> dict[str, Any]:
    """Return the chart's values as one document; `more` is merged last and wins."""
    document: dict[str, Any] = {}
    for value in values:
        *folders, last = value.path.split(".")
        place = document
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value.value
    return _merge(document, more)


def escape_hatch(values: Iterable[ChartValue], more: dict[str, Any], prefix: str = "") -> list[ChartValue]:
    """Return the leaves of `more` as changed values; the reason of each names the value that it replaces."""
    known = {value.path: value for value in values}
    found = []
    for key, value in more.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value and path not in known:
            found += escape_hatch(known.values(), value, f"{path}.")
            continue
        over = known.get(path)
        why = f"the stack's `values`; it replaces {over.shown!r}" if over else "the stack's `values`"
        default = over.default if over else None
        found.append(ChartValue(path, value, default, why, "the chart's own value, or Flotilla's, applies"))
    return found


def _merge(document: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    result = dict(document)
    for key, value in more.items():
        present = result.get(key)
        result[key] = _merge(present, value) if isinstance(present, dict) and isinstance(value, dict) else value
    return result
