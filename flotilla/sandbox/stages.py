"""The behaviour of simulated nodes and pods, as KWOK's stages. If any stages are given, KWOK doesn't use its own.

Pods are ready at once, and those of Jobs are complete. Two image tags make a pod fail as a kubelet would report it: an
image with `broken` can't be pulled, and a container with `crash` ends repeatedly.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

BROKEN, CRASHING = "broken", "crash"
"""The image tags with which containers fail: `nginx:broken` can't be pulled, `nginx:crash` ends at once."""
_API = "kwok.x-k8s.io/v1alpha1"
_HEARTBEAT_MILLISECONDS = 600_000
"""Nodes also renew a lease, by which Kubernetes recognises that they are alive."""

_LEAVING = ".metadata.deletionTimestamp"
_PHASE = ".status.phase"
_READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'
_WAITING = ".status.containerStatuses[]?.state.waiting.reason // empty"
_OWNERS = ".metadata.ownerReferences[]?.kind"

_NODE_CONDITIONS = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
"""

_NODE = (
    _NODE_CONDITIONS
    + """
addresses:
{{ with NodeIP }}
- {type: InternalIP, address: {{ . | Quote }}}
{{ end }}
{{ with NodeName }}
- {type: Hostname, address: {{ . | Quote }}}
{{ end }}
{{ with NodePort }}
daemonEndpoints: {kubeletEndpoint: {Port: {{ . }}}}
{{ end }}
nodeInfo:
  architecture: amd64
  operatingSystem: linux
  bootID: ""
  machineID: ""
  systemUUID: ""
  osImage: ""
  containerRuntimeVersion: kwok-{{ Version }}
  kernelVersion: kwok-{{ Version }}
  kubeProxyVersion: kwok-{{ Version }}
  kubeletVersion: kwok-{{ Version }}
phase: Running
"""
)

_PLACE = """
startTime: {{ $now | Quote }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs:
{{ range . }}
- {ip: {{ . | Quote }}}
{{ end }}
{{ end }}
{{ with PodIPsWith .spec.nodeName ( or .spec.hostNetwork false ) .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- {ip: {{ . | Quote }}}
{{ end }}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  {{ if eq ( or .restartPolicy "" ) "Always" }}
  started: true
  state: {running: {startedAt: {{ $now | Quote }}}}
  {{ else }}
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
  {{ end }}
{{ end }}
"""

_RUNS = (
    """
{{ $now := Now }}
phase: Running
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ range .spec.readinessGates }}
- {type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
"""
    + _PLACE
)

_DONE = """
{{ $now := Now }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  started: false
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
"""


def _failing(tag: str, phase: str, restarts: int, reason: str, message: str) -> str:
    """Return the status of a pod in which containers with a tag wait for a given reason, and all others run."""
    return (
        f"""
{{{{ $now := Now }}}}
phase: {phase}
conditions:
- {{type: Initialized, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}
- {{type: Ready, status: "False", reason: ContainersNotReady, lastTransitionTime: {{{{ $now | Quote }}}}}}
- {{type: ContainersReady, status: "False", reason: ContainersNotReady, lastTransitionTime: {{{{ $now | Quote }}}}}}
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  {{{{ if hasSuffix ":{tag}" .image }}}}
  ready: false
  started: false
  restartCount: {restarts}
  state: {{waiting: {{reason: {reason}, message: {message}}}}}
  {{{{ else }}}}
  ready: true
  restartCount: 0
  state: {{running: {{startedAt: {{{{ $now | Quote }}}}}}}}
  {{{{ end }}}}
{{{{ end }}}}
"""
        + _PLACE
    )


def stages() -> list[Object]:
    """Return the stages as documents of KWOK's configuration."""
    pending = [_absent(_LEAVING), _among(_PHASE, "Pending"), _among(_READY, "True", others=True)]
    pull = '{{ printf "Back-off pulling image %q" .image | Quote }}'
    again = '{{ printf "back-off 10s restarting failed container=%s" .name | Quote }}'
    return [
        _stage("node-starts", "Node", [_among(_READY, "True", others=True)], _NODE),
        _stage(
            "node-lives",
            "Node",
            [_among(_PHASE, "Running"), _among(_READY, "True")],
            _NODE_CONDITIONS,
            delay=_HEARTBEAT_MILLISECONDS,
        ),
        _stage("pod-runs", "Pod", [*pending, _absent(_tagged(BROKEN)), _absent(_tagged(CRASHING))], _RUNS),
        _stage(
            "pod-has-no-image",
            "Pod",
            [*pending, _present(_tagged(BROKEN)), _absent(_WAITING)],
            _failing(BROKEN, "Pending", 0, "ImagePullBackOff", pull),
        ),
        _stage(
            "pod-crashes",
            "Pod",
            [*pending, _absent(_tagged(BROKEN)), _present(_tagged(CRASHING)), _absent(_WAITING)],
            _failing(CRASHING, "Running", 1, "CrashLoopBackOff", again),
        ),
        _stage(
            "pod-is-done",
            "Pod",
            [_absent(_LEAVING), _among(_PHASE, "Running"), _among(_OWNERS, "Job"), _absent(_WAITING)],
            _DONE,
        ),
        _stage("pod-goes", "Pod", [_present(_LEAVING)]),
    ]


def _stage(name: str, kind: str, selector: list[Object], status: str = "", *, delay: int = 0) -> Object:
    """Return a stage that writes a status some milliseconds after it matches, or without one deletes the object."""
    spec: Object = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": selector},
        "next": {"statusTemplate": status} if status else {"delete": True},
    }
    if delay:
        spec["delay"] = {"durationMilliseconds": delay, "jitterDurationMilliseconds": delay + delay // 60}
    return {"apiVersion": _API, "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _tagged(tag: str) -> str:
    return f'.spec.containers.[].image | select( endswith(":{tag}") )'


def _present(key: str) -> Object:
    return {"key": key, "operator": "Exists"}


def _absent(key: str) -> Object:
    return {"key": key, "operator": "DoesNotExist"}


def _among(key: str, value: str, *, others: bool = False) -> Object:
    return {"key": key, "operator": "NotIn" if others else "In", "values": [value]}
