"""Pull mode: the agent in a member, its identity in the control plane, and its rights there.

Source: the agent of 1.10 to 1.18 (cmd/agent, artifacts/agent) and the rights that `karmadactl register` of 1.18 gives
an agent. Flotilla gives agents of all versions these rights: the chart of 1.10 lets all agents read all Secrets
instead. Since 1.13 the agent reports no Secrets (`--report-secrets=None`): the stack declares them, so the agent needs
no right to any Secret.
"""

from __future__ import annotations

from typing import Any

from flotilla.karmada.joining.join import Object
from flotilla.karmada.names import CLUSTER_NAMESPACE, execution_namespace
from flotilla.karmada.versions import Version

NAMESPACE = "karmada-system"
DEPLOYMENT = "karmada-agent"
ACCOUNT = "karmada-agent-sa"
KUBECONFIG_SECRET = "karmada-kubeconfig"  # noqa: S105 - its name
GROUP = "system:karmada:agents"
IDENTITY_ANNOTATION = "flotilla.dev/identity"
_RBAC = "rbac.authorization.k8s.io"
_MOUNT = "/etc/kubeconfig"
_HEALTH: Object = {"httpGet": {"path": "/healthz", "port": 10357, "scheme": "HTTP"}, "timeoutSeconds": 5}
_SPLIT_ADDRESSES = Version(1, 12)
"""Since this version metrics and health each have an address."""
_WITHOUT_SECRETS_SINCE = Version(1, 13)


def user(member: str) -> str:
    """Return the agent's user name in the control plane."""
    return f"system:karmada:agent:{member}"


def image(version: str) -> str:
    """Return the agent's image for a version of Karmada."""
    return f"docker.io/karmada/karmada-agent:v{version.removeprefix('v')}"


# -- in the control plane -------------------------------------------------------------------------


def cluster_role(member: str, *, found: bool = False) -> Object:
    """Return the agent's rights in the whole control plane: for its own Cluster, and for what it has to look up.

    Args:
        member: the Cluster's name.
        found: whether `karmadactl register` wrote the rights: another order of verbs would be a change.
    """
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"system:karmada:{member}:agent"},
        "rules": [
            _rule("cluster.karmada.io", ["clusters"], ["get", "delete"], names=[member]),
            _rule("cluster.karmada.io", ["clusters"], ["create", "list", "watch"]),
            _rule("cluster.karmada.io", ["clusters/status"], ["update"], names=[member]),
            _rule(
                "config.karmada.io",
                ["resourceinterpreterwebhookconfigurations", "resourceinterpretercustomizations"],
                ["get", "list", "watch"],
            ),
            _rule("", ["namespaces"], ["get"]),
            _rule("coordination.k8s.io", ["leases"], ["get", "create", "update"]),
            _rule("certificates.k8s.io", ["certificatesigningrequests"], ["get", "create"]),
            _rule("", ["services"], ["list", "watch"]),
            _rule("", ["events"], ["patch", "create", "update"] if found else ["create", "patch", "update"]),
        ],
    }


def cluster_role_binding(member: str) -> Object:
    """Return the binding of that role to the agent."""
    name = f"system:karmada:{member}:agent"
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [_subject(member)],
    }


def work_role(member: str) -> Object:
    """Return the agent's rights in its execution namespace: it executes Works and reports on them."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": f"system:karmada:{member}:agent-work", "namespace": execution_namespace(member)},
        "rules": [
            _rule("work.karmada.io", ["works"], ["get", "create", "list", "watch", "update", "delete"]),
            _rule("work.karmada.io", ["works/status"], ["patch", "update"]),
        ],
    }


def work_role_binding(member: str) -> Object:
    """Return the binding of that role to the agent."""
    return _role_binding(member, f"system:karmada:{member}:agent-work", execution_namespace(member))


def secret_role(member: str) -> Object:
    """Return the rights of an agent that reports Secrets: for its own two Secrets."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": f"system:karmada:{member}:agent-secret", "namespace": CLUSTER_NAMESPACE},
        "rules": [
            _rule("", ["secrets"], ["get", "patch"], names=[member, f"{member}-impersonator"]),
            _rule("", ["secrets"], ["create"]),
        ],
    }


def secret_role_binding(member: str) -> Object:
    """Return the binding of that role to the agent."""
    return _role_binding(member, f"system:karmada:{member}:agent-secret", CLUSTER_NAMESPACE)


def needs_secrets(version: str) -> bool:
    """Return whether an agent has to report Secrets: before 1.13 it crashes with `--report-secrets=None`."""
    return Version.parse(version) < _WITHOUT_SECRETS_SINCE


# -- in the member --------------------------------------------------------------------------------


def service_account(namespace: str = NAMESPACE) -> Object:
    """Return the ServiceAccount of the agent in the member."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}}


def member_role() -> Object:
    """Return the agent's rights in the member: all rights, because it applies objects of any kind there."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": DEPLOYMENT},
        "rules": [_rule("*", ["*"], ["*"]), {"nonResourceURLs": ["*"], "verbs": ["get"]}],
    }


def member_role_binding(namespace: str = NAMESPACE) -> Object:
    """Return the binding of that role to the agent's account."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": DEPLOYMENT},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": DEPLOYMENT},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
    }


def kubeconfig_secret(data: Any, namespace: str = NAMESPACE) -> Object:
    """Return the Secret with the agent's kubeconfig; `data` contains it in base64, under the Secret's own name."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": KUBECONFIG_SECRET, "namespace": namespace},
        "data": data,
    }


def found_secret(namespace: str = NAMESPACE) -> Object:
    """Return the Secret with the kubeconfig of an existing agent, without its content."""
    metadata = {"name": KUBECONFIG_SECRET, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


def found_deployment(namespace: str = NAMESPACE) -> Object:
    """Return the Deployment of an existing agent without its spec, so that it can't be created by mistake."""
    metadata = {"name": DEPLOYMENT, "namespace": namespace, "labels": {"app": DEPLOYMENT}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


def deployment(
    member: str,
    *,
    version: str,
    endpoint: Any,
    identity: Any,
    namespace: str = NAMESPACE,
    image_name: str | None = None,
    replicas: int = 1,
    resources: dict[str, Any] | None = None,
    provider: str | None = None,
    region: str | None = None,
    zones: list[str] | None = None,
    proxy_url: str | None = None,
) -> Object:
    """Return the agent's Deployment.

    Args:
        member: the Cluster's name.
        version: Karmada's version, for the image and the arguments.
        endpoint: the result of `endpoint_argument`; may be an output.
        identity: a fingerprint of the agent's certificate: a new certificate restarts the pods.
        namespace: the namespace of the Deployment.
        image_name: an image that replaces Karmada's own.
        replicas: one is active, the others stand by.
        resources: requests and limits.
        provider: the cloud provider that the agent reports to the control plane; region and zones likewise.
        region: see provider.
        zones: see provider.
        proxy_url: the proxy through which the control plane dials the member.
    """
    reported = {
        "--cluster-provider": provider,
        "--cluster-region": region,
        "--cluster-zones": ",".join(zones or []),
        "--proxy-server-address": proxy_url,
    }
    command = [
        "/bin/karmada-agent",
        f"--karmada-kubeconfig={_MOUNT}/{KUBECONFIG_SECRET}",
        f"--cluster-name={member}",
        f"--leader-elect-resource-namespace={namespace}",
        *([] if needs_secrets(version) else ["--report-secrets=None"]),
        *_address_flags(Version.parse(version)),
        *(f"{flag}={value}" for flag, value in reported.items() if value),
    ]
    container: Object = {
        "name": DEPLOYMENT,
        "image": image_name or image(version),
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        # A separate argument, because the endpoint may be known only after the cluster exists.
        "args": [endpoint],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "livenessProbe": {**_HEALTH, "failureThreshold": 3, "initialDelaySeconds": 15, "periodSeconds": 15},
        # The probe succeeds once the agent is registered: a member that changes its mode stays Ready, which proves
        # nothing.
        "readinessProbe": {**_HEALTH, "periodSeconds": 5},
        "volumeMounts": [{"name": "kubeconfig", "mountPath": _MOUNT, "readOnly": True}],
    }
    if resources:
        container["resources"] = resources
    labels = {"app": DEPLOYMENT}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {IDENTITY_ANNOTATION: identity}},
                "spec": {
                    "serviceAccountName": ACCOUNT,
                    "priorityClassName": "system-node-critical",
                    "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
                    "containers": [container],
                    "volumes": [{"name": "kubeconfig", "secret": {"secretName": KUBECONFIG_SECRET}}],
                },
            },
        },
    }


def serves(deployment: Object, member: str) -> bool:
    """Return whether an agent's Deployment belongs to this member, according to its command."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return any(f"--cluster-name={member}" in (container.get("command") or []) for container in containers)


def refuses_name(name: str, former: str, version: str) -> str:
    """Return why the agent doesn't start as `name` while the Cluster with the former name exists; empty if it starts.

    Before 1.14 the agent compares its name with the first Cluster of its ID, in the order of names.
    """
    if former > name or Version.parse(version) >= Version(1, 14):
        return ""
    return (
        f"the agent of Karmada {version} can't take the name {name} over from {former}: before 1.14 it refuses a name "
        f"that sorts after the one that its cluster has; take a name that sorts before {former}"
    )


def endpoint_argument(api_endpoint: str) -> str:
    """Return the argument with the address of the member for the control plane."""
    return f"--cluster-api-endpoint={api_endpoint}"


def _address_flags(version: Version) -> list[str]:
    if version < _SPLIT_ADDRESSES:
        return ["--bind-address=$(POD_IP)", "--secure-port=10357", "--metrics-bind-address=$(POD_IP):8080"]
    return ["--metrics-bind-address=$(POD_IP):8080", "--health-probe-bind-address=$(POD_IP):10357"]


def _role_binding(member: str, role: str, namespace: str) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role},
        "subjects": [_subject(member)],
    }


def _subject(member: str) -> Object:
    return {"apiGroup": _RBAC, "kind": "User", "name": user(member)}


def _rule(group: str, resources: list[str], verbs: list[str], *, names: list[str] | None = None) -> Object:
    rule: Object = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    return {**rule, "resourceNames": names} if names else rule
