"""The registration of Karmada's admission webhooks, by the URL of a webhook process on loopback.

The tables contain the webhooks that the chart registers (1.10 to 1.18): path, group, resources, operations.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_WRITE = ["CREATE", "UPDATE"]
_MUTATING = (
    ("propagationpolicy", "policy.karmada.io", "propagationpolicies", _WRITE),
    ("clusterpropagationpolicy", "policy.karmada.io", "clusterpropagationpolicies", _WRITE),
    ("overridepolicy", "policy.karmada.io", "overridepolicies", _WRITE),
    ("work", "work.karmada.io", "works", _WRITE),
    ("resourcebinding", "work.karmada.io", "resourcebindings", ["CREATE"]),
    ("clusterresourcebinding", "work.karmada.io", "clusterresourcebindings", ["CREATE"]),
    ("federatedhpa", "autoscaling.karmada.io", "federatedhpas", _WRITE),
    ("multiclusterservice", "networking.karmada.io", "multiclusterservices", _WRITE),
)
_VALIDATING = (
    ("propagationpolicy", "policy.karmada.io", "propagationpolicies", _WRITE),
    ("clusterpropagationpolicy", "policy.karmada.io", "clusterpropagationpolicies", _WRITE),
    ("overridepolicy", "policy.karmada.io", "overridepolicies", _WRITE),
    ("clusteroverridepolicy", "policy.karmada.io", "clusteroverridepolicies", _WRITE),
    ("federatedresourcequota", "policy.karmada.io", "federatedresourcequotas", _WRITE),
    (
        "resourceinterpreterwebhookconfiguration",
        "config.karmada.io",
        "resourceinterpreterwebhookconfigurations",
        _WRITE,
    ),
    ("resourceinterpretercustomization", "config.karmada.io", "resourceinterpretercustomizations", _WRITE),
    ("federatedhpa", "autoscaling.karmada.io", "federatedhpas", _WRITE),
    ("cronfederatedhpa", "autoscaling.karmada.io", "cronfederatedhpas", _WRITE),
    ("multiclusteringress", "networking.karmada.io", "multiclusteringresses", _WRITE),
    ("multiclusterservice", "networking.karmada.io", "multiclusterservices", _WRITE),
)


def webhook_configurations(url: str, ca_bundle: str) -> list[Object]:
    """Return both configurations.

    Args:
        url: the webhook's URL, without a trailing slash.
        ca_bundle: the CA that verifies it, as base64 of PEM.
    """
    validating = [_webhook("validate", entry, url, ca_bundle) for entry in _VALIDATING]
    protection = _webhook("validate", ("resourcedeletionprotection", "*", "*", ["DELETE"]), url, ca_bundle)
    protection["objectSelector"] = {
        "matchExpressions": [{"key": "resourcetemplate.karmada.io/deletion-protected", "operator": "Exists"}]
    }
    return [
        _configuration(
            "MutatingWebhookConfiguration",
            "mutating-config",
            [_webhook("mutate", e, url, ca_bundle) for e in _MUTATING],
        ),
        _configuration("ValidatingWebhookConfiguration", "validating-config", [*validating, protection]),
    ]


def _configuration(kind: str, name: str, webhooks: list[Object]) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": webhooks,
    }


def _webhook(verb: str, entry: tuple[str, str, str, list[str]], url: str, ca_bundle: str) -> Object:
    name, group, resources, operations = entry
    return {
        "name": f"{name}.karmada.io",
        "rules": [
            {
                "operations": operations,
                "apiGroups": [group],
                "apiVersions": ["*"],
                "resources": [resources],
                "scope": "*",
            }
        ],
        "clientConfig": {"url": f"{url}/{verb}-{name}", "caBundle": ca_bundle},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 10,
    }
