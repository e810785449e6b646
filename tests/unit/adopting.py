"""Helpers that turn a declared stack into a running fleet.

The objects get everything that API servers, webhooks and controllers add.
"""

import base64
import json
from pathlib import Path

import yaml

from flotilla.adopt.compose import Wanted, adopt
from flotilla.adopt.model import Found, MemberFacts, Selection
from flotilla.karmada.aiming import override_policies
from flotilla.karmada.kinds import defined_kinds, identity
from flotilla.karmada.objects import CLUSTER_API, POLICY_API
from flotilla.karmada.propagation import declared_policy, propagation_policy, template
from flotilla.karmada.scheduling.defaults import with_default_tolerations
from flotilla.karmada.selection import (
    POLICIES,
    POLICY_ID_LABELS,
    claim_annotations,
    claimant,
    is_policy,
)
from flotilla.kube.objects import copied, ref_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.stack.specs import propagation_spec, rules_for_objects
from flotilla.state.values import SIGNATURE_KEY
from flotilla.workloads.exported import cleaned
from flotilla.workloads.objects import manifests_of
from tests import rounds
from tests.unit.conftest import KUBECONFIG

SERVER = {
    "uid": "0b7ac2d4-0000-4000-8000-000000000001",
    "resourceVersion": "4711",
    "generation": 3,
    "creationTimestamp": "2026-01-05T09:00:00Z",
    "managedFields": [{"manager": "kubectl-client-side-apply", "operation": "Update"}],
}
FINALIZERS = {"PropagationPolicy": ["karmada.io/propagation-policy-controller"]}
TO_FIRST = {"clusterAffinity": {"clusterNames": ["member1"]}}
TAG = {"component": "Tag", "operator": "replace", "value": "1.28"}
CRYPTER = rounds.crypter("of tests")


def pods(name, *, namespace="shop", labels=None, **spec):
    """Return a Deployment as a user writes its manifest."""
    selector = {"app": name}
    template = {
        "metadata": {"labels": selector},
        "spec": {"containers": [{"name": name, "image": "nginx:1.27"}]},
    }
    metadata = {"name": name, "namespace": namespace, "labels": {**selector, **(labels or {})}}
    body = {"replicas": 2, "selector": {"matchLabels": selector}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": body}


def own(kind, api_version, name, *, namespace="shop", **body):
    """Return a manifest of any other kind."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def secret(name, texts, **more):
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return own("Secret", "v1", name, **{"type": "Opaque", "data": data, **more})


def policy(kind, name, selected, *, namespace="shop", **spec):
    """Return a policy that selects objects by name, or by the given selectors."""
    selectors = [
        {"apiVersion": one["apiVersion"], "kind": one["kind"], "name": one["metadata"]["name"]}
        if "metadata" in one
        else one
        for one in selected
    ]
    spec = {**({"resourceSelectors": selectors} if selectors else {}), **spec}
    return own(kind, POLICY_API, name, namespace=namespace, spec=spec)


def with_both_zones(workload):
    """Return a workload whose overrides by zone list both zones, as Karmada before 1.12 requires."""
    overrides = [
        {**one, "target": {**one["target"], "zones": ["us-a", "us-b"]}} if "zones" in (one.get("target") or {}) else one
        for one in workload.get("overrides", [])
    ]
    return {**workload, **({"overrides": overrides} if overrides else {})}


def comparable(objects):
    """Return objects by kind and name, without fields that servers add and annotations that a stack writes."""
    found = {}
    for obj in objects:
        bare = cleaned({**obj, "metadata": {**obj["metadata"], **SERVER}})
        meta = dict(bare["metadata"])
        if not meta.get("annotations"):
            meta.pop("annotations", None)
        bare = {**bare, "metadata": meta}
        if is_policy(bare) and bare["spec"].get("overriders") == {}:
            bare["spec"] = {key: value for key, value in bare["spec"].items() if key != "overriders"}
        found[str(ref_of(obj))] = declared_policy(bare, namespace="default") if is_policy(bare) else bare
    return found


def plain(value):
    """Return a registered value without the markers of secrets."""
    if isinstance(value, dict):
        return plain(value["value"]) if SIGNATURE_KEY in value else {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def in_karmada(registered):
    """Return the templates, policies and control plane objects that a program registered."""
    found = {}
    for name, args in registered.items():
        ours = args.typ.startswith("kubernetes:") and "::karmada-provider::" in args.provider
        if ours and not name.endswith(("-credentials", "-cluster")):
            obj = plain(args.inputs)
            found[identity(obj)] = obj
    return found


def clusters_of(registered):
    return [plain(args.inputs) for args in registered.values() if args.typ.endswith(":Cluster")]


def live(objects, *, version="1.18"):
    """Return objects as an API server returns them once Karmada has claimed the templates."""
    policies = [_served_policy(obj, version) for obj in objects if is_policy(obj)]
    found = list(policies)
    for obj in objects:
        if not is_policy(obj):
            sender = claimant(policies, obj)
            found.append(_served(obj, _claim(sender) if sender else {}))
    return found


def _served_policy(policy, version):
    declared = declared_policy(policy, namespace="default")
    if policy["kind"] in POLICIES:
        if version < "1.15":
            placement = declared["spec"]["placement"]
            placement["clusterTolerations"] = with_default_tolerations(placement.get("clusterTolerations") or [])
        ref = ref_of(policy)
        labels = {"labels": {POLICY_ID_LABELS[policy["kind"]]: f"id-{ref.namespace}-{ref.name}"}}
        return _served(declared, labels, finalizers=FINALIZERS.get(policy["kind"], []))
    declared["spec"]["overriders"] = {}  # the form in which the webhook's own Go type is serialised
    return _served(declared, {})


def _claim(policy):
    key = POLICY_ID_LABELS[policy["kind"]]
    return {"labels": {key: policy["metadata"]["labels"][key]}, "annotations": claim_annotations(policy)}


def _served(obj, more, **metadata):
    result = copied(obj)
    meta = result["metadata"]
    for field, values in more.items():
        meta[field] = {**(meta.get(field) or {}), **values}
    note = {"kubectl.kubernetes.io/last-applied-configuration": "not JSON"}
    meta |= {**SERVER, **metadata, "annotations": {**note, **(meta.get("annotations") or {})}}
    if obj["kind"] in ("Deployment", "FederatedHPA"):
        result["status"] = {"observedGeneration": 3}
    return result


def cluster(name, *, ready=True, spec=None, **metadata):
    status = {"conditions": [{"type": "Ready", "status": str(ready), "message": "" if ready else "it is gone"}]}
    body = {"apiVersion": CLUSTER_API, "kind": "Cluster", "metadata": {"name": name, **metadata, **SERVER}}
    return {
        **body,
        "spec": {"syncMode": "Push", "apiEndpoint": f"https://{name}:6443", **(spec or {})},
        "status": status,
    }


def found_of(objects, clusters, **more):
    """Return what adoption reads from a control plane with these objects."""
    policies = tuple(obj for obj in objects if obj["apiVersion"] == POLICY_API and is_policy(obj))
    own = tuple(
        obj for obj in objects if obj["apiVersion"].split("/")[0].endswith(".karmada.io") and not is_policy(obj)
    )
    templates = tuple(obj for obj in objects if obj not in policies and obj not in own)
    return Found(clusters=tuple(clusters), policies=policies, templates=templates, objects=own, **more)


class Adoption:
    """The result of an adoption, written into a project folder."""

    def __init__(self, project, found, *, version="1.18", sealed=True, placeholders=False, **selection):
        self.project = Path(project)
        members = [one["metadata"]["name"] for one in found.clusters]
        for file in ("kube", *members):
            self._kubeconfig(file)
        chosen = Selection(**{key: value if key == "labels" else frozenset(value) for key, value in selection.items()})
        wanted = Wanted("adopted/test", "kube.yaml", chosen, version=version, seal=CRYPTER.encrypt if sealed else None)
        facts = {} if placeholders else {name: MemberFacts(f"{name}.yaml") for name in members}
        self.adopted = adopt(found, facts, wanted, project=self.project)
        self.sections = self.adopted.sections
        for name, text in self.adopted.files.items():
            file = self.project / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def _kubeconfig(self, name):
        file = self.project / f"{name}.yaml"
        if not file.exists():
            port = 1 + len(list(self.project.glob("*.yaml")))
            clusters = [{"name": "one", "cluster": {"server": f"https://127.0.0.1:{port}"}}]
            file.write_text(yaml.safe_dump({**KUBECONFIG, "clusters": clusters}))

    @property
    def report(self):
        return self.adopted.report.to_json()

    @property
    def left_out(self):
        return {one["object"]: one["reason"] for one in self.report["leftOut"]}

    @property
    def rules(self):
        return {(one["rule"], one["object"]) for one in self.report["findings"]}

    @property
    def workloads(self):
        return {one["name"]: one for one in self.sections.get("workloads", [])}

    def absolute(self):
        """Return the sections for a program that runs in another folder: with absolute paths and decrypted values."""
        sections = json.loads(json.dumps(decrypted(self.sections)))
        sections["controlPlane"]["kubeconfig"] = str(self.project / "kube.yaml")
        for member in sections.get("members", []):
            member["kubeconfig"] = str(self.project / f"{member['name']}.yaml")
        for entry in (*sections.get("workloads", []), *sections.get("objects", [])):
            for key in ("manifests", "policies"):
                if key in entry:
                    entry[key] = [str(self.project / name) for name in entry[key]]
        return sections


def decrypted(value, crypter=CRYPTER):
    """Return a configuration with its encrypted values decrypted."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return crypter.decrypt(value["secure"])
        return {key: decrypted(one, crypter) for key, one in value.items()}
    return [decrypted(one, crypter) for one in value] if isinstance(value, list) else value


def declared_by(adoption):
    """Return the templates and policies that a stack declares, without running a program."""
    return declared_in(adoption.project, decrypted(adoption.sections))


def declared_in(project, sections):
    """Return the templates and policies that the sections of a stack declare."""
    files = ManifestFiles(project)
    fleet = parse_fleet(sections, base=project, manifests=files)
    objects = []
    for workload in fleet.workloads:
        manifests = manifests_of(workload, files)
        templates = [template(one, namespace=workload.namespace, kinds=defined_kinds(manifests)) for one in manifests]
        objects += templates
        if workload.given:
            objects += workload.given.declares
        else:
            name, namespace = workload.object_name, templates[0]["metadata"].get("namespace")
            spec, rules = propagation_spec(workload, fleet.karmada), rules_for_objects(workload, templates)
            objects.append(propagation_policy(name, namespace=namespace, templates=templates, spec=spec))
            objects += override_policies(name, namespace=namespace, templates=templates, rules=rules).values()
    return comparable(objects)
