"""What surrounds the chart's release: what the host had before it, and when Karmada is ready after it.

Dynamic resources, for neither is an object: one is knowledge that a destroy needs, the other a wait.
"""

from __future__ import annotations

import base64
import time
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from flotilla.errors import FlotillaError
from flotilla.karmada.installing import host, pki
from flotilla.karmada.installing.chart import RELEASE, SYSTEM_NAMESPACE
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import connect
from flotilla.kube.objects import ObjectRef
from flotilla.waiting import pause

from .whole_numbers import whole_numbers

_POLL_SECONDS = 1.0
_SECRET = ObjectRef("v1", "Secret", f"{RELEASE}-kubeconfig", SYSTEM_NAMESPACE)


@whole_numbers
class _OnHost(ResourceProvider):
    """Acts on the host cluster when a destroy comes, with the credentials of then."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Only follow the credentials."""
        return DiffResult(changes=olds.get("kubeconfig") != news.get("kubeconfig"))


@whole_numbers
class HostStateProvider(_OnHost):
    """Remembers what of the chart's leftovers was there before it; a destroy then deletes the others."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Look before anything is installed.

        Raises:
            FlotillaError: a release is there that is stuck, or isn't this stack's.
        """
        connection = connect(props["kubeconfig"], name="the host cluster")
        held_up = host.stuck(connection)
        if held_up:
            raise FlotillaError(f"the host cluster's {held_up}")
        return CreateResult(id_="host", outs={**props, "found": [str(ref) for ref in host.leftovers(connection)]})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Keep what was seen: what was there before doesn't change any more."""
        return UpdateResult(outs={**news, "found": olds["found"]})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Delete what the release has left, once it is gone."""
        host.clean_up(connect(props["kubeconfig"], name="the host cluster"), set(props["found"]))


class HostState(Resource, module="flotilla", name="HostState"):
    """What the host cluster had before Karmada; the release depends on it."""

    def __init__(self, name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        """Declare it."""
        super().__init__(HostStateProvider(), name, {"kubeconfig": kubeconfig, "found": None}, opts)


@whole_numbers
class UninstallGuardProvider(_OnHost):
    """Does nothing until a destroy reaches it, which is before the release goes."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Be there."""
        return CreateResult(id_="guard", outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Take the credentials of today."""
        return UpdateResult(outs=news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Disarm the chart's job."""
        host.disarm(connect(props["kubeconfig"], name="the host cluster"))


class UninstallGuard(Resource, module="flotilla", name="UninstallGuard"):
    """Keeps the chart's job at uninstall from deleting objects of the host cluster; depends on the release."""

    def __init__(self, name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        """Declare it."""
        super().__init__(UninstallGuardProvider(), name, {"kubeconfig": kubeconfig}, opts)


@whole_numbers
class ReadyProvider(ResourceProvider):
    """Waits until Karmada serves members and policies; nothing is left to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait."""
        return CreateResult(id_="ready", outs=_ready(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Wait again after a change of the release, of the certificates or of the address."""
        compared = ("credentials", "release", "server")
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in compared))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait again."""
        return UpdateResult(outs=_ready(news))


def _ready(props: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + float(props["timeout"])
    missing = ["nothing was seen of it yet"]
    while time.monotonic() < deadline:
        try:
            kubeconfig = _kubeconfig(props)
            missing = host.unready(connect(kubeconfig, name="Karmada"))
            missing = missing or host.unsettled(connect(props["host"], name="the host cluster"))
            if not missing:
                return {**props, "kubeconfig": kubeconfig}
        except FlotillaError as error:
            missing = [error.message]
        if pause(_POLL_SECONDS):
            raise FlotillaError(f"interrupted while waiting for Karmada at {props['server']}: {'; '.join(missing)}")
    raise FlotillaError(
        f"Karmada at {props['server']} is not ready after {int(props['timeout'])} s: {'; '.join(missing)}",
        hint=f"look at the pods of {SYSTEM_NAMESPACE} in the host cluster, fix the cause and run `up` again",
    )


def _kubeconfig(props: dict[str, Any]) -> str:
    """Return the administrator's kubeconfig: ours, or the one of the chart's job with the published address in it."""
    if props["own"]:
        return str(props["credentials"])
    secret = connect(props["host"], name="the host cluster").get(_SECRET)
    text = base64.b64decode(secret["data"]["kubeconfig"]).decode()
    return pki.republished(kubeconfigs.load(text, origin=str(_SECRET)), props["server"])


class Ready(Resource, module="flotilla", name="ControlPlaneReady"):
    """Karmada, once it serves members and policies; depends on the release."""

    kubeconfig: pulumi.Output[str]
    """The administrator's kubeconfig, for the published address."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        """Declare the wait.

        Args:
            name: the resource's name.
            props: host (its kubeconfig), credentials (Karmada's kubeconfig where `own` is true, else empty), own,
                server (the published URL), release (a fingerprint of what is installed), timeout (seconds).
            opts: resource options.
        """
        secret = pulumi.ResourceOptions(additional_secret_outputs=["kubeconfig"])
        super().__init__(
            ReadyProvider(), name, {**props, "kubeconfig": None}, pulumi.ResourceOptions.merge(opts, secret)
        )
