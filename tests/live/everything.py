"""All objects of all API servers in a fleet, and their changes between two points in time."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

CLUSTERS = ("karmada", "member1", "member2", "member3")
RESTLESS = {
    "Event",
    "Lease",
    "Node",
    "EndpointSlice",
    "Endpoints",
    "APIService",
    "CertificateSigningRequest",
    "ComponentStatus",
}
"""Kinds that controllers write all the time, independent of the stack, or that are no stored objects."""
LAST_USED = "kubernetes.io/legacy-token-last-used"
"""A label that API servers set on a Secret when its token is used."""
COUNTERS = ("managedFields", "resourceVersion", "generation")
"""Fields of an object's metadata that change whenever another field changes."""


def everything(fleet, clusters=CLUSTERS):
    """Return all live objects, by cluster, kind, namespace and name."""
    with ThreadPoolExecutor(max_workers=len(clusters)) as pool:
        found = pool.map(lambda name: _of(fleet.connection(name)), clusters)
        return {(cluster, *key): obj for cluster, objects in zip(clusters, found, strict=True) for key, obj in objects}


def _of(connection):
    groups = connection.request("GET", "/apis", doing="listing API groups")["groups"]
    versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]
    for version in versions:
        path = "/api/v1" if version == "v1" else f"/apis/{version}"
        for resource in connection.request("GET", path, doing=f"looking up {version}")["resources"]:
            kind = resource["kind"]
            if "/" in resource["name"] or "list" not in resource["verbs"] or kind in RESTLESS:
                continue
            for obj in connection.list(version, kind):
                metadata = obj["metadata"]
                yield (kind, metadata.get("namespace", ""), metadata["name"]), obj


def fields(obj, depth=3):
    """Return the fields of an object by path, down to some depth, without its status."""

    def walk(value, path):
        if isinstance(value, dict) and value and len(path) < depth:
            for key, below in value.items():
                yield from walk(below, (*path, key))
        else:
            yield ".".join(path), value

    bare = {key: value for key, value in obj.items() if key not in ("status", "apiVersion", "kind")}
    metadata = {key: value for key, value in obj["metadata"].items() if key not in COUNTERS}
    if LAST_USED in (metadata.get("labels") or {}):
        metadata["labels"] = {key: value for key, value in metadata["labels"].items() if key != LAST_USED}
    return dict(walk({**bare, "metadata": metadata}, ()))


def written(before, after):
    """Return the differences of two results of `everything`: counts of objects by cluster, kind and change.

    Returns:
        `{(cluster, kind, "changed metadata.labels.x"): count}`; "created", "deleted", and "made again" for another UID.
        "owners" means that only the owners of fields changed.
    """
    counts = Counter()
    for key in before.keys() | after.keys():
        cluster, kind = key[:2]
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            counts[cluster, kind, "created" if old is None else "deleted"] += 1
        elif old["metadata"]["uid"] != new["metadata"]["uid"]:
            counts[cluster, kind, "made again"] += 1
        else:
            were, are = fields(old), fields(new)
            changed = sorted(path for path in were.keys() | are.keys() if were.get(path) != are.get(path))
            for path in changed:
                counts[cluster, kind, f"{'changed' if path in were else 'added'} {path}"] += 1
            if not changed and _owners(old) != _owners(new):
                counts[cluster, kind, "owners"] += 1
    return counts


def _owners(obj):
    """Return the owners of an object's fields, without those of its status."""
    entries = [one for one in obj["metadata"].get("managedFields") or [] if LAST_USED not in str(one.get("fieldsV1"))]
    return sorted(
        (entry["manager"], entry["operation"], str(entry.get("fieldsV1")))
        for entry in entries
        if entry.get("subresource") != "status"
    )


def table(counts):
    """Return the counts as lines: cluster, kind, change, count."""
    return "\n".join(
        f"{cluster:8} {kind:28} {what:70} {count:4}" for (cluster, kind, what), count in sorted(counts.items())
    )


def unchangeable(objects):
    """Return what an adoption must not change: UIDs and specs, and the generations of objects that create pods."""
    return {key: _kept(key[1], obj) for key, obj in objects.items()}


def _kept(kind, obj):
    uid, spec = obj["metadata"]["uid"], obj.get("spec")
    if kind in ("Pod", "ReplicaSet", "ControllerRevision", "Job"):
        return uid, obj["metadata"].get("generation"), spec
    if kind in ("ResourceBinding", "ClusterResourceBinding"):
        return uid, _in_order({**spec, "resource": {**spec["resource"], "resourceVersion": ""}})
    # A Work contains the whole template, with the annotations of a stack.
    return uid if kind == "Work" else (uid, spec)


def _in_order(spec):
    """Return a binding's spec with clusters sorted by name, because the scheduler changes their order."""
    required = [{**one, "clusters": _by_name(one.get("clusters"))} for one in spec.get("requiredBy") or []]
    return {**spec, "clusters": _by_name(spec.get("clusters")), "requiredBy": _by_name(required)}


def _by_name(entries):
    return sorted(entries or [], key=lambda one: one["name"])
