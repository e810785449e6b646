"""Pull mode: the agent in a member, who it is to the control plane, and what it may do there.

Source: the agent of 1.10 to 1.18 (cmd/agent, artifacts/agent) and the rights that `karmadactl register` of 1.18 gives
one agent. Here every version gets those: the chart of 1.10 lets all agents read all Secrets instead. From 1.13 on the
agent reports no Secrets (`--report-secrets=None`): the stack declares them, so that it needs no right to any Secret.
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
"""From here on metrics and health have an address each."""
_OBEDIENT = Version(1, 13)


def user(member: str) -> str:
    """Return the agent's user name towards the control plane."""
    return f"system:karmada:agent:{member}"


def image(version: str) -> str:
    """Return the agent's image for a version of Karmada."""
    return f"docker.io/karmada/karmada-agent:v{version.removeprefix('v')}"


# -- in the control plane -------------------------------------------------------------------------


def cluster_role(member: str, *, found: bool = False) -> Object:
    """Return what the agent may do in the whole control plane: its own Cluster, and what it has to look up.

    Args:
        member: the Cluster's name.
        found: as `karmadactl register` writes the same rights: another order of verbs would be a change.
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
    """Return what the agent may do in its own execution namespace: carry out Works and report on them."""
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
    """Return what an agent that reports Secrets may do with them: with its own two."""
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
    """Return whether an agent reports Secrets whatever it is told: before 1.13 it crashes where it shouldn't."""
    return Version.parse(version) < _OBEDIENT


# -- in the member --------------------------------------------------------------------------------


def service_account(namespace: str = NAMESPACE) -> Object:
    """Return the account that the agent runs as in the member."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}}


def member_role() -> Object:
    """Return what the agent may do in the member: everything, for it applies objects of any kind there."""
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
    """Return the Secret with the agent's kubeconfig; `data` holds it under the Secret's own name, base64."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": KUBECONFIG_SECRET, "namespace": namespace},
        "data": data,
    }


def found_secret(namespace: str = NAMESPACE) -> Object:
    """Return the Secret with the kubeconfig of an agent that is there: nothing of its content."""
    metadata = {"name": KUBECONFIG_SECRET, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


def found_deployment(namespace: str = NAMESPACE) -> Object:
    """Return the Deployment of an agent that is there: nothing of what it runs, so that it can't be created either."""
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
        version: Karmada's, for the image and the arguments.
        endpoint: what `endpoint_argument` returns; may be an output.
        identity: a fingerprint of the agent's certificate: another one is another pod.
        namespace: where it runs.
        image_name: another image than Karmada's own.
        replicas: one works, the others stand by.
        resources: requests and limits.
        provider: cloud provider, told to the control plane; as are region and zones.
        region: see provider.
        zones: see provider.
        proxy_url: the proxy through which the control plane dials the member.
    """
    told = {
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
        *(f"{flag}={value}" for flag, value in told.items() if value),
    ]
    container: Object = {
        "name": DEPLOYMENT,
        "image": image_name or image(version),
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        # Apart from the others, for the endpoint may be known only once the cluster is there.
        "args": [endpoint],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "livenessProbe": {**_HEALTH, "failureThreshold": 3, "initialDelaySeconds": 15, "periodSeconds": 15},
        # It answers once it is registered: a member that changes its mode is Ready all the while and proves nothing.
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
    """Return whether an agent's Deployment is the one of this member, by its command."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return any(f"--cluster-name={member}" in (container.get("command") or []) for container in containers)


def refuses_name(name: str, former: str, version: str) -> str:
    """Return why the agent does not start as `name` while the Cluster of the former name is there; empty: it does.

    Before 1.14 it compares its name with the first Cluster of its ID, in the order of names.
    """
    if former > name or Version.parse(version) >= Version(1, 14):
        return ""
    return (
        f"the agent of Karmada {version} can't take the name {name} over from {former}: before 1.14 it refuses a name "
        f"that sorts after the one that its cluster has; take a name that sorts before {former}"
    )


def endpoint_argument(api_endpoint: str) -> str:
    """Return the argument that tells the control plane where the member is."""
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
