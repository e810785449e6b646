"""Reads an existing fleet: a few lists from its control plane, and a few from each member that can be read.

Nothing is written anywhere.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import replace

from flotilla.adopt.listing import Lists, listed_of, lists, unread_of
from flotilla.adopt.model import Credentials, Found, MemberFacts
from flotilla.adopt.needed import accounts
from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.control_plane_kinds import KINDS
from flotilla.karmada.joining.agent import DEPLOYMENT
from flotilla.karmada.joining.join import controller_account
from flotilla.karmada.kinds import Identity, identity
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.karmada.objects import BINDING_API, CLUSTER_API, POLICY_API
from flotilla.karmada.selection import OVERRIDES, POLICIES
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.identity import uid_of
from flotilla.kube.objects import Object, ObjectRef, ref_of

Kind = tuple[str, str]
"""An apiVersion and a kind."""

_USUAL: tuple[Kind, ...] = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Service"),
    ("networking.k8s.io/v1", "Ingress"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
)
"""Kinds that are searched for unclaimed templates, in addition to those that are propagated."""
_RBAC = "rbac.authorization.k8s.io/v1"


def read_control_plane(connection: Connection) -> Found:
    """Read everything of a control plane that matters for a stack.

    Raises:
        ClusterError: its members or policies could not be read. Other unreadable lists are in `unread`.
    """
    clusters = tuple(connection.list(CLUSTER_API, "Cluster"))
    policies = tuple(obj for kind in (*POLICIES, *OVERRIDES) for obj in connection.list(POLICY_API, kind))
    bindings = tuple(
        obj for kind in ("ResourceBinding", "ClusterResourceBinding") for obj in connection.list(BINDING_API, kind)
    )
    own = [(f"{group}/{one.version}", kind) for (group, kind), one in KINDS.items()]
    definitions: Kind = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    webhooks: Kind = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    wanted = list(dict.fromkeys([*_propagated(policies, bindings), *_USUAL]))
    found = lists(connection, ((*kind, "") for kind in (*wanted, *own, definitions, webhooks)))
    return Found(
        clusters=clusters,
        policies=policies,
        templates=tuple(_once(obj for kind in wanted for obj in _all_of(found, kind))),
        bindings=bindings,
        objects=tuple(obj for kind in own for obj in _all_of(found, kind)),
        definitions=tuple(_all_of(found, definitions)),
        webhooks=tuple(_all_of(found, webhooks)),
        credentials=_credentials(connection, clusters, found["v1", "Secret", ""]),
        unfinished=_unfinished(_all_of(found, ("v1", "Secret")), clusters),
        unread=tuple(unread_of(found)),
    )


def _unfinished(secrets: Iterable[Object], clusters: Iterable[Object]) -> frozenset[str]:
    """Return the names of unfinished joins: a join creates both of a member's Secrets before its Cluster."""
    listed = [secret["metadata"] for secret in secrets]
    names = {str(meta["name"]) for meta in listed if meta.get("namespace") == CLUSTER_NAMESPACE}
    known = {str(cluster["metadata"]["name"]) for cluster in clusters}
    return frozenset(name for name in names - known if f"{name}-impersonator" in names)


def _propagated(policies: Iterable[Object], bindings: Iterable[Object]) -> list[Kind]:
    """Return the propagated kinds: first those of bindings, in Karmada's preferred version, then the selected ones."""
    listed = [(binding.get("spec") or {}).get("resource") or {} for binding in bindings]
    for policy in policies:
        if policy["kind"] in POLICIES:
            listed += (policy.get("spec") or {}).get("resourceSelectors") or []
    found = ((str(one.get("apiVersion") or ""), str(one.get("kind") or "")) for one in listed)
    return [kind for kind in dict.fromkeys(found) if all(kind)]


def _all_of(found: Lists, kind: Kind) -> list[Object]:
    return listed_of(found, (*kind, ""))


def _once(objects: Iterable[Object]) -> list[Object]:
    """Return each object once, in the first version in which it was listed."""
    found: dict[Identity, Object] = {}
    for obj in objects:
        found.setdefault(identity(obj), obj)
    return list(found.values())


def _credentials(
    connection: Connection, clusters: Iterable[Object], secrets: list[Object] | str
) -> dict[str, Credentials]:
    """Return Karmada's credentials for each member, as far as they can be read.

    Secrets that could not be listed are read one by one, which may be allowed.
    """
    listed = None if isinstance(secrets, str) else {ref_of(one): one for one in secrets}
    found = {}
    for cluster in clusters:
        named = (cluster.get("spec") or {}).get("secretRef") or {}
        if not named.get("name"):
            continue
        ref = ObjectRef("v1", "Secret", str(named["name"]), str(named.get("namespace") or ""))
        try:
            secret = connection.find(ref) if listed is None else listed.get(ref)
        except ClusterError:
            continue
        data = (secret or {}).get("data") or {}
        found[str(cluster["metadata"]["name"])] = Credentials(
            str(data.get("caBundle") or ""), _account(data.get("token"))
        )
    return found


def _account(token: object) -> str:
    """Return the ServiceAccount of a token, as NAMESPACE/NAME; empty where the token doesn't show it."""
    try:
        payload = base64.b64decode(str(token)).decode().split(".")[1]
        subject = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
        prefix, kind, namespace, name = str(subject).split(":")
    except (ValueError, LookupError, TypeError):
        return ""
    return f"{namespace}/{name}" if (prefix, kind) == ("system", "serviceaccount") else ""


# -- members ----------------------------------------------------------------------------------------------------------


def read_member(document: Object, *, name: str, path: str, context: str, identifier: str) -> MemberFacts:
    """Read the facts about a join from a member's API server.

    Args:
        document: the member's kubeconfig, narrowed to one context.
        name: the name of the member.
        path: the kubeconfig's path for the stack file.
        context: the context, if it isn't the file's current one.
        identifier: `spec.id` of the Cluster; empty where it has none.
    """
    cluster = document["clusters"][0]["cluster"]
    known = MemberFacts(
        path, context, kubeconfigs.server(document), str(cluster.get("certificate-authority-data") or "")
    )
    connection = Connection(document, name=name)
    try:
        found = uid_of(connection)
        if identifier and found != identifier:
            why = f"its kubeconfig leads to another cluster ({found}) than the Cluster ({identifier})"
            return MemberFacts(problem=why)
        agents = [
            obj
            for obj in connection.list("apps/v1", "Deployment", fields=f"metadata.name={DEPLOYMENT}")
            if obj["metadata"]["name"] == DEPLOYMENT
        ]
        account = ObjectRef("v1", "ServiceAccount", controller_account(name), CLUSTER_NAMESPACE)
        joining = connection.find(account) is not None
        administrators = _administrators(
            connection.list(_RBAC, "ClusterRoleBinding"), connection.list(_RBAC, "ClusterRole")
        )
    except FlotillaError as error:
        return replace(known, problem=error.message)
    return replace(known, agents=tuple(agents), joining=joining, administrators=administrators)


def _administrators(bindings: Iterable[Object], roles: Iterable[Object]) -> dict[str, tuple[str, ...]]:
    everything = {str(role["metadata"]["name"]) for role in roles if any(_is_all(r) for r in role.get("rules") or [])}
    found: dict[str, list[str]] = {}
    for binding in bindings:
        if str((binding.get("roleRef") or {}).get("name")) not in everything:
            continue
        for account in accounts(binding):
            found.setdefault("/".join(account), []).append(str(binding["metadata"]["name"]))
    return {account: tuple(names) for account, names in found.items()}


def _is_all(rule: Object) -> bool:
    return all("*" in (rule.get(key) or []) for key in ("apiGroups", "resources", "verbs"))
