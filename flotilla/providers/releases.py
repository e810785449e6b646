"""The form of a Helm release in the state: all options with their defaults, and the deployed result.

The formats are those of Pulumi's own provider, which reads the same state.
"""

from __future__ import annotations

from typing import Any

from flotilla.errors import EngineError
from flotilla.kube import yaml
from flotilla.state.values import INPUTS_KEY, UNKNOWN, Properties

RELEASE = "kubernetes:helm.sh/v3:Release"
DEFAULT_SECONDS = 300
FLAGS = {
    "atomic": "--atomic",
    "createNamespace": "--create-namespace",
    "dependencyUpdate": "--dependency-update",
    "devel": "--devel",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "renderSubchartNotes": "--render-subchart-notes",
    "skipCrds": "--skip-crds",
    "verify": "--verify",
    "waitForJobs": "--wait-for-jobs",
}
UPGRADE_FLAGS = {
    "cleanupOnFail": "--cleanup-on-fail",
    "forceUpdate": "--force",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
}
TEXTS = {"version": "--version", "keyring": "--keyring", "description": "--description"}
REPOSITORY = {"repo": "--repo", "caFile": "--ca-file"}
_UNUSED_FLAGS = ("allowNullValues", "disableCRDHooks", "lint", "recreatePods", "replace", "skipAwait")
_UNUSED_TEXTS = ("postrender",)
_REPOSITORY_TEXTS = ("caFile", "certFile", "keyFile", "password", "repo", "username")
_NOT_KEPT = ("compat", "manifest", "resourceNames")
KNOWN = frozenset(
    {*FLAGS, *UPGRADE_FLAGS, *TEXTS, *_NOT_KEPT, "name", "namespace", "chart", "values", "timeout", "skipAwait"}
    | {"maxHistory", "repositoryOpts", "allowNullValues"}
)
"""Options that this engine passes to helm, or may ignore."""


def completed(inputs: Properties) -> Properties:
    """Return a release's inputs with the defaults of all options, and without options that the state no longer has."""
    flags = dict.fromkeys((*FLAGS, *UPGRADE_FLAGS, *_UNUSED_FLAGS), False)
    texts = dict.fromkeys((*TEXTS, *_UNUSED_TEXTS), "")
    given = {key: value for key, value in inputs.items() if value is not None and key not in _NOT_KEPT}
    result: Properties = {**flags, **texts, **given, "namespace": given.get("namespace") or "default"}
    if not result["skipAwait"]:
        result.setdefault("timeout", DEFAULT_SECONDS)
    if isinstance(result.get("repositoryOpts"), dict):
        result["repositoryOpts"] = {**dict.fromkeys(_REPOSITORY_TEXTS, ""), **result["repositoryOpts"]}
    return result


def outputs_of(inputs: Properties, found: Properties, chart: Properties) -> Properties:
    """Return the outputs of a release.

    Args:
        inputs: the declared inputs, with the deployed values if they differ.
        found: the output of `helm status`.
        chart: name, version and appVersion of the deployed chart.
    """
    status = {
        "appVersion": chart["appVersion"],
        "chart": chart["name"],
        "name": inputs["name"],
        "namespace": inputs["namespace"],
        "revision": found.get("version"),
        "status": (found.get("info") or {}).get("status"),
        "version": chart["version"],
    }
    names = resource_names(str(found.get("manifest") or ""))
    return {**inputs, "resourceNames": names, "status": status, INPUTS_KEY: inputs}


def resource_names(manifest: str) -> dict[str, list[str]]:
    """Return the names of a manifest's objects by kind, such as `Deployment.apps/apps/v1`."""
    found: dict[str, set[str]] = {}
    try:
        objects = yaml.load_all(manifest)
    except yaml.YamlError as error:
        raise EngineError(f"what helm deployed is not valid YAML: {error.message}") from None
    for obj in objects:
        if obj:
            group = str(obj["apiVersion"]).rpartition("/")[0]
            kind = f"{obj['kind']}.{group}" if group else obj["kind"]
            metadata: dict[str, Any] = obj["metadata"]
            name = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
            found.setdefault(f"{kind}/{obj['apiVersion']}", set()).add(name)
    return {key: sorted(names) for key, names in sorted(found.items())}


def preview_outputs(inputs: Properties) -> Properties:
    """Return the outputs of a release that are known before it is installed."""
    return {**inputs, "resourceNames": UNKNOWN, "status": UNKNOWN}
