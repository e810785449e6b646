"""Turns Clusters of a control plane into members of a stack file."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from flotilla.adopt.model import Credentials, MemberFacts, Report
from flotilla.karmada.cordons import CORDONED, DRAIN, MAINTENANCE, is_cordoned, maintenance_of, mode_of
from flotilla.karmada.joining.agent import IDENTITY_ANNOTATION, image, serves
from flotilla.karmada.joining.agent import NAMESPACE as AGENT_NAMESPACE
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.kube.objects import Object
from flotilla.kube.quantities import parse_quantity

Keys = dict[str, Any]

PLACEHOLDER = "kubeconfigs/{name}.yaml"
"""The path of a member's kubeconfig where the user gave none."""
_READ = frozenset(
    {
        "syncMode",
        "id",
        "apiEndpoint",
        "secretRef",
        "impersonatorSecretRef",
        "provider",
        "region",
        "zone",
        "zones",
        "taints",
        "proxyURL",
        "insecureSkipTLSVerification",
        "resourceModels",
    }
)
# Karmada, pkg/apis/cluster/v1alpha1/well_known_constants.go: its controllers set and remove these.
_OWN_TAINTS = frozenset(
    f"cluster.karmada.io/{name}" for name in ("not-ready", "unreachable", "unschedulable", "terminating")
)
_PATCH = 2
"""The number of points in a version with its patch release."""
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_GIB = 2**30
_MOST = 2**63 - 1
# Karmada, pkg/apis/cluster/mutation: the models that the server gives a Cluster without any (cores, GiB).
_CORES = (0, 1, 2, 4, 8, 16, 32, 64, 128)
_MEMORY = (0, 4, 16, 32, 64, 128, 256, 512, 1024)


def member_of(
    cluster: Object,
    facts: MemberFacts,
    credentials: Credentials,
    *,
    version: str,
    taints: Iterable[tuple[str, str]],
    report: Report,
) -> Keys:
    """Return a Cluster as an entry of `flotilla:members`.

    Args:
        cluster: the Cluster.
        facts: the facts that were read from the member.
        credentials: Karmada's credentials for the member.
        version: Karmada's version, empty where it isn't known; an agent with another image gets an `image`.
        taints: key and effect of taints that ClusterTaintPolicies set.
        report: gets settings that have no key.
    """
    name, spec = str(cluster["metadata"]["name"]), cluster.get("spec") or {}
    keys: Keys = {"name": name}
    if spec.get("syncMode") == "Pull":
        keys["mode"] = "Pull"
    keys["kubeconfig"] = _kubeconfig(name, facts, report)
    endpoint = spec.get("apiEndpoint")
    if endpoint and endpoint != facts.server:
        keys["apiEndpoint"] = endpoint
    if labels := cluster["metadata"].get("labels"):
        keys["labels"] = dict(labels)
    zones = spec.get("zones") or ([spec["zone"]] if spec.get("zone") else [])
    values = {"provider": spec.get("provider"), "region": spec.get("region"), "zones": list(zones)}
    keys |= {key: value for key, value in values.items() if value}
    kept_out = {
        "taints": _taints(name, spec.get("taints") or [], set(taints), report),
        "maintenance": _maintenance(name, cluster, report),
    }
    keys |= {key: value for key, value in kept_out.items() if value}
    if spec.get("insecureSkipTLSVerification"):
        keys["insecureSkipTlsVerify"] = True
    elif facts.server and (bundle := _other_authority(credentials.authority, facts.authority)):
        keys["caBundle"] = bundle
    if spec.get("proxyURL"):
        keys["proxyUrl"] = spec["proxyURL"]
    namespace = credentials.account.partition("/")[0]
    if namespace and namespace != CLUSTER_NAMESPACE:
        keys["namespace"] = namespace
    if keys.get("mode") == "Pull":
        keys |= _agent_keys(name, facts, version, report)
    _without_key(name, cluster, report)
    return keys


def unfinished_member(name: str, facts: MemberFacts, report: Report) -> Keys:
    """Return an entry of `flotilla:members` for a member whose join stopped before its Cluster existed."""
    report.notes.append(
        f"member {name}: its join stopped before its Cluster existed; `flotilla up --adopt` completes it"
    )
    return {"name": name, "kubeconfig": _kubeconfig(name, facts, report)}


def _kubeconfig(name: str, facts: MemberFacts, report: Report) -> Any:
    if not facts.path:
        path = PLACEHOLDER.format(name=name)
        why = facts.problem or "no kubeconfig was given for it"
        report.notes.append(f"member {name}: {why}; {path} is a placeholder: store an administrator's kubeconfig there")
        return path
    if facts.problem:
        report.notes.append(f"member {name}: the cluster itself could not be read: {facts.problem}")
    return {"path": facts.path, "context": facts.context} if facts.context else facts.path


def _other_authority(known: str, own: str) -> str:
    """Return the certificates by which Karmada verifies a member, if they differ from the kubeconfig's; else ''."""
    try:
        texts = [base64.b64decode(one).decode().strip() for one in (known, own)]
    except ValueError:
        return ""
    return f"{texts[0]}\n" if texts[0] != texts[1] and _CERTIFICATE in texts[0] else ""


def _taints(name: str, taints: list[Object], by_policy: set[tuple[str, str]], report: Report) -> list[Keys]:
    declared = []
    for taint in taints:
        key, effect = str(taint.get("key")), str(taint.get("effect"))
        if key in _OWN_TAINTS:
            continue
        if (key, effect) in by_policy:
            report.leave_out(f"Cluster {name}: taint {key}:{effect}", "a ClusterTaintPolicy sets it")
            continue
        declared.append({part: taint[part] for part in ("key", "value", "effect") if taint.get(part)})
    return declared


def _maintenance(name: str, cluster: Object, report: Report) -> str:
    """Return the mode of a member's maintenance; empty for none.

    A drain becomes a cordon: the excluded members are already in the policies' placements, which are declared.
    """
    said = maintenance_of(cluster)
    if mode_of(said) == DRAIN:
        report.notes.append(
            f"member {name}: it is drained ({said}), and declared as cordoned; placements that exclude it now do so in "
            "the stack file: remove it from their `exclude` to bring workloads back"
        )
    return CORDONED if said and is_cordoned(cluster) else ""


def _agent_keys(name: str, facts: MemberFacts, version: str, report: Report) -> Keys:
    agent = _agent(name, facts, version, report)
    if not agent.keys() & {"image", "asFound"} and version.count(".") < _PATCH:
        report.notes.append(
            f"member {name}: the image of its agent is not known; give Karmada's patch release "
            "(--karmada-version 1.18.2), or give the member's kubeconfig"
        )
    return {"agent": agent} if agent else {}


def declared_by_a_stack(deployment: Object) -> bool:
    """Return whether an agent's Deployment is as a stack declares it: with the fingerprint of its certificate."""
    return IDENTITY_ANNOTATION in (deployment["spec"]["template"]["metadata"].get("annotations") or {})


def _agent(name: str, facts: MemberFacts, version: str, report: Report) -> Keys:
    """Return the settings in which a member's agent differs from the one that the stack would declare."""
    deployment = next((one for one in facts.agents if serves(one, name)), None)
    if deployment is None:
        return {}
    container: Object = next(iter(deployment["spec"]["template"]["spec"].get("containers") or []), {})
    namespace, replicas = deployment["metadata"].get("namespace"), deployment["spec"].get("replicas", 1)
    usual = image(version) if version else ""
    given = str(container.get("image") or "")
    if not declared_by_a_stack(deployment):
        place = {} if namespace == AGENT_NAMESPACE else {"namespace": namespace}
        report.notes.append(
            f"member {name}: its agent stays as karmadactl deployed it (`agent: {{asFound: true}}`), with a "
            "certificate that nobody renews; without that key the stack takes the agent over, and its pod restarts"
        )
        return {"asFound": True, **place}
    keys: Keys = {}
    if given and given not in (usual, usual.removeprefix("docker.io/")):
        keys["image"] = given
    if namespace != AGENT_NAMESPACE:
        keys["namespace"] = namespace
    if replicas != 1:
        keys["replicas"] = replicas
    resources = {
        part: values for part in ("requests", "limits") if (values := (container.get("resources") or {}).get(part))
    }
    return keys | ({"resources": resources} if resources else {})


def _without_key(name: str, cluster: Object, report: Report) -> None:
    """Report settings of a Cluster that users may have made and that have no key in the stack file."""
    spec = cluster.get("spec") or {}
    why = "the stack file has no key for it; it stays as it is"
    if spec.get("resourceModels") and not is_default_models(spec["resourceModels"]):
        report.leave_out(f"Cluster {name}: spec.resourceModels", why)
    for field, value in spec.items():
        if field not in _READ and value:
            report.leave_out(f"Cluster {name}: spec.{field}", why)
    for key in cluster["metadata"].get("annotations") or {}:
        if not key.startswith(("pulumi.com/", "kubectl.kubernetes.io/")) and key != MAINTENANCE:
            report.leave_out(f"Cluster {name}: annotation {key}", why)


def is_default_models(models: list[Object]) -> bool:
    """Return whether resource models are the ones that Karmada's server sets in a Cluster without models."""
    found = []
    for model in models:
        ranges = {one.get("name"): one for one in model.get("ranges") or []}
        if set(ranges) != {"cpu", "memory"}:
            return False
        found.append(
            (model.get("grade"), *(_bytes(ranges[n].get(m)) for n in ("cpu", "memory") for m in ("min", "max")))
        )
    last = len(_CORES) - 1
    wanted = [
        (
            grade,
            _CORES[grade],
            _CORES[grade + 1] if grade < last else _MOST,
            _MEMORY[grade] * _GIB,
            _MEMORY[grade + 1] * _GIB if grade < last else _MOST,
        )
        for grade in range(len(_CORES))
    ]
    return found == wanted


def _bytes(quantity: object) -> int:
    try:
        return int(parse_quantity(str(quantity)))
    except ValueError:
        return -1
