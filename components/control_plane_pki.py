"""The control plane's own CAs and certificates; their renewal appears in plans."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypedDict

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from flotilla.karmada.installing import pki
from flotilla.karmada.installing.chart_values import Pki

from .whole_numbers import whole_numbers

_PEMS = tuple(pki.Certificates.__dataclass_fields__)
_FINGERPRINT = "fingerprint"
_EXPIRES = "expires"
_INPUTS = ("names", "lifetimeDays", "caLifetimeDays", "generation")


class ControlPlanePkiArgs(TypedDict):
    """The names in the certificates, and lifetimes."""

    names: list[str]
    """Every DNS name and IP address that clients dial."""
    lifetime_days: int
    """The lifetime of the certificates."""
    ca_lifetime_days: int
    """The lifetime of the CAs."""
    renew_before_days: int
    """The next `up` renews certificates that expire within this number of days."""
    generation: int
    """A new number also replaces the keys and the CAs."""


@whole_numbers
class CertificatesProvider(ResourceProvider):
    """Issues certificates in the process that runs the program; nothing is left to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Issue all certificates."""
        return CreateResult(id_="certificates", outs=_outputs(props, None))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change for other names or lifetimes, and when the time for renewal has come."""
        changed = any(olds.get(key) != news.get(key) for key in _INPUTS)
        return DiffResult(changes=changed or _due(olds, news))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Renew the certificates; keys and CAs stay, unless the generation changes or a CA would expire too early."""
        existing = pki.Certificates(**{key: olds[key] for key in _PEMS})
        lifetime = dt.timedelta(days=int(news["lifetimeDays"]))
        outlived = dt.datetime.now(dt.UTC) + lifetime > pki.expires(existing.ca_cert)
        replaced = olds.get("generation") != news.get("generation") or outlived
        return UpdateResult(outs=_outputs(news, None if replaced else existing))


def _outputs(props: dict[str, Any], keep: pki.Certificates | None) -> dict[str, Any]:
    made = pki.issue(
        list(props["names"]),
        lifetime_days=int(props["lifetimeDays"]),
        ca_lifetime_days=int(props["caLifetimeDays"]),
        keep=keep,
    )
    return {
        **props,
        **made.plain(),
        _FINGERPRINT: pki.fingerprint(made.ca_cert, made.cert, made.front_proxy_cert),
        _EXPIRES: pki.expires(made.cert).isoformat(),
    }


def _due(olds: dict[str, Any], news: dict[str, Any]) -> bool:
    window = dt.timedelta(days=int(news["renewBeforeDays"]))
    return dt.datetime.now(dt.UTC) + window >= pki.expires(olds["cert"])


class _Certificates(Resource, module="flotilla", name="Certificates"):
    ca_cert: pulumi.Output[str]
    ca_key: pulumi.Output[str]
    cert: pulumi.Output[str]
    key: pulumi.Output[str]
    front_proxy_ca_cert: pulumi.Output[str]
    front_proxy_ca_key: pulumi.Output[str]
    front_proxy_cert: pulumi.Output[str]
    front_proxy_key: pulumi.Output[str]
    admin_cert: pulumi.Output[str]
    admin_key: pulumi.Output[str]
    fingerprint: pulumi.Output[str]
    expires: pulumi.Output[str]


class ControlPlanePki(pulumi.ComponentResource):
    """CAs and certificates of one control plane; private keys are secrets in the state."""

    chart: Pki
    """The certificates for the chart, as outputs."""

    expires: pulumi.Output[str]
    """When the certificates expire, ISO 8601, UTC."""

    def __init__(self, name: str, args: ControlPlanePkiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the certificates."""
        super().__init__("flotilla:index:ControlPlanePki", name, None, opts)
        props: dict[str, Any] = {
            "names": args["names"],
            "lifetimeDays": args["lifetime_days"],
            "caLifetimeDays": args["ca_lifetime_days"],
            "renewBeforeDays": args["renew_before_days"],
            "generation": args["generation"],
            **dict.fromkeys((*_PEMS, _FINGERPRINT, _EXPIRES)),
        }
        keys = [pem for pem in _PEMS if pem.endswith("key")]
        child = pulumi.ResourceOptions(parent=self, additional_secret_outputs=keys)
        made = _Certificates(CertificatesProvider(), f"{name}-certificates", props, child)
        self.chart = Pki(
            ca_cert=made.ca_cert,
            ca_key=pulumi.Output.secret(made.ca_key),
            cert=made.cert,
            key=pulumi.Output.secret(made.key),
            front_proxy_ca_cert=made.front_proxy_ca_cert,
            front_proxy_cert=made.front_proxy_cert,
            front_proxy_key=pulumi.Output.secret(made.front_proxy_key),
            fingerprint=made.fingerprint,
        )
        self.expires = made.expires
        self._made = made
        self.register_outputs({"expires": made.expires})

    def kubeconfig(self, server: str) -> pulumi.Output[str]:
        """Return the administrator's kubeconfig for a URL; a secret."""
        made = self._made
        parts = pulumi.Output.all(ca=made.ca_cert, cert=made.admin_cert, key=made.admin_key)
        text = parts.apply(lambda p: pki.kubeconfig(server, ca_cert=p["ca"], cert=p["cert"], key=p["key"]))
        return pulumi.Output.secret(text)
