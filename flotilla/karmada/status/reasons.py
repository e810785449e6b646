"""Why an object isn't healthy, as its cluster reports it: pods, conditions, and the last warnings about them."""

from __future__ import annotations

from typing import Any

from flotilla.counts import first_of
from flotilla.karmada.kinds import kind_of
from flotilla.karmada.status.lacking import CLAIM, INGRESS
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef

_PODS_ASKED = 100
_SHOWN = 5
POD = "pod "
"""The beginning of a pod's reason; the pod's name follows."""
_CLASSES = {
    INGRESS: ("ingressClassName", "networking.k8s.io/v1", "IngressClass"),
    CLAIM: ("storageClassName", "storage.k8s.io/v1", "StorageClass"),
}
"""By kind: the field that names its class, and the class's API version and kind. A claim may name a missing class."""
# Conditions that report a problem while they are True; all others report one while they are False.
_BAD_IF_TRUE = frozenset({"ReplicaFailure", "Failed", "FailureTarget", "Stalled"})


def reasons(member: Connection, ref: ObjectRef) -> list[str]:
    """Return what keeps an object from being healthy, the nearest cause first; empty where no cause is found.

    Raises:
        ClusterError: the member could not be asked.
    """
    live = member.find(ref)
    if live is None:
        return [f"{ref} is not in the cluster"]
    # The newest first: older ones may be of an earlier version.
    pods = sorted(pods_of(member, live), key=_creation_time, reverse=True)
    texts = _missing_class(member, live)
    texts += [text for pod in pods for text in pod_reasons(pod)]
    texts += _conditions(live)
    texts += [_warning(event) for event in warnings(member, live, pods)]
    return _few(texts)


def _missing_class(member: Connection, live: Object) -> list[str]:
    """Return that the class which would serve an object doesn't exist in the cluster; empty where it does."""
    found = _CLASSES.get(kind_of(live))
    if found is None:
        return []
    field, api_version, kind = found
    name = (live.get("spec") or {}).get(field)
    if not name or member.find(ObjectRef(api_version, kind, str(name))) is not None:
        return []
    return [f"there is no {kind} {name} in the cluster"]


def pods_of(member: Connection, live: Object) -> list[Object]:
    """Return the pods that a workload's selector selects; for a Pod, the Pod itself."""
    if live["kind"] == "Pod":
        return [live]
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels")
    if not isinstance(labels, dict) or not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return member.list("v1", "Pod", namespace=live["metadata"].get("namespace"), labels=selector)[:_PODS_ASKED]


def pod_reasons(pod: Object) -> list[str]:
    """Return what a pod waits for: an image, a node, the back-off after a crash; empty if it is ready or done."""
    status = pod.get("status") or {}
    name = pod["metadata"]["name"]
    texts = []
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            texts.append(f"{POD}{name}: {container['name']}: {_sentence(waiting)}")
    if texts or status.get("phase") == "Succeeded":
        return texts
    for condition in status.get("conditions") or []:
        if condition.get("status") == "False" and condition.get("type") in ("PodScheduled", "Ready"):
            said = _sentence(condition)
            if said:
                return [f"{POD}{name}: {said}"]
    return texts


def warnings(member: Connection, live: Object, pods: list[Object]) -> list[Object]:
    """Return the last warnings about an object, its pods and the objects between them (ReplicaSets), latest first."""
    meta = live["metadata"]
    names = {meta["name"], *(pod["metadata"]["name"] for pod in pods)}
    events = member.list("v1", "Event", namespace=meta.get("namespace") or "default", fields="type=Warning")

    def about(event: Object) -> bool:
        name = str((event.get("involvedObject") or {}).get("name", ""))
        return name in names or name.startswith(f"{meta['name']}-")

    return sorted((event for event in events if about(event)), key=event_time, reverse=True)


def event_time(event: Object) -> str:
    """Return when an event was last seen; both event APIs are understood."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((time for time in times if time), event["metadata"].get("creationTimestamp") or ""))


def _conditions(live: Object) -> list[str]:
    texts = []
    for condition in (live.get("status") or {}).get("conditions") or []:
        bad = "True" if condition.get("type") in _BAD_IF_TRUE else "False"
        if condition.get("status") == bad:
            texts.append(f"{condition['type']}: {_sentence(condition)}")
    return texts


def _warning(event: Object) -> str:
    about = event.get("involvedObject") or {}
    return f"{about.get('kind', '')} {about.get('name', '')}: {_sentence(event)}"


def _sentence(part: dict[str, Any]) -> str:
    texts = (str(part.get("reason") or ""), str(part.get("message") or "").strip())
    return ": ".join(text for text in texts if text)


def _creation_time(obj: Object) -> str:
    return str(obj["metadata"].get("creationTimestamp") or "")


def _few(texts: list[str]) -> list[str]:
    """Remove duplicates, and limit the number of texts."""
    return first_of(list(dict.fromkeys(texts)), _SHOWN)
