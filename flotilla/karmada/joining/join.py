"""Every object that a join creates, like upstream's `karmadactl join`; pull mode adds the agent's objects.

Source: the objects of karmadactl 1.10 to 1.18 (pkg/karmadactl/join, pkg/util/credential.go), checked against running
control planes. There are two intended differences. First, the control plane's Secrets have no owner reference to the
Cluster: with foreground deletion the garbage collector would remove the credentials before the Cluster's finalizer has
used them. Second, the token Secrets are resources of the stack, so that a preview shows them.
"""

from __future__ import annotations

from typing import Any

from flotilla.karmada.cordons import MAINTENANCE
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.karmada.objects import CLUSTER_API

Object = dict[str, Any]

IMPERSONATOR = "karmada-impersonator"
TOKEN_SECRET = "kubernetes.io/service-account-token"  # noqa: S105 - the type of a Secret
SERVICE_ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"


def controller_account(member: str) -> str:
    """Return the name of the account in the member that Karmada's controllers use."""
    return f"karmada-{member}"


def access_role(member: str) -> str:
    """Return the name of that account's ClusterRole, and of its binding."""
    return f"karmada-controller-manager:{controller_account(member)}"


def namespace(name: str = CLUSTER_NAMESPACE) -> Object:
    """Return the namespace of the join objects in the member."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service_account(name: str, *, within: str = CLUSTER_NAMESPACE) -> Object:
    """Return one of the two accounts in the member."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": within}}


def token_secret(account: str, *, within: str = CLUSTER_NAMESPACE) -> Object:
    """Return the Secret that the member's token controller fills with an account's token."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": TOKEN_SECRET,
        "metadata": {
            "name": account,
            "namespace": within,
            "annotations": {SERVICE_ACCOUNT_ANNOTATION: account},
        },
    }


def cluster_role(member: str) -> Object:
    """Return Karmada's rights in the member: all rights, because it applies objects of any kind there."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": access_role(member)},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["get"]},
        ],
    }


def cluster_role_binding(member: str, *, within: str = CLUSTER_NAMESPACE) -> Object:
    """Return the binding of that role to the controllers' account."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": access_role(member)},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": access_role(member),
        },
        "subjects": [{"kind": "ServiceAccount", "name": controller_account(member), "namespace": within}],
    }


def credentials(member: str, data: Any) -> Object:
    """Return the control plane's Secret with the controllers' token and the member's CA.

    `data` contains `token` and `caBundle` in base64 (a dict, or an output that becomes one).
    """
    return _control_plane_secret(member, data)


def impersonator_credentials(member: str, data: Any) -> Object:
    """Return the control plane's Secret with the impersonator's token; `data` contains `token` in base64."""
    return _control_plane_secret(f"{member}-impersonator", data)


def cluster(
    member: str,
    *,
    cluster_id: Any,
    api_endpoint: Any,
    sync_mode: str = "Push",
    labels: dict[str, str] | None = None,
    provider: str | None = None,
    region: str | None = None,
    zones: list[str] | None = None,
    taints: list[dict[str, str]] | None = None,
    proxy_url: str | None = None,
    insecure_skip_tls_verify: bool = False,
    ready_timeout: int = 180,
    maintenance: str = "",
) -> Object:
    """Return the Cluster. `cluster_id` is the UID of the member's kube-system namespace: unique in a control plane.

    An annotation makes Pulumi's Kubernetes provider, and the embedded engine, wait until the member is Ready. In pull
    mode they only wait until its execution namespace exists (the finalizer is added after it): the agent needs rights
    in it.
    """
    spec: Object = {
        "syncMode": sync_mode,
        "id": cluster_id,
        "apiEndpoint": api_endpoint,
        "secretRef": {"namespace": CLUSTER_NAMESPACE, "name": member},
        "impersonatorSecretRef": {"namespace": CLUSTER_NAMESPACE, "name": f"{member}-impersonator"},
    }
    optional: Object = {
        "provider": provider,
        "region": region,
        "zones": zones,
        "taints": taints,
        "proxyURL": proxy_url,
        "insecureSkipTLSVerification": insecure_skip_tls_verify,
    }
    spec |= {key: value for key, value in optional.items() if value}
    metadata: Object = {
        "name": member,
        "annotations": {
            "pulumi.com/waitFor": "condition=Ready" if sync_mode == "Push" else "jsonpath={.metadata.finalizers}",
            "pulumi.com/timeoutSeconds": str(ready_timeout),
            # An agent before 1.13 makes the Cluster the owner of its Secrets: foreground deletion would delete these
            # first.
            "pulumi.com/deletionPropagationPolicy": "background",
        },
    }
    if maintenance:
        metadata["annotations"][MAINTENANCE] = maintenance
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": CLUSTER_API, "kind": "Cluster", "metadata": metadata, "spec": spec}


def _control_plane_secret(name: str, data: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "namespace": CLUSTER_NAMESPACE},
        "data": data,
    }
