"""The settings of Karmada's Helm chart that users change, typed."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from flotilla.karmada.installing import chart
from flotilla.karmada.names import is_dns_subdomain
from flotilla.karmada.versions import Version
from flotilla.stack.charts import ChartPlace
from flotilla.stack.credentials import Kubeconfig
from flotilla.stack.problems import ConfigModel, Problem, refuse

CHART_REPOSITORY = "https://raw.githubusercontent.com/karmada-io/karmada/master/charts"
_LOWEST_NODE_PORT, _HIGHEST_NODE_PORT = 30000, 32767
_SECURE_PORT = 5443


def _host(value: str) -> str:
    bare = value.strip("[]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if not is_dns_subdomain(value):
            raise refuse(
                "must be an IP address or a DNS name, without scheme and port",
                consequence="no certificate could be made for it",
                remedy="write only the host",
            ) from None
    return value


def _component(value: str) -> str:
    if value not in chart.COMPONENTS:
        raise refuse(f"{value!r} is not a component of the chart", remedy=f"use one of {', '.join(chart.COMPONENTS)}")
    return value


def _deployed(value: str) -> str:
    if value not in chart.COMPONENTS or chart.COMPONENTS[value].replicas is None:
        known = ", ".join(name for name, c in chart.COMPONENTS.items() if c.replicas is not None)
        raise refuse(f"{value!r} has no pods", remedy=f"use one of {known}")
    return value


Host = Annotated[str, AfterValidator(_host)]
Component = Annotated[str, AfterValidator(_component)]
Deployed = Annotated[str, AfterValidator(_deployed)]


class EndpointType(StrEnum):
    """How clients outside the host cluster reach Karmada's API server."""

    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    HOST_NETWORK = "HostNetwork"
    INGRESS = "Ingress"
    """By the user's own proxy, which passes TLS through to the Service karmada-apiserver, port 5443."""


class Endpoint(ConfigModel):
    """The address at which Karmada's API server is published.

    NodePort needs `port`, from 30000 to 32767. LoadBalancer and HostNetwork listen on 5443. Ingress is one that you
    operate: it passes TLS through to the Service `karmada-apiserver`, and its port is 443 by default.
    """

    type: EndpointType = Field(description="How the API server is published.")
    address: Host = Field(description="The IP address or name that clients and agents dial. The certificate has it.")
    port: int | None = Field(default=None, ge=1, le=65535, description="The port that clients and agents dial.")
    annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations of the Service, for load balancers."
    )

    @model_validator(mode="after")
    def _port_of_type(self) -> Self:
        if self.type is EndpointType.NODE_PORT and not (
            self.port and _LOWEST_NODE_PORT <= self.port <= _HIGHEST_NODE_PORT
        ):
            raise refuse(
                f"a NodePort needs 'port' between {_LOWEST_NODE_PORT} and {_HIGHEST_NODE_PORT}",
                consequence="the API server would choose one, and no kubeconfig could name it beforehand",
                remedy="add `port: 31443`",
            )
        if self.type is EndpointType.HOST_NETWORK and self.port not in (None, _SECURE_PORT):
            raise refuse(
                f"with HostNetwork 'port' is {_SECURE_PORT}, where the chart's API server listens", remedy="drop 'port'"
            )
        return self

    @property
    def url(self) -> str:
        """The URL that clients dial."""
        default = 443 if self.type is EndpointType.INGRESS else _SECURE_PORT
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port or default}"


class Chart(ChartPlace):
    """The place of Karmada's chart: a repository (the default), a folder or archive, or an OCI reference."""

    repository: str | None = Field(default=None, description=f"Chart repository; {CHART_REPOSITORY} by default.")
    oci: str | None = Field(default=None, description="OCI reference: oci://registry/path/karmada.")
    version: str | None = Field(default=None, description="The chart's version; Karmada's version by default.")


class Images(ConfigModel):
    """The images of Karmada and its helpers.

    Every tag is pinned: Karmada's own images to its version, the others to a release. Components: `apiServer`,
    `etcd`, `kubeControllerManager`, `aggregatedApiServer`, `controllerManager`, `scheduler`, `webhook`,
    `descheduler`, `search`, `metricsAdapter`, `schedulerEstimator`, `agent`, `cfssl`, `kubectl`.
    """

    registry: str | None = Field(default=None, description="A registry that has all of the images, such as a mirror.")
    repositories: dict[Component, str] = Field(default_factory=dict, description="Repository by component.")
    tags: dict[Component, str] = Field(default_factory=dict, description="Tag by component.")
    pull_secrets: tuple[str, ...] = Field(
        default=(), description="Names of Secrets in `karmada-system` that pull the images."
    )

    @model_validator(mode="after")
    def _no_floating_tags(self) -> Self:
        floating = sorted(name for name, tag in self.tags.items() if tag == "latest")
        if floating:
            raise refuse(
                f"the tag of {', '.join(floating)} is 'latest'",
                consequence="a restarted pod could run another version than the plan says",
                remedy="give a version",
            )
        return self


class CertificateMode(StrEnum):
    """Who makes the control plane's certificates."""

    CUSTOM = "custom"
    """Flotilla makes them before anything is installed."""
    AUTO = "auto"
    """The chart's own job makes them, once, before the installation."""


class Certificates(ConfigModel):
    """The certificates of the control plane."""

    mode: CertificateMode = Field(
        default=CertificateMode.CUSTOM,
        description="`custom`: the stack creates and renews them. `auto`: a job of the chart creates them once.",
    )
    names: tuple[Host, ...] = Field(default=(), description="More names and addresses that clients dial.")
    lifetime_days: int = Field(default=365, ge=1, le=3650, description="Days for which a certificate is valid.")
    ca_lifetime_days: int = Field(default=3650, ge=2, le=36500, description="Days for which a CA is valid.")
    renew_before_days: int = Field(
        default=60, ge=0, description="A plan renews certificates that expire within this number of days."
    )
    generation: int = Field(
        default=1, ge=1, description="A higher number replaces keys and CAs, not only certificates."
    )

    @model_validator(mode="after")
    def _check_lifetimes(self) -> Self:
        if self.renew_before_days >= self.lifetime_days:
            raise refuse(
                "'renewBeforeDays' must be less than 'lifetimeDays'",
                consequence="every plan would renew the certificates",
                remedy="shorten the window",
            )
        if self.lifetime_days > self.ca_lifetime_days:
            raise refuse("'lifetimeDays' is longer than 'caLifetimeDays'", remedy="a CA must outlive what it signed")
        return self


class EtcdStorage(StrEnum):
    """The place where etcd stores Karmada's data."""

    HOST_PATH = "hostPath"
    """A folder of the node on which etcd runs; an uninstall leaves it."""
    PVC = "pvc"


class ExternalEtcd(ConfigModel):
    """An etcd that you operate."""

    servers: tuple[str, ...] = Field(min_length=1, description="URLs of its servers, such as `https://host:2379`.")
    ca_cert: str = Field(description="The CA certificate of its servers, PEM.")
    cert: str = Field(description="Karmada's client certificate, PEM.")
    key: SecretStr = Field(
        description="The key of the client certificate, PEM. Set it with `pulumi config set --secret --path`."
    )
    prefix: str = Field(default="/registry/karmada", description="Prefix of Karmada's keys.")


class Etcd(ConfigModel):
    """The etcd in which Karmada stores its data."""

    storage: EtcdStorage = Field(
        default=EtcdStorage.HOST_PATH, description="`hostPath`: a folder of one node. `pvc`: a volume."
    )
    size: str | None = Field(default=None, description="Size of the volume, such as `10Gi`.")
    storage_class: str | None = Field(
        default=None, description="Storage class of the volume. Default: the default one of the cluster."
    )
    external: ExternalEtcd | None = Field(
        default=None, description="An etcd that you operate, instead of one that the chart installs."
    )

    @model_validator(mode="after")
    def _storage(self) -> Self:
        if self.storage is EtcdStorage.PVC and not self.size:
            raise refuse("storage 'pvc' needs 'size'", remedy="add `size: 10Gi`")
        if self.storage is not EtcdStorage.PVC and (self.size or self.storage_class):
            raise refuse("'size' and 'storageClass' are for storage 'pvc'", remedy="add `storage: pvc`")
        return self


class Quantities(ConfigModel):
    """Compute resources of a component's pods, in Kubernetes quantities (`100m`, `64Mi`)."""

    requests: dict[str, str] = Field(default_factory=dict, description="What the scheduler reserves.")
    limits: dict[str, str] = Field(default_factory=dict, description="The most that a container may use.")


class Option(StrEnum):
    """Components that the chart installs only on request."""

    ESTIMATOR = "schedulerEstimator"
    DESCHEDULER = "descheduler"
    SEARCH = "search"
    METRICS_ADAPTER = "metricsAdapter"


class HelmControlPlane(ConfigModel):
    """Karmada by its Helm chart, as the release `karmada` in the namespace `karmada-system` of a host cluster.

    Needs `version` beside it, with its patch release: 1.10 to 1.18.
    """

    host: Kubeconfig = Field(description="Credentials of the cluster in which Karmada runs.")
    chart: Chart = Field(default_factory=Chart, description="The chart. Default: Karmada's own chart repository.")
    endpoint: Endpoint = Field(description="The address at which Karmada's API server is published.")
    images: Images = Field(default_factory=Images, description="Registries, repositories and tags of the images.")
    certificates: Certificates = Field(
        default_factory=Certificates, description="Who creates the certificates, and how long they are valid."
    )
    etcd: Etcd = Field(default_factory=Etcd, description="Where Karmada stores its data.")
    replicas: dict[Deployed, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="Replicas by component."
    )
    resources: dict[Deployed, Quantities] = Field(default_factory=dict, description="Compute resources by component.")
    components: tuple[Option, ...] = Field(default=(), description="Optional components that are installed, too.")
    feature_gates: dict[str, dict[str, bool]] = Field(default_factory=dict, description="Feature gates by component.")
    values: dict[str, Any] = Field(
        default_factory=dict, description="Any other values of the chart. They are merged last."
    )
    create_namespace: bool = Field(
        default=True, description="Create the namespace `karmada-system`; false where it exists already."
    )
    timeout: int = Field(default=900, ge=60, description="Seconds to wait until all components run.")

    @model_validator(mode="after")
    def _estimators(self) -> Self:
        clusters = (self.values.get("schedulerEstimator") or {}).get("memberClusters")
        if Option.ESTIMATOR in self.components and not clusters:
            raise refuse(
                "'schedulerEstimator' needs `values.schedulerEstimator.memberClusters`",
                consequence="the chart would render an estimator without a name and a cluster",
                remedy="list the members with their kubeconfigs there",
            )
        return self


def check_version(helm: HelmControlPlane, version: Version) -> list[Problem]:
    """Check settings that the chart of some versions doesn't support."""
    problems = []
    for name in helm.feature_gates:
        first = chart.FEATURE_GATES.get(name)
        path = f"controlPlane.helm.featureGates.{name}"
        if first is None:
            known = ", ".join(chart.FEATURE_GATES)
            problems.append(
                Problem(path, "takes no feature gates from the chart", "they would be ignored", f"use {known}")
            )
        elif version < first:
            problems.append(
                Problem(
                    path,
                    f"the chart takes it from {first} on",
                    "it would be ignored",
                    f"remove it, or use `values`, or Karmada {first}",
                    f'"{version}"',
                )
            )
    return problems
