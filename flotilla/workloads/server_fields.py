"""The table of `flotilla.workloads.exported`: the fields that API servers and controllers set, each with its source."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from flotilla.karmada.kinds import GroupKind
from flotilla.karmada.propagation import HEALTH_IGNORED, ON_REMOVAL, OWN_ANNOTATIONS
from flotilla.karmada.rendering import marks
from flotilla.karmada.selection import CLAIM_KEYS
from flotilla.kube.objects import Object

Step = str
"""A key, or `*` for every entry of a list."""

DEPLOYMENT: GroupKind = ("apps", "Deployment")
REPLICA_SET: GroupKind = ("apps", "ReplicaSet")
DAEMON_SET: GroupKind = ("apps", "DaemonSet")
STATEFUL_SET: GroupKind = ("apps", "StatefulSet")
JOB: GroupKind = ("batch", "Job")
CRON_JOB: GroupKind = ("batch", "CronJob")
_POD: GroupKind = ("", "Pod")
_SERVICE: GroupKind = ("", "Service")
_ACCOUNT: GroupKind = ("", "ServiceAccount")
_SECRET: GroupKind = ("", "Secret")
_CLAIM: GroupKind = ("", "PersistentVolumeClaim")
_VOLUME: GroupKind = ("", "PersistentVolume")
_NAMESPACE: GroupKind = ("", "Namespace")
_SCALER: GroupKind = ("autoscaling", "HorizontalPodAutoscaler")

_BOUND = "pv.kubernetes.io/bound-by-controller"
_TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
_INJECTED = re.compile(r"kube-api-access-[a-z0-9]{5}")


def _any(_obj: Object, _value: Any) -> bool:
    return True


def _annotation(obj: Object, key: str) -> Any:
    return (obj["metadata"].get("annotations") or {}).get(key)


def _an_address(_obj: Object, value: Any) -> bool:
    return value not in ("None", ["None"])


def _selector_is_made(obj: Object, _value: Any) -> bool:
    spec = obj.get("spec")
    return not (isinstance(spec, dict) and spec.get("manualSelector") is True)


def _bound_by_controller(obj: Object, _value: Any) -> bool:
    return bool(_annotation(obj, _BOUND))


def _is_token(obj: Object, _value: Any) -> bool:
    return obj.get("type") == _TOKEN_TYPE


def _own_token(obj: Object, entry: Any) -> bool:
    """Return whether an entry names a token or a pull secret that controllers created for this ServiceAccount."""
    name = entry.get("name") if isinstance(entry, dict) else None
    owner = re.escape(str(obj["metadata"]["name"]))
    return isinstance(name, str) and re.fullmatch(rf"{owner}-(token|dockercfg)-[a-z0-9]+", name) is not None


def _injected(_obj: Object, entry: Any) -> bool:
    return isinstance(entry, dict) and _INJECTED.fullmatch(str(entry.get("name"))) is not None


def _sent_by_karmada(obj: Object, _value: Any) -> bool:
    return (obj["metadata"].get("labels") or {}).get(marks.MANAGED) == "true"


def _of_a_stack(obj: Object, _value: Any) -> bool:
    """Return whether a stack has declared the template: it has all annotations that every template of a stack has."""
    return all(_annotation(obj, key) == value for key, value in OWN_ANNOTATIONS.items())


def _not_asked_for(obj: Object, value: Any) -> bool:
    """Return whether the stack itself set the annotation, not the manifest from which the stack made the template."""
    return _of_a_stack(obj, value) and _annotation(obj, HEALTH_IGNORED) is None


class Row(NamedTuple):
    """One field that a server sets."""

    path: tuple[Step, ...]
    source: str
    """The documentation or code which shows that a server sets it."""
    kinds: tuple[GroupKind, ...] = ()
    """The kinds that have the field; empty for all kinds."""
    only: Callable[[Object, Any], bool] = _any
    """Whether a server has set the value; by object and value."""
    entry: Callable[[Object, Any], bool] | None = None
    """For a list: whether an entry is removed; by object and entry."""
    always: bool = False
    """It is removed from any object, even if nothing shows that it was exported: Karmada sends it to no member."""


META = "apimachinery, meta/v1 ObjectMeta: populated by the system, read-only"
_KARMADA = "karmada, pkg/apis/*/well_known_constants.go"
_JOB_MADE = "kubernetes, pkg/registry/batch/job/strategy.go: generateSelector"
_BINDING = "kubernetes, staging/.../component-helpers/storage/volume/pv_helpers.go"


def _annotations(source: str, *keys: str, kinds: tuple[GroupKind, ...] = (), **more: Any) -> list[Row]:
    return [Row(("metadata", "annotations", key), source, kinds, **more) for key in keys]


def _labels(source: str, *keys: str, kinds: tuple[GroupKind, ...] = (), **more: Any) -> list[Row]:
    return [Row(("metadata", "labels", key), source, kinds, **more) for key in keys]


_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")

ROWS: tuple[Row, ...] = (
    *(
        Row(("metadata", key), META)
        for key in (
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    ),
    Row(("status",), "kubernetes, api-conventions: status is the system's; karmada, prune.go"),
    *_annotations("kubectl, pkg/util/apply.go", "kubectl.kubernetes.io/last-applied-configuration"),
    *_annotations(
        "kubernetes, pkg/controller/deployment/util/deployment_util.go",
        "deployment.kubernetes.io/revision",
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        kinds=(DEPLOYMENT, REPLICA_SET),
    ),
    *_annotations(
        "kubernetes, apps/v1 DeprecatedTemplateGeneration",
        "deprecated.daemonset.template.generation",
        kinds=(DAEMON_SET,),
    ),
    *_annotations(
        "kubernetes, pkg/apis/autoscaling/annotations.go",
        "autoscaling.alpha.kubernetes.io/conditions",
        "autoscaling.alpha.kubernetes.io/current-metrics",
        kinds=(_SCALER,),
    ),
    *_annotations("client-go, leaderelection/resourcelock", "control-plane.alpha.kubernetes.io/leader"),
    *_annotations(
        "kubernetes, pkg/controller/job and cronjob: tracking, scheduled time",
        "batch.kubernetes.io/job-tracking",
        "batch.kubernetes.io/cronjob-scheduled-timestamp",
        kinds=(JOB,),
    ),
    *(Row(("metadata", "labels", key), _JOB_MADE, (JOB,), _selector_is_made) for key in _JOB_LABELS),
    *(
        Row(("spec", "selector", "matchLabels", key), _JOB_MADE, (JOB,), _selector_is_made)
        for key in _JOB_LABELS
        if key.endswith("uid")
    ),
    *(
        Row(("spec", "template", "metadata", "labels", key), _JOB_MADE, (JOB,), _selector_is_made)
        for key in _JOB_LABELS
    ),
    Row(("spec", "clusterIP"), "kubernetes, core/v1 ServiceSpec; karmada, prune.go", (_SERVICE,), _an_address),
    Row(("spec", "clusterIPs"), "kubernetes, core/v1 ServiceSpec; karmada, prune.go", (_SERVICE,), _an_address),
    Row(("spec", "healthCheckNodePort"), "kubernetes, core/v1 ServiceSpec: allocated by the server", (_SERVICE,)),
    Row(
        ("secrets",),
        "kubernetes, legacy token controller; karmada, prune.go",
        (_ACCOUNT,),
        entry=_own_token,
        always=True,
    ),
    Row(("imagePullSecrets",), "openshift, dockercfg controller", (_ACCOUNT,), entry=_own_token),
    Row(("data",), "kubernetes, token controller; karmada, prune.go", (_SECRET,), _is_token),
    *_annotations(
        "kubernetes, core/v1 ServiceAccountUIDKey",
        "kubernetes.io/service-account.uid",
        kinds=(_SECRET,),
        only=_is_token,
    ),
    # This row comes before the row of the annotation that it uses.
    Row(("spec", "volumeName"), _BINDING, (_CLAIM,), _bound_by_controller),
    Row(("spec", "claimRef"), _BINDING, (_VOLUME,), _bound_by_controller),
    Row(("spec", "claimRef", "uid"), _BINDING, (_VOLUME,)),
    Row(("spec", "claimRef", "resourceVersion"), _BINDING, (_VOLUME,)),
    *_annotations(
        _BINDING,
        "pv.kubernetes.io/bind-completed",
        _BOUND,
        "pv.kubernetes.io/provisioned-by",
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
        kinds=(_CLAIM, _VOLUME),
    ),
    Row(("spec", "volumeClaimTemplates", "*", "status"), "kubernetes, core/v1 PersistentVolumeClaim", (STATEFUL_SET,)),
    Row(("spec", "nodeName"), "kubernetes, scheduler", (_POD,)),
    Row(("spec", "priority"), "kubernetes, admission plugin Priority: refused where another class has it", (_POD,)),
    Row(("spec", "ephemeralContainers"), "kubernetes, core/v1 PodSpec: not at creation", (_POD,)),
    Row(("spec", "volumes"), "kubernetes, admission plugin ServiceAccount", (_POD,), entry=_injected),
    *(
        Row(
            ("spec", part, "*", "volumeMounts"), "kubernetes, admission plugin ServiceAccount", (_POD,), entry=_injected
        )
        for part in ("containers", "initContainers")
    ),
    Row(("spec", "finalizers"), "kubernetes, core/v1 NamespaceSpec", (_NAMESPACE,)),
    # The label that shows who has sent the object is removed after the rows that use it.
    *_annotations(_KARMADA, marks.CONFLICT, only=_sent_by_karmada),
    *_annotations(_KARMADA, *sorted(marks.ANNOTATIONS - {marks.CONFLICT})),
    *_annotations(_KARMADA, *sorted(CLAIM_KEYS)),
    *_annotations(_KARMADA, *marks.APPLIED_OVERRIDES.values(), "policy.karmada.io/applied-placement"),
    *_labels(_KARMADA, *sorted(marks.LABELS | CLAIM_KEYS)),
    *_annotations("flotilla.karmada.propagation", "pulumi.com/skipAwait", only=_not_asked_for),
    *_annotations("flotilla.karmada.propagation", HEALTH_IGNORED, only=_of_a_stack),
    *_annotations("flotilla.karmada.propagation", "pulumi.com/deletionPropagationPolicy", ON_REMOVAL),
)
"""Fields that servers set, in the order in which they are processed."""
