"""The objects that workloads declare, and checks over all of these objects."""

from __future__ import annotations

from flotilla.karmada.kinds import NAMESPACE, Identity, Kinds, defined_kinds, identity, in_namespace, kind_of
from flotilla.karmada.names import CLUSTER_NAMESPACE, is_dns_label
from flotilla.karmada.propagation import deployment
from flotilla.karmada.rendering.replicas import RETAIN_LABEL
from flotilla.karmada.selection import is_policy
from flotilla.kube.objects import Object
from flotilla.stack.files import ManifestFiles, read_manifests
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads.exported import cleaned
from flotilla.workloads.secrets import secret_objects

# Karmada's detector ignores these groups (pkg/util/apigroup.go), whatever policy selects them.
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
    """Return the objects that a workload declares: those of its source (manifests, chart, ..., image) and its Secrets.

    Each object has its namespace set, its own or the workload's. Callers that know the scope of custom kinds use
    `namespace_of`.

    Raises:
        ConfigError: a manifest can't be read, or a chart or kustomization can't be rendered.
    """
    objects = [cleaned(obj) for obj in as_written(workload, files)] + secret_objects(workload)
    objects = [in_namespace(obj, workload.namespace) for obj in objects]
    if workload.policies:
        objects = [obj for obj in objects if not is_policy(obj)]
    if workload.given:
        objects = [obj for obj in objects if identity(obj) in workload.given.objects]
    return [_scaled_by_members(obj) for obj in objects] if workload.autoscaled else objects


def readable_objects(workload: Workload, files: ManifestFiles) -> list[Object]:
    """Return the objects that a workload declares, without a namespace for cluster-scoped kinds that it defines itself.

    Returns nothing where a file can't be read or a chart can't be rendered: that is reported elsewhere.
    """
    try:
        manifests = manifests_of(workload, files)
    except ConfigError:
        return []
    kinds = defined_kinds(manifests)
    return [in_namespace(one, workload.namespace, kinds) for one in manifests]


def as_written(workload: Workload, files: ManifestFiles) -> list[Object]:
    """Return the objects of a workload's source as they are there, with fields that a server may have added.

    Raises:
        ConfigError: a manifest can't be read.
    """
    return [_short_form(workload)] if workload.image else read_manifests(workload, files)


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
    """Return a Deployment with the label that makes Karmada leave its replicas to the members; others unchanged."""
    if kind_of(obj) != DEPLOYMENT:
        return obj
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **_RETAINS_REPLICAS}}}


def check_objects(workloads: list[tuple[int, Workload]], files: ManifestFiles) -> list[Problem]:
    """Check the objects of workloads against each other, and that Karmada propagates them at all.

    Workloads with files that can't be read are left out: they are reported elsewhere.
    """
    readable: list[tuple[int, Workload, list[Object]]] = []
    for index, workload in workloads:
        try:
            readable.append((index, workload, manifests_of(workload, files)))
        except ConfigError:
            continue
    kinds = defined_kinds(m for _, _, manifests in readable for m in manifests)
    problems: list[Problem] = []
    seen: dict[Identity, tuple[str, Object]] = {}
    for index, workload, manifests in readable:
        if workload.autoscaled and not any(kind_of(manifest) == DEPLOYMENT for manifest in manifests):
            problems.append(
                Problem(
                    f"workloads[{index}].autoscaled",
                    "there is no Deployment among the manifests",
                    "only for Deployments can Karmada leave replicas to the members",
                    "remove it, or use Karmada's own FederatedHPA for other kinds",
                    "true",
                )
            )
        where = f"workloads[{index}].{'name' if workload.image else workload.source_key}"
        for manifest in manifests:
            settled = in_namespace(manifest, workload.namespace, kinds)
            problems += _check_sent(where, settled)
            problems += _check_version(where, manifest, kinds)
            first, other = seen.setdefault(identity(settled), (workload.name, manifest))
            if first != workload.name:
                problems.append(_listed_by_two(where, settled, first, workload.name))
            elif other is not manifest and _written(other) != _written(manifest):
                problems.append(_listed_twice(where, settled, _written(other), _written(manifest)))
    return problems


def _listed_by_two(where: str, obj: Object, first: str, second: str) -> Problem:
    return Problem(
        where,
        f"{_text(obj)} is listed by the workloads {first!r} and {second!r}",
        "two policies would claim it, one without success, and the removal of either workload deletes it",
        "list it in one of them, with a placement that covers the clusters of both",
    )


def _listed_twice(where: str, obj: Object, *written: tuple[str, str]) -> Problem:
    """Return the problem of an object that one workload lists twice in different spellings."""
    how = " and as ".join(f"{version} in namespace {namespace}" for version, namespace in written)
    return Problem(
        where,
        f"{_text(obj)} is listed twice, as {how}",
        "it is one object to the API server: one would overwrite the other",
        "remove one of them",
    )


def _written(obj: Object) -> tuple[str, str]:
    """Return the spelling of an object beside its kind and name: apiVersion and namespace."""
    return str(obj["apiVersion"]), str(obj["metadata"].get("namespace") or "(none)")


def _check_sent(where: str, manifest: Object) -> list[Problem]:
    """Check that Karmada propagates an object at all; its namespace must be final."""
    group, kind = kind_of(manifest)
    name, namespace = manifest["metadata"]["name"], str(manifest["metadata"].get("namespace") or "")
    if group in _NEVER_SENT:
        return [
            Problem(
                where,
                f"{kind} {name} is of {group}, which Karmada propagates to no member",
                "`up` would wait for it until its timeout",
                "list the file under the workload's 'policies' as well, instead of its placement"
                if is_policy(manifest)
                else "list objects of the control plane itself under `flotilla:objects`",
            )
        ]
    if namespace and not is_dns_label(namespace):
        return [
            Problem(
                where,
                f"{kind} {name} names the namespace {namespace!r}, which must be a DNS label (lower-case letters, "
                "digits, '-')",
                "no namespace can have this name",
                "write the namespace's name",
            )
        ]
    if namespace.startswith(_RESERVED):
        return [_never(where, f"{kind} {name} is in the namespace {namespace}", namespace)]
    if (group, kind) == NAMESPACE and (name.startswith(_RESERVED) or name == "default"):
        return [_never(where, f"Namespace {name} is never propagated by Karmada", name)]
    return []


def _check_version(where: str, manifest: Object, kinds: Kinds) -> list[Problem]:
    preferred = kinds.preferred_version(kind_of(manifest))
    return [not_preferred(where, manifest, preferred)] if preferred not in ("", manifest["apiVersion"]) else []


def _never(where: str, rule: str, namespace: str) -> Problem:
    owner = "Karmada and the join of members use it" if namespace == CLUSTER_NAMESPACE else "it is reserved"
    return Problem(
        where, rule, f"{owner}, and `up` would wait until its timeout", "use another namespace, or remove it"
    )


def not_preferred(where: str, manifest: Object, preferred: str) -> Problem:
    """Return the problem of an API version that Karmada ignores."""
    return Problem(
        where,
        f"{manifest['kind']} {manifest['metadata']['name']} is written in {manifest['apiVersion']}, but API servers "
        f"prefer {preferred}",
        "Karmada claims an object in the preferred version only, and `up` would wait until its timeout",
        f"write it in {preferred}",
    )


def _text(obj: Object) -> str:
    namespace = obj["metadata"].get("namespace")
    within = f"{namespace}/" if namespace else ""
    return f"{obj['kind']} {within}{obj['metadata']['name']}"
