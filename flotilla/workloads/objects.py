"""The objects that workloads declare, and what must hold over all of them together."""

from __future__ import annotations

from flotilla.karmada.kinds import NAMESPACE, Kinds, defined_kinds, identity, kind_of
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.karmada.propagation import deployment
from flotilla.karmada.rendering.replicas import RETAIN_LABEL
from flotilla.kube.objects import Object
from flotilla.stack.files import ManifestFiles, read_manifests
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.workloads import Workload

# Karmada's detector leaves these groups out (pkg/util/apigroup.go), whatever policy selects them.
_NEVER_SENT = frozenset(
    {
        f"{group}.karmada.io"
        for group in ("apps", "autoscaling", "cluster", "config", "networking", "policy", "remedy", "search", "work")
    }
    | {"events.k8s.io"}
)
DEPLOYMENT = ("apps", "Deployment")
"""The only kind whose replicas Karmada leaves to the members (pkg/resourceinterpreter/default/native/retain.go)."""
_RETAINS_REPLICAS = {RETAIN_LABEL: "true"}
_RESERVED = ("karmada-", "kube-")


def manifests_of(workload: Workload, files: ManifestFiles) -> list[Object]:
    """Return the objects that a workload declares: its manifests, or its short form's Deployment.

    Raises:
        ConfigError: a manifest that can't be read.
    """
    objects = read_manifests(workload, files) if workload.manifests else [_short_form(workload)]
    return [_scaled_by_members(obj) for obj in objects] if workload.autoscaled else objects


def _short_form(workload: Workload) -> Object:
    return deployment(
        workload.object_name,
        namespace=workload.namespace,
        image=workload.image or "",
        replicas=1 if workload.replicas is None else workload.replicas,
        ports=list(workload.ports),
        env=dict(workload.env),
        resources=workload.resources.model_dump(exclude_defaults=True) if workload.resources else None,
        labels=dict(workload.labels),
    )


def _scaled_by_members(obj: Object) -> Object:
    """Return a Deployment with the label for which Karmada leaves its replicas to the members; others unchanged."""
    if kind_of(obj) != DEPLOYMENT:
        return obj
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **_RETAINS_REPLICAS}}}


def check_objects(workloads: list[tuple[int, Workload]], files: ManifestFiles) -> list[Problem]:
    """Check what workloads declare against each other, and against what Karmada sends at all.

    Workloads with files that can't be read are left out: that is reported already.
    """
    readable: list[tuple[int, Workload, list[Object]]] = []
    for index, workload in workloads:
        try:
            readable.append((index, workload, manifests_of(workload, files)))
        except ConfigError:
            continue
    kinds = defined_kinds(m for _, _, manifests in readable for m in manifests)
    problems: list[Problem] = []
    seen: dict[tuple[str, str, str, str], str] = {}
    for index, workload, manifests in readable:
        if workload.autoscaled and not any(kind_of(manifest) == DEPLOYMENT for manifest in manifests):
            problems.append(
                Problem(
                    f"workloads[{index}].autoscaled",
                    "there is no Deployment among the manifests",
                    "Karmada leaves the replicas of Deployments alone, and sets those of every other kind",
                    "drop it, or use Karmada's own FederatedHPA for other kinds",
                    "true",
                )
            )
        where = f"workloads[{index}].manifests" if workload.manifests else f"workloads[{index}].name"
        for manifest in manifests:
            problems += _check_sent(where, manifest, workload, kinds)
            namespace = "" if kinds.cluster_scoped(manifest) else workload.namespace
            key = identity({**manifest, "metadata": {**manifest["metadata"], "namespace": ""}}, namespace)
            first = seen.setdefault(key, workload.name)
            if first != workload.name:
                problems.append(
                    Problem(
                        where,
                        f"{_text(manifest, namespace)} is listed by the workloads {first!r} and {workload.name!r}",
                        "two policies would claim it, one of them in vain, and removing either workload deletes it",
                        "list it in one of them, with a placement that covers the clusters of both",
                    )
                )
    return problems


def _check_sent(where: str, manifest: Object, workload: Workload, kinds: Kinds) -> list[Problem]:
    group, kind = kind_of(manifest)
    name = manifest["metadata"]["name"]
    if group in _NEVER_SENT:
        return [
            Problem(
                where,
                f"{kind} {name} is of {group}, which Karmada sends to no member",
                "`up` would wait for it until its timeout",
                "say what a policy says in the workload's placement and overrides, and apply anything else with "
                "kubectl",
            )
        ]
    reserved = name if (group, kind) == NAMESPACE else workload.namespace
    if reserved.startswith(_RESERVED) and not kinds.cluster_scoped(manifest):
        return [_never(where, f"{kind} {name} is in the namespace {reserved}", reserved)]
    if (group, kind) == NAMESPACE and (reserved.startswith(_RESERVED) or reserved == "default"):
        return [_never(where, f"Namespace {name} is one that Karmada never sends", reserved)]
    preferred = kinds.preferred_version((group, kind))
    if preferred and preferred != manifest["apiVersion"]:
        return [not_preferred(where, manifest, preferred)]
    return []


def _never(where: str, rule: str, namespace: str) -> Problem:
    owner = "Karmada and the join of members use it" if namespace == CLUSTER_NAMESPACE else "it is reserved"
    return Problem(where, rule, f"{owner}, and `up` would wait until its timeout", "take another namespace, or drop it")


def not_preferred(where: str, manifest: Object, preferred: str) -> Problem:
    """Return what is wrong with a version that Karmada doesn't look at."""
    return Problem(
        where,
        f"{manifest['kind']} {manifest['metadata']['name']} is written in {manifest['apiVersion']}, but API servers "
        f"prefer {preferred}",
        "Karmada claims an object in the preferred version only, and `up` would wait until its timeout",
        f"write it in {preferred}",
    )


def _text(manifest: Object, namespace: str) -> str:
    within = f"{namespace}/" if namespace else ""
    return f"{manifest['kind']} {within}{manifest['metadata']['name']}"
