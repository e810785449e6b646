"""Helm releases: compares the objects of the deployed revision with the objects in the cluster."""

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
    """Compare the objects of a release with those in the cluster.

    The remedy of the findings is manual: `up` upgrades a release if its values change, not if its objects change.

    Args:
        connection: the cluster.
        cluster: the cluster's name.
        namespace: the release's namespace.
        name: the release's name.
        comparing: collects the results of this check of the cluster; None for a new one.

    Raises:
        ClusterError: the cluster did not answer.
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
