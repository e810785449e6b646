"""The merge keys of Kubernetes' lists for each kind, and the comparison of objects by them.

The source is the OpenAPI document that Kubernetes publishes (api/openapi-spec/swagger.json of 1.37.2):
`x-kubernetes-list-type` (map or set), `x-kubernetes-list-map-keys`, and the defaults of key fields. Atomic lists are
left out, except two that are explained below. `tests/contract/owners.py` compares the table with an API server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla.kube.objects import Difference, Object, differences
from flotilla.kube.shapes import PLAIN, Shape

_SET = Shape(as_set=True)
_FILLED = Shape(filled=True)
_KEYS, _TYPE = "x-kubernetes-list-map-keys", "x-kubernetes-list-type"
_DEEPEST = 64


def _map(**fields: Shape) -> Shape:
    return Shape(fields)


def _by(*keys: str, defaults: Mapping[str, Any] | None = None, **fields: Shape) -> Shape:
    """Return the shape of a list whose elements are identified by keys."""
    return Shape(each=Shape(fields), keys=keys, defaults=defaults or {})


def _each(**fields: Shape) -> Shape:
    """Return the shape of an atomic list whose elements contain lists that are not atomic."""
    return Shape(each=Shape(fields))


_METADATA = _map(finalizers=_SET, ownerReferences=_by("uid"))
_CONTAINERS = _by(
    "name",
    env=_by("name"),
    ports=_by("containerPort", "protocol", defaults={"protocol": "TCP"}),
    resources=_map(claims=_by("name")),
    restartPolicyRules=_each(exitCodes=_map(values=_SET)),
    volumeDevices=_by("devicePath"),
    volumeMounts=_by("mountPath", bindMountOptions=_SET),
)
_POD = _map(
    containers=_CONTAINERS,
    ephemeralContainers=_CONTAINERS,
    evictionResponders=_by("name"),
    hostAliases=_by("ip"),
    imagePullSecrets=_by("name"),
    initContainers=_CONTAINERS,
    resourceClaims=_by("name"),
    resources=_map(claims=_by("name")),
    schedulingGates=_by("name"),
    # Atomic in the document. Admission in members adds tolerations, and their order has no meaning.
    tolerations=_SET,
    topologySpreadConstraints=_by("topologyKey", "whenUnsatisfiable"),
    volumes=_by("name", ephemeral=_map(volumeClaimTemplate=_map(metadata=_METADATA))),
)
_TEMPLATE = _map(metadata=_METADATA, spec=_POD)
_JOB = _map(
    podFailurePolicy=_map(rules=_each(onExitCodes=_map(values=_SET))),
    scheduling=_map(resourceClaims=_by("name")),
    template=_TEMPLATE,
)
_CLIENT = _map(caBundle=_FILLED)
_WEBHOOKS = _by("name", clientConfig=_CLIENT, matchConditions=_by("name"))


def _spec(**fields: Shape) -> dict[str, Shape]:
    return {"spec": _map(**fields)}


_WITH_TEMPLATE = _spec(template=_TEMPLATE)
_KINDS: dict[tuple[str, str], dict[str, Shape]] = {
    ("", "Node"): _spec(podCIDRs=_SET),
    ("", "Pod"): {"spec": _POD},
    ("", "PodTemplate"): {"template": _TEMPLATE},
    ("", "ReplicationController"): _WITH_TEMPLATE,
    ("", "Service"): _spec(ports=_by("port", "protocol", defaults={"protocol": "TCP"})),
    # `imagePullSecrets` is atomic in the document. Members add entries, and Karmada merges both lists by name
    # (pkg/util/lifted/retain.go, RetainServiceAccountFields).
    ("", "ServiceAccount"): {"imagePullSecrets": _by("name"), "secrets": _by("name")},
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): _spec(matchConditions=_by("name")),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): {"webhooks": _WEBHOOKS},
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _spec(
        matchConditions=_by("name"), variables=_by("name")
    ),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): _spec(validationActions=_SET),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): {"webhooks": _WEBHOOKS},
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _spec(conversion=_map(webhook=_map(clientConfig=_CLIENT))),
    ("apiregistration.k8s.io", "APIService"): _spec(caBundle=_FILLED),
    ("apps", "DaemonSet"): _WITH_TEMPLATE,
    ("apps", "Deployment"): _WITH_TEMPLATE,
    ("apps", "ReplicaSet"): _WITH_TEMPLATE,
    ("apps", "StatefulSet"): _spec(template=_TEMPLATE, volumeClaimTemplates=_each(metadata=_METADATA)),
    ("batch", "CronJob"): _spec(jobTemplate=_map(metadata=_METADATA, spec=_JOB)),
    ("batch", "Job"): {"spec": _JOB},
    # A kind of Karmada, whose controllers and `karmadactl cordon` add taints and remove them again.
    ("cluster.karmada.io", "Cluster"): _spec(taints=_by("key", "effect")),
    ("discovery.k8s.io", "EndpointSlice"): {"endpoints": _each(addresses=_SET)},
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): _spec(
        rules=_each(
            nonResourceRules=_each(nonResourceURLs=_SET, verbs=_SET),
            resourceRules=_each(apiGroups=_SET, namespaces=_SET, resources=_SET, verbs=_SET),
        )
    ),
    ("resource.k8s.io", "ResourceClaimTemplate"): _spec(metadata=_METADATA),
    ("storage.k8s.io", "CSIDriver"): _spec(volumeLifecycleModes=_SET),
    ("storage.k8s.io", "CSINode"): _spec(drivers=_by("name")),
}
_COMMON = {"metadata": _METADATA, "status": _map(conditions=_by("type"))}
_SHAPES = {kind: Shape({**_COMMON, **fields}) for kind, fields in _KINDS.items()}
_ANY = Shape(_COMMON)


def shape_of(obj: Object) -> Shape:
    """Return the shape of an object's lists, by its kind."""
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    return _SHAPES.get((group, str(obj.get("kind"))), _ANY)


def is_listed(obj: Object) -> bool:
    """Return whether the table has the object's kind."""
    return shape_of(obj) is not _ANY


def object_differences(wanted: Object, actual: Object) -> list[Difference]:
    """Compare two objects of one kind as `differences` does, and their lists by merge keys."""
    return differences(wanted, actual, shape=shape_of(wanted))


def defined_shape(definition: Object, api_version: str) -> Shape:
    """Return the shape of a custom kind's lists, by one version of its CustomResourceDefinition."""
    version = api_version.rpartition("/")[2]
    for one in (definition.get("spec") or {}).get("versions") or []:
        if one.get("name") == version:
            schema = (one.get("schema") or {}).get("openAPIV3Schema") or {}
            return Shape({**_schema_shape(schema).fields, **_COMMON})
    return _ANY


def _schema_shape(schema: Any, depth: int = 0) -> Shape:
    """Return the shape that a structural schema describes."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return PLAIN
    kind, items = schema.get(_TYPE), schema.get("items")
    if isinstance(items, dict):
        each = _schema_shape(items, depth + 1)
        keys = tuple(schema.get(_KEYS) or ()) if kind == "map" else ()
        known = items.get("properties") or {}
        defaults = {key: known[key]["default"] for key in keys if "default" in (known.get(key) or {})}
        return Shape(each=each, keys=keys, defaults=defaults, as_set=kind == "set")
    fields = {
        name: shape
        for name, one in (schema.get("properties") or {}).items()
        if (shape := _schema_shape(one, depth + 1)) != PLAIN
    }
    values = _schema_shape(schema.get("additionalProperties"), depth + 1)
    return Shape(fields, None if values == PLAIN else values)


def with_added(wanted: Any, actual: Any, shape: Shape) -> Any:
    """Return the wanted value with the elements that others added to its keyed lists, in the current order.

    Args:
        wanted: the declared value.
        actual: the current value, which has everything that is wanted.
        shape: the shape of both.
    """
    if isinstance(wanted, dict) and isinstance(actual, dict):
        return {key: with_added(value, actual.get(key), shape.of(key)) for key, value in wanted.items()}
    if not (isinstance(wanted, list) and isinstance(actual, list)) or not wanted:
        return actual if shape.unfilled(wanted) and actual else wanted
    if shape.as_set:
        return [*wanted, *(one for one in actual if all(differences(other, one) for other in wanted))]
    keyed = shape.by_key(wanted)
    if keyed is None:
        return wanted
    current = [(shape.key_of(element), element) for element in actual]
    found = [
        with_added(keyed[key], element, shape.elements) if key is not None and key in keyed else element
        for key, element in current
    ]
    known = {key for key, _ in current}
    return found + [element for key, element in keyed.items() if key not in known]
