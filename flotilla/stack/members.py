"""The clusters that join Karmada: how they are reached, and what Karmada knows about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from flotilla.karmada.cordons import CORDON
from flotilla.karmada.names import MAX_MEMBER_NAME, RESERVED_CLUSTERS, is_dns_label
from flotilla.kube.secrecy import HIDDEN
from flotilla.stack.credentials import Kubeconfig
from flotilla.stack.labels import Labels, LabelValue
from flotilla.stack.maintenance import Maintenance
from flotilla.stack.problems import ConfigModel, refuse


def _endpoint(value: str) -> str:
    if not re.match(r"^https?://[^/\s]+", value):
        raise refuse(
            "must be a URL with a scheme",
            consequence="Karmada could not dial the cluster",
            remedy=f"write https://{value}",
        )
    return value


def _member_name(value: str) -> str:
    if not is_dns_label(value, MAX_MEMBER_NAME):
        raise refuse(
            f"must be a DNS label of at most {MAX_MEMBER_NAME} lower-case letters, digits and '-'",
            consequence="Karmada derives the namespace karmada-es-<name> from it",
            remedy="rename the member",
        )
    if value in RESERVED_CLUSTERS:
        raise refuse(
            "is reserved for the control plane and its host",
            consequence="plans and drift would confuse the member with Karmada itself",
            remedy="rename the member",
        )
    return value


def _facts(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for key, entry in value.items():
        leaves = list(_leaves(entry))
        if HIDDEN in leaves:
            raise refuse(
                f"{key!r} is encrypted",
                consequence="overrides would put its value into Karmada's policies in clear text",
                remedy="give each cluster that needs it an override of its own, with its value set by "
                "`pulumi config set --secret --path`",
            )
        if None in leaves:
            raise refuse(
                f"{key!r} has no value",
                consequence="no override could use it",
                remedy="give it one, or remove it",
            )
    return value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _leaves(entry)
    else:
        yield value


Endpoint = Annotated[str, AfterValidator(_endpoint)]


class JoinMode(StrEnum):
    """Who applies the workloads in the member: Karmada or an agent."""

    PUSH = "Push"
    """Karmada's controllers dial the member."""
    PULL = "Pull"
    """An agent in the member dials Karmada."""


class TaintEffect(StrEnum):
    """The effect of a cluster taint on placements that don't tolerate it (Karmada's Cluster API)."""

    NO_SCHEDULE = "NoSchedule"
    NO_EXECUTE = "NoExecute"


class Taint(ConfigModel):
    """A taint of a Cluster: workloads that don't tolerate it are kept away."""

    key: str = Field(description="The key of the taint.")
    value: str = Field(default="", description="The value of the taint.")
    effect: TaintEffect = Field(
        description="`NoSchedule` keeps new workloads away. `NoExecute` may also evict those that run there."
    )


class Agent(ConfigModel):
    """The karmada-agent of a member in pull mode."""

    image: str | None = Field(
        default=None, description="Image of the agent. Default: `karmada/karmada-agent` of Karmada's version."
    )
    namespace: str = Field(default="karmada-system", description="Namespace of the agent in the member.")
    create_namespace: bool = Field(
        default=True, description="Create that namespace; false where the member has it already."
    )
    replicas: int = Field(default=1, ge=1, description="Replicas. One of them works, the others wait as replacements.")
    resources: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Compute resources: `requests` and `limits`."
    )
    control_plane_endpoint: Endpoint | None = Field(
        default=None, description="The URL of Karmada to which the agent connects, where it differs from the stack's."
    )
    lifetime_days: int = Field(
        default=365, ge=1, le=3650, description="Days for which the agent's certificate is valid."
    )
    renew_before_days: int = Field(
        default=60, ge=0, description="A plan renews a certificate that expires within this number of days."
    )
    as_found: bool = Field(
        default=False,
        description="Keep an agent that `karmadactl register` has deployed as it is, with its arguments and "
        "its certificate, which Flotilla then doesn't renew. Without it Flotilla replaces the "
        "agent's Deployment by its own, and the pod restarts.",
    )


class Member(ConfigModel):
    """A cluster that joins Karmada."""

    name: Annotated[str, AfterValidator(_member_name)] = Field(description="The name of the Cluster in Karmada.")
    formerly: Annotated[str, AfterValidator(_member_name)] | None = Field(
        default=None,
        description="The former name of the member. The cluster joins under the new name, its copies stay "
        "unchanged, and the Cluster of the former name is removed.",
    )
    mode: JoinMode = Field(
        default=JoinMode.PUSH,
        description="`Push`: Karmada connects to the member. `Pull`: an agent in the member connects to Karmada.",
    )
    kubeconfig: Kubeconfig = Field(
        description="Administrator's credentials of the cluster, which create the objects of the join."
    )
    api_endpoint: Endpoint | None = Field(
        default=None,
        description="The URL to which Karmada connects, where it differs from the kubeconfig's server.",
    )
    agent: Agent = Field(default_factory=Agent, description="The agent, in pull mode.")
    labels: Labels = Field(default_factory=dict, description="Labels of the Cluster, which placements select.")
    provider: LabelValue | None = Field(default=None, description="Cloud provider, which placements select.")
    region: LabelValue | None = Field(default=None, description="Region, which placements select.")
    zones: tuple[LabelValue, ...] = Field(default=(), description="Zones, which placements select.")
    taints: tuple[Taint, ...] = Field(default=(), description="Taints of the Cluster.")
    maintenance: Maintenance | None = Field(
        default=None, description="Maintenance of the member. A mode alone, `cordon` or `drain`, stands for `mode`."
    )
    facts: Annotated[dict[str, JsonValue], AfterValidator(_facts)] = Field(
        default_factory=dict,
        description="Values for overrides with `evaluate`, under any keys. They are not sent to Karmada. No "
        "secrets here.",
    )
    ca_bundle: str | None = Field(
        default=None,
        description="PEM certificates that verify `apiEndpoint`, where the member's own CA doesn't, as with "
        "a load balancer.",
    )
    insecure_skip_tls_verify: bool = Field(
        default=False,
        description="Don't verify the member's certificate. A program between the two could then read and "
        "change everything.",
    )
    proxy_url: Endpoint | None = Field(default=None, description="Proxy through which Karmada connects to the member.")
    namespace: str = Field(default="karmada-cluster", description="Namespace of the join's objects in the member.")
    create_namespace: bool = Field(
        default=True, description="Create that namespace; false where the member has it already."
    )
    protect: bool = Field(default=False, description="Refuse to remove the member while this is true.")
    ready_timeout: int = Field(default=180, ge=5, description="Seconds to wait until the member is Ready.")

    @property
    def drained(self) -> bool:
        """Whether workloads leave the member."""
        return self.maintenance is not None and self.maintenance.drains

    @property
    def all_taints(self) -> tuple[Taint, ...]:
        """The taints of its Cluster: the declared ones, and the cordon of a maintenance."""
        cordon = Taint(key=CORDON.key, effect=TaintEffect(CORDON.effect))
        there = any((one.key, one.effect) == (cordon.key, cordon.effect) for one in self.taints)
        return self.taints if self.maintenance is None or there else (*self.taints, cordon)

    @model_validator(mode="after")
    def _another_name(self) -> Self:
        if self.formerly == self.name:
            raise refuse(
                "'formerly' is the member's present name", consequence="it would have no effect", remedy="remove it"
            )
        return self

    @model_validator(mode="after")
    def _one_trust(self) -> Self:
        if self.insecure_skip_tls_verify and self.ca_bundle:
            raise refuse(
                "has both 'caBundle' and 'insecureSkipTlsVerify'",
                consequence="the bundle would never be used",
                remedy="drop insecureSkipTlsVerify",
            )
        if self.ca_bundle and "-----BEGIN CERTIFICATE-----" not in self.ca_bundle:
            raise refuse(
                "'caBundle' must be PEM text",
                consequence="Karmada could not verify the member",
                remedy="paste the certificate with its BEGIN and END lines",
            )
        if "agent" in self.model_fields_set and self.mode is not JoinMode.PULL:
            raise refuse(
                "has 'agent' while its mode is Push",
                consequence="there is no agent in push mode",
                remedy="drop 'agent', or add `mode: Pull`",
            )
        return self
