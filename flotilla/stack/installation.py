"""Turns `controlPlane.helm` of the stack file into values of the chart, each with its reason."""

from __future__ import annotations

from typing import Any

from flotilla.karmada.installing import chart, chart_values
from flotilla.karmada.installing.chart_values import ChartValue, Pki
from flotilla.karmada.versions import Version
from flotilla.stack.helm import CertificateMode, Endpoint, EndpointType, EtcdStorage, HelmControlPlane

PLACEHOLDER = Pki(*["[made by the stack]"] * 8)
"""Replaces certificates where none exist yet: in `explain`, and where values are only read."""


def certificate_names(helm: HelmControlPlane) -> list[str]:
    """Return every name and address that the API server's certificate must have."""
    from flotilla.karmada.installing import pki  # cryptography takes a while to load

    return [*pki.service_names(), *published_names(helm)]


def published_names(helm: HelmControlPlane) -> list[str]:
    """Return the names and addresses that clients outside the host cluster dial."""
    return list(dict.fromkeys([helm.endpoint.address, *helm.certificates.names]))


def running(helm: HelmControlPlane) -> list[str]:
    """Return the components that run, in the order in which they start."""
    without = {"etcd"} if helm.etcd.external else set()
    return [name for name in chart.CORE if name not in without] + [option.value for option in helm.components]


def changed_values(helm: HelmControlPlane, version: str, certificates: Pki = PLACEHOLDER) -> list[ChartValue]:
    """Return every value of the chart that Flotilla changes, without the stack's own `values`."""
    images = helm.images
    values = chart_values.images(
        version,
        registry=images.registry,
        repositories=dict(images.repositories),
        tags=dict(images.tags),
        pull_secrets=images.pull_secrets,
    )
    values += _endpoint(helm.endpoint)
    settings = helm.certificates
    if settings.mode is CertificateMode.CUSTOM:
        values += chart_values.own_certificates(certificates, running(helm))
    else:
        values += chart_values.chart_certificates(
            Version.parse(version),
            published_names(helm),
            lifetime_days=settings.lifetime_days,
            ca_lifetime_days=settings.ca_lifetime_days,
        )
    values += _etcd(helm)
    values += chart_values.scale(dict(helm.replicas), {name: q.model_dump() for name, q in helm.resources.items()})
    return values + chart_values.options([option.value for option in helm.components], dict(helm.feature_gates))


def release_values(helm: HelmControlPlane, version: str, certificates: Pki = PLACEHOLDER) -> dict[str, Any]:
    """Return the chart's values as one document."""
    return chart_values.merged(changed_values(helm, version, certificates), dict(helm.values))


def explained(helm: HelmControlPlane, version: str) -> list[ChartValue]:
    """Return every changed value, the stack's own `values` last; the values that these replace are left out."""
    ours = changed_values(helm, version)
    last = chart_values.escape_hatch(ours, dict(helm.values))
    replaced = {value.path for value in last}
    return [value for value in ours if value.path not in replaced] + last


def hazards(helm: HelmControlPlane, version: str) -> list[str]:
    """Return what the user should know before the installation, a line each."""
    found = []
    if helm.certificates.mode is CertificateMode.AUTO:
        found.append(
            "certificates.mode auto: the chart's job makes certificates once and never renews them; later changes of "
            "their names or lifetimes have no effect; it prints private keys into its log. Its uninstall job would "
            "delete kube-public/cluster-info, the ServiceExport CRD and other objects of the host cluster "
            "(karmada#7618): the stack disables this job before a destroy; it still runs at a manual `helm uninstall`, "
            "or when Helm itself cleans up a failed first installation"
        )
    if helm.certificates.mode is CertificateMode.AUTO and Version.parse(version) < chart.CA_EXPIRY:
        found.append(
            f"certificates.mode auto with Karmada {version}: the CA expires after 365 days, whatever the certificates' "
            "lifetime is, and all certificates become invalid then (karmada#6436)"
        )
    if not helm.etcd.external and helm.etcd.storage is EtcdStorage.HOST_PATH:
        found.append(
            "etcd.storage hostPath: Karmada's data is in /var/lib/karmada-system/karmada-etcd of one node: it is lost "
            "with that node, a destroy leaves it there, and the next installation uses it again (karmada#5582)"
        )
    return found


def _endpoint(endpoint: Endpoint) -> list[ChartValue]:
    kind = endpoint.type
    own_service = kind in (EndpointType.NODE_PORT, EndpointType.LOAD_BALANCER)
    return chart_values.endpoint(
        kind.value if own_service else "ClusterIP",
        node_port=endpoint.port if kind is EndpointType.NODE_PORT else None,
        host_network=kind is EndpointType.HOST_NETWORK,
        annotations=dict(endpoint.annotations),
    )


def _etcd(helm: HelmControlPlane) -> list[ChartValue]:
    settings = helm.etcd
    if settings.external:
        external = settings.external
        return chart_values.etcd(
            servers=external.servers,
            prefix=external.prefix,
            ca_cert=external.ca_cert,
            cert=external.cert,
            key=external.key.get_secret_value(),
        )
    return chart_values.etcd(claim=(settings.size, settings.storage_class or "") if settings.size else None)
