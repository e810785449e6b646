"""Layer three: compares a member's objects with what Karmada sent, and checks Karmada's access to the member."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable
from typing import Any

from flotilla.drift.comparing import Comparing
from flotilla.drift.findings import Finding, Layer, Remedy, changed
from flotilla.karmada.joining.agent import DEPLOYMENT as AGENT
from flotilla.karmada.joining.join import IMPERSONATOR, access_role
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.karmada.rendering.marks import MANAGED
from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, is_true, ref_of

_RBAC = "rbac.authorization.k8s.io/v1"
_USUAL_KINDS = (
    ("v1", "Namespace"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
)
_KARMADAS = "karmada-"
_UNAUTHORIZED = 401
# The roles that Kubernetes' own bindings give to every account (plugin/pkg/auth/authorizer/rbac/bootstrappolicy).
_FOR_EVERYBODY = frozenset(
    {
        "system:basic-user",
        "system:cluster-trust-bundle-discovery",
        "system:discovery",
        "system:public-info-viewer",
        "system:service-account-issuer-discovery",
    }
)


def sent_to(snapshot: Snapshot, member: str) -> list[Object]:
    """Return what Karmada sends to a member: the manifests of its applied Works that are not suspended."""
    # The propagation layer reports Works that are not applied, with the reason.
    works = [work for work in _works_to(snapshot, member) if is_true(work, "Applied")]
    return _manifests(work for work in works if not (work.get("spec") or {}).get("suspendDispatching"))


def carried_to(snapshot: Snapshot, member: str) -> list[Object]:
    """Return the manifests of all Works of a member, including those that are suspended or not applied.

    The copies of a suspended Work stay in the member, and so do those of a Work that the member refuses to update.
    """
    return _manifests(_works_to(snapshot, member))


def _works_to(snapshot: Snapshot, member: str) -> list[Object]:
    return [work for work in snapshot.works_to(member) if not work["metadata"].get("deletionTimestamp")]


def _manifests(works: Iterable[Object]) -> list[Object]:
    return [one for work in works for one in ((work.get("spec") or {}).get("workload") or {}).get("manifests") or []]


def compare_sent(
    connection: Connection, member: str, wanted: Object, comparing: Comparing | None = None
) -> list[Finding]:
    """Compare one object of a member with what was sent, for the fields that were sent.

    Args:
        connection: the member.
        member: the member's name.
        wanted: the manifest that Karmada sent.
        comparing: collects the results of this check of the member; None for a new one.
    """
    live = connection.find(ref_of(wanted))
    if live is None:
        message = "was sent and is not there"
        return [Finding(Layer.MEMBERS, "copy-missing", member, str(ref_of(wanted)), message, remedy=Remedy.KARMADA)]
    return [
        changed(Layer.MEMBERS, "copy-changed", member, live, difference, Remedy.KARMADA)
        for difference in (comparing or Comparing(connection)).differences(Layer.MEMBERS, _enforced(wanted), live)
    ]


def _enforced(wanted: Object) -> Object:
    """Return the fields that Karmada enforces. Replicas are not among them if the template leaves them to members."""
    enforced = {key: value for key, value in wanted.items() if key != "status"}
    if owns_replicas(wanted):
        enforced = {**enforced, "spec": {key: value for key, value in enforced["spec"].items() if key != "replicas"}}
    return enforced


def find_unwanted(connection: Connection, member: str, carried: list[Object]) -> list[Finding]:
    """Return the objects with Karmada's label that are in no Work (`carried_to`) any more."""
    wanted = {ref_of(obj) for obj in carried}
    kinds = {(ref.api_version, ref.kind) for ref in wanted} | set(_USUAL_KINDS)
    found = []
    for api_version, kind in sorted(kinds):
        try:
            marked = connection.list(api_version, kind, labels=f"{MANAGED}=true")
        except KindNotServed:
            continue
        for obj in marked:
            meta = obj["metadata"]
            ref = ObjectRef(api_version, kind, meta["name"], meta.get("namespace") or "")
            if ref not in wanted and not meta.get("deletionTimestamp") and not _of_a_join(ref, member):
                message = "has Karmada's label, and nothing sends it any more"
                found.append(Finding(Layer.MEMBERS, "copy-unwanted", member, str(ref), message, remedy=Remedy.MANUAL))
    return found


def _of_a_join(ref: ObjectRef, member: str) -> bool:
    """Return whether an object was created by a join: karmadactl 1.10 labels these as if Karmada had sent them.

    Karmada sends neither namespaces that start with `karmada-` nor objects in them.
    """
    if ref.kind in ("ClusterRole", "ClusterRoleBinding"):
        return ref.name in (access_role(member), AGENT)
    return (ref.name if ref.kind == "Namespace" else ref.namespace).startswith(_KARMADAS)


def check_access(control_plane: Connection, connection: Connection, kubeconfig: str, member: str) -> list[Finding]:
    """Check from here that the member accepts the token that Karmada has for it, and that the token has all rights."""
    secret = ObjectRef("v1", "Secret", member, CLUSTER_NAMESPACE)
    stored = control_plane.find(secret)
    if stored is None:
        return []  # layer one reports the missing Secret
    token = _token(stored)
    if not token:
        message = "has no token that can be sent"
        return [Finding(Layer.MEMBERS, "token-refused", member, str(secret), message)]
    as_karmada = Connection(_with_token(kubeconfig, token), name=connection.name, timeout=10.0)
    everything = {"verb": "*", "group": "*", "resource": "*"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": everything},
    }
    try:
        answer = as_karmada.create(review, field_manager="flotilla")
    except ApiError as error:
        if error.status != _UNAUTHORIZED:
            raise
        message = "the member refuses the token that Karmada has for it"
        return [Finding(Layer.MEMBERS, "token-refused", member, str(secret), message)]
    if (answer.get("status") or {}).get("allowed"):
        return []
    message = "the account that Karmada uses may not do everything there any more"
    return [Finding(Layer.MEMBERS, "rights-narrowed", member, f"ClusterRole {access_role(member)}", message)]


def _token(secret: Object) -> str:
    """Return a Secret's token as Karmada would send it; empty if it has none that is valid in a header."""
    try:
        token = base64.b64decode(str((secret.get("data") or {}).get("token") or ""), validate=True).decode("ascii")
    except ValueError:
        return ""
    return token.strip() if token.strip().isprintable() else ""


def _with_token(kubeconfig: str, token: str) -> Object:
    document = copy.deepcopy(kubeconfigs.select(kubeconfigs.load(kubeconfig)))
    document["users"][0]["user"] = {"token": token}
    return document


def find_wider_rights(connection: Connection, member: str, account: tuple[str, str]) -> list[Finding]:
    """Return the bindings that give the join's accounts more rights than the join did, directly or through groups.

    Two ClusterRoleBindings are expected: the join's own, and the one in which Karmada binds the impersonator to a role
    of the same name. Karmada also creates RoleBindings and ClusterRoleBindings for the users of its proxy; none of
    those names the accounts. Kubernetes' own bindings for all accounts don't count.
    """
    namespace, controller = account
    expected = {
        ("ClusterRoleBinding", access_role(member), "ClusterRole", access_role(member), controller),
        ("ClusterRoleBinding", IMPERSONATOR, "ClusterRole", IMPERSONATOR, IMPERSONATOR),
    }
    found = []
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in connection.list(_RBAC, kind):
            role = binding.get("roleRef") or {}
            for who in _reached(binding, namespace, (controller, IMPERSONATOR)):
                given = (kind, binding["metadata"]["name"], role.get("kind"), role.get("name"), who)
                if given not in expected and not _is_bootstrapped(binding):
                    found.append(_wider(member, kind, binding, who))
    return found


def _reached(binding: Object, namespace: str, accounts: tuple[str, ...]) -> list[str]:
    """Return the accounts that are subjects of a binding, and the groups among its subjects that contain them."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    users = {f"system:serviceaccount:{namespace}:{name}": name for name in accounts}
    within = binding["metadata"].get("namespace") or ""
    found = []
    for subject in binding.get("subjects") or []:
        kind, name = subject.get("kind"), str(subject.get("name") or "")
        if kind == "ServiceAccount" and name in accounts and (subject.get("namespace") or within) == namespace:
            found.append(name)
        elif kind == "User" and name in users:
            found.append(users[name])
        elif kind == "Group" and name in groups:
            found.append(f"group {name}")
    return list(dict.fromkeys(found))


def _is_bootstrapped(binding: Object) -> bool:
    """Return whether the API server itself created a binding, and whether the binding still has its original role."""
    meta, role = binding["metadata"], (binding.get("roleRef") or {}).get("name")
    bootstrapped = (meta.get("labels") or {}).get("kubernetes.io/bootstrapping") == "rbac-defaults"
    return bootstrapped and meta["name"] == role and role in _FOR_EVERYBODY


def _wider(member: str, kind: str, binding: dict[str, Any], who: str) -> Finding:
    meta = binding["metadata"]
    ref = ObjectRef(_RBAC, kind, meta["name"], meta.get("namespace") or "")
    role = binding.get("roleRef") or {}
    message = f"gives {who} the rights of {role.get('kind')} {role.get('name')}"
    return Finding(
        Layer.MEMBERS,
        "rights-widened",
        member,
        str(ref),
        message,
        time=meta.get("creationTimestamp", ""),
        remedy=Remedy.MANUAL,
    )
