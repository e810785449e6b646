"""Helm releases: the objects of the deployed revision against what the cluster holds."""

from __future__ import annotations

from dataclasses import replace

from flotilla.deploy.declared import stored
from flotilla.drift.comparing import Comparing
from flotilla.drift.findings import Finding, Layer, Remedy
from flotilla.drift.plan import compare_object
from flotilla.kube.connection import Connection
from flotilla.kube.helm import deployed_manifest


def check_release(
    connection: Connection, cluster: str, namespace: str, name: str, comparing: Comparing | None = None
) -> list[Finding]:
    """Compare a release; `comparing` is this look's at the cluster.

    An `up` upgrades it when its values change, not when its objects do: a hand has to decide.

    Raises:
        ClusterError: the cluster could not be asked.
    """
    manifest = deployed_manifest(connection, namespace, name)
    if manifest is None:
        message = "is declared and not deployed"
        return [Finding(Layer.PLAN, "release-missing", cluster, f"Release {namespace}/{name}", message)]
    found = [finding for obj in manifest for finding in compare_object(connection, cluster, stored(obj), comparing)]
    return [
        replace(
            finding,
            rule=finding.rule.replace("object", "release-object"),
            message=f"release {name}: {finding.message}",
            remedy=Remedy.MANUAL,
        )
        for finding in found
    ]
