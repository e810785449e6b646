"""Resources around the chart's release: the host cluster's state before it, and the wait for Karmada after it.

They are dynamic resources because neither is an object: one is knowledge that a destroy needs, the other is a wait.
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
    """Base of providers that act on the host cluster during a destroy, with the credentials of that time."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Only report changed credentials."""
        return DiffResult(changes=olds.get("kubeconfig") != news.get("kubeconfig"))


@whole_numbers
class HostStateProvider(_OnHost):
    """Records which of the chart's leftovers existed before the installation; a destroy then deletes the others."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Look at the host cluster before anything is installed.

        Raises:
            FlotillaError: the cluster has a release that is stuck.
        """
        connection = connect(props["kubeconfig"], name="the host cluster")
        problem = host.stuck(connection)
        if problem:
            raise FlotillaError(f"the host cluster's {problem}")
        return CreateResult(id_="host", outs={**props, "found": [str(ref) for ref in host.leftovers(connection)]})

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Keep the recorded leftovers: what existed before the installation doesn't change any more."""
        return UpdateResult(outs={**news, "found": olds["found"]})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Delete what the release has left behind, after it was deleted."""
        host.clean_up(connect(props["kubeconfig"], name="the host cluster"), set(props["found"]))


class HostState(Resource, module="flotilla", name="HostState"):
    """What the host cluster had before Karmada was installed; the release depends on it."""

    def __init__(self, name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        """Declare the resource."""
        super().__init__(HostStateProvider(), name, {"kubeconfig": kubeconfig, "found": None}, opts)


@whole_numbers
class UninstallGuardProvider(_OnHost):
    """Does nothing until a destroy deletes it, which is before the release is deleted."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Create nothing."""
        return CreateResult(id_="guard", outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Store the current credentials."""
        return UpdateResult(outs=news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Make the chart's job at uninstall harmless."""
        host.make_uninstall_harmless(connect(props["kubeconfig"], name="the host cluster"))


class UninstallGuard(Resource, module="flotilla", name="UninstallGuard"):
    """Keeps the chart's job at uninstall from deleting objects of the host cluster; depends on the release."""

    def __init__(self, name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        """Declare the resource."""
        super().__init__(UninstallGuardProvider(), name, {"kubeconfig": kubeconfig}, opts)


@whole_numbers
class ReadyProvider(ResourceProvider):
    """Waits until Karmada serves members and policies; nothing is left to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait until Karmada is ready."""
        return CreateResult(id_="ready", outs=_ready(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change, and so another wait, for another release, other certificates or another address."""
        compared = ("credentials", "release", "server")
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in compared))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait until Karmada is ready again."""
        return UpdateResult(outs=_ready(news))


def _ready(props: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + float(props["timeout"])
    missing = ["it has not answered yet"]
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
    """Return the administrator's kubeconfig: the stack's own, or that of the chart's job with the published address."""
    if props["own"]:
        return str(props["credentials"])
    secret = connect(props["host"], name="the host cluster").get(_SECRET)
    text = base64.b64decode(secret["data"]["kubeconfig"]).decode()
    return pki.republished(kubeconfigs.load(text, origin=str(_SECRET)), props["server"])


class Ready(Resource, module="flotilla", name="ControlPlaneReady"):
    """The wait until Karmada serves members and policies; depends on the release."""

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
