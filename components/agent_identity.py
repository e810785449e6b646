"""The identity of a pull-mode agent in its control plane: a client certificate, whose renewal appears in plans."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from flotilla.karmada.installing import pki
from flotilla.karmada.joining import agent
from flotilla.karmada.joining.identity import request_identity
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import connect

from .whole_numbers import whole_numbers


@whole_numbers
class AgentIdentityProvider(ResourceProvider):
    """Has the control plane sign a certificate; nothing is left there to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Request a certificate."""
        return CreateResult(id_=agent.user(props["member"]), outs=_issued(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change for another address or another CA, and when the time for renewal has come."""
        due = dt.datetime.now(dt.UTC) >= _renewal(olds, int(news["renewBeforeDays"]))
        changed = any(olds.get(key) != news.get(key) for key in ("member", "server", "lifetimeDays"))
        return DiffResult(changes=due or changed or _authority(olds) != _authority(news))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Request a new certificate; the former one stays valid until it expires."""
        return UpdateResult(outs=_issued(news))


def _renewal(stored: dict[str, Any], window_days: int) -> dt.datetime:
    """Return when a certificate is due for renewal.

    A signer may grant a shorter lifetime than requested, even shorter than the window.
    """
    issued, expires = (dt.datetime.fromisoformat(stored[key]) for key in ("issued", "expires"))
    return expires - min(dt.timedelta(days=window_days), (expires - issued) / 3)


def _authority(props: dict[str, Any]) -> str:
    document = kubeconfigs.select(kubeconfigs.load(props["controlPlane"]))
    return str(document["clusters"][0]["cluster"].get("certificate-authority-data", ""))


def _issued(props: dict[str, Any]) -> dict[str, Any]:
    control_plane = str(props["controlPlane"])
    member = str(props["member"])
    identity = request_identity(
        connect(control_plane, name="Karmada"),
        name=f"flotilla-agent-{member}",
        user=agent.user(member),
        group=agent.GROUP,
        lifetime_days=int(props["lifetimeDays"]),
    )
    text = pki.kubeconfig(
        props["server"] or kubeconfigs.server_of(control_plane),
        ca_cert=base64.b64decode(_authority(props)).decode(),
        cert=identity.certificate,
        key=identity.key,
    )
    return {
        **props,
        "kubeconfig": base64.b64encode(text.encode()).decode(),
        "fingerprint": pki.fingerprint(text),
        "issued": dt.datetime.now(dt.UTC).isoformat(),
        "expires": pki.expires(identity.certificate).isoformat(),
    }


class AgentIdentity(Resource, module="flotilla", name="AgentIdentity"):
    """The agent's certificate, in a kubeconfig."""

    kubeconfig: pulumi.Output[str]
    """The agent's kubeconfig, base64; a secret."""
    fingerprint: pulumi.Output[str]
    """A text that changes with the certificate."""
    expires: pulumi.Output[str]
    """When the certificate expires, ISO 8601, UTC."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        """Declare the identity.

        Args:
            name: the resource's name.
            props: controlPlane (administrator's kubeconfig), member, server (the URL that the agent dials; empty for
                the URL in the kubeconfig), lifetimeDays, renewBeforeDays.
            opts: resource options.
        """
        outputs = dict.fromkeys(("kubeconfig", "fingerprint", "issued", "expires"))
        secret = pulumi.ResourceOptions(additional_secret_outputs=["kubeconfig"])
        super().__init__(
            AgentIdentityProvider(), name, {**props, **outputs}, pulumi.ResourceOptions.merge(opts, secret)
        )
